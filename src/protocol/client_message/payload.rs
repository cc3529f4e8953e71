//! The payloads of the messages that are not hot, decoded by derive from a slice that is already validated.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::protocol::ids::{PlanId, PlayerId, RoomId};
use crate::protocol::secret::Secret;
use crate::protocol::tokens::{GameDataFormat, RelayTransport, Topology, Transport};

/// For a field whose `null` means the same as its absence.
pub(super) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

fn null_as_true<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Option::deserialize(deserializer).map(|value| value.unwrap_or(true))
}

const fn yes() -> bool {
    true
}

/// Opens the conversation. Absent lists are empty, an absent format is JSON.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct Authenticate {
    /// Public id of the application; length and characters are checked by the session.
    pub app_id: String,
    /// Version of the client's SDK, meant to be semantic.
    pub sdk_version: Option<String>,
    /// Platform name, echoed as sent.
    pub platform: Option<String>,
    /// Wanted encoding of binary game data.
    #[serde(default, deserialize_with = "null_as_default")]
    pub game_data_format: GameDataFormat,
    /// Highest protocol version that the client speaks.
    pub protocol_version: Option<u16>,
    /// Credential of a tenant.
    pub connect_token: Option<Secret>,
    /// v3: transports the client can use, in its order, possibly with repetitions.
    #[serde(default, deserialize_with = "null_as_default")]
    pub supported_transports: Vec<Transport>,
    /// v3: session shapes the client can take part in.
    #[serde(default, deserialize_with = "null_as_default")]
    pub supported_topologies: Vec<Topology>,
    /// v3: optional abilities asked for; unknown ones are ignored.
    #[serde(default, deserialize_with = "null_as_default")]
    pub requested_capabilities: Vec<String>,
}

/// Takes a seat in a room, creating the room where the rules allow it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct JoinRoom {
    /// Namespace of the code.
    pub game_name: String,
    /// Display name.
    pub player_name: String,
    /// Absent: create a room under a generated code.
    pub room_code: Option<String>,
    /// Seats of a room that is created.
    pub max_players: Option<u8>,
    /// Whether a room that is created has an authority.
    #[serde(default = "yes", deserialize_with = "null_as_true")]
    pub supports_authority: bool,
    /// Of no effect in the protocol; only its spelling is checked.
    pub relay_transport: Option<RelayTransport>,
    /// Seals a room that is created; must match when a sealed room is joined.
    pub password: Option<Secret>,
    /// Forbids creating a room.
    #[serde(default, deserialize_with = "null_as_default")]
    pub join_only: bool,
}

/// Takes a lost seat back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Reconnect {
    /// The seat's player.
    pub player_id: PlayerId,
    /// The seat's room.
    pub room_id: RoomId,
    /// The token that came with the seat.
    pub auth_token: Secret,
}

/// Watches a room.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct JoinAsSpectator {
    /// Namespace of the code.
    pub game_name: String,
    /// The room's code; a spectator never creates a room.
    pub room_code: String,
    /// Display name; need not be unique.
    pub spectator_name: String,
    /// The room's password.
    pub password: Option<Secret>,
}

/// v3: signalling for one peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal<'a> {
    /// The peer.
    pub to: PlayerId,
    /// The plan that the sender believes in. Forwarded, never compared.
    pub generation: PlanId,
    /// The body, byte for byte: any valid JSON.
    pub signal: &'a str,
}

/// v3: whether a transport to the peers works.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize,
)]
pub struct TransportStatus {
    /// The transport.
    pub transport: Transport,
    /// Whether it works.
    pub connected: bool,
}

#[derive(Deserialize)]
pub(super) struct AuthorityRequest {
    pub(super) become_authority: bool,
}

#[derive(Deserialize)]
pub(super) struct ProvideConnectionInfo<'a> {
    #[serde(borrow)]
    pub(super) connection_info: &'a RawValue,
}

#[derive(Deserialize)]
pub(super) struct RawSignal<'a> {
    pub(super) to: PlayerId,
    pub(super) generation: PlanId,
    #[serde(borrow)]
    pub(super) signal: &'a RawValue,
}
