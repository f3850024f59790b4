//! Advice on cores that cannot be used.

use leakscope_target::CoreError;

use super::{Advice, chain};

pub(super) fn advice(path: &str, error: &CoreError) -> Advice {
    let about = |code| {
        Advice::new(
            code,
            format!("cannot use {path} as a core: {}", chain(error)),
        )
    };
    let right_exe = format!(
        "name the executable that the process ran: leakscope analyze {path} --exe EXECUTABLE"
    );
    match error {
        CoreError::NotElf { .. } => {
            about("core.not-elf").fix("name a core as gcore or the kernel writes it")
        }
        CoreError::Compressed { format } => {
            about("core.compressed").fix(format!("unpack it first, with {format}"))
        }
        CoreError::NotACore { .. } => about("core.not-a-core")
            .fix("to look at the running program, name its process id; leakscope ps lists them")
            .fix(format!(
                "to look at a core of this executable: leakscope analyze CORE --exe {path}"
            )),
        CoreError::ThirtyTwoBit | CoreError::Machine { .. } => {
            about("core.machine").fix("only x86-64 Linux processes can be read")
        }
        CoreError::Truncated { .. } => about("core.truncated")
            .fix("take it again with enough disk space and ulimit -c unlimited")
            .fix("copy it again, if it was copied"),
        CoreError::Corrupt { .. } => about("core.corrupt").fix("take or copy it again"),
        CoreError::Jvm => about("core.jvm")
            .fix("jmap -dump:format=b,file=heap.hprof EXECUTABLE CORE, then leakscope analyze heap.hprof"),
        CoreError::NotAnExecutable => about("core.executable").fix(right_exe),
        CoreError::Mismatch { .. }
        | CoreError::MismatchedBytes { .. }
        | CoreError::MismatchedSize { .. } => about("core.mismatch").fix(right_exe),
        _ => about("core.other").fix("take or copy it again"),
    }
}
