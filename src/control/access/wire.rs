//! Questions and answers as JSON, as `docs/access-check.md` specifies them.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::check::{AccessAnswer, CheckFault};
use crate::protocol::{AppId, Secret};
use crate::session::{AccessQuestion, Grant, Verdict, Wish};

/// The version of what is posted.
const VERSION: u8 = 1;

/// What is posted.
#[derive(Serialize)]
struct Posted<'a> {
    version: u8,
    kind: &'static str,
    address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    app_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(flatten)]
    details: Details<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Details<'a> {
    Handshake {
        #[serde(skip_serializing_if = "Option::is_none")]
        connect_token: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        platform: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        sdk_version: Option<&'a str>,
        protocol_version: u16,
    },
    Create {
        player_id: String,
        game_name: &'a str,
        name: &'a str,
        max_players: u8,
    },
    Join {
        player_id: String,
        game_name: &'a str,
        room_code: &'a str,
        name: &'a str,
        may_create: bool,
    },
    Watch {
        player_id: String,
        game_name: &'a str,
        room_code: &'a str,
        name: &'a str,
    },
}

/// What is answered. Members that are not known are ignored.
#[derive(Deserialize)]
struct Answered {
    allow: bool,
    reason: Option<String>,
    valid_for_secs: Option<u64>,
    user: Option<Box<str>>,
    display_name: Option<Box<str>>,
    limits: Option<Limits>,
}

#[derive(Deserialize)]
struct Limits {
    max_players_per_room: Option<u8>,
    relay_bytes: Option<u64>,
}

/// A question, as it is posted. Two that are equal are the same bytes.
pub(super) fn question(question: &AccessQuestion) -> Bytes {
    let (kind, details) = match &question.wish {
        Wish::Handshake {
            connect_token,
            platform,
            sdk_version,
            protocol_version,
        } => (
            "handshake",
            Details::Handshake {
                connect_token: connect_token.as_ref().map(Secret::expose),
                platform: platform.as_deref(),
                sdk_version: sdk_version.as_deref(),
                protocol_version: *protocol_version,
            },
        ),
        Wish::Create {
            player,
            game_name,
            player_name,
            max_players,
        } => (
            "create",
            Details::Create {
                player_id: player.to_string(),
                game_name,
                name: player_name,
                max_players: *max_players,
            },
        ),
        Wish::Join {
            player,
            game_name,
            room_code,
            player_name,
            may_create,
        } => (
            "join",
            Details::Join {
                player_id: player.to_string(),
                game_name,
                room_code: room_code.as_str(),
                name: player_name,
                may_create: *may_create,
            },
        ),
        Wish::Watch {
            player,
            game_name,
            room_code,
            spectator_name,
        } => (
            "watch",
            Details::Watch {
                player_id: player.to_string(),
                game_name,
                room_code: room_code.as_str(),
                name: spectator_name,
            },
        ),
    };
    let posted = Posted {
        version: VERSION,
        kind,
        address: question.address.to_string(),
        app_id: question.app.as_ref().map(AppId::as_str),
        user: question.user.as_deref(),
        details,
    };
    serde_json::to_vec(&posted).expect("keys are strings").into()
}

/// Reads an answer.
pub(super) fn answer(body: &[u8]) -> Result<AccessAnswer, CheckFault> {
    let answered: Answered = serde_json::from_slice(body)
        .map_err(|error| CheckFault::Unreadable(format!("the answer cannot be read: {}", without_values(&error))))?;
    let limits = answered.limits.unwrap_or(Limits {
        max_players_per_room: None,
        relay_bytes: None,
    });
    let verdict = if answered.allow {
        Verdict::Allowed(Grant {
            user: answered.user,
            display_name: answered.display_name,
            max_players_per_room: limits.max_players_per_room,
            relay_bytes: limits.relay_bytes,
        })
    } else {
        Verdict::Denied(answered.reason.unwrap_or_default().into())
    };
    Ok(AccessAnswer {
        verdict,
        valid_for: Duration::from_secs(answered.valid_for_secs.unwrap_or(0)),
    })
}

/// Where an answer is wrong, without what stands there: it may say who somebody is.
fn without_values(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Data => "a member is missing or has the wrong type",
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => "it is no JSON",
    };
    format!("{what}, at line {} column {}", error.line(), error.column())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::protocol::{PlayerId, RoomCode};
    use crate::session::ClientAddress;

    /// The examples of the specification, in their order.
    fn examples() -> Vec<&'static str> {
        let text = include_str!("../../../docs/access-check.md");
        let blocks = text.split("```json\n").skip(1);
        blocks
            .map(|block| block.split("\n```").next().expect("a block has an end"))
            .collect()
    }

    #[test]
    fn what_is_asked_is_what_the_specification_shows() {
        let player = PlayerId::from_bytes([0x11; 16]);
        let code = || RoomCode::parse("ABC234", 6).expect("a code");
        let wishes = [
            Wish::Handshake {
                connect_token: Some(Secret::new("ticket-7")),
                platform: Some("unity".to_owned()),
                sdk_version: Some("1.2.0".to_owned()),
                protocol_version: 3,
            },
            Wish::Create {
                player,
                game_name: "tide-pool".into(),
                player_name: "Mira".into(),
                max_players: 4,
            },
            Wish::Join {
                player,
                game_name: "tide-pool".into(),
                room_code: code(),
                player_name: "Mira".into(),
                may_create: false,
            },
            Wish::Watch {
                player,
                game_name: "tide-pool".into(),
                room_code: code(),
                spectator_name: "Kite".into(),
            },
        ];
        for (wish, example) in wishes.into_iter().zip(examples()) {
            let is_known = matches!(wish, Wish::Create { .. } | Wish::Join { .. });
            let asked = AccessQuestion {
                address: ClientAddress::own(Ipv4Addr::new(192, 0, 2, 7).into()),
                app: Some(AppId::new("reef-racer")),
                user: is_known.then(|| "u-7".into()),
                wish,
            };
            assert_eq!(std::str::from_utf8(&question(&asked)), Ok(example));
        }
    }

    #[test]
    fn what_is_answered_is_read_as_the_specification_shows() {
        let examples = examples();
        let [.., yes, no] = &examples[..] else {
            panic!("two answers")
        };
        let grant = Grant {
            user: Some("u-7".into()),
            display_name: Some("Mira".into()),
            max_players_per_room: Some(4),
            relay_bytes: Some(1_000_000),
        };
        let expected = AccessAnswer {
            verdict: Verdict::Allowed(grant),
            valid_for: Duration::from_secs(60),
        };
        assert_eq!(answer(yes.as_bytes()), Ok(expected));
        let expected = AccessAnswer {
            verdict: Verdict::Denied("come back on Monday".into()),
            valid_for: Duration::ZERO,
        };
        assert_eq!(answer(no.as_bytes()), Ok(expected));
    }

    #[test]
    fn no_complaint_shows_what_was_answered() {
        for lie in [
            r#"{"allow":"u-7 is Mira"}"#,
            "u-7 is Mira",
            r#"{"allow":true,"user":7,"u-7":"#,
        ] {
            let fault = answer(lie.as_bytes()).expect_err(lie);
            assert!(!fault.to_string().contains("u-7"), "{fault}");
        }
    }
}
