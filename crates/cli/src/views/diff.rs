//! What grew between captures, in words.

use std::collections::BTreeMap;

use leakscope_graph::{GrowthRow as Growth, Held, Threshold, growth};
use leakscope_patterns::MapSizes;
use leakscope_report::{
    Amount, Capture, CaptureRow, DiffDoc, Document, FindingRow, GrowthRow, Head, Text,
};

use super::findings;
use super::goroutines;
use super::suspects::Holders;
use super::{head_of, maps, totals};
use super::{ledger, sites};
use crate::failure::Failure;
use crate::heap::AnyHeap;
use crate::read::Subject;

/// What counts as a place in a comparison: small ones may have grown large, or be about to.
const PLACES: Threshold = Threshold {
    permille: 1,
    bytes: 16 << 10,
};

/// Sums of one capture, by names that stay the same.
pub(crate) struct Sums {
    head: Head,
    row: CaptureRow,
    /// What tells a build: the linker's and the toolchain's ids.
    build: (Option<Vec<u8>>, Option<Vec<u8>>),
    holders: Vec<(String, Held)>,
    /// What a fingerprint is called here.
    names: BTreeMap<String, Text>,
    types: Vec<(String, Held)>,
    maps: Vec<(String, Held)>,
    sites: Vec<(String, Held)>,
    ledger: Vec<(String, Held)>,
    goroutines: Vec<(String, Held)>,
    sizes: MapSizes,
    /// What this capture and all before it say together.
    findings: Vec<FindingRow>,
}

impl Sums {
    /// Takes the sums of a capture, which can be forgotten then. `earlier` are the captures before.
    pub(crate) fn of(subject: &Subject, earlier: &[Self]) -> Result<Self, Failure> {
        let heap = &subject.heap;
        let holders = Holders::of(heap)?;
        let build = build(heap);
        let pid = subject.target.pid;
        let same = |c: &Self| pid.is_some() && c.row.target.pid == pid && c.build == build;
        let before: Vec<&MapSizes> = if earlier.iter().all(same) {
            earlier.iter().map(|c| &c.sizes).collect()
        } else {
            Vec::new()
        };
        let (sizes, findings) = findings::over_time(&holders, &before);
        let mut names = BTreeMap::new();
        let mut by_holder = Vec::new();
        for row in holders.suspects(PLACES) {
            let Some(fingerprint) = row.fingerprint else {
                continue;
            };
            let held = Held {
                objects: row.entry_count,
                bytes: row.accumulated_bytes,
            };
            by_holder.push((fingerprint.raw().to_owned(), held));
            names
                .entry(fingerprint.raw().to_owned())
                .or_insert(row.holder);
        }
        let types = heap.histogram().reachable.iter().map(|row| {
            let name = heap.names().type_name(row.type_).into_owned();
            let (objects, bytes) = (row.count, row.bytes);
            (name, Held { objects, bytes })
        });
        let maps = maps::by_owner(heap);
        let totals = totals(heap);
        let goroutines = goroutines::rows(&holders).into_iter().map(|row| {
            let place = row.created_by.map_or("the runtime".to_owned(), |p| {
                let function = p.function.raw().to_owned();
                p.line
                    .map_or(function.clone(), |line| format!("{function}:{line}"))
            });
            let held = Held {
                objects: 1,
                bytes: row.retained_bytes,
            };
            (place, held)
        });
        Ok(Self {
            head: head_of(Document::Diff, subject),
            row: CaptureRow {
                target: subject.target.clone(),
                capture: subject.capture.clone(),
                reachable: totals.reachable,
                allocated: totals.allocated,
                goroutines: heap.go().map_or(0, |heap| heap.totals.goroutines),
            },
            build,
            holders: by_holder,
            names,
            types: types.collect(),
            maps,
            sites: sites::by_name(heap),
            ledger: ledger::by_name(subject),
            goroutines: goroutines.collect(),
            sizes,
            findings,
        })
    }
}

/// What tells a build of a program, where the target says.
fn build(heap: &AnyHeap) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    let exe = heap.go().map(|heap| heap.names.program().exe());
    let own = |id: Option<&[u8]>| id.map(<[u8]>::to_vec);
    exe.map_or((None, None), |exe| {
        (own(exe.build_id()), own(exe.go_build_id()))
    })
}

/// Compares captures, oldest first; `None` where there is none. Lists are cut to `limit`.
pub(crate) fn diff(mut captures: Vec<Sums>, limit: Option<usize>) -> Option<DiffDoc> {
    let taken: Vec<Option<f64>> = captures.iter().map(|c| seconds(&c.row.capture)).collect();
    let times: Option<Vec<f64>> = taken.into_iter().collect();
    let placed = times.is_some();
    let times = times.unwrap_or_default();
    let same_program = captures.windows(2).all(|w| w[0].build == w[1].build);
    let has_ledgers = captures.iter().all(|c| !c.ledger.is_empty());
    let mut table = |of: fn(&mut Sums) -> Vec<(String, Held)>| {
        let tables: Vec<Vec<(String, Held)>> = captures.iter_mut().map(of).collect();
        let mut rows = growth(&times, tables);
        rows.retain(|row| row.bytes_grown != 0 || row.objects_grown != 0);
        rows
    };
    let holders = table(|c| std::mem::take(&mut c.holders));
    let types = table(|c| std::mem::take(&mut c.types));
    let maps = table(|c| std::mem::take(&mut c.maps));
    let sites = table(|c| std::mem::take(&mut c.sites));
    let mut ledger = table(|c| std::mem::take(&mut c.ledger));
    if !has_ledgers {
        ledger.clear();
    }
    let goroutines = table(|c| std::mem::take(&mut c.goroutines));
    let named = |fingerprint: &str| {
        let newest = captures.iter().rev();
        let name = newest.filter_map(|c| c.names.get(fingerprint)).next();
        name.cloned().unwrap_or_default()
    };
    let cut = limit.unwrap_or(usize::MAX);
    let plain = |rows: Vec<Growth<String>>| {
        let rows = rows.into_iter().take(cut);
        rows.map(|r| row(Text::new(&r.key), None, r, placed))
            .collect()
    };
    let holders = holders
        .into_iter()
        .take(cut)
        .map(|r| row(named(&r.key), Some(Text::new(&r.key)), r, placed))
        .collect();
    let (sites, ledger) = (plain(sites), plain(ledger));
    let (types, maps, goroutines) = (plain(types), plain(maps), plain(goroutines));
    let newest = captures.last_mut()?;
    let head = newest.head.clone();
    let mut findings = std::mem::take(&mut newest.findings);
    findings.truncate(cut);
    Some(DiffDoc {
        head,
        captures: captures.into_iter().map(|c| c.row).collect(),
        same_program,
        findings,
        holders,
        types,
        maps,
        sites,
        ledger,
        goroutines,
    })
}

fn row(name: Text, fingerprint: Option<Text>, row: Growth<String>, placed: bool) -> GrowthRow {
    GrowthRow {
        name,
        fingerprint,
        sums: row
            .sums
            .iter()
            .map(|s| Amount {
                objects: s.objects,
                bytes: s.bytes,
            })
            .collect(),
        bytes_grown: row.bytes_grown,
        objects_grown: row.objects_grown,
        steady: row.steady,
        bytes_per_second: placed.then_some(row.slope),
    }
}

/// When a capture was taken, in seconds.
fn seconds(capture: &Capture) -> Option<f64> {
    let taken: jiff::Timestamp = capture.taken_at.as_ref()?.parse().ok()?;
    Some(taken.as_duration().as_secs_f64())
}
