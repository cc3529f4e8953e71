//! What the server says, as tables. Names are what players chose: whatever would move a cursor, or turn a line around, is
//! replaced.

use std::fmt::Write as _;

use serde_json::Value;

/// A name or a word of an answer, fit for a terminal.
pub(super) fn plain(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Null => "–".to_owned(),
        other => other.to_string(),
    };
    text.chars().map(|c| if moves(c) { '\u{fffd}' } else { c }).collect()
}

/// Whether a character does something to those beside it.
fn moves(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn micros(value: &Value) -> String {
    match value.as_f64() {
        None => "–".to_owned(),
        Some(us) if us < 1e3 => format!("{us:.0} us"),
        Some(us) if us < 1e6 => format!("{:.1} ms", us / 1e3),
        Some(us) => format!("{:.1} s", us / 1e6),
    }
}

fn millis(value: &Value) -> String {
    match value.as_f64() {
        None => "–".to_owned(),
        Some(ms) if ms < 1e3 => format!("{ms:.0} ms"),
        Some(ms) if ms < 60e3 => format!("{:.1} s", ms / 1e3),
        Some(ms) => format!("{:.0} min", ms / 60e3),
    }
}

fn bytes(value: &Value) -> String {
    match value.as_f64() {
        None => "–".to_owned(),
        Some(bytes) if bytes < 1e3 => format!("{bytes:.0} B"),
        Some(bytes) if bytes < 1e6 => format!("{:.1} kB", bytes / 1e3),
        Some(bytes) if bytes < 1e9 => format!("{:.1} MB", bytes / 1e6),
        Some(bytes) => format!("{:.1} GB", bytes / 1e9),
    }
}

fn percent(value: &Value) -> String {
    value
        .as_f64()
        .map_or("–".to_owned(), |part| format!("{:.1} %", part * 100.0))
}

/// Rows under their heads, each column as wide as it has to be.
fn table(heads: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut widths: Vec<usize> = heads.iter().map(|head| head.chars().count()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    let heads = heads.iter().map(|head| (*head).to_owned()).collect();
    for row in std::iter::once(heads).chain(rows) {
        let cells: Vec<_> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// A page of rooms.
pub(super) fn rooms(page: &Value) -> String {
    let rows = list(&page["rooms"]).map(|room| {
        vec![
            plain(&room["code"]),
            plain(&room["game_name"]),
            format!("{}/{}", room["players"], room["max_players"]),
            plain(&room["spectators"]),
            plain(&room["messages_per_s"]),
            bytes(&room["bytes_per_s"]),
            plain(&room["messages"]),
            millis(&room["idle_ms"]),
            plain(&room["shard"]),
            plain(&room["id"]),
        ]
    });
    let heads = [
        "CODE", "GAME", "PLAYERS", "WATCH", "MSG/S", "BYTES/S", "MESSAGES", "QUIET", "SHARD", "ID",
    ];
    let mut text = table(&heads, rows.collect());
    let _ = writeln!(text, "{} of {} rooms", page["matching"], page["total"]);
    if page["is_partial"] == true {
        text.push_str("not all rooms were seen\n");
    }
    text
}

/// One room, with everybody in it.
pub(super) fn room(room: &Value) -> String {
    let mut text = format!(
        "{} of {}, {} of {} players, {} watch, {} messages, made {}, shard {}\n{}\n\n",
        plain(&room["code"]),
        plain(&room["game_name"]),
        room["players"],
        room["max_players"],
        room["spectators"],
        room["messages"],
        plain(&room["created_at"]),
        room["shard"],
        plain(&room["id"]),
    );
    let everybody = list(&room["members"])
        .map(|member| (member, "player"))
        .chain(list(&room["watching"]["shown"]).map(|member| (member, "spectator")));
    let rows = everybody.map(|(member, role)| {
        let link = &member["connection"];
        let role = if member["id"] == room["authority"] {
            "authority"
        } else {
            role
        };
        vec![
            plain(&member["name"]),
            role.to_owned(),
            plain(&link["version"]),
            plain(&link["encoding"]),
            plain(&link["address"]),
            micros(&link["round_trip_us"]),
            plain(&member["sent_messages"]),
            format!("{} {}", plain(&link["queue"]["frames"]), bytes(&link["queue"]["bytes"])),
            millis(&link["queue"]["age_ms"]),
            plain(&link["gaps"]),
            plain(&link["missed"]),
            millis(&link["paced_ms"]),
            plain(&member["id"]),
        ]
    });
    let heads = [
        "NAME", "ROLE", "V", "ENCODING", "ADDRESS", "RTT", "SAID", "WAITING", "FOR", "GAPS", "MISSED", "PACED", "ID",
    ];
    text.push_str(&table(&heads, rows.collect()));
    if let Some(more) = room["watching"]["more"].as_u64().filter(|more| *more > 0) {
        let _ = writeln!(text, "and {more} more who watch");
    }
    let decisions = list(&room["decisions"]).map(|decided| {
        let player = plain(&decided["player"]);
        vec![plain(&decided["at"]), player, plain(&decided["what"])]
    });
    text.push('\n');
    text.push_str(&table(&["AT", "PLAYER", "DECISION"], decisions.collect()));
    text
}

/// How many more rooms fit, and what gives out first.
fn forecast(capacity: &Value) -> String {
    let Some(more_rooms) = capacity["more_rooms"].as_u64() else {
        return "how many more rooms fit is unknown without rooms".to_owned();
    };
    let mut resources = list(&capacity["resources"]);
    let is_measured = resources.any(|supply| supply["resource"] == "cpu" && !supply["more_rooms"].is_null());
    if is_measured {
        let first = plain(&capacity["first_to_give_out"]).replace('_', " ");
        format!("{more_rooms} more rooms like these fit, then {first} gives out")
    } else {
        format!("at most {more_rooms} more rooms like these fit; the CPU is too idle to tell")
    }
}

/// The server, its shards and its busiest rooms.
pub(super) fn top(both: &Value) -> String {
    let seen = &both["overview"];
    let mut text = format!(
        "{}: {} connections, {} rooms, {} of a core, {}\n{}\n\n",
        plain(&seen["state"]),
        seen["connections"],
        seen["rooms"],
        percent(&seen["cpu"]),
        bytes(&seen["resident_bytes"]),
        forecast(&seen["capacity"]),
    );
    let rows = list(&seen["shards"]).map(|shard| {
        let now = &shard["now"];
        vec![
            plain(&shard["shard"]),
            percent(&now["busy"]),
            plain(&shard["rooms"]),
            plain(&shard["connections"]),
            plain(&now["messages_per_s"]),
            plain(&now["deliveries_per_s"]),
            bytes(&now["bytes_per_s"]),
            micros(&now["relay_p99_us"]),
            micros(&now["turn_p99_us"]),
            bytes(&shard["waiting_bytes"]),
        ]
    });
    let heads = [
        "SHARD",
        "BUSY",
        "ROOMS",
        "CONNS",
        "MSG/S",
        "DELIV/S",
        "SENT/S",
        "RELAY P99",
        "TURN P99",
        "WAITING",
    ];
    text.push_str(&table(&heads, rows.collect()));
    text.push('\n');
    text.push_str(&rooms(&both["rooms"]));
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_name_moves_the_cursor_or_turns_the_line() {
        let page = json!({"rooms": [{"code": "AAA111", "game_name": "\u{1b}[2J\u{202e}evil\r\n\u{9b}", "players": 1, "max_players": 2}],
            "matching": 1, "total": 1});
        let text = rooms(&page);
        assert!(text.contains("evil"), "{text}");
        assert!(!text.chars().any(|c| moves(c) && c != '\n'), "{text:?}");
        assert_eq!(text.lines().count(), 3, "{text:?}");
    }

    #[test]
    fn how_many_more_rooms_fit_is_told_as_far_as_it_is_known() {
        let of = |more: Value, cpu: Value| {
            let resources = [
                json!({"resource": "rooms", "more_rooms": 900}),
                json!({"resource": "cpu", "more_rooms": cpu}),
            ];
            forecast(&json!({"more_rooms": more, "first_to_give_out": "rooms_of_one_game", "resources": resources}))
        };
        assert_eq!(
            of(json!(7), json!(80)),
            "7 more rooms like these fit, then rooms of one game gives out"
        );
        assert_eq!(
            of(json!(7), Value::Null),
            "at most 7 more rooms like these fit; the CPU is too idle to tell"
        );
        assert_eq!(
            of(Value::Null, Value::Null),
            "how many more rooms fit is unknown without rooms"
        );
    }

    #[test]
    fn what_is_not_known_is_a_dash() {
        let room_text = room(&json!({"members": [{"name": "Mira", "id": "m"}], "watching": {"shown": [], "more": 3}}));
        assert!(
            room_text.contains("–") && room_text.contains("and 3 more"),
            "{room_text}"
        );
        assert_eq!(
            (micros(&json!(1_500)), millis(&json!(90_000)), bytes(&json!(2_500))),
            ("1.5 ms".into(), "2 min".into(), "2.5 kB".into())
        );
    }
}
