//! Advice on targets that cannot be opened, stopped or read.

use leakscope_report::bytes;
use leakscope_target::Error;

use super::{Advice, core_file, snapshot};

pub(super) fn advice(error: &Error) -> Advice {
    let about = |code| Advice::of(code, error);
    match error {
        Error::NoSuchProcess { .. } | Error::Gone { .. } => {
            about(if matches!(error, Error::Gone { .. }) { "target.gone" } else { "target.none" })
                .fix("list the processes that can be read: leakscope ps")
        }
        Error::Zombie { .. } => about("target.zombie")
            .fix("nothing can be read from it any more; its parent has to reap it")
            .fix("look at what replaced it: leakscope ps"),
        Error::NotAProcess { process, .. } => about("target.thread").fix(format!("leakscope analyze {process}")),
        Error::Itself { .. } => about("target.itself").fix("name another process: leakscope ps lists them"),
        Error::KernelThread { .. } => about("target.kernel-thread").fix("name a user process: leakscope ps lists them"),
        Error::AlreadyTraced { pid, tracer, .. } => about("target.traced")
            .seen(format!("TracerPid of process {pid} is {tracer}"))
            .fix(format!("end or detach process {tracer} (a debugger, strace), then try again")),
        Error::NotPermitted { .. } => not_permitted(error),
        Error::NoSuchName { .. } => about("target.no-such-name").fix("list the processes that can be read: leakscope ps"),
        Error::AmbiguousName { matches, .. } => {
            let pids: Vec<String> = matches.iter().take(20).map(|p| p.pid.to_string()).collect();
            about("target.ambiguous-name")
                .seen(format!("process ids {}", pids.join(", ")))
                .fix(format!("name one of them: leakscope analyze {}", pids.first().map_or("PID", |p| p)))
        }
        Error::Hidden { pid } => about("perm.hidden")
            .fix(format!("sudo leakscope analyze {pid}"))
            .fix("mount /proc without hidepid"),
        Error::Proc { pid, .. } => about("target.proc").fix(format!("leakscope doctor {pid}")),
        Error::ChangedIdentity { pid } => about("target.exec").fix(format!("leakscope analyze {pid}")),
        Error::StopTooLong { predicted, .. } => {
            // A tenth on top: the prediction is no promise.
            let enough = (predicted.as_millis() + predicted.as_millis() / 10 + 1).max(1);
            about("stop.too-long")
                .seen("nothing was stopped")
                .fix(format!("allow it: --max-stop {enough}ms"))
                .fix("do not stop it, and accept a result that may be torn: --no-stop")
        }
        Error::StopEnded { .. } => about("stop.ended")
            .seen("the process runs on")
            .fix("allow a longer stop: --max-stop 5s")
            .fix("do not stop it, and accept a result that may be torn: --no-stop"),
        Error::NoMemory { needed, available, .. } => about("memory.none")
            .seen(format!("{} needed, {} available; nothing was stopped", bytes(*needed), bytes(*available)))
            .fix("free memory, or raise the limit of this control group")
            .fix("take a core and analyse it elsewhere: gcore PID"),
        Error::Reserve { .. } => about("memory.reserve").fix("free memory, or raise the limit on address space: ulimit -v"),
        Error::ThreadStuck { pid, .. } => about("stop.stuck")
            .seen("all other threads were let go")
            .fix("try again when the thread has come out of the kernel (state D is usually disk or network storage)")
            .fix(format!("do not stop it, and accept a result that may be torn: leakscope analyze {pid} --no-stop")),
        Error::TooManyThreads { pid, .. } => about("stop.threads")
            .fix(format!("take a core and analyse that: gcore {pid}, then leakscope analyze core.{pid}")),
        Error::NoHolder { .. } | Error::HolderDied { .. } => about("stop.holder")
            .seen("the process runs on")
            .fix("check the limits on processes (ulimit -u, the control group's pids.max), then try again"),
        Error::Outgrown { .. } => about("stop.outgrown")
            .seen("the process runs on")
            .fix("try again when it allocates less")
            .fix("take a core and analyse that: gcore PID"),
        Error::Plan(_) => about("copy.plan")
            .fix("try again: the process may have been starting or ending")
            .fix("take a core and analyse that: gcore PID"),
        Error::Read(_) => about("copy.read").fix("see what stands in the way: leakscope doctor PID"),
        Error::Snapshot { path, source } => snapshot::advice(&path.display().to_string(), source),
        Error::Core { path, source } => core_file::advice(&path.display().to_string(), source),
        Error::Open { .. } => about("file.open").fix("check the path and its permissions"),
        Error::NotAFile { .. } => about("file.kind").fix("name a core file, a process id, or the name of a process"),
        other => Advice::of("target.other", other).fix("see what stands in the way: leakscope doctor PID"),
    }
}

/// Exists? Same user? Yama? Capability? In this order, as the kernel decides.
fn not_permitted(error: &Error) -> Advice {
    let Error::NotPermitted {
        pid,
        target_uid,
        uid,
        yama,
        cap_sys_ptrace,
        ..
    } = error
    else {
        return Advice::of("perm.other", error);
    };
    let id = |uid: u32| {
        if uid == u32::MAX {
            "unknown".to_owned()
        } else {
            uid.to_string()
        }
    };
    let scope = yama.map_or("not there".to_owned(), |scope| scope.to_string());
    let has = if *cap_sys_ptrace { "yes" } else { "no" };
    let seen = format!(
        "target's user {}, own user {}, CAP_SYS_PTRACE {has}, kernel.yama.ptrace_scope {scope}",
        id(*target_uid),
        id(*uid)
    );
    let code = match (cap_sys_ptrace, target_uid == uid, yama) {
        (true, ..) => "perm.denied",
        (false, false, _) => "perm.other-user",
        (false, true, Some(1..)) => "perm.ptrace-scope",
        (false, true, _) => "perm.undumpable",
    };
    let core =
        format!("have its own user take a core (gcore {pid}), then leakscope analyze core.{pid}");
    let advice = Advice::of(code, error).seen(seen);
    match code {
        "perm.denied" => advice
            .fix(format!(
                "see which security module or namespace denies it: leakscope doctor {pid}"
            ))
            .fix(core),
        "perm.ptrace-scope" => advice
            .fix(format!("sudo leakscope analyze {pid}"))
            .fix("sudo sysctl kernel.yama.ptrace_scope=0")
            .fix("sudo setcap cap_sys_ptrace+ep \"$(command -v leakscope)\"")
            .fix("in Kubernetes: securityContext: {capabilities: {add: [SYS_PTRACE]}}"),
        _ => advice
            .fix(format!("sudo leakscope analyze {pid}"))
            .fix("sudo setcap cap_sys_ptrace+ep \"$(command -v leakscope)\"")
            .fix("in Kubernetes: securityContext: {capabilities: {add: [SYS_PTRACE]}}")
            .fix(core),
    }
}
