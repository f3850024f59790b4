//! Checks of one process: is it there, does anything hold it, may it be read.

use leakscope_report::{Check, Status, Text};
use leakscope_target::{OwnAccess, ReadProbe, TargetAccess};

use super::{analyze, check, failing};
use crate::advice::advice;
use crate::failure::Failure;

pub(super) fn checks(pid: i32, own: &OwnAccess) -> Vec<Check> {
    match TargetAccess::look(pid) {
        Ok(target) => vec![
            state(&target),
            tracer(&target),
            user(&target, own),
            dumpable(&target, own),
            namespaces(&target),
            read(&target, own),
        ],
        Err(error) => {
            let advice = advice(&Failure::Target(error));
            vec![failing(
                "target.state",
                "process",
                Status::Fail,
                advice.cause,
                &advice.fixes,
            )]
        }
    }
}

/// Those that matter for a process that is asked and not read.
pub(super) fn checks_of_asked(pid: i32) -> Vec<Check> {
    TargetAccess::look(pid).map_or(Vec::new(), |target| {
        vec![state(&target), namespaces(&target)]
    })
}

fn state(target: &TargetAccess) -> Check {
    let (code, title) = ("target.state", "process");
    let pid = target.pid;
    let name = Text::new(&target.comm);
    let fail =
        |seen: String, fix: &str| failing(code, title, Status::Fail, seen, &[fix.to_owned()]);
    if target.is_self {
        return fail(
            format!("{pid} is leakscope itself"),
            "name another process: leakscope ps lists them",
        );
    }
    if target.kernel_thread {
        return fail(
            format!("{pid} ({name}) is a kernel thread"),
            "name a user process: leakscope ps lists them",
        );
    }
    if let Some(process) = target.thread_of {
        return fail(
            format!("{pid} is a thread of process {process}"),
            &format!("leakscope doctor {process}"),
        );
    }
    let warn =
        |seen: String, fix: &str| failing(code, title, Status::Warn, seen, &[fix.to_owned()]);
    match target.state {
        'Z' | 'X' => fail(
            format!("{pid} ({name}) has ended (state {})", target.state),
            "its parent has to reap it; there is nothing to read",
        ),
        'D' => warn(
            format!("{pid} ({name}) waits in the kernel and cannot be interrupted now (state D)"),
            "if that lasts, it cannot be stopped; --no-stop reads it all the same",
        ),
        'T' | 't' => check(
            code,
            title,
            Status::Ok,
            format!(
                "{pid} ({name}) is stopped (state {}), and stays so",
                target.state
            ),
        ),
        state => check(
            code,
            title,
            Status::Ok,
            format!("{pid} ({name}), state {state}"),
        ),
    }
}

fn tracer(target: &TargetAccess) -> Check {
    let (code, title) = ("target.tracer", "tracer");
    match &target.tracer {
        None => check(code, title, Status::Ok, "none"),
        Some(tracer) => {
            let seen = format!(
                "process {} ({}) traces it; there can be only one",
                tracer.pid,
                Text::new(&tracer.comm)
            );
            let fix = format!("end or detach process {} (a debugger, strace)", tracer.pid);
            failing(code, title, Status::Fail, seen, &[fix])
        }
    }
}

fn user(target: &TargetAccess, own: &OwnAccess) -> Check {
    let (code, title) = ("perm.user", "user");
    let its = target
        .uids
        .map_or("unknown".to_owned(), |[_, effective, _]| {
            effective.to_string()
        });
    let seen = format!("it runs as user {its}, leakscope as {}", own.euid);
    match target.same_user {
        Some(true) => check(code, title, Status::Ok, seen),
        _ if own.sys_ptrace.effective => check(
            code,
            title,
            Status::Ok,
            format!("{seen}, with CAP_SYS_PTRACE"),
        ),
        Some(false) => failing(
            code,
            title,
            Status::Fail,
            seen,
            &[format!("sudo {}", analyze(Some(target.pid)))],
        ),
        None => check(code, title, Status::Unknown, seen),
    }
}

fn dumpable(target: &TargetAccess, own: &OwnAccess) -> Check {
    let (code, title) = ("perm.dumpable", "dumpable");
    match target.dumpable {
        Some(true) => check(code, title, Status::Ok, "its own user may trace it"),
        Some(false) if own.sys_ptrace.effective => check(
            code,
            title,
            Status::Ok,
            "its own user may not trace it, but CAP_SYS_PTRACE may",
        ),
        Some(false) => failing(
            code,
            title,
            Status::Fail,
            "no: it is set-user-id, has file capabilities, or asked not to be traced",
            &[format!("sudo {}", analyze(Some(target.pid)))],
        ),
        None => check(
            code,
            title,
            Status::Ok,
            "cannot be seen from outside, and seldom matters",
        ),
    }
}

fn namespaces(target: &TargetAccess) -> Check {
    let (code, title) = ("perm.namespaces", "namespaces");
    let place = match (&target.container, target.pid_inside) {
        (Some(container), inside) => {
            let id = &container.id[..container.id.len().min(12)];
            let inside = inside.map_or(String::new(), |pid| format!(", where it is process {pid}"));
            let pod = container.pod.as_ref();
            let pod = pod.map_or(String::new(), |pod| format!(" of pod {}", Text::new(pod)));
            format!("in container {}{pod}{inside}", Text::new(id))
        }
        (None, Some(inside)) => format!("in another PID namespace, where it is process {inside}"),
        (None, None) => "in no container that can be seen".to_owned(),
    };
    match target.same_user_namespace {
        Some(false) => failing(
            code,
            title,
            Status::Warn,
            format!(
                "{place}; in another user namespace, where leakscope's capabilities may not count"
            ),
            &["run leakscope as root of the host, or inside of the container".to_owned()],
        ),
        Some(true) => check(code, title, Status::Ok, place),
        None => check(
            code,
            title,
            Status::Unknown,
            format!("{place}; its user namespace cannot be seen"),
        ),
    }
}

fn read(target: &TargetAccess, own: &OwnAccess) -> Check {
    let (code, title) = ("perm.read", "reading its memory");
    match target.read {
        ReadProbe::Allowed => check(code, title, Status::Ok, "works"),
        ReadProbe::Denied if own.sys_ptrace.effective => failing(
            code,
            title,
            Status::Fail,
            "denied in spite of CAP_SYS_PTRACE: by a security module or a user namespace",
            &["run leakscope as root of the host, unconfined".to_owned()],
        ),
        ReadProbe::Denied => failing(
            code,
            title,
            Status::Fail,
            "denied",
            &[format!("sudo {}", analyze(Some(target.pid)))],
        ),
        ReadProbe::NoMemory => check(
            code,
            title,
            Status::Fail,
            "it has no memory: it ended, or is a kernel thread",
        ),
        ReadProbe::NotOffered => failing(
            code,
            title,
            Status::Fail,
            "process_vm_readv is not offered: by a seccomp filter, or by the kernel",
            &["in Docker: --security-opt seccomp=unconfined".to_owned()],
        ),
        ReadProbe::Failed(errno) => check(
            code,
            title,
            Status::Fail,
            format!("failed with errno {errno}"),
        ),
    }
}
