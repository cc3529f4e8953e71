//! The loop of one shard: wait, read, serve, hand over, send.
//!
//! A turn takes everything that is ready, serves all of it, and then sends once to each connection that has something to
//! say. The work of a turn is bounded per connection, so that one flooder cannot starve the others; what is left over is
//! taken up in the next turn, which then does not wait.
//!
//! The shard waits in its own epoll set rather than in the executor: parking through the executor costs 15–17 µs of CPU
//! per delivery at 50 rooms × 4 × 60 Hz against 8–10 µs (`benches/socket_layer`). The executor runs once per tick.

mod exchange;
mod reception;

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::clock::Clock;
use super::conversation::{self, inbound_limits};
use super::greeting::Greetings;
use super::http::Site;
use super::link::Link;
use super::listener::Listener;
use super::pace::{Load, Pace};
use super::poller::{Interest, Poller, Readiness, Token, Wakeup};
use super::socket::Received;
use super::websocket::InboundLimits;
use crate::room::MemberRef;
use crate::shard::{AfterSend, Flow, Inbox, InboxSender, Letter, Now, Shard, Transfer};

/// What reaches a shard from other threads.
#[derive(Debug)]
pub enum Mail {
    /// A connection whose room lives here, and when it set out.
    Transfer(Box<Transfer<Link>>, Instant),
    /// What another shard has to say about a room with outposts.
    Letter(Letter),
    /// The process is about to stop: take nobody in any more, say goodbye after so long, flush, end.
    Drain {
        /// How long those who are here may go on.
        grace: Duration,
    },
}

/// How to reach every shard of the process, by its number.
pub type Peers = Arc<[InboxSender<Mail>]>;

/// How a pump runs.
#[derive(Debug, Clone)]
pub struct PumpSettings {
    /// How often deadlines are looked at.
    pub tick: Duration,
    /// The most that a busy shard's turn is stretched; zero: never.
    pub turn_window: Duration,
    /// How long a socket may take to be upgraded.
    pub greeting_timeout: Duration,
    /// Sockets of one shard that may be on their way to an upgrade.
    pub max_greetings: usize,
    /// How long connections may go on after a stop was asked for.
    pub drain_grace: Duration,
    /// The longest that closing everybody after that may take.
    pub drain_spread: Duration,
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
    /// Connections whose bytes wait because their room has used up its share of the turn.
    suspended: Vec<MemberRef>,
    /// Whether the listeners are watched. They are not while descriptors are short.
    accepts: bool,
    stage: Stage,
    pace: Pace,
    next_tick: Instant,
}

/// How far a pump is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Connections are taken in.
    Serving,
    /// Nobody is taken in; those who are here go on until this moment.
    Draining { until_ms: u64 },
    /// Everybody is being closed, one after the other, until this moment.
    Dismissing { until_ms: u64 },
    /// Everybody has been told; what is queued is sent until this moment at the latest.
    Flushing { until_ms: u64 },
}

/// The most bytes that are read from one connection in one turn.
const READ_BYTES_PER_TURN: usize = 64 * 1024;

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
            suspended: Vec::new(),
            accepts: true,
            stage: Stage::Serving,
            pace: Pace::new(settings.turn_window, Instant::now()),
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
            self.shard.begin_turn();
            self.resume_suspended(now);
            self.read_backlog(now);
            for index in 0..ready {
                self.serve(self.poller.ready(index), now);
            }
            self.read_mail(now);
            self.shard.serve_outposts(now);
            self.resume_answered(now);
            while !self.suspended.is_empty() && self.shard.may_go_on() {
                self.resume_suspended(now);
            }
            let ticked = self.tick(now);
            self.hand_over(now);
            self.post_letters(now);
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

    /// Waits for something to do, at most until the next tick. A busy shard first lets arrivals gather.
    fn wait(&mut self) -> io::Result<usize> {
        let mut now = Instant::now();
        let has_work = !self.backlog.is_empty() || !self.suspended.is_empty() || self.shard.has_work();
        if let Some(gather) = self.pace.end_turn(now).filter(|_| !has_work) {
            self.shard.counters().kernel_entries.add(1);
            std::thread::sleep(gather);
            now = Instant::now();
        }
        let until_tick = self.next_tick.saturating_duration_since(now);
        let may_sleep = !has_work && !until_tick.is_zero() && self.inbox.prepare_to_sleep();
        self.shard.counters().kernel_entries.add(1);
        let ready = self.poller.wait(if may_sleep { until_tick } else { Duration::ZERO })?;
        self.inbox.awake();
        self.pace.begin_turn(ready, Instant::now());
        Ok(ready)
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
        if self.shard.awaits_shard(at) {
            return; // what arrives stays in the socket, and is reported where the connection goes or read when it resumes
        }
        let Some(link) = self.shard.link(at) else { return };
        if link.is_suspended {
            return; // what arrived before comes first; then it is read again
        }
        self.shard.counters().kernel_entries.add(1);
        match link.socket.receive(&mut self.scratch) {
            Received::Bytes(count) => {
                let flow = conversation::feed(&mut self.shard, at, &mut self.scratch[..count], self.limits, now);
                let is_full = hung_up || count == self.scratch.len();
                if !self.note_flow(at, flow) && is_full {
                    self.backlog.push(at);
                }
            }
            Received::Nothing => {}
            Received::End => self.shard.end(at, now),
        }
    }

    /// Remembers a connection whose bytes have to wait for another turn; says whether some wait, for that or for a move.
    fn note_flow(&mut self, at: MemberRef, flow: Flow) -> bool {
        if flow == Flow::Suspend
            && !self.shard.awaits_shard(at)
            && let Some(link) = self.shard.link_mut(at)
        {
            link.is_suspended = true;
            self.suspended.push(at);
        }
        flow == Flow::Suspend
    }

    /// Goes on with the connections whose rooms had used up their shares.
    fn resume_suspended(&mut self, now: Now) {
        for at in std::mem::take(&mut self.suspended) {
            let Some(link) = self.shard.link_mut(at) else { continue };
            link.is_suspended = false;
            let flow = conversation::resume(&mut self.shard, at, self.limits, now);
            if !self.note_flow(at, flow) {
                self.backlog.push(at); // its edge may have been passed over meanwhile
            }
        }
    }

    fn read_backlog(&mut self, now: Now) {
        for at in std::mem::take(&mut self.backlog) {
            // As if it had hung up: only an empty socket ends the reading.
            self.read(at, true, now);
        }
    }

    fn tick(&mut self, now: Now) -> bool {
        let moment = Instant::now();
        if moment < self.next_tick {
            return false;
        }
        // Not the next multiple: after a long turn there is nothing to catch up with.
        self.next_tick = moment + self.settings.tick;
        self.shard.tick(now);
        let expired = self.greetings.expire(now.mono_ms);
        let load = Load {
            deliveries: self.shard.counters().deliveries.get(),
            connections: self.shard.connections(),
        };
        self.pace.adapt(load, moment);
        self.publish_counts(expired as u64);
        self.resume_accepting();
        true
    }

    /// Shows what is counted outside the shard beside what the shard counts.
    fn publish_counts(&self, expired_greetings: u64) {
        let (shown, inbox) = (self.shard.counters(), self.inbox.counters());
        shown.greetings_expired.add(expired_greetings);
        shown.slow_turns.set(self.pace.slow_turns());
        shown.busy_us.set(self.pace.busy().as_micros() as u64);
        shown.inbox_wakes.set(inbox.wakes.load(Ordering::Relaxed));
        shown
            .inbox_refused_transfers
            .set(inbox.refused_bulk.load(Ordering::Relaxed));
        shown
            .inbox_refused_control
            .set(inbox.refused_control.load(Ordering::Relaxed));
    }

    /// Sends once to everybody who has something to say.
    fn flush(&mut self, now: Now) {
        let mut dirty = std::mem::take(&mut self.dirty);
        self.shard.take_dirty(&mut dirty);
        for at in &dirty {
            while let Some((link, bytes)) = self.shard.unsent(*at, now) {
                let outcome = link.socket.send(bytes);
                self.shard.counters().kernel_entries.add(1);
                match self.shard.sent(*at, outcome, now) {
                    AfterSend::SendMore => continue,
                    AfterSend::Nothing => self.watch_for(*at, Interest::Read, now),
                    AfterSend::AwaitWritable => self.watch_for(*at, Interest::ReadAndWrite, now),
                    AfterSend::FinishSending => {
                        if let Some(link) = self.shard.link(*at) {
                            link.socket.finish_sending();
                        }
                        self.watch_for(*at, Interest::Read, now);
                    }
                    AfterSend::Remove => self.shard.end(*at, now),
                }
                break;
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
