//! The dominator tree laid out in preorder: what a node holds is the range of positions after it.

use super::walk::Walk;

/// Columns by position; position 0 is the virtual root.
pub(super) struct Order {
    /// Position of each node; 0 where it is not reached.
    pub(super) at: Vec<u32>,
    pub(super) node: Vec<u32>,
    pub(super) parent: Vec<u32>,
    /// Number of nodes held, the node itself included.
    pub(super) count: Vec<u32>,
}

#[derive(Clone, Copy)]
struct Place {
    position: u32,
    next: u32,
}

/// Lays the tree of `idom` out. Children keep the order in which the walk met them, so that what strong roots hold comes first.
pub(super) fn order(walk: Walk, idom: &[u32]) -> Order {
    let Walk {
        nodes,
        node: met,
        tree,
        ..
    } = walk;
    drop(tree);
    let len = met.len();
    let mut held = vec![1u32; len];
    for v in (1..len).rev() {
        held[idom[v] as usize] += held[v];
    }
    let mut places = vec![
        Place {
            position: 0,
            next: 1
        };
        len
    ];
    let mut at = vec![0; nodes];
    let (mut node, mut parent, mut count) = (vec![0; len], vec![0; len], vec![0; len]);
    for v in 0..len {
        if v > 0 {
            let above = &mut places[idom[v] as usize];
            let position = above.next;
            above.next += held[v];
            parent[position as usize] = above.position;
            places[v] = Place {
                position,
                next: position + 1,
            };
        }
        let position = places[v].position as usize;
        node[position] = met[v];
        count[position] = held[v];
        if v > 0 {
            at[met[v] as usize] = position as u32;
        }
    }
    Order {
        at,
        node,
        parent,
        count,
    }
}
