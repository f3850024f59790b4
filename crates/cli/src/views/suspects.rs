//! Places where memory accumulates, in words.

use leakscope_go::heap::GoHeap;
use leakscope_go::owners::Groups;
use leakscope_graph::{
    Dominators, EntryKind, Node, ObjIx, Resolver, Strength, Suspect, Threshold, TooLarge,
    TypePaths, suspects,
};
use leakscope_report::{Address, EntryRow, HolderKind, SuspectRow, Text, Verdict};

/// Entries from which on a place is one where many things accumulate.
const MANY: u64 = 64;
/// Sharpness from which on it is so too, in thousandths.
const SHARP: u32 = 500;

/// Who holds what in a heap: the dominator tree, and the groups of roots in it.
pub(crate) struct Holders<'a> {
    pub(crate) heap: &'a GoHeap,
    pub(crate) groups: Groups,
    pub(crate) tree: Dominators,
}

impl<'a> Holders<'a> {
    pub(crate) fn of(heap: &'a GoHeap) -> Result<Self, TooLarge> {
        let groups = heap.names.groups();
        let tree = Dominators::of(&heap.graph, &groups.roots)?;
        Ok(Self { heap, groups, tree })
    }

    /// Every place above `threshold`, the most telling first.
    pub(crate) fn suspects(&self, threshold: Threshold) -> Vec<SuspectRow> {
        let heap = self.heap;
        let found = suspects(&heap.graph, &self.tree, &heap.names, threshold);
        let mut paths = TypePaths::new(&heap.graph, &heap.reach, &heap.names);
        found
            .iter()
            .map(|suspect| {
                let fingerprint = paths.suspect_fingerprint(suspect, |group| {
                    let group = self.groups.of.get(group.index());
                    group.map_or(String::new(), |g| heap.names.group_key(g))
                });
                self.row(suspect, fingerprint.map(|f| Text::new(f.to_string())))
            })
            .collect()
    }

    fn row(&self, suspect: &Suspect, fingerprint: Option<Text>) -> SuspectRow {
        let heap = self.heap;
        let object = match suspect.point {
            Node::Object(object) => Some(object),
            _ => None,
        };
        let entries: Vec<EntryRow> = suspect
            .entries
            .iter()
            .map(|entries| EntryRow {
                type_: match entries.kind {
                    EntryKind::Object(type_) => Text::new(heap.names.type_name(type_).as_bytes()),
                    EntryKind::Group => Text::new(self.group_kind(entries.example)),
                },
                count: entries.sum.objects,
                bytes: entries.sum.bytes,
                largest_bytes: entries.largest,
            })
            .collect();
        let many = suspect.all_entries >= MANY && suspect.sharpness >= SHARP;
        SuspectRow {
            verdict: if many { Verdict::Suspect } else { Verdict::Big },
            kind: match suspect.point {
                Node::Object(_) => HolderKind::Object,
                Node::Group(..) => HolderKind::Root,
                Node::Top => HolderKind::Many,
            },
            holder: self.name(suspect.point),
            address: object.map(|o| self.address(o)),
            type_: object.map(|o| {
                let type_ = heap.graph.type_of(o);
                Text::new(heap.names.type_name(type_).as_bytes())
            }),
            retained_bytes: suspect.retained,
            accumulated_bytes: suspect.accumulated,
            share: f64::from(suspect.share) / 1000.0,
            sharpness: f64::from(suspect.sharpness) / 1000.0,
            certain: suspect.strength == Strength::Strong,
            entry_count: suspect.all_entries,
            entries,
            fingerprint,
        }
    }

    /// A node as an expression.
    pub(crate) fn name(&self, node: Node) -> Text {
        match node {
            Node::Object(object) => Text::new(self.heap.owner_of(object)),
            Node::Group(group, _) => {
                let group = self.groups.of.get(group.index());
                Text::new(group.map_or(String::new(), |g| {
                    self.heap.names.group_name(g).into_owned()
                }))
            }
            Node::Top => Text::new("held from many places, by none of them alone"),
        }
    }

    /// Where an object lies.
    pub(crate) fn address(&self, object: ObjIx) -> Address {
        Address(self.heap.objects.base(object.0).0)
    }

    fn group_kind(&self, node: Node) -> &'static str {
        use leakscope_go::owners::Group;
        let group = match node {
            Node::Group(group, _) => self.groups.of.get(group.index()),
            _ => None,
        };
        match group {
            Some(Group::Goroutine(_)) => "goroutine",
            _ => "root",
        }
    }
}
