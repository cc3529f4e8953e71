//! The opening exchange: HTTP upgrade, `Authenticate`, `JoinRoom`. Texts in, texts out; no sockets here.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::client::envelope::PlayerId;
use crate::client::membership::{Membership, Return};
use crate::client::refusal;
use crate::encoding::Encoding;
use crate::scenario::Scenario;
use crate::server::Server;
use crate::version::Version;

// A constant key needs no SHA-1 to check the answer: this pair is the example of RFC 6455. Nothing rests on its secrecy.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/// How a server that expects TLS answers a request in the clear: the head of an alert.
const TLS_ALERT: &[u8] = b"\x15\x03";
/// Longest head of an HTTP answer that is waited for.
pub(crate) const MAX_HEAD_BYTES: usize = 16 * 1024;

/// The upgrade request.
pub(crate) fn upgrade_request(server: &Server) -> Vec<u8> {
    let origin = server.origin.as_ref();
    let origin = origin.map_or_else(String::new, |origin| format!("Origin: {origin}\r\n"));
    format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         {origin}Sec-WebSocket-Key: {KEY}\r\n\r\n",
        server.path, server.host
    )
    .into_bytes()
}

/// Length of the answer's head once it is complete, `None` before. An error when the server did not upgrade.
pub(crate) fn upgrade_answer(bytes: &[u8]) -> Result<Option<usize>> {
    if !b"HTTP/1.".starts_with(&bytes[..bytes.len().min(7)]) {
        if bytes.starts_with(TLS_ALERT) {
            bail!("the server answers in TLS: give its address as wss://");
        }
        bail!("what answers is no web server: is the port right?");
    }
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        if bytes.len() > MAX_HEAD_BYTES {
            bail!("the server's answer to the upgrade has more than {MAX_HEAD_BYTES} bytes of headers");
        }
        return Ok(None);
    };
    let head = String::from_utf8_lossy(&bytes[..end]);
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("101") {
        bail!(
            "the server refused the WebSocket upgrade with {status}: {}",
            refusal::upgrade_remedy(status)
        );
    }
    let accepted = lines
        .filter_map(|line| line.split_once(':'))
        .any(|(name, value)| name.eq_ignore_ascii_case("sec-websocket-accept") && value.trim() == ACCEPT);
    if !accepted {
        bail!("the server's Sec-WebSocket-Accept is missing or wrong");
    }
    Ok(Some(end + 4))
}

/// The word for answers that name their question.
pub(crate) const OPERATION_IDS: &str = "room_operation_ids";

/// The `Authenticate` message.
pub(crate) fn authenticate(scenario: &Scenario, encoding: Encoding, version: Version, capabilities: &[&str]) -> String {
    let mut data = json!({
        "app_id": scenario.app_id,
        "game_data_format": encoding.token(),
        "protocol_version": version.number(),
    });
    if !capabilities.is_empty() {
        data["requested_capabilities"] = capabilities.into();
    }
    json!({"type": "Authenticate", "data": data}).to_string()
}

/// The `JoinRoom` message: without a code it creates the room.
pub(crate) fn join_room(game_name: &str, player_name: &str, max_players: u32, room_code: Option<&str>) -> String {
    let mut data = json!({
        "game_name": game_name,
        "player_name": player_name,
        "max_players": max_players,
    });
    if let Some(code) = room_code {
        data["room_code"] = code.into();
    }
    json!({"type": "JoinRoom", "data": data}).to_string()
}

/// The `JoinAsSpectator` message.
pub(crate) fn join_as_spectator(game_name: &str, spectator_name: &str, room_code: &str) -> String {
    json!({"type": "JoinAsSpectator", "data": {
        "game_name": game_name,
        "spectator_name": spectator_name,
        "room_code": room_code,
    }})
    .to_string()
}

/// The `Reconnect` message: a player asks for its seat.
pub(crate) fn reconnect(player: &PlayerId, room_id: &str, token: &str) -> String {
    json!({"type": "Reconnect", "data": {
        "player_id": player.to_string(),
        "room_id": room_id,
        "auth_token": token,
    }})
    .to_string()
}

/// The answers that move the opening exchange on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Authenticated,
    ProtocolInfo(Offer),
    /// As a player or as a spectator; a player on version 3 learns of its seat.
    RoomJoined {
        room_code: String,
        member: PlayerId,
        membership: Option<Box<Membership>>,
    },
    Reconnected(Box<Return>),
    /// Code and reason.
    ReconnectionFailed(String, String),
    RoomLeft,
    /// `AuthenticationError`, `RoomJoinFailed`, `SpectatorJoinFailed` or `Error`, in words.
    Refused(String),
    /// Roster and lobby notices.
    Other,
}

/// What a server can do for a player.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    /// The format is among those that it offers.
    pub(crate) format: bool,
    pub(crate) version: u64,
    /// Room operations are answered by name.
    pub(crate) operation_ids: bool,
}

/// Reads a control message during the opening exchange.
pub(crate) fn read_answer(message: &[u8], wanted_format: &str) -> Result<Answer> {
    let tree: Value = serde_json::from_slice(message).context("the server sent a text frame that is not JSON")?;
    let data = &tree["data"];
    let text = |key: &str| data[key].as_str().unwrap_or_default().to_owned();
    Ok(match tree["type"].as_str().unwrap_or_default() {
        "Authenticated" => Answer::Authenticated,
        "ProtocolInfo" => {
            let lists = |key: &str, wanted: &str| {
                let words = data[key].as_array();
                words.is_some_and(|words| words.iter().any(|word| word == wanted))
            };
            Answer::ProtocolInfo(Offer {
                format: lists("game_data_formats", wanted_format),
                version: data["protocol_version"].as_u64().unwrap_or(2),
                operation_ids: lists("capabilities", OPERATION_IDS),
            })
        }
        kind @ ("RoomJoined" | "SpectatorJoined") => {
            let (id, plays) = match kind {
                "RoomJoined" => ("player_id", true),
                _ => ("spectator_id", false),
            };
            let stamped = plays && data["current_players"][0]["epoch"].is_u64();
            let membership = stamped.then(|| Membership::read(data)).transpose()?;
            Answer::RoomJoined {
                room_code: text("room_code"),
                member: PlayerId::parse(&text(id)).with_context(|| format!("{kind} without a usable id"))?,
                membership: membership.map(Box::new),
            }
        }
        "Reconnected" => Answer::Reconnected(Box::new(Return::read(data)?)),
        "ReconnectionFailed" => Answer::ReconnectionFailed(text("error_code"), text("reason")),
        "RoomLeft" => Answer::RoomLeft,
        "AuthenticationError" => Answer::Refused(format!("{} ({})", text("error_code"), text("error"))),
        "RoomJoinFailed" | "SpectatorJoinFailed" => {
            Answer::Refused(format!("{} ({})", text("error_code"), text("reason")))
        }
        "Error" => Answer::Refused(format!("{} ({})", text("error_code"), text("message"))),
        _ => Answer::Other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upgrade_is_accepted_only_with_status_and_key() {
        let good = format!("HTTP/1.1 101 Switching Protocols\r\nsec-websocket-accept: {ACCEPT}\r\n\r\n\x01");
        assert_eq!(upgrade_answer(good.as_bytes()).expect("accepted"), Some(good.len() - 1));
        assert_eq!(upgrade_answer(&good.as_bytes()[..40]).expect("waiting"), None);
        let said = |answer: &[u8]| upgrade_answer(answer).expect_err("refused").to_string();
        assert!(said(b"HTTP/1.1 404 Not Found\r\n\r\n").contains("404 Not Found: there is no WebSocket at this path"));
        assert!(said(b"\x15\x03\x01\x00\x02\x02\x0a").contains("wss://"));
        assert!(said(b"SSH-2.0-x\r\n").contains("no web server"));
        assert!(upgrade_answer(b"HTTP/1.1 101 x\r\nSec-WebSocket-Accept: AAAA\r\n\r\n").is_err());
    }

    #[test]
    fn answers_are_told_apart() {
        let read = |text: &str| read_answer(text.as_bytes(), "message_pack").expect("readable");
        assert_eq!(
            read(r#"{"type":"ProtocolInfo","data":{"game_data_formats":["json","message_pack"]}}"#),
            Answer::ProtocolInfo(Offer {
                format: true,
                version: 2,
                operation_ids: false
            })
        );
        assert_eq!(
            read(
                r#"{"type":"ProtocolInfo","data":{"game_data_formats":["json"],"protocol_version":3,
                    "capabilities":["room_operation_ids"]}}"#
            ),
            Answer::ProtocolInfo(Offer {
                format: false,
                version: 3,
                operation_ids: true
            })
        );
        assert_eq!(
            read(r#"{"type":"RoomJoinFailed","data":{"reason":"no seat left","error_code":"ROOM_FULL"}}"#),
            Answer::Refused("ROOM_FULL (no seat left)".to_owned())
        );
        assert_eq!(read(r#"{"type":"LobbyStateChanged","data":{}}"#), Answer::Other);
        assert!(read_answer(b"{", "json").is_err());
    }
}
