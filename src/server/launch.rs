//! The order of a start: place, check, listen, run.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroU16;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use super::access_check::Checking;
use super::certificates::LiveCertificates;
use super::error::ServeError;
use super::listeners::Addresses;
use super::randomness::Randomness;
use super::reload::{Reloader, admin_token};
use super::stopper::Stopper;
use super::supervision::Supervised;
use super::vigil::Vigil;
use super::webhooks::Posting;
use super::{listeners, settings};
use crate::config::Config;
use crate::control::{
    self, AccessCheck, AdminParts, AdminToken, ControlPlane, Feed, LiveCheck, OperatorLine, PlaneParts, RoomEventQueue,
};
use crate::metrics::WebhookCounts;
use crate::net::http::Site;
use crate::net::tls::Greeter;
use crate::net::{Clock, FrontDesk, Mail, Peers, Pump, PumpParts, PumpSettings, System, Wakeup};
use crate::runtime::cpus::{self, AllowedCpus, CgroupRoots, Placement};
use crate::runtime::niceness::give_way;
use crate::runtime::preflight::{self, Demands, ListenAddress, RingFeatures};
use crate::runtime::supervisor::Supervisor;
use crate::runtime::{NotifySocket, executors, last_words, slice};
use crate::shard::{
    Inbox, InboxLimits, RoomEventReceiver, RoomEventSender, Shard, ShardId, SlotKey, World, inbox, room_events,
};

/// Descriptors of a shard beside its executor's and its sockets: the listener, the epoll set, the wake-up.
const FILES_PER_SHARD: u64 = 3;

/// Descriptors of the control plane beside its connections: the sockets in its line, its epoll set, what wakes it, a door
/// of its own.
const FILES_OF_CONTROL: u64 = control::LINE_LENGTH as u64 + 4;

/// How much the control plane gives way to the shards.
const NICENESS_OF_CONTROL: i32 = 10;

/// How much longer than its own flush deadline a shard may take to end.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// What a server is started with, beside its configuration.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) sockets: Vec<OwnedFd>,
    pub(super) clock: Clock,
    pub(super) seed: Option<[u8; 32]>,
    pub(super) notify: Arc<NotifySocket>,
    pub(super) check_of_program: Option<Arc<dyn AccessCheck>>,
    /// Where the program takes room events from.
    pub(super) room_events: Option<RoomEventQueue>,
}

/// A server that has been started: what its thread goes on with, and what whoever started it has of it.
pub(super) struct Launched {
    pub(super) supervised: Supervised,
    pub(super) held: Held,
}

/// What whoever started a server has of it.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) addresses: Addresses,
    pub(super) world: Arc<World>,
    pub(super) stopper: Stopper,
    pub(super) placement: Placement,
    pub(super) longest_stop: Duration,
    pub(super) reloader: Reloader,
    pub(super) operator: OperatorLine,
}

/// Checks the machine and starts a server. Nothing is left running when it cannot.
pub(super) fn launch(config: Config, start: Start) -> Result<Launched, ServeError> {
    config.validate()?;
    let Start {
        sockets,
        clock,
        seed,
        notify,
        check_of_program,
        room_events: program,
    } = start;
    let mut randomness = Randomness::new(seed);
    let allowed = AllowedCpus::of_this_process(&CgroupRoots::default()).map_err(ServeError::Cpus)?;
    let asked = u16::try_from(config.runtime.shards).ok().and_then(NonZeroU16::new);
    let placement = place(asked, &allowed)?;
    let shards = NonZeroU16::new(placement.shards() as u16).expect("a process has at least one CPU");
    let wanted = SocketAddr::new(config.bind, config.port);
    let pump_settings = settings::pump_settings(&config, shards.get());
    let opens = if sockets.is_empty() { Some(wanted) } else { None };
    check(&config, &pump_settings, shards, opens)?;
    let certificates = LiveCertificates::start(&config.security.transport.tls)?;
    let checking = Checking::start(&config, check_of_program)?;
    let greeter = || certificates.as_ref().map(LiveCertificates::greeter);

    let backlog = config.runtime.listen_backlog;
    let (listeners, address) = if sockets.is_empty() {
        listeners::opened(wanted, shards, backlog)?
    } else {
        listeners::passed(sockets, wanted, shards, backlog)?
    };

    let slot_key = SlotKey::new(randomness.draw().map_err(ServeError::Resource)?);
    let mut shard_settings = settings::shard_settings(&config)?;
    shard_settings.access.check = checking.rules(&config);
    let world = World::new(
        shard_settings,
        settings::admission_limits(&config),
        shards.get(),
        slot_key,
    );
    let site = Arc::new(settings::site(&config, Arc::clone(&world)));
    let (peers, mailboxes) = mailboxes(&config, shards.get()).map_err(ServeError::Resource)?;
    let mut seeds = Vec::new();
    for _ in 0..shards.get() {
        seeds.push(randomness.draw().map_err(ServeError::Resource)?);
    }

    let admin_token = AdminToken::new(admin_token(&config)?);
    let counts = Arc::default();
    let posting = Posting::start(&config).map_err(ServeError::Webhooks)?;
    let webhooks = posting.parts(&config, Arc::clone(&counts), clock);
    let (reporters, receivers) = reports(program.is_some() || webhooks.is_some(), shards.get());
    let feed = (!receivers.is_empty()).then_some(Feed {
        shards: receivers,
        program,
        webhooks,
    });
    let operated = Operated {
        greeter: greeter(),
        check: checking.live(),
        admin_token: admin_token.clone(),
        feed,
        webhooks: counts,
    };
    let (control, control_address) = start_control(&config, &site, &peers, operated, clock)?;
    let desk: Arc<dyn FrontDesk> = Arc::new(control.desk());
    let operator = control.operator();

    let mut parts = mailboxes.into_iter().zip(listeners).zip(seeds).zip(reporters);
    let start_timeout = Duration::from_millis(config.runtime.start_timeout_ms);
    let running = executors::start(&placement, pump_settings.tick, start_timeout, |id| {
        let (((Mailbox { inbox, wakeup }, listeners), seed), reports_to) =
            parts.next().expect("a mailbox and listeners per shard");
        let (world, site, peers) = (Arc::clone(&world), Arc::clone(&site), Arc::clone(&peers));
        let desk = Arc::clone(&desk);
        let greeter = greeter();
        let settings = pump_settings.clone();
        let slice_us = config.runtime.cpu_slice_us;
        let send_buffer_bytes = settings::send_buffer_bytes(&config);
        move |_tick| {
            ask_for_slices(id, slice_us);
            let mut clock = clock;
            let now = clock.now(clock.moment());
            let mut shard = Shard::new(id, world, seed, now);
            if let Some(taker) = reports_to {
                shard.report_to(taker);
            }
            let decisions = shard.last_decisions();
            last_words::leave_story(move || {
                let mut clock = clock;
                let now = clock.now(clock.moment());
                let story = decisions.of_the_served(now.wall)?;
                Some(format!("the last decisions in the room that was served, {story}"))
            });
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
    let vigil = Vigil::new(Arc::clone(&world), address, pump_settings.tick, notify);
    let held = Held {
        addresses: Addresses {
            players: address,
            control: control_address,
        },
        world: Arc::clone(&world),
        stopper,
        placement,
        longest_stop: longest_stop.saturating_add(STOP_GRACE),
        reloader: Reloader::new(Arc::clone(&world), certificates, checking, posting, admin_token, config),
        operator,
    };
    let supervised = Supervised {
        world,
        supervisor,
        control,
        vigil,
    };
    Ok(Launched { supervised, held })
}

/// The ways of room events, one for each shard, if somebody takes them.
fn reports(are_taken: bool, shards: u16) -> (Vec<Option<RoomEventSender>>, Vec<RoomEventReceiver>) {
    if !are_taken {
        return ((0..shards).map(|_| None).collect(), Vec::new());
    }
    (0..shards)
        .map(|_| room_events())
        .map(|(sender, receiver)| (Some(sender), receiver))
        .unzip()
}

/// What of the control plane is not for everybody.
struct Operated {
    greeter: Option<Greeter>,
    check: LiveCheck,
    admin_token: AdminToken,
    feed: Option<Feed>,
    webhooks: Arc<WebhookCounts>,
}

/// Starts the control plane, and says where its own door is, if it has one.
fn start_control(
    config: &Config,
    site: &Arc<Site>,
    peers: &Peers,
    operated: Operated,
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
        greeter: operated.greeter,
        dashboard: settings::dashboard(&config.metrics),
        region: config.server.region_id.clone(),
        check: operated.check,
        admin: AdminParts {
            token: operated.admin_token,
            is_private: settings::is_private(config, address.map_or(config.bind, |door| door.ip())),
            may_preview: config.control.allow_payload_preview,
            random: || Randomness::new(None).draw(),
        },
        clock,
        feed: operated.feed,
        webhooks: operated.webhooks,
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
            let shards = if fewer.get() == 1 { "shard" } else { "shards" };
            tracing::warn!(
                "{fewer} {shards} instead of {}, one per CPU: this user may lock no more memory; raise the limit (systemd \
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
    let to_backend = config.access_check.url.as_ref().map_or(0, |_| control::TURNS as u64);
    let for_control = config.control.max_connections as u64 + FILES_OF_CONTROL + to_backend;
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
