//! What happens in a room while somebody is absent, kept to be told on the return.
//!
//! Owns the newest events, bounded in number and in bytes; an event that is pushed out is counted. Keeps what happened and
//! no text: that is written for one reader when it is told. Must never keep a roster, which grows with the gallery.

use std::collections::VecDeque;
use std::mem::size_of;

use crate::protocol::server_message::{GallerySight, PlayerInfo, SpectatorInfo, SpectatorReason};
use crate::protocol::{LobbyState, PlayerId, ServerMessage, Stamp, WallTime};

/// The most bytes of events that a room keeps. Some 600 events; those of a full lobby of 255 who toggle are larger.
const MAX_EVENT_BYTES: usize = 64 * 1024;

/// Something that happened in a room while somebody was absent.
#[derive(Debug, Clone, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub enum MissedEvent {
    /// A seat was taken.
    PlayerJoined(Portrait),
    /// A seat was taken back.
    PlayerReconnected(Portrait),
    /// A seat was freed.
    PlayerLeft {
        /// Whose.
        player: PlayerId,
        /// The last stamp that the player used.
        last: Stamp,
    },
    /// Readiness changed.
    LobbyStateChanged {
        /// Where the room stood.
        lobby_state: LobbyState,
        /// Who was ready.
        ready_players: Box<[PlayerId]>,
        /// Whether everybody was.
        all_ready: bool,
    },
    /// The authority moved. Told only if it has not moved again.
    AuthorityChanged(Option<PlayerId>),
    /// Somebody began to watch.
    SpectatorCame {
        /// Who.
        spectator: PlayerId,
        /// Its display name.
        name: Box<str>,
        /// When.
        connected_at: WallTime,
        /// How many watched then.
        spectators: u32,
    },
    /// Somebody watched no longer.
    SpectatorWent {
        /// Who.
        spectator: PlayerId,
        /// Why.
        reason: SpectatorReason,
        /// How many watched then.
        spectators: u32,
    },
}

/// A player as the room was told of it.
#[derive(Debug, Clone, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct Portrait {
    player: PlayerId,
    name: Box<str>,
    is_authority: bool,
    is_ready: bool,
    connected_at: WallTime,
    stamp: Stamp,
}

impl Portrait {
    fn of(player: &PlayerInfo<'_>) -> Self {
        debug_assert!(player.connection_info.is_none(), "a seat begins without");
        Self {
            player: player.id,
            name: player.name.into(),
            is_authority: player.is_authority,
            is_ready: player.is_ready,
            connected_at: player.connected_at,
            stamp: player.stamp,
        }
    }

    fn info(&self) -> PlayerInfo<'_> {
        PlayerInfo {
            id: self.player,
            name: &self.name,
            is_authority: self.is_authority,
            is_ready: self.is_ready,
            connected_at: self.connected_at,
            connection_info: None,
            stamp: self.stamp,
        }
    }
}

impl MissedEvent {
    /// What is kept of a message to a room; `None` if it is none of those that are told again.
    #[must_use]
    pub fn of(message: &ServerMessage<'_>) -> Option<Self> {
        Some(match message {
            ServerMessage::PlayerJoined { player } => Self::PlayerJoined(Portrait::of(player)),
            ServerMessage::PlayerReconnected { player } => Self::PlayerReconnected(Portrait::of(player)),
            ServerMessage::PlayerLeft { player_id, last } => Self::PlayerLeft {
                player: *player_id,
                last: *last,
            },
            ServerMessage::LobbyStateChanged {
                lobby_state,
                ready_players,
                all_ready,
            } => Self::LobbyStateChanged {
                lobby_state: *lobby_state,
                ready_players: ready_players.as_slice().into(),
                all_ready: *all_ready,
            },
            ServerMessage::AuthorityChanged { authority_player, .. } => Self::AuthorityChanged(*authority_player),
            ServerMessage::NewSpectatorJoined { spectator, gallery } => Self::SpectatorCame {
                spectator: spectator.id,
                name: spectator.name.into(),
                connected_at: spectator.connected_at,
                spectators: gallery.count as u32,
            },
            ServerMessage::SpectatorDisconnected {
                spectator_id,
                reason,
                gallery,
            } => Self::SpectatorWent {
                spectator: *spectator_id,
                reason: *reason,
                spectators: gallery.count as u32,
            },
            _ => return None,
        })
    }

    /// The message to `reader`. A change of the authority is told if `authority` still holds it. With `everybody` who
    /// watches now, for a reader who is shown the whole gallery.
    #[must_use]
    pub fn message<'a>(
        &'a self,
        reader: PlayerId,
        authority: Option<PlayerId>,
        everybody: Vec<SpectatorInfo<'a>>,
    ) -> Option<ServerMessage<'a>> {
        Some(match self {
            Self::PlayerJoined(portrait) => ServerMessage::PlayerJoined {
                player: portrait.info(),
            },
            Self::PlayerReconnected(portrait) => ServerMessage::PlayerReconnected {
                player: portrait.info(),
            },
            Self::PlayerLeft { player, last } => ServerMessage::PlayerLeft {
                player_id: *player,
                last: *last,
            },
            Self::LobbyStateChanged {
                lobby_state,
                ready_players,
                all_ready,
            } => ServerMessage::LobbyStateChanged {
                lobby_state: *lobby_state,
                ready_players: ready_players.to_vec(),
                all_ready: *all_ready,
            },
            Self::AuthorityChanged(told) if *told == authority => ServerMessage::AuthorityChanged {
                authority_player: authority,
                you_are_authority: authority == Some(reader),
            },
            Self::AuthorityChanged(_) => return None,
            Self::SpectatorCame {
                spectator,
                name,
                connected_at,
                spectators,
            } => ServerMessage::NewSpectatorJoined {
                spectator: SpectatorInfo {
                    id: *spectator,
                    name,
                    connected_at: *connected_at,
                },
                gallery: GallerySight {
                    count: *spectators as usize,
                    everybody,
                },
            },
            Self::SpectatorWent {
                spectator,
                reason,
                spectators,
            } => ServerMessage::SpectatorDisconnected {
                spectator_id: *spectator,
                reason: *reason,
                gallery: GallerySight {
                    count: *spectators as usize,
                    everybody,
                },
            },
        })
    }

    /// Whom it is about; that player is not told of it.
    #[must_use]
    pub const fn about(&self) -> Option<PlayerId> {
        match self {
            Self::PlayerJoined(portrait) | Self::PlayerReconnected(portrait) => Some(portrait.player),
            Self::PlayerLeft { player, .. } => Some(*player),
            Self::SpectatorCame { spectator, .. } | Self::SpectatorWent { spectator, .. } => Some(*spectator),
            Self::LobbyStateChanged { .. } | Self::AuthorityChanged(_) => None,
        }
    }

    /// Whether it is about somebody who watches.
    #[must_use]
    pub const fn is_of_gallery(&self) -> bool {
        matches!(self, Self::SpectatorCame { .. } | Self::SpectatorWent { .. })
    }

    /// What it costs to keep, in bytes.
    fn weight(&self) -> usize {
        let apart = match self {
            Self::PlayerJoined(portrait) | Self::PlayerReconnected(portrait) => portrait.name.len(),
            Self::LobbyStateChanged { ready_players, .. } => size_of_val::<[PlayerId]>(ready_players),
            Self::SpectatorCame { name, .. } => name.len(),
            Self::PlayerLeft { .. } | Self::AuthorityChanged(_) | Self::SpectatorWent { .. } => 0,
        };
        size_of::<Self>() + apart
    }
}

/// The newest events of a room, numbered from the first disconnected seat on.
#[derive(Debug, Default, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(super) struct MissedEvents {
    events: VecDeque<MissedEvent>,
    weight_bytes: u64,
    /// How many older events were pushed out.
    pushed_out: u64,
}

impl MissedEvents {
    /// The number that the next event gets.
    pub(super) fn next_number(&self) -> u64 {
        self.pushed_out + self.events.len() as u64
    }

    /// Keeps an event. The oldest are pushed out while there are more than `limit`, or they are too large together.
    /// Returns how many those were.
    pub(super) fn keep(&mut self, event: MissedEvent, limit: usize) -> u64 {
        let pushed_out_before = self.pushed_out;
        self.weight_bytes += event.weight() as u64;
        self.events.push_back(event);
        while self.events.len() > limit || self.weight_bytes > MAX_EVENT_BYTES as u64 {
            let Some(oldest) = self.events.pop_front() else { break };
            self.weight_bytes -= oldest.weight() as u64;
            self.pushed_out += 1;
        }
        self.pushed_out - pushed_out_before
    }

    /// How many are kept.
    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    /// The events from a number on, and whether some of these were pushed out.
    pub(super) fn since(&self, number: u64) -> (impl Iterator<Item = &MissedEvent>, bool) {
        let seen = usize::try_from(number.saturating_sub(self.pushed_out)).unwrap_or(usize::MAX);
        (self.events.iter().skip(seen), number < self.pushed_out)
    }

    /// How much is kept, in bytes.
    #[cfg(test)]
    pub(super) const fn weight_bytes(&self) -> u64 {
        self.weight_bytes
    }
}
