//! What is kept of players whose connection was lost has bounds: of each room only the newest.

use serde_json::{Value, json};

use crate::harness::{Client, Frame, Game, Setup};

const KEPT: usize = 256;

fn enter(game: &Game, name: &str) -> (Client, Value) {
    let client = game.connect(name);
    client.authenticate_with(json!({"app_id": "reef-racer", "protocol_version": 3}));
    client.asks_to_join(json!({"game_name": "tide-pool", "player_name": name, "room_code": "ROOM22"}));
    match client.next_frame() {
        Frame::Text(message) if message["type"] == "RoomJoined" => (client, message["data"].clone()),
        other => panic!("no seat: {other:?}"),
    }
}

#[test]
fn who_comes_and_goes_pushes_out_the_oldest() {
    let game = Game::new(Setup::default());
    let mut lost = Vec::new();
    for number in 0..KEPT + 2 {
        let (client, seat) = enter(&game, &format!("Mira{number}"));
        client.vanishes();
        game.settle();
        lost.push(seat);
    }
    let comes_back = |seat: &Value| {
        let client = game.connect("again");
        client.authenticate_with(json!({"app_id": "reef-racer", "protocol_version": 3}));
        client.sends(
            json!({"type": "Reconnect", "data": {"player_id": seat["player_id"], "room_id": seat["room_id"],
            "auth_token": seat["reconnection_token"]}}),
        );
        let Frame::Text(answer) = client.next_frame() else {
            panic!("no answer")
        };
        client.vanishes();
        game.settle();
        answer
    };
    for (number, expected) in [(0, "ReconnectionFailed"), (1, "ReconnectionFailed"), (2, "Reconnected")] {
        let answer = comes_back(&lost[number]);
        assert_eq!(
            answer["type"], expected,
            "the player who left as number {number}: {answer}"
        );
    }
}
