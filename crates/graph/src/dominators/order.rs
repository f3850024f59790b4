//! The dominator tree laid out in preorder: what a node holds is the range of positions after it.

use super::walk::{Pair, Tree, Walk};

/// What is told of a position in the tree.
#[derive(Clone, Copy, Default)]
pub(super) struct Place {
    /// Position of the node above.
    pub(super) parent: u32,
    /// Number of nodes held, the node itself included.
    pub(super) count: u32,
}

/// Columns by position; position 0 is the virtual root.
pub(super) struct Order {
    /// Position of each node; 0 where it is not reached.
    pub(super) at: Vec<u32>,
    pub(super) node: Vec<u32>,
    pub(super) place: Vec<Place>,
}

/// Lays the tree out. Children keep the order in which the walk met them, so that what strong roots hold comes first.
/// `walk.tree` has each number's dominator as its parent. `memory` is as long, and its content of no use any more.
pub(super) fn order(walk: Walk, memory: Vec<Pair>) -> Order {
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
    let mut node = vec![0; len];
    // The allocation stays the same: source and target are of one size.
    let mut place: Vec<Place> = memory.into_iter().map(|_| Place::default()).collect();
    node[0] = met[0];
    place[0].count = tree[0].cross;
    // Nodes above `v` are laid out: their entries say their position and, in the other half, that of their next child.
    tree[0].parent = 0;
    tree[0].cross = 1;
    for v in 1..len {
        let Tree {
            parent: above,
            cross: count,
        } = tree[v];
        let above = &mut tree[above as usize];
        let position = above.cross;
        above.cross += count;
        let parent = above.parent;
        tree[v] = Tree {
            parent: position,
            cross: position + 1,
        };
        place[position as usize] = Place { parent, count };
        node[position as usize] = met[v];
        // Numbers of the walk give way to positions; what it did not reach has none.
        at[met[v] as usize] = position;
    }
    Order { at, node, place }
}
