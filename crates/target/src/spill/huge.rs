//! Large columns in mappings of their own and in huge pages: their memory goes back when they do, and a page fault brings
//! 2 MiB instead of 4 KiB. On heaps of millions of objects the faults alone took a tenth of all processor time.

/// Bytes of a huge page.
const HUGE: usize = 2 << 20;
/// Smaller columns could waste as much as they are large.
const LEAST: usize = 2 * HUGE;
/// Columns from here on get a mapping each. The C library would raise its own bound, of 128 KiB, to the largest column
/// ever freed, and from then on leave holes in its heap.
#[cfg(target_env = "gnu")]
const MAPPED: i32 = 1 << 20;

/// Makes the C library give large columns mappings of their own, for as long as the process runs.
pub fn map_large_columns() {
    #[cfg(target_env = "gnu")]
    // SAFETY: sets a number of the allocator, under its lock.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED);
    }
}

/// Asks the kernel for huge pages in as much of `len` bytes at `pointer` as they can fill; gives `pointer` back.
pub(super) fn advised(pointer: *mut u8, len: usize) -> *mut u8 {
    let start = (pointer as usize).next_multiple_of(HUGE);
    let end = (pointer as usize).saturating_add(len) / HUGE * HUGE;
    if len >= LEAST && !pointer.is_null() && start < end {
        // SAFETY: whole pages inside of memory that was just allocated; advice changes no byte of it. Where the kernel
        // has no huge pages it fails, and nothing changes.
        unsafe {
            libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_HUGEPAGE);
        }
    }
    pointer
}
