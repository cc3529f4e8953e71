//! A seat can be taken back as soon as its room knows that it is free, and the answer fits whoever takes it.

use serde_json::{Value, json};
use signal_fish_relay::protocol::ProtocolVersion;

use crate::harness::{Client, Frame, Game, Opcode, Setup, in_every_schedule};

fn enter(game: &Game, name: &str) -> Client {
    let client = game.connect_by(name, None, ProtocolVersion::V3);
    client.authenticate("reef-racer");
    client
}

/// A player on version 3 with a seat, and what it was told with it.
fn seated(game: &Game, name: &str, code: Option<&str>) -> (Client, Value) {
    let client = enter(game, name);
    client.asks_to_join(json!({"game_name": "tide-pool", "player_name": name, "room_code": code}));
    let seat = client.expects(json!({"type": "RoomJoined", "data": "$any"}))["data"].clone();
    (client, seat)
}

fn asks_back(client: &Client, seat: &Value) {
    client.sends(
        json!({"type": "Reconnect", "data": {"player_id": seat["player_id"], "room_id": seat["room_id"],
        "auth_token": seat["reconnection_token"]}}),
    );
}

fn drops_all(client: &Client) {
    drop(client.takes_all());
}

#[test]
fn a_player_whose_old_connection_is_still_closing_has_its_seat_back_and_keeps_it() {
    in_every_schedule(Setup::default, |game| {
        let (host, room) = seated(game, "Host", None);
        let (mira, seat) = seated(game, "Mira", room["room_code"].as_str());
        drops_all(&host);
        // A reserved opcode: the server closes, and the client never says that it has seen it.
        mira.answers(false).sends_bytes(&[0x83, 0x80, 0, 0, 0, 0]);
        host.expects(json!({"type": "PlayerLeft", "data": "$any"}));
        assert!(mira.is_connected(), "the old socket is still there");
        let back = enter(game, "back");
        asks_back(&back, &seat);
        let answer = back.expects(json!({"type": "Reconnected", "data": "$any"}))["data"].clone();
        host.expects(json!({"type": "PlayerReconnected", "data": "$any"}));
        game.advance_ms(10_000);
        assert!(!mira.is_connected(), "the old connection is over");
        host.expects_nothing();
        // The player is still known as connected: its id is not another's to claim, nor is it forgotten.
        let thief = enter(game, "thief");
        asks_back(&thief, &answer);
        thief.expects(json!({"type": "ReconnectionFailed", "data":
            {"reason": "$text", "error_code": "PLAYER_ALREADY_CONNECTED"}}));
        back.sends_json(json!("here"));
        host.expects(
            json!({"type": "GameData", "data": {"from_player": seat["player_id"], "data": "here",
            "seq": 1, "epoch": 2}}),
        );
    });
}

#[test]
fn a_player_who_says_goodbye_first_has_its_seat_back_too() {
    in_every_schedule(Setup::default, |game| {
        let (host, room) = seated(game, "Host", None);
        let (mira, seat) = seated(game, "Mira", room["room_code"].as_str());
        drops_all(&host);
        // It reads nothing, so that the server's half of the closing handshake stays in the way.
        mira.reads(false).has_pipe_of(0).closes(1_000, "back soon");
        host.expects(json!({"type": "PlayerLeft", "data": "$any"}));
        assert!(mira.is_connected());
        let back = enter(game, "back");
        asks_back(&back, &seat);
        back.expects(json!({"type": "Reconnected", "data": "$any"}));
        game.advance_ms(10_000);
        assert!(!mira.is_connected());
        let thief = enter(game, "thief");
        asks_back(&thief, &seat);
        thief.expects(json!({"type": "ReconnectionFailed", "data":
            {"reason": "$text", "error_code": "PLAYER_ALREADY_CONNECTED"}}));
    });
}

#[test]
fn who_left_or_was_removed_has_nothing_to_take_back() {
    in_every_schedule(Setup::default, |game| {
        let (host, room) = seated(game, "Host", None);
        let (mira, seat) = seated(game, "Mira", room["room_code"].as_str());
        drops_all(&host);
        mira.says("LeaveRoom");
        mira.expects(json!({"type": "RoomLeft"}));
        let thief = enter(game, "thief");
        asks_back(&thief, &seat);
        thief.expects(json!({"type": "ReconnectionFailed", "data":
            {"reason": "$text", "error_code": "PLAYER_ALREADY_CONNECTED"}}));
        mira.answers(false).sends_bytes(&[0x83, 0x80, 0, 0, 0, 0]);
        game.settle();
        asks_back(&thief, &seat);
        thief.expects(json!({"type": "ReconnectionFailed", "data":
            {"reason": "$text", "error_code": "RECONNECTION_FAILED"}}));
    });
}

#[test]
fn what_was_missed_is_cut_to_what_an_outbox_takes() {
    const OUTBOX_BYTES: usize = 8 * 1024;
    for seed in 0..8 {
        let setup = Setup {
            seed,
            shards: 1,
            ..Setup::default().with(|settings| {
                settings.outbox.max_bytes = OUTBOX_BYTES;
                settings.reconnection.event_limit = 1_000;
            })
        };
        let game = Game::new(setup);
        let (host, room) = seated(&game, "Host", None);
        let (mira, seat) = seated(&game, "Mira", room["room_code"].as_str());
        mira.vanishes();
        for _ in 0..100 {
            host.says("PlayerReady");
            game.settle();
            drops_all(&host);
        }
        let back = enter(&game, "back");
        // In one turn: something waits already, and what happens next comes at once.
        back.has_pipe_of(0);
        back.sends_frame(Opcode::Ping, true, &[7; 100]);
        asks_back(&back, &seat);
        game.settle();
        for _ in 0..10 {
            host.says("PlayerReady");
            game.settle();
        }
        back.has_pipe_of(usize::MAX);
        game.settle();
        let frames = back.takes_all();
        let answer = frames.iter().find_map(|frame| match frame {
            Frame::Text(message) if message["type"] == "Reconnected" => Some(message),
            _ => None,
        });
        let answer = answer.unwrap_or_else(|| panic!("not told: {frames:?}"));
        assert_eq!(answer["data"]["replay"], "truncated");
        let told = answer["data"]["missed_events"].as_array().expect("a list").len();
        assert!((10..100).contains(&told), "{told} events");
        assert!(answer.text.len() < OUTBOX_BYTES, "{} bytes", answer.text.len());
        let last = frames.last();
        assert!(
            matches!(last, Some(Frame::Text(message)) if message["type"] == "LobbyStateChanged"),
            "everything that happened next was told: {last:?}"
        );
        assert!(back.is_connected());
    }
}
