//! The objects that retain most, for another tool to confirm: `retained DUMP [COUNT [held]]` prints id, retained bytes, class and own bytes
//! of each, and with `held` the ids of all that it holds.

#![expect(clippy::print_stdout, reason = "the result")]

use anyhow::{Context, Result};
use leakscope_graph::{Dominators, Node, ObjIx};
use leakscope_jvm::{Input, JvmHeap};

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let dump = words.next().context("which dump?")?;
    let count: usize = words.next().map_or(Ok(50), |n| n.parse())?;
    let held_too = words.next().is_some_and(|word| word == "held");
    let bytes = std::fs::read(&dump).with_context(|| dump.clone())?;
    let heap = JvmHeap::build(Input::Bytes {
        bytes: &bytes,
        done: &|_| {},
    })?;
    let dominators = Dominators::of(&heap.graph, &heap.names.groups().roots)?;
    let strong = (0..heap.graph.objects()).map(ObjIx);
    let mut held: Vec<(u64, ObjIx)> = strong
        .filter(|o| heap.reach.is_strong(*o))
        .map(|o| (dominators.retained(o), o))
        .collect();
    held.sort_unstable_by(|a, b| b.cmp(a));
    for (bytes, object) in held.into_iter().take(count) {
        let ids = held_too.then(|| dominators.held_objects(Node::Object(object)));
        let ids: Vec<String> = (ids.into_iter().flatten())
            .map(|o| heap.address(o).to_string())
            .collect();
        let (id, class) = (heap.address(object), heap.type_name(object));
        let own = heap.graph.size(object);
        println!("{id}\t{bytes}\t{class}\t{own}\t{}", ids.join(" "));
    }
    Ok(())
}
