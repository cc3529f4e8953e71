//! Another code for a room takes thousands of draws, spread over turns: whoever asks waits for its answer, and what it said
//! behind its request is served after it and not lost.

use serde_json::{Value, json};
use signal_fish_relay::protocol::ProtocolVersion;

use crate::harness::{Client, Frame, Game, Setup};

const HOSTS: usize = 40;

fn operation(id: usize, kind: &str) -> Value {
    json!({"type": "RoomOperation", "data":
        {"operation_id": format!("77777777-7777-4777-8777-{id:012}"), "operation": {"type": kind}}})
}

/// A host with a room, and the code of the room.
fn host(game: &Game, number: usize) -> (Client, String) {
    let name = format!("Host{number}");
    let client = game.connect_by(&name, Some(0), ProtocolVersion::V3);
    client.authenticate_with(json!({"app_id": "reef-racer", "requested_capabilities": ["room_operation_ids"]}));
    client.asks_to_join(json!({"game_name": "tide-pool", "player_name": name}));
    let joined = client.expects(json!({"type": "RoomJoined", "data": "$any"}));
    let code = joined["data"]["room_code"].as_str().expect("a code").to_owned();
    client.takes_all();
    (client, code)
}

#[test]
fn a_rush_of_requests_is_answered_and_everybodys_order_is_kept() {
    let game = Game::new(Setup {
        shards: 2,
        ..Setup::default()
    });
    let hosts: Vec<_> = (0..HOSTS).map(|number| host(&game, number)).collect();
    for (client, _) in &hosts {
        client.sends(operation(1, "RegenerateRoomCode"));
        client.sends(json!({"type": "Ping"}));
        client.sends(operation(2, "RegenerateRoomCode"));
    }
    for (client, old_code) in &hosts {
        let [Frame::Text(first), Frame::Text(pong), Frame::Text(second)] = &client.takes_all()[..] else {
            panic!("three answers");
        };
        assert_eq!(pong["type"], "Pong");
        let codes = [(1, first), (2, second)].map(|(id, answer)| {
            let result = &answer["data"];
            assert_eq!(result["operation_id"], operation(id, "")["data"]["operation_id"]);
            assert_eq!(result["result"]["type"], "RoomCodeRegenerated", "{answer}");
            result["result"]["data"]["room_code"]
                .as_str()
                .expect("a code")
                .to_owned()
        });
        assert!(codes[0] != codes[1] && !codes.contains(old_code));
        let guest = game.enter("guest");
        guest.join("tide-pool", &codes[1], "Guest");
    }
}
