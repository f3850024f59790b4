//! Objects to which the program has no way any more, and that only finalizers and cleanups keep.
//!
//! The collector starts from what an object with a finalizer refers to, and from the function and argument of a cleanup, whether
//! or not the object itself is in use. What such a root leads back to is never found unreachable: it stays for ever.

use std::collections::BTreeSet;

use leakscope_go::finalizers::{Attached, AttachedKind};
use leakscope_go::owners::ATTACHED;
use leakscope_graph::{GroupIx, Node, ObjIx, RootIx, Strength};

use crate::seen::Seen;

/// Stands for no node, and no component yet.
const NONE: u32 = u32::MAX;
/// Stands for an object that a goroutine may have a way to.
const IN_USE: u32 = NONE - 1;

/// What finalizers and cleanups keep, as a graph of its own: references, and from an object to what its cleanups and the
/// functions of its finalizers keep. Nodes are numbered in the order found.
pub(crate) struct Forgotten<'a> {
    seen: &'a Seen<'a>,
    objects: Vec<ObjIx>,
    first: Vec<u32>,
    to: Vec<u32>,
    /// Of each reference, whether it is a finalizer's or a cleanup's and none of the object's own.
    kept: Vec<bool>,
    component: Vec<u32>,
    /// Nodes of each component; one that another leads to has a lower number.
    sizes: Vec<u32>,
}

/// What words of goroutines point to that only may be pointers: of one that runs, they are all there is.
fn maybe_used(seen: &Seen<'_>) -> Vec<ObjIx> {
    let goroutines: BTreeSet<GroupIx> = seen.goroutines.values().copied().collect();
    let of_goroutine = |i: u32| {
        let group = seen.groups.of_root(RootIx(i));
        group.is_some_and(|group| goroutines.contains(&group))
    };
    (0u32..)
        .zip(seen.heap.graph.roots())
        .filter(|(i, root)| root.strength == Strength::Conservative && of_goroutine(*i))
        .map(|(_, root)| root.to)
        .collect()
}

impl<'a> Forgotten<'a> {
    /// Everything that a forgotten object with a finalizer or cleanup leads to; `None` where there is no such object. Time is
    /// linear in what it finds, and four bytes per object of the heap.
    pub(crate) fn of(seen: &'a Seen<'a>) -> Option<Self> {
        let heap = seen.heap;
        let forgotten = |object: ObjIx| !heap.reach.is_reached_before(object, ATTACHED);
        let mut starts = heap.finalizers.iter().map(|attached| attached.on);
        let first_start = starts.find(|on| forgotten(*on))?;
        let mut found = Self {
            seen,
            objects: Vec::new(),
            first: vec![0],
            to: Vec::new(),
            kept: Vec::new(),
            component: Vec::new(),
            sizes: Vec::new(),
        };
        let mut number = vec![NONE; heap.graph.objects() as usize];
        let mut in_use = maybe_used(seen);
        while let Some(object) = in_use.pop() {
            if forgotten(object) && number[object.index()] == NONE {
                number[object.index()] = IN_USE;
                in_use.extend(heap.graph.out(object).map(|edge| edge.to));
            }
        }
        let mut number_of = |object: ObjIx, objects: &mut Vec<ObjIx>| {
            let number = &mut number[object.index()];
            if *number == NONE {
                *number = objects.len() as u32;
                objects.push(object);
            }
            Some(*number).filter(|number| *number != IN_USE)
        };
        for start in std::iter::once(first_start).chain(starts.filter(|on| forgotten(*on))) {
            number_of(start, &mut found.objects);
        }
        let mut at = 0;
        while let Some(&object) = found.objects.get(at) {
            at += 1;
            let own = heap.graph.out(object).map(|edge| (edge.to, false));
            let kept = heap.finalizers.kept_by(object).map(|to| (to, true));
            for (to, kept) in own.chain(kept).filter(|(to, _)| forgotten(*to)) {
                if let Some(to) = number_of(to, &mut found.objects) {
                    found.to.push(to);
                    found.kept.push(kept);
                }
            }
            found.first.push(found.to.len() as u32);
        }
        found.find_components();
        Some(found)
    }

    fn edges(&self, node: u32) -> std::ops::Range<usize> {
        self.first[node as usize] as usize..self.first[node as usize + 1] as usize
    }

    /// Tarjan's strongly connected components, without recursion.
    fn find_components(&mut self) {
        let n = self.objects.len();
        self.component = vec![NONE; n];
        let mut met = vec![NONE; n];
        let mut low = vec![0u32; n];
        let mut open: Vec<u32> = Vec::new();
        let mut way: Vec<(u32, usize)> = Vec::new();
        let mut clock = 0;
        for start in 0..n as u32 {
            if met[start as usize] != NONE {
                continue;
            }
            way.push((start, self.edges(start).start));
            while let Some((node, edge)) = way.pop() {
                let i = node as usize;
                if met[i] == NONE {
                    met[i] = clock;
                    low[i] = clock;
                    clock += 1;
                    open.push(node);
                } else if edge > self.edges(node).start {
                    // Back from the reference before.
                    let to = self.to[edge - 1] as usize;
                    if self.component[to] == NONE {
                        low[i] = low[i].min(low[to]);
                    }
                }
                if edge < self.edges(node).end {
                    way.push((node, edge + 1));
                    let to = self.to[edge];
                    if met[to as usize] == NONE {
                        way.push((to, self.edges(to).start));
                    }
                } else if low[i] == met[i] {
                    let number = self.sizes.len() as u32;
                    let mut size = 0;
                    while let Some(member) = open.pop() {
                        self.component[member as usize] = number;
                        size += 1;
                        if member == node {
                            break;
                        }
                    }
                    self.sizes.push(size);
                }
            }
        }
    }

    /// Nodes with what is set on them.
    fn attached(&self) -> impl Iterator<Item = (u32, &Attached)> {
        let on = |object: ObjIx| self.seen.heap.finalizers.on(object);
        let nodes = (0u32..).zip(&self.objects);
        nodes.flat_map(move |(node, object)| on(*object).iter().map(move |a| (node, a)))
    }

    fn same(&self, a: u32, b: u32) -> bool {
        self.component[a as usize] == self.component[b as usize]
    }

    /// Nodes with something of this kind set on them that never runs, because it keeps the node itself; with what is set. In the
    /// order of objects.
    pub(crate) fn kept_by_themselves(&self, kind: AttachedKind) -> Vec<(u32, Attached)> {
        let mut all: Vec<(u32, Attached)> = self
            .attached()
            .filter(|(node, attached)| {
                let leads_back = |e: usize| self.same(self.to[e], *node);
                attached.kind == kind
                    && self.edges(*node).any(|e| match kind {
                        // A finalizer keeps all that its object refers to.
                        AttachedKind::Finalizer => leads_back(e),
                        AttachedKind::Cleanup => self.kept[e] && leads_back(e),
                    })
            })
            .map(|(node, attached)| (node, *attached))
            .collect();
        all.sort_by_key(|(node, _)| self.object(*node));
        all
    }

    /// Of each component, how many finalizers have to run one after the other until it is gone; 0 for what never goes.
    pub(crate) fn turns(&self) -> Vec<u32> {
        let mut stays = vec![false; self.objects.len()];
        for kind in [AttachedKind::Finalizer, AttachedKind::Cleanup] {
            for (node, _) in self.kept_by_themselves(kind) {
                self.take(node, &mut stays);
            }
        }
        let mut own = vec![0u32; self.sizes.len()];
        for (node, attached) in self.attached() {
            if attached.kind == AttachedKind::Finalizer && !stays[node as usize] {
                own[self.component[node as usize] as usize] = 1;
            }
        }
        // Members by component, lowest first: what a component leads to is known before itself.
        let mut order: Vec<u32> = (0..self.objects.len() as u32).collect();
        order.sort_by_key(|node| self.component[*node as usize]);
        let mut turns = vec![0u32; self.sizes.len()];
        for members in order.chunk_by(|a, b| self.same(*a, *b)) {
            let component = self.component[members[0] as usize] as usize;
            let after = members.iter().flat_map(|node| {
                let to = self.edges(*node).map(|e| self.to[e]);
                to.filter(|to| !self.same(*to, *node))
            });
            let after = after
                .map(|to| turns[self.component[to as usize] as usize])
                .max();
            turns[component] = own[component] + after.unwrap_or(0);
        }
        turns
    }

    /// [`Self::turns`] of one node.
    pub(crate) fn turns_of(&self, node: u32, turns: &[u32]) -> u32 {
        turns
            .get(self.component[node as usize] as usize)
            .copied()
            .unwrap_or(0)
    }

    /// Objects with a finalizer.
    pub(crate) fn with_finalizer(&self) -> impl Iterator<Item = (u32, &Attached)> {
        self.attached()
            .filter(|(_, a)| a.kind == AttachedKind::Finalizer)
    }

    /// The object of a node.
    pub(crate) fn object(&self, node: u32) -> ObjIx {
        self.objects[node as usize]
    }

    /// Bytes of what a node leads to, itself included, without what is marked in `taken` already; marks it.
    pub(crate) fn take(&self, node: u32, taken: &mut [bool]) -> u64 {
        let mut bytes = 0u64;
        let mut todo = vec![node];
        while let Some(node) = todo.pop() {
            if std::mem::replace(&mut taken[node as usize], true) {
                continue;
            }
            bytes = bytes.saturating_add(self.seen.heap.graph.size(self.object(node)));
            let to = self.edges(node).map(|e| self.to[e]);
            todo.extend(to.filter(|to| !taken[*to as usize]));
        }
        bytes
    }

    /// No node taken.
    pub(crate) fn none_taken(&self) -> Vec<bool> {
        vec![false; self.objects.len()]
    }

    /// The groups of roots that hold mostly these `bytes` of what was found.
    pub(crate) fn points(&self, bytes: u64) -> Vec<Node> {
        let graph = &self.seen.heap.graph;
        let before = |object| self.seen.heap.reach.is_reached_before(object, ATTACHED);
        let mut groups: Vec<Node> = (0u32..)
            .zip(graph.roots())
            .filter(|(_, root)| root.rank == ATTACHED && !before(root.to))
            .filter_map(|(i, _)| self.seen.groups.of_root(RootIx(i)))
            .map(|group| Node::Group(group, Strength::Strong))
            .collect();
        groups.sort_unstable();
        groups.dedup();
        groups.retain(|group| bytes.saturating_mul(2) >= self.seen.tree.held(*group).bytes);
        groups
    }
}
