//! Go release numbers, and which of them are known.

use std::fmt;

/// Whether a release is one whose runtime has been studied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Support {
    /// Older than anything that can be read.
    TooOld,
    /// Known.
    Known,
    /// Newer than the newest known: probably readable; the user should be warned.
    Newer,
}

/// A Go release: `go1.27.3`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct GoVersion {
    /// 1 so far.
    pub major: u32,
    /// 27 in `go1.27.3`.
    pub minor: u32,
    /// 3 in `go1.27.3`; 0 for betas, release candidates and development builds.
    pub patch: u32,
}

impl GoVersion {
    /// Minor number of the oldest release known.
    pub const OLDEST_MINOR: u32 = 21;
    /// Minor number of the newest release known.
    pub const NEWEST_MINOR: u32 = 27;

    /// Finds the release number in what the linker or `runtime.Version` states: `go1.27.3`, `go1.25.5 X:greenteagc`,
    /// `devel go1.28-abcdef Mon ...`, `go1.24rc1`.
    pub fn parse(stated: &str) -> Option<Self> {
        let at = stated.find("go1")?;
        let mut numbers = stated.get(at + 2..)?.split('.').map(leading_number);
        let major = numbers.next()??;
        let minor = numbers.next()??;
        let patch = numbers.next().flatten().unwrap_or(0);
        Some(Self {
            major,
            minor,
            patch,
        })
    }

    /// Whether the release is known.
    pub fn support(&self) -> Support {
        match (self.major, self.minor) {
            (1, m) if m < Self::OLDEST_MINOR => Support::TooOld,
            (1, m) if m <= Self::NEWEST_MINOR => Support::Known,
            (0, _) => Support::TooOld,
            _ => Support::Newer,
        }
    }
}

fn leading_number(s: &str) -> Option<u32> {
    let end = s.find(|c: char| !c.is_ascii_digit()).unwrap_or(s.len());
    s.get(..end)?.parse().ok()
}

impl fmt::Display for GoVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "go{}.{}", self.major, self.minor)?;
        if self.patch > 0 {
            write!(f, ".{}", self.patch)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minor_patch(s: &str) -> Option<(u32, u32)> {
        GoVersion::parse(s).map(|v| (v.minor, v.patch))
    }

    #[test]
    fn versions_of_every_spelling_are_understood() {
        assert_eq!(minor_patch("go1.27.3"), Some((27, 3)));
        assert_eq!(minor_patch("go1.25.5 X:greenteagc"), Some((25, 5)));
        assert_eq!(minor_patch("go1.26.6-X:nogreenteagc"), Some((26, 6)));
        assert_eq!(minor_patch("devel go1.28-3f4a5b Mon Nov 2"), Some((28, 0)));
        assert_eq!(minor_patch("go1.24rc1"), Some((24, 0)));
        assert_eq!(minor_patch("gcc 13"), None);
        assert_eq!(
            GoVersion::parse("go1.19.1").unwrap().support(),
            Support::TooOld
        );
        assert_eq!(
            GoVersion::parse("go1.99").unwrap().support(),
            Support::Newer
        );
        assert_eq!(
            GoVersion::parse("go1.27.3").unwrap().to_string(),
            "go1.27.3"
        );
    }
}
