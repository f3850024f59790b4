//! Whether a place in a JVM's heap looks like a leak or is only large, and why: what one dump can tell.
//!
//! Nothing here is a proof: growth takes two dumps. A place is a suspect where something that takes whatever is added holds
//! many parts and nothing in the dump bounds it. Whatever has a bound, cannot grow, or cannot be told is called big.

use leakscope_graph::{GroupIx, Node, ObjIx};
use leakscope_jvm::{Bound, JvmHeap, Shape};
use leakscope_report::{RootKind, Verdict, count, things};

use super::suspects::Holders;

/// Entries from which on a collection is one where many things accumulate: below, each is worth a look of its own.
const MANY: u64 = 32;
/// Sharpness from which on it is so too.
const SHARP: f64 = 0.5;
/// References up from an array or structure to the cache of a library that it is a part of.
const PARTS: usize = 4;
/// Threads from which on a value in each says something about their pool.
const POOL: usize = 2;
/// Methods in which threads of pools wait for work. Sources: `java.util.concurrent` (JDK 8 to 25), Tomcat 10, Jetty 12.
const IDLE: &[&str] = &[
    "java.util.concurrent.ThreadPoolExecutor.getTask",
    "java.util.concurrent.ForkJoinPool.awaitWork",
    "org.apache.tomcat.util.threads.ThreadPoolExecutor.getTask",
    "org.eclipse.jetty.util.thread.QueuedThreadPool$Runner.idleJobPoll",
];

/// What is said of `point`, which has so many entries that are spread so evenly.
pub(super) fn judge(
    holders: &Holders<'_>,
    heap: &JvmHeap,
    point: Node,
    entries: u64,
    sharpness: f64,
) -> (Verdict, String) {
    let big = |why: &str| (Verdict::Big, why.to_owned());
    match point {
        Node::Top => big("no one holds these alone: diff of two dumps tells whether they grow"),
        Node::Group(group, _) => of_group(holders, heap, group),
        Node::Object(_) if entries < MANY || sharpness < SHARP => {
            big("few parts, or one large one")
        }
        Node::Object(object) => of_shape(evidence(holders, heap, object)),
    }
}

fn of_group(holders: &Holders<'_>, heap: &JvmHeap, group: GroupIx) -> (Verdict, String) {
    let big = |why: &str| (Verdict::Big, why.to_owned());
    match holders.groups.get(group).map(|owner| owner.kind) {
        Some(RootKind::ThreadLocal) => of_thread_local(holders, heap, group),
        Some(RootKind::Threads) => big("locals of threads: free when their methods return"),
        Some(RootKind::Runtime) => big("held by the JVM itself or by native code"),
        _ => big("one dump does not tell whether it grows"),
    }
}

/// A value that threads keep although they wait for work was not taken back when the work before was done.
fn of_thread_local(holders: &Holders<'_>, heap: &JvmHeap, group: GroupIx) -> (Verdict, String) {
    let groups = (0u32..).zip(&holders.groups.of);
    let threads = groups.filter_map(|(at, owner)| {
        let at = GroupIx(at);
        let own = at == group || holders.groups.roots.parent(at) == Some(group);
        heap.threads.get(owner.runs.filter(|_| own)? as usize)
    });
    let threads: Vec<_> = threads.collect();
    let idle = threads.iter().filter(|thread| {
        let mut frames = thread.stack.iter();
        frames.any(|frame| IDLE.contains(&frame.method.as_str()))
    });
    let idle = idle.count();
    if threads.len() >= POOL && idle * 2 >= threads.len() {
        let kept = things(threads.len() as u64, "thread");
        let why =
            format!("kept by {kept}, of which {idle} wait for work: nothing removed it after use");
        return (Verdict::Suspect, why);
    }
    let why = "a thread keeps it: one dump does not tell whether it is in use";
    (Verdict::Big, why.to_owned())
}

/// The shape that says most about what accumulates in `object`.
fn evidence(holders: &Holders<'_>, heap: &JvmHeap, object: ObjIx) -> Option<Shape> {
    let own = heap.shape(object);
    if heap.collection(object).is_some() || heap.bound(object).is_some() {
        return own;
    }
    let mut at = object;
    for _ in 0..PARTS {
        let Some(Node::Object(above)) = holders.tree.holder(at) else {
            break;
        };
        if let Some(bound) = heap.bound(above) {
            return Some(Shape::Bounded(bound));
        }
        if heap.collection(above).is_some() {
            // It holds this structure, which is not a part of it.
            break;
        }
        at = above;
    }
    own
}

fn of_shape(shape: Option<Shape>) -> (Verdict, String) {
    let (verdict, why) = match shape {
        Some(Shape::Bounded(bound)) => (Verdict::Big, of_bound(bound)),
        Some(Shape::Exact { len }) => (
            Verdict::Big,
            format!(
                "a list with room for exactly its {} entries: made for as many, not grown",
                count(len)
            ),
        ),
        Some(Shape::FullArray { places }) => (
            Verdict::Big,
            format!(
                "an array with all {} places in use: it cannot grow",
                count(places)
            ),
        ),
        Some(Shape::Growing { len, room }) => {
            let room = match room {
                0 => ", each in a node of its own".to_owned(),
                room => format!(", room for {}", count(room)),
            };
            (
                Verdict::Suspect,
                format!("nothing in it bounds it: {} entries{room}", count(len)),
            )
        }
        Some(Shape::Array {
            used,
            places,
            doubling: true,
        }) => (
            Verdict::Suspect,
            format!(
                "an array as of a table that doubles: {} of {} places in use",
                count(used),
                count(places)
            ),
        ),
        Some(Shape::Array { used, places, .. }) => (
            Verdict::Big,
            format!(
                "an array, {} of {} places in use: one dump does not tell whether they fill up",
                count(used),
                count(places)
            ),
        ),
        None => (
            Verdict::Big,
            "a structure of its own: one dump does not tell whether it grows".to_owned(),
        ),
    };
    (verdict, why)
}

fn of_bound(bound: Bound) -> String {
    match bound {
        Bound::Immutable => "it cannot grow: its class has no way to add to it".to_owned(),
        Bound::OwnArray => "it cannot grow: its array was made once".to_owned(),
        Bound::Limit(most) => format!("it has a limit of its own: {}", count(most)),
        Bound::DropsEldest => {
            "a cache in the order of use, as those are that drop the least used".to_owned()
        }
        Bound::MayDropEldest => {
            "its class can drop the eldest entry; one dump does not tell whether it does".to_owned()
        }
        Bound::Evicts => "a cache of a library that drops entries".to_owned(),
    }
}
