//! Sub-records of heap segments: classes, objects, roots. Each says its own length; none needs another to be read.

use super::bytes::{Cursor, width};

/// What a root is, as the dump tells.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum RootTag {
    JniGlobal,
    JniLocal,
    JavaFrame,
    NativeStack,
    StickyClass,
    ThreadBlock,
    Monitor,
    Thread,
    Unknown,
}

/// A root. Fields that its kind has not are zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct RawRoot {
    pub(crate) tag: RootTag,
    pub(crate) object: u64,
    /// Serial number of the thread.
    pub(crate) thread: u32,
    /// Index of the frame, innermost 0; of a thread, the serial number of its stack trace.
    pub(crate) frame: u32,
}

/// One sub-record.
pub(crate) enum Sub<'a> {
    Root(RawRoot),
    /// The bytes behind the tag.
    Class(&'a [u8]),
    Instance {
        id: u64,
        class: u64,
        fields: &'a [u8],
    },
    Objects {
        id: u64,
        class: u64,
        elements: &'a [u8],
    },
    Primitives {
        id: u64,
        type_: u8,
        count: u32,
        elements: &'a [u8],
    },
}

/// Why there is no next sub-record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bad {
    /// The bytes end within one.
    Cut,
    /// No sub-record begins with this byte.
    Tag(u8),
    /// A class or array of a basic type that there is not.
    Type,
}

/// Sub-records in `bytes`; stops for good at the first that is bad.
pub(crate) struct Subs<'a, const W: usize> {
    at: Cursor<'a, W>,
    len: usize,
}

impl<'a, const W: usize> Subs<'a, W> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self {
            at: Cursor::new(bytes),
            len: bytes.len(),
        }
    }

    /// How far they were read: where the next one starts.
    pub(crate) fn position(&self) -> usize {
        self.len - self.at.rest().len()
    }

    /// The next one; `None` at the end.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<Sub<'a>>, Bad> {
        let mut at = self.at;
        let Some(tag) = at.u1() else {
            return Ok(None);
        };
        let sub = Self::body(tag, &mut at)?;
        self.at = at;
        Ok(Some(sub))
    }

    #[inline]
    fn body(tag: u8, at: &mut Cursor<'a, W>) -> Result<Sub<'a>, Bad> {
        match tag {
            0x21 => Self::instance(at).ok_or(Bad::Cut),
            0x22 => Self::objects(at).ok_or(Bad::Cut),
            0x23 => Self::primitives(at),
            0x20 => Self::class(at),
            _ => Self::root(tag, at),
        }
    }

    #[inline]
    fn instance(at: &mut Cursor<'a, W>) -> Option<Sub<'a>> {
        let id = at.id()?;
        at.u4()?;
        let class = at.id()?;
        let len = at.u4()? as usize;
        let fields = at.take(len)?;
        Some(Sub::Instance { id, class, fields })
    }

    #[inline]
    fn objects(at: &mut Cursor<'a, W>) -> Option<Sub<'a>> {
        let id = at.id()?;
        at.u4()?;
        let count = at.u4()? as usize;
        let class = at.id()?;
        let elements = at.take(count.checked_mul(W)?)?;
        Some(Sub::Objects {
            id,
            class,
            elements,
        })
    }

    #[inline]
    fn primitives(at: &mut Cursor<'a, W>) -> Result<Sub<'a>, Bad> {
        let mut head = || {
            let id = at.id()?;
            at.u4()?;
            let count = at.u4()?;
            Some((id, count, at.u1()?))
        };
        let (id, count, type_) = head().ok_or(Bad::Cut)?;
        let width = match type_ {
            2 => return Err(Bad::Type),
            _ => width::<W>(type_).ok_or(Bad::Type)?,
        };
        let len = (count as usize).checked_mul(width).ok_or(Bad::Cut)?;
        let elements = at.take(len).ok_or(Bad::Cut)?;
        Ok(Sub::Primitives {
            id,
            type_,
            count,
            elements,
        })
    }

    fn class(at: &mut Cursor<'a, W>) -> Result<Sub<'a>, Bad> {
        let body = at.rest();
        let mut skip = || {
            at.take(4 + 7 * W + 4)?;
            for _ in 0..at.u2()? {
                at.u2()?;
                if !Self::value(at)? {
                    return Some(false);
                }
            }
            for _ in 0..at.u2()? {
                at.id()?;
                if !Self::value(at)? {
                    return Some(false);
                }
            }
            let fields = usize::from(at.u2()?);
            at.take(fields * (W + 1))?;
            Some(true)
        };
        match skip() {
            None => Err(Bad::Cut),
            Some(false) => Err(Bad::Type),
            Some(true) => Ok(Sub::Class(&body[..body.len() - at.rest().len()])),
        }
    }

    /// Skips a basic type and a value of it; whether there is such a type.
    fn value(at: &mut Cursor<'a, W>) -> Option<bool> {
        let Some(width) = width::<W>(at.u1()?) else {
            return Some(false);
        };
        at.take(width)?;
        Some(true)
    }

    fn root(tag: u8, at: &mut Cursor<'a, W>) -> Result<Sub<'a>, Bad> {
        use RootTag as T;
        let (tag, ids, words) = match tag {
            0x01 => (T::JniGlobal, 2, 0),
            0x02 => (T::JniLocal, 1, 2),
            0x03 => (T::JavaFrame, 1, 2),
            0x04 => (T::NativeStack, 1, 1),
            0x05 => (T::StickyClass, 1, 0),
            0x06 => (T::ThreadBlock, 1, 1),
            0x07 => (T::Monitor, 1, 0),
            0x08 => (T::Thread, 1, 2),
            0xff => (T::Unknown, 1, 0),
            other => return Err(Bad::Tag(other)),
        };
        let mut read = || {
            let object = at.id()?;
            if ids == 2 {
                at.id()?;
            }
            let thread = if words > 0 { at.u4()? } else { 0 };
            let frame = if words > 1 { at.u4()? } else { 0 };
            Some(RawRoot {
                tag,
                object,
                thread,
                frame,
            })
        };
        read().map(Sub::Root).ok_or(Bad::Cut)
    }
}
