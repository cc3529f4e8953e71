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
#[cfg(test)]
mod contract_test;
mod drawing;
mod ending;
mod entering;
mod events;
mod exchange;
mod frozen;
mod inbox;
mod inspection;
mod leaving;
mod lookup;
mod noting;
mod outbox;
mod outposts;
mod post;
mod refusal;
mod refusing;
mod requests;
mod seating;
mod sessions;
mod showing;
mod state;
mod survey;
mod telling;
mod timers;
mod timings;
mod waiting;
mod world;

pub use events::deadlines::LinkFacts;
pub use events::flush::{AfterSend, SendOutcome};
pub use events::reading::Reading;
pub use events::turn::Flow;
pub use exchange::message::ShardMessage;
pub use frozen::{ArchiveError, FrozenShard, FrozenWorld, Incoherent, Portion, SealedArchive, UnsealError, deal};
pub use inbox::{Inbox, InboxCounters, InboxLimits, InboxSender, Priority, Wake, inbox};
pub use inspection::{ConnectionView, MemberView, QueueView, RoomInside, SpectatorsView, Spot};
pub use outbox::{FrameMark, FrameOrigin, Lane, Outbox, OutboxPool};
pub use sessions::ActiveSessions;
pub use showing::{PersonView, RoomDetail, RoomView, RoomViews};
pub use state::access_wait::{BackendAnswer, QuestionNumber, SentQuestion, Ticket};
pub use state::connection::Connection;
pub use state::flight::{Decided, Decision};
pub use state::last_decisions::LastDecisions;
pub use state::room_event::{Remover, RoomEvent, RoomEventReceiver, RoomEventSender, RoomLabel, RoomNews, room_events};
pub use state::room_key::RoomKey;
pub use state::sessions::{CompletedRecords, MAX_COMPLETED, SessionEnd, SessionRecord};
pub(crate) use state::table::{Table, TableKey, table_key};
pub use state::tail::FrameSample;
pub use state::transfer::{PendingJoin, PendingRequest, PendingReturn, PendingWatch, Transfer};
pub use survey::{Survey, SurveyPlace};
pub use timings::{Timing, Timings};
pub use world::access::LiveAccess;
pub use world::counters::{ClassCounters, Counter, CounterSet, Counters, Drops, Shown, Spread, Unit};
pub use world::ice::{IceRules, ListedIceServer, TurnRules};
pub use world::id::ShardId;
pub use world::now::Now;
pub use world::settings::{
    DeliveryRules, LivenessRules, MessageLimits, OutboxLimits, PacingRules, PeerSessionRules, ReconnectionRules,
    RoomRules, Settings,
};
pub use world::slots::{SLOT_COUNT, Slot, SlotKey, SlotTable};
pub use world::source::{Source, SourceRule};
pub use world::{World, admission, presence, refusals};

use std::sync::Arc;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;

use self::exchange::outposts::Outposts;
use self::post::Post;
use self::state::access_wait::Questions;
use self::state::app_meters::AppMeters;
use self::state::code_search::CodeSearches;
use self::state::deadlines::Deadlines;
use self::state::drain::Drain;
use self::state::flight::Dumps;
use self::state::gallery_news::NewsList;
use self::state::load::Load;
use self::state::rooms::Rooms;
use self::state::sessions::CompletedSessions;
use self::state::share::TurnShares;
use self::state::standing::Census;
use self::state::sweep::Sweep;
use crate::protocol::AppId;
use crate::room::ConnectionKey;
use crate::session::AccessPolicy;

/// The rooms and sessions of one core. `L` is a connection's link to the world; dropping a link ends the connection.
///
/// # The contract
///
/// A driver brings what happens, and does what comes of it. Nothing happens between two calls, and `now` never goes back.
///
/// What goes in:
///
/// - arrivals: [`admit`](Self::admit), and [`turn_away`](Self::turn_away) right after it where there was no permit; nobody whom
///   the newest [`access`](Self::access) keeps out;
/// - messages: [`on_text`](Self::on_text), [`on_binary`](Self::on_binary), [`on_control_frame`](Self::on_control_frame)
///   with [`pong`](Self::pong), [`on_pong`](Self::on_pong), [`on_peer_close`](Self::on_peer_close), [`on_violation`](Self::on_violation). Before a
///   socket is read, [`may_read`](Self::may_read) is asked; what of a message has come so far is told by
///   [`note_unfinished`](Self::note_unfinished);
/// - what sockets say to sends: [`sent`](Self::sent), [`writable`](Self::writable); and their end:
///   [`on_gone`](Self::on_gone);
/// - time: [`tick`](Self::tick); time that nobody had: [`forgive`](Self::forgive);
/// - other shards: [`receive`](Self::receive) a connection, [`read_shard_message`](Self::read_shard_message); what another shard's inbox
///   refused: [`take_back`](Self::take_back), [`take_back_shard_message`](Self::take_back_shard_message);
/// - what became of questions to the game's backend: [`on_backend_answer`](Self::on_backend_answer);
/// - the drain: [`announce_drain`](Self::announce_drain), [`dismiss_within`](Self::dismiss_within),
///   [`close_all`](Self::close_all), in this order, the last again for whoever arrives after it;
/// - the operator: [`report_to`](Self::report_to), before anything happens; [`expel`](Self::expel) somebody,
///   [`close_room`](Self::close_room), [`look_at_frames`](Self::look_at_frames);
/// - a process that ends and the next one: [`hurry_shard_messages`](Self::hurry_shard_messages), [`freeze`](Self::freeze);
///   [`thaw`](Self::thaw), before anything else.
///
/// What comes out:
///
/// - connections to send to ([`take_dirty`](Self::take_dirty)) and what to send ([`unsent`](Self::unsent));
/// - connections that move ([`take_departing`](Self::take_departing), [`extract`](Self::extract)), and shard messages
///   ([`next_shard_message`](Self::next_shard_message), [`has_shard_messages`](Self::has_shard_messages));
/// - questions for the game's backend ([`take_questions`](Self::take_questions));
/// - connections whose bytes were kept for an answer that has come ([`take_resumed`](Self::take_resumed));
/// - connections that are over ([`take_ended`](Self::take_ended), [`remove`](Self::remove));
/// - whether something of all this waits ([`has_work`](Self::has_work)), of steps 4 and 5 below
///   ([`has_chores`](Self::has_chores)), else until when nothing will
///   ([`next_deadline_ms`](Self::next_deadline_ms)).
///
/// A turn:
///
/// 1. [`begin_turn`](Self::begin_turn);
/// 2. [`writable`](Self::writable) for each socket that has room again and, if there is one, a round of sends as below;
/// 3. arrivals and messages, then what other shards have sent;
/// 4. [`serve_waiting`](Self::serve_waiting), then what was kept of those who are [resumed](Self::take_resumed);
/// 5. those who depart, then shard messages until there is none;
/// 6. a round of sends: for each of [`take_dirty`](Self::take_dirty), [`unsent`](Self::unsent), the send,
///    [`sent`](Self::sent), and what [`AfterSend`] says; then [`close_overrun`](Self::close_overrun);
/// 7. every few milliseconds, once all that had arrived was served: [`tick`](Self::tick);
/// 8. some of those who are [over](Self::take_ended) are [removed](Self::remove);
/// 9. whoever has a clock says how long all this took: [`end_turn`](Self::end_turn).
///
/// Never skipped: whoever is taken from a list is on none any more, so each that was taken is sent to, extracted, resumed or
/// removed. What was refused is given back before the next is taken. After [`Flow::Suspend`] nothing more of a connection is
/// served before the next turn, and while it [`awaits_shard`](Self::awaits_shard) not before it is resumed. A round of sends
/// ends with [`close_overrun`](Self::close_overrun). A turn without [`begin_turn`](Self::begin_turn) holds back whoever
/// sits in a busy room.
///
/// At any time: [`link`](Self::link), [`link_mut`](Self::link_mut), [`link_and_wait`](Self::link_and_wait),
/// [`outbox`](Self::outbox), [`is_unfinished`](Self::is_unfinished),
/// [`is_closing`](Self::is_closing), [`is_departing`](Self::is_departing), [`connections`](Self::connections),
/// [`rooms`](Self::rooms), [`to_flush`](Self::to_flush), [`queued_bytes`](Self::queued_bytes), [`id`](Self::id),
/// [`world`](Self::world), [`counters`](Self::counters), [`timings`](Self::timings),
/// [`last_decisions`](Self::last_decisions), [`survey`](Self::survey),
/// [`app_bytes`](Self::app_bytes), [`active_sessions`](Self::active_sessions),
/// [`completed_sessions`](Self::completed_sessions), [`room_facts`](Self::room_facts),
/// [`room_views`](Self::room_views), [`room_detail`](Self::room_detail), [`room_inside`](Self::room_inside), [`draw_random`](Self::draw_random). Whatever a connection's
/// [`ConnectionKey`] no longer finds is passed over.
#[derive(Debug)]
pub struct Shard<L> {
    id: ShardId,
    world: Arc<World>,
    post: Post<L>,
    rooms: Rooms,
    census: Census,
    turn: TurnShares,
    deadlines: Deadlines,
    /// Who is let in, as far as the shard has heard.
    access: Arc<AccessPolicy>,
    access_revision: u64,
    departing: Vec<ConnectionKey>,
    /// The outposts here, of rooms that live anywhere.
    outposts: Outposts,
    /// Connections whose question to another shard was answered.
    resumed: Vec<ConnectionKey>,
    questions: Questions,
    ended: Vec<ConnectionKey>,
    /// Rooms that look for another code.
    code_searches: CodeSearches,
    sweep: Sweep,
    news_list: NewsList,
    drain: Drain,
    timings: Timings,
    load: Load,
    app_meters: AppMeters,
    completed_sessions: CompletedSessions,
    dumps: Dumps,
    /// Where what happens to rooms is told; `None`: nobody takes it.
    room_events: Option<RoomEventSender>,
    random: ChaCha12Rng,
}

impl<L> Shard<L> {
    /// A shard without connections. `seed` is where all its randomness comes from.
    #[must_use]
    pub fn new(id: ShardId, world: Arc<World>, seed: [u8; 32], now: Now) -> Self {
        let sweep = Sweep::planned(now.mono_ms.saturating_add(world.settings.rooms.sweep_interval_ms));
        let (access_revision, access) = world.access.newest();
        let post = Post::new(world.settings.outbox.max_bytes, Arc::clone(world.counters(id)));
        Self {
            id,
            census: Census::new(Arc::clone(&world), id),
            world,
            post,
            rooms: Rooms::default(),
            turn: TurnShares::default(),
            deadlines: Deadlines::default(),
            access,
            access_revision,
            departing: Vec::new(),
            outposts: Outposts::default(),
            resumed: Vec::new(),
            questions: Questions::default(),
            ended: Vec::new(),
            code_searches: CodeSearches::default(),
            sweep,
            news_list: NewsList::default(),
            drain: Drain::default(),
            timings: Timings::default(),
            load: Load::default(),
            app_meters: AppMeters::default(),
            completed_sessions: CompletedSessions::default(),
            dumps: Dumps::default(),
            room_events: None,
            random: ChaCha12Rng::from_seed(seed),
        }
    }

    /// Tells what happens to rooms from now on. It never waits for whoever takes it.
    pub fn report_to(&mut self, room_events: RoomEventSender) {
        self.room_events = Some(room_events);
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

    /// How long what happens on the shard has taken.
    #[must_use]
    pub const fn timings(&self) -> &Timings {
        &self.timings
    }

    /// What was decided last in its rooms, for whoever must say it when the shard is dead.
    #[must_use]
    pub fn last_decisions(&self) -> LastDecisions {
        self.rooms.last_decisions().clone()
    }

    /// Payload bytes of accepted game data, by listed application.
    #[must_use]
    pub fn app_bytes(&self) -> &[(AppId, u64)] {
        self.app_meters.all()
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
    pub fn link(&self, at: ConnectionKey) -> Option<&L> {
        self.post.connections.get(at).map(|connection| &connection.link)
    }

    /// The same, and whether the connection [waits for another shard](Self::awaits_shard).
    pub fn link_and_wait(&mut self, at: ConnectionKey) -> Option<(&mut L, bool)> {
        let connection = self.post.connections.get_mut(at)?;
        let awaits_shard = connection.awaits_shard();
        Some((&mut connection.link, awaits_shard))
    }

    /// A connection's link, to change what the link itself keeps.
    pub fn link_mut(&mut self, at: ConnectionKey) -> Option<&mut L> {
        self.post.connections.get_mut(at).map(|connection| &mut connection.link)
    }
}
