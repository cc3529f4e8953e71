//! Thresholds that a test has to keep: `p99 < 20ms`, `lost = 0`, `arena.p99 < 5ms`. Reading only; they are judged by
//! [`crate::report::judgement`].

use anyhow::{Context, Result, anyhow, bail, ensure};

use crate::unit::{Amount, Kind};

/// A figure that can be held against a threshold.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// Where reports have it, as JSON pointers: in the first that is there. Of a percentile it is where its distribution
    /// is asked.
    pub(crate) at: &'static [&'static str],
    /// A figure of a distribution of times, which exists for each group or request, too.
    pub(crate) is_percentile: bool,
}

const fn percentile(name: &'static str, at: &'static [&'static str]) -> Figure {
    Figure {
        name,
        kind: Kind::Time,
        at,
        is_percentile: true,
    }
}

const fn figure(name: &'static str, kind: Kind, at: &'static [&'static str]) -> Figure {
    Figure {
        name,
        kind,
        at,
        is_percentile: false,
    }
}

const FIGURES: [Figure; 24] = [
    percentile("p50", &["/p50"]),
    percentile("p90", &["/p90"]),
    percentile("p99", &["/p99"]),
    percentile("p99.9", &["/p99_9"]),
    percentile("max", &["/max"]),
    percentile("mean", &["/mean"]),
    figure("back", Kind::Time, &["/traffic/back_us/p99"]),
    figure("back_max", Kind::Time, &["/traffic/back_us/max"]),
    figure(
        "cpu",
        Kind::Time,
        &[
            "/traffic/server_cpu_us_per_delivery",
            "/server_cpu_us_per_cycle",
            "/server_cpu_us_per_connection",
        ],
    ),
    figure("sent", Kind::Rate, &["/traffic/sent_per_second"]),
    figure("delivered", Kind::Rate, &["/traffic/delivered_per_second"]),
    figure(
        "opened",
        Kind::Rate,
        &["/connections/opened_per_second", "/opened_per_second"],
    ),
    figure("failed", Kind::Count, &["/failed"]),
    figure("cycles", Kind::Rate, &["/cycles_per_second"]),
    figure(
        "memory",
        Kind::Memory,
        &["/traffic/server/resident_bytes_after", "/usage/resident_bytes_after"],
    ),
    figure("lost", Kind::Count, &["/ledger/lost"]),
    figure("duplicated", Kind::Count, &["/ledger/duplicated"]),
    figure("reordered", Kind::Count, &["/ledger/reordered"]),
    figure("misrouted", Kind::Count, &["/ledger/misrouted"]),
    figure("corrupted", Kind::Count, &["/ledger/corrupted"]),
    figure("reported", Kind::Count, &["/ledger/reported"]),
    figure("superseded", Kind::Count, &["/ledger/superseded"]),
    figure("faults", Kind::Count, &["/ledger/faults_found"]),
    figure("ended", Kind::Count, &["/ledger/connections_lost"]),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Less,
    AtMost,
    Equal,
    AtLeast,
    More,
}

/// Longer ones first, since they begin like shorter ones.
const COMPARISONS: [(&str, Comparison); 5] = [
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("<", Comparison::Less),
    (">", Comparison::More),
    ("=", Comparison::Equal),
];

/// A threshold.
#[derive(Debug, Clone)]
pub(crate) struct Expectation {
    pub(crate) figure: &'static Figure,
    /// The group, or the kind of request, whose figure it is; without it that of all.
    pub(crate) scope: Option<String>,
    comparison: Comparison,
    pub(crate) bound: Amount,
    /// As people read it.
    pub(crate) text: String,
}

impl Expectation {
    /// Reads `p99 < 20ms` and the like.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let begin = text
            .find(['<', '>', '='])
            .with_context(|| format!("{text:?} compares nothing: a threshold is written as p99<20ms"))?;
        let (name, rest) = (text[..begin].trim(), &text[begin..]);
        let (sign, comparison) = COMPARISONS
            .into_iter()
            .find(|(sign, _)| rest.starts_with(sign))
            .expect("it begins with one of their characters");
        let (scope, figure) = named(name)?;
        ensure!(
            scope.is_none() || figure.is_percentile,
            "{name}: only p50, p90, p99, p99.9, max and mean are known for one group; {} is of all together",
            figure.name
        );
        let bound = rest[sign.len()..].trim();
        Ok(Self {
            figure,
            scope: scope.map(str::to_owned),
            comparison,
            bound: figure
                .kind
                .read(bound)
                .map_err(|error| anyhow!("{}: {error}", figure.name))?,
            text: format!("{name} {sign} {bound}"),
        })
    }

    pub(crate) fn is_met_by(&self, value: f64) -> bool {
        match self.comparison {
            Comparison::Less => value < self.bound.value,
            Comparison::AtMost => value <= self.bound.value,
            Comparison::Equal => value == self.bound.value,
            Comparison::AtLeast => value >= self.bound.value,
            Comparison::More => value > self.bound.value,
        }
    }
}

/// Refuses thresholds on groups, or kinds of requests, that the test does not have.
pub(crate) fn check(expectations: &[Expectation], scopes: &[&str]) -> Result<()> {
    for Expectation { scope, text, .. } in expectations {
        if let Some(scope) = scope.as_deref().filter(|scope| !scopes.contains(scope)) {
            bail!(
                "--expect {text:?}: there is no {scope:?} here, only {}",
                scopes.join(", ")
            );
        }
    }
    Ok(())
}

/// A figure, and what stands with a dot before it; `p99.9` has a dot of its own.
fn named(name: &str) -> Result<(Option<&str>, &'static Figure)> {
    let found = FIGURES.iter().find_map(|figure| match name.strip_suffix(figure.name)? {
        "" => Some((None, figure)),
        before => Some((Some(before.strip_suffix('.')?), figure)),
    });
    found.with_context(|| {
        let known: Vec<&str> = FIGURES.iter().map(|figure| figure.name).collect();
        format!("there is no figure {name:?}; known are {}", known.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_read_with_figure_scope_and_bound() {
        for (text, name, scope, bound, read) in [
            ("p99<20ms", "p99", None, 20_000.0, "p99 < 20ms"),
            (" p99.9 <= 1.5 s ", "p99.9", None, 1_500_000.0, "p99.9 <= 1.5 s"),
            ("arena.p99<20ms", "p99", Some("arena"), 20_000.0, "arena.p99 < 20ms"),
            (
                "group 2.p99.9<5us",
                "p99.9",
                Some("group 2"),
                5.0,
                "group 2.p99.9 < 5us",
            ),
            ("lost=0", "lost", None, 0.0, "lost = 0"),
            (
                "delivered > 10000/s",
                "delivered",
                None,
                10_000.0,
                "delivered > 10000/s",
            ),
            ("back_max<2s", "back_max", None, 2_000_000.0, "back_max < 2s"),
            ("memory<100MiB", "memory", None, 104_857_600.0, "memory < 100MiB"),
        ] {
            let expectation = Expectation::parse(text).expect(text);
            assert_eq!(
                (
                    expectation.figure.name,
                    expectation.scope.as_deref(),
                    expectation.bound.value,
                    expectation.text.as_str()
                ),
                (name, scope, bound, read)
            );
        }
    }

    #[test]
    fn each_comparison_compares() {
        for (text, below, at, above) in [
            ("lost<5", true, false, false),
            ("lost<=5", true, true, false),
            ("lost=5", false, true, false),
            ("lost>=5", false, true, true),
            ("lost>5", false, false, true),
        ] {
            let expectation = Expectation::parse(text).expect(text);
            assert_eq!(
                [4.0, 5.0, 6.0].map(|value| expectation.is_met_by(value)),
                [below, at, above]
            );
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_what_can() {
        for (bad, why) in [
            ("p99", "compares nothing"),
            ("p98<20ms", "known are p50, p90, p99, p99.9, max"),
            ("p99<20", "ns, us, ms or s"),
            ("lost<2%", "without a unit"),
            ("arena.lost=0", "of all together"),
            ("delivered>5", "a number and /s"),
            ("memory<1GB", "KiB"),
        ] {
            let error = Expectation::parse(bad).expect_err(bad).to_string();
            assert!(error.contains(why), "{error}");
        }
        let expectations = [Expectation::parse("c.p50<1ms").expect("well written")];
        let error = check(&expectations, &["a", "b"])
            .expect_err("no such group")
            .to_string();
        assert!(error.contains("only a, b"), "{error}");
        check(&expectations, &["c"]).expect("there is such a group");
    }
}
