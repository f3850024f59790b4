//! Where the fields of a class come to lie behind those of its ancestors.

use super::Layout;
use crate::hprof::bytes::OBJECT;

/// Gaps that are remembered; real classes have one or two.
const MAX_GAPS: usize = 64;

/// Bytes that no field takes yet.
#[derive(Clone, Copy)]
struct Gap {
    start: u32,
    len: u32,
}

/// Fields laid out so far.
pub(super) struct Fields<'a> {
    layout: &'a Layout,
    gaps: Vec<Gap>,
    end: u32,
}

impl<'a> Fields<'a> {
    pub(super) fn new(layout: &'a Layout) -> Self {
        Self {
            layout,
            gaps: Vec::new(),
            end: layout.header,
        }
    }

    /// Where the last field ends.
    pub(super) fn end(&self) -> u32 {
        self.end
    }

    /// Adds a class's own fields by their types.
    pub(super) fn add(&mut self, own: &[u8]) {
        if self.layout.gaps_filled {
            self.add_filling(own);
        } else if !own.is_empty() {
            self.add_behind(own);
        }
    }

    /// JDK 15 and later: values of 8 bytes, then smaller ones by size, then references; each goes into the smallest gap
    /// that fits it, or behind (`FieldLayout::add` in `fieldLayoutBuilder.cpp`).
    fn add_filling(&mut self, own: &[u8]) {
        let mut values: Vec<u32> = own
            .iter()
            .filter(|t| **t != OBJECT)
            .map(|t| self.layout.width(*t))
            .collect();
        values.sort_unstable_by_key(|w| std::cmp::Reverse(*w));
        let references = own.iter().filter(|t| **t == OBJECT).count();
        let references = std::iter::repeat_n(self.layout.reference, references);
        for width in values.into_iter().chain(references) {
            self.place(width);
        }
    }

    fn place(&mut self, width: u32) {
        let fits = |gap: &Gap| gap.start.next_multiple_of(width) + width <= gap.start + gap.len;
        let best = (self.gaps.iter().enumerate().rev())
            .filter(|(_, gap)| fits(gap))
            .min_by_key(|(_, gap)| gap.len)
            .map(|(i, _)| i);
        let Some(best) = best else {
            let at = self.end.next_multiple_of(width);
            self.remember(self.end, at);
            self.end = at.saturating_add(width);
            return;
        };
        let gap = self.gaps.remove(best);
        let at = gap.start.next_multiple_of(width);
        self.remember(gap.start, at);
        self.remember(at + width, gap.start + gap.len);
    }

    fn remember(&mut self, start: u32, end: u32) {
        if start < end && self.gaps.len() < MAX_GAPS {
            self.gaps.push(Gap {
                start,
                len: end - start,
            });
        }
    }

    /// JDK 14 and before: a class's fields begin behind its ancestors', at a multiple of a reference; longs, ints,
    /// shorts, bytes, references; a gap before longs is filled (`layout_fields` in `classFileParser.cpp`).
    fn add_behind(&mut self, own: &[u8]) {
        let reference = self.layout.reference;
        let mut start = self.end.next_multiple_of(reference);
        let mut values: Vec<u32> = own
            .iter()
            .filter(|t| **t != OBJECT)
            .map(|t| self.layout.width(*t))
            .collect();
        values.sort_unstable_by_key(|w| std::cmp::Reverse(*w));
        if values.first() == Some(&8) && !start.is_multiple_of(8) {
            let mut gap = 8 - start % 8;
            for wanted in [4, 2, 1] {
                while gap >= wanted
                    && let Some(i) = values.iter().position(|w| *w == wanted)
                {
                    values.remove(i);
                    gap -= wanted;
                }
            }
            start = start.next_multiple_of(8);
        }
        self.end = start;
        for width in values {
            self.end = self.end.next_multiple_of(width).saturating_add(width);
        }
        let references = own.iter().filter(|t| **t == OBJECT).count() as u32;
        if references > 0 {
            let bytes = references.saturating_mul(reference);
            self.end = self.end.next_multiple_of(reference).saturating_add(bytes);
        }
    }
}
