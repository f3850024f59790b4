//! Advice on programs that cannot be read as Go programs.

use leakscope_go::binary::GoVersion;
use leakscope_go::error::{Error, NotGo};
use leakscope_go::heap::BuildError;
use leakscope_go::layouts::MissingLayout;

use super::Advice;

pub(super) fn advice(error: &Error) -> Advice {
    let about = |code| Advice::of(code, error);
    match error {
        Error::NotElf | Error::NotExecutable { .. } => {
            about("go.not-executable").fix("name a Go process; leakscope ps lists them")
        }
        Error::Not64Bit | Error::Machine { .. } => {
            about("go.machine").fix("only x86-64 programs can be read")
        }
        Error::NotGo { hint: NotGo::Jvm } => about("go.jvm")
            .fix("leakscope snap PID -o heap.hprof, then leakscope analyze heap.hprof"),
        Error::NotGo { .. } => {
            about("go.not-go").fix("list the Go processes of this machine: leakscope ps")
        }
        Error::TooOld { oldest, .. } => {
            about("go.too-old").fix(format!("build it with go1.{oldest} or later"))
        }
        Error::NoLayouts { .. } => unknown_layout(stripped(about("go.no-layouts"))),
        Error::NoFunctionTable | Error::NoModule => stripped(about("go.no-function-table"))
            .fix("try again: the process may have been starting"),
        Error::Obfuscated => stripped(about("go.obfuscated")),
        Error::NoAnchor { .. } => {
            stripped(about("go.no-anchor")).fix("try again: the process may have been starting")
        }
        Error::DebugInfo { .. } | Error::SectionTooLarge { .. } => about("go.debug-info")
            .fix("build it again; the debug information of this executable is damaged"),
        Error::NoField { .. } | Error::NoGlobal { .. } => unknown_layout(about("go.layout")),
        Error::NotMapped { .. } => about("go.not-mapped")
            .fix("give the very executable that the process ran: --exe EXECUTABLE")
            .fix("try again: the process may have been starting"),
        Error::Elf { .. } => about("go.elf").fix("build or copy the executable again"),
        Error::Unreadable { .. } | Error::Implausible { .. } => unreadable(about("go.runtime")),
        other => Advice::of("go.other", other).fix("try again"),
    }
}

pub(super) fn missing_layout(error: &MissingLayout) -> Advice {
    unknown_layout(Advice::of("go.layout", error))
}

pub(super) fn not_rebuilt(error: &BuildError) -> Advice {
    match error {
        BuildError::TooLarge(_) => Advice::of("go.too-large", error)
            .fix("analyse a smaller instance: more than 32-bit numbers can count is not supported"),
        _ => unreadable(Advice::of("go.heap", error)),
    }
}

fn stripped(advice: Advice) -> Advice {
    advice
        .seen("no section .debug_info in the executable")
        .fix("build it without -ldflags=-w or -s, do not strip it, and do not obfuscate it")
}

fn unknown_layout(advice: Advice) -> Advice {
    advice
        .fix("this Go release differs from those that leakscope knows: use a newer leakscope")
        .fix(format!(
            "build the program with a release that leakscope knows: go1.{} to go1.{}",
            GoVersion::OLDEST_MINOR,
            GoVersion::NEWEST_MINOR
        ))
}

fn unreadable(advice: Advice) -> Advice {
    advice
        .fix("try again: the process may have been starting or ending")
        .fix("of a core: take it again, complete and with its executable")
}
