//! The `signal-fish-relay` server binary.

use std::process::{self, ExitCode};
use std::sync::Arc;

use signal_fish_relay::cli::{self, Action};
use signal_fish_relay::config::Loaded;
use signal_fish_relay::logging::{self, Logs};
use signal_fish_relay::runtime::signals::{self, Obeys, Signals, StopCause};
use signal_fish_relay::runtime::{self, NotifySocket, activation, last_words};
use signal_fish_relay::server::{self, ReloadThread, Server, ServerHandle};

fn main() -> ExitCode {
    signals::hold();
    runtime::install_panic_hook();
    let signals = match signals::listen(stopped_early) {
        Ok(signals) => signals,
        Err(error) => return fail(&error),
    };
    match cli::run_process() {
        Action::Exit(exit) => exit.print(),
        Action::Check(loaded, exit) => match server::check_certificates(&loaded.config) {
            Ok(()) => exit.print(),
            Err(error) => exit.and_fault(error).print(),
        },
        Action::Inquire(inquiry) => inquiry.ask().print(),
        Action::Administer(errand) => errand.run().print(),
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
    let starting = Server::builder()
        .config(loaded.config.clone())
        .passed_sockets(passed)
        .notify(Arc::clone(&notify));
    let server = match starting.start() {
        Ok(server) => Arc::new(server),
        Err(error) => return fail(&error),
    };
    let origins = loaded.origins.clone();
    let read = Arc::new(move || cli::reload_process(&origins));
    let reload = match ReloadThread::start(Arc::downgrade(&server), read, Arc::clone(&notify)) {
        Ok(reload) => reload,
        Err(error) => return fail(&error),
    };
    signals.obey(Operated {
        server: Arc::clone(&server),
        notify: Arc::clone(&notify),
        reload,
        logs: logs.logs(),
    });
    // Not before a signal stops it in order: whoever waits for this line may send one.
    tracing::info!(address = %server.addresses().players, shards = %server.placement(), "serving");
    if let Some(hint) = cli::going_public_hint(&loaded.config) {
        tracing::info!("{hint}");
    }
    notify.status(server.status());
    notify.ready();
    let outcome = server.wait();
    tracing::info!("{outcome}");
    ExitCode::from(&outcome)
}

/// What signals act on.
struct Operated {
    server: Arc<ServerHandle>,
    notify: Arc<NotifySocket>,
    reload: ReloadThread,
    logs: Logs,
}

impl Obeys for Operated {
    fn stop(&mut self, cause: StopCause) {
        tracing::info!(?cause, "stopping");
        self.notify.stopping(self.server.longest_stop());
        drop(self.server.drain());
    }

    fn explain(&mut self) {
        let players = self.server.connections();
        if players > 0 {
            let secs = self.server.drain_grace().as_secs();
            let those = if players == 1 { "player" } else { "players" };
            tracing::info!("waiting up to {secs} s for {players} {those}; again to end now");
        }
    }

    fn hurry(&mut self) {
        tracing::info!("ending now");
        drop(self.server.shutdown());
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
