//! A process that watches itself: the target of the safety tests.
//!
//! It counts what a careless tracer would break: gaps of a heartbeat, expirations of a timer, real-time signals with
//! their payloads, signals between its own threads (as the Go runtime's preemption: one that is lost is lost for good),
//! children, bytes through a pipe, failed system calls, and the consistency of its data.
//!
//! `heartbeat [heap_mb=N] [threads=N] [storm=1] [children=1] [cells=N]`
//!
//! Prints `READY ...`, then obeys lines on stdin: `reset`, `report`, `quit`, `exec` (becomes a new one of itself),
//! `block` (puts a thread into uninterruptible sleep for three seconds). At the end of stdin it quits.
#![expect(unsafe_code, reason = "signals, timers and scheduling of this process")]

use std::io::{BufRead, Read, Write};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64};
use std::time::{Duration, Instant};

/// Interval of the heartbeat and of the timer.
const BEAT: Duration = Duration::from_millis(1);
const TICK: Duration = Duration::from_millis(10);

static SIGNALS: AtomicU64 = AtomicU64::new(0);
static PAYLOADS: AtomicU64 = AtomicU64::new(0);
static NUDGED: AtomicBool = AtomicBool::new(false);
static NUDGES: AtomicU64 = AtomicU64::new(0);
static NUDGES_LOST: AtomicU64 = AtomicU64::new(0);
static GAP_NS: AtomicU64 = AtomicU64::new(0);
static GAPS_OVER_10_MS: AtomicU64 = AtomicU64::new(0);
static BEATS: AtomicU64 = AtomicU64::new(0);
static TICKS: AtomicU64 = AtomicU64::new(0);
static CHILDREN: AtomicU64 = AtomicU64::new(0);
static BORN: AtomicU64 = AtomicU64::new(0);
static FAILURES: AtomicU64 = AtomicU64::new(0);
static ROUNDS: AtomicU64 = AtomicU64::new(0);

extern "C" fn on_realtime(
    _signal: libc::c_int,
    info: *mut libc::siginfo_t,
    _context: *mut libc::c_void,
) {
    // SAFETY: the kernel passes a valid siginfo to a handler set with SA_SIGINFO.
    let info = unsafe { &*info };
    // SAFETY: sigqueue fills the value.
    let value = unsafe { info.si_value() };
    SIGNALS.fetch_add(1, SeqCst);
    PAYLOADS.fetch_add(value.sival_ptr.addr() as u64, SeqCst);
}

extern "C" fn on_nudge(
    _signal: libc::c_int,
    _info: *mut libc::siginfo_t,
    _context: *mut libc::c_void,
) {
    NUDGED.store(false, SeqCst);
}

type Handler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);

fn handle(signal: i32, handler: Handler) {
    // SAFETY: a zeroed sigaction is valid.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as libc::sighandler_t;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
    // SAFETY: `action` is valid and its handler touches atomics only.
    unsafe { libc::sigaction(signal, &action, std::ptr::null_mut()) };
}

/// Prefers this thread over others, so that the heartbeat shows stops rather than a busy machine; whether that worked.
fn prefer_this_thread() -> bool {
    let param = libc::sched_param { sched_priority: 20 };
    // SAFETY: `param` is read only.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &param) == 0 }
}

fn beat() {
    prefer_this_thread();
    let mut last = Instant::now();
    loop {
        std::thread::sleep(BEAT);
        let gap = last.elapsed();
        last = Instant::now();
        BEATS.fetch_add(1, SeqCst);
        GAP_NS.fetch_max(gap.as_nanos() as u64, SeqCst);
        if gap > Duration::from_millis(10) {
            GAPS_OVER_10_MS.fetch_add(1, SeqCst);
        }
    }
}

/// Starts a kernel timer and says when: both at once, before any thread that may be late reads it.
fn start_timer() -> (i32, Instant) {
    // SAFETY: no memory is passed.
    let fd = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, 0) };
    let every = libc::timespec {
        tv_sec: 0,
        tv_nsec: TICK.subsec_nanos().into(),
    };
    let spec = libc::itimerspec {
        it_interval: every,
        it_value: every,
    };
    // SAFETY: `spec` is read only.
    unsafe { libc::timerfd_settime(fd, 0, &spec, std::ptr::null_mut()) };
    (fd, Instant::now())
}

/// Counts expirations of the timer: late ones are caught up, none may be missing.
fn tick(fd: i32) {
    loop {
        let mut n = 0u64;
        // SAFETY: there is room for the eight bytes that a timer yields.
        let read = unsafe { libc::read(fd, (&raw mut n).cast(), 8) };
        if read == 8 {
            TICKS.fetch_add(n, SeqCst);
        } else {
            FAILURES.fetch_add(1, SeqCst);
        }
    }
}

/// Sends another thread a signal only when the last one was handled, as Go's `preemptM` does.
fn nudge(tid: i32) {
    loop {
        std::thread::sleep(Duration::from_micros(300));
        if NUDGED.compare_exchange(false, true, SeqCst, SeqCst).is_ok() {
            // SAFETY: a signal with a handler to a thread of this process.
            unsafe { libc::syscall(libc::SYS_tgkill, std::process::id(), tid, libc::SIGURG) };
            NUDGES.fetch_add(1, SeqCst);
            let sent = Instant::now();
            while NUDGED.load(SeqCst) {
                if sent.elapsed() > Duration::from_secs(10) {
                    NUDGES_LOST.fetch_add(1, SeqCst);
                    NUDGED.store(false, SeqCst);
                }
                std::thread::sleep(Duration::from_micros(100));
            }
        }
    }
}

/// Passes numbers round through two pipes.
fn ping() {
    let (mut here, mut there) = std::io::pipe().expect("a pipe");
    let (mut back, mut forth) = std::io::pipe().expect("a pipe");
    std::thread::spawn(move || {
        let mut buf = [0; 8];
        while here.read_exact(&mut buf).is_ok() && forth.write_all(&buf).is_ok() {}
        FAILURES.fetch_add(1, SeqCst);
    });
    for n in 0u64.. {
        let mut buf = [0; 8];
        let passed = there
            .write_all(&n.to_le_bytes())
            .and_then(|()| back.read_exact(&mut buf));
        if passed.is_err() || u64::from_le_bytes(buf) != n {
            FAILURES.fetch_add(1, SeqCst);
        }
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// Writes 1, 2, 3... round after round into one cell after the other. At any one moment the cells hold some N+1 up to a
/// point and N from there: a copy that shows anything else is torn.
fn roll(cells: &'static [AtomicU64]) {
    for round in 1u64.. {
        for cell in cells.iter().step_by(STRIDE) {
            cell.store(round, SeqCst);
        }
        ROUNDS.store(round, SeqCst);
        std::thread::sleep(Duration::from_micros(50));
    }
}

/// One cell a page.
const STRIDE: usize = 512;

fn raise_children() {
    loop {
        match std::process::Command::new("/bin/true").status() {
            Ok(status) if status.success() => CHILDREN.fetch_add(1, SeqCst),
            _ => FAILURES.fetch_add(1, SeqCst),
        };
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn storm() {
    loop {
        let born = |_| {
            std::thread::Builder::new()
                .stack_size(64 << 10)
                .spawn(|| {})
        };
        for thread in [(); 8].map(born) {
            match thread.map(|t| t.join()) {
                Ok(Ok(())) => BORN.fetch_add(1, SeqCst),
                _ => FAILURES.fetch_add(1, SeqCst),
            };
        }
    }
}

/// Waits for a child that shares this process's memory, as a thread in `vfork` does: nothing wakes it before the child ends.
fn block(tell: &std::sync::mpsc::Sender<i32>) {
    extern "C" fn child(_: *mut libc::c_void) -> libc::c_int {
        // SAFETY: sleeps.
        unsafe { libc::usleep(3_000_000) };
        0
    }
    // SAFETY: no arguments.
    let _ = tell.send(unsafe { libc::gettid() });
    let stack = vec![0u64; 8192].leak();
    let top = stack.as_mut_ptr_range().end.cast();
    // SAFETY: the child has a stack of its own, does nothing but sleep, and ends.
    let pid = unsafe {
        libc::clone(
            child,
            top,
            libc::CLONE_VM | libc::CLONE_VFORK,
            std::ptr::null_mut(),
        )
    };
    if pid < 0 {
        FAILURES.fetch_add(1, SeqCst);
    }
}

fn report(out: &mut impl Write, since: Instant) -> std::io::Result<()> {
    let expected = since.elapsed().as_nanos() / TICK.as_nanos();
    writeln!(
        out,
        "REPORT gap_us={} gaps_over_10ms={} beats={} ticks={} ticks_expected={expected} signals={} payloads={} nudges={} nudges_lost={} children={} born={} rounds={} failures={}",
        GAP_NS.load(SeqCst) / 1000,
        GAPS_OVER_10_MS.load(SeqCst),
        BEATS.load(SeqCst),
        TICKS.load(SeqCst),
        SIGNALS.load(SeqCst),
        PAYLOADS.load(SeqCst),
        NUDGES.load(SeqCst),
        NUDGES_LOST.load(SeqCst),
        CHILDREN.load(SeqCst),
        BORN.load(SeqCst),
        ROUNDS.load(SeqCst),
        FAILURES.load(SeqCst),
    )?;
    out.flush()
}

fn main() -> std::io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str, default: usize| {
        let given = args
            .iter()
            .find_map(|a| a.strip_prefix(name)?.strip_prefix('=')?.parse().ok());
        given.unwrap_or(default)
    };
    handle(libc::SIGRTMIN() + 1, on_realtime);
    handle(libc::SIGURG, on_nudge);
    let heap = vec![1u8; option("heap_mb", 0) << 20];
    let count = option("cells", 256);
    let cells: &'static [AtomicU64] = (0..count * STRIDE)
        .map(|_| AtomicU64::new(0))
        .collect::<Vec<_>>()
        .leak();
    let fifo = prefer_and_back();
    std::thread::spawn(beat);
    let (timer, begun) = start_timer();
    std::thread::spawn(move || tick(timer));
    std::thread::spawn(ping);
    let nudged = std::sync::Arc::new(AtomicI32::new(0));
    let its_id = std::sync::Arc::clone(&nudged);
    std::thread::spawn(move || {
        // SAFETY: no arguments.
        its_id.store(unsafe { libc::gettid() }, SeqCst);
        loop {
            std::thread::sleep(Duration::from_millis(3));
        }
    });
    while nudged.load(SeqCst) == 0 {
        std::thread::yield_now();
    }
    std::thread::spawn(move || nudge(nudged.load(SeqCst)));
    if count > 0 {
        std::thread::spawn(move || roll(cells));
    }
    for _ in 0..option("threads", 4) {
        std::thread::Builder::new()
            .stack_size(64 << 10)
            .spawn(|| std::thread::sleep(Duration::MAX))?;
    }
    if option("children", 0) != 0 {
        std::thread::spawn(raise_children);
    }
    if option("storm", 0) != 0 {
        std::thread::spawn(storm);
    }
    let mut out = std::io::stdout();
    let pid = std::process::id();
    writeln!(
        out,
        "READY pid={pid} fifo={} cells={} count={count} stride={}",
        u8::from(fifo),
        cells.as_ptr().addr(),
        STRIDE * 8
    )?;
    out.flush()?;
    for line in std::io::stdin().lock().lines() {
        match line?.as_str() {
            "reset" => {
                GAP_NS.store(0, SeqCst);
                GAPS_OVER_10_MS.store(0, SeqCst);
                writeln!(out, "RESET")?;
                out.flush()?;
            }
            "report" => report(&mut out, begun)?,
            "exec" => {
                let me = std::env::current_exe()?;
                return Err(std::os::unix::process::CommandExt::exec(
                    std::process::Command::new(me).args(&args),
                ));
            }
            "block" => {
                let (tell, hear) = std::sync::mpsc::channel();
                std::thread::spawn(move || block(&tell));
                writeln!(out, "BLOCKED tid={}", hear.recv().unwrap_or(0))?;
                out.flush()?;
            }
            _ => break,
        }
    }
    drop(heap);
    std::process::exit(0)
}

/// Whether threads of this process can be preferred; leaves the calling one as it was.
fn prefer_and_back() -> bool {
    let can = prefer_this_thread();
    let param = libc::sched_param { sched_priority: 0 };
    // SAFETY: `param` is read only.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_OTHER, &param) };
    can
}
