//! Footprint of the bucket maps of Go 1.23 and older (and of later ones built with `GOEXPERIMENT=noswissmap`).

use crate::{AllocRules, Footprint, GROUP_SLOTS, occupancy};

/// Bytes of `runtime.mapextra`: three words, in every version.
const MAPEXTRA_SIZE: u64 = 24;
/// Bytes of a slice header.
const SLICE_SIZE: u64 = 24;
/// Slices of this length and more grow by less than double (`runtime.nextslicecap`).
const GROWS_BY_HALF: u64 = 256;
/// Entries past this number are not computed exactly: no address space holds them.
const MAX_ENTRIES: u64 = 1 << 48;
/// From this many doublings on, overflow buckets are allocated with the array (`runtime.makeBucketArray`).
const PREALLOC_FROM: u8 = 4;
/// More doublings than an address space can hold.
const MAX_LOG2: u8 = 48;

/// The facts of one map type that decide what a classic map of it occupies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClassicMap {
    /// Bytes of `hmap`: 48, or 56 for `noswissmap` builds of 1.24 and 1.25.
    pub header_size: u64,
    /// Bytes of one bucket (`MapType.BucketSize`).
    pub bucket_size: u64,
    /// The bucket type holds no pointers.
    pub noscan: bool,
    /// `runtime.loadFactorNum` over `loadFactorDen` 2: 13 since 1.22 (6.5 entries a bucket); 12 in 1.21, where an
    /// integer division made it 6.0.
    pub load_factor_num: u64,
    /// The allocator's rounding.
    pub alloc: AllocRules,
}

impl ClassicMap {
    /// `B` of a map made for `entries` entries (`runtime.makemap`, `overLoadFactor`).
    pub fn log2_buckets(&self, entries: u64) -> u8 {
        let mut b = 0;
        while b < MAX_LOG2
            && entries > GROUP_SLOTS
            && entries > self.load_factor_num * ((1u64 << b) / 2)
        {
            b += 1;
        }
        b
    }

    /// Buckets in the array of a map with this `B`, with the preallocated overflow buckets (`runtime.makeBucketArray`).
    pub fn array_buckets(&self, b: u8) -> u64 {
        let base = 1u64 << b.min(MAX_LOG2);
        if b < PREALLOC_FROM || self.bucket_size == 0 {
            return base;
        }
        let buckets = base + (base >> PREALLOC_FROM);
        let size = buckets.saturating_mul(self.bucket_size);
        self.alloc.usable_size(size, self.noscan) / self.bucket_size
    }

    /// Slot of the bucket array with this `B`, bytes.
    pub fn array_bytes(&self, b: u8) -> u64 {
        self.alloc.slot_size(
            self.array_buckets(b).saturating_mul(self.bucket_size),
            self.noscan,
        )
    }

    /// What a map made by `make(map[K]V, entries)` takes once it holds that many entries: what the runtime allocates
    /// then (`makemap`), and the overflow buckets that a good hash makes it link on average (`newoverflow`).
    pub fn footprint(&self, entries: u64) -> Footprint {
        let entries = entries.min(MAX_ENTRIES);
        let b = self.log2_buckets(entries);
        let preallocated = self.array_buckets(b).saturating_sub(1 << b);
        let beyond = |k: u64| k.saturating_sub(GROUP_SLOTS).div_ceil(GROUP_SLOTS) as f64;
        let overflow = occupancy::total(occupancy::mean(entries, 1 << b, beyond), 1 << b);
        let single = overflow.saturating_sub(preallocated);
        let mut headers = self.alloc.slot_size(self.header_size, false);
        if preallocated > 0 || (self.noscan && overflow > 0) {
            headers += self.alloc.slot_size(MAPEXTRA_SIZE, false);
        }
        if self.noscan && overflow > 0 {
            headers += self.alloc.slot_size(SLICE_SIZE, false);
            headers = headers.saturating_add(self.pointers_appended(overflow));
        }
        let mut arrays = if entries == 0 { 0 } else { self.array_bytes(b) };
        let one = self.alloc.slot_size(self.bucket_size, self.noscan);
        arrays = arrays.saturating_add(single.saturating_mul(one));
        Footprint {
            headers,
            arrays,
            ..Footprint::default()
        }
    }

    /// Slot of an array of pointers that grew to `len` pointers by appending one at a time (`runtime.growslice`).
    pub fn pointers_appended(&self, len: u64) -> u64 {
        let mut capacity = 0u64;
        while capacity < len {
            let wanted = if capacity < GROWS_BY_HALF {
                capacity * 2
            } else {
                capacity + (capacity + 3 * GROWS_BY_HALF) / 4
            };
            capacity = self
                .alloc
                .usable_size(wanted.max(1).saturating_mul(8), false)
                / 8;
        }
        self.alloc.slot_size(capacity.saturating_mul(8), false)
    }

    /// Slot sizes that arrays of this type can have, for arrays of at most `max_bytes` bytes; rising.
    pub fn array_sizes(&self, max_bytes: u64) -> Vec<u64> {
        let mut sizes: Vec<u64> = (0..=MAX_LOG2)
            .map(|b| self.array_bytes(b))
            .take_while(|&s| s <= max_bytes)
            .collect();
        sizes.dedup();
        sizes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(bucket_size: u64, noscan: bool) -> ClassicMap {
        ClassicMap {
            header_size: 48,
            bucket_size,
            noscan,
            load_factor_num: 13,
            alloc: AllocRules {
                malloc_header: true,
            },
        }
    }

    #[test]
    fn growth_happens_past_six_and_a_half_entries_a_bucket() {
        let m = map(144, true);
        for (entries, b) in [
            (0, 0),
            (8, 0),
            (9, 1),
            (13, 1),
            (14, 2),
            (26, 2),
            (27, 3),
            (851_968, 17),
            (851_969, 18),
        ] {
            assert_eq!(m.log2_buckets(entries), b, "{entries}");
        }
        let go121 = ClassicMap {
            load_factor_num: 12,
            ..m
        };
        assert_eq!(go121.log2_buckets(12), 1);
        assert_eq!(go121.log2_buckets(13), 2);
    }

    /// A map made with hint 1,000,000 by Go 1.23 has 16,384 overflow buckets behind 2^18 of 144 bytes.
    #[test]
    fn arrays_carry_preallocated_overflow_buckets_from_sixteen_buckets_on() {
        let m = map(144, true);
        assert_eq!(m.array_buckets(3), 8);
        assert_eq!(m.array_buckets(18), (1 << 18) + 16_384);
        assert_eq!(
            m.array_buckets(4),
            18,
            "17 buckets of 144 bytes lie in a slot of 2688, which holds 18"
        );
        assert_eq!(map(144, false).array_buckets(4), 18);
        assert_eq!(m.array_bytes(18), 40_108_032);
        assert_eq!(
            m.footprint(1_000_000).arrays,
            40_108_032,
            "4,200 overflow buckets fit behind the array"
        );
    }

    #[test]
    fn an_empty_map_is_its_header() {
        assert_eq!(map(208, false).footprint(0).total(), 48);
        assert_eq!(map(208, false).footprint(1).total(), 256);
    }

    /// 100,000 entries in 2^14 buckets of a map made for them by Go 1.23 linked 2,699 overflow buckets.
    #[test]
    fn overflow_buckets_beyond_the_preallocated_ones_are_objects_of_their_own() {
        let m = map(144, false);
        let single = (m.footprint(100_000).arrays - m.array_bytes(14)) / 144;
        assert!(
            (2_699 - 1_024 - 60..2_699 - 1_024 + 60).contains(&single),
            "{single}"
        );
        assert_eq!(m.footprint(8).arrays, 144);
        let noscan = map(144, true).footprint(100_000);
        assert!(
            noscan.headers > 2_600 * 8 && noscan.headers < 4_000 * 8,
            "{noscan:?}"
        );
    }

    #[test]
    fn nonsense_sizes_saturate() {
        assert_eq!(
            map(u64::MAX / 2, false).footprint(u64::MAX).total(),
            u64::MAX
        );
        assert_eq!(map(0, false).array_buckets(9), 512);
    }
}
