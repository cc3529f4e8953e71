//! A room operation is answered once and under its id, wherever its room lives and whatever becomes of its connection.

use serde_json::{Value, json};
use signal_fish_relay::protocol::ProtocolVersion;
use signal_fish_relay::shard::InboxLimits;

use crate::harness::{Client, Frame, Game, Seat, Setup};

const ID: &str = "77777777-7777-4777-8777-777777777777";

fn operation(kind: &str, data: Value) -> Value {
    json!({"type": "RoomOperation", "data": {"operation_id": ID, "operation": {"type": kind, "data": data}}})
}

fn join(code: &Value) -> Value {
    let data = json!({"game_name": "tide-pool", "player_name": "Guest", "room_code": code});
    operation("JoinRoom", data)
}

/// A client on version 3 that may send operations.
fn operator(game: &Game, name: &str, shard: Option<u16>) -> Client {
    let client = game.connect_by(name, shard, ProtocolVersion::V3);
    client.authenticate_with(json!({"app_id": "reef-racer", "requested_capabilities": ["room_operation_ids"]}));
    client
}

/// A host with a room, and an operator whose connection is on another shard.
fn host_and_operator(game: &Game) -> (Client, Seat, Client) {
    let host = game.enter("host");
    let seat = host.create_room("tide-pool", "Host");
    let home = game.machine().shard_of(host.id).expect("the host is at home");
    (host, seat, operator(game, "guest", Some((home + 1) % 3)))
}

/// The kinds of the results that a client got, which must all be under the id.
fn results(client: &Client) -> Vec<String> {
    let kind = |frame: Frame| match frame {
        Frame::Text(message) if message["type"] == "RoomOperationResult" => {
            assert_eq!(message["data"]["operation_id"], ID);
            let kind = message["data"]["result"]["type"].as_str();
            Some(kind.expect("a result has a type").to_owned())
        }
        Frame::Text(message) => {
            let kind = message["type"].as_str().expect("a tag");
            assert!(
                !matches!(
                    kind,
                    "RoomJoined" | "RoomJoinFailed" | "RoomLeft" | "Reconnected" | "ReconnectionFailed"
                ),
                "answered without its id: {message}"
            );
            None
        }
        other => panic!("not expected: {other:?}"),
    };
    client.takes_all().into_iter().filter_map(kind).collect()
}

#[test]
fn the_id_moves_with_the_connection() {
    for seed in 0..40 {
        let game = Game::new(Setup {
            seed,
            shards: 3,
            ..Setup::default()
        });
        let (_host, seat, guest) = host_and_operator(&game);
        guest
            .sends(join(&json!(seat.room_code)))
            .sends(operation("LeaveRoom", Value::Null));
        guest.sends(json!({"type": "Ping"})).sends(json!({"type": "LeaveRoom"}));
        assert_eq!(results(&guest), ["RoomJoined", "RoomLeft"], "seed {seed}");
        assert!(game.count("hops_received_total") >= 1);
        // What follows an operation is answered as it was asked.
        guest.sends(json!({"type": "JoinRoom", "data":
            {"game_name": "tide-pool", "player_name": "Guest", "room_code": seat.room_code}}));
        guest.expects(json!({"type": "RoomJoined", "data": "$any"}));
    }
}

#[test]
fn a_refused_transfer_is_answered_under_the_id() {
    for seed in 0..40 {
        let game = Game::new(
            Setup {
                seed,
                shards: 3,
                inbox: InboxLimits { bulk: 1, reserve: 1 },
                ..Setup::default()
            }
            .with(|settings| settings.rooms.outpost_members = None),
        );
        let (host, seat, guest) = host_and_operator(&game);
        let home = game.machine().shard_of(host.id).expect("the host is at home");
        let blocker = operator(&game, "blocker", Some((home + 2) % 3));
        game.machine().holds_transfers = true;
        blocker.sends(operation(
            "JoinAsSpectator",
            json!({"game_name": "tide-pool", "spectator_name": "Blocker", "room_code": seat.room_code}),
        ));
        game.settle();
        assert_eq!(game.machine().in_flight(), 1, "the inbox is full");
        guest.sends(join(&json!(seat.room_code)));
        guest.expects(
            json!({"type": "RoomOperationResult", "data": {"operation_id": ID, "result":
            {"type": "RoomJoinFailed", "data": {"reason": "$text", "error_code": "SERVICE_UNAVAILABLE"}}}}),
        );
        guest.sends(operation("LeaveRoom", Value::Null));
        guest.expects(
            json!({"type": "RoomOperationResult", "data": {"operation_id": ID, "result":
            {"type": "OperationFailed", "data": {"reason": "$text", "error_code": "NOT_IN_ROOM"}}}}),
        );
        game.machine().holds_transfers = false;
        assert_eq!(results(&blocker), ["SpectatorJoined"]);
        guest.sends(join(&json!(seat.room_code)));
        assert_eq!(results(&guest), ["RoomJoined"]);
    }
}

#[test]
fn who_is_removed_while_it_asks_gets_no_answer_and_nobody_else_gets_it() {
    for seed in 0..40 {
        let game = Game::new(Setup {
            seed,
            shards: 3,
            ..Setup::default()
        });
        let host = operator(&game, "host", None);
        host.sends(operation(
            "JoinRoom",
            json!({"game_name": "tide-pool", "player_name": "Host"}),
        ));
        let created = host.expects(json!({"type": "RoomOperationResult", "data": "$any"}));
        host.expects(json!({"type": "LobbyStateChanged", "data": "$any"}));
        let code = &created["data"]["result"]["data"]["room_code"];
        let guest = operator(&game, "guest", None);
        guest.sends(join(code));
        assert_eq!(results(&guest), ["RoomJoined"]);
        let joined = host.expects(json!({"type": "PlayerJoined", "data": {"player": "$any"}}));
        let guest_id = &joined["data"]["player"]["id"];
        host.sends(operation("KickPlayer", json!({"player_id": guest_id})));
        guest.sends(operation("LeaveRoom", Value::Null));
        let told = results(&host);
        assert!(
            told == ["PlayerKicked"] || told == ["OperationFailed"],
            "it left before, or was removed: {told:?}"
        );
        let was_removed = told == ["PlayerKicked"];
        let frames = guest.takes_all();
        let closes = frames
            .iter()
            .filter(|frame| matches!(frame, Frame::Close(Some(4007), _)));
        assert_eq!(closes.count(), usize::from(was_removed), "seed {seed}: {frames:?}");
        let answers = frames
            .iter()
            .filter(|frame| matches!(frame, Frame::Text(message) if message["type"] == "RoomOperationResult"));
        assert_eq!(answers.count(), usize::from(!was_removed), "seed {seed}: {frames:?}");
    }
}
