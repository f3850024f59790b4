//! Traces: what a program does to a map, as text, and the memory it takes over time.
//!
//! One step a line; `#` begins a comment. Keys are numbers from 1.
//!
//! ```text
//! map[string]int        the type, first
//! make 100              a hint, at most once, before all other steps
//! put 1..1000           assign keys 1 to 1000; also a single key
//! delete 1..500
//! clear
//! range                 a whole iteration
//! begin                 an iteration that stops at its first entry and is kept
//! turn 100 50000        50,000 times: delete the oldest of 100 keys, put a new one
//! ```

use crate::{Iter, Key, Map, Memory, Release, Seeded, Shape, ShapeError};

/// Most steps of a trace: some seconds of simulation.
pub const MAX_STEPS: u64 = 50_000_000;
/// Largest key: each entry takes some 20 bytes in a model.
pub const MAX_KEY: Key = 16_000_000;
/// Most operations of a trace's text.
const MAX_OPS: usize = 100_000;
/// Most iterations that a trace keeps.
const MAX_KEPT: usize = 1_000;

/// The seed of comparisons between releases.
const SEED: u64 = 1;

/// One operation of a trace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op {
    /// Assigns keys, in order.
    Put {
        /// The first.
        from: Key,
        /// The last.
        to: Key,
    },
    /// Deletes keys, in order.
    Delete {
        /// The first.
        from: Key,
        /// The last.
        to: Key,
    },
    /// `clear(m)`.
    Clear,
    /// `for range m {}`.
    Range,
    /// Begins an iteration and keeps it at its first entry.
    Begin,
    /// Assigns `live` keys, then that many times deletes the oldest and assigns a new one.
    Turn {
        /// Keys alive.
        live: Key,
        /// How many times.
        times: Key,
    },
}

/// What a program does to one map.
#[derive(Clone, PartialEq, Debug)]
pub struct Trace {
    /// Its type, as written.
    pub type_name: String,
    /// Its type.
    pub shape: Shape,
    /// The hint it is made with.
    pub hint: u64,
    /// What is done to it.
    pub ops: Vec<Op>,
}

/// Why a text is no trace.
#[derive(thiserror::Error, Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TraceError {
    /// A line is not understood.
    #[error("line {line}: {why}")]
    Line {
        /// Which, from 1.
        line: usize,
        /// Why.
        why: String,
    },
    /// The type is none.
    #[error("line {line}: {why}")]
    Type {
        /// Which line, from 1.
        line: usize,
        /// Why.
        #[source]
        why: ShapeError,
    },
    /// There is nothing in it.
    #[error("no map type: the first line names one, such as map[string]int")]
    Empty,
    /// It would take too long.
    #[error("more than {MAX_STEPS} steps, or more than {MAX_OPS} lines")]
    TooLong,
}

/// A map's memory after some step.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Point {
    /// Steps done.
    pub step: u64,
    /// Entries.
    pub entries: u64,
    /// What it takes.
    pub memory: Memory,
}

/// What a trace does to the memory of one release.
#[derive(Clone, PartialEq, Debug)]
pub struct Curve {
    /// The release.
    pub release: &'static str,
    /// Memory over time.
    pub points: Vec<Point>,
    /// The most memory, and when.
    pub peak: Point,
    /// The step that allocated most at once, and how much.
    pub largest: (u64, u64),
    /// Bytes allocated in all.
    pub allocated: u64,
    /// What the least map of as many entries as at the end takes, without their indirect keys and elems.
    pub smallest: u64,
}

impl Trace {
    /// Reads a trace.
    pub fn parse(text: &str) -> Result<Trace, TraceError> {
        let mut trace: Option<Trace> = None;
        let mut steps = 0u64;
        for (at, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let Some(trace) = &mut trace else {
                let shape =
                    Shape::parse(line).map_err(|why| TraceError::Type { line: at + 1, why })?;
                trace = Some(Trace {
                    type_name: line.to_owned(),
                    shape,
                    hint: 0,
                    ops: Vec::new(),
                });
                continue;
            };
            let why = |why: String| TraceError::Line { line: at + 1, why };
            if let Some(hint) = line.strip_prefix("make ") {
                if !trace.ops.is_empty() {
                    return Err(why("make comes before all other steps".to_owned()));
                }
                trace.hint = u64::from(key(hint.trim()).map_err(why)?);
                continue;
            }
            let op = op(line).map_err(why)?;
            steps = steps.saturating_add(op.steps());
            if steps > MAX_STEPS || trace.ops.len() >= MAX_OPS {
                return Err(TraceError::TooLong);
            }
            trace.ops.push(op);
        }
        trace.ok_or(TraceError::Empty)
    }

    /// Steps in all.
    pub fn steps(&self) -> u64 {
        self.ops.iter().map(Op::steps).sum()
    }

    /// Does it all with the maps of each release, from the same seed.
    pub fn run_all(&self, releases: &[&'static Release], points: u64) -> Vec<Curve> {
        let run = |release: &&'static Release| self.run(release, SEED, points);
        releases.iter().map(run).collect()
    }

    /// Does it all with the maps of a release, and looks at the memory about `points` times.
    pub fn run(&self, release: &'static Release, seed: u64, points: u64) -> Curve {
        let mut run = Run {
            map: Map::make(release, self.shape, self.hint),
            world: Seeded::new(seed),
            kept: Vec::new(),
            step: 0,
            every: (self.steps() / points.max(1)).max(1),
            seen: 0,
            curve: Curve {
                release: release.name,
                points: Vec::new(),
                peak: Point::default(),
                largest: (0, 0),
                allocated: 0,
                smallest: 0,
            },
        };
        run.look();
        run.curve.largest.1 = 0;
        for op in &self.ops {
            run.op(*op);
        }
        run.look();
        run.curve.allocated = run.map.allocated();
        run.curve.smallest = release.smallest(&self.shape, run.map.count()).total();
        run.curve
    }
}

struct Run {
    map: Map,
    world: Seeded,
    kept: Vec<Iter>,
    step: u64,
    every: u64,
    /// Bytes allocated up to the last step, and when memory was looked at last.
    seen: u64,
    curve: Curve,
}

impl Run {
    fn op(&mut self, op: Op) {
        match op {
            Op::Put { from, to } => (from..=to).for_each(|key| self.put(key)),
            Op::Delete { from, to } => (from..=to).for_each(|key| self.delete(key)),
            Op::Clear => {
                self.map.clear(&mut self.world);
                self.stepped();
            }
            Op::Range => {
                let mut iter = self.map.iterate(&mut self.world);
                while self.map.next(&mut iter, &self.world).is_some() {}
                self.stepped();
            }
            Op::Begin => {
                let mut iter = self.map.iterate(&mut self.world);
                self.map.next(&mut iter, &self.world);
                if self.kept.len() < MAX_KEPT {
                    self.kept.push(iter);
                }
                self.stepped();
            }
            Op::Turn { live, times } => {
                (1..=live).for_each(|key| self.put(key));
                for oldest in 1..=times {
                    self.delete(oldest);
                    self.put(oldest + live);
                }
            }
        }
    }

    fn put(&mut self, key: Key) {
        // A model made by `make` is never nil.
        let _made = self.map.assign(key, 1, &mut self.world);
        self.stepped();
    }

    fn delete(&mut self, key: Key) {
        self.map.delete(key, &mut self.world);
        self.stepped();
    }

    /// After each step: notes what it allocated; looks at the memory from time to time and when it jumps.
    fn stepped(&mut self) {
        self.step += 1;
        let allocated = self.map.allocated();
        let new = allocated - self.seen;
        self.seen = allocated;
        if new > self.curve.largest.1 {
            self.curve.largest = (self.step, new);
        }
        let last = self.curve.points.last().map_or(0, |p| p.memory.total());
        let jump = new * JUMP > last;
        if jump || self.step.is_multiple_of(self.every) {
            self.look();
        }
    }

    fn look(&mut self) {
        let point = Point {
            step: self.step,
            entries: self.map.count(),
            memory: self.map.memory(),
        };
        if point.memory.total() > self.curve.peak.memory.total() {
            self.curve.peak = point;
        }
        self.seen = self.map.allocated();
        self.curve.points.push(point);
    }
}

/// A step that allocates more than one part in so many of the map's memory is a point of the curve by itself.
const JUMP: u64 = 32;

impl Op {
    /// Steps that it makes.
    fn steps(&self) -> u64 {
        match *self {
            Op::Put { from, to } | Op::Delete { from, to } => u64::from(to - from) + 1,
            Op::Clear | Op::Range | Op::Begin => 1,
            Op::Turn { live, times } => u64::from(live) + 2 * u64::from(times),
        }
    }
}

fn op(line: &str) -> Result<Op, String> {
    let mut words = line.split_whitespace();
    let name = words.next().unwrap_or_default();
    let mut next = || words.next().ok_or_else(|| format!("{name} what?"));
    let op = match name {
        "put" => {
            let (from, to) = keys(next()?)?;
            Op::Put { from, to }
        }
        "delete" => {
            let (from, to) = keys(next()?)?;
            Op::Delete { from, to }
        }
        "clear" => Op::Clear,
        "range" => Op::Range,
        "begin" => Op::Begin,
        "turn" => {
            let (live, times) = (key(next()?)?, key(next()?)?);
            if live == 0 || live + times > MAX_KEY {
                return Err(format!("1 to {MAX_KEY} keys, please"));
            }
            Op::Turn { live, times }
        }
        other => {
            return Err(format!(
                "{other:?} is none of put, delete, clear, range, begin, turn, make"
            ));
        }
    };
    match words.next() {
        None => Ok(op),
        Some(word) => Err(format!("{word:?} is one word too many")),
    }
}

/// `7` or `1..1000`.
fn keys(text: &str) -> Result<(Key, Key), String> {
    let (from, to) = text.split_once("..").unwrap_or((text, text));
    let (from, to) = (key(from)?, key(to)?);
    if from == 0 || from > to {
        return Err(format!("{text:?}: keys begin at 1 and rise"));
    }
    Ok((from, to))
}

fn key(text: &str) -> Result<Key, String> {
    text.parse()
        .ok()
        .filter(|&key| key <= MAX_KEY)
        .ok_or_else(|| format!("{text:?} is no number up to {MAX_KEY}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_no_steps_are_refused_with_their_number() {
        for (text, line) in [
            ("map[int]int\nput", 2),
            ("map[int]int\nput 0..3", 2),
            ("map[int]int\nput 3..1", 2),
            ("map[int]int\n# fine\nput 99999999999", 3),
            ("map[int]int\nput 1\nmake 3", 3),
            ("map[int]int\nturn 0 5", 2),
            ("map[int]int\nclear now", 2),
            ("map[int]int\nfly", 2),
        ] {
            match Trace::parse(text) {
                Err(TraceError::Line { line: got, .. }) => assert_eq!(got, line, "{text:?}"),
                other => panic!("{text:?}: {other:?}"),
            }
        }
        assert_eq!(Trace::parse("  # nothing"), Err(TraceError::Empty));
        let long = format!("map[int]int\n{}", "put 1..16000000\n".repeat(4));
        assert_eq!(Trace::parse(&long), Err(TraceError::TooLong));
    }

    #[test]
    fn the_memory_of_a_trace_is_followed_step_by_step() {
        let trace = Trace::parse("map[int]int\nmake 3\nput 1..1000\ndelete 1..900\nclear").unwrap();
        assert_eq!(trace.steps(), 1901);
        for release in &crate::RELEASES {
            let curve = trace.run(release, 1, 50);
            let last = curve.points.last().unwrap();
            assert_eq!((last.step, last.entries), (1901, 0), "{}", release.name);
            assert!(last.memory.total() > 16_000, "{}: {last:?}", release.name);
            assert!(curve.peak.memory.total() >= last.memory.total());
            assert!(curve.largest.1 > 9_000 && curve.largest.0 < 1000);
        }
    }
}
