//! The report of `compare`: medians and spread of each server, and ratios of every pair.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::report::table::{mebibytes, round};
use crate::report::{Report, RunReport, Verdict};

/// One figure of a run, where it has it.
type Figure = fn(&RunReport) -> Option<f64>;

/// What is compared: a name for programs, words for people, where it is in a run, and whether ratios of it are given.
const FIGURES: [(&str, &str, Figure, bool); 11] = [
    (
        "server_cpu_us_per_delivery",
        "server CPU, µs per delivery",
        |run| run.traffic.server_cpu_us_per_delivery,
        true,
    ),
    (
        "latency_p50_us",
        "latency p50, µs",
        |run| Some(run.traffic.latency_us.p50),
        true,
    ),
    (
        "latency_p99_us",
        "latency p99, µs",
        |run| Some(run.traffic.latency_us.p99),
        true,
    ),
    (
        "latency_p99_9_us",
        "latency p99.9, µs",
        |run| Some(run.traffic.latency_us.p99_9),
        false,
    ),
    (
        "latency_max_us",
        "latency max, µs",
        |run| Some(run.traffic.latency_us.max),
        false,
    ),
    (
        "delivered_per_second",
        "delivered per second",
        |run| Some(run.traffic.delivered_per_second),
        true,
    ),
    (
        "server_sends_per_delivery",
        "server sends per delivery",
        |run| run.traffic.server_sends_per_delivery,
        false,
    ),
    (
        "server_kernel_entries_per_delivery",
        "server kernel entries per delivery",
        |run| run.traffic.server_kernel_entries_per_delivery,
        false,
    ),
    (
        "server_memory_mib",
        "server memory, MiB",
        |run| {
            let usage = run.traffic.server.as_ref()?;
            Some(mebibytes(usage.resident_bytes_after))
        },
        false,
    ),
    (
        "server_cpu_wait_ms",
        "server waiting for a CPU, ms",
        |run| {
            let usage = run.traffic.server.as_ref()?;
            Some(usage.cpu_wait_ns as f64 / 1e6)
        },
        false,
    ),
    (
        "generator_cpu_us_per_delivery",
        "generator CPU, µs per delivery",
        |run| run.traffic.generator_cpu_us_per_delivery,
        false,
    ),
];

/// A figure over all rounds.
#[derive(Debug, Serialize)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Spread {
    /// `None` when a value is missing in any round.
    fn of(values: impl Iterator<Item = Option<f64>>) -> Option<Self> {
        let mut values = values.collect::<Option<Vec<f64>>>()?;
        values.sort_unstable_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = match values.len() {
            0 => return None,
            odd if odd % 2 == 1 => values[middle],
            _ => f64::midpoint(values[middle - 1], values[middle]),
        };
        Some(Self {
            median: round(median, 4),
            min: round(values[0], 4),
            max: round(values[values.len() - 1], 4),
        })
    }

    pub(super) fn line(&self) -> String {
        let digits = |value: f64| match value.abs() {
            large if large >= 1000.0 => format!("{value:.0}"),
            medium if medium >= 100.0 => format!("{value:.1}"),
            _ => format!("{value:.3}"),
        };
        format!("{} ({} – {})", digits(self.median), digits(self.min), digits(self.max))
    }
}

#[derive(Debug, Serialize)]
pub(super) struct FigureOfServer {
    pub(super) figure: &'static str,
    #[serde(flatten)]
    pub(super) spread: Option<Spread>,
}

#[derive(Debug, Serialize)]
pub(super) struct Compared {
    pub(super) name: String,
    pub(super) figures: Vec<FigureOfServer>,
    runs: Vec<RunReport>,
}

/// `of` over `to`, round by round.
#[derive(Debug, Serialize)]
pub(super) struct Ratio {
    of: String,
    to: String,
    figure: &'static str,
    #[serde(flatten)]
    pub(super) spread: Spread,
}

/// The report of `compare`.
#[derive(Debug, Serialize)]
pub(crate) struct CompareReport {
    command: &'static str,
    balanced: bool,
    pub(super) servers: Vec<Compared>,
    pub(super) ratios: Vec<Ratio>,
}

impl CompareReport {
    /// `runs` holds every server's runs in the order of the rounds.
    pub(crate) fn new(runs: Vec<(String, Vec<RunReport>)>) -> Self {
        let mut ratios = Vec::new();
        for (at, (to, base)) in runs.iter().enumerate() {
            for (of, other) in &runs[at + 1..] {
                for (figure, _, read, _) in FIGURES.iter().filter(|(.., compared)| *compared) {
                    let per_round = other.iter().zip(base).map(|(other, base)| {
                        let (dividend, divisor) = (read(other)?, read(base)?);
                        (divisor > 0.0).then(|| dividend / divisor)
                    });
                    ratios.extend(Spread::of(per_round).map(|spread| Ratio {
                        of: of.clone(),
                        to: to.clone(),
                        figure,
                        spread,
                    }));
                }
            }
        }
        let balanced = runs
            .iter()
            .flat_map(|(_, runs)| runs)
            .all(|run| run.verdict() == Verdict::Balanced);
        let servers = runs
            .into_iter()
            .map(|(name, runs)| Compared {
                name,
                figures: FIGURES
                    .iter()
                    .map(|(figure, _, read, _)| FigureOfServer {
                        figure,
                        spread: Spread::of(runs.iter().map(read)),
                    })
                    .collect(),
                runs,
            })
            .collect();
        Self {
            command: "compare",
            balanced,
            servers,
            ratios,
        }
    }
}

impl FigureOfServer {
    /// What the figure is of, for people.
    pub(super) fn words(&self) -> &'static str {
        words_of(self.figure)
    }
}

impl Compared {
    /// What each round brought for a figure.
    pub(super) fn rounds(&self, figure: &str) -> Vec<f64> {
        let read = FIGURES
            .iter()
            .find(|(name, ..)| *name == figure)
            .map(|(_, _, read, _)| read);
        read.map_or_else(Vec::new, |read| self.runs.iter().filter_map(read).collect())
    }

    /// Runs that did not balance.
    pub(super) fn faulty(&self) -> usize {
        let runs = self.runs.iter();
        runs.filter(|run| run.verdict() == Verdict::Faulty).count()
    }
}

impl Ratio {
    pub(super) fn words(&self) -> String {
        let figure = words_of(self.figure);
        let figure = figure.split(',').next().unwrap_or(figure);
        format!("{} / {}, {figure}", self.of, self.to)
    }
}

/// A figure in words.
fn words_of(figure: &'static str) -> &'static str {
    let mut figures = FIGURES.iter();
    figures
        .find(|(name, ..)| *name == figure)
        .map_or(figure, |(_, words, ..)| words)
}

impl CompareReport {
    pub(super) fn rounds(&self) -> usize {
        self.servers.first().map_or(0, |server| server.runs.len())
    }

    /// Reasons to distrust the figures: one of each kind and server, with how often it was met.
    pub(super) fn doubts(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        for server in &self.servers {
            let mut seen: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
            for warning in server.runs.iter().flat_map(RunReport::warnings) {
                seen.entry(warning.kind).or_insert((0, &warning.text)).0 += 1;
            }
            for (times, example) in seen.into_values() {
                doubts.push(format!(
                    "{} in {times} of {} runs: {example}",
                    server.name,
                    self.rounds()
                ));
            }
        }
        doubts
    }
}

impl Report for CompareReport {
    fn verdict(&self) -> Verdict {
        if self.balanced {
            Verdict::Balanced
        } else {
            Verdict::Faulty
        }
    }

    fn table(&self) -> String {
        let rounds = self.rounds();
        let mut rows = vec![
            std::iter::once(format!("median of {rounds} rounds (min – max)"))
                .chain(self.servers.iter().map(|server| server.name.clone()))
                .collect::<Vec<String>>(),
        ];
        for (at, (_, words, ..)) in FIGURES.iter().enumerate() {
            let mut row = vec![(*words).to_owned()];
            row.extend(self.servers.iter().map(|server| match &server.figures[at].spread {
                Some(spread) => spread.line(),
                None => "n/a".to_owned(),
            }));
            rows.push(row);
        }
        let mut ledger = vec!["ledger".to_owned()];
        ledger.extend(self.servers.iter().map(|server| match server.faulty() {
            0 => "balanced".to_owned(),
            faulty => format!("DOES NOT BALANCE in {faulty} of {rounds}"),
        }));
        rows.push(ledger);
        let mut text = columns(&rows);

        let mut rows = vec![vec![
            "ratio, round by round".to_owned(),
            "median (min – max)".to_owned(),
        ]];
        for ratio in &self.ratios {
            rows.push(vec![ratio.words(), ratio.spread.line()]);
        }
        text.push('\n');
        text.push_str(&columns(&rows));
        for doubt in self.doubts() {
            text.push_str(&format!("WARNING  {doubt}\n"));
        }
        text
    }
}

/// Rows with their columns aligned.
fn columns(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_the_median_and_a_missing_value_leaves_none() {
        let spread = |values: &[Option<f64>]| Spread::of(values.iter().copied());
        let odd = spread(&[Some(3.0), Some(1.0), Some(9.0)]).expect("a spread");
        assert_eq!((odd.median, odd.min, odd.max), (3.0, 1.0, 9.0));
        let even = spread(&[Some(3.0), Some(1.0), Some(9.0), Some(4.0)]).expect("a spread");
        assert_eq!(even.median, 3.5);
        assert!(spread(&[Some(3.0), None]).is_none());
        assert!(spread(&[]).is_none());
    }
}
