//! The dominator tree laid out in preorder: what a node holds is the range of positions after it.

use super::walk::{Pair, Walk};

/// Columns by position; position 0 is the virtual root.
pub(super) struct Order {
    /// Position of each node; 0 where it is not reached.
    pub(super) at: Vec<u32>,
    pub(super) node: Vec<u32>,
    pub(super) parent: Vec<u32>,
    /// Number of nodes held, the node itself included.
    pub(super) count: Vec<u32>,
}

/// Lays the tree out. Children keep the order in which the walk met them, so that what strong roots hold comes first.
/// `walk.tree` has each number's dominator as its parent. `places` is memory for a position and for that of the next
/// child of each number.
pub(super) fn order(walk: Walk, mut places: Vec<Pair>) -> Order {
    let Walk {
        number: mut at,
        node: met,
        mut tree,
        ..
    } = walk;
    let len = met.len();
    // The other half of an entry is free by now: it counts what is held.
    for entry in &mut tree {
        entry.cross = 1;
    }
    for v in (1..len).rev() {
        let held = tree[v].cross;
        let above = tree[v].parent as usize;
        tree[above].cross += held;
    }
    let (mut node, mut parent, mut count) = (vec![0; len], vec![0; len], vec![0; len]);
    places[0] = Pair { up: 0, value: 1 };
    node[0] = met[0];
    count[0] = tree[0].cross;
    for v in 1..len {
        let held = tree[v].cross;
        let above = &mut places[tree[v].parent as usize];
        let position = above.value;
        above.value += held;
        parent[position as usize] = above.up;
        places[v] = Pair {
            up: position,
            value: position + 1,
        };
        node[position as usize] = met[v];
        count[position as usize] = held;
        // Numbers of the walk give way to positions; what it did not reach has none.
        at[met[v] as usize] = position;
    }
    Order {
        at,
        node,
        parent,
        count,
    }
}
