//! Findings of one pattern that are held in the same way are one.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use leakscope_graph::{Fingerprint, Node, Resolver, TypePaths};
use leakscope_target::Addr;

use crate::finding::{Finding, Subject, Verdict};
use crate::seen::Seen;

/// Findings of fewer bytes are not told, unless they are leaks: an allocator's page or two is never why memory is short.
const LEAST_BYTES: u64 = 64 << 10;
/// All but a part in this many: what holds no more besides holds little else.
const MOST: u64 = 10;
/// Subjects whose way from the roots is looked for, those with most bytes first. What lies behind that many larger ones is
/// too small to matter, and a heap may have millions of maps.
const MOST_SUBJECTS: usize = 512;

/// Gives each finding its fingerprint and joins those that share one. Most bytes first.
pub(crate) fn join(seen: &Seen<'_>, mut found: Vec<Finding>) -> Vec<Finding> {
    // Stable: what is equal stays in the order of the catalogue, and of addresses.
    found.sort_by_key(|finding| Reverse(finding.bytes));
    found.truncate(MOST_SUBJECTS);
    if found.is_empty() {
        return found;
    }
    let heap = seen.heap;
    let mut paths = TypePaths::new(&heap.graph, &heap.reach, &heap.names);
    let mut joined: Vec<Finding> = Vec::new();
    let mut known: BTreeMap<Fingerprint, usize> = BTreeMap::new();
    for mut finding in found {
        let way = way(seen, &finding.subject, &mut paths);
        let id = finding.pattern.id;
        finding.fingerprint = way.map(|way| Fingerprint::of_text(format!("{id}\n{way}")));
        let first = (finding.fingerprint.as_ref())
            .and_then(|print| known.get(print))
            .and_then(|i| joined.get_mut(*i));
        // A leak and a doubt about one are two findings, even of the same code.
        if let Some(first) = first.filter(|first| first.verdict == finding.verdict) {
            first.bytes = first.bytes.saturating_add(finding.bytes);
            first.places += finding.places;
            first.confidence = first.confidence.min(finding.confidence);
            first.points.append(&mut finding.points);
        } else {
            if let Some(print) = &finding.fingerprint {
                known.insert(print.clone(), joined.len());
            }
            joined.push(finding);
        }
    }
    joined.retain(|f| f.bytes >= LEAST_BYTES || f.verdict == Verdict::Leak);
    for finding in &mut joined {
        add_around(seen, finding);
    }
    joined.sort_by_key(|finding| Reverse(finding.bytes));
    joined
}

/// Adds what holds little else than a finding's subject to its points: a suspect there is the same thing.
fn add_around(seen: &Seen<'_>, finding: &mut Finding) {
    let mut around = finding.points.first().copied();
    while let Some(node) = around.and_then(|node| seen.tree.parent(node)) {
        let held = seen.tree.held(node).bytes;
        if node == Node::Top || held.saturating_mul(MOST - 1) > finding.bytes.saturating_mul(MOST) {
            break;
        }
        finding.points.push(node);
        around = Some(node);
    }
}

/// How the subject is held, by names only.
fn way(seen: &Seen<'_>, subject: &Subject, paths: &mut TypePaths<'_>) -> Option<String> {
    match subject {
        Subject::Map(index) => {
            let object = seen.heap.maps.get(*index)?.object?;
            Some(paths.fingerprint(object)?.text().to_owned())
        }
        Subject::Iterator { within, keeps, .. } => {
            let object = within.unwrap_or(*keeps);
            Some(paths.fingerprint(object)?.text().to_owned())
        }
        Subject::Array { object, .. } => Some(paths.fingerprint(*object)?.text().to_owned()),
        Subject::Goroutines {
            indices,
            created_at,
        } => {
            // The call is in front of where it returns to.
            let functions = seen.heap.names.program().functions();
            let function = functions.find(Addr(created_at.0.checked_sub(1)?))?;
            let started = indices
                .first()
                .and_then(|i| seen.heap.goroutines.get(*i))
                .and_then(|g| functions.find(g.start_pc));
            let started = started.map_or("", |f| f.name());
            Some(format!("{}\ngo {started}", function.name()))
        }
        Subject::Attached { object, code } => {
            let type_ = seen.heap.graph.type_of(*object);
            let type_ = seen.heap.names.type_name(type_);
            Some(format!("{type_}\n{}", seen.function(*code)))
        }
        Subject::Runner { called, .. } => Some(seen.function(*called).to_owned()),
    }
}
