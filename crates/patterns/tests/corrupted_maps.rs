//! Damaged maps, and the whole catalogue: whatever lies in the memory of a map, it is a counted gap, or damage that cannot be seen;
//! never a wrong finding, a hang or a panic.
//!
//! One place of one map is overwritten in the image of a program with planted patterns and with sound maps. Then:
//!
//! - What is found elsewhere is what was found before: pattern, subject, verdict, bytes. A finding that was told for several maps,
//!   one of them damaged, has no more bytes and places than before.
//! - About the damaged map nothing is found but what was before, with no more bytes than the sound map has or is said to waste;
//!   GO-MAP-RACED or GO-MAP-UNREACHABLE-ENTRIES may come new, where the bytes do show it, but only with a doubt: medium confidence,
//!   and a reason that says what else would look the same.
//! - Damage is noticed where every other value of what was overwritten is wrong: by a new gap, or by the map being marked as torn or
//!   incomplete.

mod corrupted_support;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use corrupted_support::anatomy::Anatomy;
use corrupted_support::case::{Built, Case, Told};
use corrupted_support::damage::{Damage, damage};
use leakscope_go::maps::MapInfo;
use leakscope_patterns::Confidence;
use leakscope_testkit::{BuildFlags, CpuTime, Fixture, Random, gcore, versions};

/// Damaged images per version, and the processor time that one may take: a hundred times what a sound one does.
const ROUNDS: u64 = 60;
const PATIENCE: Duration = Duration::from_secs(30);

/// Maps that are damaged, in turns: so many of the largest, and so many of one bucket or group.
const LARGE: usize = 18;
const SMALL: usize = 3;

/// What the program has, and how.
const PLANTED: [&str; 16] = [
    "drained=has",
    "texts=has",
    "hinted=has",
    "nan=has",
    "mutated=has",
    "raced=has",
    "skewed=has",
    "deleted=has",
    "chained=has",
    "inside=look-alike",
    "outside=look-alike",
    "padded=look-alike",
    "swarm=look-alike",
    "iterated=has",
    "zombies=has",
    "stranded=has",
];

/// What may be found of a map only because it was overwritten.
const DOUBTED: [&str; 2] = ["GO-MAP-RACED", "GO-MAP-UNREACHABLE-ENTRIES"];

/// What came of the rounds.
#[derive(Default, Debug)]
struct Sums {
    rounds: u64,
    gaps: u64,
    torn: u64,
    silent: u64,
    doubted: u64,
}

#[test]
fn damaged_maps_are_gaps_and_no_findings() -> Result<()> {
    for version in versions()? {
        let fixture = Fixture::build("patterns", &version, &BuildFlags::default())?;
        let running = fixture.spawn(&PLANTED)?;
        let Some(core) = gcore(running.pid())? else {
            return Ok(());
        };
        drop(running);
        let case = Case::of_core(core.path(), fixture.path())?;
        let sums = rounds(&case).with_context(|| format!("go{version}"))?;
        ensure!(
            sums.gaps > sums.rounds / 4 && sums.silent < sums.rounds / 2,
            "go{version}: {sums:?}"
        );
    }
    Ok(())
}

fn rounds(case: &Case) -> Result<Sums> {
    let sound = case.sound()?;
    let wrong: Vec<_> = (sound.heap.coverage.gaps.iter())
        .filter(|gap| gap.reason.starts_with("map "))
        .collect();
    ensure!(wrong.is_empty(), "a sound program: {wrong:?}");
    ensure!(sound.told.len() > 5, "{:#?}", sound.told);
    // The large ones, and some of one bucket or group.
    let mut maps: Vec<&MapInfo> = (sound.heap.maps.iter())
        .filter(|m| m.object.is_some())
        .collect();
    maps.sort_by_key(|map| std::cmp::Reverse(map.bytes));
    let small = maps.iter().filter(|map| map.slots == 8 && map.len > 0);
    let small: Vec<&MapInfo> = small.copied().take(SMALL).collect();
    ensure!(small.len() == SMALL && maps.len() > LARGE, "too few maps");
    maps.truncate(LARGE);
    maps.extend(small);
    let anatomies = maps.iter().map(|map| Anatomy::of(case, &sound.heap, map));
    let anatomies = anatomies.collect::<Result<Vec<_>>>()?;
    let parts: Vec<u64> = anatomies.iter().flat_map(Anatomy::parts).collect();
    let mut sums = Sums::default();
    for seed in 1..=ROUNDS {
        let mut random = Random::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        // The first numbers of seeds that are alike are alike.
        (0..16).for_each(|_| _ = random.number());
        let index = random.index(maps.len());
        let (map, anatomy) = (maps[index], &anatomies[index]);
        let damage = damage(case, anatomy, &parts, &mut random)?;
        let start = CpuTime::start();
        let built = case.with(damage.at, &damage.bytes)?;
        let took = start.elapsed();
        judge(&sound, map, &damage, &built, &mut sums)
            .with_context(|| format!("seed {seed}: {damage} of {map:?}"))?;
        ensure!(took < PATIENCE, "seed {seed}: {damage}: it took {took:?}");
    }
    Ok(sums)
}

fn judge(
    sound: &Built,
    map: &MapInfo,
    damage: &Damage,
    built: &Built,
    sums: &mut Sums,
) -> Result<()> {
    let heap = &built.heap;
    let now = heap.maps.iter().find(|m| m.address == map.address);
    let gap = heap.coverage.gaps.total() > sound.heap.coverage.gaps.total();
    let marked = now.is_none_or(|m| m.incomplete || m.torn);
    sums.rounds += 1;
    sums.gaps += u64::from(gap);
    sums.torn += u64::from(!gap && marked);
    sums.silent += u64::from(!gap && !marked);
    ensure!(gap || marked || !damage.telling, "nobody noticed");
    // A pointer to a part of another map makes that a part of two, and what hangs on it too.
    let shares = (damage.bytes.first_chunk())
        .is_some_and(|word| sound.heap.objects.find(u64::from_le_bytes(*word)).is_some());
    let is_of = |told: &&Told| told.map == Some(map.address.0);
    let elsewhere = |told: &&Told| !is_of(told);
    for before in sound.told.iter().filter(elsewhere) {
        let found = built.told.iter().any(|told| is_left(told, before, shares));
        ensure!(found, "{before:#?} is gone: {:#?}", built.told);
    }
    for told in built.told.iter().filter(elsewhere) {
        let known = sound
            .told
            .iter()
            .any(|before| is_left(told, before, shares));
        ensure!(known, "found besides: {told:#?}");
    }
    let holds = sound.holds.get(&map.address.0).copied();
    let holds = holds.context("a map that is not held")?;
    let incomplete = now.is_none_or(|m| m.incomplete);
    for told in built.told.iter().filter(is_of) {
        ensure!(
            !incomplete || told.places > 1,
            "found of what is not known: {told:#?}"
        );
        let before = sound.told.iter().filter(is_of);
        let before = before.filter(|before| before.pattern == told.pattern);
        let most = before.map(|before| before.bytes.max(map.bytes)).max();
        if let Some(most) = most {
            ensure!(told.bytes <= most.max(holds), "{told:#?}: {most}, {holds}");
            continue;
        }
        let doubt =
            |reason: &String| reason.contains("look the same") || reason.contains("may have been");
        ensure!(
            DOUBTED.contains(&told.pattern)
                && told.confidence == Confidence::Medium
                && told.reasons.iter().any(doubt)
                && told.bytes <= holds,
            "found of it: {told:#?}"
        );
        sums.doubted += 1;
    }
    Ok(())
}

/// Whether `told` is what is left of `before` once something else was damaged. `shares`: parts of maps became parts of the damaged
/// one too, which are not held by one alone any more.
fn is_left(told: &Told, before: &Told, shares: bool) -> bool {
    let same_map = told.map == before.map || before.places > 1;
    told == before
        || ((shares || before.places > 1)
            && same_map
            && told.pattern == before.pattern
            && told.bytes <= before.bytes
            && told.places <= before.places)
}
