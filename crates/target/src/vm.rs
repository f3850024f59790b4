//! Reading a running or stopped process with `process_vm_readv(2)`.
#![expect(unsafe_code, reason = "process_vm_readv")]

use std::io::IoSliceMut;

use crate::{Addr, AddrRange, Fault, Memory, ReadRequest};

/// Most ranges that one call takes (the kernel's `UIO_MAXIOV`).
pub(crate) const MAX_PIECES: usize = 1024;

/// A range of the target as the system call wants it.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct RemoteSlice(libc::iovec);

impl RemoteSlice {
    /// No byte at all.
    pub(crate) const EMPTY: Self = Self(libc::iovec {
        iov_base: std::ptr::null_mut(),
        iov_len: 0,
    });

    /// `len` bytes from `at`.
    pub(crate) fn new(at: Addr, len: usize) -> Self {
        Self(libc::iovec {
            iov_base: std::ptr::without_provenance_mut(at.0 as usize),
            iov_len: len,
        })
    }

    /// The addresses covered.
    pub(crate) fn range(&self) -> AddrRange {
        let start = Addr(self.0.iov_base.addr() as u64);
        AddrRange {
            start,
            end: Addr(start.0.saturating_add(self.0.iov_len as u64)),
        }
    }
}

/// One `process_vm_readv`: fills `local` in order from `remote` in order, at most [`MAX_PIECES`] of each.
///
/// Answers how many bytes were read: fewer than asked for where a page could not be read (then exactly the bytes before
/// that page), or where the kernel's limit of 2 GiB a call was met. Fails with the kernel's errno if not even one byte was read.
pub(crate) fn readv(
    pid: i32,
    local: &mut [IoSliceMut<'_>],
    remote: &[RemoteSlice],
) -> Result<usize, i32> {
    // SAFETY: `IoSliceMut` is `iovec` in memory, each describes a writable buffer borrowed for this call; `remote` is
    // meant in the other process, where the kernel only reads.
    let n = unsafe {
        libc::process_vm_readv(
            pid,
            local.as_mut_ptr().cast(),
            local.len() as libc::c_ulong,
            remote.as_ptr().cast(),
            remote.len() as libc::c_ulong,
            0,
        )
    };
    usize::try_from(n).map_err(|_| {
        std::io::Error::last_os_error()
            .raw_os_error()
            .unwrap_or(libc::EIO)
    })
}

/// What the kernel's errno of a failed read at `at` means.
pub(crate) fn fault(at: Addr, errno: i32) -> Fault {
    match errno {
        libc::EFAULT => Fault::Unmapped(at),
        libc::ESRCH => Fault::Gone,
        libc::EPERM => Fault::Denied(at),
        errno => Fault::Os { at, errno },
    }
}

/// The memory of a process, running or stopped, as it is at the moment of each read.
///
/// A read is atomic only while the process is stopped. Reads cost one system call; [`Memory::read_many`] costs one per
/// 1024 requests. Never blocks on the target, whatever state it is in.
#[derive(Clone, Copy, Debug)]
pub struct LiveMemory {
    pid: i32,
}

impl LiveMemory {
    /// The memory of process `pid`, which the caller has opened.
    pub(crate) fn new(pid: i32) -> Self {
        Self { pid }
    }
}

impl Memory for LiveMemory {
    fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        let mut filled = 0;
        while filled < buf.len() {
            let from = at.checked_add(filled as u64).ok_or(Fault::Unmapped(at))?;
            let rest = &mut buf[filled..];
            let remote = [RemoteSlice::new(from, rest.len())];
            match readv(self.pid, &mut [IoSliceMut::new(rest)], &remote) {
                Ok(0) => return Err(Fault::Unmapped(from)),
                Ok(n) => filled += n,
                Err(errno) => return Err(fault(from, errno)),
            }
        }
        Ok(())
    }

    fn read_many(&self, batch: &mut [ReadRequest<'_>]) -> Result<(), Fault> {
        // Bytes of the first request in `rest` that are filled already.
        let mut done = 0;
        let mut rest = batch;
        loop {
            while rest.first().is_some_and(|r| done >= r.buf.len()) {
                rest = &mut rest[1..];
                done = 0;
            }
            let Some(first) = rest.first() else {
                return Ok(());
            };
            let from = first
                .at
                .checked_add(done as u64)
                .ok_or(Fault::Unmapped(first.at))?;
            let mut n = match self.read_batch(rest, done) {
                Ok(0) => return Err(Fault::Unmapped(from)),
                Ok(n) => n,
                Err(errno) => return Err(fault(from, errno)),
            };
            n += done;
            while let Some(first) = rest.first()
                && n >= first.buf.len()
            {
                n -= first.buf.len();
                rest = &mut rest[1..];
            }
            done = n;
        }
    }
}

impl LiveMemory {
    /// One call for the first requests of `rest`, of which the very first has `done` bytes already.
    fn read_batch(&self, rest: &mut [ReadRequest<'_>], done: usize) -> Result<usize, i32> {
        let mut local: [IoSliceMut<'_>; MAX_PIECES] =
            std::array::from_fn(|_| IoSliceMut::new(&mut []));
        let mut remote = [RemoteSlice::EMPTY; MAX_PIECES];
        let mut count = 0;
        let mut skip = done;
        for ((r, l), m) in rest.iter_mut().zip(&mut local).zip(&mut remote) {
            let buf = r.buf.get_mut(skip..).unwrap_or_default();
            *m = RemoteSlice::new(Addr(r.at.0.wrapping_add(skip as u64)), buf.len());
            *l = IoSliceMut::new(buf);
            skip = 0;
            count += 1;
        }
        readv(self.pid, &mut local[..count], &remote[..count])
    }
}
