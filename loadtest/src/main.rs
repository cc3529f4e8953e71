//! Load generator with an exact delivery ledger for any Signal Fish server.
//!
//! The process exits with 0 when every message arrived exactly once, in order, at everybody it was meant for; with 1 when
//! the ledger does not balance, the server closed a connection or a threshold was not met; with 2 when the test could not
//! be run at all; with 3 when a search did not reach the server's limit; with 130 when it was interrupted and what was done until then is in order.

mod cli;
mod client;
mod clock;
mod closed_loop;
mod command;
mod console;
mod contestant;
mod crew;
mod delivery;
mod due_book;
mod encoding;
mod expect;
mod first_contact;
mod fleet;
mod group;
mod histogram;
mod host;
mod interruption;
mod ledger;
mod load;
mod outage;
mod payload;
mod phase;
mod plan;
mod poller;
mod progress;
mod random;
mod report;
mod ring;
mod scenario;
mod schedule;
mod seating;
mod server;
mod server_counters;
mod server_figures;
mod steps;
mod sys;
mod tempo;
mod timeline;
mod unit;
mod version;
mod vigil;
mod watch;
mod worker;
mod yardstick;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::cli::{Cli, Command};
use crate::interruption::Interrupted;
use crate::report::Verdict;

/// As shells have it: 128 and the number of SIGINT.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    host::note_start();
    let command = Cli::parse().command;
    let outcome = execute(&command);
    // The yardstick runs until it is interrupted.
    let cut_short = interruption::asked() && !matches!(command, Command::Yardstick(_));
    match outcome {
        Ok(Verdict::Balanced | Verdict::AtLeast) if cut_short => ExitCode::from(INTERRUPTED),
        Ok(Verdict::Balanced) => ExitCode::SUCCESS,
        Ok(Verdict::Faulty) => ExitCode::from(1),
        Ok(Verdict::AtLeast) => ExitCode::from(3),
        Err(error) => {
            console::remark(&format!("error: {error:#}"));
            ExitCode::from(if error.is::<Interrupted>() { INTERRUPTED } else { 2 })
        }
    }
}

fn execute(command: &Command) -> Result<Verdict> {
    interruption::watch()?;
    if let Some(page) = command.html() {
        report::expect_writable(page)?;
    }
    match command {
        Command::Run(arguments) => command::run::execute(arguments),
        Command::Idle(arguments) => command::idle::execute(arguments),
        Command::Compare(arguments) => command::compare::execute(arguments),
        Command::Search(arguments) => command::search::execute(arguments),
        Command::Storm(arguments) => command::storm::execute(arguments),
        Command::Handshakes(arguments) => command::handshakes::execute(arguments),
        Command::Yardstick(arguments) => yardstick::execute(arguments),
    }
}
