//! What holds what, as a profile: the ways from roots to objects are its stacks.

use leakscope_graph::{ClassIx, ObjIx, TypePaths};
use leakscope_report::{Amount, Pprof, Text};

use crate::failure::Failure;
use crate::heap::AnyHeap;
use crate::output;
use crate::read::Subject;

/// Ways that are told one by one, the largest first: all there are in common heaps, and a bound for hostile ones.
const MOST_WAYS: usize = 1 << 16;
/// The one frame of the ways beyond.
const BEYOND: &str = "(smaller ways)";
/// In place of frames left out of a very long way.
const OMITTED: &str = "…";

/// Every object that roots reach, by the way over which it was reached first, as a pprof profile: objects and shallow
/// bytes. Linear in objects; 8 bytes for each while it is made.
pub(crate) fn profile(subject: &Subject) -> Result<Vec<u8>, Failure> {
    let heap = &subject.heap;
    let taken_at: Option<jiff::Timestamp> =
        (subject.capture.taken_at.as_ref()).and_then(|at| at.parse().ok());
    let taken_at = taken_at.and_then(|at| i64::try_from(at.as_nanosecond()).ok());
    let target = &subject.target;
    let program = target.executable.as_ref().or(target.name.as_ref());
    let mut profile = Pprof::new(
        program.unwrap_or(&Text::default()),
        taken_at,
        &["Stacks are what holds objects: the leaf is their type, the outermost frame a root."],
    );
    let mut paths = TypePaths::new(heap.graph(), heap.reach(), heap.names());
    let objects = (0..heap.graph().objects()).map(ObjIx);
    let merged = paths.merge(objects.map(|o| (o, heap.graph().size(o))));
    let (told, beyond) = merged.paths.split_at(merged.paths.len().min(MOST_WAYS));
    for way in told {
        let amount = Amount {
            objects: way.sum.objects,
            bytes: way.sum.bytes,
        };
        profile.add(&frames(heap, &paths, way.class), amount);
    }
    if !beyond.is_empty() {
        let amount = Amount {
            objects: beyond.iter().map(|way| way.sum.objects).sum(),
            bytes: beyond.iter().map(|way| way.sum.bytes).sum(),
        };
        profile.add(&[Text::new(BEYOND)], amount);
    }
    profile.to_gzip().map_err(output::unwritable)
}

/// The leaf's type, then each holder's type and field, then the root. Machinery of collections is part of the head's frame.
fn frames(heap: &AnyHeap, paths: &TypePaths<'_>, class: ClassIx) -> Vec<Text> {
    let path = paths.type_path(class);
    let mut frames = Vec::with_capacity(path.steps.len() + 2);
    let mut frame = heap.names().root_key(path.root).into_owned();
    for (i, step) in path.steps.iter().enumerate() {
        if !heap.names().is_internal(step.holder) {
            close(&mut frame, &mut frames);
            if path.omitted && i + 1 == path.steps.len() {
                frames.push(OMITTED.into());
            }
            frame.push_str(&heap.names().type_name(step.holder));
        }
        heap.names().push_field(step.holder, step.slot, &mut frame);
    }
    close(&mut frame, &mut frames);
    frames.push(Text::new(heap.names().type_name(path.type_).as_bytes()));
    frames.reverse();
    frames
}

fn close(frame: &mut String, frames: &mut Vec<Text>) {
    if !frame.is_empty() {
        frames.push(Text::new(&frame));
        frame.clear();
    }
}
