//! Values with units, as people write them in a configuration.

use crate::Millis;

/// A span of time such as `90m`, `2h30m` or `1.5s`.
///
/// # Errors
///
/// What is wrong with it, in words.
pub fn duration(text: &str) -> Result<Millis, String> {
    let mut rest = text.trim();
    let mut total = 0.0_f64;
    if rest.is_empty() {
        return Err("a span of time is missing, such as \"90m\"".to_owned());
    }
    while !rest.is_empty() {
        let (number, after) = leading_number(rest)?;
        let end = after
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let (unit, tail) = after.split_at(end);
        let millis = match unit {
            "ms" => 1.0,
            "s" => 1e3,
            "m" | "min" => 60e3,
            "h" => 3600e3,
            "d" => 86_400e3,
            "" => return Err(format!("{text:?} lacks a unit: ms, s, m, h, d")),
            other => return Err(format!("{other:?} is no unit of time: ms, s, m, h, d")),
        };
        total += number * millis;
        rest = tail.trim_start();
    }
    // A thousand years: more is a mistake, and would overflow in sums.
    if !(1.0..3.2e13).contains(&total) {
        return Err(format!("{text:?} is no sensible span of time"));
    }
    Ok(total as Millis)
}

/// Bytes such as `16 MiB` or `4GB`.
///
/// # Errors
///
/// What is wrong with it, in words.
pub fn bytes(text: &str) -> Result<f64, String> {
    let (number, unit) = leading_number(text.trim())?;
    let factor = match unit.trim() {
        "" | "B" => 1.0,
        "kB" | "KB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "TB" => 1e12,
        "KiB" => 1024.0,
        "MiB" => 1024.0_f64.powi(2),
        "GiB" => 1024.0_f64.powi(3),
        "TiB" => 1024.0_f64.powi(4),
        other => return Err(format!("{other:?} is no unit of bytes: KiB, MiB, GiB, TiB")),
    };
    Ok(number * factor)
}

/// A share such as `82 %`, as 0.82.
pub(super) fn percent(text: &str) -> Option<Result<f64, String>> {
    let number = text.trim().strip_suffix('%')?;
    Some(
        number
            .trim()
            .parse::<f64>()
            .map(|n| n / 100.0)
            .map_err(|_| format!("{text:?} is no percentage")),
    )
}

fn leading_number(text: &str) -> Result<(f64, &str), String> {
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let number = number
        .parse()
        .map_err(|_| format!("{text:?} does not begin with a number"))?;
    Ok((number, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_units() {
        assert_eq!(duration("90m"), Ok(5_400_000));
        assert_eq!(duration("1h 30m"), Ok(5_400_000));
        assert_eq!(duration("1.5s"), Ok(1_500));
        assert_eq!(duration("14d"), Ok(14 * 86_400_000));
        assert_eq!(bytes("16 MiB"), Ok(16.0 * 1_048_576.0));
        assert_eq!(bytes("4GB"), Ok(4e9));
        assert_eq!(percent("82 %"), Some(Ok(0.82)));
        assert_eq!(percent("82"), None);
        for bad in ["", "5", "5 parsecs", "m", "-3m", "0s", "99999999999d"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        for bad in ["", "MiB", "5 MiBs", "-1 MiB"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }
}
