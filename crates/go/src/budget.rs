//! Limits that follow from how much of the target an image holds: records that exist take room in it, so a target cannot
//! make work or memory grow beyond what its bytes are worth, whatever counts and lists it states.

use leakscope_target::{AddrRange, Image};

/// Bytes that `image` holds.
pub(crate) fn held(image: &Image) -> u64 {
    image.ranges().map(|r: AddrRange| r.len()).sum()
}

/// Most records of `size` bytes that `image` has room for.
pub(crate) fn most_records(image: &Image, size: u32) -> u64 {
    held(image) / u64::from(size.max(1))
}
