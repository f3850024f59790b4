//! Reachability, paths and histograms against a slow, independent oracle on random graphs.

use std::borrow::Cow;

use leakscope_graph::{
    GraphBuilder, HeapGraph, Histogram, ObjIx, Path, Reach, Resolver, Root, RootIx, SizeRun,
    Strength, TypeIx,
};
use petgraph::visit::Dfs;
use proptest::prelude::*;

struct Names;

impl Resolver for Names {
    fn type_name(&self, type_: TypeIx) -> Cow<'_, str> {
        format!("t{}", type_.0).into()
    }
    fn package(&self, type_: TypeIx) -> Cow<'_, str> {
        if type_.0 == 0 {
            "".into()
        } else {
            format!("p{}", type_.0 % 2).into()
        }
    }
    fn root_name(&self, root: RootIx) -> Cow<'_, str> {
        format!("r{}", root.0).into()
    }
    fn push_step(&self, _: ObjIx, _: TypeIx, slot: u32, expression: &mut String) {
        expression.push_str(&format!(".{slot}"));
    }
}

fn graph(objects: u32, edges: &[(u32, u32)], roots: &[(u32, Strength, u8)]) -> HeapGraph {
    let mut sorted = edges.to_vec();
    sorted.sort();
    let mut b = GraphBuilder::new(objects);
    for (i, &(from, to)) in sorted.iter().enumerate() {
        b.edge(ObjIx(from), ObjIx(to), i as u32).unwrap();
    }
    let types = (0..objects).map(|o| TypeIx(o % 3)).collect();
    let sizes = vec![
        SizeRun {
            first: ObjIx(0),
            size: 16,
        },
        SizeRun {
            first: ObjIx(objects / 2),
            size: 48,
        },
    ];
    let roots = roots
        .iter()
        .map(|&(to, strength, rank)| Root {
            to: ObjIx(to),
            strength,
            rank,
        })
        .collect();
    b.finish(types, sizes, roots).unwrap()
}

fn reached_by_oracle(
    objects: u32,
    edges: &[(u32, u32)],
    from: impl Iterator<Item = u32>,
) -> Vec<bool> {
    let mut g = petgraph::graph::DiGraph::<(), ()>::new();
    let nodes: Vec<_> = (0..objects).map(|_| g.add_node(())).collect();
    for &(a, b) in edges {
        g.add_edge(nodes[a as usize], nodes[b as usize], ());
    }
    let mut seen = vec![false; objects as usize];
    for root in from {
        let mut dfs = Dfs::new(&g, nodes[root as usize]);
        while let Some(n) = dfs.next(&g) {
            seen[n.index()] = true;
        }
    }
    seen
}

proptest! {
    #[test]
    fn reaches_what_a_depth_first_search_reaches(
        edges in prop::collection::vec((0u32..40, 0u32..40), 0..120),
        strong in prop::collection::vec(0u32..40, 0..4),
        weak in prop::collection::vec(0u32..40, 0..4),
    ) {
        let roots: Vec<_> = strong.iter().map(|&r| (r, Strength::Strong, (r % 3) as u8))
            .chain(weak.iter().map(|&r| (r, Strength::Conservative, 0))).collect();
        let g = graph(40, &edges, &roots);
        let reach = Reach::of(&g);
        let any = reached_by_oracle(40, &edges, strong.iter().chain(&weak).copied());
        let only_strong = reached_by_oracle(40, &edges, strong.iter().copied());
        for o in 0..40 {
            prop_assert_eq!(reach.is_reached(ObjIx(o)), any[o as usize]);
            prop_assert_eq!(reach.is_strong(ObjIx(o)), only_strong[o as usize]);
            let path = Path::to(&g, &reach, ObjIx(o), 100);
            prop_assert_eq!(path.is_some(), any[o as usize]);
            if let Some(path) = path {
                let mut at = g.root(path.root).to;
                for step in &path.steps {
                    prop_assert_eq!(at, step.holder);
                    at = g.out(at).find(|e| e.slot == step.slot).expect("the step is an edge of its holder").to;
                }
                prop_assert_eq!(at, ObjIx(o));
            }
        }
        let h = Histogram::of(&g, &reach);
        let count = |rows: &[leakscope_graph::TypeRow]| rows.iter().map(|r| r.count).sum::<u64>();
        prop_assert_eq!(count(&h.reachable), any.iter().filter(|&&r| r).count() as u64);
        prop_assert_eq!(count(&h.reachable) + count(&h.unreachable), 40);
        let bytes: u64 = h.reachable.iter().chain(&h.unreachable).map(|r| r.bytes).sum();
        prop_assert_eq!(bytes, 20 * 16 + 20 * 48);
        let packages = Histogram::by_package(&h.reachable, &Names);
        prop_assert_eq!(packages.iter().map(|p| p.bytes).sum::<u64>(), h.reachable.iter().map(|r| r.bytes).sum::<u64>());
    }
}

#[test]
fn a_lower_rank_tells_the_path_even_where_another_root_is_nearer() {
    let g = graph(
        4,
        &[(0, 1), (1, 2)],
        &[(2, Strength::Strong, 5), (0, Strength::Strong, 0)],
    );
    let reach = Reach::of(&g);
    let path = Path::to(&g, &reach, ObjIx(2), 10).unwrap();
    assert_eq!(path.expression(&g, &Names), "r1.0.1");
    assert_eq!(
        Path::to(&g, &reach, ObjIx(2), 1)
            .unwrap()
            .expression(&g, &Names),
        "r1[…].1"
    );
    assert!(Path::to(&g, &reach, ObjIx(3), 10).is_none());
}
