//! `compare`: servers in turn under the same load.

use anyhow::{Context, Result, ensure};

use crate::cli::CompareArguments;
use crate::command::run;
use crate::console;
use crate::first_contact;
use crate::interruption::{self, Interrupted};
use crate::plan::Plan;
use crate::report::{self, CompareReport, RunReport, Verdict};
use crate::scenario::Scenario;
use crate::server_counters::Page;
use crate::server_figures::ServerProcess;

/// Measures every server once per round and prints how they compare.
pub(crate) fn execute(arguments: &CompareArguments) -> Result<Verdict> {
    let servers = &arguments.servers;
    ensure!(servers.len() >= 2, "give --server at least twice");
    for (at, server) in servers.iter().enumerate() {
        ensure!(
            servers[..at].iter().all(|earlier| earlier.name != server.name),
            "two servers are called {:?}",
            server.name
        );
    }
    let plan = Plan::of(&arguments.load)?;
    let mut runs: Vec<Vec<RunReport>> = servers.iter().map(|_| Vec::new()).collect();
    'rounds: for round in 1..=arguments.rounds {
        for (at, server) in servers.iter().enumerate() {
            let outcome = measure(arguments, at, &plan).with_context(|| format!("measuring {:?}", server.name));
            if interruption::asked() {
                break 'rounds; // this run is not whole
            }
            let report = outcome?;
            console::remark(&format!(
                "round {round}/{}  {}  {}",
                arguments.rounds,
                server.name,
                report.summary()
            ));
            runs[at].push(report);
        }
    }
    // Each as often as the others.
    let rounds = runs.iter().map(Vec::len).min().unwrap_or(0);
    if rounds == 0 {
        return Err(Interrupted.into());
    }
    runs.iter_mut().for_each(|runs| runs.truncate(rounds));
    let names = servers.iter().map(|server| server.name.clone());
    report::publish(&CompareReport::new(names.zip(runs).collect()), &arguments.generator)
}

fn measure(arguments: &CompareArguments, at: usize, plan: &Plan) -> Result<RunReport> {
    let opponent = arguments.servers[at].bring_up(arguments.server_cpus.as_ref())?;
    let prompt = plan.traffic.is_closed_loop();
    let mut scenario = Scenario::new(&opponent.url, &arguments.generator, plan.groups.clone(), prompt)?;
    scenario.server_version = first_contact::meet(&scenario)?;
    let process = ServerProcess::find(opponent.pid, scenario.server.address)?;
    let page = Page::find(opponent.counters.as_deref(), scenario.server.address)?;
    let report = run::measure(&scenario, &plan.traffic, process, page.as_ref())?;
    opponent.dismiss()?;
    Ok(report)
}
