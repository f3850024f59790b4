//! The walk over Swiss maps (`internal/runtime/maps`, Go 1.24 and later).
//!
//! A map of at most eight entries that never grew is one group. Any other has a directory of 2^depth pointers to
//! tables; a table that was split less often than others stands in it several times in a row.

use leakscope_goabi::{GROUP_SLOTS, MAX_TABLE_CAPACITY};
use leakscope_target::Addr;

use super::layouts::SwissLayout;
use super::walk::{CellShape, NEARLY_EMPTY, Part, Visitor, Walk, Walked, byte, half, word};
use super::{Structure, Swiss};

/// Control bytes with the top bit clear belong to filled slots.
const NOT_FULL: u64 = 0x8080_8080_8080_8080;
/// Control byte of a deleted slot.
const DELETED: u8 = 0xfe;
/// What bytes of a control word have in common: those with the top bit set are `ctrlEmpty`, 0x80, or `ctrlDeleted`, 0xfe.
const LOW: u64 = 0x0101_0101_0101_0101;
/// Of each 8 slots of a table, so many may be used or deleted before it grows (`maxAvgGroupLoad`).
const MAX_LOAD: u64 = 7;
/// More directory entries than fit an address space.
const MAX_DEPTH: u8 = 44;

/// The walk over one Swiss map.
pub(crate) struct SwissWalk<'w, 'a, V> {
    walk: &'w mut Walk<'a>,
    layout: &'w SwissLayout,
    shape: &'w CellShape,
    visitor: &'w mut V,
    /// Nobody is writing to the map: what only a write under way leaves is damage.
    at_rest: bool,
    inside: Swiss,
    walked: Walked,
}

impl<'w, 'a, V: Visitor> SwissWalk<'w, 'a, V> {
    /// Walks the map at `at`. `None` where not even its header makes sense.
    pub(crate) fn run(
        walk: &'w mut Walk<'a>,
        layout: &'w SwissLayout,
        shape: &'w CellShape,
        visitor: &'w mut V,
        at: Addr,
    ) -> Option<Walked> {
        let header = walk.bytes(at, layout.size, "map header not in the image")?;
        let inside = Swiss {
            global_depth: byte(header, layout.global_depth),
            directory_len: word(header, layout.dir_len),
            ..Swiss::default()
        };
        let directory = Addr(word(header, layout.dir_ptr));
        let walked = Walked {
            len: word(header, layout.used),
            writing: byte(header, layout.writing) != 0,
            ..Walked::default()
        };
        let small = inside.directory_len == 0;
        let depth_fits = inside.global_depth <= MAX_DEPTH
            && inside.directory_len == 1 << inside.global_depth
            && !directory.is_nil();
        let small_fits = inside.global_depth == 0
            && walked.len <= GROUP_SLOTS
            && (walked.len == 0 || !directory.is_nil());
        if !(if small { small_fits } else { depth_fits }) {
            walk.gaps.add("map header not plausible", at);
            return None;
        }
        let mut this = Self {
            walk,
            layout,
            shape,
            visitor,
            at_rest: !walked.writing,
            inside,
            walked,
        };
        this.part(at, Part::Header, (layout.size, false))?;
        let done = if !small {
            this.directory(directory)
        } else if !directory.is_nil() {
            this.groups(directory, 1).and_then(|group| {
                // Nothing is searched for past the one group: deleted slots are empty again.
                let wrong = "map of one group in a state that there is not";
                this.ensure(group.deleted == 0, wrong, directory)
            })
        } else {
            Some(())
        };
        this.walked.incomplete |= done.is_none();
        this.walked.structure = Some(Structure::Swiss(this.inside));
        Some(this.walked)
    }

    fn part(&mut self, at: Addr, part: Part, size: (u64, bool)) -> Option<()> {
        self.walked.bytes += self.walk.part(at, part, size, self.visitor)?;
        Some(())
    }

    /// `None` and a gap where something is wrong with a map that nobody is writing to.
    fn ensure(&mut self, right: bool, wrong: &'static str, at: Addr) -> Option<()> {
        if right || !self.at_rest {
            return Some(());
        }
        self.walk.gaps.add(wrong, at);
        None
    }

    fn directory(&mut self, at: Addr) -> Option<()> {
        let len = self.inside.directory_len * 8;
        self.part(at, Part::Directory, (len, false))?;
        let entries = self.walk.bytes(at, len, "map directory not in the image")?;
        self.walk.spend(len, at)?;
        let mut done = Some(());
        let mut index = 0;
        // One table's entries are next to each other.
        let (entries, _) = entries.as_chunks::<8>();
        for run in entries.chunk_by(|a, b| a == b) {
            let table = run.first().map_or(0, |entry| u64::from_le_bytes(*entry));
            done = self.table(Addr(table), index, run.len() as u64).and(done);
            index += run.len() as u64;
        }
        done
    }

    /// The table at `at`, to which so many entries of the directory lead, from number `index` on.
    fn table(&mut self, at: Addr, index: u64, entries: u64) -> Option<()> {
        let len = self.layout.table_size;
        let table = self.walk.bytes(at, len, "map table not in the image")?;
        let capacity = u64::from(half(table, self.layout.table_capacity));
        let groups = capacity / GROUP_SLOTS;
        // A table knows the first directory entry that points to it, and how many do. Checking that also keeps a directory that
        // lists one table over and over from being walked over and over.
        let splits_less = (self.inside.global_depth)
            .checked_sub(byte(table, self.layout.table_local_depth))
            .and_then(|less| 1u64.checked_shl(less.into()));
        if word(table, self.layout.table_index) != index || splits_less != Some(entries) {
            self.walk.gaps.add("map table and directory disagree", at);
            return None;
        }
        if !capacity.is_power_of_two()
            || !(GROUP_SLOTS..=MAX_TABLE_CAPACITY).contains(&capacity)
            || word(table, self.layout.table_length_mask) != groups - 1
        {
            self.walk
                .gaps
                .add("map table of an impossible capacity", at);
            return None;
        }
        self.part(at, Part::Table, (len, false))?;
        self.inside.tables += 1;
        let data = Addr(word(table, self.layout.table_groups));
        let found = self.groups(data, groups)?;
        let used = u64::from(half(table, self.layout.table_used));
        let left = u64::from(half(table, self.layout.table_growth_left));
        let most = capacity * MAX_LOAD / GROUP_SLOTS;
        self.ensure(
            used + left <= most,
            "map table with more entries than it takes",
            at,
        )?;
        // Several writers at once leave counts that do not add up: that is no reason to leave the map out, but to say so.
        let adds_up = used == found.full && used + left + found.deleted == most;
        if (self.ensure(adds_up, "map table counts other slots than it has", at)).is_none() {
            self.walked.miscounted = true;
        }
        Some(())
    }

    fn groups(&mut self, at: Addr, groups: u64) -> Option<Slots> {
        self.walked.slots += groups * GROUP_SLOTS;
        let len = groups.checked_mul(self.shape.size)?;
        self.part(at, Part::Cells, (len, self.shape.noscan))?;
        let bytes = self.walk.bytes(at, len, "map groups not in the image")?;
        self.walk.spend(len, at)?;
        let mut found = Slots::default();
        let mut right = true;
        for group in bytes.chunks_exact(self.shape.size.max(8) as usize) {
            let control = word(group, 0);
            let mut full = !control & NOT_FULL;
            found.full += u64::from(full.count_ones());
            if control & NOT_FULL != 0 {
                let deleted = control
                    .to_le_bytes()
                    .iter()
                    .filter(|&&c| c == DELETED)
                    .count();
                found.deleted += deleted as u64;
                right &= is_control(control);
            }
            if self.shape.keys_stay && full.count_ones() <= NEARLY_EMPTY {
                // One bit a byte, the top one: gathered into the eight lowest.
                let filled = (full >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56;
                self.walked.nearly_empty(self.shape, group, filled as u8);
            }
            while self.shape.visit && full != 0 {
                let i = u64::from(full.trailing_zeros() / 8);
                if let Some((key, elem)) = self.shape.cell(group, i) {
                    self.visitor.cell(key, elem);
                }
                full &= full - 1;
            }
        }
        self.walked.cells += found.full;
        self.inside.tombstones += found.deleted;
        // A control word is written as a whole or byte by byte: no write leaves other bytes, not even for a moment.
        if !right {
            (self.walk.gaps).add("map control word in a state that there is not", at);
            return None;
        }
        Some(found)
    }
}

/// Slots of groups.
#[derive(Clone, Copy, Default)]
struct Slots {
    full: u64,
    deleted: u64,
}

/// Whether every byte that is not of a filled slot is one that the runtime writes.
fn is_control(control: u64) -> bool {
    let not_full = control >> 7 & LOW;
    // 0 or 0xfe where 0x80 or 0xfe is right: bits 1 to 6 are alike, bit 0 is clear.
    let first = control >> 1 & not_full;
    let alike = (2..7).all(|bit| control >> bit & not_full == first);
    alike && control & not_full == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_bytes_with_the_top_bit_only_two_are_control_bytes() {
        for place in 0..8 {
            for value in 0..=u8::MAX {
                let mut bytes = [0x80, 0xfe, 0x00, 0x7f, 0x55, 0x80, 0xfe, 0x01];
                bytes[place] = value;
                let right = value <= 0x80 || value == DELETED;
                assert_eq!(is_control(u64::from_le_bytes(bytes)), right, "{value:#x}");
            }
        }
    }
}
