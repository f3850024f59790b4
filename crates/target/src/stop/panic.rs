//! A panic of leakscope while the target is stopped: the target first, the message then.

use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::Duration;

use super::shared::{Shared, command};
use super::sys;

/// Holders that exist now.
static WATCHED: Mutex<Vec<Arc<Shared>>> = Mutex::new(Vec::new());

/// Longest wait for a holder to let go: it takes microseconds unless the holder is gone, stopped or frozen.
const PATIENCE: Duration = Duration::from_millis(50);

pub(super) fn watch(shared: &Arc<Shared>) {
    WATCHED
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(Arc::clone(shared));
}

pub(super) fn unwatch(shared: &Arc<Shared>) {
    WATCHED
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .retain(|s| !Arc::ptr_eq(s, shared));
}

/// Makes every panic of this process end all stops before the panic is reported: the report may be written to a pipe or
/// terminal that the stopped target should be reading. To be called once, early; further calls do nothing.
pub fn release_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            release_all();
            report(info);
        }));
    });
}

fn release_all() {
    // The lock is held for instants only, but the panic may have happened within one of them.
    let Ok(watched) = WATCHED.try_lock() else {
        return;
    };
    let until = sys::now_ns() + PATIENCE.as_nanos() as u64;
    for shared in watched.iter() {
        while shared.in_stop() && sys::now_ns() < until {
            let seen = shared.answer.load(std::sync::atomic::Ordering::Acquire);
            shared.command(command::RELEASE);
            sys::futex_wait(&shared.answer, seen, Some(until));
        }
    }
}
