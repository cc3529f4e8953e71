//! A whole server: checked, started, running, stopped.
//!
//! Owns the order of a start (place, check, listen, run) and of a stop (refuse, say goodbye, flush, end). Everything that
//! it puts together is elsewhere.

mod certificates;
mod error;
mod listeners;
mod reload;
mod reload_thread;
mod settings;
mod vigil;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroU16;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use crate::config::Config;
use crate::control::{self, ControlPlane, PlaneParts};
use crate::net::http::Site;
use crate::net::tls::Greeter;
use crate::net::{Clock, FrontDesk, Mail, Peers, Pump, PumpParts, PumpSettings, System, Wakeup};
use crate::runtime::cpus::{self, AllowedCpus, CgroupRoots, Placement};
use crate::runtime::executors;
use crate::runtime::niceness::give_way;
use crate::runtime::preflight::{self, Demands, ListenAddress, RingFeatures};
use crate::runtime::slice;
use crate::runtime::supervisor::{Outcome, StopHandle, Supervisor};
use crate::runtime::{NotifySocket, SpareMemory};
use crate::shard::{Inbox, InboxLimits, Priority, Shard, ShardId, SlotKey, World, inbox};

pub use certificates::{CertificateError, LiveCertificates};
pub use error::ServeError;
pub use reload::{ReloadError, Reloaded, Reloader};
pub use reload_thread::{ReadConfig, ReloadThread};
pub use settings::{admission_limits, dashboard, shard_settings, site};
use vigil::Vigil;

/// Descriptors of a shard beside its executor's and its sockets: the listener, the epoll set, the wake-up.
const FILES_PER_SHARD: u64 = 3;

/// Descriptors of the control plane beside its connections: the sockets in its line, its epoll set, what wakes it, a door
/// of its own.
const FILES_OF_CONTROL: u64 = control::LINE_LENGTH as u64 + 4;

/// How much the control plane gives way to the shards.
const NICENESS_OF_CONTROL: i32 = 10;

/// How much longer than its own flush deadline a shard may take to end.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// A running server. Dropping it does not stop it; see [`Stopper`] and [`Running::wait`].
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    world: Arc<World>,
    supervisor: Supervisor,
    stopper: Stopper,
    placement: Placement,
    control: ControlPlane,
    control_address: Option<SocketAddr>,
    tick: Duration,
    longest_stop: Duration,
    certificates: Option<LiveCertificates>,
}

/// Stops a server, from any thread. Stopping twice changes nothing.
#[derive(Debug, Clone)]
pub struct Stopper {
    world: Arc<World>,
    peers: Peers,
    supervisor: StopHandle,
    drain_grace: Duration,
}

impl Stopper {
    /// Tells every shard to take nobody in, to let those who are here go on for the configured grace, and then to close
    /// them, flush and end. A server without connections ends at once.
    pub fn stop(&self) {
        self.supervisor.request();
        self.world.begin_drain();
        let grace = if self.waits_for() == 0 {
            Duration::ZERO
        } else {
            self.drain_grace
        };
        self.tell_shards(grace);
    }

    /// Has a server that stops say goodbye at once to those who are still here.
    pub fn hurry(&self) {
        self.supervisor.hurry();
        self.tell_shards(Duration::ZERO);
    }

    /// How many connections there are, for which a stop waits.
    #[must_use]
    pub fn waits_for(&self) -> usize {
        self.world.ledger.admitted().connections
    }

    /// How long a stop waits for them.
    #[must_use]
    pub const fn drain_grace(&self) -> Duration {
        self.drain_grace
    }

    fn tell_shards(&self, grace: Duration) {
        for peer in &*self.peers {
            // Fails when even the reserve of an inbox is full, or the shard is gone: the supervisor's deadline ends both.
            let _ = peer.try_send(Priority::Control, Mail::Drain { grace });
        }
    }
}

impl Running {
    /// Where the server listens, with the port that was drawn.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the door for operators is, if there is one.
    #[must_use]
    pub const fn control_address(&self) -> Option<SocketAddr> {
        self.control_address
    }

    /// What the shards share: counters and limits.
    #[must_use]
    pub const fn world(&self) -> &Arc<World> {
        &self.world
    }

    /// Which shard runs on which CPU.
    #[must_use]
    pub const fn placement(&self) -> &Placement {
        &self.placement
    }

    /// How to stop the server.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// How to take over a changed configuration; `serving` is the one that the server was started with.
    #[must_use]
    pub fn reloader(&self, serving: Config) -> Reloader {
        Reloader::new(Arc::clone(&self.world), self.certificates.clone(), serving)
    }

    /// The longest that a stop takes.
    #[must_use]
    pub const fn longest_stop(&self) -> Duration {
        self.longest_stop
    }

    /// What people may be shown of it, in a line.
    #[must_use]
    pub fn status(&self) -> String {
        vigil::status(&self.world, self.address)
    }

    /// Waits until the server has stopped, or until a shard ends on its own.
    #[must_use]
    pub fn wait(self) -> Outcome {
        self.wait_telling(&NotifySocket::default())
    }

    /// The same; the service manager has a sign of life as long as every shard gives one.
    #[must_use]
    pub fn wait_telling(self, notify: &NotifySocket) -> Outcome {
        let (world, mut spare) = (self.world, SpareMemory::default());
        let mut vigil = Vigil::new(Arc::clone(&world), self.address, self.tick, notify);
        let outcome = self.supervisor.wait_looking(vigil.interval(), |running| {
            vigil.look(running);
            if !world.is_draining() {
                let (peak, connections) = world.ledger.take_peak_connections();
                spare.look(peak, connections);
            }
        });
        self.control.stop();
        outcome
    }
}

/// Checks the machine and starts a server. `config` must be valid.
///
/// # Errors
///
/// What stands in the way, with the cure. Nothing is left running.
pub fn start(config: &Config) -> Result<Running, ServeError> {
    start_on(config, Vec::new())
}

/// The same, on sockets that were passed to the process; without any it opens its own.
///
/// # Errors
///
/// As [`start`], and when they do not listen where the configuration says.
pub fn start_on(config: &Config, passed: Vec<OwnedFd>) -> Result<Running, ServeError> {
    let allowed = AllowedCpus::of_this_process(&CgroupRoots::default()).map_err(ServeError::Cpus)?;
    let asked = u16::try_from(config.runtime.shards).ok().and_then(NonZeroU16::new);
    let placement = place(asked, &allowed)?;
    let shards = NonZeroU16::new(placement.shards() as u16).expect("a process has at least one CPU");
    let wanted = SocketAddr::new(config.bind, config.port);
    let pump_settings = settings::pump_settings(config, shards.get());
    let opens = if passed.is_empty() { Some(wanted) } else { None };
    check(config, &pump_settings, shards, opens)?;
    let certificates = LiveCertificates::start(&config.security.transport.tls)?;
    let greeter = || certificates.as_ref().map(LiveCertificates::greeter);

    let backlog = config.runtime.listen_backlog;
    let (listeners, address) = if passed.is_empty() {
        listeners::opened(wanted, shards, backlog)?
    } else {
        listeners::passed(passed, wanted, shards, backlog)?
    };

    let slot_key = SlotKey::new(os_random().map_err(ServeError::Resource)?);
    let world = World::new(
        settings::shard_settings(config)?,
        settings::admission_limits(config),
        shards.get(),
        slot_key,
    );
    let site = Arc::new(site(config, Arc::clone(&world)));
    let (peers, mailboxes) = mailboxes(config, shards.get()).map_err(ServeError::Resource)?;
    let clock = Clock::start();

    let (control, control_address) = start_control(config, &site, &peers, greeter(), clock)?;
    let desk: Arc<dyn FrontDesk> = Arc::new(control.desk());

    let mut parts = mailboxes.into_iter().zip(listeners);
    let start_timeout = Duration::from_millis(config.runtime.start_timeout_ms);
    let running = executors::start(&placement, pump_settings.tick, start_timeout, |id| {
        let (Mailbox { inbox, wakeup }, listeners) = parts.next().expect("a mailbox and listeners per shard");
        let (world, site, peers) = (Arc::clone(&world), Arc::clone(&site), Arc::clone(&peers));
        let desk = Arc::clone(&desk);
        let greeter = greeter();
        let settings = pump_settings.clone();
        let slice_us = config.runtime.cpu_slice_us;
        let send_buffer_bytes = settings::send_buffer_bytes(config);
        move |_tick| {
            ask_for_slices(id, slice_us);
            let mut clock = clock;
            let now = clock.now(clock.moment());
            let shard = Shard::new(id, world, os_random()?, now);
            let kernel = System::new(clock, listeners, wakeup, send_buffer_bytes)?;
            let pump = Pump::new(PumpParts {
                shard,
                kernel,
                site,
                desk,
                greeter,
                inbox,
                peers,
                settings,
            });
            Ok(run(id, pump))
        }
    });
    let running = match running {
        Ok(running) => running,
        Err(error) => {
            control.stop();
            return Err(error.into());
        }
    };
    let drain_grace = pump_settings.drain_grace;
    let longest_stop = drain_grace
        .saturating_add(pump_settings.drain_spread)
        .saturating_add(pump_settings.flush_timeout);
    let supervisor = Supervisor::new(running, longest_stop, pump_settings.flush_timeout, STOP_GRACE);
    let stopper = Stopper {
        world: Arc::clone(&world),
        peers,
        supervisor: supervisor.stop_handle(),
        drain_grace,
    };
    Ok(Running {
        address,
        world,
        supervisor,
        stopper,
        placement,
        control,
        control_address,
        tick: pump_settings.tick,
        longest_stop: longest_stop.saturating_add(STOP_GRACE),
        certificates,
    })
}

/// Starts the control plane, and says where its own door is, if it has one.
fn start_control(
    config: &Config,
    site: &Arc<Site>,
    peers: &Peers,
    greeter: Option<Greeter>,
    clock: Clock,
) -> Result<(ControlPlane, Option<SocketAddr>), ServeError> {
    let door = match config.control.door(config.bind) {
        None => None,
        Some(wanted) => {
            let listen_error = |source| ServeError::Listen {
                address: wanted,
                source,
            };
            let listener = TcpListener::bind(wanted).map_err(listen_error)?;
            listener.set_nonblocking(true).map_err(listen_error)?;
            let address = listener.local_addr().map_err(listen_error)?;
            Some(((listener, settings::doors(config, wanted.ip())), address))
        }
    };
    let (operators, address) = door.unzip();
    let control = ControlPlane::start(PlaneParts {
        site: Arc::clone(site),
        peers: Arc::clone(peers),
        max_connections: config.control.max_connections,
        sources: settings::source_rule(config),
        operators,
        greeter,
        dashboard: settings::dashboard(&config.metrics),
        region: config.server.region_id.clone(),
        clock,
        prepare_thread,
    })
    .map_err(ServeError::Resource)?;
    Ok((control, address))
}

fn prepare_thread() {
    if let Err(error) = give_way(NICENESS_OF_CONTROL) {
        tracing::debug!(%error, "the control plane does not give way to the shards");
    }
}

async fn run(id: ShardId, pump: Pump<System>) {
    if let Err(error) = pump.run().await {
        tracing::error!(shard = %id, %error, "the shard cannot wait for its sockets");
    }
}

/// As many shards as were asked for; else one for each CPU, as far as the memory goes that they have to lock.
fn place(asked: Option<NonZeroU16>, allowed: &AllowedCpus) -> Result<Placement, ServeError> {
    let placement = cpus::place(asked, allowed);
    if asked.is_some() {
        return Ok(placement);
    }
    let within = preflight::shards_within_memlock().map_err(|error| ServeError::Preflight(vec![error]))?;
    match within.filter(|within| usize::from(within.get()) < placement.shards()) {
        None => Ok(placement),
        Some(fewer) => {
            tracing::warn!(
                "{fewer} shards instead of {}, one per CPU: this user may lock no more memory; raise the limit (systemd \
                 LimitMEMLOCK=infinity, Docker `--ulimit memlock=-1`, `ulimit -l` in a shell)",
                placement.shards()
            );
            Ok(cpus::place(Some(fewer), allowed))
        }
    }
}

fn check(
    config: &Config,
    pump_settings: &PumpSettings,
    shards: NonZeroU16,
    opens: Option<SocketAddr>,
) -> Result<(), ServeError> {
    let sockets_per_shard = pump_settings.max_pending_upgrades + pump_settings.max_farewells;
    let addresses: Vec<_> = opens
        .into_iter()
        .map(|address| ListenAddress {
            address,
            v6_only: address.is_ipv6() && !address.ip().is_unspecified(),
        })
        .collect();
    let for_control = config.control.max_connections as u64 + FILES_OF_CONTROL;
    let report = preflight::run(&Demands {
        shards,
        ring: RingFeatures::default(),
        max_connections: (config.security.max_connections as u64).saturating_add(for_control),
        files_per_shard: FILES_PER_SHARD + sockets_per_shard as u64,
        memlock_per_shard_bytes: 0,
        backlog: config.runtime.listen_backlog,
        addresses: &addresses,
    })
    .map_err(ServeError::Preflight)?;
    for warning in report.warnings {
        tracing::warn!("{warning}");
    }
    Ok(())
}

/// How other threads reach one shard.
struct Mailbox {
    inbox: Inbox<Mail>,
    wakeup: Arc<Wakeup>,
}

/// One mailbox per shard, and the way to all of them.
fn mailboxes(config: &Config, shards: u16) -> io::Result<(Peers, Vec<Mailbox>)> {
    let limits = InboxLimits {
        bulk: config.runtime.inbox_capacity,
        reserve: config.runtime.inbox_reserve,
    };
    let mut senders = Vec::new();
    let mut mailboxes = Vec::new();
    for _ in 0..shards {
        let wakeup = Wakeup::new()?;
        let (sender, inbox) = inbox(limits, Box::new(Arc::clone(&wakeup)));
        senders.push(sender);
        mailboxes.push(Mailbox { inbox, wakeup });
    }
    Ok((senders.into(), mailboxes))
}

/// Has the shard's thread scheduled in slices of that length; 0: as the system does it. It runs without, too.
fn ask_for_slices(shard: ShardId, slice_us: u64) {
    if slice_us == 0 {
        return;
    }
    match slice::ask_for(Duration::from_micros(slice_us)) {
        Ok(true) => {}
        Ok(false) => {
            tracing::debug!(%shard, "this kernel has no slices of single threads, or the thread is none of its")
        }
        Err(error) => tracing::debug!(%shard, %error, "the thread of a shard got no slices of its own"),
    }
}

/// Random bytes of the system's: the one door through which randomness enters.
fn os_random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}
