//! What a test found: one structure per command, printed as a table for people and as one line of JSON for programs.

mod compare;
pub(crate) mod html;
mod idle;
mod ledger;
mod percentiles;
mod run;
mod search;
mod storm;
mod svg;
mod table;
mod traffic;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::cli::Phase;
use crate::scenario::{Encoding, Pace, Scenario, Traffic};

pub(crate) use compare::CompareReport;
pub(crate) use idle::IdleReport;
pub(crate) use ledger::LedgerReport;
pub(crate) use run::RunReport;
pub(crate) use search::{SearchReport, Step};
pub(crate) use storm::{StormFindings, StormReport};
pub(crate) use traffic::TrafficReport;

/// Whether the server did what it must.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Balanced,
    Faulty,
}

/// A report that can be shown.
pub(crate) trait Report: Serialize {
    fn verdict(&self) -> Verdict;
    fn table(&self) -> String;
}

/// Prints the table (unless `json_only`) and the JSON line, and passes the verdict on.
pub(crate) fn publish(report: &impl Report, json_only: bool) -> Result<Verdict> {
    if !json_only {
        println!("{}", report.table());
    }
    println!(
        "{}",
        serde_json::to_string(report).context("the report cannot be written as JSON")?
    );
    Ok(report.verdict())
}

/// What was driven.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Setting {
    server: String,
    groups: Vec<GroupSetting>,
    connections: u32,
    threads: u32,
    spin: bool,
    seed: u64,
}

/// Rooms that are alike.
#[derive(Debug, Clone, Serialize)]
struct GroupSetting {
    name: String,
    encoding: Encoding,
    rooms: u32,
    players: u32,
    returning_players: u32,
    slow_players: u32,
    spectators: u32,
    #[serde(flatten)]
    load: Option<LoadSetting>,
}

#[derive(Debug, Clone, Serialize)]
struct LoadSetting {
    size_bytes: usize,
    pace: String,
}

impl Setting {
    fn new(scenario: &Scenario) -> Self {
        let groups = scenario.groups.iter().map(|group| GroupSetting {
            name: group.name.clone(),
            encoding: group.encoding,
            rooms: group.rooms,
            players: group.players,
            returning_players: group.returning,
            slow_players: group.slow,
            spectators: group.spectators,
            load: None,
        });
        Self {
            server: format!("ws://{}{}", scenario.server.host, scenario.server.path),
            groups: groups.collect(),
            connections: scenario.connections(),
            threads: scenario.threads,
            spin: scenario.spin,
            seed: scenario.seed,
        }
    }

    /// With what the groups send.
    pub(crate) fn of_traffic(scenario: &Scenario, traffic: &Traffic) -> Self {
        let mut setting = Self::new(scenario);
        for (group, load) in setting.groups.iter_mut().zip(&traffic.loads) {
            group.load = Some(LoadSetting {
                size_bytes: load.size_bytes,
                pace: match load.pace {
                    Pace::OpenLoop { period_ns, phase } => {
                        let phase = match phase {
                            Phase::Random => "random phase",
                            Phase::Aligned => "all at once",
                        };
                        format!("{} Hz, {phase}", table::round(1e9 / period_ns, 3))
                    }
                    Pace::ClosedLoop { in_flight } => format!("closed loop, {in_flight} in flight"),
                },
            });
        }
        setting
    }
}

impl GroupSetting {
    fn line(&self) -> String {
        let mut line = format!("{} rooms × {} players", self.rooms, self.players);
        for (count, what) in [
            (self.returning_players, "returning"),
            (self.slow_players, "slow"),
            (self.spectators, "spectators"),
        ] {
            if count > 0 {
                line.push_str(&format!(" + {count} {what}"));
            }
        }
        line.push_str(&format!(", {}", self.encoding.token()));
        if let Some(load) = &self.load {
            line.push_str(&format!(", {} bytes, {}", load.size_bytes, load.pace));
        }
        line
    }
}
