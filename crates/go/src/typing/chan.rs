//! Channels: the header, its buffer, and what goroutines that wait to send have in their hands.

use leakscope_target::Addr;

use crate::dwarf::DebugInfo;
use crate::objects::Hit;
use crate::types::{Kind, TypeId, TypeTable};

use super::Typing;
use super::offer::{SHAPE_MASK, Sure};
use super::shapes::{Shape, ShapeInfo};
use super::walk::word;

/// Fields of `runtime.hchan` (`runtime/chan.go`) and `runtime.sudog` (`runtime/runtime2.go`).
#[derive(Clone, Copy)]
pub(super) struct ChanLayout {
    buf: usize,
    /// The first waiting receiver, the first waiting sender.
    waiting: [usize; 2],
    /// `runtime.sudog`: a goroutine that waits.
    pub(super) sudog: TypeId,
    sudog_chan: usize,
    /// What it sends or where it receives to, mostly on its stack.
    sudog_elem: usize,
}

impl ChanLayout {
    pub(super) fn resolve(debug: &DebugInfo, types: &TypeTable) -> Option<Self> {
        let field = |of: &str, path| usize::try_from(debug.field(of, path)?.offset).ok();
        let chan = |path| field("runtime.hchan", path);
        let sudog = |path| field("runtime.sudog", path);
        // Plain pointers up to 1.25; since then each with one that the collector does not see and that is always set.
        Some(Self {
            buf: chan("buf")?,
            waiting: [chan("recvq.first")?, chan("sendq.first")?],
            sudog: types.from_dwarf(debug.type_named("runtime.sudog")?)?,
            sudog_chan: sudog("c.vu").or_else(|| sudog("c"))?,
            sudog_elem: sudog("elem.vu").or_else(|| sudog("elem"))?,
        })
    }
}

impl Typing<'_> {
    /// A pointer to a channel of type `chan`.
    pub(super) fn chan(&mut self, at: u64, chan: TypeId) {
        let (Some(hit), Some(layout)) = (self.objects.find(at), self.chan) else {
            return;
        };
        if hit.base != at {
            return;
        }
        // The runtime puts the header and a buffer without pointers in one object, which it does not scan.
        let noscan = self.facts[hit.span as usize].noscan;
        let shape = ShapeInfo::plain(Shape::Chan(chan), !noscan);
        let shape = self.shapes.number(shape);
        if !self.offer(hit, Sure::Machinery, shape) || noscan {
            return;
        }
        let header = self.data(hit);
        let Kind::Chan(elem) = self.types.kind(chan) else {
            return;
        };
        if let Some(buffer) = word(header, layout.buf).and_then(|at| self.objects.find(at)) {
            let array = self.of_type(elem).array;
            self.offer(buffer, Sure::Exact, array);
        }
        for first in layout.waiting {
            self.pointer(word(header, first).unwrap_or(0), layout.sudog, &[]);
        }
    }

    /// Follows what the goroutines found so far send or receive; false where there was none new whose channel is known.
    pub(super) fn drain_sudogs(&mut self) -> bool {
        let Some(layout) = self.chan else {
            return false;
        };
        let waiting = std::mem::take(&mut self.sudogs);
        let before = waiting.len();
        for hit in waiting {
            let data = self.data(hit);
            let (at, elem) = (word(data, layout.sudog_chan), word(data, layout.sudog_elem));
            match at.map(|at| self.chan_elem(at)) {
                Some(Some(type_)) => {
                    let program = self.programs.of(self.types, type_);
                    let size = self.types.size(type_);
                    if let Ok(value) = self.image.bytes(Addr(elem.unwrap_or(0)), size) {
                        self.values(program, value);
                    }
                }
                // A channel that something not walked yet may still tell the type of.
                _ => self.sudogs.push(hit),
            }
        }
        self.sudogs.len() < before
    }

    /// The channels that goroutines found so far wait for, rising.
    pub(super) fn waited_for(&self) -> Vec<u64> {
        let chan = |hit: &Hit| word(self.data(*hit), self.chan?.sudog_chan);
        let mut chans: Vec<u64> = self.sudogs.iter().filter_map(chan).collect();
        chans.sort_unstable();
        chans
    }

    /// The type of the elements of the channel at `at`, where it is known.
    fn chan_elem(&self, at: u64) -> Option<TypeId> {
        let hit = self.objects.find(at)?;
        let number = self.type_of[hit.obj as usize] & SHAPE_MASK;
        let Shape::Chan(chan) = self.shapes.get(number).shape else {
            return None;
        };
        match self.types.kind(chan) {
            Kind::Chan(elem) => Some(elem),
            _ => None,
        }
    }
}
