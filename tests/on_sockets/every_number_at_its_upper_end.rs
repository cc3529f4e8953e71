//! A whole server whose every number is at its upper end: it serves, and stops when the last player has gone. One number at
//! a time, at both ends, is in `in_memory`.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use signal_fish_relay::config::{BOUNDS, Bound, Config};

use crate::support::player::{Player, Received};
use crate::support::server::Server;

const GAME: &str = "tide-pool";

/// Every number at its upper end at once, but for those that would change what is tested here: how many shards there are,
/// and how many files the machine must be able to open.
fn everything_at_most(config: &mut Config) {
    let mut document = serde_json::to_value(&*config).expect("a config serialises");
    for Bound { path, most, .. } in BOUNDS {
        let at = format!("/{}", path.replace('.', "/"));
        let is_kept = [
            "port",
            "runtime.shards",
            "security.max_connections",
            "security.max_connections_per_ip",
        ];
        if !is_kept.contains(path)
            && let Some(place) = document.pointer_mut(&at).filter(|place| !place.is_null())
        {
            *place = json!(most);
        }
    }
    // Where one number must leave room for another.
    let Value::Object(sections) = &mut document else {
        panic!("an object")
    };
    sections["protocol"]["min_protocol_version"] = json!(2);
    sections["protocol"]["room_code_length"] = json!(6);
    let security = &mut sections["security"];
    let outbound = security["max_outbound_message_size"].as_u64().expect("a number");
    for size in ["max_message_size", "max_signal_bytes"] {
        security[size] = json!(outbound - 256);
    }
    security["max_connection_info_bytes"] = json!(outbound / 255);
    *config = serde_json::from_value(document).expect("the right types");
}

#[test]
fn a_server_with_every_number_at_its_upper_end_serves_and_stops() {
    let server = Server::with(2, everything_at_most);
    let [mut one, mut other] = [(); 2].map(|()| Player::connect(&server));
    let code = one.create(GAME, "One");
    other.join(GAME, "Other", &code);
    one.expect("PlayerJoined");
    let until = Instant::now() + Duration::from_millis(300);
    let mut rounds = 0;
    while Instant::now() < until {
        one.say(&json!(rounds));
        assert_eq!(other.hear(), rounds);
        rounds += 1;
    }
    // The grace of a hundred years ends with the last who play on.
    let stopping = std::thread::spawn(move || server.stop());
    one.say(&json!("still here"));
    assert_eq!(other.hear(), "still here");
    for player in [&mut one, &mut other] {
        player.close(1000);
    }
    assert_eq!(one.receive(), Received::Close(Some(1000)));
    drop((one, other));
    stopping.join().expect("it stops");
}
