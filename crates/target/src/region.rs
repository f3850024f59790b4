//! The one module that maps memory for this process: anonymous regions that can be faulted in beforehand and given
//! back piece by piece.
#![expect(unsafe_code, reason = "mmap, madvise and slices over the mapping")]

use std::ptr::NonNull;

use crate::Error;

/// An anonymous private mapping of this process, page aligned, zeroed until written.
pub struct Region {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the region is plain memory owned by this value; access follows the borrow of the value.
unsafe impl Send for Region {}
// SAFETY: shared access only hands out shared slices.
unsafe impl Sync for Region {}

impl Region {
    /// Reserves `len` bytes (rounded up to pages). Costs address space only, until touched.
    pub fn reserve(len: usize) -> Result<Self, Error> {
        let Some(len) = len.max(1).checked_next_multiple_of(4096) else {
            return Err(Error::Reserve {
                bytes: len as u64,
                source: std::io::ErrorKind::OutOfMemory.into(),
            });
        };
        // SAFETY: a fresh anonymous mapping at an address of the kernel's choice touches no existing memory.
        let p = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        match NonNull::new(p.cast::<u8>()) {
            Some(start) if p != libc::MAP_FAILED => Ok(Self { start, len }),
            _ => Err(Error::Reserve {
                bytes: len as u64,
                source: std::io::Error::last_os_error(),
            }),
        }
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the region has no byte; never so.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Faults in the first `len` bytes for writing, so that filling them later costs no page fault.
    pub fn prefault(&mut self, len: usize) -> Result<(), Error> {
        let len = len.min(self.len);
        // SAFETY: the range lies inside this mapping; MADV_POPULATE_WRITE changes no content.
        let rc =
            unsafe { libc::madvise(self.start.as_ptr().cast(), len, libc::MADV_POPULATE_WRITE) };
        if rc == 0 {
            return Ok(());
        }
        let source = std::io::Error::last_os_error();
        if source.raw_os_error() == Some(libc::EINVAL) {
            for page in self.as_mut_slice()[..len].chunks_mut(4096) {
                page[0] = 0;
            }
            return Ok(());
        }
        Err(Error::Reserve {
            bytes: len as u64,
            source,
        })
    }

    /// Gives the whole pages inside `[from, to)` back to the kernel; they read as zeros from then on.
    pub fn release(&mut self, from: usize, to: usize) {
        let from = from.min(self.len).next_multiple_of(4096);
        let to = to.min(self.len) & !4095;
        if from < to {
            // SAFETY: the range is page aligned and inside this mapping, and `&mut self` rules out borrowed slices.
            unsafe {
                libc::madvise(
                    self.start.as_ptr().wrapping_add(from).cast(),
                    to - from,
                    libc::MADV_DONTNEED,
                )
            };
        }
    }

    /// All bytes.
    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: the mapping is readable, `len` bytes long and lives as long as `self`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    /// All bytes, writable.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: the mapping is writable, `len` bytes long, and `&mut self` makes the borrow unique.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: unmaps exactly what `reserve` mapped; nothing borrows it any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_has_whole_pages_of_zeros_until_written() {
        let mut region = Region::reserve(4097).unwrap();
        assert_eq!((region.len(), region.is_empty()), (8192, false));
        assert!(region.as_slice().iter().all(|b| *b == 0));
        region.as_mut_slice()[8191] = 9;
        assert_eq!(region.as_slice()[8191], 9);
        assert_eq!(Region::reserve(0).unwrap().len(), 4096);
    }

    #[test]
    fn faulting_in_changes_no_byte_and_makes_the_pages_resident() {
        let mut region = Region::reserve(64 * 4096).unwrap();
        region.as_mut_slice()[5000] = 9;
        region.prefault(usize::MAX).unwrap();
        assert_eq!(region.as_slice()[5000], 9);
        assert_eq!(region.as_slice().iter().filter(|b| **b != 0).count(), 1);
        let mut resident = [0_u8; 64];
        // SAFETY: the range is this mapping and `resident` has a byte for each of its pages.
        let rc = unsafe {
            libc::mincore(
                region.start.as_ptr().cast(),
                region.len,
                resident.as_mut_ptr(),
            )
        };
        assert_eq!(
            (rc, resident.iter().filter(|r| **r & 1 == 1).count()),
            (0, 64)
        );
    }

    #[test]
    fn only_whole_pages_inside_the_range_are_given_back() {
        let mut region = Region::reserve(4 * 4096).unwrap();
        region.as_mut_slice().fill(1);
        region.release(1, 3 * 4096 - 1);
        let zeros = region.as_slice().iter().filter(|b| **b == 0).count();
        assert_eq!(
            (zeros, region.as_slice()[4095], region.as_slice()[2 * 4096]),
            (4096, 1, 1)
        );
        region.release(4096 + 1, 4096 + 9);
        region.release(usize::MAX - 1, 3);
        assert_eq!(region.as_slice().iter().filter(|b| **b == 0).count(), 4096);
        region.release(0, usize::MAX);
        assert!(region.as_slice().iter().all(|b| *b == 0));
    }

    #[test]
    fn what_no_address_space_holds_is_an_error_with_the_size() {
        for len in [usize::MAX, usize::MAX - 8191, 1 << 60] {
            assert!(
                matches!(Region::reserve(len), Err(Error::Reserve { .. })),
                "{len}"
            );
        }
    }
}
