//! A JVM, by the counters it keeps in a file.

use leakscope_target::{list_inside, read_inside};

use super::collectors::{self, HeapFloors, HeapSample};
use super::hsperf::{Hsperf, HsperfError, MAX_FILE};

/// Where HotSpot puts its folders of counters (`os::get_temp_directory`, always this on Linux).
const TEMPORARY: &str = "/tmp";

/// Milliseconds that a JVM's own start can lie before its process's start by the kernel's clock, which has ticks.
const START_TOLERANCE: u64 = 5_000;

/// What the watcher learns of a JVM once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct JvmFacts {
    /// Version of the virtual machine.
    pub(crate) version: Option<String>,
    /// Main class or jar, without folders and arguments.
    pub(crate) main: Option<String>,
}

/// What a JVM counts, at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct JvmSample {
    pub(crate) heap: HeapSample,
    /// Classes that are loaded now.
    pub(crate) classes: Option<u64>,
}

/// One JVM's file of counters.
#[derive(Clone, Debug)]
pub(crate) struct JvmCounters {
    pid: i32,
    path: String,
    floors: HeapFloors,
}

impl JvmCounters {
    /// Finds the file of process `pid`, which has the id `inside` among its own, and started then (milliseconds since
    /// 1970). `None` where there is none: `-XX:-UsePerfData`, `PerfDisableSharedMem`, no permission, or only that of
    /// an earlier process.
    pub(crate) fn find(pid: i32, inside: i32, started: u64) -> Option<(Self, JvmFacts)> {
        let folders = list_inside(pid, TEMPORARY).ok()?;
        folders
            .iter()
            .filter(|name| name.starts_with("hsperfdata_"))
            .find_map(|folder| {
                let counters = Self {
                    pid,
                    path: format!("{TEMPORARY}/{folder}/{inside}"),
                    floors: HeapFloors::default(),
                };
                let head = counters.read(is_head).ok()?;
                let began = head.number("sun.rt.createVmBeginTime")?;
                (began.saturating_add(START_TOLERANCE) >= started).then(|| {
                    let facts = JvmFacts {
                        version: head
                            .text("java.property.java.vm.version")
                            .map(str::to_owned),
                        main: head.text("sun.rt.javaCommand").and_then(main_of),
                    };
                    (counters, facts)
                })
            })
    }

    /// Reads the file. Garbage and missing files are errors, after which the source is to be dropped.
    pub(crate) fn sample(&mut self) -> Result<JvmSample, JvmError> {
        let counters = self.read(is_sampled)?;
        let classes = counters
            .number("java.cls.loadedClasses")
            .map(|own| own + counters.number("java.cls.sharedLoadedClasses").unwrap_or(0))
            .map(|loaded| {
                let unloaded = counters.number("java.cls.unloadedClasses").unwrap_or(0)
                    + counters
                        .number("java.cls.sharedUnloadedClasses")
                        .unwrap_or(0);
                loaded.saturating_sub(unloaded)
            });
        Ok(JvmSample {
            heap: self.floors.sample(&counters),
            classes,
        })
    }

    fn read(&self, wanted: impl Fn(&str) -> bool) -> Result<Hsperf, JvmError> {
        let file = read_inside(self.pid, &self.path, MAX_FILE).map_err(|_| JvmError::NoFile)?;
        Ok(Hsperf::parse(&file, wanted)?)
    }
}

/// Why a JVM's counters could not be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum JvmError {
    #[error("its file of counters cannot be read")]
    NoFile,
    #[error(transparent)]
    Garbage(#[from] HsperfError),
}

fn is_head(name: &str) -> bool {
    matches!(
        name,
        "sun.rt.createVmBeginTime" | "java.property.java.vm.version" | "sun.rt.javaCommand"
    )
}

fn is_sampled(name: &str) -> bool {
    collectors::is_wanted(name)
        || matches!(
            name,
            "java.cls.loadedClasses"
                | "java.cls.sharedLoadedClasses"
                | "java.cls.unloadedClasses"
                | "java.cls.sharedUnloadedClasses"
        )
}

/// Main class or jar of a command line: arguments may hold secrets, and folders say nothing.
fn main_of(command: &str) -> Option<String> {
    let first = command.split(' ').next()?;
    let name = first.rsplit('/').next().unwrap_or(first);
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_command_line_only_the_main_class_is_taken() {
        assert_eq!(
            main_of("/opt/app/shop.jar --password=hunter2").as_deref(),
            Some("shop.jar")
        );
        assert_eq!(main_of("com.acme.Shop x").as_deref(), Some("com.acme.Shop"));
        assert_eq!(main_of(""), None);
    }
}
