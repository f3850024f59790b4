//! Where the executable was loaded.

use leakscope_target::Mapping;

use super::{Executable, Segment};
use crate::error::Error;

/// Pages are 4 KiB on x86-64.
const PAGE: u64 = 4096;

impl Executable {
    /// What to add to an address as linked to get the target's, found by matching the segments against mappings of
    /// one and the same file. 0 for a program that is not position independent, if it is mapped at all.
    pub fn bias(&self, mappings: &[Mapping]) -> Result<u64, Error> {
        let first = self
            .segments
            .iter()
            .find(|s| s.executable && s.file_size > 0)
            .ok_or(Error::NotMapped {
                why: "it has no executable segment",
            })?;
        let mut found = None;
        for m in mappings
            .iter()
            .filter(|m| !m.path.is_empty() && m.file_offset <= first.file_offset)
        {
            // A mapping may start before the segment (segments that share a page, or joined mappings).
            let at_segment = m
                .range
                .start
                .0
                .wrapping_add(first.file_offset - m.file_offset);
            let bias = at_segment.wrapping_sub(first.start);
            let fits = m.range.start.0 <= at_segment
                && at_segment < m.range.end.0
                && bias.is_multiple_of(PAGE)
                && (self.is_pie || bias == 0);
            if fits && self.all_mapped(mappings, bias, &m.path) {
                match found {
                    None => found = Some(bias),
                    Some(b) if b == bias => {}
                    Some(_) => {
                        return Err(Error::NotMapped {
                            why: "two files are mapped like it",
                        });
                    }
                }
            }
        }
        found.ok_or(Error::NotMapped {
            why: "no mapped file matches its segments",
        })
    }

    /// Whether every segment with bytes in the file lies in a mapping of `path` at its offset under this bias.
    fn all_mapped(&self, mappings: &[Mapping], bias: u64, path: &[u8]) -> bool {
        let mapped = |s: &Segment| {
            let start = s.start.wrapping_add(bias);
            mappings.iter().any(|m| {
                m.path == path
                    && m.range.start.0 <= start
                    && start < m.range.end.0
                    && m.file_offset.checked_add(start - m.range.start.0) == Some(s.file_offset)
            })
        };
        self.segments.iter().filter(|s| s.file_size > 0).all(mapped)
    }
}
