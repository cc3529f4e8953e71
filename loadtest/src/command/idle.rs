//! `idle`: what players cost in server memory once they rest.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::cli::IdleArguments;
use crate::first_contact;
use crate::fleet::Fleet;
use crate::group::Group;
use crate::load::{Load, Pace};
use crate::phase::Phase;
use crate::report::{self, IdleReport, LedgerReport, Verdict};
use crate::scenario::{Scenario, Traffic};
use crate::server_figures::ServerProcess;
use crate::unit;

const SMALL_BYTES: usize = 64;

/// Runs the test and prints its report.
pub(crate) fn execute(arguments: &IdleArguments) -> Result<Verdict> {
    ensure!(
        arguments.players > 0 && arguments.connections.is_multiple_of(arguments.players),
        "--connections must be a multiple of --players ({})",
        arguments.players
    );
    let rooms = arguments.connections / arguments.players;
    let mut scenario = Scenario::new(
        &arguments.target.url,
        &arguments.generator,
        vec![Group::plain(arguments.encoding, rooms, arguments.players)],
        false,
    )?;
    scenario.server_version = first_contact::meet(&scenario)?;
    let settle = unit::seconds("--settle-seconds", arguments.settle_seconds)?;
    let steps = [small(arguments), large(arguments)?];
    for traffic in steps.iter().flatten() {
        traffic.check(&scenario.groups)?;
    }
    let process = ServerProcess::find(arguments.target.server_pid, scenario.server.address)?
        .context("the server's process cannot be read; name it with --server-pid, on this machine and as its user")?;

    let resident = || process.sample().map(|sample| sample.resident_bytes);
    let before = resident()?;
    let mut fleet = Fleet::assemble(&scenario)?;
    let joined = resident()?;
    for traffic in steps.into_iter().flatten() {
        fleet.carry(&traffic, |_, _| {})?;
    }
    let busy = resident()?;
    fleet.rest(settle);
    let rested = resident()?;
    let account = fleet.dismiss()?;
    let figures = IdleReport::new(
        &scenario,
        arguments,
        [before, joined, busy, rested],
        LedgerReport::new(account),
    );
    report::publish(&figures, &arguments.generator)
}

/// One message a second from each player.
fn small(arguments: &IdleArguments) -> Option<Traffic> {
    (arguments.small_messages > 0).then(|| Traffic {
        loads: vec![Load {
            size_bytes: SMALL_BYTES,
            pace: Pace::OpenLoop {
                period_ns: 1e9,
                phase: Phase::Random,
            },
        }],
        warmup: Duration::ZERO,
        measured: Duration::from_secs(u64::from(arguments.small_messages)),
        steps: Vec::new(),
    })
}

/// One message from each player, spread over a period that is as long as the stretch.
fn large(arguments: &IdleArguments) -> Result<Option<Traffic>> {
    if arguments.message_bytes == 0 {
        return Ok(None);
    }
    ensure!(arguments.large_rate > 0.0, "--large-rate must be above 0");
    let spread = unit::seconds(
        "connections / large-rate",
        f64::from(arguments.connections) / arguments.large_rate,
    )?;
    Ok(Some(Traffic {
        loads: vec![Load {
            size_bytes: arguments.message_bytes,
            pace: Pace::OpenLoop {
                period_ns: spread.as_nanos() as f64,
                phase: Phase::Random,
            },
        }],
        warmup: Duration::ZERO,
        measured: spread,
        steps: Vec::new(),
    }))
}
