//! A bound on this process's own memory: large columns live in a file without a name, mapped, and pages of it leave this
//! process when it comes near the bound.
//!
//! [`SpillAlloc`] is the allocator of the binary. It is the system's own until [`limit_memory`] is called; from then on
//! columns of numbers of [`LEAST`] bytes and more come from the file. Bytes (strings, buffers, what lies in objects) never
//! do, so nothing that a target holds as data is written to a disk. A watcher counts resident memory and lets pages of
//! the file go, which the kernel writes to the disk when it needs their memory, and brings back when they are read.
#![expect(
    unsafe_code,
    reason = "an allocator, its mapping, and advice on that mapping"
)]

mod extents;

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, IntoRawFd};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::time::Duration;

use rustix::fs::{CWD, FallocateFlags, Mode, OFlags};
use rustix::io::Errno;

use self::extents::Extents;

/// Columns below this stay where other memory is.
const LEAST: usize = 64 << 10;
/// Memory is taken from the file in multiples of this.
const UNIT: usize = 64 << 10;
/// Units of the largest file: 64 GiB.
const UNITS: usize = 1 << 20;
/// Part of the free disk that is taken at most, in percent.
const DISK_PERCENT: u64 = 90;
/// Time between two looks at how much is resident: what can be touched meanwhile must fit [`Bound::slack`].
const LOOK: Duration = Duration::from_millis(4);
/// Looks in a row at which too much is resident, although all of the file was let go, before that is taken as final.
const PATIENCE: u32 = 50;
/// Bytes of the file that are let go at a time.
const STRIDE: usize = 4 << 20;
/// The least bound that makes sense: the program and its names alone take some tens of megabytes.
pub const LEAST_BOUND: u64 = 64 << 20;
/// Names of a file that are tried: those of earlier runs of this process id may be left.
const NAMES: u32 = 16;
/// `statfs` type of tmpfs: a file there is memory.
const TMPFS: i64 = 0x0102_1994;

/// Where the file is mapped; 0 while there is none.
static START: AtomicUsize = AtomicUsize::new(0);
/// Bytes that are mapped.
static LEN: AtomicUsize = AtomicUsize::new(0);
static FILE: AtomicI32 = AtomicI32::new(-1);
static EXTENTS: Mutex<Extents<{ UNITS / 64 }>> = Mutex::new(Extents::new());

/// The system's allocator, but for large columns while memory is limited.
pub struct SpillAlloc;

/// Why memory cannot be limited.
#[derive(Debug, thiserror::Error)]
pub enum SpillError {
    /// The bound is less than the program itself takes.
    #[error("{limit} bytes are less than the {LEAST_BOUND} that are needed whatever the heap")]
    TooLittle {
        /// The bound.
        limit: u64,
    },
    /// The folder lies in memory.
    #[error("{} is kept in memory: a file there saves none", folder.display())]
    InMemory {
        /// The folder.
        folder: PathBuf,
    },
    /// There is too little room on the disk.
    #[error("{needed} bytes of disk may be needed in {}, and {free} are free", folder.display())]
    Disk {
        /// The folder.
        folder: PathBuf,
        /// Bytes that the columns may take.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// The file cannot be made or mapped.
    #[error("cannot make a file for it in {}", folder.display())]
    File {
        /// The folder.
        folder: PathBuf,
        /// The kernel's word.
        source: io::Error,
    },
}

/// What is resident, and what may be.
#[derive(Clone, Copy, Debug)]
struct Bound {
    limit: u64,
}

impl Bound {
    /// Below the limit by what may be touched between two looks.
    fn slack(self) -> u64 {
        (self.limit / 10).clamp(16 << 20, 256 << 20)
    }

    /// From here on pages are let go.
    fn high(self) -> u64 {
        self.limit - self.slack()
    }

    /// Down to here.
    fn low(self) -> u64 {
        self.high() - self.slack() / 2
    }
}

/// Keeps resident memory below `limit` bytes from now on, for good: the first limit holds. What does not fit goes to a
/// file without a name in `folder`.
/// `needed` is what the columns may come to. `exceeded` is called, with the bytes that are resident, if they stay above
/// the limit although all of the file was let go; it should end the process.
pub fn limit_memory(
    limit: u64,
    needed: u64,
    folder: &Path,
    exceeded: impl Fn(u64) + Send + 'static,
) -> Result<(), SpillError> {
    if limit < LEAST_BOUND {
        return Err(SpillError::TooLittle { limit });
    }
    if START.load(Ordering::Acquire) != 0 {
        return Ok(());
    }
    let failed = |source: io::Error| SpillError::File {
        folder: folder.to_owned(),
        source,
    };
    let stat = rustix::fs::statfs(folder).map_err(|e| failed(e.into()))?;
    if stat.f_type as i64 == TMPFS {
        return Err(SpillError::InMemory {
            folder: folder.to_owned(),
        });
    }
    let free = (stat.f_bavail).saturating_mul(stat.f_bsize as u64) / 100 * DISK_PERCENT;
    if free < needed {
        return Err(SpillError::Disk {
            folder: folder.to_owned(),
            needed,
            free,
        });
    }
    let file = nameless(folder).map_err(failed)?;
    let len = usize::try_from(free).unwrap_or(usize::MAX) / UNIT;
    let len = len.min(UNITS) * UNIT;
    file.set_len(len as u64).map_err(failed)?;
    let watched = procfs_file().map_err(failed)?;
    map(file, len).map_err(failed)?;
    let bound = Bound { limit };
    let watch = move || keep(bound, &watched, &exceeded);
    let thread = std::thread::Builder::new().name("memory".to_owned());
    thread.spawn(watch).map_err(failed)?;
    Ok(())
}

/// A file without a name in `folder`, which nobody else can open.
fn nameless(folder: &Path) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::EXCL | OFlags::CLOEXEC;
    match rustix::fs::openat(CWD, folder, flags, Mode::RUSR | Mode::WUSR) {
        // File systems that cannot (NFS, overlays of older kernels), and kernels that take the folder for the file.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOSYS) => unlinked(folder),
        file => Ok(File::from(file?)),
    }
}

/// The same, of a file whose name is taken away as soon as it is made.
fn unlinked(folder: &Path) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    for nth in 0..NAMES {
        let name = folder.join(format!(".leakscope-{}-{nth}", std::process::id()));
        match rustix::fs::openat(CWD, &name, flags, Mode::RUSR | Mode::WUSR) {
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno.into()),
            Ok(file) => {
                rustix::fs::unlink(&name)?;
                return Ok(File::from(file));
            }
        }
    }
    Err(Errno::EXIST.into())
}

fn procfs_file() -> io::Result<File> {
    File::open("/proc/self/statm")
}

/// Maps the file and makes it the source of large columns.
fn map(file: File, len: usize) -> io::Result<()> {
    // SAFETY: a new mapping at an address of the kernel's choice, of a file that nobody else can open and that never
    // shrinks; it is never unmapped.
    let start = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            len,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_NORESERVE,
            file.as_raw_fd(),
            0,
        )
    };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    let mut extents = EXTENTS.lock().unwrap_or_else(|e| e.into_inner());
    extents.limit(len / UNIT);
    // Kept open for as long as the process runs.
    FILE.store(file.into_raw_fd(), Ordering::Release);
    LEN.store(len, Ordering::Release);
    START.store(start as usize, Ordering::Release);
    Ok(())
}

/// Looks at what is resident, and lets pages of the file go, all in turn.
fn keep(bound: Bound, statm: &File, exceeded: &dyn Fn(u64)) {
    let mut hand = 0;
    let mut above = 0;
    loop {
        std::thread::sleep(LOOK);
        let Some(mut now) = resident(statm) else {
            continue;
        };
        if now < bound.high() {
            above = 0;
            continue;
        }
        let end = {
            let extents = EXTENTS.lock().unwrap_or_else(|e| e.into_inner());
            extents.end() * UNIT
        };
        let mut passed = 0;
        while now > bound.low() && passed < end {
            hand = if hand >= end { 0 } else { hand };
            let len = STRIDE.min(end - hand);
            let_go(hand, len);
            hand += len;
            passed += len;
            now = resident(statm).unwrap_or(now);
        }
        // Others may touch pages faster than they are let go, but not for long.
        above = if now > bound.limit { above + 1 } else { 0 };
        if above >= PATIENCE {
            exceeded(now);
        }
    }
}

/// Resident bytes of this process.
fn resident(statm: &File) -> Option<u64> {
    let mut text = [0u8; 128];
    let read = rustix::io::pread(statm, &mut text, 0).ok()?;
    let text = std::str::from_utf8(&text[..read]).ok()?;
    let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// Drops pages of the file from this process; the file keeps them.
fn let_go(offset: usize, len: usize) {
    let start = START.load(Ordering::Acquire);
    if start == 0 || offset + len > LEN.load(Ordering::Acquire) {
        return;
    }
    // SAFETY: inside of the mapping. It is shared, so that dropped pages are read again from the file, where what was
    // written to them is: no value changes. That it fails costs memory only.
    unsafe {
        libc::madvise(
            (start + offset) as *mut libc::c_void,
            len,
            libc::MADV_DONTNEED,
        );
    }
}

/// Whether memory like this comes from the file.
fn is_column(layout: Layout) -> bool {
    layout.size() >= LEAST && layout.align() > 1 && layout.align() <= UNIT
}

fn units(size: usize) -> usize {
    size.div_ceil(UNIT)
}

/// Memory from the file, all zeros; null if there is none to be had.
fn take(layout: Layout) -> *mut u8 {
    let start = START.load(Ordering::Acquire);
    let len = units(layout.size());
    let mut extents = EXTENTS.lock().unwrap_or_else(|e| e.into_inner());
    let Some(at) = extents.take(len) else {
        return std::ptr::null_mut();
    };
    // Room on the disk is made certain now: a page that finds none when it is written to would end the process.
    if !allocate(at, len) {
        extents.give(at, len);
        return std::ptr::null_mut();
    }
    (start + at * UNIT) as *mut u8
}

fn allocate(at: usize, len: usize) -> bool {
    with_file(|file| {
        let (offset, len) = ((at * UNIT) as u64, (len * UNIT) as u64);
        rustix::fs::fallocate(file, FallocateFlags::empty(), offset, len).is_ok()
    })
}

/// Makes part of the file a hole: zeros that take neither memory nor disk.
fn punch(at: usize, len: usize) -> bool {
    with_file(|file| {
        let (offset, len) = ((at * UNIT) as u64, (len * UNIT) as u64);
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        rustix::fs::fallocate(file, flags, offset, len).is_ok()
    })
}

fn with_file(act: impl Fn(BorrowedFd<'_>) -> bool) -> bool {
    // SAFETY: the descriptor belongs to this module and is never closed.
    act(unsafe { BorrowedFd::borrow_raw(FILE.load(Ordering::Acquire)) })
}

/// The first unit of what lies in the file.
fn unit_of(pointer: *mut u8) -> Option<usize> {
    let start = START.load(Ordering::Acquire);
    let offset = (pointer as usize)
        .checked_sub(start)
        .filter(|_| start != 0)?;
    (offset < LEN.load(Ordering::Acquire)).then_some(offset / UNIT)
}

// SAFETY: memory is the system's, or units of the file that no other allocation has: `Extents` hands each out once until
// it is given back. Units are as aligned as `is_column` asks at most, and zeros when they are handed out.
unsafe impl GlobalAlloc for SpillAlloc {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if START.load(Ordering::Relaxed) != 0 && is_column(layout) {
            let taken = take(layout);
            if !taken.is_null() {
                return taken;
            }
        }
        // SAFETY: the caller's promise about `layout`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if START.load(Ordering::Relaxed) != 0 && is_column(layout) {
            let taken = take(layout);
            if !taken.is_null() {
                return taken;
            }
        }
        // SAFETY: the caller's promise about `layout`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        match unit_of(pointer) {
            // A hole that cannot be made would be handed out again with something in it: it is not.
            Some(at) => {
                if punch(at, units(layout.size())) {
                    let mut extents = EXTENTS.lock().unwrap_or_else(|e| e.into_inner());
                    extents.give(at, units(layout.size()));
                }
            }
            // SAFETY: not the file's, so the system's; the caller's promise about `layout`.
            None => unsafe { System.dealloc(pointer, layout) },
        }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let here = unit_of(pointer);
        // SAFETY: `size` is not zero and does not overflow with this alignment, as the caller promises.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        let into_file = START.load(Ordering::Relaxed) != 0 && is_column(wanted);
        if here.is_none() && !into_file {
            // SAFETY: the system's memory; the caller's promises.
            return unsafe { System.realloc(pointer, layout, size) };
        }
        if let Some(at) = here.filter(|_| into_file)
            && resize(at, units(layout.size()), units(size))
        {
            return pointer;
        }
        // SAFETY: `wanted` as above, and of a size that is not zero.
        let new = unsafe { self.alloc(wanted) };
        if !new.is_null() {
            // SAFETY: both are valid for the smaller of the two sizes, and do not overlap.
            unsafe { std::ptr::copy_nonoverlapping(pointer, new, layout.size().min(size)) };
            // SAFETY: the caller's promise about `pointer` and `layout`.
            unsafe { self.dealloc(pointer, layout) };
        }
        new
    }
}

/// Makes an extent longer or shorter where it is, if that can be done.
fn resize(at: usize, len: usize, wanted: usize) -> bool {
    if wanted <= len {
        if wanted < len && punch(at + wanted, len - wanted) {
            let mut extents = EXTENTS.lock().unwrap_or_else(|e| e.into_inner());
            extents.give(at + wanted, len - wanted);
        }
        return true;
    }
    let mut extents = EXTENTS.lock().unwrap_or_else(|e| e.into_inner());
    if !extents.take_at(at + len, wanted - len) {
        return false;
    }
    let room = allocate(at + len, wanted - len);
    if !room {
        extents.give(at + len, wanted - len);
    }
    room
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek, Write};
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn the_file_has_no_name_and_is_its_owners_alone_with_and_without_the_kernels_help() {
        let folder = tempfile::tempdir().unwrap();
        // A name that an ended process of our number left behind is passed over.
        let left = format!(".leakscope-{}-0", std::process::id());
        std::fs::write(folder.path().join(&left), "left").unwrap();
        for mut file in [
            nameless(folder.path()).unwrap(),
            unlinked(folder.path()).unwrap(),
        ] {
            let about = file.metadata().unwrap();
            assert_eq!((about.nlink(), about.mode() & 0o777), (0, 0o600));
            file.write_all(b"column").unwrap();
            file.rewind().unwrap();
            let mut read = String::new();
            file.read_to_string(&mut read).unwrap();
            assert_eq!(read, "column");
        }
        let names = std::fs::read_dir(folder.path()).unwrap();
        let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, [left.as_str()]);
    }
}
