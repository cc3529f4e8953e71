//! The Signal Fish wire: message types, error codes, ids, names, room codes, game-data envelopes, encoded frames.
//!
//! Owns every byte shape that clients see. Promises that decoding is total (any bytes give a message or an error) and
//! that a value is encoded the same way for every receiver of one version. Must never hold state, read a clock, or know
//! that sockets exist.

mod abilities;
mod app_id;
mod certificate_fingerprint;
mod client_message;
mod close_code;
pub mod delivery;
mod dialect;
mod error_code;
mod frame;
pub mod game_data;
mod ids;
mod json;
pub mod message_pack;
mod names;
mod operation_result;
mod projection;
mod reconnect_token;
mod refusal;
mod rkyv_envelope;
mod room_code;
mod secret;
pub mod server_message;
mod session_plan;
mod stamp;
mod tokens;
mod version;
mod visible;
mod wall_time;

pub use abilities::Abilities;
pub use app_id::AppId;
pub use certificate_fingerprint::CertificateFingerprint;
pub use client_message::{
    Authenticate, ClientMessage, ConnectionInfo, GameData, JoinAsSpectator, JoinRoom, JsonText, MalformedMessage,
    OperationId, Reconnect, RoomOperation, RoomRequest, Signal, TransportStatus, explain, parse,
};
pub use close_code::CloseCode;
pub use dialect::Dialect;
pub use error_code::ErrorCode;
pub use frame::{FrameBuffer, FrameSpan, Opcode, write_close_payload};
pub use ids::{PlanId, PlayerId, RoomId};
pub use names::{NameRefusal, NameRules, check_game_name, fold_name};
pub use operation_result::OperationResult;
pub use reconnect_token::ReconnectToken;
pub use refusal::{Reason, Refusal};
pub use rkyv_envelope::{ArchivedGameDataEnvelope, GameDataEnvelope};
pub use room_code::{CodeOrder, RoomCode, RoomCodeRefusal};
pub use secret::Secret;
pub use server_message::{LobbyState, OperationAnswer, ServerMessage};
pub use session_plan::{DirectEndpoint, IceServer, PlanPeer, SessionPlan};
pub use stamp::Stamp;
pub use tokens::{DeliveryClass, GameDataFormat, RelayTransport, Topology, Transport};
pub use version::ProtocolVersion;
pub use visible::Excerpt;
pub use wall_time::{WallTime, WallTimeText};
