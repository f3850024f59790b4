//! Control groups of this process: where their files are, and how the holder gets out of reach of a freezer.

use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// A cgroup hierarchy as this process sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Hierarchy {
    /// Where it is mounted.
    pub(crate) mount: PathBuf,
    /// This process's group in it, at or below `mount`.
    pub(crate) own: PathBuf,
    /// Names of its controllers; empty for the unified hierarchy (v2).
    pub(crate) controllers: Vec<Vec<u8>>,
}

impl Hierarchy {
    /// Whether this is the unified hierarchy (v2).
    pub(crate) fn is_unified(&self) -> bool {
        self.controllers.is_empty()
    }

    /// Whether this is the v1 hierarchy of `controller`.
    pub(crate) fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|c| c == controller.as_bytes())
    }
}

/// Every hierarchy that is mounted and that this process is a member of. Empty where `/proc` does not say.
pub(crate) fn hierarchies() -> Vec<Hierarchy> {
    let mounts = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
    let member = std::fs::read("/proc/self/cgroup").unwrap_or_default();
    parse(&mounts, &member)
}

struct Mount {
    root: Vec<u8>,
    at: Vec<u8>,
    /// Super options of a v1 mount; `None` for v2.
    options: Option<Vec<Vec<u8>>>,
}

fn parse(mounts: &[u8], member: &[u8]) -> Vec<Hierarchy> {
    let mounts: Vec<Mount> = mounts.split(|b| *b == b'\n').filter_map(mount).collect();
    member
        .split(|b| *b == b'\n')
        .filter_map(|line| hierarchy(&mounts, line))
        .collect()
}

/// One line of `/proc/self/mountinfo`, if it is of a cgroup.
fn mount(line: &[u8]) -> Option<Mount> {
    let fields: Vec<&[u8]> = line.split(|b| *b == b' ').collect();
    let dash = fields.iter().position(|f| *f == b"-")?;
    let options = match *fields.get(dash + 1)? {
        b"cgroup2" => None,
        b"cgroup" => Some(
            fields
                .get(dash + 3)?
                .split(|b| *b == b',')
                .map(<[u8]>::to_vec)
                .collect(),
        ),
        _ => return None,
    };
    Some(Mount {
        root: unescape(fields.get(3)?),
        at: unescape(fields.get(4)?),
        options,
    })
}

/// One line of `/proc/self/cgroup` (`ID:CONTROLLERS:PATH`), joined with its mount.
fn hierarchy(mounts: &[Mount], line: &[u8]) -> Option<Hierarchy> {
    let mut fields = line.splitn(3, |b| *b == b':');
    let _id = fields.next()?;
    let controllers: Vec<Vec<u8>> = fields
        .next()?
        .split(|b| *b == b',')
        .filter(|c| !c.is_empty())
        .map(<[u8]>::to_vec)
        .collect();
    let path = fields.next()?;
    let mount = mounts.iter().find(|m| match &m.options {
        None => controllers.is_empty(),
        Some(options) => !controllers.is_empty() && controllers.iter().all(|c| options.contains(c)),
    })?;
    // In a container only a part of the hierarchy may be mounted, whose root is then the container's group.
    let below = path.strip_prefix(&mount.root[..]).unwrap_or(path);
    let below: PathBuf = std::ffi::OsString::from_vec(below.to_vec()).into();
    let at = PathBuf::from(std::ffi::OsString::from_vec(mount.at.clone()));
    let own = at.join(below.strip_prefix("/").unwrap_or(&below));
    let own = if own.is_dir() { own } else { at.clone() };
    Some(Hierarchy {
        mount: at,
        own,
        controllers,
    })
}

/// Undoes the octal escapes of mountinfo.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let code = after
            .get(..3)
            .filter(|d| *first == b'\\' && d.iter().all(|b| (b'0'..b'8').contains(b)));
        match code {
            Some(digits) => {
                out.push(
                    digits
                        .iter()
                        .fold(0u8, |v, d| v.wrapping_mul(8).wrapping_add(d - b'0')),
                );
                rest = &after[3..];
            }
            None => {
                out.push(*first);
                rest = after;
            }
        }
    }
    out
}

/// Whether freezing leakscope's cgroup would freeze the holder too. A frozen holder cannot let the target go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Freezer {
    /// No group that leakscope is in can be frozen.
    Outside,
    /// The holder was moved out of every group that can be frozen.
    Left,
    /// The holder is in a group that can be frozen, and may not leave it: whoever freezes that group while the target
    /// is stopped keeps it stopped until the thaw.
    Inside,
}

/// Moves process `pid` out of every group that can be frozen, where permitted.
pub(super) fn leave_freezers(pid: i32) -> Freezer {
    let mut fact = Freezer::Outside;
    for h in hierarchies() {
        let file = match (h.is_unified(), h.has("freezer")) {
            (true, _) => "cgroup.freeze",
            (false, true) => "freezer.state",
            (false, false) => continue,
        };
        // The root of a hierarchy has no such file: it cannot be frozen. That of a container's part of one has.
        let freezable = |group: &Path| group.join(file).exists();
        if !freezable(&h.own) {
            continue;
        }
        let moved = !freezable(&h.mount)
            && std::fs::write(h.mount.join("cgroup.procs"), pid.to_string()).is_ok();
        if !moved {
            return Freezer::Inside;
        }
        fact = Freezer::Left;
    }
    fact
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_of_both_versions_are_found_by_their_mounts() {
        let mounts = b"20 1 0:5 / /proc rw - proc proc rw\n\
            30 1 0:26 / /tmp/c\\040g rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n\
            31 1 0:27 /docker/abc /tmp rw - cgroup cgroup rw,memory\n\
            32 1 0:28 / /nowhere rw - cgroup2 cgroup2 rw\n";
        let member = b"4:cpu,cpuacct:/x\n3:memory:/docker/abc\n2:pids:/\n0::/user\n";
        let found = parse(mounts, member);
        assert_eq!(found.len(), 3);
        assert_eq!(found[0].mount, Path::new("/tmp/c g"));
        assert!(found[0].has("cpu") && !found[0].is_unified());
        assert_eq!(found[1].own, Path::new("/tmp/"));
        assert_eq!(found[2].own, Path::new("/nowhere"));
        assert!(found[2].is_unified());
    }
}
