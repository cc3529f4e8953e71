//! `run`: relay traffic in many rooms.

use anyhow::{Result, ensure};

use crate::cli::RunArguments;
use crate::fleet::{Edge, Fleet};
use crate::report::{self, LedgerReport, RunReport, TrafficReport, Verdict};
use crate::scenario::{self, Pace, Scenario, Traffic};
use crate::server_counters::Counters;
use crate::server_figures::ServerProcess;

/// Runs the test and prints its report.
pub(crate) fn execute(arguments: &RunArguments) -> Result<Verdict> {
    let scenario = Scenario::new(&arguments.common, arguments.rooms, arguments.players)?;
    let traffic = traffic(arguments)?;
    traffic.check(scenario.encoding)?;
    let process = ServerProcess::find(arguments.common.server_pid, scenario.server.address)?;

    let mut fleet = Fleet::assemble(&scenario)?;
    let mut samples = Vec::new();
    let mut counters = Vec::new();
    let findings = fleet.carry(traffic, |edge| {
        // The page is fetched outside the sampled stretch: rendering it is not relay work.
        let page = arguments.common.server_counters.as_deref();
        if edge == Edge::Start {
            counters.push(page.map(Counters::fetch).transpose()?.flatten());
        }
        // A server that has died by now is told by the ledger and the ended connections; its figures are missing.
        samples.push(process.and_then(|process| process.sample().ok()));
        if edge == Edge::End {
            counters.push(page.and_then(|page| Counters::fetch(page).ok().flatten()));
        }
        Ok(())
    })?;
    let account = fleet.dismiss()?;

    let usage = match (process, samples.as_slice()) {
        (Some(process), [Some(before), Some(after)]) => Some(process.usage(before, after)),
        _ => None,
    };
    let sends_per_delivery = match counters.as_slice() {
        [Some(before), Some(after)] => after.sends_per_delivery_since(*before),
        _ => None,
    };
    let traffic_report = TrafficReport::new(&scenario, &traffic, &findings, usage, sends_per_delivery);
    report::publish(
        &RunReport::new(&scenario, traffic_report, LedgerReport::new(account)),
        arguments.common.json,
    )
}

fn traffic(arguments: &RunArguments) -> Result<Traffic> {
    let pace = match arguments.closed_loop {
        Some(in_flight) => Pace::ClosedLoop { in_flight },
        None => {
            ensure!(arguments.rate > 0.0, "--rate must be above 0");
            Pace::OpenLoop {
                period_ns: 1e9 / arguments.rate,
                phase: arguments.phase,
            }
        }
    };
    Ok(Traffic {
        size_bytes: arguments.size,
        pace,
        warmup: scenario::seconds("--warmup-seconds", arguments.warmup_seconds)?,
        measured: scenario::seconds("--seconds", arguments.seconds)?,
    })
}
