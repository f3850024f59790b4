//! Threads of a dump: their objects, names, stacks, and what their frames hold.

use std::cell::{Cell, RefCell};

use leakscope_graph::Columns;
use rustc_hash::FxHashMap;

use crate::classes::{ClassTable, Field};
use crate::columns::Aside;
use crate::hprof::sub::{RawRoot, RootTag};
use crate::hprof::tables::Tables;
use crate::index::Index;
use crate::spelling::java_name;

/// Threads that are told; far more than any process has.
const MAX_THREADS: usize = 1 << 22;
/// Frames of all stacks that are told: each thread has a stack of its own, but a file may give the same to many.
const MAX_FRAMES: usize = 1 << 22;

/// A frame of a thread's stack.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Frame {
    /// Class and method, as in a stack trace: `com.acme.Cache.put`.
    pub method: String,
    /// Source file; empty where unknown.
    pub file: String,
    /// Line; 0 where unknown, negative where the method is native or not compiled with lines.
    pub line: i32,
}

/// A thread.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Thread {
    /// Its object, where that is in the dump.
    pub object: Option<u32>,
    /// What it is called; empty where that is not known.
    pub name: String,
    /// Its number (`Thread.threadId()`), where known.
    pub id: Option<u64>,
    /// Whether it is a virtual thread.
    pub is_virtual: bool,
    /// What it does, in Java's words: `RUNNABLE`, `WAITING`, `TIMED_WAITING`, ...
    pub state: Option<&'static str>,
    /// The object of the thread that runs it now, of a virtual thread that is mounted (`VirtualThread.carrierThread`).
    pub carrier: Option<u32>,
    /// The object that it is parked for, where it said so (`Thread.parkBlocker`).
    pub blocker: Option<u32>,
    /// Whether the dump lists it, with its stack. Else its object is all there is: it is not started, has ended, or is a
    /// virtual thread that is not mounted, of which JVMs before 22 write no stack (JDK-8299426).
    pub listed: bool,
    /// Its frames, innermost first.
    pub stack: Vec<Frame>,
    /// Serial number in the dump.
    pub(crate) serial: u32,
}

/// All threads that the dump names, and those that only its heap shows.
#[derive(Default)]
pub(crate) struct Threads {
    pub(crate) list: Vec<Thread>,
    by_serial: FxHashMap<u32, u32>,
}

/// What threads are made from.
pub(crate) struct Sources<'a> {
    pub(crate) classes: &'a ClassTable,
    pub(crate) tables: &'a Tables,
    pub(crate) index: &'a Index,
    pub(crate) columns: &'a Columns,
    pub(crate) aside: &'a Aside,
    /// The class that instances of a type are of, by type.
    pub(crate) class_of: &'a dyn Fn(u32) -> Option<u32>,
    /// Slots looked up so far, by class and field.
    pub(crate) slots: RefCell<FxHashMap<(u32, &'static str), Option<u32>>>,
    /// Frames told so far.
    pub(crate) frames: Cell<usize>,
}

impl Threads {
    /// Threads by the dump's roots, then those found in the heap only: all if the dump ends before its roots.
    pub(crate) fn read(roots: &[RawRoot], source: &Sources<'_>) -> Self {
        let mut threads = Self::default();
        let mut by_object: FxHashMap<u64, u32> = FxHashMap::default();
        for root in roots.iter().filter(|r| r.tag == RootTag::Thread) {
            let known = threads.by_serial.contains_key(&root.thread);
            if known || threads.list.len() >= MAX_THREADS {
                continue;
            }
            let next = threads.list.len() as u32;
            let at = *by_object.entry(root.object).or_insert(next);
            threads.by_serial.insert(root.thread, at);
            if at < next {
                continue;
            }
            let object = source.index.find(root.object);
            threads.list.push(Thread {
                listed: true,
                ..source.thread(object, root.thread, root.frame)
            });
        }
        threads
    }

    /// Threads whose objects are in the heap and that are not known yet: `objects` ascending.
    pub(crate) fn add_unlisted(&mut self, objects: &[u32], source: &Sources<'_>) {
        let mut listed: Vec<u32> = self.list.iter().filter_map(|t| t.object).collect();
        listed.sort_unstable();
        for object in objects {
            if listed.binary_search(object).is_err() && self.list.len() < MAX_THREADS {
                self.list.push(source.thread(Some(*object), 0, 0));
            }
        }
    }

    /// The thread of a serial number.
    pub(crate) fn of_serial(&self, serial: u32) -> Option<u32> {
        self.by_serial.get(&serial).copied()
    }
}

impl Sources<'_> {
    fn thread(&self, object: Option<u32>, serial: u32, trace: u32) -> Thread {
        let class = object.and_then(|o| self.class(o));
        let is_virtual = class.is_some_and(|c| self.classes.is_a(c, "java/lang/BaseVirtualThread"));
        let holder = object.and_then(|o| self.reference(o, "holder"));
        let status = |o: Option<u32>| o.and_then(|o| self.aside.value(o, Field::ThreadStatus));
        let state = if is_virtual {
            let state = object.and_then(|o| self.aside.value(o, Field::VirtualState));
            state.and_then(virtual_state)
        } else {
            status(object).or_else(|| status(holder)).map(state)
        };
        Thread {
            object,
            name: String::new(),
            id: object.and_then(|o| self.aside.value(o, Field::ThreadId)),
            is_virtual,
            state,
            carrier: object.and_then(|o| self.reference(o, "carrierThread")),
            blocker: object.and_then(|o| self.reference(o, "parkBlocker")),
            listed: false,
            stack: self.stack(trace),
            serial,
        }
    }

    fn stack(&self, trace: u32) -> Vec<Frame> {
        let left = MAX_FRAMES.saturating_sub(self.frames.get());
        let frames = self.tables.trace_frames(trace).take(left);
        let frames = frames.map(|frame| {
            let class = self.tables.class_of_serial(frame.class_serial);
            let class = class.map_or(String::new(), |c| java_name(&self.tables.class_name(c)));
            let method = self.tables.text(frame.method);
            Frame {
                method: if class.is_empty() {
                    method
                } else {
                    format!("{class}.{method}")
                },
                file: self.tables.text(frame.source),
                line: frame.line,
            }
        });
        let frames: Vec<Frame> = frames.collect();
        self.frames.set(self.frames.get() + frames.len());
        frames
    }

    /// The class of an object.
    pub(crate) fn class(&self, object: u32) -> Option<u32> {
        let type_ = self.columns.types.get(object as usize)?;
        (self.class_of)(type_.0)
    }

    /// Where the field `name` of an object leads.
    pub(crate) fn reference(&self, object: u32, name: &'static str) -> Option<u32> {
        let edge = self.edge(object, name)?;
        Some(self.columns.edge_to[edge].0)
    }

    /// The row of the reference in the field `name` of an object.
    pub(crate) fn edge(&self, object: u32, name: &'static str) -> Option<usize> {
        let class = self.class(object)?;
        let look = || self.classes.slot(class, name, self.tables);
        let slot = *(self.slots.borrow_mut().entry((class, name))).or_insert_with(look);
        let slot = slot?;
        self.row(object)
            .find(|e| self.columns.edge_slot[*e] == slot)
    }

    /// The rows of an object's references.
    pub(crate) fn row(&self, object: u32) -> std::ops::Range<usize> {
        let first = &self.columns.first_edge;
        first[object as usize] as usize..first[object as usize + 1] as usize
    }

    /// The array that holds the text of a thread's name.
    pub(crate) fn name_array(&self, thread: u32) -> Option<u32> {
        let name = self.reference(thread, "name")?;
        // Before JDK 9 the name was an array itself.
        Some(self.reference(name, "value").unwrap_or(name))
    }
}

/// `jdk.internal.misc.VM.toThreadState`, by the bits of JVMTI's `GetThreadState`.
fn state(status: u64) -> &'static str {
    match status {
        s if s & 0x4 != 0 => "RUNNABLE",
        s if s & 0x400 != 0 => "BLOCKED",
        s if s & 0x10 != 0 => "WAITING",
        s if s & 0x20 != 0 => "TIMED_WAITING",
        s if s & 0x2 != 0 => "TERMINATED",
        s if s & 0x1 == 0 => "NEW",
        _ => "RUNNABLE",
    }
}

/// States of `java.lang.VirtualThread` (its constants in JDK 21 to 25), as `Thread.getState` tells them.
fn virtual_state(state: u64) -> Option<&'static str> {
    const SUSPENDED: u64 = 1 << 8;
    Some(match state & 0xffff_ffff & !SUSPENDED {
        0 => "NEW",
        1..=3 | 6 | 9..=11 | 14 => "RUNNABLE",
        4 | 5 | 15 | 16 => "WAITING",
        7 | 8 | 17 | 18 => "TIMED_WAITING",
        12 | 13 => "BLOCKED",
        99 => "TERMINATED",
        _ => return None,
    })
}

/// The text in an array, as `String` stores it: one byte per character, or two in the byte order of the machine.
pub(crate) fn text(type_: u8, bytes: &[u8]) -> String {
    /// Type of `char`.
    const CHAR: u8 = 5;
    /// A name longer than this says nothing.
    const MAX_NAME: usize = 256;
    let pairs = |order: fn([u8; 2]) -> u16| -> String {
        let units = bytes.chunks_exact(2).map(|b| order([b[0], b[1]]));
        let units: Vec<u16> = units.take(MAX_NAME).collect();
        String::from_utf16_lossy(&units)
    };
    if type_ == CHAR {
        // Values of basic types are big-endian in a dump.
        return pairs(u16::from_be_bytes);
    }
    let zeros = bytes.iter().skip(1).step_by(2).filter(|b| **b == 0).count();
    if bytes.len() >= 2 && zeros * 2 >= bytes.len() / 2 {
        // Two bytes per character, of which half and more are Latin.
        return pairs(u16::from_le_bytes);
    }
    bytes
        .iter()
        .take(MAX_NAME)
        .map(|b| char::from(*b))
        .collect()
}
