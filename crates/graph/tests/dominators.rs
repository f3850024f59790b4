//! Retained sizes against removal: what an object retains is what no root reaches once it is gone.

mod common;

use common::{Parts, Plain, Random};
use leakscope_graph::{Dominators, GroupIx, HeapGraph, Node, ObjIx, Strength};
use petgraph::algo::dominators::simple_fast;
use petgraph::graph::DiGraph;

const BOTH: [Strength; 2] = [Strength::Strong, Strength::Conservative];

fn check_against_removal(plain: &Plain) {
    let graph = plain.graph();
    let tree = Dominators::of(&graph, &plain.groups()).unwrap();
    let parts = Parts::of(plain);
    for object in 0..plain.objects {
        let node = Node::Object(ObjIx(object));
        let held = tree.held(node);
        let reached = parts.strong[object as usize] || parts.maybe[object as usize];
        assert_eq!(tree.is_strong(ObjIx(object)), parts.strong[object as usize]);
        assert_eq!(tree.holder(ObjIx(object)).is_some(), reached);
        let strength = if parts.strong[object as usize] {
            Strength::Strong
        } else {
            Strength::Conservative
        };
        let want = if reached {
            parts.lost(plain, strength, |o| o == object, |_| false)
        } else {
            (0, 0)
        };
        assert_eq!(
            (held.objects, held.bytes),
            want,
            "object {object} of {plain:?}"
        );
        assert_eq!(tree.held_objects(node).count() as u64, held.objects);
    }
    for group in 0..plain.group_parents.len() as u32 {
        for strength in BOTH {
            let held = tree.held(Node::Group(GroupIx(group), strength));
            let gone = |g| plain.is_inside(g, group);
            let want = parts.lost(plain, strength, |_| false, gone);
            assert_eq!(
                (held.objects, held.bytes),
                want,
                "group {group} of {plain:?}"
            );
        }
    }
    check_sums(&graph, &tree);
}

fn check_sums(graph: &HeapGraph, tree: &Dominators) {
    let reached = |strength| -> u64 {
        let part = graph.sizes().filter(|(o, _)| tree.holder(*o).is_some());
        part.filter(|(o, _)| tree.is_strong(*o) == (strength == Strength::Strong))
            .map(|(_, size)| size)
            .sum()
    };
    for strength in BOTH {
        assert_eq!(tree.reachable(strength), reached(strength));
    }
    let children: u64 = tree.children(Node::Top).map(|n| tree.held(n).bytes).sum();
    assert_eq!(children, tree.held(Node::Top).bytes);
    assert_eq!(children, BOTH.map(reached).iter().sum::<u64>());
}

#[test]
fn retained_sizes_equal_removal_on_thousands_of_random_graphs() {
    for seed in 0..6000 {
        let most = if seed % 4 == 0 { 40 } else { 14 };
        check_against_removal(&Plain::random(&mut Random::new(seed), most));
    }
}

#[test]
fn the_tree_says_who_is_above_and_below() {
    // 0 → {1, 2} → 3 → 4, and 5 beside.
    let plain = Plain::new(6, &[(0, 1), (0, 2), (1, 3), (2, 3), (3, 4)], &[0]);
    let tree = Dominators::of(&plain.graph(), &plain.groups()).unwrap();
    let node = |o| Node::Object(ObjIx(o));
    assert_eq!(tree.holder(ObjIx(3)), Some(node(0)));
    assert_eq!(tree.holder(ObjIx(0)), Some(Node::Top));
    assert_eq!(tree.holder(ObjIx(5)), None);
    assert_eq!(tree.retained(ObjIx(0)), 80);
    assert_eq!(tree.retained(ObjIx(3)), 32);
    assert_eq!(tree.retained(ObjIx(5)), 0);
    assert_eq!(tree.children(node(0)).count(), 3);
    assert!(tree.holds(node(0), node(4)) && tree.holds(node(3), node(3)));
    assert!(!tree.holds(node(1), node(3)) && !tree.holds(node(5), node(5)));
}

#[test]
fn a_graph_without_objects_or_roots_holds_nothing() {
    for plain in [Plain::new(0, &[], &[]), Plain::new(2, &[(0, 1)], &[])] {
        let tree = Dominators::of(&plain.graph(), &plain.groups()).unwrap();
        assert_eq!(tree.children(Node::Top).count(), 0);
        assert_eq!(tree.held(Node::Top).bytes, 0);
        assert_eq!(tree.retained(ObjIx(0)), 0);
    }
}

/// Immediate dominators as petgraph finds them; `None` is the virtual root.
fn check_against_petgraph(plain: &Plain) {
    let mut other = DiGraph::<(), ()>::new();
    let nodes: Vec<_> = (0..plain.objects).map(|_| other.add_node(())).collect();
    let top = other.add_node(());
    for &(a, b) in &plain.edges {
        other.add_edge(nodes[a as usize], nodes[b as usize], ());
    }
    for root in &plain.roots {
        other.add_edge(top, nodes[root.0 as usize], ());
    }
    let want = simple_fast(&other, top);
    let tree = Dominators::of(&plain.graph(), &plain.groups()).unwrap();
    for object in 0..plain.objects {
        let above = want.immediate_dominator(nodes[object as usize]);
        let above = above.map(|a| {
            if a == top {
                Node::Top
            } else {
                Node::Object(ObjIx(a.index() as u32))
            }
        });
        assert_eq!(tree.holder(ObjIx(object)), above, "object {object}");
    }
}

/// Heap-like: mostly references near by, some back, some anywhere, many objects with one reference only.
fn large(seed: u64, objects: u32, per_object: u32) -> Plain {
    let random = &mut Random::new(seed);
    let mut edges = Vec::new();
    for to in 1..objects {
        let near = to.saturating_sub(1 + random.below(64));
        edges.push((near, to));
        for _ in 0..random.below(2 * per_object) {
            let anywhere = random.below(16) == 0;
            let reach = if anywhere { objects } else { 256 };
            edges.push(((to + random.below(reach)) % objects, to));
        }
    }
    let roots: Vec<u32> = (0..10).map(|_| random.below(objects)).collect();
    Plain::new(objects, &edges, &roots)
}

#[test]
fn dominators_equal_an_independent_implementation_on_large_graphs() {
    for (seed, objects, per_object) in [(1, 10_000, 1), (2, 30_000, 2), (3, 100_000, 1)] {
        check_against_petgraph(&large(seed, objects, per_object));
    }
    for seed in 0..40 {
        let random = &mut Random::new(seed);
        let objects = 1000;
        let edges: Vec<_> = (0..1500)
            .map(|_| (random.below(objects), random.below(objects)))
            .collect();
        let roots: Vec<u32> = (0..20).map(|_| random.below(objects)).collect();
        check_against_petgraph(&Plain::new(objects, &edges, &roots));
    }
}
