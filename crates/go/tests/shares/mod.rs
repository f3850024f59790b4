//! What share of a heap has names.

use leakscope_go::heap::GoHeap;
use leakscope_graph::Resolver;

/// How the names of objects start that nothing says the type of.
const UNTYPED: &str = "untyped";

/// Share of the bytes whose type is known, of what is reached for certain: words left over on system stacks may reach
/// anything, also what nothing typed leads to any more. `hidden` bytes cannot be known.
pub(crate) fn named(heap: &GoHeap, hidden: u64) -> f64 {
    let (mut all, mut known) = (0, 0);
    for (object, size) in heap.graph.sizes() {
        if heap.reach.is_strong(object) {
            let name = heap.names.type_name(heap.graph.type_of(object));
            all += size;
            known += if name.starts_with(UNTYPED) { 0 } else { size };
        }
    }
    known as f64 / (all - hidden) as f64
}
