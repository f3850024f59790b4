//! What blocked goroutines wait for, read before the captured bytes are given back.

use leakscope_graph::ObjIx;
use leakscope_target::{Addr, Image, Memory, Thread};
use rustc_hash::FxHashMap;

use super::Awaited;
use super::frames::{Innermost, StackRoots};
use super::reasons::{self, Wait};
use crate::goroutines::Goroutine;
use crate::layouts::{Field, Layouts};
use crate::objects::Objects;
use crate::program::Program;
use crate::roots::Roots;
use crate::threads::stack_of;

/// Most cases of one `select` (select.go, `selectgo`: the array of cases is of this size).
const MAX_CASES: usize = 1 << 16;
/// Most threads looked at: the runtime refuses to make more than 10,000 unless told otherwise.
const MAX_THREADS: usize = 1 << 16;

/// How a goroutine stands before anything is marked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Standing {
    /// Its stack is a root.
    Free,
    /// As above, because what it waits for could not be found out.
    Unclear,
    /// Blocked, and only what it waits for can free it.
    Blocked,
    /// Blocked on nothing, for good.
    Stuck,
    /// As above, but the runtime does not report it.
    StuckMain,
}

/// What every blocked goroutine waits for, and which references to that do not count.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waits {
    pub(super) standing: Vec<Standing>,
    pub(super) first_awaited: Vec<u32>,
    pub(super) awaited: Vec<Awaited>,
    /// References that do not count: the word of the object, ascending.
    pub(super) hidden: Vec<(ObjIx, u32)>,
    pub(super) idle: Vec<i32>,
}

/// Where waits are read from.
#[derive(Clone, Copy)]
pub(crate) struct WaitSource<'a> {
    /// The target's bytes.
    pub(crate) image: &'a Image,
    /// The program in it.
    pub(crate) program: &'a Program,
    /// Its runtime's layouts.
    pub(crate) layouts: &'a Layouts,
    /// Its objects.
    pub(crate) objects: &'a Objects,
    /// Its roots and goroutines.
    pub(crate) roots: &'a Roots,
    /// Its threads, as captured.
    pub(crate) threads: &'a [Thread],
}

/// What could be found out about one goroutine's wait.
enum Found {
    /// These are what it waits for.
    All,
    /// It is being woken.
    Waking,
    /// Something is not as it should be.
    Unclear,
}

impl Waits {
    /// Reads the wait queues. A goroutine whose own cannot be made sense of counts as able to run.
    pub(crate) fn read(source: WaitSource<'_>) -> Self {
        let goroutines = &source.roots.goroutines;
        let reasons = reasons::by_number(goroutines);
        let wait_of = |g: &Goroutine| *reasons.get(usize::from(g.wait_reason?))?;
        let mut waits = Self {
            standing: Vec::with_capacity(goroutines.len()),
            first_awaited: Vec::with_capacity(goroutines.len() + 1),
            ..Self::default()
        };
        let mut reader = None;
        for (index, goroutine) in (0u32..).zip(goroutines.iter()) {
            waits.first_awaited.push(waits.awaited.len() as u32);
            let standing = match wait_of(goroutine) {
                None => Standing::Free,
                Some(Wait::Nothing) if reasons::is_parked_main(goroutines, goroutine) => {
                    Standing::StuckMain
                }
                Some(Wait::Nothing) => Standing::Stuck,
                Some(wait) => {
                    let reader = reader.get_or_insert_with(|| Reader::new(source));
                    reader.standing(&mut waits, index, goroutine, wait)
                }
            };
            waits.standing.push(standing);
        }
        waits.first_awaited.push(waits.awaited.len() as u32);
        waits.hidden.sort_unstable();
        if waits.standing.contains(&Standing::Blocked) {
            waits.idle = idle_threads(source);
        }
        waits
    }

    /// By goroutine.
    pub(super) fn standing(&self) -> &[Standing] {
        &self.standing
    }

    /// What this goroutine waits for.
    pub(super) fn awaited(&self, goroutine: usize) -> &[Awaited] {
        let bounds = self.first_awaited.get(goroutine..goroutine + 2);
        bounds
            .and_then(|b| self.awaited.get(b[0] as usize..b[1] as usize))
            .unwrap_or_default()
    }

    /// References that do not count: the word of the object, ascending.
    pub(super) fn hidden(&self) -> &[(ObjIx, u32)] {
        &self.hidden
    }

    /// Whether the system stack of this thread holds nothing that counts.
    pub(super) fn is_idle(&self, tid: i32) -> bool {
        self.idle.binary_search(&tid).is_ok()
    }

    pub(super) fn into_awaited(self) -> (Vec<u32>, Vec<Awaited>) {
        (self.first_awaited, self.awaited)
    }
}

struct Reader<'a> {
    source: WaitSource<'a>,
    stack_roots: StackRoots<'a>,
    /// Lists of waiters of condition variables, by the entry of each goroutine in them.
    conds: FxHashMap<Addr, Addr>,
    /// How many more entries of queues there can be: each is an object.
    entries: u32,
}

impl<'a> Reader<'a> {
    fn new(source: WaitSource<'a>) -> Self {
        Self {
            source,
            stack_roots: StackRoots::new(&source.roots.roots, source.roots.goroutines.len()),
            conds: FxHashMap::default(),
            entries: source.objects.len(),
        }
    }

    fn standing(
        &mut self,
        waits: &mut Waits,
        index: u32,
        goroutine: &Goroutine,
        wait: Wait,
    ) -> Standing {
        let goroutines = &self.source.roots.goroutines;
        let frames = Innermost::of(self.source.program, goroutines, index, goroutine);
        if wait == Wait::Semaphore && !frames.in_wait_group() {
            return Standing::Free;
        }
        let before = (waits.awaited.len(), waits.hidden.len());
        let found = match wait {
            Wait::Channels => self.channels(waits, goroutine),
            _ => self.semaphore(waits, goroutine, &frames),
        };
        match found {
            Found::All => Standing::Blocked,
            Found::Waking | Found::Unclear => {
                waits.awaited.truncate(before.0);
                waits.hidden.truncate(before.1);
                match found {
                    Found::Waking => Standing::Free,
                    _ => Standing::Unclear,
                }
            }
        }
    }

    /// The channels of a send, a receive or a `select`: `g.waiting` and along `sudog.waitlink` (runtime2.go).
    fn channels(&mut self, waits: &mut Waits, goroutine: &Goroutine) -> Found {
        let layout = &self.source.layouts.sudog;
        let mut at = self.waiting(goroutine);
        for _ in 0..MAX_CASES {
            if at.is_nil() {
                return Found::All;
            }
            let Some((obj, entry)) = self.entry(at, goroutine.at) else {
                return Found::Unclear;
            };
            let chan = either(entry, layout.chan, layout.chan_traced);
            if !self.awaits(waits, chan) {
                return Found::Unclear;
            }
            waits.hidden.push((obj, layout.chan_traced.offset / 8));
            at = Addr(layout.waitlink.get(entry));
        }
        Found::Unclear
    }

    /// What a goroutine in package `sync` waits for: `sudog.elem`.
    fn semaphore(
        &mut self,
        waits: &mut Waits,
        goroutine: &Goroutine,
        frames: &Innermost<'a>,
    ) -> Found {
        let layout = &self.source.layouts.sudog;
        let mut at = self.waiting(goroutine);
        if at.is_nil() {
            let mut held = frames.waiting(&self.stack_roots).into_iter();
            let Some(own) = held.find(|at| self.entry(*at, goroutine.at).is_some()) else {
                return Found::Unclear;
            };
            at = own;
        }
        let Some((obj, entry)) = self.entry(at, goroutine.at) else {
            return Found::Unclear;
        };
        let elem = either(entry, layout.elem, layout.elem_traced);
        let awaited = if elem.is_nil() {
            match self.cond(at, frames) {
                Ok(Some(list)) => list,
                Ok(None) => return Found::Waking,
                Err(NotFound) => return Found::Unclear,
            }
        } else {
            elem
        };
        if !self.awaits(waits, awaited) {
            return Found::Unclear;
        }
        waits.hidden.push((obj, layout.elem_traced.offset / 8));
        Found::All
    }

    /// The list of waiters that holds the entry at `sudog`, where the goroutine is in a condition variable's method: up to
    /// 1.25 its entry does not point back (sema.go, `notifyListWait`).
    fn cond(&mut self, sudog: Addr, frames: &Innermost<'a>) -> Result<Option<Addr>, NotFound> {
        let conds = frames.cond_wait(&self.stack_roots);
        if conds.is_empty() {
            return Ok(None);
        }
        let layout = self.source.layouts.cond.as_ref().ok_or(NotFound)?;
        for cond in conds {
            if !self.conds.contains_key(&sudog) {
                self.follow(layout.head.at(cond), layout.notify.at(cond));
            }
            if let Some(list) = self.conds.get(&sudog) {
                return Ok(Some(*list));
            }
        }
        Err(NotFound)
    }

    /// Notes everyone in the list of waiters.
    fn follow(&mut self, head: Addr, list: Addr) {
        let WaitSource { image, layouts, .. } = self.source;
        let mut at = image.ptr(head).unwrap_or_default();
        while !at.is_nil() && self.entries > 0 && self.conds.insert(at, list).is_none() {
            self.entries -= 1;
            let next = layouts.sudog.next.at(at);
            at = image.ptr(next).unwrap_or_default();
        }
    }

    /// `g.waiting`.
    fn waiting(&self, goroutine: &Goroutine) -> Addr {
        let at = self.source.layouts.g.waiting.at(goroutine.at);
        self.source.image.ptr(at).unwrap_or_default()
    }

    /// The entry of a queue at `at`, if it is one of the goroutine at `g`.
    fn entry(&mut self, at: Addr, g: Addr) -> Option<(ObjIx, &'a [u8])> {
        let WaitSource { image, objects, .. } = self.source;
        let layout = &self.source.layouts.sudog;
        let hit = objects.find(at.0).filter(|hit| hit.base == at.0)?;
        let entry = image.bytes(at, layout.size.into()).ok()?;
        self.entries = self.entries.checked_sub(1)?;
        (layout.g.get(entry) == g.0).then_some((ObjIx(hit.obj), entry))
    }

    /// Notes what a goroutine waits for; not if it is a free slot of the heap, or nil.
    fn awaits(&self, waits: &mut Waits, at: Addr) -> bool {
        let objects = self.source.objects;
        let object = objects.find(at.0).map(|hit| ObjIx(hit.obj));
        if at.is_nil() || (object.is_none() && objects.in_span(at.0)) {
            return false;
        }
        waits.awaited.push(Awaited { at, object });
        true
    }
}

/// No condition variable holds the entry.
struct NotFound;

/// What an entry is about: the number that is always set, or where an image lacks what is no pointer, the pointer beside
/// it, which is the same but while the runtime looks for leaks itself (runtime2.go, `maybeTraceablePtr`).
fn either(entry: &[u8], number: Field, traced: Field) -> Addr {
    match number.get(entry) {
        0 => Addr(traced.get(entry)),
        at => Addr(at),
    }
}

/// Threads that stand on their system stack without a processor, ascending: what others wait for is held by none of them
/// (proc.go, `stopm`, `findRunnable`: timers run and goroutines are made ready by threads that have one).
fn idle_threads(source: WaitSource<'_>) -> Vec<i32> {
    let WaitSource { image, layouts, .. } = source;
    let mut stacks = Vec::new();
    let mut at = image.ptr(layouts.globals.allm).unwrap_or_default();
    for _ in 0..MAX_THREADS {
        let record = match image.bytes(at, layouts.m.size.into()) {
            Ok(record) if !at.is_nil() => record,
            _ => break,
        };
        if layouts.m.p.get(record) == 0 {
            stacks.push(stack_of(image, layouts, Addr(layouts.m.g0.get(record))));
        }
        at = Addr(layouts.m.all_link.get(record));
    }
    stacks.sort_unstable_by_key(|stack| stack.start);
    let on_one_of_them = |sp: Addr| {
        let before = stacks.partition_point(|stack| stack.start <= sp);
        before > 0 && stacks[before - 1].contains(sp)
    };
    let mut idle: Vec<i32> = (source.threads.iter())
        .filter(|thread| on_one_of_them(thread.registers.sp))
        .map(|thread| thread.tid)
        .collect();
    idle.sort_unstable();
    idle
}
