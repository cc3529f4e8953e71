//! `run`: relay traffic in many rooms.

use anyhow::Result;

use crate::cli::RunArguments;
use crate::console;
use crate::crew::Crew;
use crate::expect;
use crate::first_contact;
use crate::fleet::{Fleet, Moment};
use crate::interruption;
use crate::plan::Plan;
use crate::report::{
    self, ConnectionsReport, LedgerReport, Report as _, RunReport, ServerSide, Setting, TrafficReport, Verdict,
};
use crate::scenario::{Scenario, Traffic};
use crate::server_counters::Page;
use crate::server_figures::ServerProcess;
use crate::watch::Watch;

/// Runs the test and prints its report.
pub(crate) fn execute(arguments: &RunArguments) -> Result<Verdict> {
    let plan = Plan::of(&arguments.load)?;
    expect::check(&arguments.expect.expect, &plan.group_names())?;
    let prompt = plan.traffic.is_closed_loop();
    let mut scenario = Scenario::new(&arguments.target.url, &arguments.generator, plan.groups.clone(), prompt)?;
    scenario.server_version = first_contact::meet(&scenario)?;
    let process = ServerProcess::find(arguments.target.server_pid, scenario.server.address)?;
    let page = Page::find(arguments.target.server_counters.as_deref(), scenario.server.address)?;
    let mut crew = Crew::first(&arguments.generator, &plan);
    let report = loop {
        crew.man(&mut scenario);
        let report = measure(&scenario, &plan.traffic, process, page.as_ref())?;
        // What went wrong is told and not tried again.
        let enough = report.verdict() == Verdict::Faulty || interruption::asked();
        match crew.reinforced(report.generator_busiest_share()).filter(|_| !enough) {
            Some(larger) => crew = larger,
            None => break report,
        }
        console::remark(&format!("the run is repeated by {crew}"));
    };
    let report = report.judged_by(&arguments.expect.expect)?;
    report::publish(&report, &arguments.generator)
}

/// Brings the players in, carries the traffic once and closes the account.
pub(crate) fn measure(
    scenario: &Scenario,
    traffic: &Traffic,
    process: Option<ServerProcess>,
    counters_page: Option<&Page>,
) -> Result<RunReport> {
    let mut fleet = Fleet::assemble(scenario)?;
    let mut samples = Vec::new();
    let mut counters = Vec::new();
    let mut watch = Watch::new(process, traffic.measured);
    let mut fetch = || counters.push(counters_page.and_then(|page| page.read().ok()));
    // A server that has died by the end is told by the watch, the ledger and the ended connections.
    let mut sample = || samples.push(process.and_then(|process| process.sample().ok()));
    let findings = fleet.carry(traffic, |moment, since_ns| match moment {
        // The page is fetched outside the sampled stretch: rendering it is not relay work.
        Moment::Start => {
            fetch();
            watch.look(since_ns);
            sample();
        }
        Moment::Within => watch.glance(since_ns),
        Moment::End => {
            sample();
            watch.look(since_ns);
            fetch();
        }
    })?;
    let account = fleet.dismiss()?;
    let connections = ConnectionsReport::new(&scenario.server, &account.openings);

    let server = ServerSide {
        usage: match (process, samples.as_slice()) {
            (Some(process), [Some(before), Some(after)]) => Some(process.usage(before, after)),
            _ => None,
        },
        kernel: match counters.as_slice() {
            [Some(before), Some(after)] => after.since(before),
            _ => Default::default(),
        },
        watch,
    };
    let traffic_report = TrafficReport::new(scenario, traffic, &findings, server, &account.lost_by_slot);
    Ok(RunReport::new(
        Setting::of_traffic(scenario, traffic),
        traffic_report,
        LedgerReport::new(account),
        connections,
    ))
}
