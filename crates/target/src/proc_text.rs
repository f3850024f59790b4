//! Reading `/proc` as bytes: names in it are hostile and need not be UTF-8.

use std::io::Read;
use std::path::Path;

/// The most bytes taken from one file of `/proc`. The largest read here, `status`, is below 4 KiB even with the longest
/// list of groups seen; `cgroup` holds at most a path per hierarchy.
const MAX_FILE: u64 = 1 << 20;

/// The file's bytes, read at once.
pub(crate) fn read(path: impl AsRef<Path>) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(4096);
    std::fs::File::open(path)?
        .take(MAX_FILE)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The file's content as one number.
pub(crate) fn number<T: std::str::FromStr>(path: impl AsRef<Path>) -> Option<T> {
    parse(&read(path).ok()?)
}

/// A number in ASCII, with white space around it.
pub(crate) fn parse<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text.trim_ascii()).ok()?.parse().ok()
}

/// The value behind `key:` at the start of a line, trimmed. The values of `status` cannot hold a line break: the
/// kernel escapes the one that a process chooses, its name.
pub(crate) fn field<'a>(text: &'a [u8], key: &str) -> Option<&'a [u8]> {
    text.split(|b| *b == b'\n').find_map(|line| {
        let rest = line.strip_prefix(key.as_bytes())?;
        Some(rest.strip_prefix(b":")?.trim_ascii())
    })
}

/// The words of a value, separated by white space.
pub(crate) fn words(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(u8::is_ascii_whitespace)
        .filter(|w| !w.is_empty())
}

/// What is used of `/proc/PID/stat` (proc_pid_stat(5)).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Stat {
    pub(crate) pid: i32,
    pub(crate) comm: Vec<u8>,
    pub(crate) state: u8,
    pub(crate) ppid: i32,
    pub(crate) flags: u32,
    /// Time in user and in kernel mode, in clock ticks.
    pub(crate) cpu_ticks: u64,
    pub(crate) threads: u64,
    pub(crate) start_ticks: u64,
    pub(crate) rss_pages: u64,
    /// Bottom of the stack; 0 or 1 where we may not know.
    pub(crate) start_stack: u64,
}

impl Stat {
    /// Parses a line of `stat`. The name may hold anything, also `)` and line breaks: it ends at the last `)`.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let open = text.iter().position(|b| *b == b'(')?;
        let close = text.iter().rposition(|b| *b == b')')?;
        let comm = text.get(open + 1..close)?.to_vec();
        let rest: Vec<&[u8]> = words(text.get(close + 1..)?).collect();
        // Field 3 of the manual page, the state, is the first word here.
        let word = |field: usize| rest.get(field - 3).copied();
        Some(Self {
            pid: parse(text.get(..open)?)?,
            comm,
            state: *word(3)?.first()?,
            ppid: parse(word(4)?)?,
            flags: parse(word(9)?)?,
            cpu_ticks: parse::<u64>(word(14)?)?.saturating_add(parse(word(15)?)?),
            threads: parse(word(20)?)?,
            start_ticks: parse(word(22)?)?,
            rss_pages: parse(word(24)?)?,
            start_stack: parse(word(28)?)?,
        })
    }

    /// Reads and parses `/proc/PID/stat`; `None` when there is no such process.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        Self::parse(&read(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Whether this is a thread of the kernel (`PF_KTHREAD`).
    pub(crate) fn is_kernel_thread(&self) -> bool {
        self.flags & 0x0020_0000 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_line_breaks_does_not_shift_the_fields() {
        let line = b"42 (a) R 1\n(b) S 7 42 42 0 -1 4194304 102 0 0 0 0 0 0 0 20 0 3 0 242600 2998272 413 184 9 9 4096 0 0";
        let stat = Stat::parse(line).unwrap();
        assert_eq!(
            (stat.pid, stat.comm.as_slice(), stat.state, stat.ppid),
            (42, &b"a) R 1\n(b"[..], b'S', 7)
        );
        assert_eq!(
            (
                stat.threads,
                stat.start_ticks,
                stat.rss_pages,
                stat.start_stack
            ),
            (3, 242_600, 413, 4096)
        );
        assert!(!stat.is_kernel_thread());
        for cut in 0..line.len() - 4 {
            let _ = Stat::parse(&line[..cut]);
        }
        assert_eq!(Stat::parse(b"1 )("), None);
    }

    #[test]
    fn a_field_is_found_at_the_start_of_a_line_only() {
        let text = b"Name:\tUid:\nUid:\t1\t2\t3\t4\nTracerPid:\t0\n";
        assert_eq!(field(text, "Uid"), Some(&b"1\t2\t3\t4"[..]));
        assert_eq!(words(field(text, "Uid").unwrap()).count(), 4);
        assert_eq!(field(text, "Pid"), None);
    }
}
