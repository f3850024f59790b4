//! Places where memory accumulates, in words.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use leakscope_graph::{
    Dominators, EntryKind, HeldSet, Node, ObjIx, Path, Strength, Suspect, Threshold, TooLarge,
    TypePaths, suspects,
};
use leakscope_report::{Address, EntryRow, HeldSite, HolderKind, SuspectRow, Text, Verdict};

use super::findings::Found;
use super::why::{ENDS, alike};
use super::{giants, sites};
use crate::heap::{AnyHeap, Owners};
use crate::selection::Selection;

/// Entries from which on a place is one where many things accumulate.
const MANY: u64 = 64;
/// Sharpness from which on it is so too.
const SHARP: f64 = 0.5;

/// Places where memory accumulates, each with what it was joined from.
pub(crate) struct Places {
    threshold: Threshold,
    found: Vec<(SuspectRow, Vec<Suspect>)>,
    /// How many were left out.
    pub(crate) suppressed: u64,
}

impl Places {
    /// How many meet a condition.
    pub(crate) fn meet(&self, selection: &Selection) -> usize {
        let rows = self.found.iter().map(|(row, _)| row);
        rows.filter(|row| selection.meets_place(row)).count()
    }

    /// The first `most` of them, with who allocated what they hold; and how many there are in all.
    pub(crate) fn told(self, holders: &Holders<'_>, most: Option<usize>) -> (Vec<SuspectRow>, u64) {
        let count = self.found.len() as u64;
        let found = self.found.into_iter().take(most.unwrap_or(usize::MAX));
        let rows = found.map(|(row, joined)| SuspectRow {
            sites: holders.sites(self.threshold, &joined),
            ..row
        });
        (rows.collect(), count)
    }
}

fn print_of(row: &SuspectRow) -> Option<String> {
    row.fingerprint.as_ref().map(ToString::to_string)
}

/// Who holds what in a heap: the dominator tree, and the groups of roots in it.
pub(crate) struct Holders<'a> {
    pub(crate) heap: &'a AnyHeap,
    pub(crate) groups: Owners,
    pub(crate) tree: Dominators,
}

impl<'a> Holders<'a> {
    pub(crate) fn of(heap: &'a AnyHeap) -> Result<Self, TooLarge> {
        let groups = heap.owners();
        let tree = Dominators::of(heap.graph(), &groups.roots)?;
        Ok(Self { heap, groups, tree })
    }

    /// Every place above `threshold`, the most telling first. Places of the same fingerprint are told as one.
    pub(crate) fn suspects(&self, threshold: Threshold) -> Vec<SuspectRow> {
        let found = self.found(threshold).into_iter();
        found.map(|(row, _)| row).collect()
    }

    /// Places above `threshold` that no finding explains: those that one does go there.
    pub(crate) fn places(
        &self,
        threshold: Threshold,
        selection: &Selection,
        findings: &mut [Found],
    ) -> Places {
        let mut found = self.found(threshold);
        for (row, _) in &mut found {
            row.new = selection.is_new(print_of(row).as_deref());
        }
        for finding in findings {
            finding.absorb(&mut found);
        }
        let all = found.len();
        found.retain(|(row, _)| !selection.suppresses(print_of(row).as_deref()));
        Places {
            threshold,
            suppressed: (all - found.len()) as u64,
            found,
        }
    }

    /// Who allocated what these suspects, told as one, hold.
    fn sites(&self, threshold: Threshold, joined: &[Suspect]) -> Vec<HeldSite> {
        let has_samples = (self.heap.go()).is_some_and(|heap| !heap.sites.samples().is_empty());
        if !has_samples {
            return Vec::new();
        }
        let (heap, tree) = (self.heap, &self.tree);
        let single = joined.iter().map(|s| s.point).filter(|p| *p != Node::Top);
        let mut held = HeldSet::of(tree, single);
        for scattered in joined.iter().filter(|s| s.point == Node::Top) {
            let set = HeldSet::of_scattered(heap.graph(), tree, heap.names(), threshold, scattered);
            held = held.and(set);
        }
        sites::of_held(self, &held)
    }

    /// Each place, and what it was joined from.
    fn found(&self, threshold: Threshold) -> Vec<(SuspectRow, Vec<Suspect>)> {
        let heap = self.heap;
        let found = suspects(heap.graph(), &self.tree, heap.names(), threshold);
        let mut paths = TypePaths::new(heap.graph(), heap.reach(), heap.names());
        let mut rows: Vec<(u64, SuspectRow, Vec<Suspect>)> = Vec::new();
        let mut known: BTreeMap<String, usize> = BTreeMap::new();
        for suspect in found {
            let fingerprint = paths.suspect_fingerprint(&suspect, |group| {
                let group = self.groups.get(group);
                group.map_or(String::new(), |g| g.key.clone())
            });
            let fingerprint = fingerprint.map(|f| f.to_string());
            let row = self.row(&suspect, fingerprint.as_deref().map(Text::new));
            let same = fingerprint.as_ref().and_then(|f| known.get(f));
            if let Some((score, first, joined)) = same.and_then(|i| rows.get_mut(*i)) {
                *score = score.saturating_add(suspect.score);
                join(first, row);
                (first.verdict, first.reason) =
                    self.judge(joined[0].point, first.entry_count, first.sharpness);
                first.holder = self.name_of_many(suspect.point);
                joined.push(suspect);
            } else {
                if let Some(fingerprint) = fingerprint {
                    known.insert(fingerprint, rows.len());
                }
                rows.push((suspect.score, row, vec![suspect]));
            }
        }
        // Stable: equal scores stay in the order in which they were found. Where a reason stands with each verdict, what is
        // only big comes last.
        rows.sort_by_key(|(score, row, _)| {
            let last = row.reason.is_some() && row.verdict == Verdict::Big;
            (last, Reverse(*score))
        });
        rows.into_iter()
            .map(|(_, row, joined)| (row, joined))
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
                    EntryKind::Object(type_) => Text::new(heap.names().type_name(type_).as_bytes()),
                    EntryKind::Group => Text::new(self.group_kind(entries.example)),
                },
                count: entries.sum.objects,
                bytes: entries.sum.bytes,
                largest_bytes: entries.largest,
            })
            .collect();
        let sharpness = f64::from(suspect.sharpness) / 1000.0;
        let (verdict, reason) = self.judge(suspect.point, suspect.all_entries, sharpness);
        SuspectRow {
            verdict,
            reason,
            places: 1,
            kind: match suspect.point {
                Node::Object(_) => HolderKind::Object,
                Node::Group(..) => HolderKind::Root,
                Node::Top => HolderKind::Many,
            },
            holder: self.name(suspect.point),
            address: object.map(|o| self.address(o)),
            type_: object.map(|o| {
                let type_ = heap.graph().type_of(o);
                Text::new(heap.names().type_name(type_).as_bytes())
            }),
            retained_bytes: suspect.retained,
            accumulated_bytes: suspect.accumulated,
            share: f64::from(suspect.share) / 1000.0,
            sharpness,
            certain: suspect.strength == Strength::Strong,
            entry_count: suspect.all_entries,
            entries,
            sites: Vec::new(),
            new: None,
            fingerprint,
        }
    }

    /// The verdict on a place with so many entries, and why, where the runtime's rules have a reason.
    fn judge(&self, point: Node, entries: u64, sharpness: f64) -> (Verdict, Option<Text>) {
        match self.heap {
            AnyHeap::Go(_) => (verdict(entries, sharpness), None),
            AnyHeap::Jvm(heap) => {
                let (verdict, why) = giants::judge(self, heap, point, entries, sharpness);
                (verdict, Some(Text::new(why)))
            }
        }
    }

    /// A node as an expression.
    pub(crate) fn name(&self, node: Node) -> Text {
        match node {
            Node::Object(object) => Text::new(self.heap.owner_of(object)),
            Node::Group(group, _) => {
                let group = self.groups.get(group);
                group.map_or(Text::default(), |g| Text::new(&g.name))
            }
            Node::Top => Text::new("held from many places, by none of them alone"),
        }
    }

    /// A node as one of several that are alike.
    pub(super) fn name_of_many(&self, node: Node) -> Text {
        let heap = self.heap;
        match node {
            Node::Object(object) => {
                let path = Path::folded(heap.graph(), heap.reach(), object, ENDS, ENDS);
                path.map_or(Text::default(), |path| Text::new(alike(heap, &path)))
            }
            _ => self.name(node),
        }
    }

    /// Where an object lies.
    pub(crate) fn address(&self, object: ObjIx) -> Address {
        self.heap.address(object)
    }

    fn group_kind(&self, node: Node) -> &'static str {
        let group = match node {
            Node::Group(group, _) => self.groups.get(group),
            _ => None,
        };
        group.map_or("root", |g| g.entry)
    }
}

fn verdict(entries: u64, sharpness: f64) -> Verdict {
    if entries >= MANY && sharpness >= SHARP {
        Verdict::Suspect
    } else {
        Verdict::Big
    }
}

/// Adds another place of the same fingerprint to the first.
fn join(first: &mut SuspectRow, other: SuspectRow) {
    let weight = |row: &SuspectRow| row.accumulated_bytes as f64;
    let whole = weight(first) + weight(&other);
    if whole > 0.0 {
        let sum = first.sharpness * weight(first) + other.sharpness * weight(&other);
        first.sharpness = sum / whole;
    }
    first.places += 1;
    first.retained_bytes = first.retained_bytes.saturating_add(other.retained_bytes);
    first.accumulated_bytes = first
        .accumulated_bytes
        .saturating_add(other.accumulated_bytes);
    first.share += other.share;
    first.certain &= other.certain;
    first.entry_count = first.entry_count.saturating_add(other.entry_count);
    for entry in other.entries {
        match first.entries.iter_mut().find(|e| e.type_ == entry.type_) {
            Some(same) => {
                same.count = same.count.saturating_add(entry.count);
                same.bytes = same.bytes.saturating_add(entry.bytes);
                same.largest_bytes = same.largest_bytes.max(entry.largest_bytes);
            }
            None => first.entries.push(entry),
        }
    }
    first.entries.sort_by_key(|e| Reverse(e.bytes));
}
