//! Semi-NCA: immediate dominators from the depth-first tree (Georgiadis, "Linear-Time Algorithms for Dominators and
//! Related Problems", 2005, section 2.3). The search for the nearest common ancestor takes skips, so that no shape of
//! heap makes it quadratic: a long list whose values are also in an index would.

use std::hint::black_box;

use super::walk::{Pair, Tree};

/// References that are fetched before it is their turn.
const AHEAD: usize = 24;

/// Turns the parent of each number into its immediate dominator; that of 0 is 0. `cross` are the sources of references
/// outside of the tree, by target: up to where [`Tree::cross`] says. Returns memory to be used again.
pub(super) fn dominate(tree: &mut [Tree], cross: Vec<u32>) -> Vec<Pair> {
    let mut links: Vec<Pair> = tree
        .iter()
        .map(|t| Pair {
            up: t.parent,
            value: t.parent,
        })
        .collect();
    semidominators(tree, &cross, &mut links);
    drop(cross);
    nearest_common(tree, &mut links);
    links
}

/// Leaves each number's semidominator in [`Tree::cross`]. `links` are the ancestor that compression has come to, and the
/// least semidominator on the way.
fn semidominators(tree: &mut [Tree], cross: &[u32], links: &mut [Pair]) {
    let mut path = Vec::new();
    for at in (1..tree.len()).rev() {
        let Tree { parent, cross: end } = tree[at];
        let first = tree[at - 1].cross;
        let mut least = parent;
        for i in (first as usize..end as usize).rev() {
            // Its link is asked for before it is needed: the misses of several references overlap.
            if let Some(later) = i.checked_sub(AHEAD) {
                black_box(links[cross[later] as usize].up);
            }
            let from = cross[i];
            least = least.min(if (from as usize) < at {
                from
            } else {
                least_label(links, from, at as u32, &mut path)
            });
        }
        tree[at].cross = least;
        if least != parent {
            links[at].value = least;
        }
    }
}

/// The least label from `from` up to the last node above `done`, which is that node's child afterwards.
fn least_label(links: &mut [Pair], from: u32, done: u32, path: &mut Vec<u32>) -> u32 {
    let mut at = from;
    let mut link = links[at as usize];
    while link.up > done {
        path.push(at);
        at = link.up;
        link = links[at as usize];
    }
    while let Some(below) = path.pop() {
        let lower = &mut links[below as usize];
        link.value = link.value.min(lower.value);
        *lower = link;
    }
    link.value
}

/// Turns semidominators into dominators: the lowest ancestor of the tree parent that is not below the semidominator.
fn nearest_common(tree: &mut [Tree], skips: &mut [Pair]) {
    // From here on `up` is some node further up the dominator tree and `value` the depth: skew-binary skips (Myers, "An
    // applicative random-access stack", 1983), with which a search takes logarithmic time.
    if let Some(top) = skips.first_mut() {
        *top = Pair::default();
    }
    for at in 1..tree.len() {
        let Tree {
            parent: mut up,
            cross: semi,
        } = tree[at];
        while up > semi {
            let skip = skips[up as usize].up;
            up = if skip >= semi {
                skip
            } else {
                tree[up as usize].parent
            };
        }
        tree[at].parent = up;
        let above = skips[up as usize];
        let beyond = skips[above.up as usize];
        let far = skips[beyond.up as usize];
        let even = above.value - beyond.value == beyond.value - far.value;
        skips[at] = Pair {
            up: if even { beyond.up } else { up },
            value: above.value + 1,
        };
    }
}
