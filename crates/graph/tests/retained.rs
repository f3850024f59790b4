//! Retained sizes of sets, by removal and by the definition.

mod common;

use common::{Parts, Plain, Random, TypeNames};
use leakscope_graph::{Dominators, Node, ObjIx, Reach, Strength, freed_without};

#[test]
fn a_type_retains_what_its_objects_hold_each_byte_once() {
    for seed in 0..2000 {
        let plain = Plain::random(&mut Random::new(seed), 20);
        let graph = plain.graph();
        let tree = Dominators::of(&graph, &plain.groups()).unwrap();
        let reach = Reach::of(&graph);
        let parts = Parts::of(&plain);
        let rows = tree.retained_by_type(&graph);
        for type_ in 0..4 {
            let of_type = |o: ObjIx| plain.types[o.index()] == type_;
            let reached = (0..plain.objects)
                .map(ObjIx)
                .filter(|o| tree.holder(*o).is_some());
            let own: Vec<ObjIx> = reached.filter(|o| of_type(*o)).collect();
            let mut want = [0, 0];
            for object in &own {
                let mut above = tree.holder(*object);
                while let Some(Node::Object(holder)) =
                    above.filter(|a| !matches!(a, Node::Object(o) if of_type(*o)))
                {
                    above = tree.holder(holder);
                }
                if !matches!(above, Some(Node::Object(_))) {
                    want[usize::from(!tree.is_strong(*object))] += tree.retained(*object);
                }
            }
            let row = rows
                .iter()
                .find(|r| r.key == type_)
                .copied()
                .unwrap_or_default();
            assert_eq!([row.retained, row.maybe_retained], want, "{plain:?}");
            assert_eq!(row.own.objects, own.len() as u64);
            assert_eq!(
                row.own.bytes,
                own.iter().map(|o| graph.size(*o)).sum::<u64>()
            );
            let freed = freed_without(&graph, &reach, of_type);
            let gone = |o: u32| plain.types[o as usize] == type_;
            let lost = parts.lost(&plain, Strength::Strong, gone, |_| false);
            assert_eq!((freed.objects, freed.bytes), lost, "{plain:?}");
            assert!(row.retained <= freed.bytes);
        }
    }
}

#[test]
fn a_package_retains_what_its_types_hold_together() {
    // 0 (package p0) → 1 (p1) → 2 (p0) → 3 (p1)
    let mut plain = Plain::new(4, &[(0, 1), (1, 2), (2, 3)], &[0]);
    plain.types = vec![2, 1, 4, 3];
    let tree = Dominators::of(&plain.graph(), &plain.groups()).unwrap();
    let rows = tree.retained_by_package(&plain.graph(), &TypeNames::default());
    let told: Vec<_> = rows
        .iter()
        .map(|r| (r.name.as_str(), r.set.own.objects, r.set.retained))
        .collect();
    assert_eq!(told, [("p0", 2, 64), ("p1", 2, 48)]);
}
