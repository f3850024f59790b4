//! Builds the programs of `fixtures/go`.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::cache::{folder, lock, repository};
use crate::running::Running;
use crate::toolchain::go_command;

/// How to build a fixture, where it differs from an ordinary build.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct BuildFlags {
    /// With cgo (needs a C compiler). Off by default, so that fixtures are the same on every machine.
    pub cgo: bool,
    /// `-race` (needs cgo).
    pub race: bool,
    /// `-ldflags`, for example `-s -w` for a stripped executable.
    pub ldflags: String,
    /// `-gcflags`, for example `all=-N -l`.
    pub gcflags: String,
    /// `-tags`.
    pub tags: Vec<String>,
    /// `-buildmode`, for example `pie`.
    pub buildmode: String,
    /// `GOEXPERIMENT`, for example `noswissmap`.
    pub experiments: String,
}

/// A built fixture.
#[derive(Debug, Clone)]
pub struct Fixture {
    name: String,
    version: String,
    path: PathBuf,
}

impl Fixture {
    /// Builds `fixtures/go/cmd/NAME` with exactly that Go version, or finds it built before: the cache goes by the
    /// source, the version and the flags. Any number of tests may ask at the same time.
    pub fn build(name: &str, version: &str, flags: &BuildFlags) -> Result<Fixture> {
        let module = repository().join("fixtures/go");
        let source = module.join("cmd").join(name);
        let key = format!(
            "{name}-{version}-{:016x}",
            hash_of(&module, &source, version, flags)?
        );
        let cache = folder("fixtures")?;
        let path = cache.join(&key).join(name);
        let fixture = Fixture {
            name: name.to_owned(),
            version: version.to_owned(),
            path,
        };
        if fixture.path.exists() {
            return Ok(fixture);
        }
        let _lock = lock(&cache, &key)?;
        if fixture.path.exists() {
            return Ok(fixture);
        }
        // Built beside its place and renamed, so that an interrupted build leaves nothing that looks finished.
        let building = cache.join(format!("{key}.unfinished"));
        let unfinished = building.join(name);
        compile(&module, name, version, flags, &unfinished)?;
        if let Some(parent) = fixture.path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::rename(&unfinished, &fixture.path)?;
        fs::remove_dir_all(&building)?;
        Ok(fixture)
    }

    /// The same executable with every occurrence of the text `from` replaced by `to`, which must be as long.
    pub fn patched(&self, from: &str, to: &str) -> Result<Fixture> {
        ensure!(
            from.len() == to.len() && !from.is_empty(),
            "a patch must not move anything"
        );
        let mut bytes = fs::read(&self.path)?;
        let mut at = 0;
        while let Some(found) = find(&bytes[at..], from.as_bytes()) {
            bytes[at + found..at + found + to.len()].copy_from_slice(to.as_bytes());
            at += found + to.len();
        }
        ensure!(at > 0, "{from:?} is not in {}", self.path.display());
        let parent = self.path.parent().context("a fixture without a folder")?;
        let cache = parent.join(format!("patched-{to}"));
        fs::create_dir_all(&cache)?;
        let _lock = lock(&cache, &self.name)?;
        let path = cache.join(&self.name);
        let unfinished = cache.join(format!("{}.unfinished", self.name));
        fs::write(&unfinished, bytes)?;
        fs::set_permissions(&unfinished, fs::metadata(&self.path)?.permissions())?;
        fs::rename(&unfinished, &path)?;
        Ok(Fixture {
            path,
            ..self.clone()
        })
    }

    /// The executable.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The Go version it was built with, for example `1.27.3`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The fixture's name, which is also the process's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs it and waits until it has stated its truth, at most two minutes.
    pub fn spawn(&self, arguments: &[&str]) -> Result<Running> {
        self.spawn_with(arguments, &[], Duration::from_secs(120))
    }

    /// Runs it with more environment variables and waits until it has stated its truth. Fixtures let any process of
    /// their user trace them, whatever Yama says, unless `FIXTURE_ALLOW_TRACING` is set to nothing here.
    pub fn spawn_with(
        &self,
        arguments: &[&str],
        environment: &[(&str, &str)],
        patience: Duration,
    ) -> Result<Running> {
        Running::start(&self.path, arguments, environment, patience)
            .with_context(|| format!("fixture {} built with go{}", self.name, self.version))
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|w| w == what)
}

fn compile(module: &Path, name: &str, version: &str, flags: &BuildFlags, out: &Path) -> Result<()> {
    let mut command = Command::new(go_command(version)?);
    command
        .current_dir(module)
        .args(["build", "-trimpath", "-o"])
        .arg(out);
    for (flag, value) in [
        ("-ldflags", flags.ldflags.clone()),
        ("-gcflags", flags.gcflags.clone()),
        ("-tags", flags.tags.join(",")),
        ("-buildmode", flags.buildmode.clone()),
    ] {
        if !value.is_empty() {
            command.arg(format!("{flag}={value}"));
        }
    }
    if flags.race {
        command.arg("-race");
    }
    command.arg(format!("./cmd/{name}"));
    command.env("CGO_ENABLED", if flags.cgo { "1" } else { "0" });
    command.env("GOEXPERIMENT", &flags.experiments);
    // Exactly this toolchain, and nothing of the caller's settings.
    command
        .env("GOTOOLCHAIN", "local")
        .env("GOFLAGS", "")
        .env("GOWORK", "off")
        .env("GOAMD64", "")
        .env_remove("GOROOT");
    let output = command
        .stdin(Stdio::null())
        .output()
        .context("cannot run go build")?;
    if !output.status.success() {
        bail!(
            "fixture {name} does not build with go{version}:\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

/// What a build depends on: the shared packages, the fixture's own files, the version and the flags.
fn hash_of(module: &Path, source: &Path, version: &str, flags: &BuildFlags) -> Result<u64> {
    let mut hasher = DefaultHasher::new();
    version.hash(&mut hasher);
    flags.hash(&mut hasher);
    let mut files = vec![module.join("go.mod")];
    collect(&module.join("internal"), &mut files)?;
    collect(source, &mut files)?;
    files.sort();
    for file in files {
        file.strip_prefix(module).unwrap_or(&file).hash(&mut hasher);
        fs::read(&file)
            .with_context(|| format!("cannot read {}", file.display()))?
            .hash(&mut hasher);
    }
    Ok(hasher.finish())
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
