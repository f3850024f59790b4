//! Control groups of memory, version 1 and 2: anonymous memory, limits, kills for lack of memory, pressure.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Longest file that is read. `memory.stat` has some 60 lines.
const MAX_FILE: u64 = 64 << 10;

/// Most groups above one that are asked for their limit.
const MAX_DEPTH: usize = 32;

/// From here on a limit of version 1 is none (`PAGE_COUNTER_MAX`, rounded down to pages).
const NO_LIMIT: u64 = i64::MAX as u64 / 4096 * 4096;

/// Where this machine has its groups of memory.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Mounts {
    /// Version 2: the folder, and the group that is mounted there.
    unified: Option<(PathBuf, String)>,
    /// The memory controller of version 1.
    memory: Option<(PathBuf, String)>,
}

/// What a group counts, at one moment.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(crate) struct GroupSample {
    /// Anonymous bytes of all its processes.
    pub(crate) anonymous: Option<u64>,
    /// Bytes that it and the groups above it may have.
    pub(crate) limit: Option<u64>,
    /// Processes that the kernel ended for lack of memory in it.
    pub(crate) oom_kills: Option<u64>,
    /// Share of the last 10 seconds, in percent, in which some process waited for memory.
    pub(crate) pressure: Option<f64>,
}

/// Samples of groups, each read once in a round whatever the number of its processes.
#[derive(Default)]
pub(crate) struct Groups {
    mounts: Mounts,
    round: BTreeMap<PathBuf, GroupSample>,
}

impl Groups {
    /// As this machine has them mounted now.
    pub(crate) fn new() -> Self {
        let mountinfo = read(Path::new("/proc/self/mountinfo")).unwrap_or_default();
        Self {
            mounts: Mounts::parse(&mountinfo),
            round: BTreeMap::new(),
        }
    }

    /// The group of process `pid`, if it can be found.
    pub(crate) fn of(&self, pid: i32) -> Option<PathBuf> {
        self.mounts
            .folder(&read(Path::new(&format!("/proc/{pid}/cgroup")))?)
    }

    /// A new round begins: samples are taken anew.
    pub(crate) fn begin_round(&mut self) {
        self.round.clear();
    }

    /// What a group counts in this round.
    pub(crate) fn sample(&mut self, group: &Path) -> GroupSample {
        if let Some(known) = self.round.get(group) {
            return *known;
        }
        let sample = if self.is_unified(group) {
            self.unified(group)
        } else {
            first_version(group)
        };
        self.round.insert(group.to_owned(), sample);
        sample
    }

    fn is_unified(&self, group: &Path) -> bool {
        self.mounts
            .unified
            .as_ref()
            .is_some_and(|(mount, _)| group.starts_with(mount))
    }

    fn unified(&self, group: &Path) -> GroupSample {
        let stat = read(&group.join("memory.stat")).unwrap_or_default();
        let events = read(&group.join("memory.events")).unwrap_or_default();
        let pressure = read(&group.join("memory.pressure")).unwrap_or_default();
        let mount = self.mounts.unified.as_ref().map(|(mount, _)| mount);
        let limit = group
            .ancestors()
            .take(MAX_DEPTH)
            .take_while(|folder| mount.is_some_and(|m| folder.starts_with(m)))
            .filter_map(|folder| read(&folder.join("memory.max"))?.trim().parse().ok())
            .min();
        GroupSample {
            anonymous: field(&stat, "anon"),
            limit,
            oom_kills: field(&events, "oom_kill"),
            pressure: some_avg10(&pressure),
        }
    }
}

/// Version 1 gives sums and the limit of the whole branch in one file.
fn first_version(group: &Path) -> GroupSample {
    let stat = read(&group.join("memory.stat")).unwrap_or_default();
    let kills = read(&group.join("memory.oom_control")).unwrap_or_default();
    GroupSample {
        anonymous: field(&stat, "total_rss"),
        limit: field(&stat, "hierarchical_memory_limit").filter(|limit| *limit < NO_LIMIT),
        oom_kills: field(&kills, "oom_kill"),
        pressure: None,
    }
}

impl Mounts {
    /// From `/proc/self/mountinfo` (proc_pid_mountinfo(5)): the fourth field is what of the file system is mounted, the
    /// fifth where; behind a lone dash come type, source and options.
    fn parse(mountinfo: &str) -> Self {
        let mut mounts = Self::default();
        for line in mountinfo.lines() {
            let Some((before, after)) = line.split_once(" - ") else {
                continue;
            };
            let mut fields = before.split(' ').skip(3);
            let (Some(root), Some(point)) = (fields.next(), fields.next()) else {
                continue;
            };
            let place = || Some((PathBuf::from(point), root.to_owned()));
            let mut after = after.split(' ');
            match after.next() {
                Some("cgroup2") if mounts.unified.is_none() => mounts.unified = place(),
                Some("cgroup") => {
                    let memory = after
                        .nth(1)
                        .is_some_and(|o| o.split(',').any(|o| o == "memory"));
                    if memory && mounts.memory.is_none() {
                        mounts.memory = place();
                    }
                }
                _ => {}
            }
        }
        mounts
    }

    /// The folder of a process's group, by the text of `/proc/PID/cgroup`: that of the memory controller of version 1
    /// where there is one (a hybrid has memory there only), else that of version 2.
    fn folder(&self, text: &str) -> Option<PathBuf> {
        let path = |wanted: &dyn Fn(&str, &str) -> bool| {
            text.lines().find_map(|line| {
                let mut parts = line.splitn(3, ':');
                let (id, controllers) = (parts.next()?, parts.next()?);
                wanted(id, controllers).then(|| parts.next()).flatten()
            })
        };
        let memory = path(&|_, controllers| controllers.split(',').any(|c| c == "memory"));
        match (memory, &self.memory) {
            (Some(path), Some(mount)) => below(mount, path),
            _ => below(
                self.unified.as_ref()?,
                path(&|id, controllers| id == "0" && controllers.is_empty())?,
            ),
        }
    }
}

/// A group's folder, given where which group is mounted. None where the group is outside of what is mounted.
fn below((mount, root): &(PathBuf, String), path: &str) -> Option<PathBuf> {
    let path = if root == "/" {
        path
    } else {
        path.strip_prefix(root.as_str())?
    };
    let outside = path.split('/').any(|part| part == "..");
    (!outside).then(|| mount.join(path.trim_start_matches('/')))
}

fn read(path: &Path) -> Option<String> {
    use std::io::Read;
    let mut text = Vec::with_capacity(4096);
    let file = std::fs::File::open(path).ok()?;
    file.take(MAX_FILE).read_to_end(&mut text).ok()?;
    String::from_utf8(text).ok()
}

/// The number behind a word at the start of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?
        .trim()
        .parse()
        .ok()
}

/// `some avg10=0.00 avg60=...` of a pressure file.
fn some_avg10(text: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let value = line
        .split(' ')
        .find_map(|word| word.strip_prefix("avg10="))?;
    value.parse().ok().filter(|v| (0.0..=100.0).contains(v))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_of_both_versions_and_hybrids_are_told_apart() {
        let v2 = Mounts::parse(
            "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n",
        );
        assert_eq!(
            v2.folder("0::/kubepods/pod1/abc\n"),
            Some("/sys/fs/cgroup/kubepods/pod1/abc".into())
        );
        assert_eq!(v2.folder("0::/../other\n"), None);
        let hybrid = Mounts::parse(
            "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
             41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
        );
        assert_eq!(
            hybrid.folder("9:name=systemd:/a\n4:memory:/b/c\n0::/a\n"),
            Some("/sys/fs/cgroup/memory/b/c".into())
        );
        let inside = Mounts::parse(
            "35 31 0:32 /docker/x /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
        );
        assert_eq!(
            inside.folder("4:memory:/docker/x/y\n"),
            Some("/sys/fs/cgroup/memory/y".into())
        );
        assert_eq!(inside.folder("4:memory:/docker/z\n"), None);
        assert_eq!(Mounts::parse("nonsense\n - \n"), Mounts::default());
    }

    #[test]
    fn the_lowest_limit_of_a_branch_counts() {
        let dir = tempfile::tempdir().unwrap();
        let group = dir.path().join("a/b");
        std::fs::create_dir_all(&group).unwrap();
        std::fs::write(dir.path().join("a/memory.max"), "1000\n").unwrap();
        std::fs::write(group.join("memory.max"), "max\n").unwrap();
        std::fs::write(group.join("memory.stat"), "anon 42\nfile 7\nanon_thp 9\n").unwrap();
        std::fs::write(group.join("memory.events"), "oom 3\noom_kill 2\n").unwrap();
        let pressure = "some avg10=1.50 avg60=0.00 avg300=0.00 total=5\nfull avg10=0.00\n";
        std::fs::write(group.join("memory.pressure"), pressure).unwrap();
        let mut groups = Groups {
            mounts: Mounts {
                unified: Some((dir.path().to_owned(), "/".to_owned())),
                memory: None,
            },
            round: BTreeMap::new(),
        };
        let expected = GroupSample {
            anonymous: Some(42),
            limit: Some(1000),
            oom_kills: Some(2),
            pressure: Some(1.5),
        };
        assert_eq!(groups.sample(&group), expected);
        std::fs::write(group.join("memory.stat"), "anon 43\n").unwrap();
        assert_eq!(groups.sample(&group), expected, "once in a round");
        groups.begin_round();
        assert_eq!(groups.sample(&group).anonymous, Some(43));
        assert_eq!(groups.sample(&dir.path().join("gone")).anonymous, None);
    }

    #[test]
    fn the_first_version_has_everything_in_one_file() {
        let dir = tempfile::tempdir().unwrap();
        let stat = "rss 1\nhierarchical_memory_limit 9223372036854771712\ntotal_rss 5\n";
        std::fs::write(dir.path().join("memory.stat"), stat).unwrap();
        std::fs::write(
            dir.path().join("memory.oom_control"),
            "under_oom 0\noom_kill 1\n",
        )
        .unwrap();
        let sample = first_version(dir.path());
        assert_eq!(
            (sample.anonymous, sample.limit, sample.oom_kills),
            (Some(5), None, Some(1))
        );
    }
}
