//! `leakscope ps`: processes that leakscope could look into.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Head, Text};

/// Go programs and JVMs of this machine.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct PsDoc {
    /// The head of every document. Its gaps count processes that could not be examined.
    #[serde(flatten)]
    pub head: Head,
    /// The processes, by pid.
    pub processes: Vec<ProcessRow>,
}

/// One process. `null` means not known.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct ProcessRow {
    /// Process id.
    pub pid: i32,
    /// Its process id as it sees itself, where that differs: it lives in a nested PID namespace.
    pub ns_pid: Option<i32>,
    /// Id (or name) of the container it runs in, by its control group.
    pub container: Option<Text>,
    /// The container's engine, such as `docker` or `containerd`, where the control group tells.
    pub container_engine: Option<Text>,
    /// UID of the Kubernetes pod it runs in, or id of the podman pod.
    pub pod: Option<Text>,
    /// The kernel's name of it.
    pub name: Text,
    /// Path of its executable, as it sees it.
    pub executable: Option<Text>,
    /// The language runtime: `go` or `jvm`.
    pub runtime: Text,
    /// The runtime's version as it names itself.
    pub runtime_version: Option<Text>,
    /// Whether the executable carries debug info.
    pub debug_info: Option<bool>,
    /// Main class or jar of a JVM.
    pub main: Option<Text>,
    /// The collector of a JVM.
    pub collector: Option<Text>,
    /// Bytes of a JVM's heap after its latest collections.
    pub heap_used_bytes: Option<u64>,
    /// Bytes that a JVM's heap may grow to.
    pub heap_max_bytes: Option<u64>,
    /// Whether leakscope, run as now, may look into it; of a JVM, whether it may ask it.
    pub readable: bool,
    /// Why not.
    pub why_not: Option<Text>,
    /// Its user's id.
    pub uid: Option<u32>,
    /// Resident memory, bytes.
    pub rss_bytes: Option<u64>,
}
