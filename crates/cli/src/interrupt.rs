//! Ctrl-C and its relatives: the exit status says so, and a file being written is not left half done.
//!
//! A target that is stopped when we end is let go by the process that holds it, however we end.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

struct Flags {
    /// Whether a signal ends us at once.
    at_once: Arc<AtomicBool>,
    /// The signal that arrived while it did not.
    waiting: Arc<AtomicUsize>,
}

static FLAGS: OnceLock<Flags> = OnceLock::new();

/// Has SIGINT, SIGTERM and SIGHUP end this process with status 128 + the signal's number.
pub(crate) fn install() -> io::Result<()> {
    let flags = Flags {
        at_once: Arc::new(AtomicBool::new(true)),
        waiting: Arc::new(AtomicUsize::new(0)),
    };
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        flag::register_conditional_shutdown(signal, status(signal), Arc::clone(&flags.at_once))?;
        flag::register_usize(
            signal,
            Arc::clone(&flags.waiting),
            signal.unsigned_abs() as usize,
        )?;
    }
    // Called once; a second set of flags would be unused.
    let _ = FLAGS.set(flags);
    Ok(())
}

fn status(signal: i32) -> i32 {
    128 + signal
}

/// Runs `critical` to its end; a signal that arrives meanwhile ends this process after it.
pub(crate) fn held<T>(critical: impl FnOnce() -> T) -> T {
    let Some(flags) = FLAGS.get() else {
        return critical();
    };
    flags.at_once.store(false, Ordering::SeqCst);
    let result = critical();
    flags.at_once.store(true, Ordering::SeqCst);
    match i32::try_from(flags.waiting.load(Ordering::SeqCst)) {
        Ok(signal) if signal > 0 => {
            // The same as the handler would have done.
            signal_hook::low_level::exit(status(signal))
        }
        _ => result,
    }
}

/// Runs `work`, which asks now and then whether it is to stop, to its end. A signal stops it instead of ending this process
/// at once; after SIGINT the status says so, and SIGTERM and SIGHUP are how a service is told that it is done.
pub(crate) fn until_told<T>(work: impl FnOnce(&dyn Fn() -> bool) -> T) -> T {
    let Some(flags) = FLAGS.get() else {
        return work(&|| false);
    };
    flags.at_once.store(false, Ordering::SeqCst);
    let result = work(&|| flags.waiting.load(Ordering::SeqCst) != 0);
    flags.at_once.store(true, Ordering::SeqCst);
    if i32::try_from(flags.waiting.load(Ordering::SeqCst)) == Ok(SIGINT) {
        signal_hook::low_level::exit(status(SIGINT));
    }
    result
}
