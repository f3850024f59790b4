//! Threads of a JVM in words: each one, and groups that do the same.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use leakscope_graph::{GroupIx, Node, ObjIx, RootIx, Strength};
use leakscope_jvm::{Frame, Group, JvmHeap, Thread, ThreadRoot};
use leakscope_report::{
    Address, Document, FrameRow, Gap, LocalRow, RootKind, Text, ThreadGroup, ThreadKind,
    ThreadLocalRow, ThreadRow, ThreadsDoc,
};

use super::head_of;
use super::suspects::Holders;
use crate::failure::Failure;
use crate::heap::AnyHeap;
use crate::read::Subject;

/// What a dump has in place of a line where the method is native (HPROF, `STACK FRAME`).
const NATIVE: i32 = -3;

/// The threads, groups by what they hold. `limit` cuts the groups only.
pub(crate) fn threads(subject: &Subject, limit: Option<usize>) -> Result<ThreadsDoc, Failure> {
    let AnyHeap::Jvm(heap) = &subject.heap else {
        return Err(Failure::NotOfJvm);
    };
    let holders = Holders::of(&subject.heap)?;
    let found = Found::of(heap, &holders);
    let listed: Vec<u32> = (0..heap.threads.len() as u32)
        .filter(|at| found.is_there(*at))
        .collect();
    let rows: Vec<ThreadRow> = listed.iter().map(|at| found.row(*at)).collect();
    let mut groups = groups(heap, &listed, &rows);
    groups.truncate(limit.unwrap_or(usize::MAX));
    let of_kind = |kind| rows.iter().filter(|r| r.kind == kind).count() as u64;
    let mounted = of_kind(ThreadKind::Mounted);
    let mut head = head_of(Document::Threads, subject);
    let without_stack = rows.iter().filter(|row| !row.stack_known).count() as u64;
    let unmounted = |row: &&ThreadRow| row.kind == ThreadKind::Unmounted && !row.stack_known;
    let unmounted = rows.iter().filter(unmounted).count() as u64;
    if unmounted > 0 {
        head.coverage.gaps.push(Gap {
            reason: "virtual threads without a stack: JVMs before 22 write none of those that wait"
                .into(),
            count: unmounted,
            examples: Vec::new(),
        });
    }
    Ok(ThreadsDoc {
        head,
        count: rows.len() as u64,
        virtual_count: mounted + of_kind(ThreadKind::Unmounted),
        mounted_count: mounted,
        without_stack,
        groups,
        threads: rows,
    })
}

/// What roots say about threads.
struct Found<'a> {
    heap: &'a JvmHeap,
    holders: &'a Holders<'a>,
    /// Groups of roots by thread: its own, and one for each of its thread locals.
    groups: BTreeMap<u32, Vec<GroupIx>>,
    /// Objects in frames: thread, frame, object.
    frames: BTreeMap<(u32, u32), Vec<ObjIx>>,
    /// Values of thread locals by thread.
    locals: BTreeMap<u32, Vec<(String, ObjIx)>>,
}

impl<'a> Found<'a> {
    fn of(heap: &'a JvmHeap, holders: &'a Holders<'a>) -> Self {
        let mut found = Self {
            heap,
            holders,
            groups: BTreeMap::new(),
            frames: BTreeMap::new(),
            locals: BTreeMap::new(),
        };
        for (at, owner) in (0u32..).zip(&holders.groups.of) {
            if let Some(thread) = owner.runs
                && matches!(owner.kind, RootKind::Threads | RootKind::ThreadLocal)
            {
                found.groups.entry(thread).or_default().push(GroupIx(at));
            }
        }
        for (at, root) in (0u32..).zip(heap.graph.roots()) {
            match heap.names.of_thread(RootIx(at)) {
                Some((thread, ThreadRoot::Frame(frame))) => {
                    let objects = found.frames.entry((thread, frame)).or_default();
                    objects.push(root.to);
                }
                Some((thread, ThreadRoot::Local(name))) => {
                    let values = found.locals.entry(thread).or_default();
                    values.push((name.to_owned(), root.to));
                }
                Some((_, ThreadRoot::Own)) | None => {}
            }
        }
        found
    }

    /// Whether a thread is more than an object that waits for the collector.
    fn is_there(&self, at: u32) -> bool {
        let thread = &self.heap.threads[at as usize];
        thread.listed
            || thread
                .object
                .is_some_and(|o| self.heap.reach.is_reached(ObjIx(o)))
    }

    fn row(&self, at: u32) -> ThreadRow {
        let heap = self.heap;
        let thread = &heap.threads[at as usize];
        let object = thread.object.map(ObjIx);
        let type_ = |o: ObjIx| Text::new(heap.type_name(o).as_bytes());
        let held = |group: &GroupIx| {
            let held = |strength| self.holders.tree.held(Node::Group(*group, strength)).bytes;
            held(Strength::Strong).saturating_add(held(Strength::Conservative))
        };
        let groups = self.groups.get(&at).into_iter().flatten();
        let mut retained: u64 = groups.map(held).fold(0, u64::saturating_add);
        if !thread.listed {
            // Nothing but its object is there to hold anything.
            retained = object.map_or(0, |o| self.holders.tree.retained(o));
        }
        let stack = (0u32..)
            .zip(&thread.stack)
            .map(|(depth, frame)| FrameRow {
                locals: self.locals(at, self.frames.get(&(at, depth))),
                ..place(frame)
            })
            .collect();
        let values = self.locals.get(&at).into_iter().flatten();
        let mut thread_locals: Vec<ThreadLocalRow> = values
            .map(|(name, value)| ThreadLocalRow {
                name: Text::new(name),
                value: self.local(at, *value),
            })
            .collect();
        thread_locals.sort_by(|a, b| {
            let order = |row: &ThreadLocalRow| Reverse(row.value.retained_bytes);
            order(a).cmp(&order(b)).then_with(|| a.cmp(b))
        });
        ThreadRow {
            name: (!thread.name.is_empty()).then(|| Text::new(&thread.name)),
            id: thread.id,
            kind: kind(thread),
            address: object.map(|o| Address(heap.address(o))),
            type_: object.map(type_),
            carrier: thread.carrier.and_then(|carrier| self.name_of(carrier)),
            state: thread.state.map(Text::from),
            waits_for: thread.blocker.map(|o| type_(ObjIx(o))),
            retained_bytes: retained,
            stack_known: thread.listed,
            stack,
            thread_locals,
        }
    }

    /// The name of the thread whose object this is.
    fn name_of(&self, object: u32) -> Option<Text> {
        let mut threads = self.heap.threads.iter();
        let thread = threads.find(|t| t.object == Some(object))?;
        (!thread.name.is_empty()).then(|| Text::new(&thread.name))
    }

    fn locals(&self, thread: u32, objects: Option<&Vec<ObjIx>>) -> Vec<LocalRow> {
        let mut objects = objects.cloned().unwrap_or_default();
        objects.sort_unstable();
        objects.dedup();
        let mut rows: Vec<LocalRow> = objects.iter().map(|o| self.local(thread, *o)).collect();
        // Stable: equal ones stay in the order of their addresses.
        rows.sort_by_key(|row| Reverse(row.retained_bytes));
        rows
    }

    fn local(&self, thread: u32, object: ObjIx) -> LocalRow {
        let own = self.groups.get(&thread);
        LocalRow {
            type_: Text::new(self.heap.type_name(object).as_bytes()),
            address: Address(self.heap.address(object)),
            retained_bytes: self.holders.tree.retained(object),
            only_here: own.is_some_and(|groups| {
                let holds = |group: &GroupIx| {
                    let group = Node::Group(*group, Strength::Strong);
                    self.holders.tree.holds(group, Node::Object(object))
                };
                groups.iter().any(holds)
            }),
        }
    }
}

fn kind(thread: &Thread) -> ThreadKind {
    match (thread.is_virtual, thread.carrier) {
        (false, _) => ThreadKind::Platform,
        (true, Some(_)) => ThreadKind::Mounted,
        (true, None) => ThreadKind::Unmounted,
    }
}

fn place(frame: &Frame) -> FrameRow {
    FrameRow {
        method: Text::new(&frame.method),
        file: (!frame.file.is_empty()).then(|| Text::new(&frame.file)),
        line: u32::try_from(frame.line).ok().filter(|line| *line > 0),
        native: frame.line == NATIVE,
        locals: Vec::new(),
    }
}

/// What threads of a group have in common: name, kind, state, stack.
type Alike<'a> = (String, ThreadKind, Option<&'a str>, Vec<FrameRow>);

/// Threads whose names differ by numbers only and that do the same: those that hold most first.
fn groups(heap: &JvmHeap, listed: &[u32], rows: &[ThreadRow]) -> Vec<ThreadGroup> {
    let mut groups: BTreeMap<Alike<'_>, ThreadGroup> = BTreeMap::new();
    for (number, (at, row)) in listed.iter().zip(rows).enumerate() {
        let thread = &heap.threads[*at as usize];
        let name = heap.names.group_key(&Group::Thread(*at));
        let stack = thread.stack.iter().map(place).collect();
        let key = (name.clone(), row.kind, thread.state, stack);
        let group = groups.entry(key).or_insert_with(|| ThreadGroup {
            name: Text::new(&name),
            count: 0,
            kind: row.kind,
            state: row.state.clone(),
            retained_bytes: 0,
            example: number as u64,
        });
        group.count += 1;
        group.retained_bytes = group.retained_bytes.saturating_add(row.retained_bytes);
        let most = rows.get(group.example as usize);
        if most.is_some_and(|most| most.retained_bytes < row.retained_bytes) {
            group.example = number as u64;
        }
    }
    let mut groups: Vec<ThreadGroup> = groups.into_values().collect();
    // Stable: what is equal stays in the order of the names and stacks.
    groups.sort_by_key(|g| Reverse((g.retained_bytes, g.count)));
    groups
}
