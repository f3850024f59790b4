//! Who roots belong to: a goroutine has many pointers into the heap, a package many variables.

use crate::{GroupIx, Root, RootIx};

const NO_GROUP: u32 = u32::MAX;

/// Roots joined to groups, and groups to larger ones: variables of a package, goroutines of a site. What a group holds
/// alone is exact, because a group is a node of the dominator tree above the objects its roots point to.
#[derive(Clone, Debug, Default)]
pub struct RootGroups {
    of_root: Vec<u32>,
    parent: Vec<u32>,
}

impl RootGroups {
    /// No group yet; a root that is not given one belongs to none.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a group inside `parent`, which must have been added before; any other parent counts as none.
    pub fn add(&mut self, parent: Option<GroupIx>) -> GroupIx {
        let group = GroupIx(self.parent.len() as u32);
        let parent = parent.filter(|p| *p < group);
        self.parent.push(parent.map_or(NO_GROUP, |p| p.0));
        group
    }

    /// Says which group the next root belongs to, in the order of [`crate::HeapGraph::roots`].
    pub fn push_root(&mut self, group: Option<GroupIx>) {
        let known = group.filter(|g| g.index() < self.parent.len());
        self.of_root.push(known.map_or(NO_GROUP, |g| g.0));
    }

    /// Number of groups.
    pub fn len(&self) -> usize {
        self.parent.len()
    }

    /// Whether there is no group.
    pub fn is_empty(&self) -> bool {
        self.parent.is_empty()
    }

    /// The group of a root.
    pub fn of_root(&self, root: RootIx) -> Option<GroupIx> {
        let group = *self.of_root.get(root.index())?;
        (group != NO_GROUP).then_some(GroupIx(group))
    }

    /// The group around a group.
    pub fn parent(&self, group: GroupIx) -> Option<GroupIx> {
        let parent = *self.parent.get(group.index())?;
        (parent != NO_GROUP).then_some(GroupIx(parent))
    }

    /// `(group, root)` of every root of `roots` that belongs to a group.
    pub(crate) fn members<'a>(
        &'a self,
        roots: &'a [Root],
    ) -> impl Iterator<Item = (Option<GroupIx>, &'a Root)> + 'a {
        roots
            .iter()
            .enumerate()
            .map(|(i, root)| (self.of_root(RootIx(i as u32)), root))
    }
}
