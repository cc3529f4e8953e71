//! Amounts with their units, as people write them.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

/// What an amount is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// In microseconds.
    Time,
    /// In bytes.
    Memory,
    /// Per second.
    Rate,
    Count,
    Factor,
}

/// A number with its unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Amount {
    /// In the unit of its kind.
    pub(crate) value: f64,
    /// The unit it was written in.
    pub(crate) unit: &'static str,
    /// How many of its kind's units that is.
    pub(crate) scale: f64,
}

impl Kind {
    const fn units(self) -> &'static [(&'static str, f64)] {
        match self {
            Self::Time => &[("ns", 1e-3), ("us", 1.0), ("µs", 1.0), ("ms", 1e3), ("s", 1e6)],
            Self::Memory => &[("B", 1.0), ("KiB", 1024.0), ("MiB", 1048576.0), ("GiB", 1073741824.0)],
            Self::Rate => &[("/s", 1.0)],
            Self::Count => &[("", 1.0)],
            Self::Factor => &[("x", 1.0), ("", 1.0)],
        }
    }

    const fn wanted(self) -> &'static str {
        match self {
            Self::Time => "a time, like 20ms: a number and ns, us, ms or s",
            Self::Memory => "an amount of memory, like 100MiB: a number and B, KiB, MiB or GiB",
            Self::Rate => "a rate, like 1000/s: a number and /s",
            Self::Count => "a count: a number without a unit",
            Self::Factor => "a factor, like 2x: a number and x",
        }
    }

    /// Reads an amount of this kind.
    pub(crate) fn read(self, text: &str) -> Result<Amount> {
        let text = text.trim();
        let refused = || format!("{text:?} is not {}", self.wanted());
        let digits = text.find(|char: char| !char.is_ascii_digit() && char != '.');
        let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
        let number: f64 = number.parse().ok().with_context(refused)?;
        match self.units().iter().find(|(known, _)| *known == unit.trim()) {
            Some(&(unit, scale)) => Ok(Amount {
                value: number * scale,
                unit,
                scale,
            }),
            None => bail!(refused()),
        }
    }
}

/// A time that does not go beyond what a test may last.
pub(crate) fn time(text: &str) -> Result<Duration> {
    seconds(text, Kind::Time.read(text)?.value / 1e6)
}

/// No test lasts longer than a day.
const MAX_SECONDS: f64 = 24.0 * 3600.0;

/// A length of time given in seconds.
pub(crate) fn seconds(option: &str, value: f64) -> Result<Duration> {
    ensure!(
        (0.0..=MAX_SECONDS).contains(&value),
        "{option} must be 0 to {MAX_SECONDS} seconds"
    );
    Ok(Duration::from_secs_f64(value))
}

/// How many times something.
pub(crate) fn factor(text: &str) -> Result<f64> {
    Ok(Kind::Factor.read(text)?.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_with_their_units() {
        for (kind, text, value, unit) in [
            (Kind::Time, "20ms", 20_000.0, "ms"),
            (Kind::Time, " 1.5 us", 1.5, "us"),
            (Kind::Time, "500ns", 0.5, "ns"),
            (Kind::Memory, "100MiB", 104_857_600.0, "MiB"),
            (Kind::Rate, "10000/s", 10_000.0, "/s"),
            (Kind::Count, "0", 0.0, ""),
        ] {
            let amount = kind.read(text).expect(text);
            assert_eq!((amount.value, amount.unit), (value, unit), "{text}");
        }
        assert_eq!(time("2s").expect("a time"), Duration::from_secs(2));
        assert_eq!((factor("2.5x").expect("one"), factor("3").expect("one")), (2.5, 3.0));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (kind, text, why) in [
            (Kind::Time, "20", "ns, us, ms or s"),
            (Kind::Time, "soon", "like 20ms"),
            (Kind::Memory, "5MB", "B, KiB, MiB or GiB"),
            (Kind::Rate, "5", "a number and /s"),
            (Kind::Count, "5ms", "without a unit"),
            (Kind::Factor, "2.5.1x", "like 2x"),
        ] {
            let error = kind.read(text).expect_err(text).to_string();
            assert!(error.contains(why) && error.contains(text), "{error}");
        }
        let error = time("90000s").expect_err("too long").to_string();
        assert!(error.contains("0 to 86400 seconds"), "{error}");
    }
}
