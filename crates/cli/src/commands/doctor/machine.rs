//! Checks of this machine and of leakscope's own rights.

use leakscope_report::{Check, Status, Text, bytes};
use leakscope_target::{OwnAccess, ProcView, Seccomp, memory_headroom};

use super::{analyze, check, failing};

/// Below this, not even a small heap can be copied with something left over, bytes.
const LITTLE_MEMORY: u64 = 256 << 20;

const SETCAP: &str = "sudo setcap cap_sys_ptrace+ep \"$(command -v leakscope)\"";
const KUBERNETES: &str = "in Kubernetes: securityContext: {capabilities: {add: [SYS_PTRACE]}}";
const DOCKER: &str = "in Docker: docker run --cap-add=SYS_PTRACE --pid=container:NAME";

pub(super) fn checks(own: &OwnAccess, pid: Option<i32>) -> Vec<Check> {
    vec![
        capability(own, pid),
        yama(own, pid),
        new_privileges(own),
        seccomp(own),
        security_module(own),
        user_namespace(own),
        container(own),
        proc_view(own),
        folder(own),
    ]
}

fn capability(own: &OwnAccess, pid: Option<i32>) -> Check {
    let (code, title) = ("perm.cap-sys-ptrace", "CAP_SYS_PTRACE");
    let cap = own.sys_ptrace;
    if cap.effective {
        return check(
            code,
            title,
            Status::Ok,
            format!("held, as user {}", own.euid),
        );
    }
    let who = format!(
        "user {} does not hold it: only processes of the same user can be read",
        own.euid
    );
    let sudo = format!("sudo {}", analyze(pid));
    if cap.bounding {
        failing(code, title, Status::Warn, who, &[sudo, SETCAP.to_owned()])
    } else {
        let seen =
            format!("{who}; and it is not in the bounding set, so that not even root gets it here");
        failing(
            code,
            title,
            Status::Warn,
            seen,
            &[KUBERNETES.to_owned(), DOCKER.to_owned()],
        )
    }
}

fn yama(own: &OwnAccess, pid: Option<i32>) -> Check {
    let (code, title) = ("perm.ptrace-scope", "Yama");
    let able = own.sys_ptrace.effective;
    let scope = |meaning: &str| {
        format!(
            "kernel.yama.ptrace_scope is {}: {meaning}",
            own.yama_scope.unwrap_or_default()
        )
    };
    let relax = "sudo sysctl kernel.yama.ptrace_scope=0".to_owned();
    let sudo = format!("sudo {}", analyze(pid));
    match own.yama_scope {
        None => check(code, title, Status::Ok, "not in this kernel"),
        Some(0) => check(code, title, Status::Ok, scope("it adds no restriction")),
        Some(1 | 2) if able => check(code, title, Status::Ok, scope("CAP_SYS_PTRACE is asked for, and held")),
        Some(1) => failing(code, title, Status::Fail, scope("only own descendants can be read"), &[sudo, SETCAP.to_owned(), relax]),
        Some(2) => failing(code, title, Status::Fail, scope("CAP_SYS_PTRACE is asked for"), &[sudo, SETCAP.to_owned()]),
        Some(3) => failing(
            code,
            title,
            Status::Fail,
            scope("nobody may trace, until the next boot"),
            &["boot with kernel.yama.ptrace_scope below 3, or analyse a core that the kernel wrote".to_owned()],
        ),
        Some(_) => check(code, title, Status::Unknown, scope("not a value that is known")),
    }
}

fn new_privileges(own: &OwnAccess) -> Check {
    let (code, title) = ("perm.no-new-privileges", "new privileges");
    match own.no_new_privileges {
        Some(false) => check(
            code,
            title,
            Status::Ok,
            "can be gained by sudo and by file capabilities",
        ),
        Some(true) if own.sys_ptrace.effective => check(
            code,
            title,
            Status::Ok,
            "none can be gained, and none are needed",
        ),
        Some(true) => failing(
            code,
            title,
            Status::Warn,
            "NoNewPrivs is set: sudo and file capabilities have no effect in this session",
            &[
                "start leakscope from a session without NoNewPrivs".to_owned(),
                KUBERNETES.replace(
                    "capabilities:",
                    "allowPrivilegeEscalation: true, capabilities:",
                ),
            ],
        ),
        None => check(code, title, Status::Unknown, "the kernel does not say"),
    }
}

fn seccomp(own: &OwnAccess) -> Check {
    let (code, title) = ("perm.seccomp", "own seccomp filter");
    match own.seccomp {
        Some(Seccomp::Off) => check(code, title, Status::Ok, "none"),
        Some(Seccomp::Filter) => failing(
            code,
            title,
            Status::Warn,
            "there is one; it may forbid ptrace and process_vm_readv",
            &["in Docker: --security-opt seccomp=unconfined, if reading fails".to_owned()],
        ),
        Some(Seccomp::Strict) => check(
            code,
            title,
            Status::Fail,
            "strict mode: almost every system call is forbidden",
        ),
        None => check(code, title, Status::Unknown, "the kernel does not say"),
    }
}

fn security_module(own: &OwnAccess) -> Check {
    let (code, title) = ("perm.security-module", "security module");
    if own.selinux_denies_ptrace == Some(true) {
        let fix = "sudo setsebool deny_ptrace 0".to_owned();
        return failing(
            code,
            title,
            Status::Fail,
            "SELinux forbids tracing (deny_ptrace)",
            &[fix],
        );
    }
    match own.security_label.as_deref() {
        None | Some(b"unconfined" | b"kernel") => {
            check(code, title, Status::Ok, "leakscope is not confined")
        }
        Some(label) => {
            let seen = format!(
                "leakscope runs as {}, which may restrict tracing",
                Text::new(label)
            );
            check(code, title, Status::Ok, seen)
        }
    }
}

fn user_namespace(own: &OwnAccess) -> Check {
    let (code, title) = ("host.user-namespace", "user namespace");
    match own.first_user_namespace {
        Some(true) => check(code, title, Status::Ok, "that of the machine"),
        Some(false) => failing(
            code,
            title,
            Status::Warn,
            "leakscope is in one of its own: its capabilities count only for processes inside of it",
            &["to reach others: run leakscope as root of the host".to_owned()],
        ),
        None => check(code, title, Status::Unknown, "cannot be seen"),
    }
}

fn proc_view(own: &OwnAccess) -> Check {
    let (code, title) = ("host.proc", "/proc");
    let fixes = [
        "mount it: mount -t proc proc /proc".to_owned(),
        "in Docker: --pid=host, or --pid=container:NAME".to_owned(),
        "in Kubernetes: hostPID: true, or shareProcessNamespace: true".to_owned(),
    ];
    match own.proc_view {
        ProcView::Own { hides: false } => check(
            code,
            title,
            Status::Ok,
            "shows the processes of this PID namespace",
        ),
        ProcView::Own { hides: true } if own.sys_ptrace.effective => check(
            code,
            title,
            Status::Ok,
            "hides processes of other users (hidepid), but not with CAP_SYS_PTRACE",
        ),
        ProcView::Own { hides: true } => failing(
            code,
            title,
            Status::Warn,
            "hides processes of other users (hidepid)",
            &[format!("sudo {}", analyze(None))],
        ),
        ProcView::Foreign { pid } => {
            let seen = format!(
                "is that of another PID namespace: leakscope is process {} there, and {} here",
                if pid == 0 {
                    "no".to_owned()
                } else {
                    pid.to_string()
                },
                own.pid
            );
            failing(code, title, Status::Fail, seen, &fixes)
        }
        ProcView::Missing => failing(code, title, Status::Fail, "is not mounted", &fixes),
    }
}

fn folder(own: &OwnAccess) -> Check {
    let (code, title) = ("host.folder", "present folder");
    match own.folder_writable {
        Ok(()) => check(code, title, Status::Ok, "can be written to"),
        Err(why) => check(
            code,
            title,
            Status::Ok,
            format!("cannot be written to ({why}): files need another place with -o"),
        ),
    }
}

fn container(own: &OwnAccess) -> Check {
    let (code, title) = ("host.container", "container");
    match &own.container {
        None => check(code, title, Status::Ok, "no sign of one"),
        Some(container) => {
            let engine = container.engine.unwrap_or("an engine that is not known");
            let pod = match &container.pod {
                Some(pod) => format!(", in pod {}", Text::new(pod)),
                None if container.kubernetes => ", in a Kubernetes pod".to_owned(),
                None => String::new(),
            };
            let id = &container.id[..container.id.len().min(12)];
            let seen = format!(
                "inside of one ({engine}, {}{pod}): only its own processes can be seen",
                Text::new(id)
            );
            let fix = if container.kubernetes {
                "to reach another container: kubectl debug POD --target=CONTAINER --profile=sysadmin --image=IMAGE"
            } else {
                "to reach another container: run leakscope on the host, or with --pid=container:NAME"
            };
            failing(code, title, Status::Warn, seen, &[fix.to_owned()])
        }
    }
}

/// Whether there is memory for a copy of a process with `rss` resident bytes.
pub(super) fn memory(rss: Option<u64>) -> Check {
    let (code, title) = ("host.memory", "memory");
    let Some((available, limit)) = memory_headroom() else {
        return check(
            code,
            title,
            Status::Unknown,
            "neither the kernel nor a control group says what is left",
        );
    };
    let left = format!("{} left by {}", bytes(available), limit.display());
    let fixes = [
        "free memory, or raise the limit".to_owned(),
        "take a core (gcore PID), and analyse it elsewhere".to_owned(),
    ];
    match rss {
        Some(rss) if rss > available => {
            let seen = format!(
                "{left}, and the process has {} resident: a copy may not fit",
                bytes(rss)
            );
            failing(code, title, Status::Warn, seen, &fixes)
        }
        Some(rss) => check(
            code,
            title,
            Status::Ok,
            format!("{left}, and the process has {} resident", bytes(rss)),
        ),
        None if available < LITTLE_MEMORY => failing(code, title, Status::Warn, left, &fixes),
        None => check(code, title, Status::Ok, left),
    }
}
