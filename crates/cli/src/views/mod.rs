//! Documents made of a heap.

pub(crate) mod diff;
pub(crate) mod goroutines;
pub(crate) mod profile;
mod retained;
pub(crate) mod suspects;
pub(crate) mod why;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use leakscope_go::coverage::Amount as GoAmount;
use leakscope_go::heap::GoHeap;
use leakscope_go::maps::{MapInfo, Structure};
use leakscope_graph::{Histogram, Resolver, Threshold, TypeRow as GraphRow};
use leakscope_report::{
    Address, Amount, AnalyzeDoc, Classic, Coverage, Document, Gap, Generation, Goroutines, Growth,
    Head, Heap, HistoDoc, Kept, MapRow, MapSums, MapsDoc, PackageRow, Process, Swiss, Text,
    TypeRow,
};

use self::suspects::Holders;
use crate::failure::Failure;
use crate::head::head;
use crate::read::Subject;

/// How much of an overview is told; `None` for all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Overview {
    /// Most suspects.
    pub(crate) suspects: Option<usize>,
    /// Most types and maps.
    pub(crate) rows: Option<usize>,
}

/// The overview.
pub(crate) fn analyze(subject: &Subject, most: Overview) -> Result<AnalyzeDoc, Failure> {
    let heap = &subject.heap;
    let holders = Holders::of(heap)?;
    let mut suspects = holders.suspects(Threshold::default());
    let suspect_count = suspects.len() as u64;
    suspects.truncate(most.suspects.unwrap_or(usize::MAX));
    let (leaked, suspect) = goroutines::leaked(heap);
    let totals = &heap.totals;
    let mut types = types(heap, &heap.histogram.reachable);
    let type_count = types.len() as u64;
    types.truncate(most.rows.unwrap_or(usize::MAX));
    retained::of_types(&holders, &mut types);
    Ok(AnalyzeDoc {
        head: head_of(Document::Analyze, subject),
        process: Process {
            threads: subject.capture.threads,
            goroutines: Goroutines {
                count: totals.goroutines,
                leaked,
                suspect,
                manual_bytes: totals.manual_bytes,
            },
            rss_bytes: subject.rss,
        },
        heap: Heap {
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
        },
        suspect_count,
        suspects,
        type_count,
        types,
        map_sums: map_sums(&heap.maps),
        maps: maps(heap, Some(&holders), most.rows),
    })
}

/// Objects by type and package, with what these retain where `retained` asks for it. The lists are cut to `limit`.
pub(crate) fn histo(
    subject: &Subject,
    retained: bool,
    limit: Option<usize>,
) -> Result<HistoDoc, Failure> {
    let heap = &subject.heap;
    let limit = limit.unwrap_or(usize::MAX);
    let mut types_ = types(heap, &heap.histogram.reachable);
    let mut unreachable = types(heap, &heap.histogram.unreachable);
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
        let mut maps = maps(heap, Some(&Holders::of(heap)?), None);
        maps.sort_by_key(|row| Reverse(row.retained_bytes));
        maps.truncate(limit.unwrap_or(usize::MAX));
        maps
    } else {
        maps(heap, None, limit)
    };
    Ok(MapsDoc {
        head: head_of(Document::Maps, subject),
        sums: map_sums(&heap.maps),
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

fn amount(amount: GoAmount) -> Amount {
    Amount {
        objects: amount.objects,
        bytes: amount.bytes,
    }
}

fn coverage(subject: &Subject) -> Coverage {
    let coverage = &subject.heap.coverage;
    let of_heap = coverage.gaps.iter().map(|gap| Gap {
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
        gaps: subject.gaps.iter().cloned().chain(of_heap).collect(),
    }
}

/// Rows by name: types that are spelled the same in the same package are told as one.
fn types(heap: &GoHeap, rows: &[GraphRow]) -> Vec<TypeRow> {
    let mut by_name: BTreeMap<(Text, Text), (u64, u64)> = BTreeMap::new();
    for row in rows {
        let name = Text::new(heap.names.type_name(row.type_).as_bytes());
        let package = Text::new(heap.names.package(row.type_).as_bytes());
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

fn packages(heap: &GoHeap) -> Vec<PackageRow> {
    Histogram::by_package(&heap.histogram.reachable, &heap.names)
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

fn map_sums(maps: &[MapInfo]) -> MapSums {
    let mut sums = MapSums {
        count: maps.len() as u64,
        ..MapSums::default()
    };
    for map in maps {
        // Lengths are what the target says; a hostile one could say anything.
        sums.len = sums.len.saturating_add(map.len);
        sums.bytes = sums.bytes.saturating_add(map.bytes);
        sums.rebuilt_bytes = sums.rebuilt_bytes.saturating_add(map.rebuilt_bytes);
        sums.waste_bytes = sums.waste_bytes.saturating_add(map.waste_bytes());
    }
    sums
}

fn maps(heap: &GoHeap, holders: Option<&Holders<'_>>, limit: Option<usize>) -> Vec<MapRow> {
    let mut largest: Vec<&MapInfo> = heap.maps.iter().collect();
    largest.sort_by_key(|map| (Reverse(map.bytes), map.address));
    largest.truncate(limit.unwrap_or(usize::MAX));
    let rows = largest.into_iter().map(|map| {
        let retained = holders.and_then(|holders| retained::of_map(holders, map));
        map_row(heap, map, retained)
    });
    rows.collect()
}

fn map_row(heap: &GoHeap, map: &MapInfo, retained_bytes: Option<u64>) -> MapRow {
    let owner = heap.map_owner(map);
    let (classic, swiss) = match map.structure {
        Structure::Classic(inside) => (Some(classic(&inside)), None),
        Structure::Swiss(inside) => (
            None,
            Some(Swiss {
                global_depth: inside.global_depth,
                directory_len: inside.directory_len,
                tables: inside.tables,
                tombstones: inside.tombstones,
            }),
        ),
    };
    MapRow {
        address: Address(map.address.0),
        owner: (!owner.is_empty()).then(|| Text::new(&owner)),
        reachable: map.object.map(|object| heap.reach.is_reached(object)),
        type_: Text::new(heap.names.type_name(map.type_).as_bytes()),
        generation: if classic.is_some() {
            Generation::Classic
        } else {
            Generation::Swiss
        },
        len: map.len,
        slots: map.slots,
        load: map.load(),
        bytes: map.bytes,
        rebuilt_bytes: map.rebuilt_bytes,
        waste_bytes: map.waste_bytes(),
        retained_bytes,
        cells: map.cells,
        torn: map.torn,
        incomplete: map.incomplete,
        classic,
        swiss,
    }
}

fn classic(inside: &leakscope_go::maps::Classic) -> Classic {
    /// `sameSizeGrow` in `runtime/map.go`: the growth is into an array of the same size.
    const SAME_SIZE_GROW: u8 = 8;
    Classic {
        log2_buckets: inside.b,
        overflow_buckets: u64::from(inside.overflow),
        overflow_free: u64::from(inside.overflow_free),
        growth: inside.growth.map(|growth| Growth {
            same_size: inside.flags & SAME_SIZE_GROW != 0,
            old_buckets: growth.old_buckets,
            evacuated: growth.evacuated,
        }),
    }
}
