//! `compare`: servers in turn under the same load.

use anyhow::{Context, Result, ensure};

use crate::cli::{CompareArguments, TlsArguments};
use crate::command::run;
use crate::console;
use crate::crew::Crew;
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
    let mut crew = Crew::first(&arguments.generator, &plan);
    let mut runs: Vec<Vec<RunReport>> = loop {
        match measure_all(arguments, &plan, &crew)? {
            Measured::Runs(runs) => break runs,
            Measured::TooFew(larger) => crew = larger,
        }
        console::remark(&format!("the comparison begins anew with {crew}"));
    };
    // Each as often as the others.
    let rounds = runs.iter().map(Vec::len).min().unwrap_or(0);
    if rounds == 0 {
        return Err(Interrupted.into());
    }
    runs.iter_mut().for_each(|runs| runs.truncate(rounds));
    let names = servers.iter().map(|server| server.name.clone());
    report::publish(&CompareReport::new(names.zip(runs).collect()), &arguments.generator)
}

/// What becomes of all rounds with one number of generator threads.
enum Measured {
    /// The runs of each server.
    Runs(Vec<Vec<RunReport>>),
    /// The threads had no time left; these are to try next, towards all servers alike.
    TooFew(Crew),
}

fn measure_all(arguments: &CompareArguments, plan: &Plan, crew: &Crew) -> Result<Measured> {
    let servers = &arguments.servers;
    let mut runs: Vec<Vec<RunReport>> = servers.iter().map(|_| Vec::new()).collect();
    for round in 1..=arguments.rounds {
        for (at, server) in servers.iter().enumerate() {
            let outcome = measure(arguments, at, plan, crew).with_context(|| format!("measuring {:?}", server.name));
            if interruption::asked() {
                return Ok(Measured::Runs(runs)); // this run is not whole
            }
            let report = outcome?;
            console::remark(&format!(
                "round {round}/{}  {}  {}",
                arguments.rounds,
                server.name,
                report.summary()
            ));
            if round == 1
                && let Some(larger) = crew.reinforced(report.generator_busiest_share())
            {
                return Ok(Measured::TooFew(larger));
            }
            runs[at].push(report);
        }
    }
    Ok(Measured::Runs(runs))
}

fn measure(arguments: &CompareArguments, at: usize, plan: &Plan, crew: &Crew) -> Result<RunReport> {
    let opponent = arguments.servers[at].bring_up(arguments.server_cpus.as_ref())?;
    let prompt = plan.traffic.is_closed_loop();
    let mut generator = arguments.generator.clone();
    if !opponent.url.starts_with("wss://") {
        // Options of TLS are for those that speak it.
        generator.wire.tls = TlsArguments::default();
    }
    let mut scenario = Scenario::new(&opponent.url, &generator, plan.groups.clone(), prompt)?;
    scenario.server_version = first_contact::meet(&scenario)?;
    crew.man(&mut scenario);
    let process = ServerProcess::find(opponent.pid, scenario.server.address)?;
    let page = Page::find(opponent.counters.as_deref(), scenario.server.address)?;
    let report = run::measure(&scenario, &plan.traffic, process, page.as_ref())?;
    opponent.dismiss()?;
    Ok(report)
}
