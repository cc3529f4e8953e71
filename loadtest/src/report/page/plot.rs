//! Line plots: lines as inline SVG that is stretched to its place, words as text of the page that keeps its size, and the
//! values once more for the script that shows them under the pointer.

use std::fmt::Write as _;

use serde_json::json;

use crate::report::page::scale::{Axis, Scale};
use crate::report::text::escaped;
use crate::report::text::script_safe;

/// The drawing's own measure; it is stretched to the place that the page has.
const SIDE: f64 = 1000.0;
/// Colours of lines, in turn.
pub(crate) const COLOURS: [&str; 8] = ["s1", "s2", "s4", "s5", "s6", "s7", "s8", "s3"];

/// How a line is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    Line,
    Dashed,
    Area,
    Dots,
}

/// One line.
pub(crate) struct Series {
    pub(crate) name: String,
    /// The colour's class.
    pub(crate) colour: &'static str,
    pub(crate) look: Look,
    /// One for each place of the plot; where there is none the line is interrupted.
    pub(crate) values: Vec<Option<f64>>,
}

/// A stretch of the horizontal axis with a name.
#[derive(Debug, Clone)]
pub(crate) struct Band {
    pub(crate) from: f64,
    pub(crate) until: f64,
    pub(crate) words: String,
    /// Nothing was delivered.
    pub(crate) outage: bool,
}

/// A plot with its title.
pub(crate) struct Plot {
    pub(crate) title: String,
    /// What the reader must know to read it.
    pub(crate) note: Option<String>,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    /// Where the lines have their points.
    pub(crate) places: Vec<f64>,
    /// The horizontal axis goes at least so far.
    pub(crate) reach: f64,
    pub(crate) series: Vec<Series>,
    pub(crate) bands: Vec<Band>,
}

impl Series {
    pub(crate) fn line(name: impl Into<String>, colour: &'static str, values: Vec<Option<f64>>) -> Self {
        Self {
            name: name.into(),
            colour,
            look: Look::Line,
            values,
        }
    }

    pub(crate) fn with(mut self, look: Look) -> Self {
        self.look = look;
        self
    }

    /// There is something to see.
    fn speaks(&self) -> bool {
        self.values.iter().any(Option::is_some)
    }
}

impl Look {
    const fn class(self) -> &'static str {
        match self {
            Self::Line => "",
            Self::Dashed => "dashed",
            Self::Area => "area",
            Self::Dots => "dots",
        }
    }
}

impl Plot {
    /// Heading, legend and drawing.
    pub(super) fn draw(&self) -> String {
        let mut out = format!("<h2>{}</h2>", escaped(&self.title));
        if !self.series.iter().any(Series::speaks) {
            out.push_str("<p>Nothing was delivered in the measured window.</p>");
            return out;
        }
        self.legend(&mut out);
        let x = Scale::new(self.x, self.places.iter().copied().chain([self.reach]));
        let values = self.series.iter().flat_map(|series| &series.values);
        let y = Scale::new(self.y, values.filter_map(|&value| value));
        put(
            &mut out,
            format_args!(
                "<div class=\"chart{}\" tabindex=\"0\" role=\"img\" aria-label=\"{}\">",
                if self.bands.is_empty() { "" } else { " with-bands" },
                escaped(&self.title)
            ),
        );
        self.draw_bands(&mut out, &x);
        put(
            &mut out,
            format_args!("<svg viewBox=\"0 0 {SIDE} {SIDE}\" preserveAspectRatio=\"none\" aria-hidden=\"true\">"),
        );
        for &mark in &y.marks {
            let at = SIDE - y.place(mark) * SIDE;
            put(&mut out, format_args!("<path class=\"grid\" d=\"M0 {at:.1}H{SIDE}\"/>"));
        }
        for series in self.series.iter().filter(|series| series.speaks()) {
            put(
                &mut out,
                format_args!(
                    "<path class=\"{} {}\" d=\"{}\"/>",
                    series.colour,
                    series.look.class(),
                    self.outline(series, &x, &y)
                ),
            );
        }
        out.push_str("</svg>");
        for &mark in &y.marks {
            put(
                &mut out,
                format_args!(
                    "<span class=\"y\" style=\"bottom:{:.2}%\">{}</span>",
                    y.place(mark) * 100.0,
                    escaped(&y.label(mark))
                ),
            );
        }
        for (at, &mark) in x.marks.iter().enumerate() {
            // The outermost label stays inside; on a narrow screen every other one has to do.
            let place = x.place(mark);
            let last = if place > 0.97 { " last" } else { "" };
            let odd = if x.marks.len() > 5 && at % 2 == usize::from(self.x == Axis::Seconds) {
                " odd"
            } else {
                ""
            };
            put(
                &mut out,
                format_args!(
                    "<span class=\"x{last}{odd}\" style=\"left:{:.2}%\">{}</span>",
                    place * 100.0,
                    escaped(&x.label(mark))
                ),
            );
        }
        put(
            &mut out,
            format_args!(
                "<script type=\"application/json\">{}</script></div>",
                script_safe(&self.values_for_script(&x, &y))
            ),
        );
        if let Some(note) = &self.note {
            put(&mut out, format_args!("<p class=\"note\">{}</p>", escaped(note)));
        }
        out
    }

    fn legend(&self, out: &mut String) {
        if self.series.len() < 2 {
            return;
        }
        out.push_str("<ul class=\"legend\">");
        for series in self.series.iter().filter(|series| series.speaks()) {
            put(
                out,
                format_args!(
                    "<li class=\"{} {}\">{}</li>",
                    series.colour,
                    series.look.class(),
                    escaped(&series.name)
                ),
            );
        }
        out.push_str("</ul>");
    }

    fn draw_bands(&self, out: &mut String, x: &Scale) {
        for (at, band) in self.bands.iter().enumerate() {
            let (from, until) = (x.place(band.from), x.place(band.until));
            // Its words stand above, and have room until the next ones.
            let next = self.bands.get(at + 1).map_or(1.0, |next| x.place(next.from));
            put(
                out,
                format_args!(
                    "<div class=\"band{outage}\" style=\"left:{left:.2}%;width:{:.2}%\" title=\"{words}\"></div>\
                     <span class=\"words{outage}\" style=\"left:{left:.2}%;max-width:{:.2}%\" title=\"{words}\">{words}</span>",
                    (until - from) * 100.0,
                    (next - from) * 100.0,
                    left = from * 100.0,
                    outage = if band.outage { " outage" } else { "" },
                    words = escaped(&band.words)
                ),
            );
        }
    }

    /// The path of one line.
    fn outline(&self, series: &Series, x: &Scale, y: &Scale) -> String {
        let mut path = String::new();
        let mut run: Vec<(f64, f64)> = Vec::new();
        let points = self.places.iter().zip(&series.values);
        for (&place, value) in points {
            match value {
                Some(value) => run.push((x.place(place) * SIDE, SIDE - y.place(*value) * SIDE)),
                None => series.look.append(&mut path, &mut run),
            }
        }
        series.look.append(&mut path, &mut run);
        path
    }

    fn values_for_script(&self, x: &Scale, y: &Scale) -> String {
        let percent = |place: f64| (place * 1e4).round() / 100.0;
        let places = self.places.iter();
        let xs: Vec<_> = places
            .map(|&place| json!([percent(x.place(place)), self.x.words(place)]))
            .collect();
        let series = self.series.iter().filter(|series| series.speaks()).map(|series| {
            let values = series.values.iter();
            let points = values.map(|value| value.map(|value| json!([percent(y.place(value)), self.y.words(value)])));
            json!({"name": series.name, "colour": series.colour, "points": points.collect::<Vec<_>>()})
        });
        json!({"xs": xs, "series": series.collect::<Vec<_>>()}).to_string()
    }
}

impl Look {
    /// Appends points without a gap between them.
    fn append(self, path: &mut String, run: &mut Vec<(f64, f64)>) {
        let (Some(&(first, _)), Some(&(last, _))) = (run.first(), run.last()) else {
            return;
        };
        for (at, (x, y)) in run.iter().enumerate() {
            match self {
                Self::Dots => put(path, format_args!("M{x:.1} {y:.1}h0")),
                _ => put(path, format_args!("{}{x:.1} {y:.1}", if at == 0 { 'M' } else { 'L' })),
            }
        }
        match self {
            Self::Area => put(path, format_args!("L{last:.1} {SIDE}L{first:.1} {SIDE}Z")),
            // A point between two gaps is seen as a stroke.
            Self::Line | Self::Dashed if run.len() == 1 => path.push_str("m-6 0h12"),
            _ => {}
        }
        run.clear();
    }
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(series: Vec<Series>) -> Plot {
        Plot {
            title: "t".to_owned(),
            note: None,
            x: Axis::Seconds,
            y: Axis::Count,
            places: vec![0.0, 1.0, 2.0, 3.0],
            reach: 10.0,
            series,
            bands: Vec::new(),
        }
    }

    #[test]
    fn nothing_delivered_is_said_and_not_drawn() {
        assert!(plot(Vec::new()).draw().contains("Nothing was delivered"));
    }

    #[test]
    fn a_line_has_gaps_and_the_axis_goes_to_the_asked_end() {
        let series = Series::line("s", "s1", vec![Some(5.0), Some(10.0), None, Some(5.0)]);
        let drawn = plot(vec![series]).draw();
        assert!(
            drawn.contains("d=\"M0.0 500.0L100.0 0.0M300.0 500.0m-6 0h12\""),
            "{drawn}"
        );
        assert!(drawn.contains(">10 s</span>"), "{drawn}");
    }

    #[test]
    fn names_cannot_end_the_script_of_values() {
        let drawn = plot(vec![Series::line("</script><b>", "s1", vec![Some(1.0); 4])]).draw();
        assert_eq!(drawn.matches("</script>").count(), 1, "{drawn}");
        assert!(drawn.contains("\\u003c/script>"), "{drawn}");
    }
}
