//! What a game's own backend is asked about a client, and what it may say.
//!
//! Owns questions and verdicts as values. Must never know how a backend is reached, or who waits for it.

use super::address::ClientAddress;
use crate::protocol::{AppId, ErrorCode, PlayerId, Reason, RoomCode, Secret};

/// Which requests are put to the backend beside handshakes, and what becomes of them when it says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckRules {
    /// Requests that may make a room.
    pub creates: bool,
    /// Requests to enter a room that is named, as a player or a spectator.
    pub joins: bool,
    /// Whether whoever the backend says nothing about is let in.
    pub fails_open: bool,
    /// How long the backend may take.
    pub timeout_ms: u64,
}

/// Something that the backend is asked. Two that are equal have the same answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessQuestion {
    /// Where the client comes from.
    pub address: ClientAddress,
    /// The application that it names.
    pub app: Option<AppId>,
    /// Who the backend said that it is, in an earlier verdict.
    pub user: Option<Box<str>>,
    /// What it wants.
    pub wish: Wish,
}

/// What a client wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// To talk at all.
    Handshake {
        /// The credential that it shows; one that the server can check itself is good.
        connect_token: Option<Secret>,
        /// Its platform, as it says.
        platform: Option<String>,
        /// The version of its SDK, as it says.
        sdk_version: Option<String>,
        /// The version that will be spoken.
        protocol_version: u16,
    },
    /// A new room.
    Create {
        /// Who wants it.
        player: PlayerId,
        /// The game.
        game_name: Box<str>,
        /// The name that the player wants.
        player_name: Box<str>,
        /// Its seats.
        max_players: u8,
    },
    /// A seat in a room.
    Join {
        /// Who wants it.
        player: PlayerId,
        /// The game.
        game_name: Box<str>,
        /// The room's code.
        room_code: RoomCode,
        /// The name that the player wants.
        player_name: Box<str>,
        /// Whether the room is made if there is none.
        may_create: bool,
    },
    /// To watch a room.
    Watch {
        /// Who wants to.
        player: PlayerId,
        /// The game.
        game_name: Box<str>,
        /// The room's code.
        room_code: RoomCode,
        /// The name that the spectator wants.
        spectator_name: Box<str>,
    },
}

/// What the backend says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The request is served.
    Allowed(Grant),
    /// It is refused, and the client is told why.
    Denied(Box<str>),
}

/// What a verdict gives to a client. Whatever it leaves out stays as it was.
#[derive(Debug, Clone, Default, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct Grant {
    /// Who the client is: told with later questions, and nowhere else.
    pub user: Option<Box<str>>,
    /// Its name in every room, whatever it asks for.
    pub display_name: Option<Box<str>>,
    /// The seats of a room that it makes, at most.
    pub max_players_per_room: Option<u8>,
    /// Bytes that it may relay in a window.
    pub relay_bytes: Option<u64>,
}

impl Grant {
    pub(super) fn renew(&mut self, newer: Self) {
        let Self {
            user,
            display_name,
            max_players_per_room,
            relay_bytes,
        } = newer;
        self.user = user.or(self.user.take());
        self.display_name = display_name.or(self.display_name.take());
        self.max_players_per_room = max_players_per_room.or(self.max_players_per_room);
        self.relay_bytes = relay_bytes.or(self.relay_bytes);
    }
}

/// Why there is no verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoVerdict {
    /// Too many are waiting for one.
    #[error("too many are being checked; try again in a moment")]
    Crowded,
    /// This server did not get to it: it has too much to do, or stops.
    #[error("the server did not get to check you; try again in a moment")]
    Unattended,
    /// The backend was asked, and did not say it in time.
    #[error("the game's backend did not say in time whether you may; try again in a moment")]
    Late,
    /// Nobody can be asked.
    #[error("the game's backend cannot be reached; try again in a moment")]
    Unreachable,
    /// What was said is no verdict.
    #[error("the game's backend gave no answer of use; try again in a moment")]
    Unreadable,
}

impl NoVerdict {
    /// Whether it is for want of something of the server's own: that says nothing of the backend, and lets nobody in.
    #[must_use]
    pub const fn is_ours(self) -> bool {
        matches!(self, Self::Crowded | Self::Unattended)
    }
}

impl Reason for NoVerdict {
    fn code(&self) -> ErrorCode {
        ErrorCode::ServiceUnavailable
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_verdict_changes_what_it_names() {
        let mut grant = Grant::default();
        grant.renew(Grant {
            user: Some("u-1".into()),
            relay_bytes: Some(9),
            ..Grant::default()
        });
        grant.renew(Grant {
            relay_bytes: Some(7),
            max_players_per_room: Some(2),
            ..Grant::default()
        });
        let expected = Grant {
            user: Some("u-1".into()),
            display_name: None,
            max_players_per_room: Some(2),
            relay_bytes: Some(7),
        };
        assert_eq!(grant, expected);
    }
}
