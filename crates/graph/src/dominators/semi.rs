//! Semi-NCA: immediate dominators from the depth-first tree (Georgiadis, "Linear-Time Algorithms for Dominators and
//! Related Problems", 2005, section 2.3). The search for the nearest common ancestor takes skips, so that no shape of
//! heap makes it quadratic: a long list whose values are also in an index would.

use std::hint::black_box;

use super::walk::{Cross, NONE, Pair, Tree};

/// Nodes whose references are fetched before it is their turn; what those refer from, half as many.
const AHEAD: u32 = 32;

/// Turns the parent of each number into its immediate dominator; that of 0 is 0. Returns memory to be used again.
pub(super) fn dominate(tree: &mut [Tree], cross: Vec<Cross>) -> Vec<Pair> {
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

/// Leaves each number's semidominator in place of its chain of references. `links` are the ancestor that compression
/// has come to, and the least semidominator on the way.
fn semidominators(tree: &mut [Tree], cross: &[Cross], links: &mut [Pair]) {
    let mut path = Vec::new();
    for at in (1..tree.len() as u32).rev() {
        fetch(tree, cross, links, at);
        let Tree {
            parent,
            cross: mut entry,
        } = tree[at as usize];
        let mut least = parent;
        while entry != NONE {
            let Cross { from, next } = cross[entry as usize];
            least = least.min(if from < at {
                from
            } else {
                least_label(links, from, at, &mut path)
            });
            entry = next;
        }
        tree[at as usize].cross = least;
        if least != parent {
            links[at as usize].value = least;
        }
    }
}

/// Asks for what later turns will read, so that their misses overlap.
fn fetch(tree: &[Tree], cross: &[Cross], links: &[Pair], at: u32) {
    let entry = |ahead: u32| {
        let later = tree.get(at.checked_sub(ahead)? as usize)?;
        cross.get(later.cross as usize)
    };
    black_box(entry(AHEAD).map(|c| c.from));
    if let Some(soon) = entry(AHEAD / 2) {
        black_box(links.get(soon.from as usize).map(|l| l.up));
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
