//! The `signal-fish-relay` server binary.

use std::process::ExitCode;
use std::sync::Arc;

use signal_fish_relay::cli::{self, Action};
use signal_fish_relay::config::{Loaded, Origin};
use signal_fish_relay::runtime::{self, NotifySocket, activation, signals};
use signal_fish_relay::server::Reloader;
use signal_fish_relay::{logging, server};

fn main() -> ExitCode {
    runtime::install_panic_hook();
    match cli::run_process() {
        Action::Exit(exit) => exit.print(),
        Action::Inquire(inquiry) => inquiry.ask().print(),
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
    let notify = match NotifySocket::of_this_process() {
        Ok(notify) => Arc::new(notify),
        Err(error) => {
            return fail(&format_args!(
                "the service manager (NOTIFY_SOCKET) is not there: {error}"
            ));
        }
    };
    let passed = match activation::passed_sockets() {
        Ok(passed) => passed,
        Err(error) => {
            return fail(&format_args!(
                "the sockets that LISTEN_FDS announces are not there: {error}"
            ));
        }
    };
    let running = match server::start_on(&loaded.config, passed) {
        Ok(running) => running,
        Err(error) => return fail(&error),
    };
    let stopper = running.stopper();
    let (stopping, longest_stop) = (Arc::clone(&notify), running.longest_stop());
    let on_stop = move |cause| {
        tracing::info!(?cause, "stopping");
        stopping.stopping(longest_stop);
        stopper.stop();
    };
    let reloader = running.reloader(loaded.config.clone());
    let origins = loaded.origins.clone();
    let reloading = Arc::clone(&notify);
    let on_reload = Box::new(move || {
        reloading.reloading();
        reload(&reloader, &origins);
        reloading.ready();
    });
    let _signals = match signals::listen(on_stop, Some(on_reload)) {
        Ok(signals) => signals,
        Err(error) => return fail(&error),
    };
    // Not before a signal stops it in order: whoever waits for this line may send one.
    tracing::info!(address = %running.address(), shards = %running.placement(), "serving");
    if let Some(hint) = cli::going_public_hint(&loaded.config) {
        tracing::info!("{hint}");
    }
    notify.status(running.status());
    notify.ready();
    let outcome = running.wait_telling(&notify);
    tracing::info!("{outcome}");
    ExitCode::from(&outcome)
}

/// Takes over who is let in from the configuration as it is now. What is wrong with it changes nothing.
fn reload(reloader: &Reloader, origins: &[Origin]) {
    let fresh = match cli::reload_process(origins) {
        Ok(fresh) => fresh,
        Err(faults) => return tracing::error!(faults = faults.trim_end(), "nothing was reloaded"),
    };
    match reloader.reload(&fresh.config) {
        Err(error) => tracing::error!(faults = %error, "nothing was reloaded"),
        Ok(reloaded) => {
            if !reloaded.waiting.is_empty() {
                let keys = reloaded.waiting.join(", ");
                tracing::warn!(keys, "these keys have changed and wait for a restart");
            }
            tracing::info!(
                apps = reloaded.apps,
                "applications and the key of connect tokens were reloaded"
            );
        }
    }
}

fn fail(error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("Error: {error}");
    ExitCode::FAILURE
}
