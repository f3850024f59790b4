//! The performance counters that HotSpot keeps in a mapped file, `/tmp/hsperfdata_USER/PID`.
//!
//! Layout: `perfMemory.hpp` (`PerfDataPrologue`, `PerfDataEntry`), version 2.0, the same from JDK 5 to 25. The file lies
//! where the process can write it: everything in it is a claim.

use std::collections::BTreeMap;

/// Largest file that is read. It is 32 KiB by default (`PerfDataMemorySize`), and 191 counters take 12 KiB.
pub const MAX_FILE: u64 = 1 << 20;

/// Most counters that are looked at: HotSpot has some 200 to 500.
const MAX_ENTRIES: u32 = 4096;

/// Longest name and longest text that are taken.
const MAX_TEXT: usize = 4096;

/// `PERFDATA_MAGIC`, always with its highest byte first.
const MAGIC: [u8; 4] = [0xca, 0xfe, 0xc0, 0xc0];

/// Why a file is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HsperfError {
    /// It does not begin as such a file.
    #[error("not a file of performance counters")]
    NotOne,
    /// Another version than 2.
    #[error("performance counters of version {0}, not 2")]
    Version(u8),
    /// The JVM is still writing the head, or has ended.
    #[error("performance counters that are not ready")]
    NotReady,
    /// An entry does not fit into the file.
    #[error("performance counters that do not fit into their file")]
    Malformed,
}

/// A value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// A number.
    Long(i64),
    /// A text. It may hold arguments of the program: not for output as it is.
    Text(String),
}

/// The counters of one file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Hsperf {
    values: BTreeMap<String, Value>,
}

impl Hsperf {
    /// Reads the counters whose names `wanted` says yes to. Never reads out of `file`, and looks at each entry once.
    ///
    /// # Errors
    ///
    /// See [`HsperfError`].
    pub fn parse(file: &[u8], wanted: impl Fn(&str) -> bool) -> Result<Self, HsperfError> {
        if file.get(..4) != Some(&MAGIC[..]) {
            return Err(HsperfError::NotOne);
        }
        let head = Fields {
            bytes: file,
            little: file.get(4).copied() != Some(0),
        };
        let major = *file.get(5).ok_or(HsperfError::NotOne)?;
        if major != 2 {
            return Err(HsperfError::Version(major));
        }
        if file.get(7).copied() != Some(1) {
            return Err(HsperfError::NotReady);
        }
        let mut at = head.u32(24)? as usize;
        let entries = head.u32(28)?;
        if entries > MAX_ENTRIES || at < 32 {
            return Err(HsperfError::Malformed);
        }
        let mut values = BTreeMap::new();
        for _ in 0..entries {
            let length = head.u32(at)? as usize;
            let end = at.checked_add(length).filter(|end| *end <= file.len());
            let entry = Fields {
                // Each entry is 20 bytes at least, and says where the next one begins: no entry is seen twice.
                bytes: end
                    .filter(|_| length >= 20)
                    .and_then(|end| file.get(at..end))
                    .ok_or(HsperfError::Malformed)?,
                little: head.little,
            };
            if let Some((name, value)) = entry.value(&wanted)? {
                values.insert(name, value);
            }
            at += length;
        }
        Ok(Self { values })
    }

    /// A counter that is a number, not below 0.
    pub fn number(&self, name: &str) -> Option<u64> {
        match self.values.get(name)? {
            Value::Long(value) => u64::try_from(*value).ok(),
            Value::Text(_) => None,
        }
    }

    /// A counter that is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.values.get(name)? {
            Value::Text(text) => Some(text),
            Value::Long(_) => None,
        }
    }
}

/// Numbers at offsets.
struct Fields<'a> {
    bytes: &'a [u8],
    little: bool,
}

impl Fields<'_> {
    fn array<const N: usize>(&self, at: usize) -> Result<[u8; N], HsperfError> {
        let mut bytes = self
            .bytes
            .get(at..)
            .and_then(|rest| rest.first_chunk::<N>())
            .copied()
            .ok_or(HsperfError::Malformed)?;
        if !self.little {
            bytes.reverse();
        }
        Ok(bytes)
    }

    fn u32(&self, at: usize) -> Result<u32, HsperfError> {
        self.array(at).map(u32::from_le_bytes)
    }

    /// Name and value of an entry: its length, where the name is, length of a vector, type, flags, unit, variability,
    /// where the value is. `None` of types that are neither.
    fn value(&self, wanted: impl Fn(&str) -> bool) -> Result<Option<(String, Value)>, HsperfError> {
        let (name_at, vector) = (self.u32(4)? as usize, self.u32(8)? as usize);
        let kind = self.array::<1>(12)?[0];
        let data_at = self.u32(16)? as usize;
        let name = self.text(name_at, MAX_TEXT)?;
        if !wanted(name) {
            return Ok(None);
        }
        let value = match (kind, vector) {
            (b'J', 0) => Value::Long(i64::from_le_bytes(self.array(data_at)?)),
            (b'B', length) if length > 0 => Value::Text(self.text(data_at, length)?.to_owned()),
            _ => return Ok(None),
        };
        Ok(Some((name.to_owned(), value)))
    }

    /// Text up to the first NUL, at most `most` bytes; empty where it is not UTF-8.
    fn text(&self, at: usize, most: usize) -> Result<&str, HsperfError> {
        let rest = self.bytes.get(at..).ok_or(HsperfError::Malformed)?;
        let rest = &rest[..rest.len().min(most).min(MAX_TEXT)];
        let end = rest.iter().position(|b| *b == 0).unwrap_or(rest.len());
        Ok(std::str::from_utf8(&rest[..end]).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with these numbers and one text.
    fn file(numbers: &[(&str, i64)], little: bool) -> Vec<u8> {
        let mut entries = Vec::new();
        let put = |to: &mut Vec<u8>, value: u32| {
            to.extend(if little {
                value.to_le_bytes()
            } else {
                value.to_be_bytes()
            });
        };
        let texts = [("a.text", "hello\0\0\0")];
        for (name, value) in numbers {
            let data_at = (20 + name.len() + 1).next_multiple_of(8);
            put(&mut entries, data_at as u32 + 8);
            put(&mut entries, 20);
            put(&mut entries, 0);
            entries.extend([b'J', 0, 1, 1]);
            put(&mut entries, data_at as u32);
            entries.extend(name.as_bytes());
            entries.resize(entries.len() + data_at - 20 - name.len(), 0);
            entries.extend(if little {
                value.to_le_bytes()
            } else {
                value.to_be_bytes()
            });
        }
        for (name, text) in texts {
            put(&mut entries, (20 + name.len() + 1 + text.len()) as u32);
            put(&mut entries, 20);
            put(&mut entries, text.len() as u32);
            entries.extend([b'B', 0, 5, 1]);
            put(&mut entries, 20 + name.len() as u32 + 1);
            entries.extend(name.as_bytes());
            entries.push(0);
            entries.extend(text.as_bytes());
        }
        let mut file = MAGIC.to_vec();
        file.extend([u8::from(little), 2, 0, 1]);
        put(&mut file, 32 + entries.len() as u32);
        put(&mut file, 0);
        file.extend([0; 8]);
        put(&mut file, 32);
        put(&mut file, numbers.len() as u32 + 1);
        file.extend(entries);
        file
    }

    #[test]
    fn numbers_and_texts_of_either_byte_order_are_read() {
        for little in [true, false] {
            let bytes = file(&[("a.b", 42), ("c.d.long", -7), ("unwanted", 1)], little);
            let read = Hsperf::parse(&bytes, |name| name != "unwanted").unwrap();
            assert_eq!(read.number("a.b"), Some(42));
            assert_eq!(read.number("c.d.long"), None, "negative");
            assert_eq!(read.number("unwanted"), None);
            assert_eq!(read.text("a.text"), Some("hello"));
            assert_eq!(read.text("a.b"), None);
        }
    }

    #[test]
    fn every_cut_and_every_changed_byte_is_an_error_or_a_value_and_no_panic() {
        let bytes = file(&[("a.b", 42), ("c.d", 7)], true);
        for cut in 0..bytes.len() {
            let _ = Hsperf::parse(&bytes[..cut], |_| true);
        }
        let mut changed = bytes.clone();
        for at in 0..bytes.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                changed[at] = value;
                let _ = Hsperf::parse(&changed, |_| true);
            }
            changed[at] = bytes[at];
        }
        let mut endless = bytes.clone();
        endless[28..32].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(
            Hsperf::parse(&endless, |_| true),
            Err(HsperfError::Malformed)
        );
        assert_eq!(
            Hsperf::parse(b"#!/bin/sh", |_| true),
            Err(HsperfError::NotOne)
        );
        let mut unready = bytes;
        unready[7] = 0;
        assert_eq!(
            Hsperf::parse(&unready, |_| true),
            Err(HsperfError::NotReady)
        );
    }
}
