//! The types of keys and elems as far as maps care, and the layouts that the compiler makes of them.

mod parse;

pub use parse::ShapeError;

/// Keys and elems of more bytes than this are stored by pointer (`internal/abi.MapMaxKeyBytes`, `MapMaxElemBytes`;
/// `OldMapMaxKeyBytes` for classic maps of 1.24 and 1.25).
pub const MAX_INLINE: u64 = 128;
/// Bytes of a pointer.
const POINTER: u64 = 8;
/// Slots of a bucket or group.
const SLOTS: u64 = 8;

/// How the compiler compares and hashes a type (`cmd/compile/internal/types.AlgType`), as far as it decides which
/// function assigns to a map.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Algorithm {
    /// As plain memory.
    Memory,
    /// As a string.
    Text,
    /// In any other way: floats, interfaces, structs of several kinds.
    Special,
}

/// A type of keys or elems.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part {
    /// Bytes of a value.
    pub size: u64,
    /// Its alignment.
    pub align: u64,
    /// Whether it holds pointers.
    pub pointers: bool,
    /// How it is hashed as a key.
    pub algorithm: Algorithm,
}

impl Part {
    /// Whether maps store it by pointer.
    pub fn indirect(&self) -> bool {
        self.size > MAX_INLINE
    }

    /// Bytes, alignment and pointers of what lies in a slot.
    fn stored(&self) -> (u64, u64, bool) {
        if self.indirect() {
            (POINTER, POINTER, true)
        } else {
            (self.size, self.align.max(1), self.pointers)
        }
    }
}

/// Which of the runtime's functions an assignment is compiled to (`cmd/compile/internal/walk.mapfast`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AssignPath {
    /// `mapassign_fast32`.
    Fast32,
    /// `mapassign_fast64`.
    Fast64,
    /// `mapassign_fast64ptr`.
    Fast64Pointer,
    /// `mapassign_faststr`.
    FastString,
    /// `mapassign`: every other key, and all elems of more than 128 bytes.
    General,
}

/// A map type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shape {
    /// The type of keys.
    pub key: Part,
    /// The type of elems.
    pub elem: Part,
}

impl Shape {
    /// Reads a Go map type made of predeclared types, pointers, arrays, slices, functions, channels, maps and structs,
    /// such as `map[string]struct{int; *T}`. Other names cannot be known and are refused, but for what a pointer points to.
    pub fn parse(text: &str) -> Result<Self, ShapeError> {
        parse::shape(text)
    }

    /// Which function assigns.
    pub fn assign_path(&self) -> AssignPath {
        if self.elem.indirect() {
            return AssignPath::General;
        }
        match (self.key.algorithm, self.key.size, self.key.pointers) {
            (Algorithm::Text, _, _) => AssignPath::FastString,
            (Algorithm::Memory, 4, false) => AssignPath::Fast32,
            (Algorithm::Memory, 8, false) => AssignPath::Fast64,
            (Algorithm::Memory, 8, true) => AssignPath::Fast64Pointer,
            _ => AssignPath::General,
        }
    }

    /// Whether slots hold no pointers, so that the collector does not look into them.
    pub fn noscan(&self) -> bool {
        !self.key.stored().2 && !self.elem.stored().2
    }

    /// Bytes of a classic bucket: 8 first bytes of hashes, 8 keys, 8 elems, a pointer (`reflectdata.MapBucketType`).
    pub fn bucket_size(&self) -> u64 {
        let (key, elem) = (self.key.stored().0, self.elem.stored().0);
        SLOTS + SLOTS * key + SLOTS * elem + POINTER
    }

    /// Where the pointer to the next bucket of a chain lies in a classic bucket.
    pub fn overflow_offset(&self) -> u64 {
        self.bucket_size() - POINTER
    }

    /// Bytes from one slot of a Swiss group to the next: `struct{key; elem}` (`reflectdata.groupType`).
    pub fn slot_size(&self) -> u64 {
        let ((key, key_align, _), (elem, elem_align, _)) = (self.key.stored(), self.elem.stored());
        let end = key.next_multiple_of(elem_align) + elem;
        // A field of no bytes at the end gets one, so that its address lies in the struct.
        let end = if elem == 0 && end > 0 { end + 1 } else { end };
        end.next_multiple_of(key_align.max(elem_align))
    }

    /// Bytes of a Swiss group. With `split`, keys and elems are arrays of their own (`GOEXPERIMENT=mapsplitgroup`).
    pub fn group_size(&self, split: bool) -> u64 {
        let ((key, _, _), (elem, elem_align, _)) = (self.key.stored(), self.elem.stored());
        let end = if split {
            let end = (SLOTS + SLOTS * key).next_multiple_of(elem_align) + SLOTS * elem;
            if elem == 0 { end + 1 } else { end }
        } else {
            let slots = SLOTS * self.slot_size();
            // The whole array of slots has no bytes.
            SLOTS + slots + u64::from(slots == 0)
        };
        end.next_multiple_of(POINTER)
    }

    /// Bytes of one key and one elem: what an entry is about.
    pub fn payload(&self) -> u64 {
        self.key.size + self.elem.size
    }

    /// Bytes from one slot to the next as `table.Clear` adds them up since 1.26.
    pub(crate) fn stride(&self, split: bool) -> u64 {
        if split {
            self.key.stored().0 + self.elem.stored().0
        } else {
            self.slot_size()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(text: &str) -> Shape {
        Shape::parse(text).unwrap()
    }

    #[test]
    fn buckets_and_groups_have_the_sizes_that_the_compiler_gives_them() {
        for (text, bucket, group, split) in [
            ("map[uint64]uint64", 144, 136, 136),
            ("map[string]int", 208, 200, 200),
            ("map[int64]struct{}", 80, 136, 80),
            ("map[int64]bool", 88, 136, 80),
            ("map[uint8]uint64", 88, 136, 80),
            ("map[string][128]byte", 1168, 1160, 1160),
            ("map[string][129]byte", 208, 200, 200),
            ("map[struct{}]struct{}", 16, 16, 16),
        ] {
            let s = shape(text);
            assert_eq!(s.bucket_size(), bucket, "{text}");
            assert_eq!(s.group_size(false), group, "{text}");
            assert_eq!(s.group_size(true), split, "{text} split");
        }
    }

    #[test]
    fn the_compiler_chooses_how_to_assign_by_the_key_and_the_size_of_elems() {
        for (text, path) in [
            ("map[int32]bool", AssignPath::Fast32),
            ("map[int]int", AssignPath::Fast64),
            ("map[*T]int", AssignPath::Fast64Pointer),
            ("map[string]int", AssignPath::FastString),
            ("map[string][128]byte", AssignPath::FastString),
            ("map[string][129]byte", AssignPath::General),
            ("map[float64]int", AssignPath::General),
            ("map[any]int", AssignPath::General),
            ("map[[2]int64]int", AssignPath::General),
            ("map[struct{int32;int32}]int", AssignPath::Fast64),
            ("map[struct{string}]int", AssignPath::FastString),
            ("map[struct{string;int}]int", AssignPath::General),
        ] {
            assert_eq!(shape(text).assign_path(), path, "{text}");
        }
    }
}
