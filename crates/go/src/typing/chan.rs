//! Channels: the header, its buffer, and the goroutines that wait.

use crate::dwarf::DebugInfo;
use crate::types::{Kind, TypeId, TypeTable};

use super::Typing;
use super::offer::Sure;
use super::shapes::{Shape, ShapeInfo};
use super::walk::word;

/// Fields of `runtime.hchan` (`runtime/chan.go`).
#[derive(Clone, Copy)]
pub(super) struct ChanLayout {
    buf: usize,
    /// The first waiting receiver, the first waiting sender.
    waiting: [usize; 2],
    /// `runtime.sudog`: a goroutine that waits.
    sudog: Option<TypeId>,
}

impl ChanLayout {
    pub(super) fn resolve(debug: &DebugInfo, types: &TypeTable) -> Option<Self> {
        let field = |path| {
            let offset = debug.field("runtime.hchan", path)?.offset;
            usize::try_from(offset).ok()
        };
        Some(Self {
            buf: field("buf")?,
            waiting: [field("recvq.first")?, field("sendq.first")?],
            sudog: debug
                .type_named("runtime.sudog")
                .and_then(|d| types.from_dwarf(d)),
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
        let noscan = self.objects.spans()[hit.span as usize].noscan;
        let shape = self
            .shapes
            .number(ShapeInfo::plain(Shape::Chan(chan), !noscan));
        if !self.offer(hit, Sure::Machinery, shape) || noscan {
            return;
        }
        let header = self.data(hit);
        let buffer = word(header, layout.buf).and_then(|at| self.objects.find(at));
        if let (Some(buffer), Kind::Chan(elem)) = (buffer, self.types.kind(chan)) {
            let array = self.of_type(elem).array;
            self.offer(buffer, Sure::Exact, array);
        }
        if let Some(sudog) = layout.sudog {
            for first in layout.waiting {
                self.pointer(word(header, first).unwrap_or(0), sudog, &[]);
            }
        }
    }
}
