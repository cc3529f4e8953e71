//! Room events as JSON: what webhooks send, and what is kept of what could not be sent.

use serde_json::{Value, json};

use crate::shard::{Remover, RoomEvent, RoomNews, SessionEnd};

/// An event.
pub(in crate::control) fn event(event: &RoomEvent) -> Value {
    json!({
        "id": event.id(),
        "type": event.what.kind(),
        "at": event.at,
        "number": event.number,
        "room": {"id": event.room, "code": event.code.as_str(), "game": &*event.game_name},
        "data": data(&event.what),
    })
}

/// A batch of events, as one request has it.
pub(in crate::control) fn batch(events: &[RoomEvent]) -> String {
    json!({ "events": events.iter().map(event).collect::<Vec<_>>() }).to_string()
}

fn data(news: &RoomNews) -> Value {
    match news {
        RoomNews::Opened { max_players } => json!({ "max_players": max_players }),
        RoomNews::Closed {
            why,
            lasted_ms,
            peak_players,
        } => json!({ "why": reason(*why), "lasted_ms": lasted_ms, "peak_players": peak_players }),
        RoomNews::Joined { player, name } => json!({ "player_id": player, "name": &**name }),
        RoomNews::Left { player, may_return } => json!({ "player_id": player, "may_return": may_return }),
        RoomNews::Returned { player } | RoomNews::SlowReader { player } => json!({ "player_id": player }),
        RoomNews::Removed { player, by } => json!({
            "player_id": player,
            "by": if *by == Remover::Operator { "operator" } else { "authority" },
            "banned": *by == Remover::AuthorityForGood,
        }),
        RoomNews::AuthorityMoved { to } => json!({ "player_id": to }),
        RoomNews::GameStarted { players } => json!({ "players": players }),
    }
}

const fn reason(why: SessionEnd) -> &'static str {
    match why {
        SessionEnd::Empty => "empty",
        SessionEnd::Expired => "expired",
        SessionEnd::Closed => "closed",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::EventKind;
    use crate::protocol::{PlayerId, RoomCode, RoomId, WallTime};

    /// One of each kind, as `docs/events.md` shows them.
    fn examples() -> Vec<RoomEvent> {
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
        let event = |(what, number)| RoomEvent {
            room: RoomId::from_bytes(*b"signal-fish-room"),
            game_name: "tide-pool".into(),
            code: RoomCode::parse("K7QW2M", 6).expect("a code"),
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
            assert_eq!(shown, data(&example.what), "{}", example.what.kind());
        }
        let (_, body) = document.split_once("```json\n").expect("a whole body");
        let (body, _) = body.split_once("```").expect("its end");
        let body: Value = serde_json::from_str(body).expect("JSON");
        let sent: Value = serde_json::from_str(&batch(&examples()[..2])).expect("JSON");
        assert_eq!(body, sent, "{sent:#}");
    }
}
