//! Who alone holds what: the dominator tree of everything that roots reach, and what each node retains.
//!
//! An object *dominates* another if every way from the roots leads through it; what it retains is what would become
//! garbage with it. The tree has one virtual root above all roots. Groups of roots ([`RootGroups`]) are nodes of it, each
//! once for its strong roots and once for the others.
//!
//! Strong first: the tree is built over what strong roots reach, as if nothing else were there; then over the rest from
//! the other roots, whose references into the first part do not count. Objects of the two parts never hold one another,
//! and each part's sums are its own.

mod fan;
mod order;
mod semi;
mod sums;
mod walk;

use self::fan::Fan;
use self::order::Order;
use self::sums::Sums;
use self::walk::Walk;
use crate::{GroupIx, HeapGraph, ObjIx, RootGroups, Strength, TooLarge};

/// A node of the dominator tree.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Node {
    /// The virtual root above everything.
    Top,
    /// The roots of a group that have this strength, and the groups inside it.
    Group(GroupIx, Strength),
    /// An object.
    Object(ObjIx),
}

/// What something holds.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Held {
    /// Number of objects.
    pub objects: u64,
    /// Sum of their shallow sizes in bytes.
    pub bytes: u64,
}

/// The dominator tree with retained sizes. 20 bytes per object. The peak while it is built is
/// 28 bytes per object, or 16 and 12 for each reference to an object that another reached first, whichever is more; very
/// deep heaps take 8 per level.
pub struct Dominators {
    objects: u32,
    groups: u32,
    order: Order,
    sums: Sums,
    /// Last position that strong roots reach.
    strong: u32,
}

impl Dominators {
    /// Builds the tree of `graph`. Time is close to linear in objects and references whatever their shape, and nothing
    /// recurs. Fails where objects and groups together are more than 32-bit ids can name.
    pub fn of(graph: &HeapGraph, groups: &RootGroups) -> Result<Self, TooLarge> {
        let fan = Fan::of(graph, groups)?;
        let mut walk = Walk::of(graph, &fan);
        let cross = walk.sort_cross();
        let places = semi::dominate(&mut walk.tree, cross);
        let strong = walk.strong;
        let order = order::order(walk, places);
        let objects = graph.objects();
        // Groups have no size of their own, and position 0 stands for what is not reached.
        let sizes = || {
            let placed = graph.sizes().map(|(o, size)| (order.at[o.index()], size));
            placed.filter(|(at, _)| *at > 0)
        };
        let sums = Sums::of(order.node.len(), sizes);
        Ok(Self {
            objects,
            groups: groups.len() as u32,
            order,
            sums,
            strong,
        })
    }

    /// Bytes that become garbage if `object` goes, its own included; 0 where no root reaches it.
    pub fn retained(&self, object: ObjIx) -> u64 {
        self.held(Node::Object(object)).bytes
    }

    /// What `node` holds, itself included. Groups are no objects and do not count.
    pub fn held(&self, node: Node) -> Held {
        let Some(at) = self.position(node) else {
            return Held::default();
        };
        let bytes = self.retained_at(at);
        let objects = match node {
            Node::Object(_) => u64::from(self.order.place[at as usize].count),
            _ => {
                let held = self.range(at);
                let nodes = self.order.node[held.start as usize..held.end as usize].iter();
                nodes.filter(|n| **n < self.objects).count() as u64
            }
        };
        Held { objects, bytes }
    }

    /// Bytes that roots reach: of strong roots, or only of the others.
    pub fn reachable(&self, strength: Strength) -> u64 {
        let tops = self.child_positions(0);
        tops.filter(|at| (*at <= self.strong) == (strength == Strength::Strong))
            .map(|at| self.retained_at(at))
            .fold(0, u64::saturating_add)
    }

    /// Bytes that any root reaches.
    pub fn held_bytes(&self) -> u64 {
        self.retained_at(0)
    }

    /// The nearest node without which `object` were garbage; `None` where no root reaches it.
    pub fn holder(&self, object: ObjIx) -> Option<Node> {
        self.parent(Node::Object(object))
    }

    /// The node above `node`; `None` for [`Node::Top`] and for what no root reaches.
    pub fn parent(&self, node: Node) -> Option<Node> {
        let at = self.position(node).filter(|at| *at > 0)?;
        Some(self.node(self.order.place[at as usize].parent))
    }

    /// The nodes directly below `node`: those of strong roots first, otherwise in no meaningful order.
    pub fn children(&self, node: Node) -> impl Iterator<Item = Node> + '_ {
        self.position(node)
            .into_iter()
            .flat_map(|at| self.child_positions(at))
            .map(|at| self.node(at))
    }

    /// Every object that `node` holds, itself first if it is one.
    pub fn held_objects(&self, node: Node) -> impl Iterator<Item = ObjIx> + '_ {
        let held = self.position(node).map_or(0..0, |at| self.range(at));
        self.order.node[held.start as usize..held.end as usize]
            .iter()
            .filter(|n| **n < self.objects)
            .map(|n| ObjIx(*n))
    }

    /// Whether `upper` holds `lower`; each node holds itself.
    pub fn holds(&self, upper: Node, lower: Node) -> bool {
        match (self.position(upper), self.position(lower)) {
            (Some(upper), Some(lower)) => self.range(upper).contains(&lower),
            _ => false,
        }
    }

    /// Whether a strong root reaches `object`.
    pub fn is_strong(&self, object: ObjIx) -> bool {
        self.position(Node::Object(object))
            .is_some_and(|at| at <= self.strong)
    }

    /// Number of positions.
    pub(crate) fn len(&self) -> u32 {
        self.order.node.len() as u32
    }

    /// Last position of what strong roots reach.
    pub(crate) fn strong_end(&self) -> u32 {
        self.strong
    }

    pub(crate) fn position(&self, node: Node) -> Option<u32> {
        let id = match node {
            Node::Top => return Some(0),
            Node::Group(group, _) if group.0 >= self.groups => return None,
            Node::Group(group, Strength::Strong) => self.objects + group.0,
            Node::Group(group, Strength::Conservative) => self.objects + self.groups + group.0,
            Node::Object(object) if object.0 >= self.objects => return None,
            Node::Object(object) => object.0,
        };
        Some(self.order.at[id as usize]).filter(|at| *at > 0)
    }

    pub(crate) fn node(&self, position: u32) -> Node {
        if position == 0 {
            return Node::Top;
        }
        let id = self.order.node[position as usize];
        match id.checked_sub(self.objects) {
            None => Node::Object(ObjIx(id)),
            Some(group) if group < self.groups => Node::Group(GroupIx(group), Strength::Strong),
            Some(group) => Node::Group(GroupIx(group - self.groups), Strength::Conservative),
        }
    }

    pub(crate) fn object(&self, position: u32) -> Option<ObjIx> {
        let id = self.order.node[position as usize];
        (position > 0 && id < self.objects).then_some(ObjIx(id))
    }

    pub(crate) fn retained_at(&self, position: u32) -> u64 {
        self.sums.within(self.range(position))
    }

    pub(crate) fn parent_at(&self, position: u32) -> u32 {
        self.order.place[position as usize].parent
    }

    /// Positions of what the node at `position` holds, its own first.
    pub(crate) fn range(&self, position: u32) -> std::ops::Range<u32> {
        position..position + self.order.place[position as usize].count
    }

    pub(crate) fn child_positions(&self, position: u32) -> impl Iterator<Item = u32> + '_ {
        let range = self.range(position);
        let mut at = range.start + 1;
        std::iter::from_fn(move || {
            let child = (at < range.end).then_some(at)?;
            at += self.order.place[child as usize].count;
            Some(child)
        })
    }
}
