//! The `signal-fish-relay` server binary.

use std::process::{self, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use signal_fish_relay::cli::{self, Action};
use signal_fish_relay::config::Loaded;
use signal_fish_relay::logging::{self, Logs};
use signal_fish_relay::runtime::signals::{self, Obeys, Signals, StopCause};
use signal_fish_relay::runtime::{self, NotifySocket, activation, last_words};
use signal_fish_relay::server::{self, ReloadThread, Stopper};

fn main() -> ExitCode {
    signals::hold();
    runtime::install_panic_hook();
    let signals = match signals::listen(stopped_early) {
        Ok(signals) => signals,
        Err(error) => return fail(&error),
    };
    match cli::run_process() {
        Action::Exit(exit) => exit.print(),
        Action::Inquire(inquiry) => inquiry.ask().print(),
        Action::Serve(loaded) => serve(&loaded, &signals),
    }
}

fn serve(loaded: &Loaded, signals: &Signals) -> ExitCode {
    let logs = match logging::init(&loaded.config.logging) {
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
    let origins = loaded.origins.clone();
    let read = Arc::new(move || cli::reload_process(&origins));
    let reload = match ReloadThread::start(running.reloader(loaded.config.clone()), read, Arc::clone(&notify)) {
        Ok(reload) => reload,
        Err(error) => return fail(&error),
    };
    signals.obey(Operated {
        stopper: running.stopper(),
        longest_stop: running.longest_stop(),
        notify: Arc::clone(&notify),
        reload,
        logs: logs.logs(),
    });
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

/// What signals act on.
struct Operated {
    stopper: Stopper,
    longest_stop: Duration,
    notify: Arc<NotifySocket>,
    reload: ReloadThread,
    logs: Logs,
}

impl Obeys for Operated {
    fn stop(&mut self, cause: StopCause) {
        tracing::info!(?cause, "stopping");
        self.notify.stopping(self.longest_stop);
        self.stopper.stop();
    }

    fn explain(&mut self) {
        let players = self.stopper.waits_for();
        if players > 0 {
            let secs = self.stopper.drain_grace().as_secs();
            let those = if players == 1 { "player" } else { "players" };
            tracing::info!("waiting up to {secs} s for {players} {those}; again to end now");
        }
    }

    fn hurry(&mut self) {
        tracing::info!("ending now");
        self.stopper.hurry();
    }

    fn reload(&mut self) {
        self.logs.reopen();
        self.reload.ask();
    }
}

/// A stop that comes before anybody was served: nothing has to be said to anybody.
fn stopped_early(cause: StopCause) {
    last_words::say(&format!("Stopped by {cause} before serving."));
    process::exit(0)
}

fn fail(error: &dyn std::fmt::Display) -> ExitCode {
    last_words::say(&format!("Error: {error}"));
    ExitCode::FAILURE
}
