//! What the catalogue of patterns finds, in words.

use std::collections::{BTreeMap, BTreeSet};

use leakscope_go::heap::GoHeap;
use leakscope_graph::{GroupIx, HeldSet, Node, Resolver, Suspect};
use leakscope_patterns::{Confidence as Sure, Finding, MapSizes, Seen, Subject, Verdict as Judged};
use leakscope_report::{
    Address, Confidence, EvidenceRow, FindingRow, FindingVerdict, Place, SuspectRow, Text,
};
use leakscope_target::Addr;

use super::goroutines::created_by;
use super::sites::of_held;
use super::suspects::Holders;
use crate::selection::Selection;

/// Joined objects whose allocation sites are looked at: they are alike.
const ALIKE: usize = 16;

/// A finding, and the suspects that it explains.
pub(crate) struct Found {
    finding: Finding,
    suspects: Vec<SuspectRow>,
}

impl Found {
    fn of(finding: Finding) -> Self {
        Self {
            finding,
            suspects: Vec::new(),
        }
    }

    fn print(&self) -> Option<String> {
        self.finding.fingerprint.as_ref().map(ToString::to_string)
    }

    /// Takes those out of `suspects` that are the same thing: at the same nodes.
    pub(super) fn absorb(&mut self, suspects: &mut Vec<(SuspectRow, Vec<Suspect>)>) {
        let points: BTreeSet<Node> = self.finding.points.iter().copied().collect();
        let explained = |(_, joined): &mut (SuspectRow, Vec<Suspect>)| {
            joined.iter().all(|suspect| points.contains(&suspect.point))
        };
        let taken = suspects.extract_if(.., explained).map(|(row, _)| row);
        self.suspects.extend(taken);
    }
}

/// Everything found of the patterns that `selection` wants; nothing for a runtime that the catalogue does not know.
pub(super) fn of(holders: &Holders<'_>, selection: &Selection) -> Vec<Found> {
    let Some(heap) = holders.heap.go() else {
        return Vec::new();
    };
    let seen = seen(holders, heap);
    let found = leakscope_patterns::find(&seen, |pattern| selection.wants(pattern));
    found.into_iter().map(Found::of).collect()
}

fn seen<'a>(holders: &'a Holders<'_>, heap: &'a GoHeap) -> Seen<'a> {
    let groups = (0u32..).zip(&holders.groups.of);
    let goroutines: BTreeMap<u32, GroupIx> = groups
        .filter_map(|(i, owner)| Some((owner.runs?, GroupIx(i))))
        .collect();
    Seen {
        heap,
        tree: &holders.tree,
        groups: &holders.groups.roots,
        goroutines,
    }
}

/// What is remembered of maps for the captures that follow, and what the captures before, of the same process, say with it.
pub(super) fn over_time(
    holders: &Holders<'_>,
    earlier: &[&MapSizes],
) -> (MapSizes, Vec<FindingRow>) {
    let Some(heap) = holders.heap.go() else {
        return (MapSizes::default(), Vec::new());
    };
    let seen = seen(holders, heap);
    let sizes = MapSizes::of(&seen);
    let found = leakscope_patterns::growing(&seen, earlier, &sizes);
    let rows = found
        .into_iter()
        .map(|finding| row(holders, heap, Found::of(finding)));
    (sizes, rows.collect())
}

/// Takes those out that `selection` leaves out; how many these were.
pub(super) fn suppress(found: &mut Vec<Found>, selection: &Selection) -> u64 {
    let all = found.len();
    found.retain(|found| !selection.suppresses(found.print().as_deref()));
    (all - found.len()) as u64
}

/// How many meet a condition of `selection`.
pub(super) fn meet(found: &[Found], selection: &Selection) -> usize {
    let meets = |found: &&Found| {
        let Finding {
            pattern, verdict, ..
        } = found.finding;
        selection.meets(pattern, said(verdict), found.print().as_deref())
    };
    found.iter().filter(meets).count()
}

/// The first `most` of them as rows, and how many there are.
pub(super) fn told(
    holders: &Holders<'_>,
    selection: &Selection,
    mut found: Vec<Found>,
    most: Option<usize>,
) -> (Vec<FindingRow>, u64) {
    let count = found.len() as u64;
    found.truncate(most.unwrap_or(usize::MAX));
    let Some(heap) = holders.heap.go() else {
        return (Vec::new(), 0);
    };
    let rows = found.into_iter().map(|found| FindingRow {
        new: selection.is_new(found.print().as_deref()),
        ..row(holders, heap, found)
    });
    (rows.collect(), count)
}

fn said(verdict: Judged) -> FindingVerdict {
    match verdict {
        Judged::Leak => FindingVerdict::Leak,
        Judged::Waste => FindingVerdict::Waste,
        Judged::Suspect => FindingVerdict::Suspect,
        Judged::NeedsSecondCapture => FindingVerdict::NeedsSecondCapture,
    }
}

fn row(holders: &Holders<'_>, heap: &GoHeap, found: Found) -> FindingRow {
    let Found { finding, suspects } = found;
    let of = subject(holders, heap, &finding);
    let texts = |lines: &[String]| lines.iter().map(Text::new).collect();
    let print = finding.fingerprint.as_ref();
    FindingRow {
        pattern: finding.pattern.id.to_owned(),
        title: finding.pattern.page.title().to_owned(),
        verdict: said(finding.verdict),
        bytes: finding.bytes,
        confidence: match finding.confidence {
            Sure::Medium => Confidence::Medium,
            Sure::High => Confidence::High,
        },
        reasons: texts(&finding.reasons),
        fingerprint: print.map(|print| Text::new(print.to_string())),
        new: None,
        holder: of.holder,
        places: finding.places,
        address: of.address,
        type_: of.type_,
        site: of.site,
        evidence: finding
            .evidence
            .iter()
            .map(|evidence| EvidenceRow {
                what: Text::new(&evidence.what),
                value: Text::new(&evidence.value),
                address: evidence.at.map(Address),
            })
            .collect(),
        advice: Text::new(&finding.advice),
        change: texts(&finding.change),
        no_help: finding.no_help.to_owned(),
        suspects,
    }
}

/// What a finding is about, in words.
struct Told {
    holder: Text,
    address: Option<Address>,
    type_: Option<Text>,
    site: Option<Place>,
}

fn subject(holders: &Holders<'_>, heap: &GoHeap, finding: &Finding) -> Told {
    let nothing = Told {
        holder: Text::default(),
        address: None,
        type_: None,
        site: None,
    };
    let functions = heap.names.program().functions();
    match &finding.subject {
        Subject::Map(index) => {
            let Some(map) = heap.maps.get(*index) else {
                return nothing;
            };
            let points = finding.points.iter().copied().take(ALIKE);
            let held = HeldSet::of(&holders.tree, points);
            Told {
                holder: match finding.points.first() {
                    Some(point) if finding.places > 1 => holders.name_of_many(*point),
                    _ => Text::new(heap.map_owner(map)),
                },
                address: Some(Address(map.address.0)),
                type_: Some(Text::new(heap.names.type_name(map.type_).as_bytes())),
                site: of_held(holders, &held).into_iter().next().map(|s| s.place),
            }
        }
        Subject::Goroutines {
            indices,
            created_at,
        } => {
            let first = indices.first().and_then(|i| heap.goroutines.get(*i));
            let function = first.and_then(|g| functions.find(g.start_pc));
            let name = function.map_or("unknown", |f| f.name());
            let word = if indices.len() > 1 {
                "goroutines"
            } else {
                "a goroutine"
            };
            Told {
                holder: Text::new(format!("{word} of {name}")),
                site: created_by(heap, *created_at),
                ..nothing
            }
        }
        Subject::Array { object, place } => {
            let held = HeldSet::of(&holders.tree, [Node::Object(*object)]);
            Told {
                holder: match place {
                    Node::Object(_) if finding.places > 1 => holders.name_of_many(*place),
                    _ => holders.name(*place),
                },
                address: Some(holders.address(*object)),
                type_: Some(Text::new(
                    (heap.names.type_name(heap.graph.type_of(*object))).as_bytes(),
                )),
                site: of_held(holders, &held).into_iter().next().map(|s| s.place),
            }
        }
        Subject::Iterator {
            map, keeps, place, ..
        } => {
            let map = heap.maps.get(*map);
            let held = HeldSet::of(&holders.tree, [Node::Object(*keeps)]);
            Told {
                holder: match place {
                    Node::Object(_) if finding.places > 1 => holders.name_of_many(*place),
                    Node::Group(group, strength) if finding.places > 1 => {
                        let all = holders.groups.roots.parent(*group);
                        holders.name(Node::Group(all.unwrap_or(*group), *strength))
                    }
                    _ => holders.name(*place),
                },
                address: map.map(|map| Address(map.address.0)),
                type_: map.map(|map| Text::new(heap.names.type_name(map.type_).as_bytes())),
                site: of_held(holders, &held).into_iter().next().map(|s| s.place),
            }
        }
        Subject::Attached { object, code } => {
            let type_ = heap.names.type_name(heap.graph.type_of(*object));
            let what = match functions.find(*code) {
                Some(function) => format!("{type_} with the finalizer {}", function.name()),
                None => format!("{type_} with a cleanup"),
            };
            Told {
                holder: Text::new(what),
                address: Some(holders.address(*object)),
                type_: Some(Text::new(type_.as_bytes())),
                site: of_held(
                    holders,
                    &HeldSet::of(&holders.tree, [Node::Object(*object)]),
                )
                .into_iter()
                .next()
                .map(|s| s.place),
            }
        }
        Subject::Runner { called, .. } => {
            let name = functions.find(*called).map_or("unknown", |f| f.name());
            Told {
                holder: Text::new(format!("what waits behind {name}")),
                // The address is one inside the call; what looks up a site takes the one after it.
                site: created_by(heap, Addr(called.0.saturating_add(1))),
                ..nothing
            }
        }
    }
}
