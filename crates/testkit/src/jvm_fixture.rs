//! Compiles and runs the programs of `fixtures/jvm`, and asks the JVM's own tools about them.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::cache::{folder, lock, repository};
use crate::jdk::Jdk;
use crate::running::Running;

/// How long a program may take to state its truth: ZGC and large heaps start slowly on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// A way in which a JVM lays objects out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JvmLayout {
    /// Short name, for example `25-compact`.
    pub name: &'static str,
    /// Major version of the JVM.
    pub jdk: u32,
    /// What turns it on.
    pub flags: &'static [&'static str],
}

/// The layouts that exactness is tested on. Heaps are below 4 GiB, where oops would not even be shifted: each flag here
/// changes sizes.
pub const JVM_LAYOUTS: [JvmLayout; 8] = [
    JvmLayout {
        name: "17",
        jdk: 17,
        flags: &[],
    },
    JvmLayout {
        name: "17-wide-oops",
        jdk: 17,
        flags: &["-XX:-UseCompressedOops"],
    },
    JvmLayout {
        name: "17-wide-class-pointers",
        jdk: 17,
        flags: &["-XX:-UseCompressedClassPointers"],
    },
    JvmLayout {
        name: "17-align16",
        jdk: 17,
        flags: &["-XX:ObjectAlignmentInBytes=16"],
    },
    JvmLayout {
        name: "17-zgc",
        jdk: 17,
        flags: &["-XX:+UseZGC"],
    },
    JvmLayout {
        name: "25",
        jdk: 25,
        flags: &[],
    },
    JvmLayout {
        name: "25-compact",
        jdk: 25,
        flags: &["-XX:+UseCompactObjectHeaders"],
    },
    JvmLayout {
        name: "25-zgc",
        jdk: 25,
        flags: &["-XX:+UseZGC"],
    },
];

/// The compiled programs.
#[derive(Debug, Clone)]
pub struct JvmFixtures {
    classes: PathBuf,
}

impl JvmFixtures {
    /// Compiles `fixtures/jvm/src` for Java 17, or finds it compiled before. Any number of tests may ask at the same time.
    pub fn build() -> Result<JvmFixtures> {
        let source = repository().join("fixtures/jvm/src");
        let mut files = Vec::new();
        collect(&source, &mut files)?;
        files.sort();
        let mut hasher = DefaultHasher::new();
        for file in &files {
            file.strip_prefix(&source).unwrap_or(file).hash(&mut hasher);
            fs::read(file)?.hash(&mut hasher);
        }
        let cache = folder("jvm")?;
        let key = format!("{:016x}", hasher.finish());
        let classes = cache.join(&key);
        if classes.exists() {
            return Ok(JvmFixtures { classes });
        }
        let _lock = lock(&cache, &key)?;
        if !classes.exists() {
            // Built beside its place and renamed, so that an interrupted build leaves nothing that looks finished.
            let building = TempDir::new_in(&cache)?;
            let output = Command::new(Jdk::with_tools()?.tool("javac"))
                .args(["--release", "17", "-encoding", "UTF-8", "-d"])
                .arg(building.path())
                .args(&files)
                .stdin(Stdio::null())
                .output()
                .context("cannot run javac")?;
            if !output.status.success() {
                bail!(
                    "fixtures/jvm does not compile:\n{}",
                    String::from_utf8_lossy(&output.stderr)
                );
            }
            fs::rename(building.keep(), &classes)?;
        }
        Ok(JvmFixtures { classes })
    }

    /// The folder of the class files.
    pub fn classes(&self) -> &Path {
        &self.classes
    }

    /// Runs `com.acme.PROGRAM` and waits until it has stated its truth. `flags` are for the JVM; unless they say
    /// otherwise, its heap is at most 512 MiB.
    pub fn spawn(
        &self,
        jdk: &Jdk,
        program: &str,
        flags: &[&str],
        arguments: &[&str],
    ) -> Result<Running> {
        let classes = self
            .classes
            .to_str()
            .context("the cache's path is no text")?;
        let class = format!("com.acme.{program}");
        let mut words = vec!["-Xmx512m"];
        words.extend(flags);
        words.extend(["-cp", classes, &class]);
        words.extend(arguments);
        Running::start(&jdk.tool("java"), &words, &[], PATIENCE)
            .with_context(|| format!("{class} on Java {}", jdk.major()))
    }
}

/// Objects of one class, as the JVM counts them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClassSum {
    /// How many.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A dump of a program of `fixtures/jvm`, with what the JVM itself said at the same moment.
#[derive(Debug)]
pub struct JvmDump {
    folder: TempDir,
    truth: Value,
    histogram: BTreeMap<String, ClassSum>,
}

impl JvmDump {
    /// Runs the program in that layout, dumps its whole heap, garbage included, asks for its histogram and ends it.
    pub fn take(layout: &JvmLayout, program: &str, arguments: &[&str]) -> Result<JvmDump> {
        let jdk = Jdk::find(layout.jdk)?;
        let running = JvmFixtures::build()?.spawn(&jdk, program, layout.flags, arguments)?;
        JvmDump::of(&running)
    }

    /// Dumps a program that runs.
    pub fn of(running: &Running) -> Result<JvmDump> {
        let folder = TempDir::new_in(folder("run")?)?;
        let path = folder.path().join("dump.hprof");
        let to = path.to_str().context("the cache's path is no text")?;
        jcmd(running.pid(), &["GC.heap_dump", "-all", to])?;
        ensure!(path.exists(), "no dump was written");
        let histogram = Self::histogram_of(running.pid())?;
        let truth = running.truth().clone();
        Ok(JvmDump {
            folder,
            truth,
            histogram,
        })
    }

    /// The dump.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("dump.hprof")
    }

    /// What the program said of itself.
    pub fn truth(&self) -> &Value {
        &self.truth
    }

    /// Objects by class as the JVM spells it (`[I`, `java.lang.String`), garbage included; what several class loaders
    /// define under one name is added up.
    pub fn histogram(&self) -> &BTreeMap<String, ClassSum> {
        &self.histogram
    }

    /// Asks the JVM `pid` for that, garbage included.
    pub fn histogram_of(pid: i32) -> Result<BTreeMap<String, ClassSum>> {
        let text = jcmd(pid, &["GC.class_histogram", "-all"])?;
        let mut classes: BTreeMap<String, ClassSum> = BTreeMap::new();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let rank = words.next().and_then(|w| w.strip_suffix(':'));
            let (Some(_), Some(count), Some(bytes), Some(name)) = (
                rank.and_then(|w| w.parse::<u64>().ok()),
                words.next(),
                words.next(),
                words.next(),
            ) else {
                continue;
            };
            let sum = classes.entry(name.to_owned()).or_default();
            sum.count += count.parse::<u64>()?;
            sum.bytes += bytes.parse::<u64>()?;
        }
        ensure!(!classes.is_empty(), "no histogram in {text:?}");
        Ok(classes)
    }
}

/// Runs JDK 17's `jcmd` on a JVM of any version.
fn jcmd(pid: i32, words: &[&str]) -> Result<String> {
    let output = Command::new(Jdk::with_tools()?.tool("jcmd"))
        .arg(pid.to_string())
        .args(words)
        .stdin(Stdio::null())
        .output()
        .context("cannot run jcmd")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success(),
        "jcmd {words:?} failed: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(text)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("no fixture here: {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}
