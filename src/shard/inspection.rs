//! One room as operators see it, with everybody in it and how each is connected.
//!
//! Nothing of this is kept up to date: whoever wants to know asks. Must never change a room, and must never show what opens
//! a door: passwords, tokens.

use serde::Serialize;
use uuid::Uuid;

use crate::protocol::{GameDataFormat, PlayerId, RoomId, WallTime};
use crate::room::{ConnectionKey, Watcher};
use crate::session::ClientAddress;
use crate::shard::Shard;
use crate::shard::showing::{RoomView, view};
use crate::shard::state::connection::Connection;
use crate::shard::state::flight::{Decided, FlightRecorder};
use crate::shard::state::tail::{FrameSample, Tail};
use crate::shard::world::id::ShardId;
use crate::shard::world::now::Now;

/// The most spectators that are shown. Players are all shown: a room has 255 at most.
const MAX_SPECTATORS: usize = 128;

/// A room.
#[derive(Debug, Clone, Serialize)]
pub struct RoomInside {
    /// What a list says of it.
    #[serde(flatten)]
    pub room: RoomView,
    /// Where it lives.
    pub shard: ShardId,
    /// Who sits in it.
    pub members: Vec<MemberView>,
    /// Who watches it.
    pub watching: SpectatorsView,
    /// What was decided last, oldest first.
    pub decisions: Vec<Decided>,
    /// How many older decisions are not kept.
    pub forgotten: u64,
    /// Some of the newest game data, oldest first; `None`: nobody has asked for it.
    pub frames: Option<Vec<FrameSample>>,
}

/// Those who watch.
#[derive(Debug, Clone, Serialize)]
pub struct SpectatorsView {
    /// Some of them.
    pub shown: Vec<MemberView>,
    /// How many more there are.
    pub more: usize,
}

/// Where somebody is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Spot {
    /// Where the room lives.
    Here,
    /// At an outpost of the room, of which only that much is known here.
    Outpost(ShardId),
}

/// What waits for somebody.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct QueueView {
    /// Frames.
    pub frames: usize,
    /// Bytes of them.
    pub bytes: usize,
    /// For how long the oldest has waited.
    pub age_ms: u64,
}

/// Somebody who sits in a room or watches it.
#[derive(Debug, Clone, Serialize)]
pub struct MemberView {
    /// Under which id.
    pub id: PlayerId,
    /// Under which name. Whoever bears it has chosen it.
    pub name: Box<str>,
    /// Since when.
    pub joined_at: WallTime,
    /// Where it is connected.
    pub spot: Spot,
    /// Whether it is ready to start.
    pub is_ready: bool,
    /// The messages that it has sent since it took its seat.
    pub sent_messages: u64,
    /// What is known of its connection, where it is connected here.
    pub connection: Option<ConnectionView>,
}

/// The connection of somebody in a room.
#[derive(Debug, Clone, Serialize)]
pub struct ConnectionView {
    /// Its id in the log, from its upgrade to its end.
    pub request_id: Uuid,
    /// Where it comes from.
    pub address: Box<str>,
    /// The version that it reads.
    pub version: u16,
    /// The encoding that it reads.
    pub encoding: GameDataFormat,
    /// How long its system takes to acknowledge what is sent to it, smoothed.
    pub round_trip_us: Option<u32>,
    /// What waits for it.
    pub queue: QueueView,
    /// Whether its socket was offered more than it took.
    pub is_behind: bool,
    /// Ranges of missing messages that it has yet to be told of, or remembers.
    pub gaps: usize,
    /// Messages that it did not get.
    pub missed: u64,
    /// Messages queued for it, those of the server too.
    pub received_messages: u64,
    /// Bytes that its socket took.
    pub received_bytes: u64,
    /// How often its socket was full.
    pub times_full: u64,
    /// For how long it was not read because others could not keep up with it.
    pub paced_ms: u64,
    /// Whether that is so now.
    pub is_paced: bool,
    /// When the last frame came from it.
    pub silent_ms: u64,
    /// Whether it is being closed.
    pub is_closing: bool,
}

impl ConnectionView {
    fn of<L>(connection: &Connection<L>, round_trip_us: Option<u32>, now: Now) -> Self {
        let Connection {
            outbox,
            session,
            account,
            uptake,
            ..
        } = connection;
        let dialect = session.dialect();
        let paced_now_ms = connection
            .paced_since_ms
            .map_or(0, |since_ms| now.mono_ms.saturating_sub(since_ms));
        let queued_at_ms = outbox.oldest_queued_at_ms(false);
        Self {
            request_id: session.request_id(),
            address: shown(session.address()),
            version: dialect.version.number(),
            encoding: dialect.format,
            round_trip_us,
            queue: QueueView {
                frames: outbox.unsent_frames(),
                bytes: outbox.unsent_bytes(),
                age_ms: queued_at_ms.map_or(0, |at_ms| now.mono_ms.saturating_sub(at_ms)),
            },
            is_behind: uptake.is_behind(),
            gaps: outbox.gaps_outstanding(),
            missed: account.missed(),
            received_messages: account.queued_in_all(),
            received_bytes: uptake.sent_bytes(),
            times_full: account.waits(),
            paced_ms: connection.paced_ms + paced_now_ms,
            is_paced: connection.paced_since_ms.is_some(),
            silent_ms: now.mono_ms.saturating_sub(connection.last_inbound_ms),
            is_closing: connection.is_closing(),
        }
    }
}

/// An address, and whether others have it too.
fn shown(address: ClientAddress) -> Box<str> {
    let mut text = address.to_string();
    if address.is_shared() {
        text.push_str(" (shared)");
    }
    text.into()
}

impl<L> Shard<L> {
    /// Keeps some of the game data of a room that lives here, for five seconds from now on or from the next call.
    pub fn look_at_frames(&mut self, id: RoomId, now: Now) {
        if let Some(room_key) = self.rooms.with_id(id) {
            self.rooms.look_at_tail(room_key, now);
        }
    }

    /// A room that lives here, with everybody in it; `None`: there is none. `round_trip_us` is asked of each link.
    #[must_use]
    pub fn room_inside(&self, id: RoomId, round_trip_us: impl Fn(&L) -> Option<u32>, now: Now) -> Option<RoomInside> {
        let room_key = self.rooms.with_id(id)?;
        let room = self.rooms.get(room_key)?;
        let connected = |at: ConnectionKey| {
            let connection = self.post.connections.get(at)?;
            Some(ConnectionView::of(connection, round_trip_us(&connection.link), now))
        };
        let members = room.roster().seated().map(|(member, seat)| {
            let info = room.player_info(seat);
            MemberView {
                id: info.id,
                name: info.name.into(),
                joined_at: info.connected_at,
                spot: Spot::Here,
                is_ready: info.is_ready,
                sent_messages: info.stamp.seq,
                connection: connected(member.connection),
            }
        });
        let watching = room.gallery().watchers().take(MAX_SPECTATORS).map(|(watcher, info)| {
            let here = match watcher {
                Watcher::Here(at) => connected(at),
                Watcher::Outpost { .. } => None,
            };
            MemberView {
                id: info.id,
                name: info.name.into(),
                joined_at: info.connected_at,
                spot: match watcher {
                    Watcher::Here(_) => Spot::Here,
                    Watcher::Outpost { number, .. } => Spot::Outpost(ShardId(number)),
                },
                is_ready: false,
                sent_messages: 0,
                connection: here,
            }
        });
        let flight = self.rooms.flight(room_key);
        Some(RoomInside {
            room: view(room, now),
            shard: self.id,
            members: members.collect(),
            watching: SpectatorsView {
                shown: watching.collect(),
                more: room.gallery().len().saturating_sub(MAX_SPECTATORS),
            },
            decisions: flight
                .as_deref()
                .map_or_else(Vec::new, |flight| flight.decisions().copied().collect()),
            forgotten: flight.as_deref().map_or(0, FlightRecorder::forgotten),
            frames: self.rooms.tail(room_key).map(Tail::samples),
        })
    }
}
