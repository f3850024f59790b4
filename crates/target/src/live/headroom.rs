//! Whether there is memory for a copy: the target must not pay for it by the OOM killer.

use std::path::{Path, PathBuf};

use crate::Error;
use crate::stop::hierarchies;

/// Left over for everything else on the machine or in the group, bytes.
const RESERVE: u64 = 32 << 20;

/// A limit of a v1 group at or above this is none (the kernel rounds "unlimited" down to pages).
const V1_UNLIMITED: u64 = 1 << 62;

/// Fails if `needed` bytes more would bring the machine, or a control group that leakscope is in, to its limit.
pub(super) fn check(needed: u64) -> Result<(), Error> {
    match memory_headroom() {
        Some((available, limit)) if available.saturating_sub(RESERVE) < needed => {
            Err(Error::NoMemory {
                needed,
                available,
                limit,
            })
        }
        _ => Ok(()),
    }
}

/// Bytes of memory this process may still take, and what limits them: `MemAvailable`, or the path of a control group.
/// `None` where nothing says.
pub fn memory_headroom() -> Option<(u64, PathBuf)> {
    let machine = std::fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| mem_available(&text));
    let machine = machine.map(|bytes| (bytes, PathBuf::from("MemAvailable")));
    let groups = hierarchies()
        .into_iter()
        .filter(|h| h.is_unified() || h.has("memory"))
        .flat_map(|h| {
            let levels: Vec<PathBuf> = h
                .own
                .ancestors()
                .take_while(|a| a.starts_with(&h.mount))
                .map(Path::to_path_buf)
                .collect();
            levels
                .into_iter()
                .filter_map(|group| Some((of_group(&group)?, group)))
        });
    machine
        .into_iter()
        .chain(groups)
        .min_by_key(|(bytes, _)| *bytes)
}

fn mem_available(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// Bytes that a group may still take; `None` where it has no limit.
fn of_group(group: &Path) -> Option<u64> {
    let number = |file: &str| {
        std::fs::read_to_string(group.join(file))
            .ok()?
            .trim()
            .parse::<u64>()
            .ok()
    };
    let (limit, used) = match number("memory.usage_in_bytes") {
        Some(used) => (
            number("memory.limit_in_bytes").filter(|l| *l < V1_UNLIMITED)?,
            used,
        ),
        // "max" is no number: no limit. Above `memory.high` a group is throttled, which would do as much harm.
        None => (
            number("memory.max")
                .into_iter()
                .chain(number("memory.high"))
                .min()?,
            number("memory.current")?,
        ),
    };
    // Clean file pages are given back before anybody is killed.
    let stat = std::fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
    let field = |name: &str| {
        stat.lines()
            .find_map(|l| l.strip_prefix(name)?.trim().parse::<u64>().ok())
    };
    let reclaimable = field("total_inactive_file ")
        .or_else(|| field("inactive_file "))
        .unwrap_or(0);
    Some(limit.saturating_sub(used.saturating_sub(reclaimable)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mem_available_is_read_in_bytes() {
        assert_eq!(
            mem_available("MemTotal: 5 kB\nMemAvailable:   123 kB\n"),
            Some(123 * 1024)
        );
        assert_eq!(mem_available("MemTotal: 5 kB\n"), None);
    }

    #[test]
    fn groups_of_both_versions_say_what_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| std::fs::write(dir.path().join(file), text).unwrap();
        assert_eq!(of_group(dir.path()), None);
        write("memory.max", "max\n");
        write("memory.current", "700\n");
        assert_eq!(of_group(dir.path()), None);
        write("memory.max", "1000\n");
        write("memory.stat", "anon 5\ninactive_file 200\n");
        assert_eq!(of_group(dir.path()), Some(500));
        write("memory.high", "900\n");
        assert_eq!(of_group(dir.path()), Some(400));
        write("memory.usage_in_bytes", "100\n");
        write("memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(of_group(dir.path()), None);
        write("memory.limit_in_bytes", "150\n");
        assert_eq!(of_group(dir.path()), Some(150));
    }

    #[test]
    fn more_than_any_machine_has_is_refused_with_numbers() {
        match check(u64::MAX) {
            Err(Error::NoMemory {
                needed, available, ..
            }) => assert!(needed > available && available > 0),
            other => panic!("{other:?}"),
        }
    }
}
