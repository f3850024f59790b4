//! What stands above the heap: the virtual root, groups of roots, and the objects that roots point to.

use crate::{GroupIx, HeapGraph, ObjIx, RootGroups, Strength, TooLarge};

/// Nodes above the objects, numbered on from them: each group twice (what its strong roots hold, what its other roots
/// hold), then the virtual root twice, for the two passes.
pub(super) struct Fan {
    objects: u32,
    groups: u32,
    first: Vec<u32>,
    to: Vec<ObjIx>,
}

impl Fan {
    pub(super) fn of(graph: &HeapGraph, groups: &RootGroups) -> Result<Self, TooLarge> {
        let too_large = TooLarge {
            what: "objects and groups of roots",
        };
        let count = u32::try_from(groups.len()).map_err(|_| too_large)?;
        let nodes = u64::from(graph.objects()) + 2 * u64::from(count) + 2;
        let links = graph.roots().len() as u64 + 2 * u64::from(count);
        if nodes >= u64::from(u32::MAX) || links >= u64::from(u32::MAX) {
            return Err(too_large);
        }
        let mut fan = Self {
            objects: graph.objects(),
            groups: count,
            first: Vec::new(),
            to: Vec::new(),
        };
        let links = fan.links(graph, groups);
        fan.first = vec![0; fan.len() + 1];
        for (from, _) in &links {
            fan.first[*from as usize + 1] += 1;
        }
        for i in 1..fan.first.len() {
            fan.first[i] += fan.first[i - 1];
        }
        let mut next = fan.first.clone();
        fan.to = vec![ObjIx(0); links.len()];
        for (from, to) in links {
            let at = &mut next[from as usize];
            fan.to[*at as usize] = ObjIx(to);
            *at += 1;
        }
        Ok(fan)
    }

    /// `(row, node)`: every group that has roots below the group around it, every root's object below its group.
    fn links(&self, graph: &HeapGraph, groups: &RootGroups) -> Vec<(u32, u32)> {
        let row = |group: Option<GroupIx>, strength| match group {
            Some(group) => self.group(group, strength) - self.objects,
            None => self.top(strength) - self.objects,
        };
        let mut links = Vec::new();
        for strength in [Strength::Strong, Strength::Conservative] {
            let mut used = vec![false; groups.len()];
            for (group, root) in groups.members(graph.roots()) {
                if root.strength == strength && root.to.0 < self.objects {
                    links.push((row(group, strength), root.to.0));
                    if let Some(group) = group {
                        used[group.index()] = true;
                    }
                }
            }
            // Groups around a group have lower ids: from the end, each is seen after all that are inside it.
            for i in (0..groups.len()).rev() {
                if used[i]
                    && let Some(parent) = groups.parent(GroupIx(i as u32))
                {
                    used[parent.index()] = true;
                }
            }
            for i in (0..groups.len()).filter(|i| used[*i]) {
                let group = GroupIx(i as u32);
                links.push((
                    row(groups.parent(group), strength),
                    self.group(group, strength),
                ));
            }
        }
        links
    }

    /// Number of nodes above the objects.
    pub(super) fn len(&self) -> usize {
        2 * self.groups as usize + 2
    }

    /// The node of a group.
    pub(super) fn group(&self, group: GroupIx, strength: Strength) -> u32 {
        self.objects + group.0 + self.groups * u32::from(strength == Strength::Conservative)
    }

    /// The virtual root as the start of one pass.
    pub(super) fn top(&self, strength: Strength) -> u32 {
        self.objects + 2 * self.groups + u32::from(strength == Strength::Conservative)
    }

    /// Everything that nodes above the objects lead to.
    pub(super) fn targets(&self) -> &[ObjIx] {
        &self.to
    }

    /// What a node above the objects leads to.
    pub(super) fn row(&self, node: u32) -> &[ObjIx] {
        let at = (node - self.objects) as usize;
        &self.to[self.first[at] as usize..self.first[at + 1] as usize]
    }
}
