//! Reading `/proc/PID/maps`. By hand, because paths may hold any byte but a newline, and libraries insist on UTF-8.

use crate::{Addr, AddrRange, Mapping, Perms};

/// The mappings that `text` lists; `None` where a line is not one.
pub(super) fn parse(text: &[u8]) -> Option<Vec<Mapping>> {
    text.split(|b| *b == b'\n')
        .filter(|line| !line.is_empty())
        .map(mapping)
        .collect()
}

/// `START-END PERMS OFFSET MAJOR:MINOR INODE     PATH`.
pub(super) fn mapping(line: &[u8]) -> Option<Mapping> {
    let mut fields = line.splitn(6, |b| *b == b' ');
    let mut range = fields.next()?.splitn(2, |b| *b == b'-');
    let start = Addr(hex(range.next()?)?);
    let end = Addr(hex(range.next()?)?);
    let perms = fields.next()?;
    let has = |i: usize, letter: u8| perms.get(i) == Some(&letter);
    let file_offset = hex(fields.next()?)?;
    let _device = fields.next()?;
    let _inode = fields.next()?;
    // Padded with blanks to a column; a path itself starts with '/', or '[' for the kernel's own names.
    let path = fields.next().unwrap_or_default().trim_ascii_start();
    Some(Mapping {
        range: AddrRange { start, end },
        perms: Perms {
            read: has(0, b'r'),
            write: has(1, b'w'),
            execute: has(2, b'x'),
            shared: has(3, b's'),
        },
        file_offset,
        path: path.to_vec(),
    })
}

fn hex(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 16 {
        return None;
    }
    digits.iter().try_fold(0u64, |v, b| {
        Some(v << 4 | u64::from((*b as char).to_digit(16)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_paths_stay_raw_bytes() {
        let text =
            b"00400000-00452000 r-xp 00001000 08:02 173521      /tmp/\xff\x1b[31m a b (deleted)\n\
            7ffff7dd3000-7ffff7dd7000 rw-s 00000000 00:00 0 \n\
            ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n";
        let maps = parse(text).unwrap();
        assert_eq!(maps.len(), 3);
        assert_eq!(maps[0].path, b"/tmp/\xff\x1b[31m a b (deleted)");
        assert_eq!(maps[0].file_offset, 0x1000);
        assert!(
            maps[0].perms.read
                && maps[0].perms.execute
                && !maps[0].perms.write
                && !maps[0].perms.shared
        );
        assert!(maps[1].path.is_empty() && maps[1].perms.shared);
        assert_eq!(maps[2].range.end, Addr(0xffff_ffff_ff60_1000));
        assert_eq!(maps[2].path, b"[vsyscall]");
    }

    #[test]
    fn a_line_that_is_no_mapping_is_refused() {
        assert!(parse(b"00400000-zz r-xp 0 0 0\n").is_none());
        assert!(parse(b"hello\n").is_none());
    }
}
