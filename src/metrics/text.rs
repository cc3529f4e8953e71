//! The page for scrapers, in both forms that they read: the text format 0.0.4 of Prometheus, and OpenMetrics 1.0.

use std::fmt::Write;

use super::distribution::{BOUNDS_SECS, Distribution};
use super::family::{Catalogue, Family, Kind, Value};

/// A form of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextFormat {
    /// Version 0.0.4 of Prometheus's own.
    Prometheus,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl TextFormat {
    /// What the answer is marked with.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

const IN_MEMORY: &str = "writing to memory cannot fail";

/// Writes the page.
#[must_use]
pub fn write(catalogue: &Catalogue, format: TextFormat) -> String {
    let mut page = String::new();
    for family in catalogue.families() {
        write_family(&mut page, family, format);
    }
    if format == TextFormat::OpenMetrics {
        page.push_str("# EOF\n");
    }
    page
}

fn write_family(page: &mut String, family: &Family, format: TextFormat) {
    let name = family.name.as_str();
    let (named, kind) = match (format, family.kind) {
        (TextFormat::OpenMetrics, Kind::Counter) => (name.trim_end_matches("_total"), Kind::Counter.name()),
        (TextFormat::OpenMetrics, Kind::Info) => (name.trim_end_matches("_info"), Kind::Info.name()),
        (TextFormat::Prometheus, Kind::Info) => (name, Kind::Gauge.name()),
        (_, kind) => (name, kind.name()),
    };
    page.push_str("# HELP ");
    page.push_str(named);
    page.push(' ');
    push_escaped(page, family.help, format == TextFormat::OpenMetrics);
    writeln!(page, "\n# TYPE {named} {kind}").expect(IN_MEMORY);
    for sample in &family.samples {
        let labels = Labels {
            names: family.labels,
            values: &sample.labels,
            bound: None,
        };
        match &sample.value {
            Value::Whole(number) => {
                labels.write(page, name, "");
                writeln!(page, "{number}").expect(IN_MEMORY);
            }
            Value::Real(number) => {
                labels.write(page, name, "");
                push_real(page, *number);
                page.push('\n');
            }
            Value::Spans(spans) => write_spans(page, name, spans, &labels),
        }
    }
}

fn write_spans(page: &mut String, name: &str, spans: &Distribution, labels: &Labels<'_>) {
    for (secs, within) in BOUNDS_SECS.iter().zip(spans.within) {
        let bounded = Labels {
            bound: Some(*secs),
            ..*labels
        };
        bounded.write(page, name, "_bucket");
        writeln!(page, "{within}").expect(IN_MEMORY);
    }
    let all = Labels {
        bound: Some(f64::INFINITY),
        ..*labels
    };
    all.write(page, name, "_bucket");
    writeln!(page, "{}", spans.count).expect(IN_MEMORY);
    labels.write(page, name, "_sum");
    push_real(page, spans.sum_secs);
    page.push('\n');
    labels.write(page, name, "_count");
    writeln!(page, "{}", spans.count).expect(IN_MEMORY);
}

/// What a line begins with.
struct Labels<'a> {
    names: &'static [&'static str],
    values: &'a [String],
    /// The bound of a histogram's bucket.
    bound: Option<f64>,
}

impl Labels<'_> {
    fn write(&self, page: &mut String, name: &str, suffix: &str) {
        page.push_str(name);
        page.push_str(suffix);
        let mut before = '{';
        for (label, value) in self.names.iter().zip(self.values) {
            page.push(before);
            page.push_str(label);
            page.push_str("=\"");
            push_escaped(page, value, true);
            page.push('"');
            before = ',';
        }
        if let Some(bound) = self.bound {
            page.push(before);
            page.push_str("le=\"");
            push_real(page, bound);
            page.push('"');
            before = ',';
        }
        page.push_str(if before == ',' { "} " } else { " " });
    }
}

/// As a number with a point, which is how OpenMetrics wants bounds.
fn push_real(page: &mut String, number: f64) {
    let shown = if number.is_nan() {
        write!(page, "NaN")
    } else if number.is_infinite() {
        write!(page, "{}Inf", if number < 0.0 { '-' } else { '+' })
    } else if number.fract() == 0.0 {
        write!(page, "{number:.1}")
    } else {
        write!(page, "{number}")
    };
    shown.expect(IN_MEMORY);
}

fn push_escaped(page: &mut String, text: &str, is_quoted: bool) {
    for character in text.chars() {
        match character {
            '\\' => page.push_str("\\\\"),
            '\n' => page.push_str("\\n"),
            '"' if is_quoted => page.push_str("\\\""),
            other => page.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::family::labelled;
    use super::*;

    fn catalogue() -> Catalogue {
        let mut catalogue = Catalogue::default();
        catalogue.chapter("Tests");
        catalogue.counter("messages_total", "Messages.", 5);
        catalogue.gauge("age_seconds", "Age.", Some(2.0));
        catalogue.gauge::<u64>("nothing", "Nothing yet.", None);
        let odd = vec![labelled(["a\"b\\c\nd", "1"], 7)];
        catalogue.add(Kind::Gauge, "odd", "Says \"\\\".", &["what", "shard"], odd);
        let mut within = [0; BOUNDS_SECS.len()];
        within[16] = 3;
        let spans = Distribution {
            within,
            count: 4,
            sum_secs: 0.25,
        };
        catalogue.histogram("wait_seconds", "Waits.", spans);
        let build = vec![labelled(["1.0"], 1)];
        catalogue.add(Kind::Info, "build_info", "Build.", &["version"], build);
        catalogue
    }

    #[test]
    fn the_page_is_as_prometheus_reads_it() {
        let page = write(&catalogue(), TextFormat::Prometheus);
        for part in [
            "# HELP signal_fish_messages_total Messages.\n# TYPE signal_fish_messages_total counter\nsignal_fish_messages_total 5\n",
            "# TYPE signal_fish_age_seconds gauge\nsignal_fish_age_seconds 2.0\n",
            "# TYPE signal_fish_nothing gauge\n# HELP",
            "# HELP signal_fish_odd Says \"\\\\\".\n",
            "signal_fish_odd{what=\"a\\\"b\\\\c\\nd\",shard=\"1\"} 7\n",
            "signal_fish_wait_seconds_bucket{le=\"0.00005\"} 0\n",
            "signal_fish_wait_seconds_bucket{le=\"10.0\"} 3\nsignal_fish_wait_seconds_bucket{le=\"+Inf\"} 4\nsignal_fish_wait_seconds_sum 0.25\nsignal_fish_wait_seconds_count 4\n",
            "# TYPE signal_fish_build_info gauge\nsignal_fish_build_info{version=\"1.0\"} 1\n",
        ] {
            assert!(page.contains(part), "{part}\n{page}");
        }
        assert!(!page.contains("# EOF"));
    }

    #[test]
    fn the_page_is_as_open_metrics_wants_it() {
        let page = write(&catalogue(), TextFormat::OpenMetrics);
        for part in [
            "# HELP signal_fish_messages Messages.\n# TYPE signal_fish_messages counter\nsignal_fish_messages_total 5\n",
            "# HELP signal_fish_odd Says \\\"\\\\\\\".\n",
            "# TYPE signal_fish_build info\nsignal_fish_build_info{version=\"1.0\"} 1\n",
        ] {
            assert!(page.contains(part), "{part}\n{page}");
        }
        assert!(page.ends_with("\n# EOF\n"));
    }
}
