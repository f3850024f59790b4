//! What to say about heap dumps that cannot be read.

use leakscope_jvm::Error;
use leakscope_report::Text;

use super::Advice;

pub(super) fn advice(dump: &[u8], error: &Error) -> Advice {
    let about = |code| {
        Advice::new(
            code,
            format!("{}: {}", Text::new(dump), super::chain(error)),
        )
    };
    match error {
        Error::NotHprof(_) => about("dump.not-hprof")
            .fix("make one of a process: jcmd PID GC.heap_dump /path/heap.hprof"),
        Error::IdSize(_) | Error::Header(_) | Error::NoHeap { .. } => about("dump.empty")
            .fix("see whether writing it came to an end: the disk may have been full")
            .fix("make it again: jcmd PID GC.heap_dump /path/heap.hprof"),
        Error::TooLarge(_) => about("dump.too-large")
            .fix("dump live objects only: jcmd PID GC.heap_dump /path/heap.hprof"),
        _ => about("dump.unreadable").fix("unpack it and try again: gunzip or unzstd"),
    }
}

pub(super) fn not_of_dumps(dump: &[u8]) -> Advice {
    Advice::new(
        "dump.is-one",
        format!(
            "{} is a heap dump: this takes a process, or a core or snapshot of one",
            Text::new(dump)
        ),
    )
    .fix("see what it holds: leakscope analyze FILE")
}

pub(super) fn not_of_jvm() -> Advice {
    Advice::new(
        "target.not-jvm",
        "threads are listed of JVMs only, and this is a Go program",
    )
    .fix("see what its goroutines do and hold: leakscope goroutines TARGET")
}
