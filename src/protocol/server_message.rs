//! Control messages to clients, as the server means them.
//!
//! A [`ServerMessage`] holds everything that any receiver may be told. What a receiver of one version really sees is
//! decided in `projection` and nowhere else. Game data never takes this road: it is spliced, see
//! [`game_data`](super::game_data).

use serde::Serialize;
use serde_json::value::RawValue;

use super::delivery::{DeliveryCounts, Gap};
use super::{
    ConnectionInfo, ErrorCode, GameDataFormat, IceServer, NameRules, OperationId, OperationResult, PlanId, PlayerId,
    ProtocolVersion, ReconnectToken, Refusal, RoomCode, RoomId, SessionPlan, Stamp, TransportStatus, WallTime,
};

/// A control message, borrowing what it tells from the state that it tells about.
#[derive(Debug, Clone)]
pub enum ServerMessage<'a> {
    /// The handshake succeeded.
    Authenticated {
        /// The registered name of the application.
        app_name: &'a str,
        /// Advisory rates.
        rate_limits: AdvisoryRates,
    },
    /// What the connection may rely on; follows `Authenticated`.
    ProtocolInfo(ProtocolInfo<'a>),
    /// The handshake was refused.
    AuthenticationError {
        /// For people.
        error: &'a str,
        /// For programs.
        error_code: ErrorCode,
    },
    /// The receiver has a seat; the snapshot is a fence, every later event is newer.
    RoomJoined(RoomSnapshot<'a>),
    /// The receiver got no seat.
    RoomJoinFailed {
        /// For people.
        reason: &'a str,
        /// For programs.
        error_code: ErrorCode,
    },
    /// The receiver gave up its seat.
    RoomLeft,
    /// Somebody else took a seat.
    PlayerJoined {
        /// The newcomer.
        player: PlayerInfo<'a>,
    },
    /// Somebody else gave up a seat.
    PlayerLeft {
        /// Who left.
        player_id: PlayerId,
        /// The last epoch and sequence number that the player used.
        last: Stamp,
    },
    /// Readiness changed.
    LobbyStateChanged {
        /// Where the room stands.
        lobby_state: LobbyState,
        /// Who is ready.
        ready_players: Vec<PlayerId>,
        /// Whether everybody is.
        all_ready: bool,
    },
    /// The game was started.
    GameStarting {
        /// Every seated player, the receiver included.
        peers: Vec<PeerInfo<'a>>,
    },
    /// The authority moved.
    AuthorityChanged {
        /// Who holds it now.
        authority_player: Option<PlayerId>,
        /// Whether that is the receiver.
        you_are_authority: bool,
    },
    /// The answer to an authority request.
    AuthorityResponse {
        /// `None` when granted.
        refusal: Option<&'a Refusal>,
    },
    /// The receiver watches; the snapshot is a fence, every later event is newer.
    SpectatorJoined(SpectatorSnapshot<'a>),
    /// The receiver watches no longer.
    SpectatorLeft {
        /// The room, while there is one.
        room_id: Option<RoomId>,
        /// The room's code, while there is one.
        room_code: Option<&'a RoomCode>,
        /// Why.
        reason: SpectatorReason,
        /// Who still watches.
        current_spectators: Vec<SpectatorInfo<'a>>,
    },
    /// Somebody else watches now.
    NewSpectatorJoined {
        /// The newcomer.
        spectator: SpectatorInfo<'a>,
        /// Who watches, the newcomer included.
        gallery: GallerySight<'a>,
    },
    /// Somebody else watches no longer.
    SpectatorDisconnected {
        /// Who.
        spectator_id: PlayerId,
        /// Why.
        reason: SpectatorReason,
        /// Who still watches.
        gallery: GallerySight<'a>,
    },
    /// The receiver may not watch.
    SpectatorJoinFailed {
        /// For people.
        reason: &'a str,
        /// For programs.
        error_code: ErrorCode,
    },
    /// The receiver has its old seat back; the snapshot is a fence, and what it missed is older.
    Reconnected(Reconnected<'a>),
    /// Somebody who was absent has its seat back.
    PlayerReconnected {
        /// Who came back.
        player: PlayerInfo<'a>,
    },
    /// The receiver's old seat was not given back.
    ReconnectionFailed {
        /// For people.
        reason: &'a str,
        /// For programs.
        error_code: ErrorCode,
    },
    /// What the receiver misses, before anything later of the same senders (v3).
    DeliveryReport {
        /// Since the connection was opened, these gaps included.
        counts: DeliveryCounts,
        /// At most [`Gap::MAX_IN_REPORT`].
        gaps: &'a [Gap],
    },
    /// What the receiver was sent since it connected (v3).
    RelayStats {
        /// How often this is told.
        interval_ms: u64,
        /// Messages queued for it.
        sent_to_you: u64,
        /// Messages that it missed.
        dropped_for_you: u64,
        /// How often it was too slow.
        backpressure_events: u64,
    },
    /// The very first message of a bound connection: what its proofs are made of.
    TokenBindingChallenge {
        /// The version of the scheme.
        version: u8,
        /// How keys are derived and proofs made.
        scheme: &'a str,
        /// What the server drew, in base64.
        nonce: &'a str,
        /// The number of the first frame.
        first_sequence: u64,
    },
    /// Whom the receiver connects to from now on (v3).
    SessionPlan(SessionPlan<'a>),
    /// Another member's WebRTC signalling (v3).
    Signal {
        /// Who sent it.
        from: PlayerId,
        /// The plan that the sender believes in.
        generation: PlanId,
        /// The body as it came.
        signal: &'a RawValue,
    },
    /// What another member says of its connection to its peers (v3).
    PeerTransportStatus {
        /// Who says so.
        peer_id: PlayerId,
        /// What it says.
        status: TransportStatus,
    },
    /// The answer to a room operation (v3).
    RoomOperationResult {
        /// The request's id.
        operation_id: OperationId,
        /// The answer itself.
        result: OperationAnswer<'a>,
    },
    /// The server is about to stop (v3).
    GoingAway(GoingAway),
    /// The answer to `Ping`.
    Pong,
    /// A request was refused, or the connection is about to end.
    Error {
        /// For people.
        message: &'a str,
        /// For programs.
        error_code: ErrorCode,
    },
}

/// The answer to a room operation.
#[derive(Debug, Clone)]
pub enum OperationAnswer<'a> {
    /// What the plain request would be answered with.
    Plain(&'a ServerMessage<'a>),
    /// What only an operation is answered with.
    Own(OperationResult<'a>),
}

/// Where a room stands between its creation and its game.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LobbyState {
    /// Momentary: only the creator's own snapshot says so.
    Waiting,
    /// Players gather and get ready.
    Lobby,
    /// The game was started. Terminal.
    Finalized,
}

/// Why somebody watches, or no longer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpectatorReason {
    /// It asked to.
    Joined,
    /// It asked to leave.
    VoluntaryLeave,
    /// Its connection ended.
    Disconnected,
    /// The room's authority removed it.
    Removed,
    /// The room was deleted.
    RoomClosed,
}

/// A spectator as room mates may see it.
#[derive(Debug, Clone)]
pub struct SpectatorInfo<'a> {
    /// The connection's id.
    pub id: PlayerId,
    /// The display name.
    pub name: &'a str,
    /// When it began to watch.
    pub connected_at: WallTime,
}

/// A gallery as its changes tell of it.
#[derive(Debug, Clone)]
pub struct GallerySight<'a> {
    /// How many watch: all that version 3 is told.
    pub count: usize,
    /// Everybody who watches. Looked at for version 2 only: empty where nobody reads that, since it costs as much as the
    /// gallery is large.
    pub everybody: Vec<SpectatorInfo<'a>>,
}

/// A room as a spectator may see it at the moment of joining.
#[derive(Debug, Clone)]
pub struct SpectatorSnapshot<'a> {
    /// The room's id.
    pub room_id: RoomId,
    /// The room's code.
    pub room_code: &'a RoomCode,
    /// The receiver.
    pub spectator_id: PlayerId,
    /// The namespace of the code.
    pub game_name: &'a str,
    /// Every seated player.
    pub current_players: Vec<PlayerInfo<'a>>,
    /// Everybody who watches, the receiver included.
    pub current_spectators: Vec<SpectatorInfo<'a>>,
    /// Where the room stands.
    pub lobby_state: LobbyState,
}

/// When a server that is about to stop lets its clients go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct GoingAway {
    /// When the first connections are closed, in milliseconds since 1970.
    pub deadline_ms: u64,
    /// In how many seconds to try again elsewhere, at least 1; `None` where they are closed at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_secs: Option<u64>,
}

/// Rates that a client may be shown; nothing is enforced by them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct AdvisoryRates {
    /// Per minute.
    pub per_minute: u64,
    /// Per hour.
    pub per_hour: u64,
    /// Per day.
    pub per_day: u64,
}

/// What a connection may rely on.
#[derive(Debug, Clone)]
pub struct ProtocolInfo<'a> {
    /// As the client spelled it.
    pub platform: Option<&'a str>,
    /// As the client spelled it.
    pub sdk_version: Option<&'a str>,
    /// The least SDK version that is let in for this platform.
    pub minimum_version: Option<&'a str>,
    /// The advised SDK version for this platform.
    pub recommended_version: Option<&'a str>,
    /// Names of what the server offers on this platform.
    pub capabilities: Vec<&'a str>,
    /// A remark for developers on this platform.
    pub notes: Option<&'a str>,
    /// Game-data formats in their fixed order.
    pub game_data_formats: &'a [GameDataFormat],
    /// What a player name may be.
    pub player_name_rules: &'a NameRules,
    /// What only version 3 is told.
    pub server: ServerFacts,
}

/// What version 3 is told of the server.
#[derive(Debug, Clone)]
pub struct ServerFacts {
    /// The oldest version served.
    pub oldest: ProtocolVersion,
    /// The newest version served.
    pub newest: ProtocolVersion,
    /// The largest message that the client may be sent, in bytes.
    pub max_outbound_bytes: usize,
    /// The server's own version.
    pub implementation_version: &'static str,
    /// Caps on the payload of single encodings, of those that are enabled.
    pub game_data_limits: Vec<GameDataLimit>,
}

/// The largest payload in one encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct GameDataLimit {
    /// The encoding.
    pub encoding: GameDataFormat,
    /// In bytes.
    pub max_bytes: usize,
}

/// A player as room mates may see it.
#[derive(Debug, Clone)]
pub struct PlayerInfo<'a> {
    /// The connection's id.
    pub id: PlayerId,
    /// The display name.
    pub name: &'a str,
    /// Whether the player leads the room.
    pub is_authority: bool,
    /// Whether the player is ready to start.
    pub is_ready: bool,
    /// When the seat was taken.
    pub connected_at: WallTime,
    /// How to reach the player directly, in its own words.
    pub connection_info: Option<&'a ConnectionInfo>,
    /// The epoch of this membership and the last sequence number used in it.
    pub stamp: Stamp,
}

/// A player as `GameStarting` lists it.
#[derive(Debug, Clone)]
pub struct PeerInfo<'a> {
    /// The connection's id.
    pub player_id: PlayerId,
    /// The display name.
    pub player_name: &'a str,
    /// Whether the player leads the room.
    pub is_authority: bool,
    /// A label of the deployment; selects nothing.
    pub relay_type: &'a str,
    /// How to reach the player directly, in its own words.
    pub connection_info: Option<&'a ConnectionInfo>,
}

/// A room as one of its members may see it at the moment of joining.
#[derive(Debug, Clone)]
pub struct RoomSnapshot<'a> {
    /// The room's id.
    pub room_id: RoomId,
    /// The room's code.
    pub room_code: &'a RoomCode,
    /// The receiver.
    pub player_id: PlayerId,
    /// The namespace of the code.
    pub game_name: &'a str,
    /// Seats.
    pub max_players: u8,
    /// Whether the room can have an authority.
    pub supports_authority: bool,
    /// Every seated player, the receiver included.
    pub current_players: Vec<PlayerInfo<'a>>,
    /// Whether the receiver leads the room.
    pub is_authority: bool,
    /// Where the room stands.
    pub lobby_state: LobbyState,
    /// Who is ready.
    pub ready_players: Vec<PlayerId>,
    /// A label of the deployment; selects nothing.
    pub relay_type: &'a str,
    /// Everybody who watches.
    pub current_spectators: Vec<SpectatorInfo<'a>>,
    /// What gives the receiver its seat back after a lost connection.
    pub reconnection_token: Option<&'a ReconnectToken>,
    /// ICE servers to ask before there is a plan.
    pub ice_servers: Vec<IceServer<'a>>,
}

/// What a player who came back is told.
#[derive(Debug, Clone)]
pub struct Reconnected<'a> {
    /// The room as it is now.
    pub room: RoomSnapshot<'a>,
    /// Complete messages that the receiver missed, oldest first.
    pub missed_events: Vec<&'a RawValue>,
    /// Whether these are all.
    pub replay: Replay,
}

/// Whether the events that a player missed are all there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Replay {
    /// They are.
    Complete,
    /// Older ones were pushed out, or left out to fit.
    Truncated,
    /// None are kept on this server.
    Unavailable,
}

impl ServerMessage<'_> {
    /// The refusal that the message tells, if it tells one.
    #[must_use]
    pub fn refusal(&self) -> Option<(ErrorCode, &str)> {
        match *self {
            Self::Error { message, error_code } => Some((error_code, message)),
            Self::AuthenticationError { error, error_code } => Some((error_code, error)),
            Self::RoomJoinFailed { reason, error_code }
            | Self::SpectatorJoinFailed { reason, error_code }
            | Self::ReconnectionFailed { reason, error_code } => Some((error_code, reason)),
            Self::AuthorityResponse { refusal } => refusal.map(|why| (why.code, &*why.text)),
            _ => None,
        }
    }
}

impl Refusal {
    /// The refusal as an `Error`.
    #[must_use]
    pub fn to_error(&self) -> ServerMessage<'_> {
        ServerMessage::Error {
            message: &self.text,
            error_code: self.code,
        }
    }
}
