//! The counters of one process, again and again.

use std::sync::Arc;

use leakscope_target::{Addr, Fault, Memory, ReadRequest};

use super::Counters;
use super::goal::{NO_LIMIT, Pacer};
use super::map::{CounterMap, PAUSES, Spot, Summed};

/// Most processors of the scheduler that are looked at. Linux knows at most 8192, and a larger `GOMAXPROCS` helps nobody.
const MAX_PROCESSORS: u64 = 8192;

/// Reads before a sample that contradicts itself is given out as torn. A contradiction takes the runtime well below a
/// microsecond to resolve, unless the kernel takes its thread away just then.
const ATTEMPTS: usize = 4;

/// Adds what is watched to a batch.
fn watch<'a>(
    batch: &mut Vec<ReadRequest<'a>>,
    spots: [Option<Spot>; 2],
    buffers: &'a mut [[u8; 8]; 2],
    bias: u64,
) {
    for (spot, buf) in spots.into_iter().zip(buffers) {
        if let Some(spot) = spot
            && let Some(buf) = buf.get_mut(..spot.size as usize)
        {
            let at = Addr(spot.at.wrapping_add(bias));
            batch.push(ReadRequest { at, buf });
        }
    }
}

/// Reads the counters of one process.
#[derive(Debug, Clone)]
pub struct CounterReader {
    map: Arc<CounterMap>,
    bias: u64,
    buffer: Vec<u8>,
    /// `allp` as it was when `processors` was read: address and length.
    allp: (u64, u64),
    /// Where each processor counts its ended goroutines.
    processors: Vec<Addr>,
    free_in_processors: Vec<u8>,
}

impl CounterReader {
    /// The counters of a process of the executable of `map`, which is loaded `bias` bytes above its own addresses.
    pub fn new(map: Arc<CounterMap>, bias: u64) -> Self {
        Self {
            buffer: vec![0; map.bytes()],
            map,
            bias,
            allp: (0, 0),
            processors: Vec::new(),
            free_in_processors: Vec::new(),
        }
    }

    /// Reads all counters: one batched read, and two more where the number of processors changed.
    ///
    /// Fails where the counters cannot be read at all: the process ended, or may not be read.
    pub fn sample(&mut self, memory: &dyn Memory) -> Result<Counters, Fault> {
        let mut counters = Counters::default();
        for _ in 0..ATTEMPTS {
            let changed = self.read(memory)?;
            counters = self.counters(changed);
            if !counters.torn {
                break;
            }
        }
        Ok(counters)
    }

    /// Fills the buffers. Answers whether a collection ended or the statistics were turned over meanwhile.
    fn read(&mut self, memory: &dyn Memory) -> Result<bool, Fault> {
        let changed = self.read_once(memory)?;
        if self.processors_changed() {
            self.find_processors(memory);
            return self.read_once(memory);
        }
        Ok(changed)
    }

    /// One batch, in this order: what is watched, everything, the processors' lists, what is watched again. The kernel
    /// reads in order, so that nothing has changed in between if the first and the last are the same.
    fn read_once(&mut self, memory: &dyn Memory) -> Result<bool, Fault> {
        let watched = [self.map.num_gc, self.map.generation];
        let [mut before, mut after] = [[[0; 8]; 2]; 2];
        let mut batch =
            Vec::with_capacity(2 * watched.len() + self.map.ranges.len() + self.processors.len());
        watch(&mut batch, watched, &mut before, self.bias);
        let mut rest = self.buffer.as_mut_slice();
        for range in &self.map.ranges {
            let len = (range.len as usize).min(rest.len());
            let (buf, others) = std::mem::take(&mut rest).split_at_mut(len);
            rest = others;
            let at = Addr(range.at.wrapping_add(self.bias));
            batch.push(ReadRequest { at, buf });
        }
        let lists = self.free_in_processors.chunks_exact_mut(4);
        for (at, buf) in self.processors.iter().zip(lists) {
            batch.push(ReadRequest { at: *at, buf });
        }
        watch(&mut batch, watched, &mut after, self.bias);
        memory.read_many(&mut batch)?;
        Ok(before != after)
    }

    fn processors_changed(&self) -> bool {
        self.map
            .goroutines
            .as_ref()
            .is_some_and(|g| (self.value(g.allp.0), self.value(g.allp.1)) != self.allp)
    }

    /// Finds the processors anew. Where that fails there are none, and the number of goroutines is not known.
    fn find_processors(&mut self, memory: &dyn Memory) {
        self.processors.clear();
        self.free_in_processors.clear();
        let Some(g) = &self.map.goroutines else {
            return;
        };
        let (at, len) = (self.value(g.allp.0), self.value(g.allp.1));
        self.allp = (at, len);
        let Some(bytes) = usize::try_from(len.min(MAX_PROCESSORS + 1) * 8).ok() else {
            return;
        };
        let mut pointers = vec![0; bytes];
        if len > MAX_PROCESSORS || memory.read(Addr(at), &mut pointers).is_err() {
            return;
        }
        let words = pointers.as_chunks::<8>().0.iter().copied();
        self.processors = words
            .map(|p| Addr(u64::from_le_bytes(p).wrapping_add(g.free_in_p.0)))
            .collect();
        self.free_in_processors = vec![0; self.processors.len() * 4];
        // One that cannot be read must not spoil the sample.
        let mut probe = [0; 4];
        if self
            .processors
            .iter()
            .any(|p| memory.read(*p, &mut probe).is_err())
        {
            self.processors.clear();
            self.free_in_processors.clear();
        }
    }

    /// The bytes of a spot in the buffer.
    fn bytes(&self, spot: Spot) -> &[u8] {
        let i = self.map.ranges.partition_point(|r| r.at <= spot.at);
        i.checked_sub(1)
            .and_then(|i| self.map.ranges.get(i))
            .and_then(|range| {
                let from = range.in_buffer as usize + usize::try_from(spot.at - range.at).ok()?;
                self.buffer.get(from..from.checked_add(spot.size as usize)?)
            })
            .unwrap_or_default()
    }

    fn value(&self, spot: Spot) -> u64 {
        let mut word = [0; 8];
        for (to, from) in word.iter_mut().zip(self.bytes(spot)) {
            *to = *from;
        }
        u64::from_le_bytes(word)
    }

    fn int(&self, spot: Spot) -> i32 {
        self.value(spot) as u32 as i32
    }

    /// A sum of signed deltas; `None` where it is negative, which no moment makes it.
    fn sum(&self, spots: Summed) -> Option<u64> {
        let sum = spots?
            .into_iter()
            .fold(0_i64, |sum, spot| sum.wrapping_add(self.value(spot) as i64));
        u64::try_from(sum).ok()
    }

    fn counters(&self, changed: bool) -> Counters {
        let map = &*self.map;
        let word = |spot: Option<Spot>| spot.map(|s| self.value(s));
        let num_gc = word(map.num_gc).and_then(|n| u32::try_from(n).ok());
        let after_one = |value: Option<u64>| value.filter(|_| num_gc.is_some_and(|n| n > 0));
        let heap_alloc = word(map.total_alloc)
            .zip(word(map.total_free))
            .map(|(allocated, freed)| allocated.wrapping_sub(freed));
        let heap_in_use = word(map.heap_in_use);
        let pacer = self.pacer();
        let in_heap = map.in_heap.map(|_| self.sum(map.in_heap));
        // The runtime counts spans in use twice, and compares when the world is stopped (mstats.go, `readMemStats_m`).
        let counted_alike = match (in_heap, heap_in_use) {
            (Some(sum), Some(in_use)) => sum == Some(in_use),
            _ => true,
        };
        Counters {
            gc_percent: map.gc_percent.map(|s| self.int(s)).filter(|p| *p >= -1),
            memory_limit: word(map.memory_limit).filter(|limit| *limit < NO_LIMIT),
            heap_marked: word(map.heap_marked),
            heap_live: word(map.heap_live),
            gogc_goal: word(map.gc_percent_heap_goal),
            heap_goal: pacer.and_then(|p| p.goal()),
            heap_alloc,
            total_alloc: word(map.total_alloc),
            heap_in_use,
            heap_idle: word(map.heap_free)
                .zip(word(map.heap_released))
                .map(|(free, released)| free.saturating_add(released)),
            heap_released: word(map.heap_released),
            mapped_ready: word(map.mapped_ready),
            stacks_in_use: self.sum(map.in_stacks),
            num_gc,
            num_forced_gc: word(map.num_forced_gc).and_then(|n| u32::try_from(n).ok()),
            marking: word(map.gc_phase).map(|phase| phase != 0),
            last_gc_unix_ns: after_one(word(map.last_gc_unix)),
            last_pause_ns: after_one(self.last_pause(num_gc)),
            pause_total_ns: word(map.pause_total_ns),
            gc_cpu_fraction: word(map.gc_cpu_fraction)
                .map(f64::from_bits)
                .filter(|share| (0.0..=1.0).contains(share)),
            goroutines: self.goroutines(),
            gomaxprocs: map
                .gomaxprocs
                .and_then(|s| u32::try_from(self.int(s)).ok())
                .filter(|n| *n > 0),
            torn: changed || !counted_alike || pacer.is_some_and(|p| !p.is_plausible()),
        }
    }

    fn pacer(&self) -> Option<Pacer> {
        let map = &*self.map;
        let word = |spot: Option<Spot>| spot.map(|s| self.value(s));
        Some(Pacer {
            gc_percent_heap_goal: word(map.gc_percent_heap_goal)?,
            sweep_dist_min_trigger: word(map.sweep_dist_min_trigger)?,
            triggered: word(map.triggered)?,
            memory_limit: word(map.memory_limit)?,
            heap_marked: word(map.heap_marked)?,
            heap_free: word(map.heap_free)?,
            heap_alloc: word(map.total_alloc)?.wrapping_sub(word(map.total_free)?),
            mapped_ready: word(map.mapped_ready)?,
        })
    }

    /// The entry of the ring that the last collection wrote (mgc.go, `gcMarkTermination`).
    fn last_pause(&self, num_gc: Option<u32>) -> Option<u64> {
        let ring = self.map.pause_ns?;
        let entry = u64::from(num_gc?).wrapping_add(PAUSES - 1) % PAUSES;
        Some(self.value(Spot {
            at: ring.at.checked_add(entry * 8)?,
            size: 8,
        }))
    }

    /// proc.go, `gcount`: all that were ever made, without those that ended and those of the runtime. At least one, for
    /// its parts change one by one.
    fn goroutines(&self) -> Option<u64> {
        let g = self.map.goroutines.as_ref()?;
        if self.processors.is_empty() {
            return None;
        }
        let lists = g.free.iter().map(|s| i64::from(self.int(*s)));
        let of_processors = self
            .free_in_processors
            .as_chunks::<4>()
            .0
            .iter()
            .map(|b| i64::from(i32::from_le_bytes(*b)));
        let free = lists
            .chain(of_processors)
            .fold(i64::from(self.int(g.system)), i64::saturating_add);
        let all = i64::try_from(self.value(g.all)).ok()?;
        u64::try_from(all.saturating_sub(free).max(1)).ok()
    }
}
