//! Goroutines in words: each one, and groups that do the same.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use leakscope_go::goroutine_leaks::{Doubt as GoDoubt, Verdict};
use leakscope_go::goroutines::Goroutine;
use leakscope_go::heap::GoHeap;
use leakscope_graph::{GroupIx, Node, Strength};
use leakscope_report::{
    Document, Doubt, GoroutineGroup, GoroutineRow, GoroutinesDoc, Leak, Place, Text,
};
use leakscope_target::Addr;

use super::head_of;
use super::suspects::Holders;
use crate::failure::Failure;
use crate::heap::AnyHeap;
use crate::read::Subject;

/// What every goroutine returns to; no traceback of the runtime shows it.
const OUTERMOST: &str = "runtime.goexit";
/// The number of the main goroutine, which no `go` statement started.
const MAIN: u64 = 1;

/// The goroutines, groups first by verdict, then by what they hold. `limit` cuts neither list in JSON.
pub(crate) fn goroutines(
    subject: &Subject,
    limit: Option<usize>,
) -> Result<GoroutinesDoc, Failure> {
    let holders = Holders::of(&subject.heap)?;
    let rows = rows(&holders);
    let mut groups = groups(&rows);
    groups.truncate(limit.unwrap_or(usize::MAX));
    let with = |leak| rows.iter().filter(|r| r.verdict == leak).count() as u64;
    Ok(GoroutinesDoc {
        head: head_of(Document::Goroutines, subject),
        count: rows.len() as u64,
        leaked_count: with(Leak::Leaked),
        suspect_count: with(Leak::Suspect),
        groups,
        goroutines: rows,
    })
}

/// How many goroutines are leaked, and how many seem to be.
pub(super) fn leaked(heap: &AnyHeap) -> (u64, u64) {
    let Some(heap) = heap.go() else {
        return (0, 0);
    };
    let with = |wanted: Leak| heap.leaks.iter().filter(|v| leak(*v) == wanted).count() as u64;
    (with(Leak::Leaked), with(Leak::Suspect))
}

/// Each goroutine, in the runtime's order; none of a runtime without goroutines.
pub(super) fn rows(holders: &Holders<'_>) -> Vec<GoroutineRow> {
    let Some(heap) = holders.heap.go() else {
        return Vec::new();
    };
    let mut group_of: BTreeMap<u32, GroupIx> = BTreeMap::new();
    for (i, group) in holders.groups.of.iter().enumerate() {
        if let Some(goroutine) = group.runs {
            group_of.insert(goroutine, GroupIx(i as u32));
        }
    }
    let list = heap.goroutines.iter().enumerate();
    list.map(|(i, goroutine)| {
        let index = i as u32;
        let retained = group_of.get(&index).map_or(0, |group| {
            let held = |strength| holders.tree.held(Node::Group(*group, strength)).bytes;
            held(Strength::Strong) + held(Strength::Conservative)
        });
        row(heap, index, goroutine, retained)
    })
    .collect()
}

fn row(heap: &GoHeap, index: u32, goroutine: &Goroutine, retained_bytes: u64) -> GoroutineRow {
    let judged = heap.leaks.verdict(index);
    let verdict = leak(judged);
    let reasons = heap.goroutines.wait_reasons();
    let reason = goroutine.wait_reason;
    let reason = reason.and_then(|r| reasons.get(usize::from(r)));
    let functions = heap.names.program().functions();
    let mut stack = Vec::new();
    for frame in heap.goroutines.frames(goroutine) {
        let pc = frame.lookup_pc();
        if let Some(function) = functions.find(pc)
            && function.name() != OUTERMOST
        {
            stack.extend(
                function
                    .frames(pc)
                    .iter()
                    .map(|f| place(f.function, f.file, f.line)),
            );
        }
    }
    GoroutineRow {
        id: goroutine.id,
        status: goroutine.status.into(),
        wait_reason: reason.map(Text::new),
        wait_ns: heap.goroutines.waited(goroutine),
        leaked: verdict == Leak::Leaked,
        verdict,
        doubt: match judged {
            Verdict::Suspect(GoDoubt::Conservative) => Some(Doubt::MaybePointer),
            Verdict::Suspect(GoDoubt::Unread) => Some(Doubt::Unread),
            _ => None,
        },
        retained_bytes,
        stack,
        created_by: (goroutine.id != MAIN)
            .then(|| created_by(heap, goroutine.created_at))
            .flatten(),
    }
}

/// The `go` statement: the instruction before the return address (proc.go, `newproc1`; traceback.go, `printcreatedby1`).
pub(super) fn created_by(heap: &GoHeap, at: Addr) -> Option<Place> {
    let functions = heap.names.program().functions();
    let pc = Addr(at.0.checked_sub(1)?);
    let function = functions.find(pc)?;
    let frames = function.frames(pc);
    let frame = frames.first()?;
    Some(place(frame.function, frame.file, frame.line))
}

fn place(function: &str, file: &str, line: u32) -> Place {
    Place {
        function: Text::new(function),
        file: (file != "?" && !file.is_empty()).then(|| Text::new(file)),
        line: (line > 0).then_some(line),
    }
}

fn leak(verdict: Verdict) -> Leak {
    match verdict {
        Verdict::Leaked => Leak::Leaked,
        Verdict::Suspect(_) => Leak::Suspect,
        Verdict::NotLeaked => Leak::No,
        Verdict::Unknown => Leak::Unknown,
    }
}

/// Goroutines that do the same: leaked ones first, then those that hold most.
fn groups(rows: &[GoroutineRow]) -> Vec<GoroutineGroup> {
    type Key<'a> = (
        (Leak, Option<Doubt>),
        &'a Text,
        &'a Option<Text>,
        &'a [Place],
        &'a Option<Place>,
    );
    let mut groups: BTreeMap<Key<'_>, GoroutineGroup> = BTreeMap::new();
    for row in rows {
        let key = (
            (row.verdict, row.doubt),
            &row.status,
            &row.wait_reason,
            row.stack.as_slice(),
            &row.created_by,
        );
        let group = groups.entry(key).or_insert_with(|| GoroutineGroup {
            count: 0,
            verdict: row.verdict,
            doubt: row.doubt,
            status: row.status.clone(),
            wait_reason: row.wait_reason.clone(),
            longest_wait_ns: None,
            retained_bytes: 0,
            example: row.id,
            stack: row.stack.clone(),
            created_by: row.created_by.clone(),
        });
        group.count += 1;
        group.longest_wait_ns = group.longest_wait_ns.max(row.wait_ns);
        group.retained_bytes = group.retained_bytes.saturating_add(row.retained_bytes);
        group.example = group.example.min(row.id);
    }
    let mut groups: Vec<GoroutineGroup> = groups.into_values().collect();
    // Stable: what is equal stays in the order of the stacks.
    groups.sort_by_key(|g| {
        let order = match g.verdict {
            Leak::Leaked => 0,
            Leak::Suspect => 1,
            Leak::Unknown | Leak::No => 2,
        };
        (order, Reverse((g.retained_bytes, g.count)))
    });
    groups
}
