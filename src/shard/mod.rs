//! The rooms and sessions of one core.
//!
//! A [`Shard`] takes events (a message, an end of stream, a tick, a transfer from another shard) and leaves behind frames
//! in outboxes, connections to flush, connections to hand over and connections to end. It is synchronous and sans-I/O:
//! time comes in with each call, randomness from a seed, and a connection's link to the world is a type parameter. So the
//! same code runs under sockets, under a simulator's virtual clock, and frozen into an archive and back.
//!
//! Promises: no call waits; any bytes give an answer or a close, never a panic; a slow receiver costs the others nothing;
//! every frame that is not delivered is counted and its receiver told or closed.
//! Must never know descriptors, executors or WebSocket framing of what arrives.

mod closing;
mod entering;
mod events;
mod exchange;
mod frozen;
mod inbox;
mod outbox;
mod outposts;
mod post;
mod refusal;
mod requests;
mod state;
mod telling;
mod world;

pub use events::deadlines::LinkFacts;
pub use events::flush::{AfterSend, SendOutcome};
pub use events::messages::Flow;
pub use events::reading::Reading;
pub use exchange::message::Letter;
pub use frozen::{ArchiveError, FrozenShard, FrozenWorld, Incoherent, Portion, SealedArchive, UnsealError, deal};
pub use inbox::{Inbox, InboxCounters, InboxLimits, InboxSender, Priority, Wake, inbox};
pub use outbox::{FrameMark, FrameOrigin, Lane, Outbox, OutboxPool};
pub use state::connection::{Connection, RoomRef};
pub(crate) use state::table::Table;
pub use state::transfer::{Errand, JoinErrand, ReturnErrand, Transfer, WatchErrand};
pub use world::access::LiveAccess;
pub use world::counters::{Counter, CounterSet, Counters};
pub use world::ice::{IceRules, ListedIceServer, TurnRules};
pub use world::id::ShardId;
pub use world::settings::{
    DeliveryRules, LivenessRules, MessageLimits, OutboxLimits, PacingRules, PeerSessionRules, ReconnectionRules,
    RoomRules, Settings,
};
pub use world::slots::{SLOT_COUNT, Slot, SlotKey, SlotTable};
pub use world::{World, admission, presence};

use std::sync::Arc;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use self::entering::codes::CodeSearches;
use self::events::drain::Drain;
use self::events::sweep::Sweep;
use self::exchange::outposts::Outposts;
use self::post::Post;
use self::state::deadlines::Deadlines;
use self::state::rooms::Rooms;
use self::state::share::Turn;
use self::telling::gallery_news::NewsList;
use self::world::admission::ConnectionPermit;
use crate::protocol::{PlayerId, WallTime};
use crate::room::MemberRef;
use crate::session::{AccessPolicy, Arrival, Session};

/// A moment, by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds of a clock that only goes forward.
    pub mono_ms: u64,
    /// What clients are told.
    pub wall: WallTime,
}

/// The rooms and sessions of one core. `L` is a connection's link to the world; dropping a link ends the connection.
#[derive(Debug)]
pub struct Shard<L> {
    id: ShardId,
    world: Arc<World>,
    post: Post<L>,
    rooms: Rooms,
    turn: Turn,
    deadlines: Deadlines,
    /// Who is let in, as far as the shard has heard.
    access: Arc<AccessPolicy>,
    access_revision: u64,
    departing: Vec<MemberRef>,
    /// The outposts here, of rooms that live anywhere.
    outposts: Outposts,
    /// Connections whose question to another shard was answered.
    resumed: Vec<MemberRef>,
    ended: Vec<MemberRef>,
    /// Rooms that look for another code.
    code_searches: CodeSearches,
    sweep: Sweep,
    news_list: NewsList,
    drain: Drain,
    random: ChaCha12Rng,
}

impl<L> Shard<L> {
    /// A shard without connections. `seed` is where all its randomness comes from.
    #[must_use]
    pub fn new(id: ShardId, world: Arc<World>, seed: [u8; 32], now: Now) -> Self {
        let sweep = Sweep::planned(now.mono_ms.saturating_add(world.settings.rooms.sweep_interval_ms));
        let (access_revision, access) = world.access.newest();
        let post = Post {
            counters: Arc::clone(world.counters(id)),
            pool: OutboxPool::capped(world.settings.outbox.max_bytes),
            ..Post::default()
        };
        Self {
            id,
            world,
            post,
            rooms: Rooms::default(),
            turn: Turn::default(),
            deadlines: Deadlines::default(),
            access,
            access_revision,
            departing: Vec::new(),
            outposts: Outposts::default(),
            resumed: Vec::new(),
            ended: Vec::new(),
            code_searches: CodeSearches::default(),
            sweep,
            news_list: NewsList::default(),
            drain: Drain::default(),
            random: ChaCha12Rng::from_seed(seed),
        }
    }

    /// The shard's number.
    #[must_use]
    pub const fn id(&self) -> ShardId {
        self.id
    }

    /// What all shards share.
    #[must_use]
    pub const fn world(&self) -> &Arc<World> {
        &self.world
    }

    /// What the shard counts.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.post.counters
    }

    /// How many connections the shard holds.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.post.connections.len()
    }

    /// How many rooms live here.
    #[must_use]
    pub fn rooms(&self) -> usize {
        self.rooms.len()
    }

    /// A connection's link.
    #[must_use]
    pub fn link(&self, at: MemberRef) -> Option<&L> {
        self.post.connections.get(at).map(|connection| &connection.link)
    }

    /// A connection's link, to change what the link itself keeps.
    pub fn link_mut(&mut self, at: MemberRef) -> Option<&mut L> {
        self.post.connections.get_mut(at).map(|connection| &mut connection.link)
    }

    /// Takes in a connection that has just been upgraded.
    pub fn admit(&mut self, link: L, arrival: Arrival, permit: Option<ConnectionPermit>, now: Now) -> MemberRef {
        let player = PlayerId::from_random(self.random_bytes());
        let mut session = Session::new(player, arrival, self.world.settings.handshake.versions, now.mono_ms);
        let nonce = arrival.binding.map(|key| {
            let nonce = self.draw_nonce();
            session.bind(&key, &nonce);
            nonce
        });
        let is_admitted = permit.is_some();
        self.world.presence.arrive(player);
        let connection = Connection::new(link, session, Outbox::default(), permit, now.mono_ms);
        let at = self.post.connections.insert(connection);
        self.post.counters.connections.add(1);
        self.plan_check(at);
        if let Some(nonce) = nonce {
            self.challenge(at, &nonce, now);
        }
        if is_admitted {
            self.refuse_old_endpoint(at, now);
        }
        at
    }

    /// Takes a connection out, whatever it was doing; its room mates are told. Dropping the link ends it.
    pub fn remove(&mut self, at: MemberRef, now: Now) -> Option<L> {
        self.vacate(at, self.keeps_seat(None), now);
        let connection = self.post.connections.remove(at)?;
        let lost = connection.outbox.unsent_frames() as u64;
        self.post.counters.lost_frames.add(lost);
        self.post.counters.disconnections.add(1);
        self.settle(now);
        Some(connection.link)
    }

    /// [`judge`](Self::judge) for callers whose links have nothing to tell.
    pub fn tick(&mut self, now: Now) {
        self.judge(&(), now);
    }

    /// Does what time demands: deadlines of connections, expiry of rooms. Call it every few milliseconds, after everything
    /// that had arrived by then was served and everybody was offered what waits.
    pub fn judge(&mut self, links: &impl LinkFacts<L>, now: Now) {
        self.renew_access();
        self.check_deadlines(links, now);
        self.tell_waiting_news(now);
        self.sweep(now);
        self.settle(now);
    }

    /// Notes that a connection's socket is gone: its room mates are told, and it waits to be [removed](Self::remove). What
    /// they are told counts against the room's share.
    pub fn end(&mut self, at: MemberRef, now: Now) {
        let (room, queued_before) = (self.room_of(at), self.post.queued_bytes);
        self.vacate(at, self.keeps_seat(None), now);
        self.ended.push(at);
        self.settle(now);
        if let Some(room) = room {
            let queued = (self.post.queued_bytes - queued_before) as usize;
            self.rooms.charge_turn(room, &mut self.turn, queued);
            self.turn.take_used_up();
        }
    }

    /// Up to so many connections that are over and wait to be [removed](Self::remove).
    pub fn take_ended(&mut self, limit: usize) -> Vec<MemberRef> {
        let rest = self.ended.split_off(self.ended.len().min(limit));
        std::mem::replace(&mut self.ended, rest)
    }

    /// When [`tick`](Self::tick) next has something to do.
    #[must_use]
    pub fn next_deadline_ms(&self) -> u64 {
        let planned = [
            self.deadlines.next_ms(),
            self.next_news_ms(),
            self.outposts.next_pass_ms(),
        ];
        planned.into_iter().flatten().fold(self.sweep.next_ms(), u64::min)
    }

    /// Sixteen random bytes, for the caller's own ids.
    pub fn draw_random(&mut self) -> [u8; 16] {
        self.random_bytes()
    }

    fn random_bytes(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        self.random.fill_bytes(&mut bytes);
        bytes
    }
}
