//! Where every resident byte of a Go process is: the kernel's count of each mapping, divided among what lies in it.
//!
//! Pages of the heap's arenas are told apart by the spans they belong to; pages of the runtime's own tables by where those
//! lie; everything else by what the kernel says of the mapping. What a mapping has more or less than its parts is its
//! remainder: the kernel's two reads and the capture are of different moments.

mod map;
mod ranges;

use leakscope_graph::ObjIx;
use leakscope_target::{AddrRange, MappingUsage, Residency};

use crate::heap::GoHeap;
use crate::spans::Span;
use ranges::{both, bytes, joined, touching, without};

pub(crate) use map::{MemoryMap, arena_entry, arena_lists};

/// What a resident byte belongs to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Part {
    /// Objects that roots reach.
    Live,
    /// Objects that nothing reaches and no collection has seen yet.
    Garbage,
    /// Objects that the last collection found dead and the sweep has not freed.
    Unswept,
    /// Free slots of spans that hold objects, and what their pages have left over.
    InsideSpans,
    /// Pages of the heap in no span, or in one without objects, that the kernel has not been given back.
    FreeSpans,
    /// Stacks of goroutines.
    Stacks,
    /// Stacks kept for reuse, system stacks, the collector's work buffers.
    IdleStacks,
    /// What the runtime manages the heap by.
    Metadata,
    /// The program's file, and its variables.
    Program,
    /// Other mapped files: libraries, data.
    Files,
    /// Memory shared with other processes.
    Shared,
    /// Stacks of threads that C made, and of the main thread.
    ThreadStacks,
    /// The heap of C that grows at the program break.
    BreakHeap,
    /// Other anonymous memory: what C allocated, what the program mapped itself.
    OtherAnonymous,
    /// What the kernel lends: the vDSO and its data.
    Kernel,
}

impl Part {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 15] = [
        Self::Live,
        Self::Garbage,
        Self::Unswept,
        Self::InsideSpans,
        Self::FreeSpans,
        Self::Stacks,
        Self::IdleStacks,
        Self::Metadata,
        Self::Program,
        Self::Files,
        Self::Shared,
        Self::ThreadStacks,
        Self::BreakHeap,
        Self::OtherAnonymous,
        Self::Kernel,
    ];
}

/// Bytes by part.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Parts([u64; Part::ALL.len()]);

impl Parts {
    /// Bytes of a part.
    pub fn get(&self, part: Part) -> u64 {
        self.0.get(part as usize).copied().unwrap_or(0)
    }

    /// Bytes of all parts.
    pub fn total(&self) -> u64 {
        self.0.iter().fold(0, |sum, n| sum.saturating_add(*n))
    }

    fn add(&mut self, part: Part, bytes: u64) {
        if let Some(sum) = self.0.get_mut(part as usize) {
            *sum = sum.saturating_add(bytes);
        }
    }

    fn add_all(&mut self, other: &Self) {
        for part in Part::ALL {
            self.add(part, other.get(part));
        }
    }
}

/// One mapping.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The mapping, as the kernel counts it.
    pub usage: MappingUsage,
    /// What is in it.
    pub parts: Parts,
}

impl Entry {
    /// Resident bytes that belong to no part; negative where parts add up to more.
    pub fn remainder(&self) -> i64 {
        remainder(self.usage.rss, &self.parts)
    }
}

/// Where every resident byte is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ledger {
    /// Mappings with anything resident or swapped, by address.
    pub entries: Vec<Entry>,
    /// Sums over them.
    pub parts: Parts,
    /// Resident bytes: the sum of the kernel's counts.
    pub rss: u64,
    /// Bytes swapped out.
    pub swap: u64,
    /// Whether it is known which pages are resident; if not, those of spans in use and of tables are taken to be.
    pub pages_known: bool,
}

impl Ledger {
    /// Divides what the kernel counted among what was in the heap.
    pub fn of(heap: &GoHeap, residency: &Residency) -> Self {
        let divider = Divider::of(heap, residency.resident.as_deref());
        let mut ledger = Self {
            rss: residency.rss(),
            swap: residency.mappings.iter().map(|m| m.swap).sum(),
            pages_known: residency.resident.is_some(),
            ..Self::default()
        };
        for usage in &residency.mappings {
            if usage.rss == 0 && usage.swap == 0 {
                continue;
            }
            let parts = divider.divide(usage);
            ledger.parts.add_all(&parts);
            ledger.entries.push(Entry {
                usage: usage.clone(),
                parts,
            });
        }
        ledger
    }

    /// Resident bytes that belong to no part; negative where parts add up to more.
    pub fn remainder(&self) -> i64 {
        remainder(self.rss, &self.parts)
    }
}

fn remainder(rss: u64, parts: &Parts) -> i64 {
    i64::try_from(i128::from(rss) - i128::from(parts.total())).unwrap_or(i64::MAX)
}

/// Divides mappings.
struct Divider<'a> {
    heap: &'a GoHeap,
    resident: Vec<AddrRange>,
    spans: Vec<AddrRange>,
    stacks: Vec<AddrRange>,
    manual: Vec<AddrRange>,
    program: Vec<AddrRange>,
    pages_known: bool,
}

impl<'a> Divider<'a> {
    fn of(heap: &'a GoHeap, resident: Option<&[AddrRange]>) -> Self {
        let spans: Vec<AddrRange> = (heap.objects.spans().iter())
            .map(|s| AddrRange {
                start: s.start,
                end: s.end(),
            })
            .collect();
        let manual = joined(heap.objects.manual_spans().to_vec());
        let pages_known = resident.is_some();
        let resident = match resident {
            Some(pages) => joined(pages.to_vec()),
            None => {
                let mut taken = spans.clone();
                taken.extend(&manual);
                taken.extend(&heap.memory.metadata);
                joined(taken)
            }
        };
        let modules = heap.names.program().modules().iter();
        let program =
            modules.flat_map(|m| [m.text, m.types, m.noptrdata, m.data, m.bss, m.noptrbss]);
        Self {
            heap,
            resident,
            spans,
            stacks: joined(heap.goroutines.iter().map(|g| g.stack).collect()),
            manual,
            program: joined(program.collect()),
            pages_known,
        }
    }

    fn divide(&self, usage: &MappingUsage) -> Parts {
        let mut parts = Parts::default();
        let own = self.of_mapping(usage);
        if matches!(
            own,
            Part::Program | Part::Files | Part::Shared | Part::Kernel
        ) && usage.mapping.path.starts_with(b"/")
        {
            parts.add(own, usage.rss);
            return parts;
        }
        let within = usage.mapping.range;
        let all = both(&[within], touching(&self.resident, within));
        self.objects(&all, &mut parts);
        let rest = without(&all, touching(&self.spans, within));
        let manual = both(&rest, touching(&self.manual, within));
        let stacks = bytes(&both(&manual, touching(&self.stacks, within)));
        parts.add(Part::Stacks, stacks);
        parts.add(Part::IdleStacks, bytes(&manual).saturating_sub(stacks));
        let rest = without(&rest, touching(&self.manual, within));
        let arenas = touching(&self.heap.memory.arenas, within);
        parts.add(Part::FreeSpans, bytes(&both(&rest, arenas)));
        let rest = without(&rest, arenas);
        let tables = touching(&self.heap.memory.metadata, within);
        parts.add(Part::Metadata, bytes(&both(&rest, tables)));
        let rest = bytes(&without(&rest, tables));
        if self.pages_known || !arenas.is_empty() {
            parts.add(own, rest);
        } else {
            parts.add(own, usage.rss.saturating_sub(parts.total()));
        }
        parts
    }

    /// What bytes of a mapping are that belong to nothing of the runtime's.
    fn of_mapping(&self, usage: &MappingUsage) -> Part {
        let mapping = &usage.mapping;
        let path = mapping.path.as_slice();
        let range = mapping.range;
        let is_program = !touching(&self.program, range).is_empty();
        let on_stack = |sp: &leakscope_target::Addr| mapping.contains(*sp);
        match path {
            _ if is_program => Part::Program,
            [b'/', ..] if mapping.perms.shared && !is_file(path) => Part::Shared,
            [b'/', ..] => Part::Files,
            b"[heap]" => Part::BreakHeap,
            b"[stack]" => Part::ThreadStacks,
            _ if path.starts_with(b"[v") => Part::Kernel,
            _ if path.starts_with(b"[anon: Go:") => Part::Metadata,
            _ if mapping.perms.shared => Part::Shared,
            _ if self.heap.memory.stack_pointers.iter().any(on_stack) => Part::ThreadStacks,
            _ => Part::OtherAnonymous,
        }
    }

    /// Divides the pages of spans that hold objects.
    fn objects(&self, pages: &[AddrRange], parts: &mut Parts) {
        let objects = &self.heap.objects;
        for range in pages {
            let from = self.spans.partition_point(|s| s.end <= range.start);
            for (i, span) in self.spans.iter().enumerate().skip(from) {
                if span.start >= range.end {
                    break;
                }
                let piece = AddrRange {
                    start: span.start.max(range.start),
                    end: span.end.min(range.end),
                };
                let whole = piece == *span;
                let (Some(of_span), Ok(number)) = (objects.spans().get(i), u32::try_from(i)) else {
                    break;
                };
                // What a large object was asked for; a slot of others.
                let size = of_span.usable() + of_span.header();
                if whole && self.all_live(of_span) {
                    let taken = u64::from(of_span.objects).saturating_mul(size);
                    parts.add(Part::Live, taken);
                    parts.add(Part::InsideSpans, piece.len().saturating_sub(taken));
                    continue;
                }
                let mut taken = 0;
                for (obj, slot) in objects.slots(number) {
                    let start = of_span.start.0 + u64::from(slot) * of_span.elem_size;
                    let held = if whole {
                        size
                    } else {
                        let end = (start + size).min(piece.end.0);
                        end.saturating_sub(start.max(piece.start.0))
                    };
                    taken += held;
                    parts.add(self.state(obj), held);
                }
                parts.add(Part::InsideSpans, piece.len().saturating_sub(taken));
            }
        }
    }

    /// Whether roots reach every object of a span: most spans of most heaps.
    fn all_live(&self, span: &Span) -> bool {
        let objects = span.first_obj..span.first_obj.saturating_add(span.objects);
        self.heap.reach.reached_among(objects) == span.objects
    }

    fn state(&self, obj: u32) -> Part {
        if self.heap.reach.is_reached(ObjIx(obj)) {
            Part::Live
        } else if self.heap.objects.is_unswept_garbage(obj) {
            Part::Unswept
        } else {
            Part::Garbage
        }
    }
}

/// Whether a path is that of a file that stays, not of memory that only has a name.
fn is_file(path: &[u8]) -> bool {
    const NAMED: [&[u8]; 4] = [b"/memfd:", b"/dev/shm/", b"/SYSV", b"/dev/zero"];
    !NAMED.iter().any(|n| path.starts_with(n))
}
