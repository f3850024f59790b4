//! What `GC.heap_info` says: how many bytes the heap holds now. Each collector has words of its own (HotSpot's
//! `print_on` of `CollectedHeap`'s kinds, JDK 9 to 25): `used 38M`, `used 32888K`, or Shenandoah's `34304K used`.

/// Sum of what the generations hold; `None` where nothing of the kind is said.
pub(super) fn used_bytes(text: &[u8]) -> Option<u64> {
    let text = String::from_utf8_lossy(text);
    let mut sum = None;
    for line in text.lines() {
        // Not of the heap: `Metaspace used 808K`, `class space used 80K`.
        if line.contains("Metaspace") || line.contains("class space") {
            continue;
        }
        let words: Vec<&str> = line.split([' ', ',']).filter(|w| !w.is_empty()).collect();
        let at = words.iter().position(|word| *word == "used");
        let used = at.and_then(|at| {
            let after = words.get(at + 1).and_then(|word| amount(word));
            after.or_else(|| amount(words.get(at.checked_sub(1)?)?))
        });
        if let Some(used) = used {
            sum = Some(used.saturating_add(sum.unwrap_or(0)));
        }
    }
    sum
}

/// `34304K`; a share such as `3%` is none.
fn amount(word: &str) -> Option<u64> {
    let unit = match word.chars().last()? {
        'B' => 1,
        'K' => 1 << 10,
        'M' => 1 << 20,
        'G' => 1 << 30,
        'T' => 1_u64 << 40,
        _ => return None,
    };
    let number: u64 = word[..word.len() - 1].parse().ok()?;
    number.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_collector_is_understood() {
        let kib = |n: u64| Some(n << 10);
        for (text, used) in [
            (
                " garbage-first heap   total 119808K, used 32888K [0x00000000e0000000, 0x0000000100000000)\n  \
                 region size 1024K, 1 young (1024K), 0 survivors (0K)\n Metaspace       used 808K, committed 1088K\n  \
                 class space    used 80K, committed 192K",
                kib(32888),
            ),
            (
                "garbage-first heap   total reserved 524288K, committed 116736K, used 34138K [0x1, 0x2)",
                kib(34138),
            ),
            (
                "ZHeap            used 38M, capacity 378M, max capacity 512M\n Cache           340M (3)",
                kib(38 << 10),
            ),
            (
                " PSYoungGen      total 113152K, used 3566K [0x1, 0x2, 0x3)\n  eden space 97280K, 3% used [0x1,0x2,0x3)\n \
                 ParOldGen       total 258048K, used 31649K [0x1, 0x2)\n  object space 258048K, 12% used [0x1,0x2)",
                kib(3566 + 31649),
            ),
            (
                "Shenandoah Heap\n 512M max, 512M soft max, 34304K committed, 34304K used\n 2048 x 256K regions",
                kib(34304),
            ),
            ("", None),
            ("used \u{e4}K used", None),
        ] {
            assert_eq!(used_bytes(text.as_bytes()), used, "{text}");
        }
    }
}
