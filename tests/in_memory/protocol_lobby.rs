//! Late joiners, and the shapes of connection info: what the scripts `lobby` and `connection_info` do not tell.

use serde_json::{Value, json};

use crate::harness::Seat;
use crate::harness::{Client, Game, Setup, in_every_schedule};

fn lobby(ready: &[&Seat], all_ready: bool) -> Value {
    let mut players = vec![json!("$unordered")];
    players.extend(ready.iter().map(|seat| json!(seat.player_id)));
    let ready_players = if ready.is_empty() { json!([]) } else { json!(players) };
    json!({"type": "LobbyStateChanged", "data":
        {"lobby_state": "lobby", "ready_players": ready_players, "all_ready": all_ready}})
}

fn authority(holder: Option<&Seat>, is_mine: bool) -> Value {
    json!({"type": "AuthorityChanged", "data":
        {"authority_player": holder.map(|seat| seat.player_id.clone()), "you_are_authority": is_mine}})
}

/// Two players in a room, the first of whom leads it.
fn pair(game: &Game) -> (Client, Seat, Client, Seat) {
    let (mira, otto) = (game.enter("mira"), game.enter("otto"));
    let host = mira.create_room("tide-pool", "Mira");
    let guest = otto.join("tide-pool", &host.room_code, "Otto");
    mira.expects_newcomer(&guest, "Otto");
    (mira, host, otto, guest)
}

fn all_expect(clients: &[&Client], pattern: &Value) {
    for client in clients {
        client.expects(pattern.clone());
    }
}

#[test]
fn a_late_joiner_is_unready_and_a_started_game_takes_more() {
    in_every_schedule(Setup::default, |game| {
        let (mira, host, otto, guest) = pair(game);
        mira.says("PlayerReady");
        all_expect(&[&mira, &otto], &lobby(&[&host], false));
        otto.says("PlayerReady");
        all_expect(&[&mira, &otto], &lobby(&[&host, &guest], true));
        let kite = game.enter("kite");
        let late = kite.join("tide-pool", &host.room_code, "Kite");
        assert_eq!(late.snapshot["ready_players"].as_array().map(Vec::len), Some(2));
        all_expect(
            &[&mira, &otto],
            &json!({"type": "PlayerJoined", "data": {"player": "$any"}}),
        );
        mira.says("StartGame").expects_error("GAME_START_NOT_READY");
        kite.says("LeaveRoom").expects(json!({"type": "RoomLeft"}));
        mira.expects_departure(&late);
        otto.expects_departure(&late);
        mira.says("StartGame");
        all_expect(
            &[&mira, &otto],
            &json!({"type": "GameStarting", "data": {"peer_connections": "$any"}}),
        );
        let again = kite.join("tide-pool", &host.room_code, "Kite");
        assert_eq!(again.snapshot["lobby_state"], "finalized");
        assert_eq!(
            again.snapshot["ready_players"].as_array().map(Vec::len),
            Some(2),
            "those who started"
        );
        kite.expects_nothing();
        all_expect(
            &[&mira, &otto],
            &json!({"type": "PlayerJoined", "data": {"player": "$any"}}),
        );
        kite.sends_json(json!({"hello": "late"}));
        mira.expects_json(&again, json!({"hello": "late"}));
        otto.expects_json(&again, json!({"hello": "late"}));
        mira.vanishes();
        for client in [&otto, &kite] {
            client.expects_departure(&host);
            client.expects(authority(None, false));
            client.says("StartGame").expects_error("INVALID_ROOM_STATE");
        }
    });
}

#[test]
fn connection_info_has_a_shape_and_a_size() {
    in_every_schedule(Setup::default, |game| {
        let mira = game.enter("mira");
        let provide = |info: Value| json!({"type": "ProvideConnectionInfo", "data": {"connection_info": info}});
        mira.sends(provide(json!({"type": "custom", "data": "x".repeat(9_000)})))
            .expects_error("MESSAGE_TOO_LARGE");
        mira.create_room("tide-pool", "Mira");
        for info in [
            json!(null),
            json!({}),
            json!({"type": "direct", "host": "h"}),
            json!({"type": "custom"}),
            json!({"type": "direct", "host": "h", "port": 65_536}),
            json!({"type": "webrtc"}),
            json!({"type": "pigeon"}),
        ] {
            mira.sends(provide(info)).expects_error("INVALID_INPUT");
        }
        let frame_bytes = json!({"type": "custom", "data": ""}).to_string().len();
        mira.sends(provide(
            json!({"type": "custom", "data": "x".repeat(8_193 - frame_bytes)}),
        ));
        mira.expects_error("MESSAGE_TOO_LARGE");
        mira.sends(provide(
            json!({"type": "custom", "data": "x".repeat(8_192 - frame_bytes)}),
        ));
        mira.expects_to_be_served();
    });
}
