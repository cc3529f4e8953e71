//! The shapes of payloads on the wire. A field that one version must not see is optional and left out when there is none.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::protocol::delivery::Gap;
use crate::protocol::server_message::{GameDataLimit, Replay, SpectatorReason};
use crate::protocol::{
    ConnectionInfo, ErrorCode, GameDataFormat, IceServer, LobbyState, NameRules, PlayerId, ReconnectToken, RoomCode,
    RoomId, SessionPlan, Transport, TransportStatus, WallTime,
};

#[derive(Serialize)]
pub(super) struct ProtocolInfoView<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) platform: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sdk_version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) minimum_version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) recommended_version: Option<&'a str>,
    pub(super) capabilities: &'a [&'a str],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) notes: Option<&'a str>,
    pub(super) game_data_formats: &'a [GameDataFormat],
    pub(super) player_name_rules: &'a NameRules,
    #[serde(flatten)]
    pub(super) server: Option<ServerView<'a>>,
}

#[derive(Serialize)]
pub(super) struct ServerView<'a> {
    pub(super) protocol_version: u16,
    pub(super) min_protocol_version: u16,
    pub(super) max_protocol_version: u16,
    /// How messages travel to the server, not how game data travels between peers.
    pub(super) transports: [&'static str; 1],
    pub(super) max_outbound_message_size: usize,
    pub(super) implementation_version: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(super) game_data_limits: &'a [GameDataLimit],
}

#[derive(Serialize)]
pub(super) struct PlayerView<'a> {
    pub(super) id: PlayerId,
    pub(super) name: &'a str,
    pub(super) is_authority: bool,
    pub(super) is_ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) connected_at: Option<WallTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) connection_info: Option<&'a ConnectionInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) epoch: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seq: Option<u64>,
}

#[derive(Serialize)]
pub(super) struct ReportView<'a> {
    pub(super) per_class: ClassesView,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(super) gaps: &'a [Gap],
}

#[derive(Serialize)]
pub(super) struct ClassesView {
    pub(super) reliable: ReliableView,
    pub(super) latest: LatestView,
    pub(super) volatile: VolatileView,
}

#[derive(Serialize)]
pub(super) struct ReliableView {
    pub(super) delivered: u64,
    pub(super) abandoned: u64,
    pub(super) unsupported_format: u64,
}

#[derive(Serialize)]
pub(super) struct LatestView {
    pub(super) delivered: u64,
    pub(super) superseded: u64,
    pub(super) dropped_full: u64,
    pub(super) abandoned: u64,
    pub(super) unsupported_format: u64,
}

#[derive(Serialize)]
pub(super) struct VolatileView {
    pub(super) delivered: u64,
    pub(super) dropped: u64,
    pub(super) abandoned: u64,
    pub(super) unsupported_format: u64,
}

#[derive(Serialize)]
pub(super) struct PlayerLeftView {
    pub(super) player_id: PlayerId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) epoch: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) final_seq: Option<u64>,
}

#[derive(Serialize)]
pub(super) struct PeerView<'a> {
    pub(super) player_id: PlayerId,
    pub(super) player_name: &'a str,
    pub(super) is_authority: bool,
    pub(super) relay_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) connection_info: Option<&'a ConnectionInfo>,
}

#[derive(Serialize)]
pub(super) struct AuthorityResponseView<'a> {
    pub(super) granted: bool,
    pub(super) reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error_code: Option<ErrorCode>,
}

#[derive(Serialize)]
pub(super) struct RoomView<'a> {
    pub(super) room_id: RoomId,
    pub(super) room_code: &'a RoomCode,
    pub(super) player_id: PlayerId,
    pub(super) game_name: &'a str,
    pub(super) max_players: u8,
    pub(super) supports_authority: bool,
    pub(super) current_players: Vec<PlayerView<'a>>,
    pub(super) is_authority: bool,
    pub(super) lobby_state: LobbyState,
    pub(super) ready_players: &'a [PlayerId],
    pub(super) relay_type: &'a str,
    pub(super) current_spectators: Vec<SpectatorView<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(super) ice_servers: &'a [IceServer<'a>],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reconnection_token: Option<&'a ReconnectToken>,
}

#[derive(Serialize)]
pub(super) struct ReconnectedView<'a> {
    #[serde(flatten)]
    pub(super) room: RoomView<'a>,
    pub(super) missed_events: &'a [&'a RawValue],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) replay: Option<Replay>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sender_watermarks: Option<Vec<WatermarkView>>,
}

#[derive(Serialize)]
pub(super) struct WatermarkView {
    pub(super) player_id: PlayerId,
    pub(super) epoch: u32,
    pub(super) seq: u64,
}

#[derive(Serialize)]
pub(super) struct PlayerReconnectedView<'a> {
    pub(super) player_id: PlayerId,
    pub(super) player: PlayerView<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) epoch: Option<u32>,
}

#[derive(Serialize)]
pub(super) struct SpectatorView<'a> {
    pub(super) id: PlayerId,
    pub(super) name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) connected_at: Option<WallTime>,
}

#[derive(Serialize)]
pub(super) struct SpectatorRoomView<'a> {
    pub(super) room_id: RoomId,
    pub(super) room_code: &'a RoomCode,
    pub(super) spectator_id: PlayerId,
    pub(super) game_name: &'a str,
    pub(super) current_players: Vec<PlayerView<'a>>,
    pub(super) current_spectators: Vec<SpectatorView<'a>>,
    pub(super) lobby_state: LobbyState,
    pub(super) reason: SpectatorReason,
}

#[derive(Serialize)]
pub(super) struct SpectatorLeftView<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) room_id: Option<RoomId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) room_code: Option<&'a RoomCode>,
    pub(super) reason: SpectatorReason,
    pub(super) current_spectators: Vec<SpectatorView<'a>>,
}

/// Version 2 reads the whole gallery with every change of it; version 3 reads how many there are.
#[derive(Serialize)]
pub(super) struct GalleryView<'a> {
    pub(super) current_spectators: Vec<SpectatorView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) spectator_count: Option<usize>,
}

#[derive(Serialize)]
pub(super) struct NewSpectatorView<'a> {
    pub(super) spectator: SpectatorView<'a>,
    #[serde(flatten)]
    pub(super) gallery: GalleryView<'a>,
    pub(super) reason: SpectatorReason,
}

#[derive(Serialize)]
pub(super) struct SpectatorGoneView<'a> {
    pub(super) spectator_id: PlayerId,
    pub(super) reason: SpectatorReason,
    #[serde(flatten)]
    pub(super) gallery: GalleryView<'a>,
}

#[derive(Serialize)]
pub(super) struct SessionPlanView<'a> {
    #[serde(flatten)]
    pub(super) plan: &'a SessionPlan<'a>,
    pub(super) fallback: Transport,
}

#[derive(Serialize)]
pub(super) struct PeerTransportStatusView {
    pub(super) peer_id: PlayerId,
    #[serde(flatten)]
    pub(super) status: TransportStatus,
}
