//! GO-PINNED-BACKING: see the page.

use std::collections::BTreeMap;

use leakscope_go::backing::Backing;
use leakscope_graph::{Node, ObjIx, Resolver};

use crate::Pattern;
use crate::finding::{Confidence, Evidence, Finding, Subject, Verdict};
use crate::page::Page;
use crate::seen::Seen;

pub(crate) const PATTERN: Pattern = Pattern {
    id: "GO-PINNED-BACKING",
    page: Page::of(include_str!("../../../docs/patterns/GO-PINNED-BACKING.md")),
    find,
};

/// In which way an array is larger than what is used of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// Nobody can ever see the rest of it again.
    Cut,
    /// A slice could be made longer.
    Spare,
    /// Elements that nobody can ever see again hold more than the array.
    CutElements,
    /// Elements behind the end of a slice, which could be made longer, hold more than the array.
    SpareElements,
}

/// Arrays held in one place and too large in the same way.
struct Pinned<'a> {
    bytes: u64,
    /// Of these, in what elements hold.
    held: u64,
    arrays: Vec<ObjIx>,
    /// That of most bytes.
    largest: (u64, &'a Backing),
}

fn find(seen: &Seen<'_>, out: &mut Vec<Finding>) {
    let least = seen.small_waste();
    let mut places = Places::new(seen, least);
    let mut found: BTreeMap<(Node, Way), Pinned<'_>> = BTreeMap::new();
    for backing in &seen.heap.backings {
        let (way, bytes, held) = lost(seen, backing);
        if bytes == 0 {
            continue;
        }
        let Some(place) = places.of(backing.object) else {
            continue;
        };
        let pinned = found.entry((place, way)).or_insert(Pinned {
            bytes: 0,
            held: 0,
            arrays: Vec::new(),
            largest: (0, backing),
        });
        pinned.bytes = pinned.bytes.saturating_add(bytes);
        pinned.held = pinned.held.saturating_add(held);
        pinned.arrays.push(backing.object);
        if bytes > pinned.largest.0 {
            pinned.largest = (bytes, backing);
        }
    }
    // Places of one type are often parts of one: tables of a map, nodes of a list.
    let alike = |place: &Node, way: Way| match place {
        Node::Object(object) => (Some(seen.heap.graph.type_of(*object)), None, way),
        other => (None, Some(*other), way),
    };
    let mut sums = BTreeMap::new();
    for ((place, way), pinned) in &found {
        *sums.entry(alike(place, *way)).or_insert(0u64) += pinned.bytes;
    }
    found.retain(|(place, way), _| {
        sums.get(&alike(place, *way))
            .is_some_and(|sum| *sum >= least)
    });
    out.extend(
        found
            .into_iter()
            .map(|((place, way), pinned)| finding(seen, place, way, pinned)),
    );
}

/// What following the advice gives back of an array, in which way it is lost, and how much of it lies in what elements hold.
fn lost(seen: &Seen<'_>, backing: &Backing) -> (Way, u64, u64) {
    let size = seen.heap.graph.size(backing.object);
    let array = Node::Object(backing.object);
    let alone = |object: &&ObjIx| seen.tree.holder(**object) == Some(array);
    let held = backing
        .forgotten
        .iter()
        .filter(alone)
        .map(|object| seen.tree.retained(*object))
        .fold(0, u64::saturating_add);
    let unused = size.saturating_sub(backing.used);
    let spare = backing.spare.saturating_mul(2) >= unused;
    let own = match (spare, backing.longest.len) {
        // An empty slice with room is a buffer between two uses.
        (true, 0) => 0,
        _ if backing.used.saturating_mul(2) > size => 0,
        _ => size.saturating_sub(backing.copies),
    };
    let way = match (spare, held > own) {
        (false, false) => Way::Cut,
        (true, false) => Way::Spare,
        (false, true) => Way::CutElements,
        (true, true) => Way::SpareElements,
    };
    (way, own.saturating_add(held), held)
}

/// Who holds arrays, as seen from afar: what holds much.
struct Places<'a> {
    seen: &'a Seen<'a>,
    least: u64,
    known: BTreeMap<Node, Option<Node>>,
}

impl<'a> Places<'a> {
    fn new(seen: &'a Seen<'a>, least: u64) -> Self {
        Self {
            seen,
            least,
            known: BTreeMap::new(),
        }
    }

    /// The nearest holder that holds enough to be told, and is not a part of something; `None` where only all roots together
    /// do.
    fn of(&mut self, object: ObjIx) -> Option<Node> {
        let mut passed = Vec::new();
        let mut node = Node::Object(object);
        let place = loop {
            if let Some(known) = self.known.get(&node) {
                break *known;
            }
            passed.push(node);
            let above = self.seen.tree.parent(node).filter(|n| *n != Node::Top);
            let enough = self.seen.tree.held(node).bytes >= self.least;
            match above {
                Some(above) if !enough || self.is_part(node, above) => node = above,
                _ => break enough.then_some(node),
            }
        };
        for node in passed {
            self.known.insert(node, place);
        }
        place
    }

    /// Whether a node is the inside of a collection, or in a list or tree with the one above it.
    fn is_part(&self, node: Node, above: Node) -> bool {
        let type_of = |node| match node {
            Node::Object(object) => Some(self.seen.heap.graph.type_of(object)),
            _ => None,
        };
        let Some(type_) = type_of(node) else {
            return false;
        };
        self.seen.heap.names.is_internal(type_) || type_of(above) == Some(type_)
    }
}

fn finding(seen: &Seen<'_>, place: Node, way: Way, pinned: Pinned<'_>) -> Finding {
    let heap = seen.heap;
    let Pinned {
        bytes,
        held,
        arrays,
        largest: (_, largest),
    } = pinned;
    let count = arrays.len() as u64;
    let type_ = heap.names.type_name(heap.graph.type_of(largest.object));
    let mut evidence = vec![
        Evidence::new(
            "type of the largest",
            type_,
            Some(heap.objects.base(largest.object.0).0),
        ),
        Evidence::new("its bytes", heap.graph.size(largest.object), None),
        Evidence::new("its bytes that are seen", largest.used, None),
        Evidence::new(
            "slices and strings that see different parts of it",
            largest.pieces,
            None,
        ),
        Evidence::new(
            "bytes of its longest slice or string",
            largest.longest.len,
            Some(largest.longest.header.0),
        ),
    ];
    if held > 0 {
        evidence.push(Evidence::new(
            "bytes that elements nobody sees hold alone",
            held,
            None,
        ));
    }
    let spare = matches!(way, Way::Spare | Way::SpareElements);
    let reach = if spare {
        "a slice has room for more: a buffer that is filled again looks the same now, and later does not"
    } else {
        "no slice can be made longer to see the rest: nobody will ever read it again"
    };
    let (advice, change): (_, &[&str]) = match way {
        Way::Cut => (
            "copy the part that is kept: strings.Clone, bytes.Clone, slices.Clone. Do it where it is stored",
            &[
                "-   seen[line[:n]] = true",
                "+   seen[strings.Clone(line[:n])] = true",
            ],
        ),
        Way::Spare => (
            "make slices as long as they get, or copy what is kept once it is complete",
            &[
                "-   kept = append(kept, buf[:n])",
                "+   kept = append(kept, slices.Clone(buf[:n]))",
            ],
        ),
        Way::CutElements => (
            "clear elements before a slice moves past them, or move what is left to the front",
            &["+   queue[0] = nil", "    queue = queue[1:]"],
        ),
        Way::SpareElements => (
            "clear elements before a slice is made shorter",
            &["+   clear(stack[n:])", "    stack = stack[:n]"],
        ),
    };
    let mut points = vec![place];
    points.extend(arrays.into_iter().map(Node::Object).filter(|n| *n != place));
    Finding {
        pattern: &PATTERN,
        verdict: if spare {
            Verdict::NeedsSecondCapture
        } else {
            Verdict::Waste
        },
        bytes,
        confidence: if spare {
            Confidence::Medium
        } else {
            Confidence::High
        },
        reasons: vec![
            "nothing leads to these arrays but slices and strings that see a part of them, and the collector keeps an array whole"
                .to_owned(),
            reach.to_owned(),
        ],
        subject: Subject::Array {
            object: largest.object,
            place,
        },
        places: count,
        points,
        evidence,
        advice: advice.to_owned(),
        change: change.iter().map(|line| (*line).to_owned()).collect(),
        no_help: "a third index (s[:n:n]) does not help: it takes the room from the slice and leaves it in the array; nor does runtime.GC",
        fingerprint: None,
    }
}
