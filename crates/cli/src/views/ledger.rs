//! Where every resident byte is, and how the collector is paced, in words.

use std::cmp::Reverse;

use leakscope_go::ledger::{Entry, Ledger, Part, Parts};
use leakscope_graph::Held;
use leakscope_report::{
    Address, Document, LedgerDoc, LedgerRow, MappingRow, MemoryPart, PartRow, Text,
};
use leakscope_target::Perms;

use super::{head_of, pacing};
use crate::read::Subject;

/// The ledger of a target, with its mappings.
pub(crate) fn ledger_doc(subject: &Subject, limit: Option<usize>) -> LedgerDoc {
    let ledger = read(subject);
    let mut mappings: Vec<MappingRow> = (ledger.iter().flat_map(|l| &l.entries))
        .map(mapping)
        .collect();
    // Stable: equal sizes stay in the order of their addresses.
    mappings.sort_by_key(|row| Reverse(row.rss_bytes));
    mappings.truncate(limit.unwrap_or(usize::MAX));
    LedgerDoc {
        head: head_of(Document::Ledger, subject),
        ledger: ledger.as_ref().map(row),
        missing: ledger.is_none().then(|| Text::new(why(subject))),
        mappings,
        pacing: pacing::of(subject).unwrap_or_default(),
    }
}

/// The sums of the ledger, where there is one.
pub(super) fn in_short(subject: &Subject) -> Option<LedgerRow> {
    read(subject).as_ref().map(row)
}

/// The ledger by part, to be compared.
pub(super) fn by_name(subject: &Subject) -> Vec<(String, Held)> {
    let Some(ledger) = in_short(subject) else {
        return Vec::new();
    };
    let parts = ledger.parts.iter().map(|p| {
        let held = Held {
            objects: 0,
            bytes: p.bytes,
        };
        (p.part.words().to_owned(), held)
    });
    parts.collect()
}

fn read(subject: &Subject) -> Option<Ledger> {
    let heap = subject.heap.go()?;
    Some(Ledger::of(heap, subject.residency.as_ref()?))
}

fn why(subject: &Subject) -> &'static str {
    use leakscope_report::TargetKind;
    match subject.target.kind {
        TargetKind::Core => "not known: a core does not say which pages were in memory",
        TargetKind::Snapshot => {
            "not known: this snapshot was made of a core, or by a leakscope that did not write it down"
        }
        _ => "not known: the kernel's count could not be read",
    }
}

fn row(ledger: &Ledger) -> LedgerRow {
    LedgerRow {
        rss_bytes: ledger.rss,
        swap_bytes: ledger.swap,
        parts: parts(&ledger.parts),
        remainder_bytes: ledger.remainder(),
        pages_known: ledger.pages_known,
    }
}

fn mapping(entry: &Entry) -> MappingRow {
    let mapping = &entry.usage.mapping;
    MappingRow {
        start: Address(mapping.range.start.0),
        end: Address(mapping.range.end.0),
        perms: perms(mapping.perms),
        path: (!mapping.path.is_empty()).then(|| Text::new(mapping.path.as_slice())),
        rss_bytes: entry.usage.rss,
        swap_bytes: entry.usage.swap,
        parts: parts(&entry.parts),
        remainder_bytes: entry.remainder(),
    }
}

fn perms(perms: Perms) -> String {
    let letter = |has: bool, letter: char| if has { letter } else { '-' };
    [
        letter(perms.read, 'r'),
        letter(perms.write, 'w'),
        letter(perms.execute, 'x'),
        if perms.shared { 's' } else { 'p' },
    ]
    .into_iter()
    .collect()
}

fn parts(parts: &Parts) -> Vec<PartRow> {
    let rows = Part::ALL.into_iter().map(|part| PartRow {
        part: told(part),
        bytes: parts.get(part),
    });
    rows.filter(|row| row.bytes > 0).collect()
}

fn told(part: Part) -> MemoryPart {
    match part {
        Part::Live => MemoryPart::HeapLive,
        Part::Garbage => MemoryPart::HeapGarbage,
        Part::Unswept => MemoryPart::HeapUnswept,
        Part::InsideSpans => MemoryPart::InsideSpans,
        Part::FreeSpans => MemoryPart::FreeSpans,
        Part::Stacks => MemoryPart::Stacks,
        Part::IdleStacks => MemoryPart::IdleStacks,
        Part::Metadata => MemoryPart::Metadata,
        Part::Program => MemoryPart::Program,
        Part::Files => MemoryPart::Files,
        Part::Shared => MemoryPart::Shared,
        Part::ThreadStacks => MemoryPart::ThreadStacks,
        Part::BreakHeap => MemoryPart::BreakHeap,
        Part::OtherAnonymous => MemoryPart::OtherAnonymous,
        Part::Kernel => MemoryPart::Kernel,
    }
}
