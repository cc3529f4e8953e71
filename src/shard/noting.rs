//! What becomes of connections, noted for the operator. Decides nothing and tells no client anything.
//!
//! One line at debug for each place taken and given up, each return, close and end, with the ids that lead through a player's
//! story: `request_id` is the connection's from its upgrade to its end, `player_id` also that of the connection by which the
//! player comes back.

use super::Shard;
use crate::protocol::{CloseCode, PlayerId, RoomId};
use crate::room::{ConnectionKey, Room};
use crate::session::Session;
use crate::shard::state::connection::Connection;
use crate::shard::state::flight::{Decided, Decision};
use crate::shard::state::room_event::{RoomEvent, RoomLabel, RoomNews};
use crate::shard::state::room_key::RoomKey;
use crate::shard::state::rooms::Chronicle;
use crate::shard::state::standing::Place;
use crate::shard::world::now::Now;
use crate::shard::world::refusals::{RefusalReason, Refused};

impl<L> Shard<L> {
    /// Notes that a connection is refused something.
    pub(super) fn note_refusal(&mut self, at: ConnectionKey, reason: RefusalReason, told: &str, now: Now) {
        let session = self.post.connections.get(at).map(|connection| &connection.session);
        let who = Refused {
            address: session.map(Session::address),
            request_id: session.map(Session::request_id),
            app: session.and_then(Session::app),
            player: session.map(Session::player),
            told,
            ..Refused::default()
        };
        self.world.refusals.note(reason, &who, now.mono_ms);
        if let RefusalReason::Error(code) = reason {
            self.record_of_connection(at, Decision::Refused { code, times: 1 }, now);
        }
    }

    /// Notes that a connection was told of so many messages that it does not get.
    pub(super) fn note_missed(&mut self, at: ConnectionKey, messages: u64, now: Now) {
        if messages > 0 {
            let times = u32::try_from(messages).unwrap_or(u32::MAX);
            self.record_of_connection(at, Decision::Missed { times }, now);
        }
    }

    /// Keeps a decision about whoever a connection is in its room, if it is in one that lives here.
    pub(super) fn record_of_connection(&mut self, at: ConnectionKey, what: Decision, now: Now) {
        let Some(room_key) = self.room_of(at) else { return };
        let Some(connection) = self.post.connections.get(at) else {
            return;
        };
        let player = connection.session.player();
        self.record(room_key, player, what, now);
    }

    /// Keeps a decision for whoever wants to know what has happened in a room.
    pub(super) fn record(&mut self, room_key: RoomKey, player: PlayerId, what: Decision, now: Now) {
        if !self.world.settings.rooms.is_recorded {
            return;
        }
        if let Some(mut flight) = self.rooms.flight_mut(room_key) {
            let at = now.wall;
            flight.note(Decided { at, player, what });
        }
    }

    /// Writes down what was decided last in the room of a connection, because something went wrong with it.
    #[cold]
    fn tell_last_decisions(&mut self, at: ConnectionKey, code: CloseCode, now: Now) {
        let Some(room_key) = self.room_of(at) else { return };
        let (Some(room), Some(flight)) = (self.rooms.get(room_key), self.rooms.flight(room_key)) else {
            return;
        };
        if flight.decisions().next().is_none() {
            return; // nothing is kept here
        }
        let Some(unsaid) = self.dumps.take_turn(now.mono_ms) else {
            return;
        };
        tracing::warn!(
            room_id = %room.id(),
            shard = %self.id,
            code = code.code(),
            player_id = self.post.connections.get(at).map(|known| tracing::field::display(known.session.player())),
            decisions = %flight.story(now.wall),
            forgotten = flight.forgotten(),
            unsaid,
            "the last decisions in a room in which something went wrong"
        );
    }

    /// Notes what has happened to a room, once, where it was decided: for the room's own last decisions, for the log at debug, and for
    /// whoever takes room events. `news` is asked for it only when one of them listens.
    pub(super) fn note_news(&mut self, room_key: RoomKey, now: Now, news: impl FnOnce(&Room) -> RoomNews) {
        let is_logged = tracing::enabled!(tracing::Level::DEBUG);
        let is_recorded = self.world.settings.rooms.is_recorded;
        if self.room_events.is_none() && !is_logged && !is_recorded {
            return;
        }
        let Some(Chronicle { room, decisions, label }) = self.rooms.chronicle(room_key) else {
            return;
        };
        let (at, what) = (now.wall, news(room));
        if is_recorded && let Some((player, what)) = decided_about(&what) {
            let decided = Decided { at, player, what };
            decisions.ring_of(room_key, room.id()).note(decided);
        }
        // Of places there is a line of the connection's already.
        if is_logged
            && !matches!(
                what,
                RoomNews::Joined { .. } | RoomNews::Left { .. } | RoomNews::Returned { .. }
            )
        {
            tracing::debug!(room_id = %room.id(), shard = %self.id, ?what, "news of a room");
        }
        let Some(room_events) = &mut self.room_events else {
            return;
        };
        let event = RoomEvent {
            room: RoomLabel::of(room, label),
            number: room.record_mut().next_event(),
            at,
            what,
        };
        if !room_events.say(event) {
            self.post.counters.room_events_dropped.add(1);
        }
    }

    /// Notes that a connection has got its place.
    pub(super) fn note_place(&self, at: ConnectionKey, happened: &str) {
        if !tracing::enabled!(tracing::Level::DEBUG) {
            return;
        }
        let Some(connection) = self.post.connections.get(at) else {
            return;
        };
        if let Some(place) = connection.place() {
            self.tell_of_place(&connection.session, place, happened);
        }
    }

    /// Notes that a connection has given up its place.
    pub(super) fn note_left(&self, at: ConnectionKey, place: Option<Place>) {
        if !tracing::enabled!(tracing::Level::DEBUG) {
            return;
        }
        if let (Some(connection), Some(place)) = (self.post.connections.get(at), place) {
            self.tell_of_place(&connection.session, place, "left a room");
        }
    }

    fn tell_of_place(&self, session: &Session, place: Place, happened: &str) {
        let id_of = |room_key| self.rooms.get(room_key).map(|room| room.id());
        let (room, role): (Option<RoomId>, _) = match place {
            Place::Seated(room_key) => (id_of(room_key), "player"),
            Place::Watching(room_key) => (id_of(room_key), "spectator"),
            Place::Posted(room) => (Some(room), "spectator"),
        };
        tracing::debug!(
            request_id = %session.request_id(),
            player_id = %session.player(),
            room_id = room.map(tracing::field::display),
            shard = %self.id,
            role,
            "{happened}"
        );
    }

    /// Notes that the server closes a connection.
    pub(super) fn note_closing(&mut self, at: ConnectionKey, code: Option<CloseCode>, now: Now) {
        self.record_of_connection(at, Decision::Closed(code), now);
        if let Some(code @ (CloseCode::SlowConsumer | CloseCode::ProtocolViolation)) = code {
            self.tell_last_decisions(at, code, now);
        }
        if let Some(Connection { session, .. }) = self.post.connections.get(at) {
            tracing::debug!(
                request_id = %session.request_id(),
                player_id = %session.player(),
                shard = %self.id,
                code = code.map(CloseCode::code),
                reason = code.map(CloseCode::reason),
                after_ms = now.mono_ms.saturating_sub(session.opened_at_ms()),
                "closing a connection"
            );
        }
    }

    /// Notes that a connection is over.
    pub(super) fn note_ended(&self, connection: &Connection<L>, now: Now) {
        let session = &connection.session;
        tracing::debug!(
            request_id = %session.request_id(),
            player_id = %session.player(),
            shard = %self.id,
            after_ms = now.mono_ms.saturating_sub(session.opened_at_ms()),
            queued = connection.account.queued_in_all(),
            lost = connection.outbox.unsent_frames(),
            "a connection has ended"
        );
    }
}

/// What news of a room are about somebody in it.
const fn decided_about(news: &RoomNews) -> Option<(PlayerId, Decision)> {
    match *news {
        RoomNews::Joined { player, .. } => Some((player, Decision::Joined)),
        RoomNews::Left {
            player,
            may_return: true,
        } => Some((player, Decision::Lost)),
        RoomNews::Left {
            player,
            may_return: false,
        } => Some((player, Decision::Left)),
        RoomNews::Returned { player } => Some((player, Decision::CameBack)),
        RoomNews::Removed { player, .. } => Some((player, Decision::Removed)),
        RoomNews::AuthorityMoved { to: Some(player) } => Some((player, Decision::Leads)),
        // Of a reader that is closed there is the close; who led before and who has started the game is known where it is done.
        RoomNews::SlowReader { .. }
        | RoomNews::AuthorityMoved { to: None }
        | RoomNews::GameStarted { .. }
        | RoomNews::Opened { .. }
        | RoomNews::Closed { .. } => None,
    }
}
