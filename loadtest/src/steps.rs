//! Steps over time: what changes within the measured window, for one group or for all.
//!
//! Times count from the beginning of the window. All that is known of a step before a run is here; what happened in it is
//! measured by [`crate::worker::meter`] and told by the report.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::group::Group;
use crate::load::{Load, Pace};
use crate::tempo::Tempo;
use crate::unit;
use crate::unit::seconds;
use crate::version::Version;

/// Shorter steps have no rate worth telling.
const SHORTEST: Duration = Duration::from_millis(1);
const HIGHEST_FACTOR: f64 = 1_000.0;

/// A change at some moment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Step {
    /// From the beginning of the measured window.
    pub(crate) at: Duration,
    /// Index of the group that it concerns; without it all.
    pub(crate) group: Option<usize>,
    pub(crate) change: Change,
}

/// What changes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Change {
    /// The rate moves to so many times the given one, and stays.
    Ramp { to: f64, over: Duration },
    /// The rate is so many times the given one for a while.
    Spike { to: f64, length: Duration },
    /// Nobody sends for a while.
    Pause { length: Duration },
    /// Everybody who sends loses the connection, and comes back.
    Drop { within: Duration },
}

/// A step as a scenario file has it: exactly one of the changes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StepOfFile {
    at: f64,
    ramp: Option<RampOfFile>,
    spike: Option<SpikeOfFile>,
    pause: Option<PauseOfFile>,
    drop: Option<DropOfFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RampOfFile {
    to: f64,
    over: f64,
    group: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SpikeOfFile {
    to: f64,
    r#for: f64,
    group: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PauseOfFile {
    r#for: f64,
    group: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DropOfFile {
    #[serde(default)]
    within: f64,
    group: Option<String>,
}

impl StepOfFile {
    pub(crate) fn read(self, groups: &[Group]) -> Result<Step> {
        let (change, group) = match (self.ramp, self.spike, self.pause, self.drop) {
            (Some(RampOfFile { to, over, group }), None, None, None) => {
                let over = seconds("over", over)?;
                (Change::Ramp { to, over }, group)
            }
            (None, Some(SpikeOfFile { to, r#for, group }), None, None) => {
                let length = seconds("for", r#for)?;
                (Change::Spike { to, length }, group)
            }
            (None, None, Some(PauseOfFile { r#for, group }), None) => {
                let length = seconds("for", r#for)?;
                (Change::Pause { length }, group)
            }
            (None, None, None, Some(DropOfFile { within, group })) => {
                let within = seconds("within", within)?;
                (Change::Drop { within }, group)
            }
            _ => bail!("needs exactly one of ramp, spike, pause and drop"),
        };
        Ok(Step {
            at: seconds("at", self.at)?,
            group: group.map(|name| named(&name, groups)).transpose()?,
            change,
        })
    }
}

fn named(name: &str, groups: &[Group]) -> Result<usize> {
    let found = groups.iter().position(|group| group.name == name);
    found.with_context(|| {
        let known: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
        format!("there is no group {name:?}, only {}", known.join(", "))
    })
}

impl Step {
    /// Reads `at 5s ramp to 2x over 5s` and the like.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        const FORMS: &str = "`at 5s ramp to 2x over 5s`, `at 12s spike to 5x for 1s`, `at 15s pause for 2s` or `at 20s drop \
                             within 200ms`";
        let words: Vec<&str> = text.split_whitespace().collect();
        let (at, change) = match words[..] {
            ["at", at, "ramp", "to", to, "over", over] => (
                at,
                Change::Ramp {
                    to: unit::factor(to)?,
                    over: unit::time(over)?,
                },
            ),
            ["at", at, "spike", "to", to, "for", length] => (
                at,
                Change::Spike {
                    to: unit::factor(to)?,
                    length: unit::time(length)?,
                },
            ),
            ["at", at, "pause", "for", length] => (
                at,
                Change::Pause {
                    length: unit::time(length)?,
                },
            ),
            ["at", at, "drop"] => (at, Change::Drop { within: Duration::ZERO }),
            ["at", at, "drop", "within", within] => (
                at,
                Change::Drop {
                    within: unit::time(within)?,
                },
            ),
            _ => bail!("a step is written as {FORMS}"),
        };
        Ok(Self {
            at: unit::time(at)?,
            group: None,
            change,
        })
    }

    pub(crate) fn until(&self) -> Duration {
        self.at + self.change.length()
    }

    pub(crate) fn concerns(&self, group: usize) -> bool {
        self.group.is_none_or(|concerned| concerned == group)
    }

    /// The step for people, without its moment.
    pub(crate) fn words(&self, groups: &[Group]) -> String {
        let of_whom = match self.group {
            Some(group) if groups.len() > 1 => format!(" of {}", groups[group].name),
            _ => String::new(),
        };
        match self.change {
            Change::Ramp { to, over } => format!("ramp{of_whom} to {to}x over {} s", over.as_secs_f64()),
            Change::Spike { to, length } => format!("spike{of_whom} to {to}x for {} s", length.as_secs_f64()),
            Change::Pause { length } => format!("pause{of_whom} for {} s", length.as_secs_f64()),
            Change::Drop { within } => format!("drop{of_whom} within {} s", within.as_secs_f64()),
        }
    }

    fn check(&self, groups: &[Group], loads: &[Load], measured: Duration) -> Result<()> {
        ensure!(
            self.until() <= measured,
            "ends at {} s, and the measured window after {} s",
            self.until().as_secs_f64(),
            measured.as_secs_f64()
        );
        if let Change::Ramp { to, .. } | Change::Spike { to, .. } = self.change {
            ensure!(
                (0.0..=HIGHEST_FACTOR).contains(&to),
                "goes to {to} times the rate: 0 to {HIGHEST_FACTOR} is possible"
            );
        }
        ensure!(
            matches!(self.change, Change::Drop { .. }) || self.change.length() >= SHORTEST,
            "needs {} s at least",
            SHORTEST.as_secs_f64()
        );
        for (at, group) in groups.iter().enumerate().filter(|&(at, _)| self.concerns(at)) {
            self.check_with(group, &loads[at])
                .with_context(|| format!("group {:?}", group.name))?;
        }
        Ok(())
    }

    fn check_with(&self, group: &Group, load: &Load) -> Result<()> {
        match (self.change, load.pace) {
            (Change::Ramp { .. } | Change::Spike { .. }, Pace::ClosedLoop { .. }) => {
                bail!("a closed loop has no rate that could change; it knows only pause and drop")
            }
            (Change::Ramp { to, .. } | Change::Spike { to, .. }, Pace::OpenLoop { period_ns, .. }) => ensure!(
                to * 1e3 <= period_ns,
                "{to} times {} a second is more than 1,000,000",
                1e9 / period_ns
            ),
            (Change::Drop { .. }, _) => ensure!(
                group.version == Version::V3,
                "a drop needs protocol version 3: who leaves a version 2 room has no token to come back with"
            ),
            (Change::Pause { .. }, _) => {}
        }
        Ok(())
    }

    /// Whether both could not be told apart in somebody's traffic.
    fn disturbs(&self, later: &Self) -> bool {
        let drop = |step: &Self| matches!(step.change, Change::Drop { .. });
        let same_people = self.group.is_none() || later.group.is_none() || self.group == later.group;
        same_people && drop(self) == drop(later) && (later.at < self.until() || later.at == self.at)
    }
}

impl Change {
    fn length(self) -> Duration {
        match self {
            Self::Ramp { over, .. } => over,
            Self::Spike { length, .. } | Self::Pause { length } => length,
            Self::Drop { within } => within,
        }
    }
}

/// Refuses steps, given in order of time, that make no sense, alone or together.
pub(crate) fn check(steps: &[Step], groups: &[Group], loads: &[Load], measured: Duration) -> Result<()> {
    let named = |step: &Step| format!("the {} at {} s", step.words(groups), step.at.as_secs_f64());
    for (at, step) in steps.iter().enumerate() {
        step.check(groups, loads, measured).with_context(|| named(step))?;
        if let Some(earlier) = steps[..at].iter().find(|earlier| earlier.disturbs(step)) {
            bail!("{} begins before {} has ended", named(step), named(earlier));
        }
    }
    Ok(())
}

/// How fast a group plays, when the window begins `warmup` after the traffic.
pub(crate) fn tempo(steps: &[Step], group: usize, warmup: Duration) -> Tempo {
    let mut tempo = Tempo::steady();
    for step in steps.iter().filter(|step| step.concerns(group)) {
        let at_ns = (warmup + step.at).as_nanos() as u64;
        let length_ns = step.change.length().as_nanos() as u64;
        let before = tempo.factor(at_ns);
        match step.change {
            Change::Ramp { to, .. } => tempo.ramp(at_ns, to, length_ns),
            Change::Spike { to, .. } => {
                tempo.hold(at_ns, to);
                tempo.hold(at_ns + length_ns, before);
            }
            Change::Pause { .. } => {
                tempo.hold(at_ns, 0.0);
                tempo.hold(at_ns + length_ns, before);
            }
            Change::Drop { .. } => {}
        }
    }
    tempo
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::Encoding;
    use crate::phase::Phase;

    fn step(text: &str) -> Step {
        Step::parse(text).expect(text)
    }

    fn group(name: &str) -> Group {
        let mut group = Group::plain(Encoding::Json, 1, 2);
        group.name = name.to_owned();
        group
    }

    fn open_loop() -> Load {
        Load {
            size_bytes: 64,
            pace: Pace::OpenLoop {
                period_ns: 1e7,
                phase: Phase::Random,
            },
        }
    }

    fn verdict(steps: &[Step], load: Load) -> Result<()> {
        check(steps, &[group("A"), group("B")], &[load, load], Duration::from_secs(10))
    }

    #[test]
    fn steps_are_read_from_words() {
        assert_eq!(
            step("at 5s ramp to 2.5x over 500ms"),
            Step {
                at: Duration::from_secs(5),
                group: None,
                change: Change::Ramp {
                    to: 2.5,
                    over: Duration::from_millis(500)
                }
            }
        );
        let (a, b) = ([group("A")], [group("A"), group("B")]);
        assert_eq!(step("at 1s spike to 5 for 1s").words(&a), "spike to 5x for 1 s");
        assert_eq!(step("at 1s pause for 0.2s").words(&b), "pause for 0.2 s");
        assert_eq!(step("at 1s drop within 200ms").until(), Duration::from_millis(1_200));
        let of_b = Step {
            group: Some(1),
            ..step("at 1s drop")
        };
        assert_eq!(of_b.words(&b), "drop of B within 0 s");
        for (bad, why) in [
            ("ramp to 2x", "a step is written as"),
            ("at 5 pause for 2s", "ns, us, ms or s"),
            ("at 1s spike to much for 1s", "is not a factor"),
        ] {
            let error = Step::parse(bad).expect_err(bad);
            assert!(error.to_string().contains(why), "{error}");
        }
    }

    #[test]
    fn steps_that_make_no_sense_are_refused() {
        let closed = Load {
            pace: Pace::ClosedLoop { in_flight: 2 },
            ..open_loop()
        };
        for (steps, load, why) in [
            (&["at 9s pause for 2s"][..], open_loop(), "ends at 11 s"),
            (&["at 1s ramp to 2x over 0s"], open_loop(), "0.001 s at least"),
            (&["at 1s spike to 1001x for 1s"], open_loop(), "1001 times the rate"),
            (&["at 1s ramp to 2x over 1s"], closed, "a closed loop has no rate"),
            (&["at 1s drop"], open_loop(), "version 3"),
            (
                &["at 1s pause for 2s", "at 2s spike to 2x for 1s"],
                open_loop(),
                "the spike to 2x for 1 s at 2 s begins before the pause for 2 s at 1 s has ended",
            ),
        ] {
            let steps: Vec<Step> = steps.iter().map(|text| step(text)).collect();
            let error = verdict(&steps, load).expect_err(why);
            assert!(format!("{error:#}").contains(why), "{error:#}");
        }
        let of = |group, text| Step {
            group: Some(group),
            ..step(text)
        };
        let beside = [of(0, "at 1s pause for 2s"), of(1, "at 2s pause for 2s")];
        verdict(&beside, open_loop()).expect("different groups do not disturb each other");
        verdict(&[step("at 1s pause for 2s"), step("at 3s pause for 1s")], closed).expect("one after the other");
    }

    #[test]
    fn steps_make_a_tempo_that_remembers_where_it_was() {
        let steps = [
            step("at 1s ramp to 3x over 2s"),
            step("at 4s spike to 5x for 1s"),
            Step {
                group: Some(1),
                ..step("at 6s pause for 1s")
            },
        ];
        let warmup = Duration::from_secs(1);
        let factors = |group| {
            let tempo = tempo(&steps, group, warmup);
            [1_500, 3_000, 4_500, 5_500, 6_500, 7_500, 8_500].map(|at_ms: u64| tempo.factor(at_ms * 1_000_000))
        };
        assert_eq!(factors(0), [1.0, 2.0, 3.0, 5.0, 3.0, 3.0, 3.0]);
        assert_eq!(factors(1), [1.0, 2.0, 3.0, 5.0, 3.0, 0.0, 3.0]);
    }
}
