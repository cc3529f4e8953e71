//! Readiness, the start, authority and connection info.

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

fn granted() -> Value {
    json!({"type": "AuthorityResponse", "data": {"granted": true, "reason": null}})
}

fn refused(code: &str) -> Value {
    json!({"type": "AuthorityResponse", "data": {"granted": false, "reason": "$text", "error_code": code}})
}

fn wants_authority(claim: bool) -> Value {
    json!({"type": "AuthorityRequest", "data": {"become_authority": claim}})
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
fn a_match_gets_ready_and_starts() {
    in_every_schedule(Setup::default, |game| {
        let (mira, host, otto, guest) = pair(game);
        mira.says("StartGame").expects_error("GAME_START_NOT_READY");
        otto.says("StartGame").expects_error("GAME_START_FORBIDDEN");
        mira.says("PlayerReady");
        all_expect(&[&mira, &otto], &lobby(&[&host], false));
        mira.says("PlayerReady");
        all_expect(&[&mira, &otto], &lobby(&[], false));
        mira.says("PlayerReady");
        all_expect(&[&mira, &otto], &lobby(&[&host], false));
        let info = json!({"type": "direct", "host": "192.0.2.44", "port": 7100});
        otto.sends(json!({"type": "ProvideConnectionInfo", "data": {"connection_info": info}}));
        otto.says("PlayerReady");
        all_expect(&[&mira, &otto], &lobby(&[&host, &guest], true));
        mira.says("StartGame");
        let starting = json!({"type": "GameStarting", "data": {"peer_connections": ["$unordered",
            {"player_id": host.player_id, "player_name": "Mira", "is_authority": true, "relay_type": "matchbox"},
            {"player_id": guest.player_id, "player_name": "Otto", "is_authority": false, "relay_type": "matchbox",
                "connection_info": info}]}});
        all_expect(&[&mira, &otto], &starting);
        for client in [&mira, &otto] {
            client.says("StartGame").expects_error("INVALID_ROOM_STATE");
            client.says("PlayerReady").expects_error("INVALID_ROOM_STATE");
            client.expects_nothing();
        }
    });
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
fn without_an_authority_anybody_ready_starts_even_alone() {
    in_every_schedule(Setup::default, |game| {
        let mira = game.enter("mira");
        mira.asks_to_join(json!({"game_name": "solo", "player_name": "Mira", "supports_authority": false}));
        let seat = mira.expects_created();
        assert_eq!(seat.snapshot["supports_authority"], false);
        assert_eq!(seat.snapshot["is_authority"], false);
        assert_eq!(seat.snapshot["current_players"][0]["is_authority"], false);
        mira.sends(wants_authority(true))
            .expects(refused("AUTHORITY_NOT_SUPPORTED"));
        mira.sends(wants_authority(false))
            .expects(refused("AUTHORITY_NOT_SUPPORTED"));
        mira.says("StartGame").expects_error("GAME_START_NOT_READY");
        mira.says("PlayerReady").expects(lobby(&[&seat], true));
        mira.says("StartGame")
            .expects(json!({"type": "GameStarting", "data": {"peer_connections": [
            {"player_id": seat.player_id, "player_name": "Mira", "is_authority": false, "relay_type": "matchbox"}]}}));
    });
}

#[test]
fn authority_is_claimed_held_and_released() {
    in_every_schedule(Setup::default, |game| {
        let (mira, host, otto, guest) = pair(game);
        mira.sends(wants_authority(true)).expects(refused("AUTHORITY_CONFLICT"));
        otto.sends(wants_authority(true)).expects(refused("AUTHORITY_CONFLICT"));
        otto.sends(wants_authority(false)).expects(refused("AUTHORITY_DENIED"));
        mira.sends(wants_authority(false)).expects(granted());
        all_expect(&[&mira, &otto], &authority(None, false));
        mira.sends(wants_authority(false)).expects(refused("AUTHORITY_DENIED"));
        otto.sends(wants_authority(true)).expects(granted());
        otto.expects(authority(Some(&guest), true));
        mira.expects(authority(Some(&guest), false));
        let kite = game.enter("kite");
        let third = kite.join("tide-pool", &host.room_code, "Kite");
        let leads = |id: &str| {
            third.snapshot["current_players"]
                .as_array()
                .expect("an array")
                .iter()
                .any(|player| player["id"] == id && player["is_authority"] == true)
        };
        assert!(leads(&guest.player_id) && !leads(&host.player_id) && !leads(&third.player_id));
    });
}

#[test]
fn without_a_seat_there_is_nothing_to_be_done() {
    in_every_schedule(Setup::default, |game| {
        let mira = game.enter("mira");
        mira.says("PlayerReady").expects_error("NOT_IN_ROOM");
        mira.says("StartGame").expects_error("NOT_IN_ROOM");
        mira.sends_json(json!(1)).expects_error("NOT_IN_ROOM");
        mira.sends(json!({"type": "ProvideConnectionInfo", "data": {"connection_info":
            {"type": "custom", "data": {"k": 1}}}}));
        mira.expects_error("NOT_IN_ROOM");
        mira.sends(wants_authority(true)).expects(refused("NOT_IN_ROOM"));
        mira.sends(wants_authority(false)).expects(refused("NOT_IN_ROOM"));
        mira.expects_to_be_served();
    });
}

#[test]
fn connection_info_is_kept_for_whoever_asks_and_forgotten_on_leaving() {
    in_every_schedule(Setup::default, |game| {
        let mira = game.enter("mira");
        let seat = mira.create_room("tide-pool", "Mira");
        let kinds = [
            (
                json!({"type": "direct", "host": "h", "port": 65_535, "bogus": 1}),
                json!({"type": "direct", "host": "h", "port": 65_535}),
            ),
            (
                json!({"type": "unity_relay", "allocation_id": "a", "connection_data": "b", "key": "c"}),
                json!({"type": "unity_relay", "allocation_id": "a", "connection_data": "b", "key": "c"}),
            ),
            (
                json!({"type": "relay", "host": "h", "port": 1, "allocation_id": "a", "token": "t"}),
                json!({"type": "relay", "host": "h", "port": 1, "transport": "auto", "allocation_id": "a", "token": "t"}),
            ),
            (
                json!({"type": "webrtc", "ice_candidates": ["c"]}),
                json!({"type": "webrtc", "sdp": null, "ice_candidates": ["c"]}),
            ),
            (
                json!({"type": "custom", "data": {"any": [1, null]}}),
                json!({"type": "custom", "data": {"any": [1, null]}}),
            ),
        ];
        for (given, kept) in kinds {
            mira.sends(json!({"type": "ProvideConnectionInfo", "data": {"connection_info": given}}));
            mira.expects_nothing();
            let otto = game.enter("otto");
            let snapshot = otto.join("tide-pool", &seat.room_code, "Otto").snapshot;
            let players = snapshot["current_players"].as_array().expect("an array").clone();
            let mine = players
                .iter()
                .find(|player| player["name"] == "Mira")
                .expect("Mira is there");
            assert_eq!(mine["connection_info"], kept);
            otto.vanishes();
            assert_eq!(mira.takes_all().len(), 2, "came and went");
        }
        mira.says("LeaveRoom").expects(json!({"type": "RoomLeft"}));
        let again = mira.join("tide-pool", &seat.room_code, "Mira");
        assert_eq!(again.snapshot["current_players"][0].get("connection_info"), None);
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
