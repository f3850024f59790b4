//! Records outside of heap segments: names, loaded classes, stack frames and traces.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rustc_hash::{FxHashMap, FxHashSet};

use super::bytes::Cursor;

/// Frames of one stack trace that are kept: the JVM's own limit for a dump is 1024 by default (`MaxJavaStackTraceDepth`).
const MAX_FRAMES: usize = 1 << 16;

/// Bytes of a name that are told. Those of class files end below 64 KiB, those of people and compilers far below this.
const MAX_NAME: usize = 512;
/// Bytes of names that are spelled out in all, many times what large servers have: a small file may name the same text
/// any number of times.
const MAX_SPELLED: u64 = 512 << 20;

/// A stack frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RawFrame {
    pub(crate) method: u64,
    pub(crate) source: u64,
    pub(crate) class_serial: u32,
    pub(crate) line: i32,
}

/// What the records say.
#[derive(Default)]
pub(crate) struct Tables {
    /// Text of all names, one after the other.
    text: Vec<u8>,
    names: FxHashMap<u64, (usize, u32)>,
    /// Name of each loaded class by its id.
    class_names: FxHashMap<u64, u64>,
    /// The same by serial number.
    serials: FxHashMap<u32, u64>,
    frames: FxHashMap<u64, RawFrame>,
    traces: FxHashMap<u32, Vec<u64>>,
    /// Bytes of names that were spelled out.
    spelled: AtomicU64,
    /// Records of any sort.
    pub(crate) records: u64,
    /// Records that are cut short or make no sense.
    pub(crate) broken: u64,
}

impl Tables {
    /// Takes a record that is no heap segment.
    pub(crate) fn add<const W: usize>(&mut self, tag: u8, body: &[u8]) {
        self.records += 1;
        let mut at = Cursor::<W>::new(body);
        let read = match tag {
            0x01 => self.name(&mut at),
            0x02 => self.load_class(&mut at),
            0x04 => self.frame(&mut at),
            0x05 => self.trace(&mut at),
            _ => Some(()),
        };
        self.broken += u64::from(read.is_none());
    }

    fn name<const W: usize>(&mut self, at: &mut Cursor<'_, W>) -> Option<()> {
        let id = at.id()?;
        let text = at.rest();
        let place = (self.text.len(), u32::try_from(text.len()).ok()?);
        self.text.extend_from_slice(text);
        self.names.insert(id, place);
        Some(())
    }

    fn load_class<const W: usize>(&mut self, at: &mut Cursor<'_, W>) -> Option<()> {
        let serial = at.u4()?;
        let class = at.id()?;
        at.u4()?;
        let name = at.id()?;
        self.serials.insert(serial, class);
        self.class_names.insert(class, name);
        Some(())
    }

    fn frame<const W: usize>(&mut self, at: &mut Cursor<'_, W>) -> Option<()> {
        let id = at.id()?;
        let method = at.id()?;
        at.id()?;
        let source = at.id()?;
        let class_serial = at.u4()?;
        let line = at.u4()?.cast_signed();
        let frame = RawFrame {
            method,
            source,
            class_serial,
            line,
        };
        self.frames.insert(id, frame);
        Some(())
    }

    fn trace<const W: usize>(&mut self, at: &mut Cursor<'_, W>) -> Option<()> {
        let serial = at.u4()?;
        at.u4()?;
        let count = at.u4()? as usize;
        let frames = std::iter::from_fn(|| at.id());
        let frames: Vec<u64> = frames.take(count.min(MAX_FRAMES)).collect();
        let whole = frames.len() == count.min(MAX_FRAMES);
        self.traces.insert(serial, frames);
        whole.then_some(())
    }

    /// A name, its first [`MAX_NAME`] bytes; empty where the dump lacks it, or has asked for too much.
    pub(crate) fn text(&self, id: u64) -> String {
        let Some((at, len)) = self.names.get(&id) else {
            return String::new();
        };
        let told = (*len as usize).min(MAX_NAME);
        if self.spelled.fetch_add(told as u64, Relaxed) > MAX_SPELLED {
            return String::new();
        }
        let mut text = String::from_utf8_lossy(&self.text[*at..*at + told]).into_owned();
        if told < *len as usize {
            text.push_str("...");
        }
        text
    }

    /// Whether a name is this text.
    pub(crate) fn is(&self, id: u64, text: &str) -> bool {
        self.names
            .get(&id)
            .is_some_and(|(at, len)| &self.text[*at..*at + *len as usize] == text.as_bytes())
    }

    /// Ids of names that are one of `texts`.
    pub(crate) fn ids_of(&self, texts: &[&str]) -> FxHashSet<u64> {
        let ids = self.names.keys().copied();
        ids.filter(|id| texts.iter().any(|t| self.is(*id, t)))
            .collect()
    }

    /// The name of a class as the class file spells it, with slashes; empty where the dump lacks it.
    pub(crate) fn class_name(&self, class: u64) -> String {
        self.class_names
            .get(&class)
            .map_or(String::new(), |name| self.text(*name))
    }

    /// Ids of all loaded classes, ascending.
    pub(crate) fn loaded(&self) -> Vec<u64> {
        let mut ids: Vec<u64> = self.class_names.keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    /// The class of a serial number.
    pub(crate) fn class_of_serial(&self, serial: u32) -> Option<u64> {
        self.serials.get(&serial).copied()
    }

    /// The frames of a trace, innermost first.
    pub(crate) fn trace_frames(&self, serial: u32) -> impl Iterator<Item = &RawFrame> {
        let ids = self.traces.get(&serial).map_or(&[][..], Vec::as_slice);
        ids.iter().filter_map(|id| self.frames.get(id))
    }
}
