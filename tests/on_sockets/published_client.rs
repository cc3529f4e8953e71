//! The client that games use, as published, plays a whole match through the server: create, join by code, get ready,
//! start, exchange JSON and binary data, leave. It checks every message against its own idea of the protocol and reports
//! a violation as an event, which ends the test.
//!
//! On protocol version 2 the published client receives binary data but does not offer to send any, so a third player of
//! the same room, on a plain WebSocket, sends it and gets the JSON of the others.

use serde_json::json;
use signal_fish_client::protocol::{GameDataEncoding, PlayerId};
use signal_fish_client::{JoinRoomParams, SignalFishEvent as Event};

use crate::support::player::{Player, Received};
use crate::support::published::{Published, run};
use crate::support::server::Server;

const GAME: &str = "tide-pool";

/// Plays a match of two published clients and one plain player on a server of `shards` shards.
async fn play_a_match(shards: usize) {
    let server = Server::start(shards);
    let mut mira = Published::authenticated(&server, Some(GameDataEncoding::MessagePack)).await;
    let mut otto = Published::authenticated(&server, None).await;
    let mut kite = Player::authenticated_for(&server, "message_pack");

    // Create, and join by code.
    mira.client
        .join_room(JoinRoomParams::new(GAME, "Mira").with_max_players(3))
        .expect("a free client");
    let Event::RoomJoined {
        room_code,
        player_id: mira_id,
        is_authority: true,
        current_players,
        ..
    } = mira.next().await
    else {
        panic!("the creator joins with authority")
    };
    assert_eq!(current_players.len(), 1);
    assert!(matches!(mira.next().await, Event::LobbyStateChanged { .. }));
    otto.client
        .join_room(JoinRoomParams::new(GAME, "Otto").with_room_code(&room_code))
        .expect("a free client");
    let Event::RoomJoined {
        room_code: joined_code,
        player_id: otto_id,
        is_authority: false,
        current_players,
        ..
    } = otto.next().await
    else {
        panic!("the second player joins without authority")
    };
    assert_eq!((joined_code, current_players.len()), (room_code.clone(), 2));
    assert!(matches!(mira.next().await, Event::PlayerJoined { player } if player.id == otto_id));
    let kite_id: PlayerId = kite.join(GAME, "Kite", &room_code)["player_id"]
        .as_str()
        .and_then(|id| id.parse().ok())
        .expect("an id");
    for client in [&mut mira, &mut otto] {
        assert!(matches!(client.next().await, Event::PlayerJoined { player } if player.id == kite_id));
    }

    // Ready and start.
    kite.send(&json!({"type": "PlayerReady"}));
    kite.expect("LobbyStateChanged");
    for client in [&mut mira, &mut otto] {
        assert!(matches!(
            client.next().await,
            Event::LobbyStateChanged { all_ready: false, .. }
        ));
    }
    otto.client.set_ready().expect("seated");
    for client in [&mut mira, &mut otto] {
        assert!(matches!(
            client.next().await,
            Event::LobbyStateChanged { all_ready: false, .. }
        ));
    }
    mira.client.set_ready().expect("seated");
    for client in [&mut mira, &mut otto] {
        assert!(matches!(
            client.next().await,
            Event::LobbyStateChanged { all_ready: true, .. }
        ));
    }
    mira.client.start_game().expect("the authority");
    for client in [&mut mira, &mut otto] {
        assert!(matches!(client.next().await, Event::GameStarting { peer_connections } if peer_connections.len() == 3));
    }
    kite.wait_for("GameStarting");

    // JSON both ways, binary to both: as it is, and as JSON to the one that negotiated JSON.
    for number in 0..50 {
        let data = json!({"op": "move", "x": number, "y": -3.5, "note": "\u{1f41f}"});
        mira.client.send_game_data(data.clone()).expect("room in the queue");
        otto.client.send_game_data(data.clone()).expect("room in the queue");
        assert!(
            matches!(otto.next().await, Event::GameData { from_player, data: heard, .. } if from_player == mira_id && heard == data)
        );
        assert!(
            matches!(mira.next().await, Event::GameData { from_player, data: heard, .. } if from_player == otto_id && heard == data)
        );
        let mut heard = [kite.expect("GameData"), kite.expect("GameData")];
        heard.sort_by_key(|message| message["from_player"] != mira_id.to_string());
        assert_eq!(heard[0], json!({"from_player": mira_id, "data": data}));
        assert_eq!(heard[1], json!({"from_player": otto_id, "data": data}));

        let packed = rmp_serde::to_vec(&data).expect("MessagePack");
        kite.send_binary(&packed);
        assert!(
            matches!(mira.next().await, Event::GameDataBinary { from_player, payload, encoding: GameDataEncoding::MessagePack, .. } if from_player == kite_id && payload == packed)
        );
        assert!(
            matches!(otto.next().await, Event::GameData { from_player, data: heard, .. } if from_player == kite_id && heard == data)
        );
    }

    // Leave, one after the other.
    otto.left().await;
    assert!(matches!(mira.next().await, Event::PlayerLeft { player_id, .. } if player_id == otto_id));
    assert_eq!(kite.expect("PlayerLeft")["player_id"], json!(otto_id));
    mira.left().await;
    assert_eq!(kite.expect("PlayerLeft")["player_id"], json!(mira_id));
    assert_eq!(kite.expect("AuthorityChanged")["authority_player"], json!(null));
    kite.leave();
    kite.close(1000);
    assert_eq!(kite.receive(), Received::Close(Some(1000)));
    server.stop();
}

#[test]
fn plays_a_match_on_one_shard() {
    run(play_a_match(1));
}

#[test]
fn plays_a_match_on_two_shards() {
    run(play_a_match(2));
}

#[test]
fn plays_a_match_on_eight_shards() {
    run(play_a_match(8));
}
