//! What the operator decided, in the form in which shards use it.

use std::collections::BTreeMap;

use crate::budget::BudgetLimits;
use crate::protocol::{GameDataFormat, Topology};
use crate::room::SessionRules;
use crate::session::{AccessPolicy, HandshakePolicy};
use crate::shard::world::ice::IceRules;

/// Everything that every shard of a process agrees on. Validated before the first thread.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who is let in at the start; [`World::access`](super::World) has who is let in now.
    pub access: AccessPolicy,
    /// What a handshake must be like.
    pub handshake: HandshakePolicy,
    /// What a connection may spend.
    pub budgets: BudgetLimits,
    /// What rooms may be.
    pub rooms: RoomRules,
    /// How large messages may be.
    pub messages: MessageLimits,
    /// When a slow reader has had enough.
    pub outbox: OutboxLimits,
    /// When a fast sender is held back for readers that read.
    pub pacing: PacingRules,
    /// What readers on version 3 are told of their delivery, and when it is spared them.
    pub delivery: DeliveryRules,
    /// How the players of started games may reach each other.
    pub peer_sessions: PeerSessionRules,
    /// What is kept of players whose connection was lost.
    pub reconnection: ReconnectionRules,
    /// How silent peers are found.
    pub liveness: LivenessRules,
    /// How long the server waits for the peer's half of a closing handshake, in milliseconds.
    pub close_timeout_ms: u64,
}

/// Delivery on version 3.
#[derive(Debug, Clone)]
pub struct DeliveryRules {
    /// Frames that may wait for a slow reader before `volatile` and `latest` data is left out.
    pub droppable_frames: usize,
    /// How often every connection is told what it was sent, in milliseconds; `None`: never.
    pub stats_interval_ms: Option<u64>,
}

/// How the players of started games may reach each other.
#[derive(Debug, Clone)]
pub struct PeerSessionRules {
    /// The most that is wanted, in the order relay, host, mesh.
    pub topology: Topology,
    /// The same for single games.
    pub topologies_by_game: BTreeMap<String, Topology>,
    /// Whether WebRTC may be chosen.
    pub allows_webrtc: bool,
    /// Whether direct connections may be chosen.
    pub allows_direct: bool,
    /// Whether players are told ICE servers before the game starts.
    pub pregathers_ice: bool,
    /// Which.
    pub ice: IceRules,
}

impl PeerSessionRules {
    /// What is allowed to the sessions of one game.
    #[must_use]
    pub fn of(&self, game_name: &str) -> SessionRules {
        SessionRules {
            ceiling: *self.topologies_by_game.get(game_name).unwrap_or(&self.topology),
            allows_webrtc: self.allows_webrtc,
            allows_direct: self.allows_direct,
        }
    }
}

/// What is kept of players whose connection was lost.
#[derive(Debug, Clone)]
pub struct ReconnectionRules {
    /// Whether anything is.
    pub is_enabled: bool,
    /// For how long, in milliseconds.
    pub window_ms: u64,
    /// How many of a room's events are kept for them.
    pub event_limit: usize,
}

/// How silent peers are found. All in milliseconds.
#[derive(Debug, Clone)]
pub struct LivenessRules {
    /// A connection that sends nothing at all for this long is closed; `None`: never.
    pub idle_timeout_ms: Option<u64>,
    /// A connection without any activity that counts for this long is closed; `None`: never.
    pub activity_timeout_ms: Option<u64>,
    /// A peer that has been silent for this long is asked whether it is there; `None`: never.
    pub ping_interval_ms: Option<u64>,
    /// How long it has to answer.
    pub pong_timeout_ms: u64,
}

/// What rooms may be.
#[derive(Debug, Clone)]
pub struct RoomRules {
    /// Characters of a room code.
    pub code_length: usize,
    /// What generated codes begin with.
    pub code_prefix: Option<String>,
    /// The most bytes of a game name.
    pub max_game_name_bytes: usize,
    /// The most seats that can be asked for.
    pub max_players: u8,
    /// Seats of a room whose creator names no number.
    pub default_players: u8,
    /// Spectators of a room; `None`: twice its seats, `Some(0)`: any number.
    pub default_spectators: Option<u8>,
    /// Members that a room has at its home before further spectators stay where they were accepted; `None`: they never do.
    pub outpost_members: Option<usize>,
    /// How long an empty room is kept after its last activity, in milliseconds.
    pub empty_timeout_ms: u64,
    /// How long an occupied room is kept after the last sign of life of anybody in it, in milliseconds.
    pub inactive_timeout_ms: u64,
    /// How often rooms are looked over, in milliseconds.
    pub sweep_interval_ms: u64,
    /// The share of its time that a shard may spend in turns before it takes no new room; `None`: all of it.
    pub refuse_above_busy: Option<f64>,
    /// Whether rooms keep what was decided in them last.
    pub is_recorded: bool,
    /// The label that snapshots carry.
    pub relay_type: String,
    /// Labels of single games.
    pub relay_types_by_game: BTreeMap<String, String>,
}

impl RoomRules {
    /// The most spectators of a room with so many seats; `None`: any number.
    #[must_use]
    pub fn max_spectators(&self, max_players: u8) -> Option<u16> {
        match self.default_spectators {
            None => Some(u16::from(max_players.saturating_mul(2))),
            Some(0) => None,
            Some(limit) => Some(limit.into()),
        }
    }

    /// The label of a game's rooms.
    #[must_use]
    pub fn relay_type_of(&self, game_name: &str) -> &str {
        self.relay_types_by_game.get(game_name).unwrap_or(&self.relay_type)
    }
}

/// How large messages may be, in bytes.
#[derive(Debug, Clone)]
pub struct MessageLimits {
    /// The largest inbound message that is served. Up to twice that is refused politely, more ends the connection.
    pub max_inbound_bytes: usize,
    /// The largest outbound message; one that would be larger ends its receiver's connection.
    pub max_outbound_bytes: usize,
    /// Frames that one message may be cut into.
    pub max_fragments: u32,
    /// The largest connection info, as canonical JSON.
    pub max_connection_info_bytes: usize,
    /// The largest body of a signal, as it comes.
    pub max_signal_bytes: usize,
    /// Caps on the payload of single encodings.
    pub max_game_data_bytes: Vec<(GameDataFormat, usize)>,
}

impl MessageLimits {
    /// The cap on game-data payloads of one encoding.
    #[must_use]
    pub fn game_data_cap(&self, format: GameDataFormat) -> Option<usize> {
        self.max_game_data_bytes
            .iter()
            .find(|(capped, _)| *capped == format)
            .map(|(_, cap)| *cap)
    }
}

/// When a slow reader has had enough.
#[derive(Debug, Clone)]
pub struct OutboxLimits {
    /// The most bytes that may wait for one connection.
    pub max_bytes: usize,
    /// How long a frame may wait, in milliseconds.
    pub max_age_ms: u64,
    /// How long a full socket may take nothing, in milliseconds.
    pub stall_timeout_ms: u64,
}

/// When a fast sender is held back for readers that read.
#[derive(Debug, Clone)]
pub struct PacingRules {
    /// Bytes a second that every sender may say, whoever is slow to read them; and the least that a reader must acknowledge to be
    /// waited for.
    pub free_rate_bytes: u64,
    /// Bytes beyond that rate that a sender may say at once.
    pub burst_bytes: u64,
}
