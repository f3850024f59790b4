//! Sizes, counts, shares and times in the form people read.

/// `n` bytes in binary units with one decimal: `96 B`, `1.5 KiB`, `518.3 MiB`.
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if n < 1024 {
        return format!("{n} B");
    }
    let mut value = n as f64 / 1024.0;
    let mut unit = 0;
    // 1023.95 would be printed as 1024.0.
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// `n` with a comma between thousands: `2,000,000`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `n` things, with an `s` where there is not exactly one: `1 map`, `2,000 maps`.
pub fn things(n: u64, thing: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{} {thing}{s}", count(n))
}

/// A share from 0 to 1 as a percentage with one decimal. Never rounded up to `100.0%` nor down to `0.0%` unless it is.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let shown = if percent < 100.0 && percent > 99.9 {
        99.9
    } else if percent > 0.0 && percent < 0.1 {
        return "<0.1%".to_owned();
    } else {
        percent
    };
    format!("{shown:.1}%")
}

/// A time in nanoseconds with three digits: `840 ns`, `1.84 ms`, `12.3 s`.
pub fn nanoseconds(n: u64) -> String {
    const UNITS: [(&str, f64); 4] = [("ns", 1.0), ("µs", 1e3), ("ms", 1e6), ("s", 1e9)];
    if n < 1000 {
        return format!("{n} ns");
    }
    // 999.6 µs would be printed as 1000 µs.
    let (unit, scale) = UNITS
        .into_iter()
        .find(|(_, scale)| n as f64 / scale < 999.5)
        .unwrap_or(UNITS[UNITS.len() - 1]);
    let value = n as f64 / scale;
    let decimals = match value {
        v if v < 9.995 => 2,
        v if v < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_binary_and_never_1024_of_a_unit() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_048_575, "1.0 MiB"),
            (543_476_941, "518.3 MiB"),
            (u64::MAX, "16.0 EiB"),
        ];
        for (n, want) in cases {
            assert_eq!(bytes(n), want);
        }
    }

    #[test]
    fn counts_have_commas() {
        assert_eq!(
            [0, 999, 1000, 2_000_000].map(count),
            ["0", "999", "1,000", "2,000,000"]
        );
    }

    #[test]
    fn shares_are_not_rounded_to_all_or_nothing() {
        assert_eq!(
            [0.0, 0.0004, 0.5, 0.99999, 1.0].map(percent),
            ["0.0%", "<0.1%", "50.0%", "99.9%", "100.0%"]
        );
    }

    #[test]
    fn times_have_three_digits() {
        let cases = [
            (0, "0 ns"),
            (1_000, "1.00 µs"),
            (999_600, "1.00 ms"),
            (12_345_678, "12.3 ms"),
            (250_000_000, "250 ms"),
        ];
        for (n, want) in cases {
            assert_eq!(nanoseconds(n), want);
        }
        assert_eq!(nanoseconds(3_600_000_000_000), "3600 s");
    }
}
