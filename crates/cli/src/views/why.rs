//! The ways from roots to objects, in words.

use leakscope_go::keys::WithKeys;
use leakscope_graph::{
    ClassIx, Held, Node, ObjIx, Path, Resolver, Strength, TypePaths, freed_without,
};
use leakscope_report::{Amount, Document, PathRow, Question, Text, WhyDoc};
use leakscope_target::Image;

use super::head_of;
use super::suspects::Holders;
use crate::failure::Failure;
use crate::heap::AnyHeap;
use crate::read::Subject;

/// References at either end of a way that are spelled out.
pub(super) const ENDS: usize = 12;
/// Types at either end of a way that are told.
const TYPES: usize = 8;

/// What a question means in a heap.
enum Asked {
    Object(ObjIx),
    Map(ObjIx),
    Type(Vec<ObjIx>, String),
}

/// Why what `about` names is in memory; at most `limit` ways. Keys of maps are told where `values` are there to be read.
pub(crate) fn why(
    subject: &Subject,
    values: Option<&Image>,
    about: &str,
    limit: usize,
) -> Result<WhyDoc, Failure> {
    let heap = &subject.heap;
    let with_keys = (heap.go().zip(values)).map(|(heap, image)| WithKeys::new(heap, image));
    let with_keys = with_keys.as_ref();
    let holders = Holders::of(heap)?;
    let asked = ask(heap, about)?;
    let mut paths = TypePaths::new(heap.graph(), heap.reach(), heap.names());
    let mut doc = WhyDoc {
        head: head_of(Document::Why, subject),
        question: Question::Object,
        about: Text::default(),
        address: None,
        objects: Amount::default(),
        retained_bytes: 0,
        unreachable: Amount::default(),
        paths: Vec::new(),
        path_count: 0,
    };
    match asked {
        Asked::Object(object) => {
            doc.about = type_of(heap, object);
            doc.address = Some(holders.address(object));
            count(heap, &[object], &mut doc);
            doc.retained_bytes = holders.tree.retained(object);
            let ways = paths.distinct(object, limit);
            doc.path_count = ways.len() as u64;
            for way in ways {
                let names: &dyn Resolver = match with_keys {
                    Some(with_keys) => with_keys,
                    None => heap.names(),
                };
                doc.paths.push(PathRow {
                    path: Text::new(ended(
                        heap,
                        way.path.expression(heap.graph(), names),
                        object,
                    )),
                    example_path: None,
                    types: types(heap, &way.path, object),
                    count: way.alike,
                    bytes: heap.graph().size(object),
                    certain: certain(heap, &way.path),
                    example: holders.address(object),
                    fingerprint: fingerprint(&paths, way.class),
                });
            }
        }
        Asked::Map(head) => {
            doc.question = Question::Map;
            doc.about = type_of(heap, head);
            doc.address = Some(holders.address(head));
            let entries: Vec<ObjIx> = holders
                .tree
                .held_objects(Node::Object(head))
                .filter(|o| *o != head && !heap.names().is_internal(heap.graph().type_of(*o)))
                .collect();
            count(heap, &entries, &mut doc);
            doc.retained_bytes = holders.tree.retained(head);
            merged(&holders, &mut paths, with_keys, &entries, limit, &mut doc);
        }
        Asked::Type(objects, name) => {
            doc.question = Question::Type;
            doc.about = Text::new(name);
            count(heap, &objects, &mut doc);
            let mut asked = fixedbitset(heap, &objects);
            let freed = freed_without(heap.graph(), heap.reach(), |o| asked.contains(o.index()));
            asked.clear();
            doc.retained_bytes = freed.bytes;
            merged(&holders, &mut paths, with_keys, &objects, limit, &mut doc);
        }
    }
    Ok(doc)
}

fn fixedbitset(heap: &AnyHeap, objects: &[ObjIx]) -> fixedbitset::FixedBitSet {
    let mut set = fixedbitset::FixedBitSet::with_capacity(heap.graph().objects() as usize);
    set.extend(objects.iter().map(|o| o.index()));
    set
}

/// An address in hex, the name of a type, or the owner of a map.
fn ask(heap: &AnyHeap, about: &str) -> Result<Asked, Failure> {
    if let Some(digits) = about.strip_prefix("0x") {
        let found = u64::from_str_radix(digits, 16)
            .ok()
            .and_then(|at| heap.find(at));
        let (object, base) = found.ok_or_else(|| Failure::NoSuchObject {
            asked: about.to_owned(),
        })?;
        return Ok(if heap.is_map(object, base) {
            Asked::Map(object)
        } else {
            Asked::Object(object)
        });
    }
    let wanted: Vec<bool> = (0..heap.types())
        .map(|t| heap.names().type_name(leakscope_graph::TypeIx(t)) == about)
        .collect();
    let of_type = |o: &ObjIx| wanted.get(heap.graph().type_of(*o).index()) == Some(&true);
    let objects: Vec<ObjIx> = (0..heap.graph().objects())
        .map(ObjIx)
        .filter(of_type)
        .collect();
    if !objects.is_empty() {
        return Ok(Asked::Type(objects, about.to_owned()));
    }
    // A map without an owner is not meant by an empty name.
    let owned = (!about.is_empty()).then(|| heap.map_of(about)).flatten();
    owned.map(Asked::Map).ok_or_else(|| Failure::NoSuchObject {
        asked: about.to_owned(),
    })
}

fn type_of(heap: &AnyHeap, object: ObjIx) -> Text {
    Text::new(
        heap.names()
            .type_name(heap.graph().type_of(object))
            .as_bytes(),
    )
}

/// Counts the objects asked about.
fn count(heap: &AnyHeap, objects: &[ObjIx], doc: &mut WhyDoc) {
    for object in objects {
        let amount = if heap.reach().is_reached(*object) {
            &mut doc.objects
        } else {
            &mut doc.unreachable
        };
        amount.objects += 1;
        amount.bytes += heap.graph().size(*object);
    }
}

/// The ways to many objects, those of the same types and fields as one.
fn merged(
    holders: &Holders<'_>,
    paths: &mut TypePaths<'_>,
    with_keys: Option<&WithKeys<'_>>,
    objects: &[ObjIx],
    limit: usize,
    doc: &mut WhyDoc,
) {
    let heap = holders.heap;
    let merged = paths.merge(objects.iter().map(|o| (*o, heap.graph().size(*o))));
    doc.path_count = merged.paths.len() as u64;
    for way in merged.paths.iter().take(limit) {
        let Some(path) = Path::folded(heap.graph(), heap.reach(), way.example, ENDS, ENDS) else {
            continue;
        };
        let Held { objects, bytes } = way.sum;
        doc.paths.push(PathRow {
            path: Text::new(ended(heap, alike(heap, &path), way.example)),
            types: types(heap, &path, way.example),
            count: objects,
            bytes,
            certain: certain(heap, &path),
            example: holders.address(way.example),
            example_path: with_keys.map(|names| Text::new(path.expression(heap.graph(), names))),
            fingerprint: fingerprint(paths, way.class),
        });
    }
}

/// A way with every index left out: it stands for many.
pub(super) fn alike(heap: &AnyHeap, path: &Path) -> String {
    let mut text = heap.names().root_key(path.root).into_owned();
    for (i, step) in path.steps.iter().enumerate() {
        if path.omitted.is_some_and(|o| o.after == i) {
            text.push_str("[…]");
        }
        let type_ = heap.graph().type_of(step.holder);
        heap.names().push_field(type_, step.slot, &mut text);
    }
    text
}

/// A way with what it ends at, in Java's words: Go's expressions name the object itself.
fn ended(heap: &AnyHeap, mut way: String, object: ObjIx) -> String {
    if let AnyHeap::Jvm(heap) = heap {
        let name = heap.type_name(object);
        way.push_str(" -> ");
        way.push_str(name.rsplit('.').next().unwrap_or(&name));
    }
    way
}

/// Types on a way, its ends where it is long.
fn types(heap: &AnyHeap, path: &Path, object: ObjIx) -> Vec<Text> {
    let mut types: Vec<Text> = path
        .steps
        .iter()
        .filter(|s| !heap.names().is_internal(heap.graph().type_of(s.holder)))
        .map(|s| type_of(heap, s.holder))
        .collect();
    types.push(type_of(heap, object));
    types.dedup();
    if types.len() > 2 * TYPES {
        let tail = types.split_off(types.len() - TYPES);
        types.truncate(TYPES);
        types.push("…".into());
        types.extend(tail);
    }
    types
}

fn certain(heap: &AnyHeap, path: &Path) -> bool {
    heap.graph().root(path.root).strength == Strength::Strong
}

fn fingerprint(paths: &TypePaths<'_>, class: ClassIx) -> Option<Text> {
    let fingerprint = leakscope_graph::Fingerprint::of_text(paths.text(class));
    Some(Text::new(fingerprint.to_string()))
}
