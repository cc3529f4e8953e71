//! What was driven, at the head of every report.

use serde::Serialize;

use crate::encoding::Encoding;
use crate::load::Pace;
use crate::phase::Phase;
use crate::report::table::{Table, round};
use crate::scenario::{Scenario, Traffic};
use crate::version::Version;

/// What was driven.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Setting {
    server: String,
    server_version: Option<String>,
    groups: Vec<GroupSetting>,
    pub(super) connections: u32,
    threads: u32,
    threads_because: String,
    spin: bool,
    seed: u64,
}

/// Rooms that are alike.
#[derive(Debug, Clone, Serialize)]
struct GroupSetting {
    name: String,
    version: Version,
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
    pub(super) fn new(scenario: &Scenario) -> Self {
        let groups = scenario.groups.iter().map(|group| GroupSetting {
            name: group.name.clone(),
            version: group.version,
            encoding: group.encoding,
            rooms: group.rooms,
            players: group.players,
            returning_players: group.returning,
            slow_players: group.slow,
            spectators: group.spectators,
            load: None,
        });
        Self {
            server: scenario.server.url(),
            server_version: scenario.server_version.clone(),
            groups: groups.collect(),
            connections: scenario.connections(),
            threads: scenario.threads,
            threads_because: scenario.threads_because.clone(),
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
                        format!("{} Hz, {phase}", round(1e9 / period_ns, 3))
                    }
                    Pace::ClosedLoop { in_flight } => format!("closed loop, {in_flight} in flight"),
                },
            });
        }
        setting
    }

    /// Where and who, in one line.
    pub(super) fn headline(&self) -> String {
        let groups: Vec<String> = self.groups.iter().map(GroupSetting::line).collect();
        let groups = groups.join(" · ");
        format!("{} · {} connections · {groups}", self.server, self.connections)
    }

    /// A table that begins with what was driven.
    pub(super) fn table(&self) -> Table {
        let mut table = Table::new();
        table.row(
            "server",
            match &self.server_version {
                Some(version) => format!("{}, version {version}", self.server),
                None => self.server.clone(),
            },
        );
        for group in &self.groups {
            let label = if self.groups.len() == 1 { "players" } else { &group.name };
            table.row(label, group.line());
        }
        table.row("threads", format!("{} ({})", self.threads, self.threads_because));
        table
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
        if self.version == Version::V3 {
            line.push_str(", version 3");
        }
        if let Some(load) = &self.load {
            line.push_str(&format!(", {} bytes, {}", load.size_bytes, load.pace));
        }
        line
    }
}
