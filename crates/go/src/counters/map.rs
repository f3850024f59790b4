//! Where an executable keeps its counters.

use crate::dwarf::{DebugInfo, Global};

/// A counter of up to a word: its address as linked, and its width in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) at: u64,
    pub(super) size: u32,
}

/// Generations of `consistentHeapStats.stats` (mstats.go): their sum is the value.
pub(super) const GENERATIONS: usize = 3;
/// Entries of the rings `memstats.pause_ns` and `pause_end` (mstats.go).
pub(super) const PAUSES: u64 = 256;

/// One counter of `heapStatsDelta`, in each generation.
pub(super) type Summed = Option<[Spot; GENERATIONS]>;

/// Where an executable keeps its counters. Made once per executable, for any number of its processes.
#[derive(Debug, Clone, Default)]
pub struct CounterMap {
    pub(super) gc_percent: Option<Spot>,
    pub(super) memory_limit: Option<Spot>,
    pub(super) gc_percent_heap_goal: Option<Spot>,
    pub(super) sweep_dist_min_trigger: Option<Spot>,
    pub(super) triggered: Option<Spot>,
    pub(super) heap_live: Option<Spot>,
    pub(super) heap_marked: Option<Spot>,
    pub(super) heap_in_use: Option<Spot>,
    pub(super) heap_released: Option<Spot>,
    pub(super) heap_free: Option<Spot>,
    pub(super) total_alloc: Option<Spot>,
    pub(super) total_free: Option<Spot>,
    pub(super) mapped_ready: Option<Spot>,
    pub(super) last_gc_unix: Option<Spot>,
    pub(super) pause_total_ns: Option<Spot>,
    /// The whole ring.
    pub(super) pause_ns: Option<Spot>,
    pub(super) num_gc: Option<Spot>,
    pub(super) num_forced_gc: Option<Spot>,
    pub(super) gc_cpu_fraction: Option<Spot>,
    /// Which generation is being written.
    pub(super) generation: Option<Spot>,
    pub(super) in_heap: Summed,
    pub(super) in_stacks: Summed,
    pub(super) gc_phase: Option<Spot>,
    pub(super) gomaxprocs: Option<Spot>,
    pub(super) goroutines: Option<GoroutineSpots>,
    /// What a sample reads, by address: start as linked, length, and where it goes in the buffer.
    pub(super) ranges: Vec<Range>,
}

/// What the number of goroutines is made of (proc.go, `gcount`).
#[derive(Debug, Clone)]
pub(super) struct GoroutineSpots {
    /// Length of `allgs`: goroutines ever made, used again when they have ended.
    pub(super) all: Spot,
    /// Goroutines of the runtime itself.
    pub(super) system: Spot,
    /// Ended ones in the lists of the scheduler: one counter up to 1.24, two from 1.25.
    pub(super) free: Vec<Spot>,
    /// Where the slice of processors is, and where its length.
    pub(super) allp: (Spot, Spot),
    /// Offset and width, in a processor, of its count of ended ones.
    pub(super) free_in_p: (u64, u32),
}

/// Neighbouring counters read as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) at: u64,
    pub(super) len: u32,
    pub(super) in_buffer: u32,
}

/// Counters no further apart than this are read as one range: copying is cheaper than another range.
const NEAR: u64 = 128;
/// The widest counter, the ring of pauses.
const RING: u32 = PAUSES as u32 * 8;

impl CounterMap {
    /// Looks the counters up by name. What is not there is left out.
    pub fn resolve(debug: &DebugInfo) -> Self {
        let gc = Struct::find(debug, "runtime.gcController");
        let stats = Struct::find(debug, "runtime.memstats");
        let of_gc = |field| gc.as_ref().and_then(|s| s.spot(&[field]));
        let of_stats = |field| stats.as_ref().and_then(|s| s.spot(&[field]));
        let delta = |field| stats.as_ref().and_then(|s| s.summed(field));
        let mut map = Self {
            gc_percent: of_gc("gcPercent"),
            memory_limit: of_gc("memoryLimit"),
            gc_percent_heap_goal: of_gc("gcPercentHeapGoal"),
            sweep_dist_min_trigger: of_gc("sweepDistMinTrigger"),
            triggered: of_gc("triggered"),
            heap_live: of_gc("heapLive"),
            heap_marked: of_gc("heapMarked"),
            heap_in_use: of_gc("heapInUse"),
            heap_released: of_gc("heapReleased"),
            heap_free: of_gc("heapFree"),
            total_alloc: of_gc("totalAlloc"),
            total_free: of_gc("totalFree"),
            mapped_ready: of_gc("mappedReady"),
            last_gc_unix: of_stats("last_gc_unix"),
            pause_total_ns: of_stats("pause_total_ns"),
            pause_ns: stats.as_ref().and_then(|s| s.ring("pause_ns")),
            num_gc: of_stats("numgc"),
            num_forced_gc: of_stats("numforcedgc"),
            gc_cpu_fraction: of_stats("gc_cpu_fraction"),
            generation: of_stats("heapStats.gen"),
            in_heap: delta("inHeap"),
            in_stacks: delta("inStacks"),
            gc_phase: variable(debug, "runtime.gcphase"),
            gomaxprocs: variable(debug, "runtime.gomaxprocs"),
            goroutines: goroutines(debug),
            ranges: Vec::new(),
        };
        map.ranges = ranges(map.spots());
        map
    }

    /// Whether not even one counter was found.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Bytes that a sample reads, besides four per processor of the scheduler.
    pub(super) fn bytes(&self) -> usize {
        self.ranges.iter().map(|r| r.len as usize).sum()
    }

    /// Every spot.
    fn spots(&self) -> Vec<Spot> {
        let single = [
            self.gc_percent,
            self.memory_limit,
            self.gc_percent_heap_goal,
            self.sweep_dist_min_trigger,
            self.triggered,
            self.heap_live,
            self.heap_marked,
            self.heap_in_use,
            self.heap_released,
            self.heap_free,
            self.total_alloc,
            self.total_free,
            self.mapped_ready,
            self.last_gc_unix,
            self.pause_total_ns,
            self.pause_ns,
            self.num_gc,
            self.num_forced_gc,
            self.gc_cpu_fraction,
            self.generation,
            self.gc_phase,
            self.gomaxprocs,
        ];
        let mut spots: Vec<Spot> = single.into_iter().flatten().collect();
        spots.extend(
            [self.in_heap, self.in_stacks]
                .into_iter()
                .flatten()
                .flatten(),
        );
        if let Some(g) = &self.goroutines {
            spots.extend([g.all, g.system, g.allp.0, g.allp.1]);
            spots.extend(&g.free);
        }
        spots
    }
}

/// A package variable that is a struct.
struct Struct<'a> {
    debug: &'a DebugInfo,
    global: Global<'a>,
}

impl<'a> Struct<'a> {
    fn find(debug: &'a DebugInfo, name: &str) -> Option<Self> {
        let global = debug.global(name)?;
        Some(Self { debug, global })
    }

    fn field(&self, name: &str) -> Option<(u64, u64)> {
        let field = self.debug.field_of(self.global.type_, name)?;
        let at = self.global.addr.checked_add(field.offset)?;
        Some((at, self.debug.size_of(field.type_)?))
    }

    /// The counter that has the first of these names there is.
    fn spot(&self, names: &[&str]) -> Option<Spot> {
        let (at, size) = names.iter().find_map(|name| self.field(name))?;
        word(at, size)
    }

    /// A ring of [`PAUSES`] words.
    fn ring(&self, name: &str) -> Option<Spot> {
        let (at, size) = self.field(name)?;
        (size == u64::from(RING)).then_some(Spot { at, size: RING })
    }

    /// A counter of `heapStatsDelta` in every generation.
    fn summed(&self, field: &str) -> Summed {
        let (first, size) = self.field("heapStats.stats")?;
        let stride = size / GENERATIONS as u64;
        let field = self.debug.field("runtime.heapStatsDelta", field)?;
        let width = self.debug.size_of(field.type_)?;
        if field.offset.checked_add(width)? > stride {
            return None;
        }
        let mut spots = [Spot { at: 0, size: 0 }; GENERATIONS];
        for (i, spot) in spots.iter_mut().enumerate() {
            let offset = (i as u64).checked_mul(stride)?.checked_add(field.offset)?;
            *spot = word(first.checked_add(offset)?, width)?;
        }
        Some(spots)
    }
}

fn variable(debug: &DebugInfo, name: &str) -> Option<Spot> {
    let global = debug.global(name)?;
    word(global.addr, debug.size_of(global.type_)?)
}

/// Counters are of four or eight bytes, atomic ones too: their struct holds nothing else that has a size.
fn word(at: u64, size: u64) -> Option<Spot> {
    let size = u32::try_from(size).ok().filter(|s| matches!(s, 4 | 8))?;
    at.checked_add(u64::from(size))?;
    Some(Spot { at, size })
}

fn goroutines(debug: &DebugInfo) -> Option<GoroutineSpots> {
    let sched = Struct::find(debug, "runtime.sched")?;
    let allp = debug.global("runtime.allp")?.addr;
    let p = debug.type_named("runtime.p")?;
    let in_p = ["gFree.n", "gFree.size"]
        .into_iter()
        .find_map(|name| debug.field_of(p, name))?;
    let lists = ["gFree.stack.size", "gFree.noStack.size"].map(|name| sched.spot(&[name]));
    let free = match (sched.spot(&["gFree.n"]), lists) {
        (Some(one), _) => vec![one],
        (None, [Some(with_stack), Some(without)]) => vec![with_stack, without],
        _ => return None,
    };
    Some(GoroutineSpots {
        all: variable(debug, "runtime.allglen")?,
        system: sched.spot(&["ngsys"])?,
        free,
        allp: (word(allp, 8)?, word(allp.checked_add(8)?, 8)?),
        free_in_p: (
            in_p.offset,
            u32::try_from(debug.size_of(in_p.type_)?)
                .ok()
                .filter(|s| *s == 4)?,
        ),
    })
}

/// Joins near spots to ranges.
fn ranges(mut spots: Vec<Spot>) -> Vec<Range> {
    spots.sort_unstable_by_key(|s| (s.at, s.size));
    let mut ranges: Vec<Range> = Vec::new();
    for spot in spots {
        let end = spot.at.saturating_add(u64::from(spot.size));
        if let Some(last) = ranges.last_mut()
            && let last_end = last.at.saturating_add(u64::from(last.len))
            && spot.at <= last_end.saturating_add(NEAR)
            && let Ok(len) = u32::try_from(end.max(last_end) - last.at)
        {
            last.len = len;
            continue;
        }
        ranges.push(Range {
            at: spot.at,
            len: spot.size,
            in_buffer: 0,
        });
    }
    let mut filled = 0;
    for range in &mut ranges {
        range.in_buffer = filled;
        filled = filled.saturating_add(range.len);
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_counters_are_read_as_one_range_and_far_ones_apart() {
        let spot = |at, size| Spot { at, size };
        let got = ranges(vec![
            spot(5000, 8),
            spot(16, 4),
            spot(0, 8),
            spot(16, 4),
            spot(20 + NEAR, 8),
        ]);
        let range = |at, len, in_buffer| Range { at, len, in_buffer };
        let joined = 28 + NEAR as u32;
        assert_eq!(got, [range(0, joined, 0), range(5000, 8, joined)]);
    }

    #[test]
    fn of_nothing_nothing_is_known() {
        assert!(CounterMap::resolve(&DebugInfo::default()).is_empty());
    }
}
