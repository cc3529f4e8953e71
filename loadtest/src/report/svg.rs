//! Line plots as inline SVG, drawn with the page's colours.

use std::fmt::Write as _;

use crate::report::text::{escaped, thousands, time};

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 30.0;
/// Lines across, about.
const STEPS: f64 = 5.0;

/// What an axis counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Axis {
    /// Seconds from 0.
    Seconds,
    /// Percentiles: 0 is the lowest, 1 the 90th, 2 the 99th.
    Nines,
    /// Microseconds, in powers of ten.
    LogTime,
    /// Numbers from 0.
    Count,
}

/// One line.
pub(super) struct Series {
    pub(super) name: &'static str,
    /// The colour's class.
    pub(super) class: &'static str,
    /// Where there is no value the line is interrupted.
    pub(super) points: Vec<(f64, Option<f64>)>,
}

/// A plot with its title.
pub(super) struct Plot {
    pub(super) title: &'static str,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) series: Vec<Series>,
}

/// An axis over the values that it has to show.
struct Scale {
    axis: Axis,
    low: f64,
    high: f64,
    /// Where a line and a label belong.
    marks: Vec<f64>,
}

impl Scale {
    fn new(axis: Axis, values: impl Iterator<Item = f64>) -> Self {
        let (mut low, mut high) = (f64::INFINITY, 0.0f64);
        for value in values {
            (low, high) = (low.min(value), high.max(value));
        }
        let (low, high, marks) = match axis {
            Axis::LogTime => {
                // Whole powers of ten, from the smallest to the largest value.
                let low = low.max(1.0).log10().floor();
                let high = high.max(1.0).log10().ceil().max(low + 1.0);
                let powers = (low as i32..=high as i32).map(|power| 10f64.powi(power));
                (low, high, powers.collect())
            }
            Axis::Nines => {
                let high = high.max(1.0);
                let marks = [0.0, 0.301, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
                (0.0, high, marks.into_iter().filter(|&mark| mark <= high).collect())
            }
            Axis::Seconds | Axis::Count => {
                let high = if high > 0.0 { high } else { 1.0 };
                let step = round_step(high / STEPS);
                let top = if axis == Axis::Count {
                    (high / step).ceil() * step
                } else {
                    high
                };
                let count = (top / step + 1e-9).floor() as u32;
                (0.0, top, (0..=count).map(|mark| f64::from(mark) * step).collect())
            }
        };
        Self { axis, low, high, marks }
    }

    /// From 0 to 1.
    fn place(&self, value: f64) -> f64 {
        let value = match self.axis {
            Axis::LogTime => value.max(1.0).log10(),
            _ => value,
        };
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    fn label(&self, mark: f64) -> String {
        match self.axis {
            Axis::LogTime => time(mark),
            Axis::Count => thousands(mark),
            Axis::Seconds => format!("{} s", (mark * 100.0).round() / 100.0),
            Axis::Nines => match (mark * 10.0).round() as u32 {
                0 => "min".to_owned(),
                3 => "50 %".to_owned(),
                10 => "90 %".to_owned(),
                nines => format!(
                    "99{}{} %",
                    if nines > 20 { "." } else { "" },
                    "9".repeat(nines as usize / 10 - 2)
                ),
            },
        }
    }
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

impl Plot {
    /// Heading and drawing.
    pub(super) fn draw(&self) -> String {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let mut out = format!("<h2>{}</h2>", escaped(self.title));
        if points().next().is_none() {
            out.push_str("<p>Nothing was delivered in the measured window.</p>");
            return out;
        }
        let x = Scale::new(self.x, points().map(|point| point.0));
        let y = Scale::new(self.y, points().filter_map(|point| point.1));
        let at_x = |value: f64| LEFT + x.place(value) * (WIDTH - LEFT - RIGHT);
        let at_y = |value: f64| HEIGHT - BOTTOM - y.place(value) * (HEIGHT - TOP - BOTTOM);
        write!(
            out,
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
            escaped(self.title)
        )
        .expect("writing to a string cannot fail");
        for &mark in &y.marks {
            line(&mut out, [LEFT, at_y(mark), WIDTH - RIGHT, at_y(mark)]);
            label(&mut out, LEFT - 8.0, at_y(mark) + 4.0, "end", "", &y.label(mark));
        }
        for &mark in &x.marks {
            line(&mut out, [at_x(mark), TOP, at_x(mark), HEIGHT - BOTTOM]);
            // The outermost labels stay inside the drawing.
            let anchor = if at_x(mark) > WIDTH - RIGHT - 24.0 {
                "end"
            } else {
                "middle"
            };
            label(&mut out, at_x(mark), HEIGHT - BOTTOM + 18.0, anchor, "", &x.label(mark));
        }
        for (at, series) in self.series.iter().enumerate() {
            write!(out, "<path class=\"curve {}\" d=\"", series.class).expect("writing to a string cannot fail");
            let mut pen = 'M';
            for &(value_x, value_y) in &series.points {
                let Some(value_y) = value_y else {
                    pen = 'M';
                    continue;
                };
                out.push(std::mem::replace(&mut pen, 'L'));
                number(&mut out, at_x(value_x));
                out.push(' ');
                number(&mut out, at_y(value_y));
            }
            out.push_str("\"/>");
            if self.series.len() > 1 {
                let place = LEFT + 12.0 + 52.0 * at as f64;
                label(&mut out, place, TOP + 16.0, "start", series.class, series.name);
            }
        }
        out.push_str("</svg>");
        out
    }
}

/// Attribute lists and numbers of an SVG.
fn number(out: &mut String, value: f64) {
    write!(out, "{value:.1}").expect("writing to a string cannot fail");
}

fn line(out: &mut String, [x1, y1, x2, y2]: [f64; 4]) {
    write!(
        out,
        "<line class=\"grid\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
    )
    .expect("writing to a string cannot fail");
}

fn label(out: &mut String, x: f64, y: f64, anchor: &str, class: &str, text: &str) {
    write!(
        out,
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>",
        escaped(text)
    )
    .expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round_and_cover_the_values() {
        let scale = Scale::new(Axis::Count, [3.0, 36_012.0].into_iter());
        assert_eq!(scale.marks, [0.0, 10_000.0, 20_000.0, 30_000.0, 40_000.0]);
        let scale = Scale::new(Axis::LogTime, [35.0, 4_200.0].into_iter());
        assert_eq!(scale.marks, [10.0, 100.0, 1_000.0, 10_000.0]);
        assert!((scale.place(100.0) - 1.0 / 3.0).abs() < 1e-9);
        let scale = Scale::new(Axis::Nines, [0.0, 3.2].into_iter());
        let labels: Vec<String> = scale.marks.iter().map(|&mark| scale.label(mark)).collect();
        assert_eq!(labels, ["min", "50 %", "90 %", "99 %", "99.9 %"]);
    }

    #[test]
    fn nothing_delivered_is_said_and_not_drawn() {
        let plot = Plot {
            title: "t",
            x: Axis::Seconds,
            y: Axis::Count,
            series: Vec::new(),
        };
        assert!(plot.draw().contains("Nothing was delivered"));
    }
}
