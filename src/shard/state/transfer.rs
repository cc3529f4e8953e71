//! A live connection on its way to another shard.

use crate::protocol::{PlayerId, ReconnectToken, Refusal, RoomCode, RoomId, Secret, ServerMessage};
use crate::session::Session;
use crate::shard::state::standing::Standing;
use crate::shard::state::traveller::Traveller;
use crate::shard::world::World;
use crate::shard::world::admission::ConnectionPermit;
use crate::shard::world::id::ShardId;
use crate::shard::world::slots::Slot;

/// Everything that a connection is, in one piece. Dropping it closes the connection: the link does that.
#[derive(Debug)]
#[must_use = "dropping a transfer closes the connection"]
pub struct Transfer<L> {
    /// How to reach the peer, with the bytes that arrived and are not yet served.
    pub link: L,
    pub(in crate::shard) traveller: Traveller,
    /// Its player stays connected by it, and has no place.
    pub(in crate::shard) standing: Standing,
    /// The place in the process-wide count; `None` for a connection that is only told that there is none.
    pub(in crate::shard) permit: Option<ConnectionPermit>,
    /// Why it moves: what the new shard does first.
    pub(in crate::shard) pending: Box<PendingRequest>,
    pub(in crate::shard) knows_of_drain: bool,
    /// Where it goes.
    pub(in crate::shard) target: ShardId,
}

impl<L> Transfer<L> {
    /// Where the connection goes.
    #[must_use]
    pub const fn target(&self) -> ShardId {
        self.target
    }
}

/// A validated request that only the room's home can answer.
#[derive(Debug, Clone, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub enum PendingRequest {
    /// To take a seat.
    Join(PendingJoin),
    /// To watch.
    Watch(PendingWatch),
    /// To take an old seat back.
    Return(PendingReturn),
}

/// A validated `JoinRoom`.
#[derive(Debug, Clone, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct PendingJoin {
    pub(in crate::shard) game_name: Box<str>,
    pub(in crate::shard) player_name: Box<str>,
    /// `None`: create a room and draw its code.
    pub(in crate::shard) room_code: Option<RoomCode>,
    /// The seats that a new room is to have; `None`: the client names no number.
    pub(in crate::shard) max_players: Option<u8>,
    pub(in crate::shard) supports_authority: bool,
    pub(in crate::shard) password: Option<Secret>,
    pub(in crate::shard) join_only: bool,
    /// When it came, in microseconds of the monotonic clock; 0: not to be measured.
    #[rkyv(with = rkyv::with::Skip)]
    pub(in crate::shard) asked_us: u64,
}

/// A validated `JoinAsSpectator`.
#[derive(Debug, Clone, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct PendingWatch {
    pub(in crate::shard) game_name: Box<str>,
    pub(in crate::shard) room_code: RoomCode,
    pub(in crate::shard) spectator_name: Box<str>,
    pub(in crate::shard) password: Option<Secret>,
}

/// A validated `Reconnect`.
#[derive(Debug, Clone, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct PendingReturn {
    pub(in crate::shard) player: PlayerId,
    pub(in crate::shard) room_id: RoomId,
    pub(in crate::shard) token: Secret,
    /// Whether the home that the token names knew nothing of the player, so that the room's home is asked.
    pub(in crate::shard) asks_rooms_home: bool,
}

impl PendingReturn {
    /// The slot that the token names, or else the room's id.
    pub(in crate::shard) fn slot(&self) -> Slot {
        let named = ReconnectToken::slot_of(self.token.expose()).filter(|_| !self.asks_rooms_home);
        Slot::new(named.unwrap_or_else(|| self.room_id.slot()))
    }

    /// The same, to be asked where the room's id leads; `None` if that was done, or would be the same.
    pub(in crate::shard) fn to_rooms_home(&self) -> Option<Self> {
        let next = Self {
            asks_rooms_home: true,
            ..self.clone()
        };
        (next.slot() != self.slot()).then_some(next)
    }
}

impl PendingJoin {
    /// The seats of the room, if it is made.
    pub(in crate::shard) fn seats(&self, session: &Session, general: u8) -> u8 {
        self.max_players.unwrap_or_else(|| session.default_seats(general))
    }
}

impl PendingWatch {
    /// The shard on which the room lives, if there is one.
    pub(in crate::shard) fn home(&self, world: &World) -> ShardId {
        world
            .slots
            .owner(world.slot_key.slot_of(&self.game_name, &self.room_code))
    }
}

impl PendingRequest {
    /// The shard that must run the pending request; `None` if any may: a room without a code is made where there is room.
    pub(in crate::shard) fn home(&self, world: &World) -> Option<ShardId> {
        let slot = match self {
            Self::Join(join) => world.slot_key.slot_of(&join.game_name, join.room_code.as_ref()?),
            Self::Watch(watch) => return Some(watch.home(world)),
            Self::Return(back) => back.slot(),
        };
        Some(world.slots.owner(slot))
    }

    /// The answer to the request when it is refused.
    pub(in crate::shard) fn refused<'a>(&self, why: &'a Refusal) -> ServerMessage<'a> {
        let (reason, error_code) = (&*why.text, why.code);
        match self {
            Self::Join(_) => ServerMessage::RoomJoinFailed { reason, error_code },
            Self::Watch(_) => ServerMessage::SpectatorJoinFailed { reason, error_code },
            Self::Return(_) => ServerMessage::ReconnectionFailed { reason, error_code },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending(token: &str) -> PendingReturn {
        PendingReturn {
            player: PlayerId::from_bytes([1; 16]),
            room_id: RoomId::in_slot(9, [0; 16]),
            token: Secret::new(token),
            asks_rooms_home: false,
        }
    }

    #[test]
    fn a_token_leads_home_and_the_room_id_does_when_there_is_none() {
        assert_eq!(pending("12345678-9abc-4def-8123-456789abcdef").slot().number(), 0x123);
        assert_eq!(pending("guess").slot().number(), 9);
    }

    #[test]
    fn the_rooms_home_is_asked_once_after_the_tokens() {
        let next = pending("12345678-9abc-4def-8123-456789abcdef").to_rooms_home();
        let next = next.expect("another slot");
        assert_eq!(next.slot().number(), 9);
        assert!(next.to_rooms_home().is_none());
        assert!(pending("guess").to_rooms_home().is_none());
        assert!(
            pending("00912345-9abc-4def-8123-456789abcdef")
                .to_rooms_home()
                .is_none()
        );
    }
}
