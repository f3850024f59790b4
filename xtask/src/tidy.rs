//! The rules of ARCHITECTURE.md that a program can check: crate edges, where `unsafe`, system calls and file access may
//! stand, file sizes, and that every crate is described.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// What each crate of ours may depend on besides public libraries. An edge that is not here is a defect.
const EDGES: &[(&str, &[&str])] = &[
    ("leakscope-target", &[]),
    ("leakscope-graph", &[]),
    ("leakscope-goabi", &[]),
    ("leakscope-gomap", &["leakscope-goabi"]),
    (
        "leakscope-go",
        &["leakscope-target", "leakscope-graph", "leakscope-goabi"],
    ),
    ("leakscope-jvm", &["leakscope-graph"]),
    (
        "leakscope-patterns",
        &[
            "leakscope-target",
            "leakscope-gomap",
            "leakscope-graph",
            "leakscope-go",
        ],
    ),
    ("leakscope-report", &[]),
    (
        "leakscope-watch",
        &["leakscope-target", "leakscope-go", "leakscope-trend"],
    ),
    ("leakscope-trend", &[]),
    ("leakscope-trend-bench", &["leakscope-trend"]),
    (
        "leakscope-cli",
        &[
            "leakscope-target",
            "leakscope-gomap",
            "leakscope-graph",
            "leakscope-go",
            "leakscope-jvm",
            "leakscope-patterns",
            "leakscope-report",
            "leakscope-trend",
            "leakscope-watch",
        ],
    ),
    ("leakscope-testkit", &[]),
    (
        "xtask",
        &[
            "leakscope-target",
            "leakscope-goabi",
            "leakscope-go",
            "leakscope-testkit",
            "leakscope-trend",
            "leakscope-trend-bench",
        ],
    ),
];

/// Only these crates' non-test code may contain `unsafe`, and only in these files.
const UNSAFE_FILES: &[&str] = &[
    "crates/target/src/attach/",
    "crates/target/src/region.rs",
    "crates/target/src/vm.rs",
    "crates/target/src/hygiene.rs",
    "crates/target/src/stop/",
    "crates/target/src/mapped.rs",
    "crates/target/src/spill/",
];

/// Crates that are pure: no files, no processes, no sockets, no clocks.
const PURE: &[&str] = &[
    "graph",
    "goabi",
    "gomap",
    "go",
    "jvm",
    "patterns",
    "report",
    "trend",
    "trend-bench",
];

/// What a pure crate's sources may not name.
const IMPURE_WORDS: &[&str] = &[
    "std::fs",
    "std::net",
    "std::process",
    "std::env",
    "libc",
    "std::io::stdout",
];

/// A file longer than this has more than one purpose.
const MAX_LINES: usize = 700;

/// Checks every rule and lists each breach.
pub(crate) fn run(root: &Path) -> Result<()> {
    let mut breaches = Vec::new();
    edges(root, &mut breaches)?;
    let mut files = Vec::new();
    for folder in ["crates", "xtask"] {
        rust_files(&root.join(folder), &mut files)?;
    }
    files.sort();
    for file in &files {
        let text =
            std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
        let name = file.strip_prefix(root)?.to_string_lossy().into_owned();
        source(&name, &text, &mut breaches);
    }
    described(root, &mut breaches)?;
    for breach in &breaches {
        eprint_line(breach);
    }
    if !breaches.is_empty() {
        bail!("{} breaches of the architecture's rules", breaches.len());
    }
    eprint_line(&format!(
        "tidy: {} files, {} crates, no breach",
        files.len(),
        EDGES.len()
    ));
    Ok(())
}

#[expect(clippy::print_stderr, reason = "the chore's report")]
fn eprint_line(line: &str) {
    eprintln!("{line}");
}

fn edges(root: &Path, breaches: &mut Vec<String>) -> Result<()> {
    let out = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version=1", "--offline"])
        .current_dir(root)
        .output()
        .context("running cargo metadata")?;
    let metadata: serde_json::Value =
        serde_json::from_slice(&out.stdout).context("reading cargo metadata")?;
    let packages = metadata["packages"]
        .as_array()
        .context("packages in cargo metadata")?;
    let allowed: BTreeMap<&str, &[&str]> = EDGES.iter().copied().collect();
    for package in packages {
        let name = package["name"].as_str().context("a package's name")?;
        let Some(may) = allowed.get(name) else {
            breaches.push(format!("crate {name} is not in the table of edges"));
            continue;
        };
        for dependency in package["dependencies"].as_array().context("dependencies")? {
            let to = dependency["name"].as_str().unwrap_or_default();
            let ours = allowed.contains_key(to);
            let normal = dependency["kind"].is_null();
            if ours && normal && !may.contains(&to) {
                breaches.push(format!("crate {name} may not depend on {to}"));
            }
            if to == "leakscope-testkit" && normal && name != "xtask" {
                breaches.push(format!(
                    "crate {name} depends on testkit outside of its tests"
                ));
            }
        }
    }
    Ok(())
}

fn rust_files(folder: &Path, into: &mut Vec<PathBuf>) -> Result<()> {
    for entry in
        std::fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))?
    {
        let path = entry?.path();
        if path.is_dir() {
            rust_files(&path, into)?;
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
    Ok(())
}

fn source(name: &str, text: &str, breaches: &mut Vec<String>) {
    let lines = text.lines().count();
    if lines > MAX_LINES {
        breaches.push(format!("{name} has {lines} lines, more than {MAX_LINES}"));
    }
    if name.ends_with("/utils.rs") || name.ends_with("/util.rs") || name.ends_with("/helpers.rs") {
        breaches.push(format!("{name} is named after nothing it does"));
    }
    let test_code = name.contains("/tests/")
        || name.contains("/examples/")
        || name.starts_with("crates/testkit/");
    let crate_name = name
        .strip_prefix("crates/")
        .and_then(|n| n.split('/').next())
        .unwrap_or_default();
    for (number, line) in text.lines().enumerate() {
        let code = &without_strings(line);
        let at = number + 1;
        if has_word(code, "unsafe")
            && !test_code
            && !UNSAFE_FILES.iter().any(|f| name.starts_with(f))
        {
            breaches.push(format!(
                "{name}:{at}: unsafe outside of the modules that may"
            ));
        }
        if has_word(code, "libc")
            && crate_name != "target"
            && !test_code
            && !name.starts_with("xtask/")
        {
            breaches.push(format!("{name}:{at}: system calls belong to crate target"));
        }
        let in_source = name.contains("/src/");
        if PURE.contains(&crate_name) && in_source && IMPURE_WORDS.iter().any(|w| has_word(code, w))
        {
            breaches.push(format!(
                "{name}:{at}: crate {crate_name} touches nothing outside of memory"
            ));
        }
        if ["#[ignore", "todo!(", "unimplemented!("]
            .iter()
            .any(|w| code.contains(w))
        {
            breaches.push(format!("{name}:{at}: unfinished or switched off"));
        }
    }
}

/// The line without what stands in string literals and in a comment at its end.
fn without_strings(line: &str) -> String {
    let mut code = String::with_capacity(line.len());
    let mut in_string = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if in_string => {
                chars.next();
            }
            '"' => {
                in_string = !in_string;
                code.push(c);
            }
            '/' if !in_string && chars.peek() == Some(&'/') => break,
            _ if !in_string => code.push(c),
            _ => {}
        }
    }
    code
}

/// Whether `word` stands in `code` as a word of its own.
fn has_word(code: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(i, _)| {
        !code[..i].chars().next_back().is_some_and(part)
            && !code[i + word.len()..].chars().next().is_some_and(part)
    })
}

fn described(root: &Path, breaches: &mut Vec<String>) -> Result<()> {
    let architecture =
        std::fs::read_to_string(root.join("ARCHITECTURE.md")).context("reading ARCHITECTURE.md")?;
    for entry in std::fs::read_dir(root.join("crates"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !architecture.contains(&format!("`{name}`")) {
            breaches.push(format!("ARCHITECTURE.md does not describe crate {name}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaches_of(name: &str, text: &str) -> usize {
        let mut found = Vec::new();
        source(name, text, &mut found);
        found.len()
    }

    #[test]
    fn unsafe_is_found_as_a_word_outside_comments_only() {
        assert_eq!(breaches_of("crates/graph/src/a.rs", "unsafe { x() }"), 1);
        assert_eq!(
            breaches_of("crates/graph/src/a.rs", "// unsafe\n#![deny(unsafe_code)]"),
            0
        );
        assert_eq!(
            breaches_of("crates/graph/src/a.rs", "let x = \"unsafe\"; // unsafe"),
            0
        );
        assert_eq!(
            breaches_of("crates/target/src/region.rs", "unsafe { x() }"),
            0
        );
    }

    #[test]
    fn pure_crates_name_no_file_access() {
        assert_eq!(breaches_of("crates/go/src/a.rs", "use std::fs::File;"), 1);
        assert_eq!(breaches_of("crates/cli/src/a.rs", "use std::fs::File;"), 0);
        assert_eq!(breaches_of("crates/cli/src/a.rs", "libc::kill(1, 9);"), 1);
    }
}
