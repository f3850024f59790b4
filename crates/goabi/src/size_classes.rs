//! The allocator's size classes and how a request is rounded to one.

/// Bytes of a heap page (`runtime.pageSize`, all versions).
pub const PAGE_SIZE: u64 = 8192;

/// Slot size of each size class in bytes; class 0 stands for large objects. `runtime/sizeclasses.go` up to 1.25,
/// `internal/runtime/gc/sizeclasses.go` since 1.26: the same table in 1.21 to 1.27.
pub const SIZE_CLASSES: [u32; 68] = [
    0, 8, 16, 24, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256, 288, 320,
    352, 384, 416, 448, 480, 512, 576, 640, 704, 768, 896, 1024, 1152, 1280, 1408, 1536, 1792,
    2048, 2304, 2688, 3072, 3200, 3456, 4096, 4864, 5376, 6144, 6528, 6784, 6912, 8192, 9472, 9728,
    10240, 10880, 12288, 13568, 14336, 16384, 18432, 19072, 20480, 21760, 24576, 27264, 28672,
    32768,
];

/// Largest size served from a size class (`maxSmallSize`).
const MAX_SMALL_SIZE: u64 = 32768;
/// Bytes of the type word before the data of an object with a malloc header (`mallocHeaderSize`).
const HEADER_SIZE: u64 = 8;
/// Objects with pointers above this size carry a malloc header (`minSizeForMallocHeader`).
const MIN_SIZE_FOR_HEADER: u64 = 512;

/// How one version of the allocator rounds sizes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AllocRules {
    /// Objects with pointers of more than 512 bytes carry an 8-byte header (1.22 and later).
    pub malloc_header: bool,
}

impl AllocRules {
    /// Bytes of the slot, header included, that a request for `size` bytes takes (`runtime.mallocgc`).
    /// Saturates instead of wrapping.
    pub fn slot_size(self, size: u64, noscan: bool) -> u64 {
        let header = self.header(size, noscan);
        let limit = if self.malloc_header {
            MAX_SMALL_SIZE - HEADER_SIZE
        } else {
            MAX_SMALL_SIZE
        };
        if size > limit {
            return size.checked_next_multiple_of(PAGE_SIZE).unwrap_or(u64::MAX);
        }
        class_size(size + header)
    }

    /// Bytes usable by the requester in the slot for `size` bytes (`runtime.roundupsize`).
    pub fn usable_size(self, size: u64, noscan: bool) -> u64 {
        let limit = if self.malloc_header {
            MAX_SMALL_SIZE - HEADER_SIZE
        } else {
            MAX_SMALL_SIZE
        };
        let header = if size > limit {
            0
        } else {
            self.header(size, noscan)
        };
        self.slot_size(size, noscan) - header
    }

    fn header(self, size: u64, noscan: bool) -> u64 {
        if self.malloc_header && !noscan && size > MIN_SIZE_FOR_HEADER {
            HEADER_SIZE
        } else {
            0
        }
    }
}

/// Slot size of the smallest class that holds `size` bytes; `size` itself where no class does.
fn class_size(size: u64) -> u64 {
    let i = SIZE_CLASSES.partition_point(|&class| u64::from(class) < size.max(1));
    SIZE_CLASSES.get(i).map_or(size, |&class| u64::from(class))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: AllocRules = AllocRules {
        malloc_header: true,
    };
    const OLD: AllocRules = AllocRules {
        malloc_header: false,
    };

    #[test]
    fn sizes_round_up_to_their_class() {
        for (size, slot) in [
            (0, 8),
            (1, 8),
            (8, 8),
            (9, 16),
            (24, 24),
            (25, 32),
            (512, 512),
            (513, 576),
        ] {
            assert_eq!(NEW.slot_size(size, true), slot, "{size}");
        }
        assert_eq!(NEW.slot_size(u64::MAX - 3, true), u64::MAX);
    }

    #[test]
    fn objects_with_pointers_above_512_bytes_carry_a_header_since_1_22() {
        assert_eq!(NEW.slot_size(512, false), 512);
        assert_eq!(NEW.slot_size(576, false), 640);
        assert_eq!(NEW.usable_size(576, false), 632);
        assert_eq!(OLD.slot_size(576, false), 576);
        assert_eq!(OLD.slot_size(32768, false), 32768);
    }

    #[test]
    fn large_objects_round_up_to_pages_without_a_header() {
        assert_eq!(NEW.slot_size(32761, false), 32768);
        assert_eq!(NEW.slot_size(32769, false), 40960);
        assert_eq!(NEW.usable_size(32769, false), 40960);
    }
}
