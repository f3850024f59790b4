//! Allocation sites equal what the program's own `runtime.MemProfile` says, record by record, and lead from each living
//! object to the function that allocated it.

mod maps_support;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use leakscope_go::heap::GoHeap;
use leakscope_go::sites::{Estimate, Moment, NoProfile, Stacks};
use leakscope_graph::ObjIx;
use leakscope_testkit::{BuildFlags, Fixture, Running, gcore, versions};
use maps_support::{Case, number, text};
use serde_json::Value;

/// Every object is a sample; the runtime's usual rate.
const RATES: [u64; 2] = [1, 512 << 10];
/// Length of `runtime.MemProfileRecord.Stack0`.
const TOLD_FRAMES: usize = 32;
const PATIENCE: Duration = Duration::from_secs(120);

/// Allocations, frees, allocated and freed bytes.
type Sums = [u64; 4];
/// By return addresses and size, records with nothing in them left out. Of deeper stacks, `runtime.MemProfileRecord` has
/// only the first 32 addresses.
type Records = BTreeMap<(Vec<u64>, u64), Sums>;

fn spawn(fixture: &Fixture, rate: u64) -> Result<Running> {
    let debug = format!("memprofilerate={rate}");
    fixture.spawn_with(&[], &[("GODEBUG", &debug)], PATIENCE)
}

/// What the program says itself. Of records without allocations the size is not told.
fn own_records(answer: &Value) -> Result<Records> {
    let mut records = Records::new();
    for record in answer["records"].as_array().context("no records")? {
        let pcs = record["pcs"].as_array().into_iter().flatten();
        let pcs: Vec<u64> = pcs.filter_map(Value::as_u64).collect();
        let names = ["allocs", "frees", "alloc_bytes", "free_bytes"];
        let mut sums = [0; 4];
        for (sum, name) in sums.iter_mut().zip(names) {
            *sum = number(record, name)?;
        }
        if let Some(size) = sums[2].checked_div(sums[0]) {
            add(&mut records, (pcs, size), sums);
        }
    }
    Ok(records)
}

fn records(heap: &GoHeap) -> Records {
    let mut records = Records::new();
    for bucket in heap.sites.buckets() {
        let c = bucket.published;
        let stack = bucket.stack.iter().take(TOLD_FRAMES).copied().collect();
        if c.allocs > 0 {
            let sums = [c.allocs, c.frees, c.alloc_bytes, c.free_bytes];
            add(&mut records, (stack, bucket.size), sums);
        }
    }
    records
}

fn add(records: &mut Records, key: (Vec<u64>, u64), sums: Sums) {
    let record = records.entry(key).or_default();
    for (sum, more) in record.iter_mut().zip(sums) {
        *sum += more;
    }
}

/// Fails with the first records that differ.
fn same(read: &Records, told: &Records) -> Result<()> {
    let differs = |a: &Records, b: &Records| {
        let mut all = a.iter();
        all.find(|(key, sums)| b.get(*key) != Some(*sums))
            .map(|(key, sums)| format!("{key:x?} {sums:?}, not {:?}", b.get(key)))
    };
    let only = (differs(read, told), differs(told, read));
    ensure!(
        only == (None, None),
        "read: {:?}\ntold: {:?}",
        only.0,
        only.1
    );
    Ok(())
}

/// Frames as the program tells them are frames as read.
fn same_frames(heap: &GoHeap, answer: &Value) -> Result<()> {
    let mut stacks = Stacks::new(heap.names.program().functions());
    for record in answer["records"].as_array().context("no records")? {
        let pcs: Vec<u64> = (record["pcs"].as_array().into_iter().flatten())
            .filter_map(Value::as_u64)
            .collect();
        let told = record["frames"].as_array().context("no frames")?;
        let read = stacks.frames(&pcs);
        ensure!(told.len() == read.len(), "{told:?} is not {read:?}");
        for (told, read) in told.iter().zip(read) {
            let line = number(told, "line")?;
            ensure!(
                plain(text(told, "function")?) == plain(read.function)
                    && text(told, "file")? == read.file
                    && line == u64::from(read.line),
                "{told} is not {read:?}"
            );
        }
    }
    Ok(())
}

/// A function's name without type arguments: the runtime shortens them in what it tells (symtab.go, `funcNameForPrint`).
fn plain(function: &str) -> &str {
    function.split('[').next().unwrap_or_default()
}

/// Sampled objects of a function and a size that a root reaches: number and estimate. By size, for the runtime makes
/// objects of its own in anybody's name.
fn alive(heap: &GoHeap) -> BTreeMap<(String, u64), Estimate> {
    let mut stacks = Stacks::new(heap.names.program().functions());
    let mut sums: BTreeMap<(String, u64), Estimate> = BTreeMap::new();
    for sample in heap.sites.samples() {
        let Some(bucket) = heap.sites.bucket(*sample) else {
            continue;
        };
        if heap.reach.is_reached(ObjIx(sample.obj))
            && let Some(frame) = stacks.visible(&bucket.stack).first()
        {
            let key = (plain(frame.function).to_owned(), bucket.size);
            let sum = sums.entry(key).or_default();
            sum.add(1, bucket.size, heap.sites.rate());
        }
    }
    sums
}

/// Every special that is left is of an object allocated and not freed at its site.
fn samples_are_what_was_not_freed(heap: &GoHeap) -> Result<()> {
    let mut left = vec![0u64; heap.sites.buckets().len()];
    for sample in heap.sites.samples() {
        left[sample.bucket as usize] += 1;
    }
    for (bucket, left) in heap.sites.buckets().iter().zip(left) {
        ensure!(
            bucket.total.objects() == left,
            "{left} specials of {bucket:?}"
        );
    }
    Ok(())
}

fn check(heap: &GoHeap, truth: &Value, rate: u64) -> Result<()> {
    ensure!(heap.sites.missing().is_none() && heap.sites.rate() == rate);
    ensure!(heap.sites.moment() == Moment::CollectionBeforeLast);
    samples_are_what_was_not_freed(heap)?;
    let alive = alive(heap);
    for known in truth["alive"].as_array().context("no truth")? {
        let function = text(known, "function")?;
        let (objects, bytes) = (number(known, "objects")?, number(known, "bytes")?);
        let key = (plain(function).to_owned(), bytes / objects);
        let found = alive.get(&key).copied().unwrap_or_default();
        if rate == 1 {
            ensure!(
                (found.objects(), found.bytes()) == (objects, bytes),
                "{function}: {found:?}, not {known}"
            );
        } else if found.sampled >= 10 {
            // Three times what 95 of 100 samplings keep to.
            let off = (found.bytes() as f64 - bytes as f64).abs() / found.bytes() as f64;
            ensure!(
                off <= 3.0 * found.error(),
                "{function}: {found:?}, not {known}"
            );
        }
    }
    Ok(())
}

fn each(flags: &BuildFlags, check: impl Fn(&Fixture, u64) -> Result<()>) -> Result<()> {
    for version in versions()? {
        let fixture = Fixture::build("sites", &version, flags)?;
        for rate in RATES {
            check(&fixture, rate).with_context(|| format!("go{version}, rate {rate}"))?;
        }
    }
    Ok(())
}

fn equal_records(fixture: &Fixture, rate: u64) -> Result<()> {
    let mut running = spawn(fixture, rate)?;
    let truth = running.truth().clone();
    let steps: [&[&str]; 3] = [&[], &["more"], &["collect"]];
    for (i, commands) in steps.into_iter().enumerate() {
        for command in commands {
            running.ask(command)?;
        }
        let (heap, _) = Case::live(running.pid(), Value::Null)?.heap()?;
        if i == 0 {
            check(&heap, &truth, rate)?;
        }
        let answer = running.ask("profile")?;
        same(&records(&heap), &own_records(&answer)?)
            .with_context(|| format!("after {commands:?}"))?;
        same_frames(&heap, &answer)?;
    }
    Ok(())
}

#[test]
fn sites_are_the_programs_own_profile_at_any_rate() -> Result<()> {
    each(&BuildFlags::default(), equal_records)
}

#[test]
fn sites_need_no_debug_info() -> Result<()> {
    let stripped = BuildFlags {
        ldflags: "-s -w".to_owned(),
        ..BuildFlags::default()
    };
    each(&stripped, equal_records)
}

#[test]
fn a_core_tells_the_same_sites_as_the_process() -> Result<()> {
    each(&BuildFlags::default(), |fixture, rate| {
        let mut running = spawn(fixture, rate)?;
        let Some(core) = gcore(running.pid())? else {
            return Ok(());
        };
        let answer = running.ask("profile")?;
        let case = Case::of_core(core.path(), fixture.path(), running.truth().clone())?;
        let (heap, truth) = case.heap()?;
        check(&heap, &truth, rate)?;
        same(&records(&heap), &own_records(&answer)?)?;
        Ok(())
    })
}

#[test]
fn a_program_that_keeps_no_profile_is_told_apart() -> Result<()> {
    for version in versions()? {
        let unlinked = Fixture::build("held", &version, &BuildFlags::default())?.spawn(&[])?;
        let (heap, _) = Case::live(unlinked.pid(), Value::Null)?.heap()?;
        ensure!(
            heap.sites.missing() == Some(NoProfile::NotLinked),
            "go{version}: {:?}",
            heap.sites.missing()
        );
        let off = spawn(
            &Fixture::build("sites", &version, &BuildFlags::default())?,
            0,
        )?;
        let (heap, _) = Case::live(off.pid(), Value::Null)?.heap()?;
        ensure!(
            heap.sites.missing() == Some(NoProfile::RateZero),
            "go{version}"
        );
    }
    Ok(())
}
