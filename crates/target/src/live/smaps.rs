//! Reading `/proc/PID/smaps`. By hand, because paths may hold any byte but a newline, and libraries insist on UTF-8.

use super::maps::mapping;
use super::residency::MappingUsage;

/// Bytes in the kernel's `kB`.
const KB: u64 = 1024;

/// The mappings that `text` lists with what is resident of each; `None` where a line is neither a mapping nor a figure.
pub(super) fn parse(text: &[u8]) -> Option<Vec<MappingUsage>> {
    let mut list: Vec<MappingUsage> = Vec::new();
    for line in text.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
        if let Some((name, value)) = figure(line) {
            let last = list.last_mut()?;
            match name {
                b"Rss" => last.rss = kilobytes(value)?,
                b"Anonymous" => last.anonymous = kilobytes(value)?,
                b"Swap" => last.swap = kilobytes(value)?,
                _ => {}
            }
        } else {
            list.push(MappingUsage {
                mapping: mapping(line)?,
                rss: 0,
                anonymous: 0,
                swap: 0,
            });
        }
    }
    Some(list)
}

/// `Name:   value`, where the name is one word of letters: a mapping starts with an address.
fn figure(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|b| *b == b':')?;
    let (name, value) = line.split_at_checked(colon)?;
    let is_name = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    let starts = name.first().is_some_and(u8::is_ascii_uppercase);
    (starts && name.iter().all(is_name)).then_some((name, value.get(1..)?))
}

/// `    1234 kB`.
fn kilobytes(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?.trim();
    let number: u64 = text.strip_suffix("kB")?.trim().parse().ok()?;
    number.checked_mul(KB)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Addr;

    #[test]
    fn figures_belong_to_the_mapping_above_them_whatever_its_path() {
        let text = b"00400000-00452000 r-xp 00001000 08:02 173521      /tmp/\xff Rss: 4 kB\n\
            Size:                328 kB\nRss:                 100 kB\nAnonymous:             0 kB\nVmFlags: rd ex mr mw me \n\
            7ffff7dd3000-7ffff7dd7000 rw-p 00000000 00:00 0 \nRss: 16 kB\nAnonymous: 12 kB\nSwap: 8 kB\nTHPeligible:    0\n";
        let maps = parse(text).unwrap();
        assert_eq!(maps.len(), 2);
        assert_eq!(maps[0].mapping.path, b"/tmp/\xff Rss: 4 kB");
        assert_eq!((maps[0].rss, maps[0].anonymous), (100 << 10, 0));
        assert_eq!(maps[1].mapping.range.start, Addr(0x7fff_f7dd_3000));
        assert_eq!(
            (maps[1].rss, maps[1].anonymous, maps[1].swap),
            (16 << 10, 12 << 10, 8 << 10)
        );
    }

    #[test]
    fn what_is_neither_is_refused() {
        for text in [
            &b"Rss: 4 kB\n"[..],
            b"hello\n",
            b"0-1 rw-p 0 0 0\nRss: 99999999999999999999 kB\n",
        ] {
            assert!(parse(text).is_none());
        }
    }
}
