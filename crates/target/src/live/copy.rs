//! Copying many ranges of a process into one region, by several threads that exist beforehand. Between the first and the
//! last byte nothing allocates: the target may be standing still.

use std::io::IoSliceMut;
use std::iter::Enumerate;
use std::slice::ChunksMut;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, RwLock};

use super::copy_list::CopyList;
use crate::vm::{self, MAX_PIECES, RemoteSlice};
use crate::{Addr, AddrRange, Fault, Region};

/// Bytes that a thread takes at a time: large enough that taking is free, small enough that all finish together.
const CHUNK: usize = 512 << 10;

/// Bytes skipped at once where a page cannot be read.
const PAGE: u64 = 4096;

/// Skipped ranges that one thread can note: more than that is no copy but a heap that is being torn down.
const SKIPS: usize = 1 << 14;

/// What came of a copy.
#[derive(Default)]
pub(super) struct Copied {
    /// Bytes copied.
    pub(super) bytes: u64,
    /// What could not be read, by address.
    pub(super) skipped: Vec<AddrRange>,
    /// What ended the copy early.
    pub(super) fault: Option<Fault>,
}

impl Copied {
    fn prepared() -> Self {
        Self {
            skipped: Vec::with_capacity(SKIPS),
            ..Self::default()
        }
    }

    fn join(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.skipped.extend(other.skipped);
        self.fault = self.fault.or(other.fault);
    }

    /// Notes that a piece is skipped; false where there is no room to note it.
    fn skip(&mut self, at: AddrRange) -> bool {
        if let Some(last) = self.skipped.last_mut()
            && last.end == at.start
        {
            last.end = at.end;
            return true;
        }
        let room = self.skipped.len() < self.skipped.capacity();
        if room {
            self.skipped.push(at);
        }
        room
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Gate {
    Closed,
    Open,
    Home,
}

struct Progress {
    gate: Gate,
    /// Workers that still copy.
    busy: usize,
}

/// Threads that wait for the word to copy into a region.
pub(super) struct Team<'a> {
    pid: i32,
    list: RwLock<CopyList>,
    chunks: Mutex<Enumerate<ChunksMut<'a, u8>>>,
    progress: Mutex<Progress>,
    changed: Condvar,
    /// Somebody met a reason to stop copying.
    halt: AtomicBool,
    own: Mutex<Copied>,
}

/// Runs `work` with `threads` threads (the calling one among them) ready to copy into `region`, at most what `list` has
/// room for. Answers with what `work` does, what was copied, and the list as filled.
pub(super) fn with_team<R>(
    pid: i32,
    region: &mut Region,
    list: CopyList,
    threads: usize,
    work: impl FnOnce(&Team<'_>) -> R,
) -> (R, Copied, CopyList) {
    let team = Team {
        pid,
        list: RwLock::new(list),
        chunks: Mutex::new(region.as_mut_slice().chunks_mut(CHUNK).enumerate()),
        progress: Mutex::new(Progress {
            gate: Gate::Closed,
            busy: 0,
        }),
        changed: Condvar::new(),
        halt: AtomicBool::new(false),
        own: Mutex::new(Copied::prepared()),
    };
    let (result, copied) = std::thread::scope(|scope| {
        // Also when `work` panics: the scope waits for the workers.
        let home = SendHome(&team);
        let mut workers = Vec::new();
        for _ in 1..threads {
            let spawned = std::thread::Builder::new()
                .name("leakscope-copy".into())
                .stack_size(256 << 10)
                .spawn_scoped(scope, || team.serve());
            // With fewer threads than asked for it only takes longer.
            workers.extend(spawned);
            lock(&team.progress).busy = workers.len();
        }
        let result = work(&team);
        drop(home);
        let mut copied = std::mem::take(&mut *lock(&team.own));
        for worker in workers {
            match worker.join() {
                Ok(share) => copied.join(share),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        copied.skipped.sort_unstable();
        (result, copied)
    });
    (
        result,
        copied,
        team.list
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner),
    )
}

struct SendHome<'a, 'b>(&'a Team<'b>);

impl Drop for SendHome<'_, '_> {
    fn drop(&mut self) {
        self.0.turn(Gate::Home);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Team<'_> {
    /// Sets what to copy; false where the list has no room for it. Does not allocate.
    #[must_use]
    pub(super) fn set(&self, ranges: &[AddrRange]) -> bool {
        self.list
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .fill(ranges)
    }

    /// Bytes that will be copied.
    pub(super) fn bytes(&self) -> u64 {
        self.list
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .bytes()
    }

    /// Copies, once, until done or until `go_on` says no (asked before every chunk of the calling thread). Does not allocate.
    pub(super) fn copy(&self, go_on: impl Fn() -> bool) {
        self.turn(Gate::Open);
        let mut own = lock(&self.own);
        self.take_chunks(&mut own, go_on);
        drop(own);
        let mut progress = lock(&self.progress);
        while progress.busy > 0 {
            progress = self
                .changed
                .wait(progress)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn turn(&self, gate: Gate) {
        lock(&self.progress).gate = gate;
        self.changed.notify_all();
    }

    fn wait_while(&self, gate: Gate) -> Gate {
        let mut progress = lock(&self.progress);
        while progress.gate == gate {
            progress = self
                .changed
                .wait(progress)
                .unwrap_or_else(PoisonError::into_inner);
        }
        progress.gate
    }

    /// The life of a worker.
    fn serve(&self) -> Copied {
        let mut share = Copied::prepared();
        if self.wait_while(Gate::Closed) == Gate::Open {
            self.take_chunks(&mut share, || true);
            lock(&self.progress).busy -= 1;
            self.changed.notify_all();
            // Ending a thread unmaps its stack: later, while the target runs.
            self.wait_while(Gate::Open);
        }
        share
    }

    fn take_chunks(&self, share: &mut Copied, go_on: impl Fn() -> bool) {
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
        let mut slices = [RemoteSlice::EMPTY; MAX_PIECES];
        while !self.halt.load(Ordering::Relaxed) {
            if !go_on() {
                self.halt.store(true, Ordering::Relaxed);
                return;
            }
            let Some((number, chunk)) = lock(&self.chunks).next() else {
                return;
            };
            let at = number as u64 * CHUNK as u64;
            let left = list.bytes().saturating_sub(at);
            if left == 0 {
                return;
            }
            let len = (chunk.len() as u64).min(left) as usize;
            if let Err(fault) = self.fill(&list, at, &mut chunk[..len], &mut slices, share) {
                share.fault = Some(fault);
                self.halt.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Fills `to` with what lies at `at` of the copy; pages that cannot be read are skipped and noted.
    fn fill(
        &self,
        list: &CopyList,
        at: u64,
        to: &mut [u8],
        slices: &mut [RemoteSlice; MAX_PIECES],
        share: &mut Copied,
    ) -> Result<(), Fault> {
        let mut done = 0;
        while done < to.len() {
            let (count, bytes) = list.pieces(at + done as u64, to.len() - done, slices);
            if bytes == 0 {
                break;
            }
            let range = slices[0].range();
            let local = IoSliceMut::new(&mut to[done..done + bytes]);
            match vm::readv(self.pid, &mut [local], &slices[..count]) {
                Ok(n) if n > 0 => {
                    share.bytes += n as u64;
                    done += n;
                }
                Ok(_) | Err(libc::EFAULT) => {
                    let page_end =
                        Addr((range.start.0 | (PAGE - 1)).saturating_add(1)).min(range.end);
                    let page = AddrRange {
                        start: range.start,
                        end: page_end,
                    };
                    if !share.skip(page) {
                        return Err(Fault::Unmapped(range.start));
                    }
                    done += page.len() as usize;
                }
                Err(errno) => return Err(vm::fault(range.start, errno)),
            }
        }
        Ok(())
    }
}
