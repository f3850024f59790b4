//! What a JVM writes about itself into `/tmp/hsperfdata_USER/PID`, which costs it nothing to be read.
//!
//! Layout: HotSpot `perfMemory.hpp` (`PerfDataPrologue`, `PerfDataEntry`), version 2.0, JDK 6 to 25. Absent with
//! `-XX:-UsePerfData` and `-XX:+PerfDisableSharedMem`.

/// The most that is read; `PerfDataMemorySize` is 32 KiB unless somebody changes it.
pub(super) const MAX_FILE: u64 = 1 << 20;
/// The most entries that are looked at; JVMs have 130 to 220.
const MAX_ENTRIES: u32 = 10_000;
/// Longest string value.
const MAX_STRING: usize = 4096;
const PROLOGUE: usize = 32;
const ENTRY: usize = 20;

/// Counters of a JVM, as far as they are used here.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct PerfData {
    /// `java.property.java.version`, raw.
    pub(super) java_version: Option<Vec<u8>>,
    /// Whether the JVM says that it can be attached to (first of `sun.rt.jvmCapabilities`).
    pub(super) attachable: Option<bool>,
    /// Bytes that heap generations hold, as of the last collection of each.
    pub(super) heap_used: u64,
    /// Bytes that the heap may grow to; 0 where not said.
    pub(super) heap_max: u64,
    /// First word of `sun.rt.javaCommand`: main class or jar, raw. The others are arguments, which may hold secrets.
    pub(super) main: Option<Vec<u8>>,
    /// The collector's name.
    pub(super) collector: Option<&'static str>,
}

/// Collectors by how the names of their counters (`sun.gc.collector.0.name`) begin, JDK 8 to 25.
const COLLECTORS: &[(&[u8], &str)] = &[
    (b"G1", "G1"),
    (b"Serial", "Serial"),
    (b"Copy", "Serial"),
    (b"Parallel", "Parallel"),
    (b"PS", "Parallel"),
    (b"Shenandoah", "Shenandoah"),
    (b"Z", "ZGC"),
];
/// Longest name of a main class.
const MAX_MAIN: usize = 200;

/// Parses the file; `None` if it is none, or not complete yet.
pub(super) fn parse(file: &[u8]) -> Option<PerfData> {
    let accessible = *file.get(7)?;
    if file.get(..4)? != [0xca, 0xfe, 0xc0, 0xc0] || *file.get(5)? != 2 || accessible == 0 {
        return None;
    }
    let order = match *file.get(4)? {
        1 => u32::from_le_bytes,
        _ => u32::from_be_bytes,
    };
    let number = |at: usize| Some(order(file.get(at..at.checked_add(4)?)?.try_into().ok()?));
    let wide = |at: usize| {
        let (first, second) = (
            u64::from(number(at)?),
            u64::from(number(at.checked_add(4)?)?),
        );
        Some(if file[4] == 1 {
            second << 32 | first
        } else {
            first << 32 | second
        })
    };
    let mut data = PerfData::default();
    // Generations of most collectors share the whole heap; those whose first one is called `new` divide it.
    let (mut largest, mut sum, mut divided) = (0u64, 0u64, false);
    let mut at = usize::try_from(number(24)?).ok()?.max(PROLOGUE);
    for _ in 0..number(28)?.min(MAX_ENTRIES) {
        let length = number(at)? as usize;
        let name = text(file, at.checked_add(number(at + 4)? as usize)?)?;
        let elements = number(at + 8)? as usize;
        let value = at.checked_add(number(at + 16)? as usize)?;
        match name {
            b"java.property.java.version" => data.java_version = Some(text(file, value)?.to_vec()),
            b"sun.rt.jvmCapabilities" if elements > 0 => {
                data.attachable = Some(*file.get(value)? == b'1');
            }
            b"sun.rt.javaCommand" => data.main = text(file, value).and_then(main_of),
            b"sun.gc.collector.0.name" => {
                let name = text(file, value)?;
                let known = COLLECTORS.iter().find(|(start, _)| name.starts_with(start));
                data.collector = known.map(|(_, name)| *name);
            }
            b"sun.gc.generation.0.name" => divided = text(file, value)? == b"new",
            b"sun.gc.generation.0.maxCapacity" | b"sun.gc.generation.1.maxCapacity" => {
                largest = largest.max(wide(value)?);
                sum = sum.saturating_add(wide(value)?);
            }
            _ if is_used_space(name) => {
                data.heap_used = data.heap_used.saturating_add(wide(value)?);
            }
            _ => {}
        }
        if length < ENTRY {
            return None;
        }
        at = at.checked_add(length)?;
    }
    data.heap_max = if divided { sum } else { largest };
    Some(data)
}

/// Main class, or the jar without its folders.
fn main_of(command: &[u8]) -> Option<Vec<u8>> {
    let first = command.split(|b| *b == b' ').next()?;
    let name = first.rsplit(|b| *b == b'/').next()?;
    (!name.is_empty()).then(|| name[..name.len().min(MAX_MAIN)].to_vec())
}

/// Whether this is `sun.gc.generation.N.space.M.used`.
fn is_used_space(name: &[u8]) -> bool {
    let inner = name
        .strip_prefix(b"sun.gc.generation.")
        .and_then(|rest| rest.strip_suffix(b".used"));
    inner.is_some_and(|inner| inner.windows(7).any(|w| w == b".space."))
}

/// The string at `at`, without its NUL.
fn text(file: &[u8], at: usize) -> Option<&[u8]> {
    let rest = file.get(at..)?;
    let end = rest.iter().take(MAX_STRING).position(|b| *b == 0)?;
    rest.get(..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(entries: &[(&str, u8, &[u8])]) -> Vec<u8> {
        let mut file = vec![0xca, 0xfe, 0xc0, 0xc0, 1, 2, 0, 1];
        file.extend([0; 16]);
        file.extend(32_u32.to_le_bytes());
        file.extend((entries.len() as u32).to_le_bytes());
        for (name, kind, value) in entries {
            let data = (20 + name.len() + 1).next_multiple_of(8);
            let length = (data + value.len()).next_multiple_of(8);
            let start = file.len();
            file.extend((length as u32).to_le_bytes());
            file.extend(20_u32.to_le_bytes());
            let vector = if *kind == b'B' { value.len() } else { 0 };
            file.extend((vector as u32).to_le_bytes());
            file.extend([*kind, 0, 5, 1]);
            file.extend((data as u32).to_le_bytes());
            file.extend(name.as_bytes());
            file.resize(start + data, 0);
            file.extend(*value);
            file.resize(start + length, 0);
        }
        file
    }

    #[test]
    fn version_ability_and_used_bytes_are_found() {
        let file = file(&[
            ("java.property.java.version", b'B', b"17.0.15\0"),
            (
                "sun.gc.generation.0.space.0.used",
                b'J',
                &1000_u64.to_le_bytes(),
            ),
            ("sun.gc.metaspace.used", b'J', &9_u64.to_le_bytes()),
            ("sun.gc.collector.0.name", b'B', b"PSScavenge\0"),
            ("sun.gc.generation.0.name", b'B', b"new\0"),
            (
                "sun.gc.generation.0.maxCapacity",
                b'J',
                &100_u64.to_le_bytes(),
            ),
            (
                "sun.gc.generation.1.maxCapacity",
                b'J',
                &200_u64.to_le_bytes(),
            ),
            (
                "sun.rt.javaCommand",
                b'B',
                b"/opt/app/shop.jar --password=hunter2\0",
            ),
            (
                "sun.gc.generation.1.space.0.used",
                b'J',
                &(7_u64 << 32).to_le_bytes(),
            ),
            ("sun.rt.jvmCapabilities", b'B', b"0100\0"),
        ]);
        let data = parse(&file).unwrap();
        assert_eq!(data.java_version.as_deref(), Some(&b"17.0.15"[..]));
        assert_eq!(data.attachable, Some(false));
        assert_eq!(data.heap_used, 1000 + (7 << 32));
        assert_eq!(data.heap_max, 300);
        assert_eq!(data.collector, Some("Parallel"));
        assert_eq!(data.main.as_deref(), Some(&b"shop.jar"[..]));
        // Cut or changed anywhere, it is never read beyond.
        for cut in 0..file.len() {
            let _ = parse(&file[..cut]);
            for odd in [0, 0x7f, 0xff] {
                let mut other = file.clone();
                other[cut] = odd;
                let _ = parse(&other);
            }
        }
    }
}
