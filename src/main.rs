//! The `signal-fish-relay` server binary.

use std::process::ExitCode;

use signal_fish_relay::cli::{self, Action};
use signal_fish_relay::config::Loaded;
use signal_fish_relay::runtime::{self, signals};
use signal_fish_relay::{logging, server};

fn main() -> ExitCode {
    runtime::install_panic_hook();
    match cli::run_process() {
        Action::Exit(exit) => exit.print(),
        Action::Serve(loaded) => serve(&loaded),
    }
}

fn serve(loaded: &Loaded) -> ExitCode {
    let _logs = match logging::init(&loaded.config.logging) {
        Ok(guard) => guard,
        Err(error) => return fail(&error),
    };
    for remark in cli::remarks(loaded) {
        tracing::warn!("{remark}");
    }
    let running = match server::start(&loaded.config) {
        Ok(running) => running,
        Err(error) => return fail(&error),
    };
    let stopper = running.stopper();
    let on_stop = move |cause| {
        tracing::info!(?cause, "stopping");
        stopper.stop();
    };
    let _signals = match signals::listen(on_stop, None) {
        Ok(signals) => signals,
        Err(error) => return fail(&error),
    };
    // Not before a signal stops it in order: whoever waits for this line may send one.
    tracing::info!(address = %running.address(), shards = %running.placement(), "serving");
    if let Some(hint) = cli::going_public_hint(&loaded.config) {
        tracing::info!("{hint}");
    }
    let outcome = running.wait();
    tracing::info!("{outcome}");
    ExitCode::from(&outcome)
}

fn fail(error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("Error: {error}");
    ExitCode::FAILURE
}
