//! Load generator with an exact delivery ledger for any Signal Fish server.
//!
//! The process exits with 0 when every message arrived exactly once, in order, at everybody it was meant for; with 1 when
//! the ledger does not balance, the server closed a connection or a threshold was not met; with 2 when the test could not
//! be run at all.

mod cli;
mod client;
mod clock;
mod closed_loop;
mod command;
mod console;
mod contestant;
mod encoding;
mod expect;
mod first_contact;
mod fleet;
mod host;
mod ledger;
mod payload;
mod plan;
mod poller;
mod progress;
mod random;
mod report;
mod ring;
mod scenario;
mod schedule;
mod seating;
mod server_counters;
mod server_figures;
mod steps;
mod sys;
mod tempo;
mod timeline;
mod unit;
mod worker;
mod yardstick;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::report::Verdict;

fn main() -> ExitCode {
    host::note_start();
    let outcome = match Cli::parse().command {
        Command::Run(arguments) => command::run::execute(&arguments),
        Command::Idle(arguments) => command::idle::execute(&arguments),
        Command::Compare(arguments) => command::compare::execute(&arguments),
        Command::Search(arguments) => command::search::execute(&arguments),
        Command::Storm(arguments) => command::storm::execute(&arguments),
        Command::Yardstick(arguments) => yardstick::execute(&arguments),
    };
    match outcome {
        Ok(Verdict::Balanced) => ExitCode::SUCCESS,
        Ok(Verdict::Faulty) => ExitCode::from(1),
        Err(error) => {
            console::remark(&format!("error: {error:#}"));
            ExitCode::from(2)
        }
    }
}
