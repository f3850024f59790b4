//! Documents made of a heap.

pub(crate) mod diff;
mod findings;
mod giants;
pub(crate) mod goroutines;
mod jvm;
pub(crate) mod ledger;
mod maps;
mod pacing;
pub(crate) mod profile;
mod retained;
pub(crate) mod sites;
pub(crate) mod suspects;
pub(crate) mod threads;
pub(crate) mod watch;
pub(crate) mod why;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use leakscope_go::coverage::Amount as GoAmount;
use leakscope_go::heap::GoHeap;
use leakscope_graph::{Histogram, Threshold, TypeRow as GraphRow};
use leakscope_report::{
    Address, Amount, AnalyzeDoc, Coverage, Document, Gap, Goroutines, Head, Heap, HistoDoc, Kept,
    MapsDoc, PackageRow, Process, Text, TypeRow,
};

use self::suspects::Holders;
use crate::failure::Failure;
use crate::head::head;
use crate::heap::AnyHeap;
use crate::read::Subject;
use crate::selection::Selection;

/// How much of an overview is told; `None` for all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Overview {
    /// Most suspects.
    pub(crate) suspects: Option<usize>,
    /// Most types and maps.
    pub(crate) rows: Option<usize>,
}

/// The overview of what `selection` lets through, and how much of it meets its conditions.
pub(crate) fn analyze(
    subject: &Subject,
    selection: &Selection,
    most: Overview,
) -> Result<(AnalyzeDoc, u64), Failure> {
    let heap = &subject.heap;
    let holders = Holders::of(heap)?;
    let mut found = findings::of(&holders, selection);
    let places = holders.places(Threshold::default(), selection, &mut found);
    let suppressed = places.suppressed + findings::suppress(&mut found, selection);
    let met = findings::meet(&found, selection) + places.meet(selection);
    let (suspects, suspect_count) = places.told(&holders, most.suspects);
    let (findings, finding_count) = findings::told(&holders, selection, found, most.suspects);
    let (leaked, suspect) = goroutines::leaked(heap);
    let mut types = types(heap, &heap.histogram().reachable);
    let type_count = types.len() as u64;
    types.truncate(most.rows.unwrap_or(usize::MAX));
    retained::of_types(&holders, &mut types);
    let doc = AnalyzeDoc {
        head: head_of(Document::Analyze, subject),
        process: Process {
            threads: subject.capture.threads,
            goroutines: Goroutines {
                count: heap.go().map_or(0, |heap| heap.totals.goroutines),
                leaked,
                suspect,
                manual_bytes: heap.go().map_or(0, |heap| heap.totals.manual_bytes),
            },
            rss_bytes: subject.rss,
            ledger: ledger::in_short(subject),
            pacing: pacing::of(subject),
            profile: heap.go().map(|_| sites::profile(heap)),
        },
        heap: totals(heap),
        finding_count,
        findings,
        suspect_count,
        suspects,
        suppressed,
        type_count,
        types,
        map_sums: maps::sums(heap),
        maps: maps::largest(heap, Some(&holders), most.rows),
    };
    Ok((doc, met as u64))
}

/// Objects by type and package, with what these retain where `retained` asks for it. The lists are cut to `limit`.
pub(crate) fn histo(
    subject: &Subject,
    retained: bool,
    limit: Option<usize>,
) -> Result<HistoDoc, Failure> {
    let heap = &subject.heap;
    let limit = limit.unwrap_or(usize::MAX);
    let mut types_ = types(heap, &heap.histogram().reachable);
    let mut unreachable = types(heap, &heap.histogram().unreachable);
    let mut packages = packages(heap);
    let mut roots = Vec::new();
    if retained {
        let holders = Holders::of(heap)?;
        retained::of_types(&holders, &mut types_);
        retained::of_packages(&holders, &mut packages);
        roots = retained::by_root(&holders);
        // Stable: equal sums stay in the order of their bytes.
        types_.sort_by_key(|row| Reverse(row.retained_bytes));
        packages.sort_by_key(|row| Reverse(row.retained_bytes));
    }
    let doc = HistoDoc {
        head: head_of(Document::Histo, subject),
        reachable: sum(&types_),
        garbage: sum(&unreachable),
        type_count: types_.len() as u64,
        package_count: packages.len() as u64,
        unreachable_type_count: unreachable.len() as u64,
        root_count: roots.len() as u64,
        types: Vec::new(),
        packages: Vec::new(),
        unreachable: Vec::new(),
        roots: Vec::new(),
    };
    types_.truncate(limit);
    unreachable.truncate(limit);
    packages.truncate(limit);
    roots.truncate(limit);
    Ok(HistoDoc {
        types: types_,
        packages,
        unreachable,
        roots,
        ..doc
    })
}

/// Maps, the largest first, at most `limit` of them; with what they retain, and by that, where `retained` asks for it.
pub(crate) fn maps_doc(
    subject: &Subject,
    retained: bool,
    limit: Option<usize>,
) -> Result<MapsDoc, Failure> {
    let heap = &subject.heap;
    let maps = if retained {
        let mut maps = maps::largest(heap, Some(&Holders::of(heap)?), None);
        maps.sort_by_key(|row| Reverse(row.retained_bytes));
        maps.truncate(limit.unwrap_or(usize::MAX));
        maps
    } else {
        maps::largest(heap, None, limit)
    };
    Ok(MapsDoc {
        head: head_of(Document::Maps, subject),
        sums: maps::sums(heap),
        maps,
    })
}

fn head_of(document: Document, subject: &Subject) -> Head {
    head(
        document,
        subject.target.clone(),
        subject.capture.clone(),
        coverage(subject),
    )
}

/// Sums over a heap, in the runtime's own accounting.
fn totals(heap: &AnyHeap) -> Heap {
    match heap {
        AnyHeap::Go(heap) => go_totals(heap),
        AnyHeap::Jvm(heap) => jvm::totals(heap),
    }
}

fn go_totals(heap: &GoHeap) -> Heap {
    let totals = &heap.totals;
    Heap {
        allocated: amount(totals.allocated),
        unswept: amount(totals.unswept),
        reachable: amount(totals.reachable),
        maybe_reachable: amount(totals.maybe_reachable),
        unreachable: amount(totals.unreachable),
        unreachable_kept: totals
            .unreachable_kept
            .iter()
            .map(|(reason, kept)| Kept {
                reason: Text::new(reason),
                amount: amount(*kept),
            })
            .collect(),
        spans: totals.spans,
        span_bytes: totals.span_bytes,
        layout: None,
    }
}

fn amount(amount: GoAmount) -> Amount {
    Amount {
        objects: amount.objects,
        bytes: amount.bytes,
    }
}

fn coverage(subject: &Subject) -> Coverage {
    let mut coverage = match &subject.heap {
        AnyHeap::Go(heap) => go_coverage(heap),
        AnyHeap::Jvm(heap) => jvm::coverage(heap),
    };
    coverage.gaps.splice(0..0, subject.gaps.iter().cloned());
    coverage
}

fn go_coverage(heap: &GoHeap) -> Coverage {
    let coverage = &heap.coverage;
    let gaps = coverage.gaps.iter().map(|gap| Gap {
        reason: gap.reason.into(),
        count: gap.count,
        examples: gap.examples.iter().map(|at| Address(at.0)).collect(),
    });
    Coverage {
        named_bytes_share: (coverage.all.bytes > 0)
            .then(|| coverage.named.bytes as f64 / coverage.all.bytes as f64),
        objects: Some(coverage.all.objects),
        bytes: Some(coverage.all.bytes),
        untyped_with_pointers: Some(amount(coverage.untyped_scan)),
        untyped_without_pointers: Some(amount(coverage.untyped_noscan)),
        gaps: gaps.collect(),
    }
}

/// Rows by name: types that are spelled the same in the same package are told as one.
fn types(heap: &AnyHeap, rows: &[GraphRow]) -> Vec<TypeRow> {
    let mut by_name: BTreeMap<(Text, Text), (u64, u64)> = BTreeMap::new();
    for row in rows {
        let name = Text::new(heap.names().type_name(row.type_).as_bytes());
        let package = Text::new(heap.names().package(row.type_).as_bytes());
        let sum = by_name.entry((name, package)).or_default();
        sum.0 += row.count;
        sum.1 += row.bytes;
    }
    let mut rows: Vec<TypeRow> = by_name
        .into_iter()
        .map(|((type_, package), (count, bytes))| TypeRow {
            type_,
            package,
            count,
            bytes,
            retained_bytes: None,
        })
        .collect();
    // Stable: equal sums stay in the order of their names.
    rows.sort_by_key(|row| Reverse(row.bytes));
    rows
}

fn packages(heap: &AnyHeap) -> Vec<PackageRow> {
    Histogram::by_package(&heap.histogram().reachable, heap.names())
        .into_iter()
        .map(|row| PackageRow {
            package: row.package.into(),
            count: row.count,
            bytes: row.bytes,
            retained_bytes: None,
        })
        .collect()
}

fn sum(rows: &[TypeRow]) -> Amount {
    Amount {
        objects: rows.iter().map(|r| r.count).sum(),
        bytes: rows.iter().map(|r| r.bytes).sum(),
    }
}
