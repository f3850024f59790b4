//! Which maps are looked at, how closely, and what was found.

use leakscope_goabi::GROUP_SLOTS;
use leakscope_graph::{ObjIx, TypeIx};
use leakscope_target::{Image, Memory};
use rustc_hash::FxHashMap;

use crate::coverage::Gaps;
use crate::maps::{MapInfo, MapKind, Structure, Walker};
use crate::objects::Objects;
use crate::program::Program;
use crate::types::{TypeId, TypeTable};

use super::Function;
use super::eval::Hasher;
use super::live::Source;
use super::place::{Placing, Tally};
use super::steps::Steps;

/// Keys looked at in samples, of all maps together: a fifth of a second.
const SAMPLED_KEYS: u64 = 1 << 20;
/// Keys looked at in maps of which every key is: those whose sample held a key out of place, or whose shape is odd.
const ALL_KEYS: u64 = 1 << 23;
/// Buckets or groups in the sample of a map.
const SAMPLE: u64 = 64;
/// Reads of the running process: a few hundredths of a second.
const RUNNING_READS: u64 = 1 << 16;
/// Overflow buckets of a chain from which on a map is looked at as a whole: with a good hash, a map that was only filled has fewer.
const LONG_CHAIN: u32 = 4;
/// Directory entries per table from which on a map is looked at as a whole: with a good hash, tables split about equally often.
const DEEP: u64 = 8;
/// `hashWriting` of `hmap.flags`.
const WRITING: u8 = 4;
/// Groups that a search looks at on average from which on a map is: with a good hash, it is less than two.
const FAR: u64 = 3;

/// Of so many misplaced keys, no more than one lies by chance where it belongs, in maps of at least as many buckets or groups.
const BY_CHANCE: u64 = 4;

/// What came of looking whether keys lie where their hash says.
#[derive(Clone, Default, Debug)]
pub struct KeyCheck {
    /// The runtime's variables with the keys of its hash were found; without them nothing was looked at.
    pub known: bool,
    /// Maps of which keys were looked at.
    pub maps: u64,
    /// Maps that were left out: too many keys, types that are not known, parts that could not be read.
    pub maps_left: u64,
    /// Keys found where they belong.
    pub agreed: u64,
    /// Keys that are not, in all maps.
    pub out_of_reach: u64,
    /// Keys of which some bytes could not be read.
    pub unread: u64,
    /// Maps with keys out of place, or of an odd shape, by index.
    pub odd: Vec<OddMap>,
    /// Maps that count other entries than they have though nobody was writing to them, by index. Needs no hash; where there is
    /// one, their keys lie where it leads.
    pub raced: Vec<RacedMap>,
    /// Maps of which the keys or the bytes that mark them must have been overwritten, by index.
    pub overwritten: Vec<OverwrittenMap>,
}

/// A map whose keys do not lie where their hash leads, though no program can change them there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OverwrittenMap {
    /// Its index in the heap's maps.
    pub map: usize,
    /// Other keys of the same type were found where they belong. If not, the program may hash in a way that is not known.
    pub proved: bool,
}

/// A map whose count is wrong.
#[derive(Clone, Copy, Debug)]
pub struct RacedMap {
    /// Its index in the heap's maps.
    pub map: usize,
    /// What a map made for the entries that it has takes, bytes.
    pub rebuilt_bytes: u64,
}

/// A map that is not as a good hash makes it.
#[derive(Clone, Debug)]
pub struct OddMap {
    /// Its index in the heap's maps.
    pub map: usize,
    /// Every key was looked at; otherwise a sample.
    pub whole: bool,
    /// Keys found where they belong.
    pub agreed: u64,
    /// Keys that do not equal themselves: they hold a NaN.
    pub unequal: u64,
    /// Keys that lie where no search looks.
    pub misplaced: u64,
    /// Keys that could not be read.
    pub unread: u64,
    /// Other keys of the same type were found where they belong, in this map or another.
    pub proved: bool,
    /// What a map made for the entries that can be reached takes, bytes.
    pub rebuilt_bytes: u64,
    /// Objects that entries out of reach refer to, ascending.
    pub held: Vec<ObjIx>,
    /// Groups that searches for keys found look at, summed; of buckets, one for each.
    pub probes: u64,
    /// The most groups that one search looks at.
    pub longest_search: u64,
    /// Filled cells of the fullest chain of buckets.
    pub fullest_chain: u64,
}

/// What is looked at.
pub(crate) struct Subjects<'a> {
    pub(crate) program: &'a Program,
    pub(crate) image: &'a Image,
    pub(crate) objects: &'a Objects,
    pub(crate) maps: &'a [MapInfo],
    /// The process, where it still runs.
    pub(crate) running: Option<&'a dyn Memory>,
}

impl KeyCheck {
    /// Counts maps that were overwritten as gaps, and marks them as not known to the end.
    pub(crate) fn exclude_overwritten(&self, maps: &mut [MapInfo], gaps: &mut Gaps) {
        for overwritten in &self.overwritten {
            if let Some(map) = maps.get_mut(overwritten.map) {
                gaps.add("map keys do not lie where their hash leads", map.address);
                map.incomplete |= overwritten.proved;
            }
        }
    }
}

/// What looking at a map came to.
enum Looked {
    /// Nothing odd.
    Fine,
    /// The last of [`KeyCheck::odd`] is this one.
    Odd,
    /// The last of [`KeyCheck::overwritten`] is.
    Overwritten,
}

impl Subjects<'_> {
    fn raced(&self, kind: &impl Fn(TypeIx) -> Option<MapKind>) -> Vec<RacedMap> {
        let maps = self.maps.iter().enumerate();
        let wrong = maps.filter(|(_, m)| !m.incomplete && m.cells != m.len);
        let raced = wrong.filter_map(|(index, map)| {
            let kind = kind(map.type_).filter(|kind| self.at_rest(map, kind) == Some(true))?;
            Some(RacedMap {
                map: index,
                rebuilt_bytes: kind.footprint(map.cells).total(),
            })
        });
        raced.collect()
    }

    /// Whether nobody was in the middle of a write to the map.
    fn at_rest(&self, map: &MapInfo, kind: &MapKind) -> Option<bool> {
        match (&kind.walker, &map.structure) {
            (Walker::Classic(..), Structure::Classic(inside)) => Some(inside.flags & WRITING == 0),
            (Walker::Swiss(layout, _), Structure::Swiss(_)) => {
                let at = map.address.checked_add(layout.writing)?;
                Some(self.image.u8(at).ok()? == 0)
            }
            _ => None,
        }
    }
}

/// One look at the maps of a heap.
pub(crate) struct Checker<'a> {
    subjects: Subjects<'a>,
    hasher: Hasher<'a>,
    steps: FxHashMap<TypeId, Option<Steps>>,
    /// Keys found where they belong, by type.
    agreed: FxHashMap<TypeId, u64>,
    sampled_left: u64,
    all_left: u64,
    found: KeyCheck,
}

impl<'a> Checker<'a> {
    /// Looks at the maps, those with most entries first. `kind` tells the kind of a map of some type.
    pub(crate) fn run(
        subjects: Subjects<'a>,
        types: &'a mut TypeTable,
        kind: impl Fn(TypeIx) -> Option<MapKind>,
    ) -> KeyCheck {
        let raced = subjects.raced(&kind);
        let Some(function) = Function::read(subjects.program, subjects.image) else {
            return KeyCheck {
                raced,
                ..KeyCheck::default()
            };
        };
        let source = Source::new(subjects.image, subjects.running, RUNNING_READS);
        let mut this = Self {
            hasher: Hasher::new(function, source, types),
            subjects,
            steps: FxHashMap::default(),
            agreed: FxHashMap::default(),
            sampled_left: SAMPLED_KEYS,
            all_left: ALL_KEYS,
            found: KeyCheck {
                known: true,
                raced,
                ..KeyCheck::default()
            },
        };
        let maps = this.subjects.maps;
        // A map of one bucket or group may be searched without a hash.
        let sound = |m: &MapInfo| !m.torn && !m.incomplete && m.slots > GROUP_SLOTS && m.len > 0;
        let mut order: Vec<usize> = (0..maps.len()).filter(|i| sound(&maps[*i])).collect();
        order.sort_by_key(|i| std::cmp::Reverse(maps[*i].len));
        let (mut odd_keys, mut overwritten_keys) = (Vec::new(), Vec::new());
        for index in order {
            let map = &maps[index];
            let kind = kind(map.type_);
            match kind.and_then(|kind| Some((kind.key, this.map(index, map, &kind)?))) {
                Some((key, Looked::Odd)) => odd_keys.push(key),
                Some((key, Looked::Overwritten)) => overwritten_keys.push(key),
                Some((_, Looked::Fine)) => {}
                None => this.found.maps_left += 1,
            }
        }
        let raced = std::mem::take(&mut this.found.raced);
        for one in raced {
            let map = &maps[one.map];
            let kind = kind(map.type_);
            let tally = kind.and_then(|kind| Some((kind.key, this.all(map, &kind)?)));
            match tally {
                Some((key, tally)) if tally.misplaced > 0 => {
                    overwritten_keys.push(key);
                    this.overwritten(one.map);
                }
                _ => this.found.raced.push(one),
            }
        }
        let Self {
            agreed, mut found, ..
        } = this;
        let proved = |key: &TypeId| agreed.get(key).is_some_and(|n| *n > 0);
        for (odd, key) in found.odd.iter_mut().zip(odd_keys) {
            odd.proved = proved(&key);
        }
        for (overwritten, key) in found.overwritten.iter_mut().zip(overwritten_keys) {
            overwritten.proved = proved(&key);
        }
        found.odd.sort_by_key(|odd| odd.map);
        found.overwritten.sort_by_key(|overwritten| overwritten.map);
        found
    }

    /// Looks at every key of a map; `None` where that is too many, or cannot be.
    fn all(&mut self, map: &MapInfo, kind: &MapKind) -> Option<Tally> {
        self.all_left = self.all_left.checked_sub(map.cells)?;
        self.look(map, kind, 1)
    }

    fn overwritten(&mut self, map: usize) {
        let proved = false;
        self.found.overwritten.push(OverwrittenMap { map, proved });
    }

    /// Looks at one map. `None` where it cannot be.
    fn map(&mut self, index: usize, map: &MapInfo, kind: &MapKind) -> Option<Looked> {
        let odd_shape = match map.structure {
            Structure::Classic(inside) => inside.longest_chain >= LONG_CHAIN,
            Structure::Swiss(inside) => inside.directory_len > inside.tables.saturating_mul(DEEP),
        };
        let groups = map.slots / GROUP_SLOTS;
        let mut every = if odd_shape {
            1
        } else {
            (groups / SAMPLE).max(1)
        };
        if every == 1 && map.len > SAMPLE * GROUP_SLOTS {
            self.all_left = self.all_left.checked_sub(map.len)?;
        } else {
            self.sampled_left = self
                .sampled_left
                .checked_sub(map.len.min(SAMPLE * GROUP_SLOTS))?;
        }
        let mut tally = self.look(map, kind, every)?;
        let suspicious = |t: &Tally| t.odd() > 0 || t.probes > FAR.saturating_mul(t.agreed);
        if every > 1 && suspicious(&tally) && self.all_left >= map.len {
            every = 1;
            tally = self.all(map, kind)?;
        }
        self.found.maps += 1;
        self.found.agreed += tally.agreed;
        self.found.out_of_reach += tally.odd();
        self.found.unread += tally.unread;
        *self.agreed.entry(kind.key).or_default() += tally.agreed;
        if !odd_shape && !suspicious(&tally) {
            return Some(Looked::Fine);
        }
        let in_place = (self.steps.get(&kind.key)?.as_ref()).is_some_and(Steps::in_place);
        // A key that changes gets another hash as a whole: only by chance does it lead to where the key lies already.
        let marks = tally.mismarked.saturating_mul(BY_CHANCE) > tally.misplaced;
        if tally.misplaced > 0 && (in_place || (marks && groups >= BY_CHANCE * BY_CHANCE)) {
            self.overwritten(index);
            return Some(Looked::Overwritten);
        }
        tally.held.sort_unstable();
        tally.held.dedup();
        self.found.odd.push(OddMap {
            map: index,
            whole: every == 1,
            agreed: tally.agreed,
            unequal: tally.random,
            misplaced: tally.misplaced,
            unread: tally.unread,
            proved: false,
            rebuilt_bytes: kind.footprint(map.len.saturating_sub(tally.odd())).total(),
            held: tally.held,
            probes: tally.probes,
            longest_search: tally.longest,
            fullest_chain: tally.fullest,
        });
        Some(Looked::Odd)
    }

    fn look(&mut self, map: &MapInfo, kind: &MapKind, every: u64) -> Option<Tally> {
        let compiled = self.hasher.function.compiled;
        if !self.steps.contains_key(&kind.key) {
            let steps = Steps::compiled(self.hasher.types, kind.key, compiled);
            self.steps.insert(kind.key, steps);
        }
        let steps = self.steps.get(&kind.key)?.as_ref()?;
        let size = self.hasher.types.size(kind.key);
        let mut placing = Placing::new(
            &mut self.hasher,
            self.subjects.objects,
            steps,
            &kind.cell,
            map,
        );
        placing.every = every;
        placing.indirect_key = kind.indirect_key.then_some(size);
        match (&kind.walker, &map.structure) {
            (Walker::Classic(layout, _), Structure::Classic(inside)) => {
                placing.classic(layout, inside)?;
            }
            (Walker::Swiss(layout, _), Structure::Swiss(inside)) => {
                placing.swiss(layout, inside)?
            }
            _ => return None,
        }
        Some(placing.tally)
    }
}
