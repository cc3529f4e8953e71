//! The report as one HTML file: cards, plots, tables and the report's own JSON. Nothing is loaded from elsewhere, and
//! colours follow the reader's light or dark setting.
//!
//! A page is built from sections by each report; what all pages have in common is added when it is finished.

mod compare;
mod costs;
pub(super) mod curves;
mod handshakes;
mod idle;
mod plot;
mod run;
mod scale;
mod search;
mod spread;
mod storm;

use std::fmt::Write as _;

use crate::report::text::{escaped, script_safe};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// Whether a figure is as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Plain,
    Good,
    Bad,
}

/// A report that has a page.
pub(crate) trait OnPage {
    /// What is told of this test besides what all pages have.
    fn page(&self) -> Page;
}

/// A page that is being written.
pub(crate) struct Page {
    title: String,
    headline: String,
    body: String,
}

impl Mood {
    const fn class(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Good => " good",
            Self::Bad => " bad",
        }
    }
}

impl Page {
    pub(crate) fn new(title: impl Into<String>, headline: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            headline: headline.into(),
            body: String::new(),
        }
    }

    /// The most telling figures, large.
    pub(crate) fn cards(&mut self, cards: &[(String, &str, Mood)]) {
        self.put(format_args!("<div class=\"cards\">"));
        for (value, label, mood) in cards {
            self.put(format_args!(
                "<div class=\"card{}\"><b>{}</b><span>{}</span></div>",
                mood.class(),
                escaped(value),
                escaped(label)
            ));
        }
        self.put(format_args!("</div>\n"));
    }

    /// Reasons to distrust the figures; nothing without any.
    pub(crate) fn doubts(&mut self, doubts: impl IntoIterator<Item = impl AsRef<str>>) {
        self.list("warn", "Reasons to distrust these figures", doubts);
    }

    /// What the server did wrong; nothing without any.
    pub(crate) fn faults(&mut self, title: &str, faults: impl IntoIterator<Item = impl AsRef<str>>) {
        self.list("fault", title, faults);
    }

    fn list(&mut self, class: &str, title: &str, items: impl IntoIterator<Item = impl AsRef<str>>) {
        let mut items = items.into_iter().peekable();
        if items.peek().is_none() {
            return;
        }
        self.put(format_args!(
            "<section class=\"{class}\"><h2>{}</h2><ul>",
            escaped(title)
        ));
        for item in items {
            self.put(format_args!("<li>{}</li>", escaped(item.as_ref())));
        }
        self.put(format_args!("</ul></section>\n"));
    }

    fn plot(&mut self, plot: &plot::Plot) {
        self.put(format_args!("<section>{}</section>\n", plot.draw()));
    }

    /// Names and what they stand for.
    pub(crate) fn facts(&mut self, title: &str, facts: &[(impl AsRef<str>, String)]) {
        self.put(format_args!(
            "<section><h2>{}</h2><table class=\"facts\">",
            escaped(title)
        ));
        for (name, value) in facts {
            self.put(format_args!(
                "<tr><th>{}</th><td>{}</td></tr>",
                escaped(name.as_ref()),
                escaped(value)
            ));
        }
        self.put(format_args!("</table></section>\n"));
    }

    /// Rows of cells under heads; all but the last column hold numbers.
    fn grid(&mut self, title: &str, heads: &[&str], rows: impl IntoIterator<Item = Vec<(String, Mood)>>) {
        let number = |at: usize| if at + 1 < heads.len() { "number" } else { "" };
        self.put(format_args!(
            "<section><h2>{}</h2><div class=\"scroll\"><table><tr>",
            escaped(title)
        ));
        for (at, head) in heads.iter().enumerate() {
            self.put(format_args!("<th class=\"{}\">{}</th>", number(at), escaped(head)));
        }
        for row in rows {
            self.put(format_args!("</tr><tr>"));
            for (at, (words, mood)) in row.iter().enumerate() {
                self.put(format_args!(
                    "<td class=\"{}{}\">{}</td>",
                    number(at),
                    mood.class(),
                    escaped(words)
                ));
            }
        }
        self.put(format_args!("</tr></table></div></section>\n"));
    }

    /// Text as a terminal shows it.
    pub(crate) fn listing(&mut self, title: &str, text: &str) {
        self.put(format_args!(
            "<section><h2>{}</h2><div class=\"listing\">",
            escaped(title)
        ));
        for line in text.lines() {
            self.put(format_args!("<div>{}</div>", escaped(line)));
        }
        self.put(format_args!("</div></section>\n"));
    }

    /// Finished HTML.
    fn raw(&mut self, html: &str) {
        self.body.push_str(html);
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        self.body.write_fmt(text).expect("writing to a string cannot fail");
    }

    /// The whole page, with `json` inside.
    pub(crate) fn finish(self, json: &str) -> String {
        format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>{title}</title>\n\
             <style>\n{STYLE}</style></head>\n<body><h1>{title}</h1><p class=\"sub\">{headline} · \
             <a id=\"download\" download=\"loadtest.json\" hidden>download JSON</a></p>\n{body}\
             <script type=\"application/json\" id=\"report\">{json}</script>\n<script>\n{SCRIPT}</script>\n</body></html>\n",
            title = escaped(&self.title),
            headline = escaped(&self.headline),
            body = self.body,
            json = script_safe(json),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_report_cannot_end_its_script_and_is_read_back_as_it_was() {
        let name = "a </script><!-- <b> & \"c\"";
        let json = serde_json::json!({ "group": name }).to_string();
        let page = Page::new("t", name).finish(&json);
        let (_, rest) = page.split_once("id=\"report\">").expect("the report");
        let (embedded, _) = rest.split_once("</script>").expect("its end");
        let read: serde_json::Value = serde_json::from_str(embedded).expect("JSON");
        assert_eq!(read["group"], name);
        assert!(!page.contains("</script><!--"), "{page}");
    }

    #[test]
    fn lists_without_items_leave_no_trace() {
        let mut page = Page::new("t", "h");
        page.doubts([""; 0]);
        page.faults("Faults", ["<lost>"]);
        let page = page.finish("{}");
        assert!(
            !page.contains("distrust") && page.contains("<li>&lt;lost&gt;</li>"),
            "{page}"
        );
    }
}
