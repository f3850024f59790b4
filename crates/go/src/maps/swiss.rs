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
/// More directory entries than fit an address space.
const MAX_DEPTH: u8 = 44;

/// The walk over one Swiss map.
pub(crate) struct SwissWalk<'w, 'a, V> {
    walk: &'w mut Walk<'a>,
    layout: &'w SwissLayout,
    shape: &'w CellShape,
    visitor: &'w mut V,
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
        if (small && walked.len > GROUP_SLOTS) || (!small && !depth_fits) {
            walk.gaps.add("map header not plausible", at);
            return None;
        }
        let mut this = Self {
            walk,
            layout,
            shape,
            visitor,
            inside,
            walked,
        };
        this.part(at, Part::Header);
        let done = if !small {
            this.directory(directory)
        } else if !directory.is_nil() {
            this.groups(directory, 1)
        } else {
            Some(())
        };
        this.walked.incomplete |= done.is_none();
        this.walked.structure = Some(Structure::Swiss(this.inside));
        Some(this.walked)
    }

    fn part(&mut self, at: Addr, part: Part) {
        self.walked.bytes += self.walk.part(at, part, self.visitor);
    }

    fn directory(&mut self, at: Addr) -> Option<()> {
        let len = self.inside.directory_len * 8;
        let entries = self.walk.bytes(at, len, "map directory not in the image")?;
        self.walk.spend(len, at)?;
        self.part(at, Part::Directory);
        let mut previous = 0;
        for (i, entry) in entries.chunks_exact(8).enumerate() {
            let table = word(entry, 0);
            if table != previous {
                previous = table;
                let done = self.table(Addr(table), i as u64);
                self.walked.incomplete |= done.is_none();
            }
        }
        Some(())
    }

    fn table(&mut self, at: Addr, index: u64) -> Option<()> {
        let len = self.layout.table_size;
        let table = self.walk.bytes(at, len, "map table not in the image")?;
        let capacity = u64::from(half(table, self.layout.table_capacity));
        let groups = capacity / GROUP_SLOTS;
        // A table knows the first directory entry that points to it. Checking that also keeps a directory that lists
        // one table over and over from being walked over and over.
        if word(table, self.layout.table_index) != index {
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
        self.inside.tables += 1;
        self.part(at, Part::Table);
        let data = Addr(word(table, self.layout.table_groups));
        self.groups(data, groups)
    }

    fn groups(&mut self, at: Addr, groups: u64) -> Option<()> {
        self.walked.slots += groups * GROUP_SLOTS;
        let len = groups.checked_mul(self.shape.size)?;
        if self.walk.room(at).is_some_and(|room| room < len) {
            self.walk.gaps.add("map groups reach past their object", at);
            return None;
        }
        self.part(at, Part::Cells);
        let bytes = self.walk.bytes(at, len, "map groups not in the image")?;
        self.walk.spend(len, at)?;
        for group in bytes.chunks_exact(self.shape.size.max(8) as usize) {
            let control = word(group, 0);
            let mut full = !control & NOT_FULL;
            self.walked.cells += u64::from(full.count_ones());
            if control & NOT_FULL != 0 {
                let deleted = control
                    .to_le_bytes()
                    .iter()
                    .filter(|&&c| c == DELETED)
                    .count();
                self.inside.tombstones += deleted as u64;
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
        Some(())
    }
}
