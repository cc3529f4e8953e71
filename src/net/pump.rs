//! The loop of one shard: wait, read, serve, hand over, send.
//!
//! A turn takes everything that is ready, serves all of it, and then sends once to each connection that has something to
//! say. The work of a turn is bounded per connection, so that one flooder cannot starve the others; what is left over is
//! taken up in the next turn, which then does not wait.
//!
//! The shard waits in its own epoll set rather than in the executor: parking through the executor costs 15–17 µs of CPU
//! per delivery at 50 rooms × 4 × 60 Hz against 8–10 µs (`benches/socket_layer`). The executor runs once per tick.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::clock::Clock;
use super::conversation::{self, inbound_limits};
use super::greeting::Greetings;
use super::http::{Answer, Site};
use super::link::Link;
use super::listener::Listener;
use super::poller::{Interest, Poller, Readiness, Token, Wakeup};
use super::socket::{Received, Socket};
use super::websocket::InboundLimits;
use crate::protocol::ErrorCode;
use crate::room::MemberRef;
use crate::shard::{AfterSend, Inbox, InboxSender, Now, Priority, SendOutcome, Shard, Transfer};

/// What reaches a shard from other threads.
#[derive(Debug)]
pub enum Mail {
    /// A connection whose room lives here.
    Transfer(Box<Transfer<Link>>),
    /// The process stops: say goodbye, flush, end.
    Stop,
}

/// How to reach every shard of the process, by its number.
pub type Peers = Arc<[InboxSender<Mail>]>;

/// How a pump runs.
#[derive(Debug, Clone)]
pub struct PumpSettings {
    /// How often deadlines are looked at.
    pub tick: Duration,
    /// How long a socket may take to be upgraded.
    pub greeting_timeout: Duration,
    /// Sockets of one shard that may be on their way to an upgrade.
    pub max_greetings: usize,
    /// How long a stop may spend on sending what is queued.
    pub flush_timeout: Duration,
    /// The kernel's send buffer of each socket; `None`: its own choice.
    pub send_buffer_bytes: Option<usize>,
}

/// Everything that one shard needs to run.
#[derive(Debug)]
pub struct PumpParts {
    /// The shard itself.
    pub shard: Shard<Link>,
    /// Its clock.
    pub clock: Clock,
    /// Where its connections arrive.
    pub listeners: Vec<Listener>,
    /// What is answered before an upgrade.
    pub site: Arc<Site>,
    /// How other threads reach it.
    pub inbox: Inbox<Mail>,
    /// How they wake it.
    pub wakeup: Arc<Wakeup>,
    /// How it reaches the others, and itself, by shard.
    pub peers: Peers,
    /// How it runs.
    pub settings: PumpSettings,
}

/// The loop of one shard.
#[derive(Debug)]
pub struct Pump {
    shard: Shard<Link>,
    clock: Clock,
    listeners: Vec<Listener>,
    site: Arc<Site>,
    inbox: Inbox<Mail>,
    peers: Peers,
    settings: PumpSettings,
    poller: Poller,
    greetings: Greetings,
    limits: InboundLimits,
    /// What every socket is read into. Never cleared: a read says how much of it counts.
    scratch: Box<[u8]>,
    dirty: Vec<MemberRef>,
    /// Connections that had more to read than a turn allows.
    backlog: Vec<MemberRef>,
    /// Whether the listeners are watched. They are not while descriptors are short.
    accepts: bool,
    stops_at_ms: Option<u64>,
    next_tick: Instant,
}

/// The most bytes that are read from one connection in one turn.
const READ_BYTES_PER_TURN: usize = 64 * 1024;

/// The most connections that are accepted from one listener in one turn.
const ACCEPTS_PER_TURN: usize = 64;

/// The most messages that are taken from the inbox in one turn.
const MAIL_PER_TURN: usize = 256;

impl Pump {
    /// A pump that watches its listeners. Call it on the shard's own thread.
    ///
    /// # Errors
    ///
    /// When the kernel refuses the epoll set.
    pub fn new(parts: PumpParts) -> io::Result<Self> {
        let PumpParts {
            shard,
            clock,
            listeners,
            site,
            inbox,
            wakeup,
            peers,
            settings,
        } = parts;
        let poller = Poller::new(wakeup)?;
        for (number, listener) in listeners.iter().enumerate() {
            poller.watch_listener(listener.as_fd(), number as u32)?;
        }
        let limits = inbound_limits(&shard.world().settings);
        let greeting_timeout_ms = settings.greeting_timeout.as_millis() as u64;
        Ok(Self {
            greetings: Greetings::new(greeting_timeout_ms, settings.max_greetings),
            next_tick: Instant::now() + settings.tick,
            scratch: vec![0; READ_BYTES_PER_TURN].into_boxed_slice(),
            dirty: Vec::new(),
            backlog: Vec::new(),
            accepts: true,
            stops_at_ms: None,
            shard,
            clock,
            listeners,
            site,
            inbox,
            peers,
            settings,
            poller,
            limits,
        })
    }

    /// Runs until the process stops.
    ///
    /// # Errors
    ///
    /// When the kernel refuses to wait: the shard cannot go on, and the supervisor ends the process.
    pub async fn run(mut self) -> io::Result<()> {
        loop {
            let ready = self.wait()?;
            let now = self.clock.now();
            self.shard.counters().turns.add(1);
            self.read_backlog(now);
            for index in 0..ready {
                self.serve(self.poller.ready(index), now);
            }
            self.read_mail(now);
            let ticked = self.tick(now);
            self.hand_over(now);
            self.flush(now);
            self.end_connections(now);
            if self.may_end(now) {
                return Ok(());
            }
            if ticked {
                // Timers and slow tasks of this shard; everything queued has been sent before.
                glommio::executor().yield_now().await;
            }
        }
    }

    /// Waits for something to do, at most until the next tick.
    fn wait(&mut self) -> io::Result<usize> {
        let has_work = !self.backlog.is_empty() || self.shard.has_dirty();
        let until_tick = self.next_tick.saturating_duration_since(Instant::now());
        let may_sleep = !has_work && !until_tick.is_zero() && self.inbox.prepare_to_sleep();
        let ready = self.poller.wait(if may_sleep { until_tick } else { Duration::ZERO });
        self.inbox.awake();
        ready
    }

    fn serve(&mut self, ready: Readiness, now: Now) {
        match ready.token {
            Token::Connection(at) => {
                if ready.writable {
                    self.shard.writable(at);
                }
                if ready.readable {
                    self.read(at, ready.hung_up, now);
                }
            }
            Token::Greeting(at) => self.greet(at, now),
            Token::Listener(number) => self.accept(number as usize, now),
            Token::Wakeup => self.poller.hush(),
        }
    }

    /// Reads a connection once. Nothing is left behind unseen: a read that filled the scratch, or a peer that has finished,
    /// means another read in the next turn, because no further edge will come.
    fn read(&mut self, at: MemberRef, hung_up: bool, now: Now) {
        if self.shard.is_departing(at) {
            return; // what arrives stays in the socket and is reported where the connection goes
        }
        let Some(link) = self.shard.link(at) else { return };
        match link.socket.receive(&mut self.scratch) {
            Received::Bytes(count) => {
                conversation::feed(&mut self.shard, at, &mut self.scratch[..count], self.limits, now);
                if hung_up || count == self.scratch.len() {
                    self.backlog.push(at);
                }
            }
            Received::Nothing => {}
            Received::End => self.shard.end(at, now),
        }
    }

    fn read_backlog(&mut self, now: Now) {
        for at in std::mem::take(&mut self.backlog) {
            // As if it had hung up: only an empty socket ends the reading.
            self.read(at, true, now);
        }
    }

    fn accept(&mut self, number: usize, now: Now) {
        for _ in 0..ACCEPTS_PER_TURN {
            let Some(listener) = self.listeners.get(number) else {
                return;
            };
            if self.greetings.is_full() {
                return self.pause_accepting("too many sockets are waiting for their upgrade");
            }
            match Socket::accept(listener.as_fd()) {
                Ok(Some((socket, address))) => {
                    socket.tune(self.settings.send_buffer_bytes);
                    self.welcome(socket, address, now);
                }
                Ok(None) => return,
                Err(error) => return self.pause_accepting(&error.to_string()),
            }
        }
    }

    fn welcome(&mut self, socket: Socket, address: SocketAddr, now: Now) {
        let at = self.greetings.insert(socket, address.ip(), now.mono_ms);
        let greeting = self.greetings.get_mut(at).expect("inserted a moment ago");
        if let Err(error) = self
            .poller
            .watch(greeting.socket.as_fd(), Token::Greeting(at), Interest::Read)
        {
            tracing::warn!(%error, "a connection was dropped because it cannot be watched");
            self.greetings.remove(at);
        }
    }

    /// Leaves connections in the kernel's queue until the next tick: asking again at once would spin.
    fn pause_accepting(&mut self, why: &str) {
        if std::mem::replace(&mut self.accepts, false) {
            tracing::warn!(shard = %self.shard.id(), why, "accepting pauses until the next tick");
            for listener in &self.listeners {
                // It was watched; and if it is watched still, accepting is tried again at once and no more is lost.
                let _ = self.poller.forget(listener.as_fd());
            }
        }
    }

    fn resume_accepting(&mut self) {
        if !self.accepts && self.stops_at_ms.is_none() && !self.greetings.is_full() {
            let watched = self
                .listeners
                .iter()
                .enumerate()
                .try_for_each(|(number, listener)| self.poller.watch_listener(listener.as_fd(), number as u32));
            self.accepts = watched.is_ok();
        }
    }

    /// Reads a socket that has not been upgraded, and answers it once its request is whole.
    fn greet(&mut self, at: MemberRef, now: Now) {
        loop {
            let Some(greeting) = self.greetings.get_mut(at) else {
                return;
            };
            let count = match greeting.socket.receive(&mut self.scratch) {
                Received::Bytes(count) => count,
                Received::Nothing => return,
                Received::End => {
                    self.greetings.remove(at);
                    return;
                }
            };
            if greeting.is_answered {
                continue;
            }
            let fresh = &self.scratch[..count];
            let whole: &[u8] = if greeting.received.is_empty() {
                fresh
            } else {
                greeting.received.extend_from_slice(fresh);
                &greeting.received
            };
            match self.site.answer(whole, self.shard.draw_random()) {
                Answer::Wait => {
                    if greeting.received.is_empty() {
                        greeting.received = fresh.to_vec();
                    }
                }
                Answer::Close(response) => {
                    // An answer fits into an empty socket; a peer for which it does not has not read and need not know.
                    greeting.socket.send(&response);
                    greeting.socket.finish_sending();
                    greeting.is_answered = true;
                    greeting.received = Vec::new();
                }
                Answer::Upgrade {
                    response,
                    head_bytes,
                    request_id,
                } => {
                    let mut early = whole[head_bytes..].to_vec();
                    let greeting = self.greetings.remove(at).expect("looked up above");
                    if greeting.socket.send(&response) == SendOutcome::Sent(response.len()) {
                        tracing::debug!(%request_id, address = %greeting.address, "a connection was upgraded");
                        self.admit(greeting.socket, greeting.address, &mut early, now);
                    }
                    return;
                }
            }
        }
    }

    /// Takes an upgraded socket into the shard, or tells it that there is no place.
    fn admit(&mut self, socket: Socket, address: std::net::IpAddr, early: &mut [u8], now: Now) {
        let admitted = self.shard.world().ledger.admit_connection(address);
        let (permit, refusal) = match admitted {
            Ok(permit) => (Some(permit), None),
            Err(refusal) => (None, Some(refusal)),
        };
        let at = self.shard.admit(Link::new(socket), address, permit, now);
        let link = self.shard.link(at).expect("admitted a moment ago");
        // Watched anew under its new name; what arrived meanwhile is reported again.
        if let Err(error) = self
            .poller
            .rewatch(link.socket.as_fd(), Token::Connection(at), Interest::Read)
        {
            tracing::warn!(%error, "a connection was dropped because it cannot be watched");
            self.shard.end(at, now);
            return;
        }
        match refusal {
            Some(refusal) => {
                self.shard
                    .close_without_code(at, (&refusal.to_string(), ErrorCode::TooManyConnections), now);
            }
            None => conversation::feed(&mut self.shard, at, early, self.limits, now),
        }
    }

    fn read_mail(&mut self, now: Now) {
        for _ in 0..MAIL_PER_TURN {
            match self.inbox.try_recv() {
                None => return,
                Some(Mail::Transfer(transfer)) => self.take_in(*transfer, true, now),
                Some(Mail::Stop) => self.stop(now),
            }
        }
    }

    fn stop(&mut self, now: Now) {
        if self.stops_at_ms.is_none() {
            self.stops_at_ms = Some(now.mono_ms + self.settings.flush_timeout.as_millis() as u64);
            // Closing them refuses new connections at once.
            self.listeners.clear();
            self.greetings.clear();
            self.shard.close_all(now);
        }
    }

    fn may_end(&self, now: Now) -> bool {
        self.stops_at_ms
            .is_some_and(|at_ms| self.shard.connections() == 0 || now.mono_ms >= at_ms)
    }

    fn tick(&mut self, now: Now) -> bool {
        let moment = Instant::now();
        if moment < self.next_tick {
            return false;
        }
        // Not the next multiple: after a long turn there is nothing to catch up with.
        self.next_tick = moment + self.settings.tick;
        self.shard.tick(now);
        self.greetings.expire(now.mono_ms);
        self.resume_accepting();
        true
    }

    /// Sends connections to the shards where their rooms live.
    fn hand_over(&mut self, now: Now) {
        for at in self.shard.take_departing() {
            let Some(transfer) = self.shard.extract(at) else {
                continue;
            };
            if let Err(error) = self.poller.forget(transfer.link.socket.as_fd()) {
                tracing::warn!(%error, "a connection was dropped because it cannot be moved");
                continue;
            }
            let target = &self.peers[transfer.target().index()];
            if let Err(refused) = target.try_send(Priority::Bulk, Mail::Transfer(Box::new(transfer))) {
                let Mail::Transfer(transfer) = refused else { continue };
                self.take_in(*transfer, false, now);
            }
        }
    }

    /// Takes in a connection that moved here, or that could not move.
    fn take_in(&mut self, transfer: Transfer<Link>, has_arrived: bool, now: Now) {
        let at = if has_arrived {
            self.shard.receive(transfer, now)
        } else {
            self.shard.take_back(transfer, now)
        };
        let Some(link) = self.shard.link_mut(at) else { return };
        link.interest = Interest::Read;
        // What is already in the socket is reported like what comes later.
        if let Err(error) = self
            .poller
            .watch(link.socket.as_fd(), Token::Connection(at), Interest::Read)
        {
            tracing::warn!(%error, "a connection was dropped because it cannot be watched");
            self.shard.end(at, now);
            return;
        }
        if self.stops_at_ms.is_some() {
            self.shard.close_all(now);
        } else {
            conversation::resume(&mut self.shard, at, self.limits, now);
        }
    }

    /// Sends once to everybody who has something to say.
    fn flush(&mut self, now: Now) {
        let mut dirty = std::mem::take(&mut self.dirty);
        self.shard.take_dirty(&mut dirty);
        for at in &dirty {
            let Some((link, bytes)) = self.shard.unsent(*at) else {
                continue;
            };
            let outcome = link.socket.send(bytes);
            match self.shard.sent(*at, outcome, now) {
                AfterSend::Nothing => self.watch_for(*at, Interest::Read, now),
                AfterSend::AwaitWritable => self.watch_for(*at, Interest::ReadAndWrite, now),
                AfterSend::Remove => self.shard.end(*at, now),
            }
        }
        self.dirty = dirty;
    }

    /// Watches a connection for what it now waits for; most never wait for room to write.
    fn watch_for(&mut self, at: MemberRef, interest: Interest, now: Now) {
        let Some(link) = self.shard.link_mut(at) else { return };
        if link.interest == interest {
            return;
        }
        link.interest = interest;
        let watched = self
            .poller
            .rewatch(link.socket.as_fd(), Token::Connection(at), interest);
        if let Err(error) = watched {
            tracing::warn!(%error, "a connection was dropped because it cannot be watched");
            self.shard.end(at, now);
        }
    }

    /// Lets go of the connections that are over; their sockets close.
    fn end_connections(&mut self, now: Now) {
        for at in self.shard.take_ended() {
            drop(self.shard.remove(at, now));
        }
    }
}
