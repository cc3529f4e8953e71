//! A room event as JSON.

use crate::protocol::PlayerId;
use crate::shard::{Remover, RoomEvent, RoomNews, SessionEnd};

/// Appends an event, as it is posted. By hand: through `serde_json`, which escapes what needs no escaping, this took three times as
/// long, a third of what webhooks cost in `signal-fish-loadtest storm`.
pub(super) fn append(event: &RoomEvent, json: &mut Vec<u8>) {
    let (mut room_id, room) = ([0; 36], &*event.room);
    let room_id = room.id.encode(&mut room_id).as_bytes();
    let kind = event.what.kind().as_bytes();

    text(json, &[br#"{"id":""#, room_id, b"."]);
    number(json, event.number);
    text(json, &[br#"","type":""#, kind, br#"","at":""#, &event.at.rfc_3339()]);
    text(json, &[br#"","number":"#]);
    number(json, event.number);
    text(json, &[br#","room":{"id":""#, room_id]);
    // Letters and digits.
    text(
        json,
        &[br#"","code":""#, room.code.as_str().as_bytes(), br#"","game":"#],
    );
    string(json, &room.game_name);
    text(json, &[br#"},"data":{"#]);
    append_data(&event.what, json);
    text(json, &[b"}}"]);
}

fn append_data(news: &RoomNews, json: &mut Vec<u8>) {
    match news {
        RoomNews::Opened { max_players } => {
            text(json, &[br#""max_players":"#]);
            number(json, (*max_players).into());
        }
        RoomNews::Closed {
            why,
            lasted_ms,
            peak_players,
        } => {
            text(json, &[br#""why":""#, reason(*why), br#"","lasted_ms":"#]);
            number(json, *lasted_ms);
            text(json, &[br#","peak_players":"#]);
            number(json, (*peak_players).into());
        }
        RoomNews::Joined { player, name } => {
            player_id(json, *player);
            text(json, &[br#","name":"#]);
            string(json, name);
        }
        RoomNews::Left { player, may_return } => {
            player_id(json, *player);
            text(json, &[br#","may_return":"#, truth(*may_return)]);
        }
        RoomNews::Returned { player } | RoomNews::SlowReader { player } => player_id(json, *player),
        RoomNews::Removed { player, by } => {
            let whose: &[u8] = if *by == Remover::Operator {
                b"operator"
            } else {
                b"authority"
            };
            player_id(json, *player);
            text(json, &[br#","by":""#, whose, br#"","banned":"#]);
            text(json, &[truth(*by == Remover::AuthorityForGood)]);
        }
        RoomNews::AuthorityMoved { to: Some(player) } => player_id(json, *player),
        RoomNews::AuthorityMoved { to: None } => text(json, &[br#""player_id":null"#]),
        RoomNews::GameStarted { players } => {
            text(json, &[br#""players":"#]);
            number(json, (*players).into());
        }
    }
}

fn player_id(json: &mut Vec<u8>, player: PlayerId) {
    let mut spelled = [0; 36];
    let spelled = player.encode(&mut spelled).as_bytes();
    text(json, &[br#""player_id":""#, spelled, b"\""]);
}

/// What needs no escaping.
fn text(json: &mut Vec<u8>, pieces: &[&[u8]]) {
    for piece in pieces {
        json.extend_from_slice(piece);
    }
}

fn number(json: &mut Vec<u8>, number: u64) {
    serde_json::to_writer(json, &number).expect("memory takes all");
}

/// What may need escaping.
fn string(json: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(json, text).expect("memory takes all");
}

const fn truth(is_so: bool) -> &'static [u8] {
    if is_so { b"true" } else { b"false" }
}

const fn reason(why: SessionEnd) -> &'static [u8] {
    match why {
        SessionEnd::Empty => b"empty",
        SessionEnd::Expired => b"expired",
        SessionEnd::Closed => b"closed",
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use serde_json::Value;

    use super::super::batches::batches;
    use super::*;
    use crate::config::EventKind;
    use crate::protocol::{RoomCode, RoomId, WallTime};
    use crate::shard::RoomLabel;

    /// One of each kind, as `docs/events.md` shows them.
    pub(in crate::control::webhooks) fn examples() -> Vec<RoomEvent> {
        let player = PlayerId::from_bytes(*b"signal-fish-play");
        let news = [
            RoomNews::Opened { max_players: 8 },
            RoomNews::Joined {
                player,
                name: "Mira".into(),
            },
            RoomNews::AuthorityMoved { to: Some(player) },
            RoomNews::GameStarted { players: 1 },
            RoomNews::Left {
                player,
                may_return: true,
            },
            RoomNews::Returned { player },
            RoomNews::SlowReader { player },
            RoomNews::Removed {
                player,
                by: Remover::Operator,
            },
            RoomNews::Closed {
                why: SessionEnd::Empty,
                lasted_ms: 754_021,
                peak_players: 4,
            },
        ];
        let numbered = news.into_iter().zip(1..);
        let room = Arc::new(RoomLabel {
            id: RoomId::from_bytes(*b"signal-fish-room"),
            game_name: "tide-pool".into(),
            code: RoomCode::parse("K7QW2M", 6).expect("a code"),
        });
        let event = |(what, number)| RoomEvent {
            room: Arc::clone(&room),
            number,
            at: WallTime {
                unix_nanos: 1_795_397_463_254_686_877,
            },
            what,
        };
        numbered.map(event).collect()
    }

    #[test]
    fn the_configuration_names_every_kind_and_no_other() {
        let named: BTreeSet<_> = EventKind::ALL.iter().map(|kind| kind.name()).collect();
        let there: BTreeSet<_> = examples().iter().map(|event| event.what.kind()).collect();
        assert_eq!(named, there);
    }

    #[test]
    fn the_document_shows_one_of_each_kind_as_it_is_sent() {
        let document = include_str!("../../../docs/events.md");
        let rows = document.lines().filter_map(|line| line.strip_prefix("| `"));
        for example in examples() {
            let row = rows
                .clone()
                .find_map(|row| row.strip_prefix(&format!("{}` | `", example.what.kind())));
            let shown = row.and_then(|row| row.split('`').next()).expect("a row for each kind");
            let shown: Value = serde_json::from_str(shown).expect("JSON");
            let mut sent = Vec::new();
            append(&example, &mut sent);
            let sent: Value = serde_json::from_slice(&sent).expect("JSON");
            assert_eq!(shown, sent["data"], "{}", example.what.kind());
        }
        let (_, body) = document.split_once("```json\n").expect("a whole body");
        let (body, _) = body.split_once("```").expect("its end");
        let body: Value = serde_json::from_str(body).expect("JSON");
        let (entrance, exit) = batches(2);
        entrance.put(examples().iter(), 2);
        let sent = exit.take().expect("a batch").body;
        let sent: Value = serde_json::from_slice(&sent).expect("JSON");
        assert_eq!(body, sent, "{sent:#}");
    }
}
