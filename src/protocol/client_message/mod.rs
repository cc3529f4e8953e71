//! What clients say: one text frame in, one [`ClientMessage`] out.
//!
//! Owns the rules by which a frame is read. Promises that [`parse`] is total, that a frame is either wholly valid or
//! refused, and that game data is located without a copy or an allocation. Must never judge what a message asks for:
//! lengths of names, budgets and room rules belong to the layers above.
//!
//! The rules: keys in any order; unknown keys are ignored, their values must still be valid; a known key given twice, a
//! value of the wrong type, an unknown word or tag, or anything but an object refuses the frame; a message without
//! payload takes `data` absent or `null`; an optional field may be absent or `null`, except `class` and `key` of game
//! data, where `null` refuses the frame.

#[cfg(test)]
mod agreement;
mod connection_info;
mod envelope;
mod fault;
mod game_data;
mod malformed;
mod payload;
mod room_operation;
#[cfg(test)]
mod tests;

pub use connection_info::{ConnectionInfo, JsonText};
pub use fault::explain;
pub use game_data::GameData;
pub use malformed::MalformedMessage;
pub use payload::{Authenticate, JoinAsSpectator, JoinRoom, Reconnect, Signal, TransportStatus};
pub use room_operation::{OperationId, RoomOperation, RoomRequest};

use self::envelope::{Data, Envelope};
use super::json::Scanner;

/// A message from a client.
#[derive(Debug, Clone, PartialEq)]
pub enum ClientMessage<'a> {
    /// Opens the conversation: application, format, version.
    Authenticate(Authenticate),
    /// Takes a seat in a room, or creates the room.
    JoinRoom(JoinRoom),
    /// Gives the seat up.
    LeaveRoom,
    /// Toggles the sender's readiness.
    PlayerReady,
    /// Starts the game.
    StartGame,
    /// Claims or releases authority.
    AuthorityRequest {
        /// `true` claims, `false` releases.
        become_authority: bool,
    },
    /// Tells the others where the sender can be reached.
    ProvideConnectionInfo(ConnectionInfo),
    /// Game data for everybody else in the room.
    GameData(GameData<'a>),
    /// Asks for a `Pong`.
    Ping,
    /// Takes a lost seat back.
    Reconnect(Reconnect),
    /// Watches a room.
    JoinAsSpectator(JoinAsSpectator),
    /// Stops watching.
    LeaveSpectator,
    /// WebRTC signalling for one peer (v3).
    Signal(Signal<'a>),
    /// Whether a peer-to-peer transport works for the sender (v3).
    TransportStatus(TransportStatus),
    /// A room request that wants its answer under an id (v3).
    RoomOperation(RoomOperation),
}

/// Reads one text frame.
///
/// # Errors
///
/// [`MalformedMessage`] when the frame breaks any of the rules of this module.
pub fn parse(text: &str) -> Result<ClientMessage<'_>, MalformedMessage> {
    let mut scanner = Scanner::new(text);
    let Envelope { tag, data } = envelope::read(&mut scanner)?;
    scanner.end()?;
    let message = match &*tag {
        "GameData" => match data {
            Data::GameData(game_data) => ClientMessage::GameData(game_data),
            Data::Raw(raw) => ClientMessage::GameData(game_data::read(&mut Scanner::new(raw))?),
            Data::Absent => return Err(MalformedMessage),
        },
        "Ping" => data.none(ClientMessage::Ping)?,
        "LeaveRoom" => data.none(ClientMessage::LeaveRoom)?,
        "PlayerReady" => data.none(ClientMessage::PlayerReady)?,
        "StartGame" => data.none(ClientMessage::StartGame)?,
        "LeaveSpectator" => data.none(ClientMessage::LeaveSpectator)?,
        "Authenticate" => ClientMessage::Authenticate(data.object()?),
        "JoinRoom" => ClientMessage::JoinRoom(data.object()?),
        "JoinAsSpectator" => ClientMessage::JoinAsSpectator(data.object()?),
        "Reconnect" => ClientMessage::Reconnect(data.object()?),
        "AuthorityRequest" => {
            let payload::AuthorityRequest { become_authority } = data.object()?;
            ClientMessage::AuthorityRequest { become_authority }
        }
        "ProvideConnectionInfo" => {
            let payload::ProvideConnectionInfo { connection_info } = data.object()?;
            ClientMessage::ProvideConnectionInfo(ConnectionInfo::read(connection_info.get())?)
        }
        "Signal" => {
            let payload::RawSignal { to, generation, signal } = data.object()?;
            ClientMessage::Signal(Signal {
                to,
                generation,
                signal: signal.get(),
            })
        }
        "TransportStatus" => ClientMessage::TransportStatus(data.object()?),
        "RoomOperation" => ClientMessage::RoomOperation(RoomOperation::read(data)?),
        _ => return Err(MalformedMessage),
    };
    Ok(message)
}
