//! Checked big-endian reads.

/// A place in bytes of a dump whose identifiers are `W` wide.
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'a, const W: usize> {
    rest: &'a [u8],
}

impl<'a, const W: usize> Cursor<'a, W> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Bytes that are left.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[inline]
    pub(crate) fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(n)?;
        self.rest = rest;
        Some(taken)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*taken)
    }

    #[inline]
    pub(crate) fn u1(&mut self) -> Option<u8> {
        self.array::<1>().map(|b| b[0])
    }

    #[inline]
    pub(crate) fn u2(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    #[inline]
    pub(crate) fn u4(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    #[inline]
    pub(crate) fn id(&mut self) -> Option<u64> {
        if W == 8 {
            self.array().map(u64::from_be_bytes)
        } else {
            self.u4().map(u64::from)
        }
    }
}

/// The identifier at the start of `bytes`, which are at least `W` long.
#[inline]
pub(crate) fn id_at<const W: usize>(bytes: &[u8], at: usize) -> u64 {
    if W == 8 {
        bytes
            .get(at..at + 8)
            .and_then(|b| b.try_into().ok())
            .map_or(0, u64::from_be_bytes)
    } else {
        bytes
            .get(at..at + 4)
            .and_then(|b| b.try_into().ok())
            .map_or(0, |b| u32::from_be_bytes(b).into())
    }
}

/// Basic types of fields and elements, as HPROF numbers them.
pub(crate) const OBJECT: u8 = 2;

/// Bytes that a value of a basic type takes in the file; `None` for what is no basic type.
#[inline]
pub(crate) fn width<const W: usize>(type_: u8) -> Option<usize> {
    Some(match type_ {
        OBJECT => W,
        4 | 8 => 1,
        5 | 9 => 2,
        6 | 10 => 4,
        7 | 11 => 8,
        _ => return None,
    })
}
