//! Amounts with their units, as people write them.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

/// Takes `1.5ms` apart: the number, and the unit behind it.
fn split(text: &str) -> Result<(f64, &str)> {
    let text = text.trim();
    let digits = text.find(|char: char| !char.is_ascii_digit() && char != '.');
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let number = number
        .parse()
        .ok()
        .with_context(|| format!("{text:?} does not begin with a number"))?;
    Ok((number, unit.trim()))
}

/// A time in microseconds.
pub(crate) fn time_us(text: &str) -> Result<f64> {
    let (number, unit) = split(text)?;
    Ok(match unit {
        "ns" => number / 1e3,
        "us" | "µs" => number,
        "ms" => number * 1e3,
        "s" => number * 1e6,
        _ => bail!("{text:?} is no time: a number and ns, us, ms or s is needed"),
    })
}

/// A time that does not go beyond what a test may last.
pub(crate) fn time(text: &str) -> Result<Duration> {
    crate::scenario::seconds(text, time_us(text)? / 1e6)
}

/// A factor, with or without an `x` behind it.
pub(crate) fn factor(text: &str) -> Result<f64> {
    let (number, unit) = split(text)?;
    ensure!(
        matches!(unit, "" | "x"),
        "{text:?} is no factor: a number and x is needed"
    );
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_with_their_units() {
        assert_eq!(time_us("20ms").expect("a time"), 20_000.0);
        assert_eq!(time_us("1.5 us").expect("a time"), 1.5);
        assert_eq!(time_us("500ns").expect("a time"), 0.5);
        assert_eq!(time("2s").expect("a time"), Duration::from_secs(2));
        assert_eq!(factor("2x").expect("a factor"), 2.0);
    }

    #[test]
    fn what_is_missing_is_said() {
        for (error, why) in [
            (time_us("20").map(drop), "ns, us, ms or s"),
            (time_us("soon").map(drop), "begin with a number"),
            (time("90000s").map(drop), "0 to 86400 seconds"),
            (factor("2.5.1x").map(drop), "begin with a number"),
        ] {
            let error = error.expect_err(why);
            assert!(error.to_string().contains(why), "{error}");
        }
    }
}
