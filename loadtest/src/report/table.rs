//! Figures as lines for people.

use std::fmt::Write as _;

/// Lines of a label and a value.
pub(super) struct Table(pub(super) String);

impl Table {
    pub(super) const fn new() -> Self {
        Self(String::new())
    }

    pub(super) fn row(&mut self, label: &str, value: impl AsRef<str>) {
        writeln!(self.0, "{label:<18}{}", value.as_ref()).expect("writing to a string cannot fail");
    }
}

pub(super) fn ratio(dividend: f64, divisor: f64) -> Option<f64> {
    (divisor > 0.0).then(|| dividend / divisor)
}

pub(super) fn round(value: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    (value * scale).round() / scale
}

pub(super) fn or_na(value: Option<f64>) -> String {
    value.map_or_else(|| "n/a".to_owned(), |value| value.to_string())
}

pub(super) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
