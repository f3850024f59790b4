//! Semi-NCA: immediate dominators from the depth-first tree (Georgiadis, "Linear-Time Algorithms for Dominators and
//! Related Problems", 2005, section 2.3). The search for the nearest common ancestor takes skips, so that no shape of
//! heap makes it quadratic: a long list whose values are also in an index would.

use super::walk::{Cross, NONE, Tree};

#[derive(Clone, Copy, Default)]
struct Link {
    ancestor: u32,
    /// Least semidominator on the way up to `ancestor`.
    label: u32,
}

/// Number of the immediate dominator of each number; that of 0 is 0.
pub(super) fn idoms(tree: &[Tree], cross: Vec<Cross>) -> Vec<u32> {
    let (mut idom, links) = semidominators(tree, &cross);
    drop(cross);
    nearest_common(tree, &mut idom, links);
    idom
}

fn semidominators(tree: &[Tree], cross: &[Cross]) -> (Vec<u32>, Vec<Link>) {
    let mut semi: Vec<u32> = tree.iter().map(|t| t.parent).collect();
    let mut links: Vec<Link> = tree
        .iter()
        .map(|t| Link {
            ancestor: t.parent,
            label: t.parent,
        })
        .collect();
    let mut path = Vec::new();
    for at in (1..tree.len() as u32).rev() {
        let mut entry = tree[at as usize].cross;
        let mut least = tree[at as usize].parent;
        while entry != NONE {
            let Cross { from, next } = cross[entry as usize];
            least = least.min(if from < at {
                from
            } else {
                least_label(&mut links, from, at, &mut path)
            });
            entry = next;
        }
        semi[at as usize] = least;
        links[at as usize].label = least;
    }
    (semi, links)
}

/// The least label from `from` up to the last node above `done`, which is that node's child afterwards.
fn least_label(links: &mut [Link], from: u32, done: u32, path: &mut Vec<u32>) -> u32 {
    let mut at = from;
    while links[at as usize].ancestor > done {
        path.push(at);
        at = links[at as usize].ancestor;
    }
    let mut least = links[at as usize].label;
    let ancestor = links[at as usize].ancestor;
    while let Some(below) = path.pop() {
        let link = &mut links[below as usize];
        least = least.min(link.label);
        *link = Link {
            ancestor,
            label: least,
        };
    }
    least
}

/// Turns semidominators into dominators: the lowest ancestor of the tree parent that is not below the semidominator.
fn nearest_common(tree: &[Tree], idom: &mut [u32], mut skips: Vec<Link>) {
    // From here on `ancestor` is some node further up the dominator tree and `label` the depth: skew-binary skips
    // (Myers, "An applicative random-access stack", 1983), with which a search takes logarithmic time.
    if let Some(top) = skips.first_mut() {
        *top = Link::default();
    }
    for at in 1..tree.len() {
        let semi = idom[at];
        let mut up = tree[at].parent;
        while up > semi {
            let skip = skips[up as usize].ancestor;
            up = if skip >= semi {
                skip
            } else {
                idom[up as usize]
            };
        }
        idom[at] = up;
        let above = skips[up as usize];
        let beyond = skips[above.ancestor as usize];
        let far = skips[beyond.ancestor as usize];
        let even = above.label - beyond.label == beyond.label - far.label;
        skips[at] = Link {
            ancestor: if even { beyond.ancestor } else { up },
            label: above.label + 1,
        };
    }
}
