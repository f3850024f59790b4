//! Ways to objects: all of them where they can be counted, merged where there are millions.

mod common;

use std::collections::BTreeSet;

use common::{Plain, Random, TypeNames};
use leakscope_graph::{HeapGraph, ObjIx, Path, Reach, RootIx, TypePaths};

/// Every way from a root to `object` in a graph without circles: `(root, objects on it)`.
fn all_ways(plain: &Plain, object: u32) -> BTreeSet<(u32, Vec<u32>)> {
    let mut ways = BTreeSet::new();
    let mut todo = vec![vec![object]];
    while let Some(way) = todo.pop() {
        let first = way[0];
        for (i, root) in plain.roots.iter().enumerate() {
            if root.0 == first {
                ways.insert((i as u32, way.clone()));
            }
        }
        for (from, _) in plain.edges.iter().filter(|e| e.1 == first) {
            todo.push([vec![*from], way.clone()].concat());
        }
    }
    ways
}

fn objects_of(path: &Path, last: u32) -> (u32, Vec<u32>) {
    let holders = path.steps.iter().map(|s| s.holder.0);
    (path.root.0, holders.chain([last]).collect())
}

fn is_real(graph: &HeapGraph, path: &Path, object: ObjIx) -> bool {
    let mut at = graph.root(path.root).to;
    let ends = path.steps.iter().map(|s| s.holder).skip(1).chain([object]);
    path.steps.iter().zip(ends).all(|(step, next)| {
        let holds = step.holder == at && graph.out(at).any(|e| e.to == next && e.slot == step.slot);
        at = next;
        holds
    }) && at == object
}

#[test]
fn every_way_is_found_where_there_are_no_circles() {
    let mut several = 0;
    for seed in 0..1500 {
        let random = &mut Random::new(seed);
        let objects = 2 + random.below(9);
        let mut edges = BTreeSet::new();
        for _ in 0..random.below(4 * objects) {
            let from = random.below(objects - 1);
            edges.insert((from, from + 1 + random.below(objects - 1 - from)));
        }
        let edges: Vec<_> = edges.into_iter().collect();
        let roots: BTreeSet<u32> = (0..1 + random.below(3))
            .map(|_| random.below(objects))
            .collect();
        let roots: Vec<u32> = roots.into_iter().collect();
        let mut plain = Plain::new(objects, &edges, &roots);
        plain.types = (0..objects).collect();
        let (graph, names) = (plain.graph(), TypeNames::default());
        let reach = Reach::of(&graph);
        let mut paths = TypePaths::new(&graph, &reach, &names);
        let object = objects - 1 - random.below(2);
        let want = all_ways(&plain, object);
        let found = paths.distinct(ObjIx(object), 1000);
        assert!(
            found
                .iter()
                .all(|d| is_real(&graph, &d.path, ObjIx(object)) && d.alike == 1)
        );
        let lengths: Vec<usize> = found.iter().map(|d| d.path.steps.len()).collect();
        assert!(lengths.is_sorted(), "shortest first");
        let told: BTreeSet<_> = found.iter().map(|d| objects_of(&d.path, object)).collect();
        assert_eq!(told, want, "{plain:?} to {object}");
        assert_eq!(found.len(), want.len());
        several += usize::from(want.len() > 2);
    }
    assert!(several > 100);
}

#[test]
fn ways_in_any_graph_are_real_and_make_no_circle() {
    for seed in 0..1500 {
        let mut plain = Plain::random(&mut Random::new(seed), 12);
        plain.types = (0..plain.objects).collect();
        let (graph, names) = (plain.graph(), TypeNames::default());
        let reach = Reach::of(&graph);
        let mut paths = TypePaths::new(&graph, &reach, &names);
        for object in (0..plain.objects).map(ObjIx) {
            let found = paths.distinct(object, 5);
            assert_eq!(found.is_empty(), !reach.is_reached(object));
            let first = Path::to(&graph, &reach, object, 100);
            assert_eq!(found.first().map(|d| d.path.clone()), first);
            let mut told = BTreeSet::new();
            for way in &found {
                assert!(is_real(&graph, &way.path, object), "{way:?} in {plain:?}");
                let (root, holders) = objects_of(&way.path, object.0);
                let distinct: BTreeSet<_> = holders.iter().collect();
                assert_eq!(distinct.len(), holders.len(), "a circle in {way:?}");
                let slots: Vec<u32> = way.path.steps.iter().map(|s| s.slot).collect();
                assert!(told.insert((root, holders, slots)), "twice: {way:?}");
            }
        }
    }
}

/// A root → struct (t0) → array (t1) → `len` elements (t2) → a payload each (t3), and one shared object (t4) of all.
fn many(len: u32) -> Plain {
    let mut edges = vec![(0, 1)];
    edges.extend((0..len).map(|i| (1, 2 + i)));
    edges.extend((0..len).flat_map(|i| [(2 + i, 2 + len + i), (2 + i, 2 + 2 * len)]));
    let mut plain = Plain::new(3 + 2 * len, &edges, &[0]);
    plain.types = [0, 1]
        .into_iter()
        .chain((0..len).map(|_| 2))
        .chain((0..len).map(|_| 3))
        .chain([4])
        .collect();
    plain
}

#[test]
fn a_million_ways_are_told_as_one() {
    const LEN: u32 = 300_000;
    let graph = many(LEN).graph();
    let names = TypeNames {
        arrays: vec![1],
        ..TypeNames::default()
    };
    let reach = Reach::of(&graph);
    let mut paths = TypePaths::new(&graph, &reach, &names);
    let payloads = (2 + LEN..2 + 2 * LEN).map(|o| (ObjIx(o), 16));
    let merged = paths.merge(payloads);
    assert_eq!(merged.paths.len(), 1);
    assert_eq!(merged.paths[0].sum.objects, u64::from(LEN));
    assert_eq!(merged.paths[0].sum.bytes, 16 * u64::from(LEN));
    assert_eq!(
        paths.text(merged.paths[0].class),
        "r0\nt0.f0\nt1[0]\nt2.f0\nt3"
    );
    let shared = paths.distinct(ObjIx(2 + 2 * LEN), 8);
    assert_eq!(shared.len(), 1);
    assert_eq!(shared[0].alike, u64::from(LEN));
}

#[test]
fn lists_and_trees_are_told_once_whatever_their_depth() {
    const LEN: u32 = 1_000_000;
    // An element (t1) and a box (t2) in turn, below a struct (t0); the last holds a payload (t3).
    let edges: Vec<_> = (0..LEN).map(|i| (i, i + 1)).collect();
    let mut plain = Plain::new(LEN + 1, &edges, &[0]);
    plain.types = (0..=LEN)
        .map(|i| if i == 0 { 0 } else { 1 + (i - 1) % 2 })
        .collect();
    plain.types[LEN as usize] = 3;
    let (graph, names) = (plain.graph(), TypeNames::default());
    let reach = Reach::of(&graph);
    let mut paths = TypePaths::new(&graph, &reach, &names);
    let class = paths.class(ObjIx(LEN)).unwrap();
    let path = paths.type_path(class);
    let told: Vec<_> = path.steps.iter().map(|s| (s.holder.0, s.repeats)).collect();
    assert_eq!(told, [(0, false), (1, true)]);
    assert_eq!(
        (path.type_.0, path.repeats, path.omitted),
        (3, false, false)
    );
    let way = &paths.distinct(ObjIx(LEN), 3)[0].path;
    assert_eq!(way.root, RootIx(0));
    let omitted = way.omitted.unwrap();
    assert_eq!(omitted.references + way.steps.len() as u64, u64::from(LEN));
}

#[test]
fn a_way_with_more_types_than_are_kept_is_folded_before_its_end() {
    let edges: Vec<_> = (0..500).map(|i| (i, i + 1)).collect();
    let mut plain = Plain::new(501, &edges, &[0]);
    plain.types = (0..501).collect();
    let (graph, names) = (plain.graph(), TypeNames::default());
    let reach = Reach::of(&graph);
    let mut paths = TypePaths::new(&graph, &reach, &names);
    let class = paths.class(ObjIx(500)).unwrap();
    let path = paths.type_path(class);
    assert!(path.omitted && path.steps.len() < 100);
    assert_eq!((path.steps[0].holder.0, path.type_.0), (0, 500));
}

#[test]
fn what_no_root_reaches_is_counted_apart() {
    let plain = Plain::new(3, &[(0, 1)], &[0]);
    let (graph, names) = (plain.graph(), TypeNames::default());
    let reach = Reach::of(&graph);
    let mut paths = TypePaths::new(&graph, &reach, &names);
    let merged = paths.merge([(ObjIx(1), 16), (ObjIx(2), 5)]);
    assert_eq!(
        (
            merged.paths.len(),
            merged.unreached.objects,
            merged.unreached.bytes
        ),
        (1, 1, 5)
    );
    assert!(paths.class(ObjIx(2)).is_none() && paths.class(ObjIx(77)).is_none());
}

/// The same heap with its objects elsewhere in memory.
fn moved(plain: &Plain, random: &mut Random) -> (Plain, Vec<u32>) {
    let mut place: Vec<u32> = (0..plain.objects).collect();
    for i in (1..place.len()).rev() {
        place.swap(i, random.below(i as u32 + 1) as usize);
    }
    let to = |o: u32| place[o as usize];
    let mut moved = plain.clone();
    for edge in &mut moved.edges {
        *edge = (to(edge.0), to(edge.1));
    }
    // Stable: the slots of an object keep their order.
    moved.edges.sort_by_key(|e| e.0);
    for root in &mut moved.roots {
        root.0 = to(root.0);
    }
    for object in 0..plain.objects {
        moved.types[to(object) as usize] = plain.types[object as usize];
    }
    (moved, place)
}

#[test]
fn fingerprints_do_not_depend_on_where_objects_lie() {
    let mut told = 0;
    for seed in 0..1500 {
        let random = &mut Random::new(seed);
        let mut plain = Plain::random(random, 8);
        plain.types = (0..plain.objects).collect();
        let (elsewhere, place) = moved(&plain, random);
        let text = |plain: &Plain, object: u32| {
            let (graph, names) = (plain.graph(), TypeNames::default());
            let reach = Reach::of(&graph);
            let print = TypePaths::new(&graph, &reach, &names).fingerprint(ObjIx(object));
            print.map(|p| p.text().to_owned())
        };
        for object in 0..plain.objects {
            let here = text(&plain, object);
            assert_eq!(
                here,
                text(&elsewhere, place[object as usize]),
                "{object} of {plain:?}"
            );
            told += usize::from(here.is_some());
        }
    }
    assert!(told > 3000);
}
