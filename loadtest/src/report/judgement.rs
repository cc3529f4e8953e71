//! Whether a test kept the thresholds it was given. They are held against the report as programs read it, so each
//! threshold is on a figure that everybody can see.

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;

use crate::expect::Expectation;
use crate::report::Verdict;
use crate::report::page::Page;
use crate::report::table::{Table, round};

/// All thresholds of a test; none is no threshold broken.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub(crate) struct Judgement(Vec<Judged>);

/// One threshold and the figure that was found.
#[derive(Debug, Serialize)]
struct Judged {
    text: String,
    /// In the unit of the bound; missing where the test has no such figure.
    value: Option<f64>,
    met: bool,
    /// The same for people.
    #[serde(skip)]
    found: String,
}

impl Judgement {
    /// Judges a report.
    pub(super) fn of(report: &impl Serialize, expectations: &[Expectation]) -> Result<Self> {
        if expectations.is_empty() {
            return Ok(Self::default());
        }
        let report = serde_json::to_value(report).context("the report cannot be written as JSON")?;
        Ok(Self::of_tree(&report, expectations))
    }

    fn of_tree(report: &Value, expectations: &[Expectation]) -> Self {
        Self(expectations.iter().map(|each| Judged::of(each, report)).collect())
    }

    /// All thresholds are broken, for there is nothing to hold against them.
    pub(super) fn without_report(expectations: &[Expectation]) -> Self {
        Self::of_tree(&Value::Null, expectations)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A verdict, made worse by any threshold that was not met.
    pub(super) fn on_top_of(&self, verdict: Verdict) -> Verdict {
        match self.0.iter().all(|judged| judged.met) {
            true => verdict,
            false => Verdict::Faulty,
        }
    }

    /// On a page: those that were not met.
    pub(super) fn draw(&self, page: &mut Page) {
        let broken = self.0.iter().filter(|judged| !judged.met);
        let lines: Vec<String> = broken
            .map(|judged| format!("{}: {}", judged.text, judged.found))
            .collect();
        page.faults("Expected, and not so", lines);
    }

    pub(super) fn table(&self, out: &mut Table) {
        for Judged { text, met, found, .. } in &self.0 {
            out.row(if *met { "expected" } else { "EXPECTED" }, format!("{text}: {found}"));
        }
    }
}

impl Judged {
    fn of(expectation: &Expectation, report: &Value) -> Self {
        let value = found(expectation, report);
        let written = value.map(|value| round(value / expectation.bound.scale, 4));
        Self {
            text: expectation.text.clone(),
            value: written,
            met: value.is_some_and(|value| expectation.is_met_by(value)),
            found: match (written, expectation.bound.unit) {
                (None, _) => "not known in this test".to_owned(),
                (Some(value), unit @ ("" | "/s")) => format!("{value}{unit}"),
                (Some(value), unit) => format!("{value} {unit}"),
            },
        }
    }
}

/// The figure in a report.
fn found(expectation: &Expectation, report: &Value) -> Option<f64> {
    let figure = expectation.figure;
    let place = if figure.is_percentile {
        distribution(report, expectation.scope.as_deref())?
    } else {
        report
    };
    // No time is 0: where the longest is, there was none.
    if figure.is_percentile && place["max"] == 0.0 {
        return None;
    }
    figure.at.iter().find_map(|pointer| number(place.pointer(pointer)?))
}

/// Times of everything, of a group of rooms, or of a kind of request.
fn distribution<'a>(report: &'a Value, scope: Option<&str>) -> Option<&'a Value> {
    let of_all = report.pointer("/traffic/latency_us");
    let Some(scope) = scope else {
        return of_all;
    };
    let is_named = |group: &&Value| group["name"] == scope;
    if let Some(groups) = report.pointer("/traffic/latency_by_group_us").and_then(Value::as_array) {
        return groups.iter().find(is_named);
    }
    // A group that is all there is has no distribution of its own.
    let only = report.pointer("/setting/groups/0").filter(is_named).and(of_all);
    only.or_else(|| report.get(format!("{scope}_us")))
}

/// A number, or the sum of counts by reason.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Object(counts) => counts.values().map(number).sum(),
        other => other.as_f64(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::histogram::latency_histogram;
    use crate::report::percentiles::Percentiles;

    fn judged(report: &Value, text: &str) -> (Option<f64>, bool, String) {
        let expectation = Expectation::parse(text).expect(text);
        let Judged { value, met, found, .. } = Judged::of(&expectation, report);
        (value, met, found)
    }

    #[test]
    fn figures_are_found_in_the_report_and_told_in_the_unit_of_the_bound() {
        let report = json!({
            "setting": {"groups": [{"name": "arena"}, {"name": "duels"}]},
            "ledger": {"lost": 3, "reported": {"dropped_full": 2, "volatile_dropped": 5}},
            "traffic": {
                "back_us": {"p99": 1500.0}, "latency_us": {"p50": 900.0, "p99_9": 34_000.0},
                "latency_by_group_us": [{"name": "arena", "p50": 700.0}, {"name": "duels", "p50": 1100.0}],
                "delivered_per_second": 12_000.5, "server_cpu_us_per_delivery": null,
                "server": {"resident_bytes_after": 2_097_152}}});
        for (text, value, met, found) in [
            ("p50<1ms", Some(0.9), true, "0.9 ms"),
            ("p99.9<20ms", Some(34.0), false, "34 ms"),
            ("arena.p50<1ms", Some(0.7), true, "0.7 ms"),
            ("duels.p50<1ms", Some(1.1), false, "1.1 ms"),
            ("lost=0", Some(3.0), false, "3"),
            ("reported<=7", Some(7.0), true, "7"),
            ("delivered>12000/s", Some(12_000.5), true, "12000.5/s"),
            ("memory<2MiB", Some(2.0), false, "2 MiB"),
            ("back<2ms", Some(1.5), true, "1.5 ms"),
            ("cpu<2us", None, false, "not known in this test"),
            ("p90<2us", None, false, "not known in this test"),
            ("superseded<5", None, false, "not known in this test"),
        ] {
            assert_eq!(judged(&report, text), (value, met, found.to_owned()), "{text}");
        }
    }

    #[test]
    fn the_only_group_and_requests_have_names_too() {
        let run = json!({"setting": {"groups": [{"name": "all"}]}, "traffic": {"latency_us": {"p50": 7.0}}});
        assert_eq!(judged(&run, "all.p50<1ms").0, Some(0.007));
        let storm = json!({"join_us": {"p99": 2_000.0}, "cycles_per_second": 40.0, "server_cpu_us_per_cycle": 80.0});
        assert_eq!(judged(&storm, "join.p99<1s").0, Some(0.002));
        assert_eq!(judged(&storm, "p99<1s").0, None);
        assert_eq!(judged(&storm, "cycles>20/s").0, Some(40.0));
        assert_eq!(judged(&storm, "cpu<100us").0, Some(80.0));
    }

    #[test]
    fn what_never_happened_was_not_fast() {
        let nothing = json!(Percentiles::of_ns(&latency_histogram()));
        let run = json!({
            "setting": {"groups": [{"name": "all"}]}, "traffic": {"latency_us": nothing}, "upgrade_us": nothing});
        for text in ["p99<1ms", "all.max<1s", "upgrade.p50<1s"] {
            assert_eq!(
                judged(&run, text),
                (None, false, "not known in this test".to_owned()),
                "{text}"
            );
        }
    }

    #[test]
    fn one_broken_threshold_is_enough() {
        let report = json!({"ledger": {"lost": 0, "duplicated": 1}});
        let [met, broken] = ["lost=0", "duplicated=0"].map(|text| Expectation::parse(text).expect(text));
        let verdict =
            |expectations: &[Expectation]| Judgement::of_tree(&report, expectations).on_top_of(Verdict::Balanced);
        assert_eq!(verdict(&[]), Verdict::Balanced);
        assert_eq!(verdict(std::slice::from_ref(&met)), Verdict::Balanced);
        assert_eq!(verdict(&[met.clone(), broken]), Verdict::Faulty);
        assert_eq!(
            Judgement::of_tree(&report, &[met]).on_top_of(Verdict::Faulty),
            Verdict::Faulty,
            "a kept threshold mends nothing"
        );
    }
}
