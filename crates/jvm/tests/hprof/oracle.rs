//! Made-up heaps in every shape a dump can have, against a truth that is worked out object by object.

use std::collections::{BTreeMap, BTreeSet};

use crate::common::{build, shapes};
use leakscope_graph::{Dominators, ObjIx};
use leakscope_jvm::JvmHeap;
use leakscope_testkit::{HprofObject, RandomHprof};

/// Heaps per shape.
const SEEDS: u64 = 24;

struct Oracle<'a> {
    objects: BTreeMap<u64, &'a HprofObject>,
    strong: BTreeSet<u64>,
    /// What soft references lead to that are kept themselves.
    soft_roots: Vec<u64>,
    soft: BTreeSet<u64>,
}

/// What is reached from `from` without stepping onto what `closed` says.
fn reached(
    objects: &BTreeMap<u64, &HprofObject>,
    from: &[u64],
    closed: impl Fn(u64) -> bool,
) -> BTreeSet<u64> {
    let mut seen = BTreeSet::new();
    let mut todo = from.to_vec();
    while let Some(id) = todo.pop() {
        if !closed(id) && seen.insert(id) {
            todo.extend(&objects[&id].strong);
        }
    }
    seen
}

impl<'a> Oracle<'a> {
    fn of(dump: &'a RandomHprof) -> Self {
        let objects: BTreeMap<u64, &HprofObject> = dump.objects.iter().map(|o| (o.id, o)).collect();
        let strong = reached(&objects, &dump.roots, |_| false);
        let mut soft = BTreeSet::new();
        let mut soft_roots = Vec::new();
        loop {
            let kept = |o: &&&HprofObject| strong.contains(&o.id) || soft.contains(&o.id);
            let roots: Vec<u64> = dump
                .objects
                .iter()
                .collect::<Vec<_>>()
                .iter()
                .filter(kept)
                .filter_map(|o| o.soft)
                .collect();
            if roots == soft_roots {
                break;
            }
            soft = reached(&objects, &roots, |id| strong.contains(&id));
            soft_roots = roots;
        }
        Self {
            objects,
            strong,
            soft_roots,
            soft,
        }
    }

    /// What goes with an object: all that is reached now and would not be without it.
    fn retained(&self, id: u64, roots: &[u64]) -> u64 {
        let (from, before, closed): (&[u64], _, &BTreeSet<u64>) = if self.strong.contains(&id) {
            (roots, &self.strong, &BTreeSet::new())
        } else if self.soft.contains(&id) {
            (&self.soft_roots, &self.soft, &self.strong)
        } else {
            return 0;
        };
        let left = reached(&self.objects, from, |at| at == id || closed.contains(&at));
        self.bytes(before) - self.bytes(&left)
    }

    fn bytes(&self, ids: &BTreeSet<u64>) -> u64 {
        ids.iter().map(|id| self.objects[id].size).sum()
    }
}

fn check(dump: &RandomHprof, heap: &JvmHeap, what: &str) {
    assert!(heap.cut.is_none(), "{what}: {:?}", heap.cut);
    let gaps: Vec<_> = heap
        .gaps
        .iter()
        .filter(|g| !g.reason.starts_with("no thread"))
        .collect();
    assert!(gaps.is_empty(), "{what}: {gaps:?}");
    assert_eq!(heap.graph.objects() as usize, dump.objects.len(), "{what}");
    let oracle = Oracle::of(dump);
    let dominators = Dominators::of(&heap.graph, &heap.names.groups().roots).unwrap();
    for object in &dump.objects {
        let at = heap.find(object.id).expect("every object is there");
        let told = (
            heap.type_name(at).into_owned(),
            heap.graph.size(at),
            heap.reach.is_strong(at),
            heap.reach.is_reached(at),
            dominators.retained(at),
        );
        let strong = oracle.strong.contains(&object.id);
        let truth = (
            object.class.clone(),
            object.size,
            strong,
            strong || oracle.soft.contains(&object.id),
            oracle.retained(object.id, &dump.roots),
        );
        assert_eq!(told, truth, "{what}: {object:x?}, layout {:?}", heap.layout);
    }
    check_sums(dump, heap, &oracle, what);
}

fn check_sums(dump: &RandomHprof, heap: &JvmHeap, oracle: &Oracle<'_>, what: &str) {
    let mut classes: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for object in &dump.objects {
        let sum = classes.entry(&object.class).or_default();
        *sum = (sum.0 + 1, sum.1 + object.size);
    }
    let mut told: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let rows = heap
        .histogram
        .reachable
        .iter()
        .chain(&heap.histogram.unreachable);
    for row in rows {
        use leakscope_graph::Resolver;
        let name = heap.names.type_name(row.type_).into_owned();
        let sum = told.entry(name).or_default();
        *sum = (sum.0 + row.count, sum.1 + row.bytes);
    }
    let classes: BTreeMap<String, (u64, u64)> = classes
        .into_iter()
        .map(|(c, sum)| (c.to_owned(), sum))
        .collect();
    assert_eq!(told, classes, "{what}");
    let totals = &heap.totals;
    assert_eq!(
        totals.reachable.bytes,
        oracle.bytes(&oracle.strong),
        "{what}"
    );
    assert_eq!(
        totals.softly_reachable.bytes,
        oracle.bytes(&oracle.soft),
        "{what}"
    );
    let awaited: BTreeSet<u64> = dump.objects.iter().filter_map(|o| o.finalizes).collect();
    let awaited = awaited
        .iter()
        .filter(|o| !oracle.strong.contains(*o) && !oracle.soft.contains(*o));
    assert_eq!(totals.finalizable.objects, awaited.count() as u64, "{what}");
}

#[test]
fn sizes_reachability_and_retained_bytes_are_those_of_brute_force() {
    for shape in shapes() {
        for seed in 1..=SEEDS {
            let dump = RandomHprof::new(seed, 60 + seed as usize * 7, &shape);
            let heap = build(&dump.file).unwrap();
            check(&dump, &heap, &format!("{shape:?}, seed {seed}"));
        }
    }
}

#[test]
fn ids_follow_addresses_both_ways() {
    let dump = RandomHprof::new(7, 300, &shapes()[0]);
    let heap = build(&dump.file).unwrap();
    let mut before = 0;
    for object in (0..heap.graph.objects()).map(ObjIx) {
        let address = heap.address(object);
        assert!(address > before);
        assert_eq!(heap.find(address), Some(object));
        before = address;
    }
}
