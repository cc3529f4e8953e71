//! The body of a request: events as JSON, by rooms.
//!
//! By hand: through `serde_json`, which escapes what needs no escaping, this took three times as long. And every byte is hashed: what
//! events share stands there once.

use std::sync::Arc;

use ahash::AHashMap;

use crate::protocol::{PlayerId, WallTimeText};
use crate::shard::{Remover, RoomEvent, RoomLabel, RoomNews, SessionEnd};

/// About what an event takes, with its part of what is said of its room.
const EVENT_BYTES: usize = 192;

/// Appends what needs no escaping. Of pieces whose length is known a copy is a few moves, and no call.
macro_rules! text {
    ($json:ident, $($piece:expr),+) => {{
        $($json.extend_from_slice($piece);)+
    }};
}

/// Writes events, one at least, by rooms; those of a room keep their order.
pub(super) fn body<'e>(events: impl Iterator<Item = &'e RoomEvent>) -> Vec<u8> {
    let events: Vec<_> = events.collect();
    let mut json = Vec::with_capacity(events.len() * EVENT_BYTES);
    let mut times = WallTimeText::default();
    text!(json, br#"{"rooms":["#);
    for of_room in by_rooms(&events).chunk_by(|a, b| a.0 == b.0) {
        begin_room(&events[of_room[0].1 as usize].room, &mut json);
        for (_, at) in of_room {
            let event = events[*at as usize];
            text!(json, br#"{"number":"#);
            number(&mut json, event.number);
            let kind = event.what.kind().as_bytes();
            text!(json, br#","type":""#, kind, br#"","at":""#, times.of(event.at));
            text!(json, br#"","data":{"#);
            append_data(&event.what, &mut json);
            text!(json, b"}},");
        }
        // Behind the last there is no comma.
        json.pop();
        text!(json, b"]},");
    }
    json.pop();
    text!(json, b"]}");
    json
}

/// The places of events, each behind the number of its room, in the order in which they are written. Rooms are told apart by their
/// labels: one whose code has changed in between is there twice, as it was called before and after.
fn by_rooms(events: &[&RoomEvent]) -> Vec<(u32, u32)> {
    let mut known = AHashMap::with_capacity(events.len());
    let mut order: Vec<_> = events
        .iter()
        .zip(0..)
        .map(|(event, at)| {
            let next = known.len() as u32;
            (*known.entry(Arc::as_ptr(&event.room)).or_insert(next), at)
        })
        .collect();
    order.sort_unstable();
    order
}

fn begin_room(room: &RoomLabel, json: &mut Vec<u8>) {
    let mut id = [0; 36];
    room.id.encode(&mut id);
    text!(json, br#"{"id":""#, &id);
    // Letters and digits.
    let code = room.code.as_str().as_bytes();
    text!(json, br#"","code":""#, code, br#"","game":"#);
    string(json, &room.game_name);
    text!(json, br#","events":["#);
}

fn append_data(news: &RoomNews, json: &mut Vec<u8>) {
    match news {
        RoomNews::Opened { max_players } => {
            text!(json, br#""max_players":"#);
            number(json, (*max_players).into());
        }
        RoomNews::Closed {
            why,
            lasted_ms,
            peak_players,
        } => {
            text!(json, br#""why":""#, reason(*why), br#"","lasted_ms":"#);
            number(json, *lasted_ms);
            text!(json, br#","peak_players":"#);
            number(json, (*peak_players).into());
        }
        RoomNews::Joined { player, name } => {
            player_id(json, *player);
            text!(json, br#","name":"#);
            string(json, name);
        }
        RoomNews::Left { player, may_return } => {
            player_id(json, *player);
            text!(json, br#","may_return":"#, truth(*may_return));
        }
        RoomNews::Returned { player } | RoomNews::SlowReader { player } => player_id(json, *player),
        RoomNews::Removed { player, by } => {
            let whose: &[u8] = if *by == Remover::Operator {
                b"operator"
            } else {
                b"authority"
            };
            player_id(json, *player);
            text!(json, br#","by":""#, whose, br#"","banned":"#);
            text!(json, truth(*by == Remover::AuthorityForGood));
        }
        RoomNews::AuthorityMoved { to: Some(player) } => player_id(json, *player),
        RoomNews::AuthorityMoved { to: None } => text!(json, br#""player_id":null"#),
        RoomNews::GameStarted { players } => {
            text!(json, br#""players":"#);
            number(json, (*players).into());
        }
    }
}

fn player_id(json: &mut Vec<u8>, player: PlayerId) {
    let mut spelled = [0; 36];
    player.encode(&mut spelled);
    text!(json, br#""player_id":""#, &spelled, b"\"");
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
            let sent: Value = serde_json::from_slice(&super::body([&example].into_iter())).expect("JSON");
            let sent = &sent["rooms"][0]["events"][0];
            assert_eq!(shown, sent["data"], "{}", example.what.kind());
        }
        let (_, body) = document.split_once("```json\n").expect("a whole body");
        let (body, _) = body.split_once("```").expect("its end");
        let body: Value = serde_json::from_str(body).expect("JSON");
        let sent: Value = serde_json::from_slice(&super::body(examples()[..2].iter())).expect("JSON");
        assert_eq!(body, sent, "{sent:#}");
    }

    #[test]
    fn events_stand_with_their_rooms_and_in_their_order() {
        let one = examples();
        let of_another = |code: &str| {
            let label = RoomLabel {
                id: RoomId::from_bytes(*b"another-fish-pnd"),
                game_name: "tide \"pool\",\n{".into(),
                code: RoomCode::parse(code, 6).expect("a code"),
            };
            Arc::new(label)
        };
        let (before, after) = (of_another("AAAAAA"), of_another("BBBBBB"));
        let mut other = examples();
        for event in &mut other {
            event.room = Arc::clone(if event.number < 4 { &before } else { &after });
            event.at.unix_nanos += event.number * 700_000_000;
        }
        other[1].what = RoomNews::Joined {
            player: PlayerId::from_bytes([7; 16]),
            name: "a,\nb\"],\n{".into(),
        };
        let mut mixed: Vec<_> = one.iter().chain(&other).cloned().collect();
        mixed.sort_by_key(|event| event.number);

        let body = super::body(mixed.iter());
        assert!(!body.contains(&b'\n'), "a line of its own, wherever it is kept");
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        let rooms = body["rooms"].as_array().expect("an array");
        let codes: Vec<_> = rooms
            .iter()
            .map(|room| room["code"].as_str().expect("a code"))
            .collect();
        assert_eq!(codes, ["K7QW2M", "AAAAAA", "BBBBBB"]);
        assert_eq!(rooms[1]["game"], "tide \"pool\",\n{");
        assert_eq!(rooms[1]["events"][1]["data"]["name"], "a,\nb\"],\n{");

        let said: Vec<(String, String)> = rooms
            .iter()
            .flat_map(|room| {
                let events = room["events"].as_array().expect("an array");
                let id = room["id"].as_str().expect("an id");
                events.iter().map(move |event| {
                    let at = event["at"].as_str().expect("a moment");
                    (format!("{id}.{}", event["number"]), at.to_owned())
                })
            })
            .collect();
        let happened: Vec<_> = one
            .iter()
            .chain(&other)
            .map(|event| {
                let at = String::from_utf8(event.at.rfc_3339().to_vec()).expect("digits");
                (event.id(), at)
            })
            .collect();
        assert_eq!(said, happened);
    }

    /// The numbers of all events in a body.
    pub(in crate::control::webhooks) fn numbers_in(body: &[u8]) -> Vec<u64> {
        let body: Value = serde_json::from_slice(body).expect("JSON");
        let rooms = body["rooms"].as_array().expect("an array").iter();
        let events = rooms.flat_map(|room| room["events"].as_array().expect("an array"));
        events
            .map(|event| event["number"].as_u64().expect("a number"))
            .collect()
    }
}
