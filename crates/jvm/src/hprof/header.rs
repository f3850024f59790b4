//! The header of a dump.

use crate::error::Error;

/// What every dump begins with.
const MAGIC: &[u8] = b"JAVA PROFILE 1.0.";
/// The version's last digits and the zero behind them end within this many bytes.
const MAX_VERSION: usize = 24;

/// What a dump says about itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Third part of the format's version: 1 or 2.
    pub version: u8,
    /// Width of identifiers in bytes: 4 or 8.
    pub id_size: u8,
    /// When the dump was begun, milliseconds since 1970.
    pub millis: u64,
    /// Length of the header in bytes.
    pub(crate) len: usize,
}

impl Header {
    /// Whether `start` is the start of a dump, as far as it goes.
    pub fn is_one(start: &[u8]) -> bool {
        start.starts_with(MAGIC)
    }

    /// Parses the header at the start of `bytes`.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        if !Self::is_one(bytes) {
            return Err(Error::NotHprof(bytes.iter().take(16).copied().collect()));
        }
        let within = &bytes[..bytes.len().min(MAX_VERSION)];
        let end = within.iter().position(|b| *b == 0);
        let end = end.ok_or(Error::Header(bytes.len()))?;
        let version = match &bytes[MAGIC.len()..end] {
            b"1" => 1,
            b"2" => 2,
            b"3" => 3,
            _ => return Err(Error::NotHprof(bytes[..end].to_vec())),
        };
        let numbers: &[u8; 12] = bytes[end + 1..]
            .first_chunk()
            .ok_or(Error::Header(bytes.len()))?;
        let word = |at: usize| {
            let b = [
                numbers[at],
                numbers[at + 1],
                numbers[at + 2],
                numbers[at + 3],
            ];
            u32::from_be_bytes(b)
        };
        let id_size = match word(0) {
            4 => 4,
            8 => 8,
            other => return Err(Error::IdSize(other)),
        };
        Ok(Self {
            version,
            id_size,
            millis: u64::from(word(4)) << 32 | u64::from(word(8)),
            len: end + 1 + 12,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_or_refused() {
        let good = b"JAVA PROFILE 1.0.2\0\0\0\0\x08\0\0\0\x01\0\0\0\x02";
        let header = Header::parse(good).unwrap();
        assert_eq!((header.id_size, header.len), (8, good.len()));
        assert_eq!(header.millis, (1 << 32) + 2);
        for cut in 0..good.len() {
            assert!(Header::parse(&good[..cut]).is_err(), "{cut}");
        }
        let odd = b"JAVA PROFILE 1.0.2\0\0\0\0\x07\0\0\0\x01\0\0\0\x02";
        assert!(matches!(Header::parse(odd), Err(Error::IdSize(7))));
        assert!(matches!(
            Header::parse(b"JAVA PROFILE 2.9.9\0aaaaaaaaaaaaaaa"),
            Err(Error::NotHprof(_))
        ));
    }
}
