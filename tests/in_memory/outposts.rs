//! Spectators above a room's member limit stay where they are and see, and are told, what they would see at its home.

mod under_pressure;

use serde_json::{Value, json};
use signal_fish_relay::protocol::ProtocolVersion;

use crate::harness::{Client, Frame, Game, Seat, Setup, in_every_schedule};

const ID: &str = "77777777-7777-4777-8777-777777777777";

/// Rooms whose spectators all watch from outposts: the host alone reaches the limit.
fn setup() -> Setup {
    Setup::default().with(|settings| settings.rooms.outpost_members = Some(1))
}

/// A client on version 3 that may send operations.
fn enter_v3(game: &Game, name: &str) -> Client {
    let client = game.connect_by(name, None, ProtocolVersion::V3);
    client.authenticate_with(json!({"app_id": "reef-racer", "requested_capabilities": ["room_operation_ids"]}));
    client
}

fn watch(code: &str) -> Value {
    json!({"type": "JoinAsSpectator", "data":
        {"game_name": "tide-pool", "spectator_name": "Kite", "room_code": code}})
}

/// A spectator of version 2 who has seen that it has a place.
fn spectator(game: &Game, name: &str, seat: &Seat) -> (Client, Value) {
    let client = game.enter(name);
    client.sends(watch(&seat.room_code));
    let joined = client.expects(json!({"type": "SpectatorJoined", "data": "$any"}));
    (client, joined["data"].clone())
}

fn kinds(frames: &[Frame]) -> Vec<String> {
    let kind = |frame: &Frame| match frame {
        Frame::Text(message) => message["type"].as_str().expect("a tag").to_owned(),
        other => format!("{other:?}"),
    };
    frames.iter().map(kind).collect()
}

#[test]
fn spectators_above_the_limit_stay_where_they_are_and_see_what_is_said() {
    in_every_schedule(setup, |game| {
        let host = game.enter("host");
        let seat = host.create_room("tide-pool", "Host");
        let watchers: Vec<_> = (0..5)
            .map(|number| {
                let client = game.enter(&format!("watcher{number}"));
                let before = game.machine().shard_of(client.id);
                client.sends(watch(&seat.room_code));
                let joined = client.expects(json!({"type": "SpectatorJoined", "data": "$any"}));
                assert_eq!(game.machine().shard_of(client.id), before);
                let roster = joined["data"]["current_spectators"].as_array().expect("a list").len();
                assert_eq!(roster, number + 1);
                client
            })
            .collect();
        assert_eq!(game.count("outpost_places_total"), 5);
        game.advance_ms(2_000);
        host.takes_all();
        watchers.iter().for_each(|watcher| drop(watcher.takes_all()));
        for number in 0..30 {
            host.sends_json(json!({"n": number}));
        }
        for watcher in &watchers {
            for number in 0..30 {
                watcher.expects_json(&seat, json!({"n": number}));
            }
            watcher.expects_nothing();
        }
        host.expects_nothing();
    });
}

#[test]
fn spectators_below_the_limit_watch_at_home() {
    for seed in 0..20 {
        let game = Game::new(Setup {
            seed,
            shards: 3,
            ..setup().with(|settings| settings.rooms.outpost_members = Some(3))
        });
        let host = game.enter("host");
        let seat = host.create_room("tide-pool", "Host");
        let home = game.machine().shard_of(host.id);
        let places: Vec<_> = (0..4)
            .map(|number| {
                let (client, _) = spectator(&game, &format!("watcher{number}"), &seat);
                game.machine().shard_of(client.id)
            })
            .collect();
        assert_eq!(places[..2], [home, home], "the first two came home");
        assert_eq!(game.count("outpost_places_total"), 2);
    }
}

#[test]
fn leaving_is_answered_and_told_and_one_may_come_again() {
    in_every_schedule(setup, |game| {
        let host = game.enter("host");
        let seat = host.create_room("tide-pool", "Host");
        let (kite, place) = spectator(game, "kite", &seat);
        host.expects(json!({"type": "NewSpectatorJoined", "data": "$any"}));
        for _ in 0..3 {
            // In one piece: what follows the request waits for its answer.
            host.sends_json(json!("before"));
            game.settle();
            kite.says("LeaveSpectator").says("LeaveSpectator").says("Ping");
            kite.expects_json(&seat, json!("before"));
            kite.expects(
                json!({"type": "SpectatorLeft", "data": {"room_id": seat.room_id, "room_code": seat.room_code,
                "reason": "voluntary_leave", "current_spectators": []}}),
            );
            kite.expects_error("NOT_A_SPECTATOR");
            kite.expects(json!({"type": "Pong"}));
            host.expects(
                json!({"type": "SpectatorDisconnected", "data": {"spectator_id": place["spectator_id"],
                "reason": "voluntary_leave", "current_spectators": []}}),
            );
            host.sends_json(json!("meanwhile"));
            kite.expects_nothing();
            kite.sends(watch(&seat.room_code));
            kite.expects(json!({"type": "SpectatorJoined", "data": "$any"}));
            host.expects(json!({"type": "NewSpectatorJoined", "data": "$any"}));
        }
        kite.sends(watch(&seat.room_code));
        kite.expects(json!({"type": "SpectatorJoinFailed", "data":
            {"reason": "$text", "error_code": "SPECTATOR_JOIN_FAILED"}}));
        kite.sends_json(json!("mine")).expects_error("NOT_IN_ROOM");
    });
}

#[test]
fn a_lost_spectator_is_told_of_and_leaves_nothing_behind() {
    in_every_schedule(setup, |game| {
        let host = game.enter("host");
        let seat = host.create_room("tide-pool", "Host");
        for number in 0..6 {
            let (kite, place) = spectator(game, &format!("kite{number}"), &seat);
            host.expects(json!({"type": "NewSpectatorJoined", "data": "$any"}));
            match number % 3 {
                0 => kite.vanishes(),
                1 => kite.finishes(),
                _ => kite.closes(4_999, "enough"),
            };
            host.expects(
                json!({"type": "SpectatorDisconnected", "data": {"spectator_id": place["spectator_id"],
                "reason": "disconnected", "current_spectators": []}}),
            );
        }
        assert_eq!(game.machine().connections(), 1);
        let world = std::sync::Arc::clone(&game.machine().world);
        let load: usize = (0..world.shards())
            .map(|number| world.load(signal_fish_relay::shard::ShardId(number)))
            .sum();
        assert_eq!(load, 1, "members are counted where they are, and given back");
    });
}

#[test]
fn who_vanishes_while_it_asks_gets_no_place() {
    for seed in 0..60 {
        let game = Game::new(Setup {
            seed,
            shards: 3,
            ..setup()
        });
        let host = game.enter("host");
        let seat = host.create_room("tide-pool", "Host");
        let kite = game.enter("kite");
        kite.sends(watch(&seat.room_code));
        for _ in 0..seed {
            game.machine().step();
        }
        kite.closes(1000, "").vanishes();
        game.settle();
        let told = kinds(&host.takes_all());
        assert!(
            told.is_empty() || told == ["NewSpectatorJoined", "SpectatorDisconnected"],
            "{told:?}"
        );
        let (_, place) = spectator(&game, "other", &seat);
        assert_eq!(place["current_spectators"].as_array().expect("a list").len(), 1);
    }
}

#[test]
fn the_authority_removes_a_spectator_wherever_it_watches() {
    in_every_schedule(setup, |game| {
        let host = enter_v3(game, "host");
        host.sends(json!({"type": "JoinRoom", "data": {"game_name": "tide-pool", "player_name": "Host"}}));
        let room = host.expects(json!({"type": "RoomJoined", "data": "$any"}))["data"].clone();
        host.expects(json!({"type": "LobbyStateChanged", "data": "$any"}));
        let kite = enter_v3(game, "kite");
        kite.sends(watch(room["room_code"].as_str().expect("a code")));
        let place = kite.expects(json!({"type": "SpectatorJoined", "data": "$any"}))["data"].clone();
        host.expects(json!({"type": "NewSpectatorJoined", "data": "$any"}));
        host.sends_json(json!("last"));
        host.sends(
            json!({"type": "RoomOperation", "data": {"operation_id": ID, "operation":
            {"type": "KickPlayer", "data": {"player_id": place["spectator_id"]}}}}),
        );
        kite.expects(json!({"type": "GameData", "data": "$any"}));
        kite.expects(json!({"type": "SpectatorLeft", "data":
            {"room_id": room["room_id"], "reason": "removed", "current_spectators": []}}));
        host.expects(json!({"type": "SpectatorDisconnected", "data": "$any"}));
        host.expects(json!({"type": "RoomOperationResult", "data": "$any"}));
        kite.says("LeaveSpectator").expects_error("NOT_A_SPECTATOR");
        host.sends_json(json!("unseen"));
        kite.expects_nothing();
        // Answers are under their ids, also those that come from home.
        let operation = |kind: &str, data: &Value| json!({"type": "RoomOperation", "data": {"operation_id": ID, "operation": {"type": kind, "data": data}}});
        let answer = |kind: &str| {
            json!({"type": "RoomOperationResult", "data":
                {"operation_id": ID, "result": {"type": kind, "data": "$any"}}})
        };
        kite.sends(operation(
            "JoinAsSpectator",
            &watch(room["room_code"].as_str().expect("a code"))["data"],
        ));
        kite.expects(answer("SpectatorJoined"));
        kite.sends(operation("LeaveSpectator", &Value::Null));
        kite.expects(answer("SpectatorLeft"));
        kite.sends(operation("LeaveSpectator", &Value::Null));
        kite.expects(answer("OperationFailed"));
        kite.sends(operation("JoinAsSpectator", &watch("NOROOM")["data"]));
        kite.expects(answer("SpectatorJoinFailed"));
    });
}

#[test]
fn the_cap_counts_those_at_outposts() {
    let capped = || setup().with(|settings| settings.rooms.default_spectators = Some(2));
    in_every_schedule(capped, |game| {
        let host = game.enter("host");
        let seat = host.create_room("tide-pool", "Host");
        let (_first, _) = spectator(game, "first", &seat);
        let (second, _) = spectator(game, "second", &seat);
        let third = game.enter("third");
        let full =
            json!({"type": "SpectatorJoinFailed", "data": {"reason": "$text", "error_code": "TOO_MANY_SPECTATORS"}});
        third.sends(watch(&seat.room_code)).expects(full);
        second.takes_all();
        second.says("LeaveSpectator");
        second.expects(json!({"type": "SpectatorLeft", "data": "$any"}));
        third.sends(watch(&seat.room_code));
        third.expects(json!({"type": "SpectatorJoined", "data": "$any"}));
    });
}

#[test]
fn a_spectator_keeps_a_room_alive_until_it_falls_silent_too() {
    let patient = || setup().with(|settings| settings.liveness.idle_timeout_ms = None);
    in_every_schedule(patient, |game| {
        let host = game.enter("host");
        let seat = host.create_room("tide-pool", "Host");
        let (kite, _) = spectator(game, "kite", &seat);
        host.says("LeaveRoom");
        game.settle();
        host.takes_all();
        kite.takes_all();
        for _ in 0..5 {
            game.advance_ms(1_800_000);
            kite.expects_to_be_served();
            assert_eq!(game.machine().rooms(), 1);
        }
        game.advance_ms(3_600_000 + 180_000);
        kite.expects(json!({"type": "SpectatorLeft", "data":
            {"room_id": seat.room_id, "reason": "room_closed", "current_spectators": []}}));
        assert_eq!(game.machine().rooms(), 0);
        kite.says("LeaveSpectator").expects_error("NOT_A_SPECTATOR");
        kite.expects_to_be_served();
    });
}

#[test]
fn players_are_told_of_every_spectator_and_spectators_of_the_newest_in_time() {
    let large = || setup().with(|settings| settings.rooms.default_spectators = Some(0));
    in_every_schedule(large, |game| {
        let host = game.enter("host");
        let seat = host.create_room("tide-pool", "Host");
        let (first, _) = spectator(game, "first", &seat);
        game.advance_ms(5_000);
        first.takes_all();
        for number in 0..20 {
            spectator(game, &format!("late{number}"), &seat);
        }
        game.settle();
        let told = kinds(&first.takes_all());
        assert_eq!(told, ["NewSpectatorJoined"], "the rest within a second");
        game.advance_ms(1_000);
        let newest = first.expects(json!({"type": "NewSpectatorJoined", "data": "$any"}));
        let roster = newest["data"]["current_spectators"].as_array().expect("a list").len();
        assert_eq!(roster, 21, "the newest news has everything");
        first.expects_nothing();
        let told = kinds(&host.takes_all());
        assert_eq!(told.len(), 21, "{told:?}");
        assert_eq!(game.count("outpost_roster_notices_replaced_total"), 18);
    });
}

#[test]
fn everybody_is_told_who_leads_and_that_the_game_starts() {
    in_every_schedule(setup, |game| {
        let host = game.enter("host");
        let seat = host.create_room("tide-pool", "Host");
        let (kite, _) = spectator(game, "kite", &seat);
        host.sends(json!({"type": "AuthorityRequest", "data": {"become_authority": false}}));
        kite.expects(json!({"type": "AuthorityChanged", "data":
            {"authority_player": null, "you_are_authority": false}}));
        host.says("PlayerReady");
        kite.expects(json!({"type": "LobbyStateChanged", "data": "$any"}));
        host.says("StartGame");
        kite.expects(json!({"type": "GameStarting", "data": "$any"}));
        kite.expects_nothing();
    });
}

#[test]
fn a_stop_closes_those_at_outposts_too() {
    in_every_schedule(setup, |game| {
        let host = game.enter("host");
        let seat = host.create_room("tide-pool", "Host");
        let (kite, _) = spectator(game, "kite", &seat);
        let (otto, _) = spectator(game, "otto", &seat);
        game.settle();
        kite.takes_all();
        otto.takes_all();
        game.machine().close_all();
        kite.expects_close(4_000, "server_shutdown");
        otto.expects_close(4_000, "server_shutdown");
        assert_eq!(game.machine().connections(), 0);
    });
}
