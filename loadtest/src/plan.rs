//! Who does what in a test: from the command line, or from a scenario file with several groups of rooms.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::cli::LoadArguments;
use crate::delivery::Mixture;
use crate::encoding::Encoding;
use crate::group::{self, Group};
use crate::load::{Load, Pace};
use crate::phase::Phase;
use crate::scenario::Traffic;
use crate::steps::StepOfFile;
use crate::unit::seconds;
use crate::version::Version;

/// Groups of rooms and the traffic in them, not yet tied to a server.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) groups: Vec<Group>,
    pub(crate) traffic: Traffic,
}

/// A scenario file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default = "ten")]
    seconds: f64,
    #[serde(default = "one")]
    warmup_seconds: f64,
    groups: Vec<GroupOfFile>,
    #[serde(default)]
    steps: Vec<StepOfFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupOfFile {
    name: Option<String>,
    rooms: u32,
    players: u32,
    #[serde(default)]
    returning_players: u32,
    return_every_seconds: Option<f64>,
    #[serde(default)]
    slow_players: u32,
    slow_bytes_per_second: Option<u32>,
    #[serde(default)]
    spectators: u32,
    #[serde(default)]
    version: Version,
    #[serde(default)]
    latest_share: f64,
    #[serde(default)]
    volatile_share: f64,
    latest_keys: Option<u32>,
    #[serde(default)]
    room_operations_per_second: f64,
    #[serde(default = "json")]
    encoding: Encoding,
    #[serde(default = "sixty_four")]
    size: usize,
    rate: Option<f64>,
    phase: Option<Phase>,
    closed_loop: Option<u32>,
}

fn ten() -> f64 {
    10.0
}

fn one() -> f64 {
    1.0
}

fn json() -> Encoding {
    Encoding::Json
}

fn sixty_four() -> usize {
    64
}

impl Plan {
    /// Deliveries that an open loop asks for, over the measured window.
    pub(crate) fn owed_per_second(&self) -> f64 {
        let groups = self.groups.iter().zip(&self.traffic.loads).enumerate();
        let owed = groups.map(|(at, (group, load))| match load.pace {
            Pace::OpenLoop { period_ns, .. } => {
                f64::from(group.rooms) * f64::from(group.senders() * (group.members() - 1)) * 1e9 / period_ns
                    * self.traffic.mean_factor(at)
            }
            Pace::ClosedLoop { .. } => 0.0,
        });
        owed.sum()
    }

    /// What the command line asks for.
    pub(crate) fn of(load: &LoadArguments) -> Result<Self> {
        if let Some(file) = &load.scenario {
            return Self::read(file).with_context(|| format!("--scenario {}", file.display()));
        }
        let group = Group {
            version: load.protocol_version,
            ..Group::plain(load.encoding, load.rooms, load.players)
        };
        let plan = Self {
            traffic: Traffic {
                loads: vec![Load {
                    size_bytes: load.size,
                    pace: Pace::of(load.rate, load.phase, load.closed_loop)?,
                }],
                warmup: seconds("--warmup-seconds", load.warmup_seconds)?,
                measured: seconds("--seconds", load.seconds)?,
                steps: load.steps.clone(),
            },
            groups: vec![group],
        };
        plan.arranged()
    }

    fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).context("cannot be read")?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self> {
        let file: File = serde_json::from_str(text).context("is not a scenario")?;
        ensure!(!file.groups.is_empty(), "has no groups");
        let mut groups = Vec::new();
        let mut loads = Vec::new();
        for (at, group) in file.groups.into_iter().enumerate() {
            let (ours, load) = group.read(at).with_context(|| format!("group {}", at + 1))?;
            groups.push(ours);
            loads.push(load);
        }
        let closed = loads
            .iter()
            .filter(|load| matches!(load.pace, Pace::ClosedLoop { .. }))
            .count();
        ensure!(
            closed == 0 || closed == loads.len(),
            "either all groups have a closed loop or none"
        );
        let steps = file.steps.into_iter().enumerate();
        let steps = steps
            .map(|(at, step)| step.read(&groups).with_context(|| format!("step {}", at + 1)))
            .collect::<Result<_>>()?;
        let plan = Self {
            groups,
            traffic: Traffic {
                loads,
                warmup: seconds("warmup_seconds", file.warmup_seconds)?,
                measured: seconds("seconds", file.seconds)?,
                steps,
            },
        };
        plan.arranged()
    }

    /// How many there are; of a plan that has grown beyond everything, as many as can be counted.
    pub(crate) fn rooms(&self) -> u32 {
        let rooms = self.groups.iter().map(|group| group.rooms);
        rooms.fold(0, u32::saturating_add)
    }

    pub(crate) fn group_names(&self) -> Vec<&str> {
        self.groups.iter().map(|group| group.name.as_str()).collect()
    }

    /// With its steps in order of time, if all of it makes sense.
    fn arranged(mut self) -> Result<Self> {
        group::check(&self.groups)?;
        self.traffic.steps.sort_by_key(|step| step.at);
        self.traffic.check(&self.groups)?;
        Ok(self)
    }
}

impl GroupOfFile {
    fn read(self, at: usize) -> Result<(Group, Load)> {
        ensure!(
            self.closed_loop.is_none() || (self.rate.is_none() && self.phase.is_none()),
            "a closed loop has no rate and no phase"
        );
        ensure!(
            (self.returning_players > 0) == self.return_every_seconds.is_some(),
            "returning_players and return_every_seconds go together"
        );
        ensure!(
            (self.slow_players > 0) == self.slow_bytes_per_second.is_some(),
            "slow_players and slow_bytes_per_second go together"
        );
        let return_every = match self.return_every_seconds {
            Some(value) => seconds("return_every_seconds", value)?,
            None => Duration::ZERO,
        };
        let group = Group {
            name: self.name.unwrap_or_else(|| format!("group {}", at + 1)),
            encoding: self.encoding,
            rooms: self.rooms,
            players: self.players,
            returning: self.returning_players,
            return_every,
            slow: self.slow_players,
            slow_bytes_per_second: self.slow_bytes_per_second.unwrap_or(0),
            spectators: self.spectators,
            version: self.version,
            mixture: Mixture::of(self.latest_share, self.volatile_share, self.latest_keys.unwrap_or(4))?,
            room_operations_per_second: self.room_operations_per_second,
        };
        let load = Load {
            size_bytes: self.size,
            pace: Pace::of(
                self.rate.unwrap_or(60.0),
                self.phase.unwrap_or(Phase::Random),
                self.closed_loop,
            )?,
        };
        Ok((group, load))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_a_mixture_is_read() {
        let plan = Plan::parse(
            r#"{"seconds": 5, "groups": [
                {"name": "duels", "rooms": 40, "players": 2, "rate": 60},
                {"rooms": 2, "players": 8, "returning_players": 1, "return_every_seconds": 2, "slow_players": 1,
                 "slow_bytes_per_second": 2000, "spectators": 10, "encoding": "message_pack", "size": 200, "rate": 20,
                 "phase": "aligned"}],
              "steps": [{"at": 3, "pause": {"for": 0.5}}, {"at": 1, "ramp": {"to": 2.0, "over": 1, "group": "duels"}}]}"#,
        )
        .expect("a plan");
        let steps: Vec<_> = plan
            .traffic
            .steps
            .iter()
            .map(|step| (step.at.as_secs(), step.group))
            .collect();
        assert_eq!(steps, [(1, Some(0)), (3, None)], "in order of time");
        assert_eq!(plan.traffic.measured, Duration::from_secs(5));
        assert_eq!((plan.groups[0].members(), plan.groups[1].members()), (2, 20));
        assert_eq!(plan.groups[1].name, "group 2");
        assert!(matches!(
            plan.traffic.loads[1].pace,
            Pace::OpenLoop {
                phase: Phase::Aligned,
                ..
            }
        ));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (bad, why) in [
            (r#"{"groups": []}"#, "no groups"),
            (r#"{"groups": [{"rooms": 0, "players": 2}]}"#, "at least one room"),
            (
                r#"{"groups": [{"rooms": 4294967295, "players": 2}, {"rooms": 1, "players": 2}]}"#,
                "at most 16777216 players",
            ),
            (r#"{"groups": [{"rooms": 1, "players": 2, "colour": 1}]}"#, "colour"),
            (
                r#"{"groups": [{"rooms": 1, "players": 2, "slow_players": 1}]}"#,
                "go together",
            ),
            (
                r#"{"groups": [{"rooms": 1, "players": 2, "closed_loop": 4, "rate": 3}]}"#,
                "no rate",
            ),
            (
                r#"{"groups": [{"rooms": 1, "players": 2, "closed_loop": 4}, {"rooms": 1, "players": 2}]}"#,
                "all groups",
            ),
            (
                r#"{"groups": [{"name": "a", "rooms": 1, "players": 2}], "steps": [{"at": 1, "pause": {"for": 1, "group": "b"}}]}"#,
                "no group \"b\", only a",
            ),
            (
                r#"{"groups": [{"rooms": 1, "players": 2}], "steps": [{"at": 1}]}"#,
                "exactly one of",
            ),
        ] {
            let error = Plan::parse(bad).expect_err(bad);
            assert!(format!("{error:#}").contains(why), "{error:#}");
        }
    }
}
