//! Reading dumps that lie in memory, and the shapes that made-up ones are written in.

use leakscope_graph::{Dominators, ObjIx};
use leakscope_jvm::{Error, Input, JvmHeap};
use leakscope_testkit::HprofShape;

/// The heap of a dump.
pub(crate) fn build(bytes: &[u8]) -> Result<JvmHeap, Error> {
    JvmHeap::build(Input::Bytes {
        bytes,
        done: &|_| {},
    })
}

/// Versions, widths of ids, headers, alignments and orders, in the combinations that JVMs have.
pub(crate) fn shapes() -> Vec<HprofShape> {
    let mut shapes = Vec::new();
    for (id_size, header, alignment) in [(8, 12, 8), (8, 8, 8), (8, 12, 16), (4, 8, 8)] {
        for version in ["1.0.2", "1.0.1"] {
            for in_order in [true, false] {
                shapes.push(HprofShape {
                    version,
                    id_size,
                    header,
                    alignment,
                    in_order,
                    roots: true,
                });
            }
        }
    }
    shapes
}

/// Asks a heap everything that views ask.
pub(crate) fn use_everything(heap: &JvmHeap) {
    let groups = heap.names.groups();
    let dominators = Dominators::of(&heap.graph, &groups.roots).unwrap();
    let objects = (0..heap.graph.objects()).map(ObjIx);
    let mut held = 0u64;
    for object in objects.take(MOST_ASKED) {
        assert_eq!(heap.find(heap.address(object)), Some(object));
        held = held.max(dominators.retained(object));
        let _ = (
            heap.collection(object),
            heap.shape(object),
            heap.type_name(object),
        );
    }
    assert!(held <= dominators.held_bytes());
    for object in (0..heap.graph.objects().min(40)).map(ObjIx) {
        let owner = heap.owner_of(object);
        assert_eq!(
            owner.is_empty(),
            !heap.reach.is_reached(object),
            "{owner:?}"
        );
    }
    for group in &groups.of {
        let _ = (heap.names.group_name(group), heap.names.group_key(group));
    }
}

/// Objects that are asked for one by one.
const MOST_ASKED: usize = 20_000;
