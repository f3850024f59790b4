//! Shapes that break what recurs or is quadratic: very deep, very wide, deep and wide at once.

mod common;

use std::time::{Duration, Instant};

use leakscope_graph::{
    Dominators, GraphBuilder, HeapGraph, Node, ObjIx, Path, Reach, Root, RootGroups, SizeRun,
    Strength, TypeIx,
};

/// Far more than any of these takes, far less than a quadratic step would.
const LIMIT: Duration = Duration::from_secs(60);

fn graph(objects: u32, edges: impl Iterator<Item = (u32, u32, u32)>) -> HeapGraph {
    let mut builder = GraphBuilder::new(objects);
    for (from, to, slot) in edges {
        builder.edge(ObjIx(from), ObjIx(to), slot).unwrap();
    }
    let sizes = vec![SizeRun {
        first: ObjIx(0),
        size: 16,
    }];
    let root = Root {
        to: ObjIx(0),
        strength: Strength::Strong,
        rank: 0,
    };
    let types = vec![TypeIx(0); objects as usize];
    builder.finish(types, sizes, vec![root]).unwrap()
}

fn tree_within_limit(graph: &HeapGraph) -> Dominators {
    let began = Instant::now();
    let tree = Dominators::of(graph, &RootGroups::new()).unwrap();
    assert!(began.elapsed() < LIMIT, "took {:?}", began.elapsed());
    assert_eq!(tree.held(Node::Top).bytes, 16 * u64::from(graph.objects()));
    tree
}

#[test]
fn a_list_of_ten_million_elements_is_held_element_by_element() {
    const LEN: u32 = 10_000_000;
    let links = (0..LEN).flat_map(|i| {
        let next = (i + 1 < LEN).then_some((i, i + 1, 0));
        next.into_iter().chain([(i, i, 1)])
    });
    let graph = graph(LEN, links);
    let tree = tree_within_limit(&graph);
    for i in [0, 1, LEN / 2, LEN - 1] {
        assert_eq!(tree.retained(ObjIx(i)), 16 * u64::from(LEN - i));
    }
    let reach = Reach::of(&graph);
    let path = Path::folded(&graph, &reach, ObjIx(LEN - 1), 3, 4).unwrap();
    assert_eq!(path.steps.len(), 7);
    assert_eq!(path.steps[2].holder, ObjIx(2));
    assert_eq!(path.steps[3].holder, ObjIx(LEN - 5));
    let omitted = path.omitted.unwrap();
    assert_eq!(
        (omitted.after, omitted.references),
        (3, u64::from(LEN - 1 - 7))
    );
}

#[test]
fn a_list_linked_both_ways_and_closed_has_one_holder() {
    const LEN: u32 = 1_000_000;
    let links = (0..LEN).flat_map(|i| [(i, (i + 1) % LEN, 0), (i, (i + LEN - 1) % LEN, 1)]);
    let tree = tree_within_limit(&graph(LEN, links));
    assert!((1..LEN).all(|i| tree.holder(ObjIx(i)) == Some(Node::Object(ObjIx(0)))));
}

#[test]
fn a_long_list_whose_values_an_index_refers_to_as_well_is_not_quadratic() {
    const LEN: u32 = 500_000;
    const INDEX: u32 = LEN + 1;
    let list = (0..LEN).flat_map(|i| {
        let next = (i + 1 < LEN).then_some((1 + i, 2 + i, 0));
        next.into_iter().chain([(1 + i, INDEX + 1 + i, 1)])
    });
    let index = (0..LEN).map(|i| (INDEX, INDEX + 1 + i, i));
    let top = [(0, 1, 0), (0, INDEX, 1)];
    let tree = tree_within_limit(&graph(
        2 * LEN + 2,
        top.into_iter().chain(list).chain(index),
    ));
    for value in [0, 1, LEN / 2, LEN - 1].map(|i| ObjIx(INDEX + 1 + i)) {
        assert_eq!(tree.holder(value), Some(Node::Object(ObjIx(0))));
    }
    assert_eq!(tree.retained(ObjIx(INDEX)), 16);
}

#[test]
fn a_slice_of_five_million_pointers_holds_each_target_once() {
    const LEN: u32 = 5_000_000;
    let graph = graph(LEN + 1, (0..2 * LEN).map(|i| (0, 1 + i % LEN, i)));
    let tree = tree_within_limit(&graph);
    assert_eq!(tree.children(Node::Object(ObjIx(0))).count(), LEN as usize);
}
