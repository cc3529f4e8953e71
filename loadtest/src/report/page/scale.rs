//! Axes: what they count, how far they reach, where their marks are, and how a value on them is written.

use crate::report::text::{compact, memory, thousands, time};

/// Lines across, about.
const STEPS: f64 = 5.0;

/// What an axis counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Axis {
    /// Seconds from 0.
    Seconds,
    /// Percentiles: 0 is the lowest, 1 the 90th, 2 the 99th.
    Nines,
    /// Microseconds, on a logarithmic scale.
    LogTime,
    /// Numbers from 0.
    Count,
    /// Processor cores in use.
    Cores,
    /// Bytes, from 0.
    Bytes,
}

/// An axis over the values that it has to show.
pub(super) struct Scale {
    axis: Axis,
    low: f64,
    high: f64,
    /// Where a line and a label belong.
    pub(super) marks: Vec<f64>,
}

impl Axis {
    /// A value in words, exact enough to be read off.
    pub(super) fn words(self, value: f64) -> String {
        match self {
            Self::LogTime => time(value),
            Self::Count if value < 10.0 => format!("{}", (value * 100.0).round() / 100.0),
            Self::Count => thousands(value),
            Self::Seconds => format!("{:.2} s", value),
            Self::Cores => format!("{value:.2} cores"),
            Self::Bytes => memory(value),
            Self::Nines => {
                let below = 100.0 * (1.0 - 10f64.powf(-value));
                let digits = (value - 1.0).ceil().clamp(1.0, 5.0) as usize;
                format!("{below:.digits$} %")
            }
        }
    }

    fn mark(self, value: f64) -> String {
        match self {
            Self::Count => compact(value),
            Self::Seconds if (0.0..0.1).contains(&value) && value > 0.0 => {
                format!("{} ms", (value * 100_000.0).round() / 100.0)
            }
            Self::Seconds => format!("{} s", (value * 100.0).round() / 100.0),
            Self::Cores => format!("{}", (value * 1000.0).round() / 1000.0),
            Self::Nines => match (value * 10.0).round() as u32 {
                0 => "min".to_owned(),
                3 => "50 %".to_owned(),
                10 => "90 %".to_owned(),
                nines => format!(
                    "99{}{} %",
                    if nines > 20 { "." } else { "" },
                    "9".repeat(nines as usize / 10 - 2)
                ),
            },
            Self::LogTime | Self::Bytes => self.words(value),
        }
    }
}

impl Scale {
    pub(super) fn new(axis: Axis, values: impl Iterator<Item = f64>) -> Self {
        let (mut low, mut high) = (f64::INFINITY, 0.0f64);
        for value in values {
            (low, high) = (low.min(value), high.max(value));
        }
        let (low, high, marks) = match axis {
            Axis::LogTime => logarithmic(low.max(1.0), high.max(1.0)),
            Axis::Nines => {
                let high = high.max(1.0);
                let marks = [0.0, 0.301, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
                (0.0, high, marks.into_iter().filter(|&mark| mark <= high).collect())
            }
            Axis::Seconds | Axis::Count | Axis::Cores | Axis::Bytes => {
                let high = if high > 0.0 { high } else { 1.0 };
                let step = match axis {
                    Axis::Bytes => binary_step(high / STEPS),
                    _ => round_step(high / STEPS),
                };
                // Time ends where it ends; the others at a mark.
                let top = if axis == Axis::Seconds {
                    high
                } else {
                    (high / step - 1e-9).ceil() * step
                };
                let count = (top / step + 1e-9).floor() as u32;
                (0.0, top, (0..=count).map(|mark| f64::from(mark) * step).collect())
            }
        };
        Self { axis, low, high, marks }
    }

    /// From 0 to 1.
    pub(super) fn place(&self, value: f64) -> f64 {
        let value = match self.axis {
            Axis::LogTime => value.max(1.0).log10(),
            _ => value,
        };
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    pub(super) fn label(&self, mark: f64) -> String {
        self.axis.mark(mark)
    }
}

/// From a mark below the smallest value to one above the largest; marks at 1, 2 and 5 while they have room.
fn logarithmic(low: f64, high: f64) -> (f64, f64, Vec<f64>) {
    let mut all = (0..10).flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(power)));
    let mut marks: Vec<f64> = Vec::new();
    for mark in all.by_ref() {
        if mark <= low * (1.0 + 1e-9) {
            marks.clear();
        }
        marks.push(mark);
        if mark >= high && marks.len() > 1 {
            break;
        }
    }
    let (low, high) = (marks[0], marks[marks.len() - 1]);
    if marks.len() > 7 {
        marks.retain(|mark| (mark.log10() - mark.log10().round()).abs() < 1e-9);
    }
    (low.log10(), high.log10(), marks)
}

/// 1, 2 or 5 times a power of ten, not below `step`.
fn round_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    let nice = [1.0, 2.0, 5.0, 10.0];
    nice.into_iter()
        .find(|nice| nice * power >= step - 1e-12)
        .unwrap_or(10.0)
        * power
}

/// The same in whole KiB, MiB and so on.
fn binary_step(step: f64) -> f64 {
    let unit = 1024f64.powf(step.max(1.0).log(1024.0).floor());
    round_step((step / unit).max(1.0)) * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round_and_cover_the_values() {
        let scale = Scale::new(Axis::Count, [3.0, 36_012.0].into_iter());
        assert_eq!(scale.marks, [0.0, 10_000.0, 20_000.0, 30_000.0, 40_000.0]);
        let scale = Scale::new(Axis::LogTime, [35.0, 4_200.0].into_iter());
        assert_eq!(
            scale.marks,
            [20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0][..]
                .to_vec()
                .into_iter()
                .filter(|mark| [100.0, 1_000.0].contains(mark))
                .collect::<Vec<_>>()
        );
        assert_eq!((scale.place(20.0), scale.place(5_000.0)), (0.0, 1.0));
        let scale = Scale::new(Axis::LogTime, [210.0, 900.0].into_iter());
        assert_eq!(scale.marks, [200.0, 500.0, 1_000.0]);
        let scale = Scale::new(Axis::Nines, [0.0, 3.2].into_iter());
        let labels: Vec<String> = scale.marks.iter().map(|&mark| scale.label(mark)).collect();
        assert_eq!(labels, ["min", "50 %", "90 %", "99 %", "99.9 %"]);
        let scale = Scale::new(Axis::Bytes, [9.0 * 1024.0 * 1024.0].into_iter());
        assert_eq!(scale.label(scale.marks[1]), "2 MiB");
    }

    #[test]
    fn one_value_alone_has_a_scale() {
        for axis in [
            Axis::LogTime,
            Axis::Count,
            Axis::Seconds,
            Axis::Cores,
            Axis::Bytes,
            Axis::Nines,
        ] {
            for value in [0.0, 1.0, 1e9] {
                let place = Scale::new(axis, [value].into_iter()).place(value);
                assert!((0.0..=1.0).contains(&place), "{axis:?} {value}: {place}");
            }
        }
    }

    #[test]
    fn values_are_read_off_in_words() {
        assert_eq!(Axis::Nines.words(2.0), "99.0 %");
        assert_eq!(Axis::Nines.words(3.0), "99.90 %");
        assert_eq!(Axis::Cores.words(0.834), "0.83 cores");
        assert_eq!(Axis::Count.words(0.254), "0.25");
    }
}
