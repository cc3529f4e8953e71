//! Bars with their spread: one for each server and figure, a dot for each round.

use std::fmt::Write as _;

use crate::report::page::Page;
use crate::report::page::plot::COLOURS;
use crate::report::text::escaped;

/// What one server reached, over all rounds.
pub(super) struct Bar {
    pub(super) median: f64,
    pub(super) min: f64,
    pub(super) max: f64,
    /// Each round by itself, where they are known.
    pub(super) rounds: Vec<f64>,
    pub(super) words: String,
}

impl Page {
    /// One figure of all servers; `None` has no such figure.
    pub(super) fn spread(&mut self, title: &str, bars: &[(&str, Option<Bar>)]) {
        let highest = bars.iter().filter_map(|(_, bar)| bar.as_ref()).map(|bar| bar.max);
        let highest = highest.fold(0.0f64, f64::max).max(f64::MIN_POSITIVE);
        let percent = |value: f64| value / highest * 100.0;
        let mut html = format!("<section><h2>{}</h2><div class=\"spread\">", escaped(title));
        let mut add = |text: std::fmt::Arguments<'_>| html.write_fmt(text).expect("writing to a string cannot fail");
        for ((name, bar), colour) in bars.iter().zip(COLOURS.iter().cycle()) {
            add(format_args!("<div>{}</div>", escaped(name)));
            let Some(bar) = bar else {
                add(format_args!("<div></div><div class=\"value\">n/a</div>"));
                continue;
            };
            add(format_args!(
                "<div class=\"track {colour}\"><div class=\"bar\" style=\"width:{:.2}%\"></div>\
                 <div class=\"range\" style=\"left:{:.2}%;width:{:.2}%\"></div>",
                percent(bar.median),
                percent(bar.min),
                percent(bar.max - bar.min)
            ));
            for &round in &bar.rounds {
                add(format_args!(
                    "<div class=\"dot\" style=\"left:{:.2}%\"></div>",
                    percent(round)
                ));
            }
            add(format_args!("</div><div class=\"value\">{}</div>", escaped(&bar.words)));
        }
        html.push_str("</div></section>\n");
        self.raw(&html);
    }
}
