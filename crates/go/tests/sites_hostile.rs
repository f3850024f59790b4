//! Records of allocation sites and lists of specials that are wrong on purpose: read to the end, bounded, and counted.

mod maps_support;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use leakscope_go::heap::GoHeap;
use leakscope_target::Addr;
use leakscope_testkit::{BuildFlags, CpuTime, Fixture, Random, Running, versions};
use maps_support::Case;
use serde_json::Value;

const ROUNDS: u64 = 30;
/// The longest that an image may take.
const PATIENCE: Duration = Duration::from_secs(60);

struct Target {
    running: Running,
    /// Records of sites, and where the lists of specials begin.
    buckets: Vec<u64>,
    specials: Vec<u64>,
}

impl Target {
    fn of(version: &str) -> Result<Self> {
        let fixture = Fixture::build("sites", version, &BuildFlags::default())?;
        let environment = [("GODEBUG", "memprofilerate=1")];
        let running = fixture.spawn_with(&[], &environment, Duration::from_secs(120))?;
        let (heap, _) = Case::live(running.pid(), Value::Null)?.heap()?;
        let buckets = heap.sites.buckets().iter().map(|b| b.at.0).collect();
        let lists = heap.objects.spans().iter().map(|s| s.specials.0);
        let specials = lists.filter(|at| *at != 0).collect();
        Ok(Self {
            running,
            buckets,
            specials,
        })
    }

    /// The heap with other words at these addresses.
    fn with(&self, words: &[(u64, u64)]) -> Result<GoHeap> {
        let mut case = Case::live(self.running.pid(), Value::Null)?;
        for (at, word) in words {
            let bytes = case.image.copied_mut(Addr(*at), 8).context("not copied")?;
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        let start = CpuTime::start();
        let (heap, _) = case.heap()?;
        ensure!(start.elapsed() < PATIENCE, "took {:?}", start.elapsed());
        Ok(heap)
    }
}

fn gaps(heap: &GoHeap, reason: &str) -> u64 {
    let mut named = heap.coverage.gaps.iter().filter(|g| g.reason == reason);
    named.next().map_or(0, |g| g.count)
}

#[test]
fn broken_records_and_cyclic_lists_are_counted_gaps() -> Result<()> {
    for version in versions()? {
        let target = Target::of(&version)?;
        let case = Case::live(target.running.pid(), Value::Null)?;
        let layouts = case.layouts.sites.as_ref().context("no layouts")?;
        let f = &layouts.bucket;
        let (first, last) = (target.buckets[0], target.buckets[target.buckets.len() - 1]);
        let word = |at: u64, field: leakscope_go::layouts::Field| at + u64::from(field.offset);
        let cyclic = target.with(&[(word(last, f.all_next), first)])?;
        ensure!(cyclic.sites.buckets().len() == target.buckets.len());
        ensure!(
            gaps(
                &cyclic,
                "list of allocation sites that leads back into itself"
            ) == 1
        );
        for (field, value, reason) in [
            (
                f.stack_len,
                u64::MAX,
                "allocation site with an impossible stack",
            ),
            (f.kind, 2, "allocation site of another kind"),
            (f.all_next, 8, "allocation site that cannot be read"),
        ] {
            let heap = target.with(&[(word(first, field), value)])?;
            ensure!(gaps(&heap, reason) == 1, "{:?}", heap.coverage.gaps);
            ensure!(heap.sites.buckets().len() <= 1);
            ensure!(gaps(&heap, "sampled object of an unknown allocation site") > 0);
        }
        let next = u64::from(case.layouts.special.next.offset);
        let loops: Vec<(u64, u64)> = target.specials.iter().map(|at| (at + next, *at)).collect();
        let heap = target.with(&loops)?;
        ensure!(
            gaps(&heap, "special out of order") > 0,
            "{:?}",
            heap.coverage.gaps
        );
    }
    Ok(())
}

#[test]
fn wrong_words_are_read_to_the_end() -> Result<()> {
    for version in versions()? {
        let target = Target::of(&version)?;
        for seed in 1..=ROUNDS {
            let mut random = Random::new(seed << 32 | 0x5eed);
            // Words of a record's head, and of a special.
            let places = [(&target.buckets, 6), (&target.specials, 3)];
            let words: Vec<(u64, u64)> = (0..1 + random.below(40))
                .map(|_| {
                    let (list, words) = places[random.below(2) as usize];
                    let at = list[random.below(list.len() as u64) as usize];
                    let new = match random.below(4) {
                        0 => 0,
                        1 => random.below(u64::MAX),
                        _ => list[random.below(list.len() as u64) as usize],
                    };
                    (at + 8 * random.below(words), new)
                })
                .collect();
            target
                .with(&words)
                .with_context(|| format!("go{version}, seed {seed}"))?;
        }
    }
    Ok(())
}
