//! Spectators above a room's member limit stay where they are and see, and are told, what they would see at its home.

use serde_json::{Value, json};
use signal_fish_relay::protocol::ProtocolVersion;
use signal_fish_relay::shard::InboxLimits;

use crate::harness::{Client, Frame, Game, Schedule, Seat, Setup, in_every_schedule};

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
fn a_question_that_finds_the_inbox_full_is_refused_and_may_be_asked_again() {
    for seed in 0..30 {
        let game = Game::new(Setup {
            seed,
            shards: 2,
            inbox: InboxLimits { bulk: 1, reserve: 1 },
            ..setup()
        });
        let host = game.enter("host");
        let seat = host.create_room("tide-pool", "Host");
        let away = 1 - game.machine().shard_of(host.id).expect("the host is at home");
        let askers: Vec<_> = (0..2)
            .map(|number| {
                let asker = game.connect_to(&format!("asker{number}"), Some(away));
                asker.authenticate("reef-racer");
                asker
            })
            .collect();
        game.machine().holds_transfers = true;
        askers[0].sends(watch(&seat.room_code));
        game.settle();
        askers[1].sends(watch(&seat.room_code));
        askers[1].expects(json!({"type": "SpectatorJoinFailed", "data":
            {"reason": "$text", "error_code": "SERVICE_UNAVAILABLE"}}));
        game.machine().holds_transfers = false;
        askers[0].expects(json!({"type": "SpectatorJoined", "data": "$any"}));
        askers[1].sends(watch(&seat.room_code));
        askers[1].expects(json!({"type": "SpectatorJoined", "data": "$any"}));
    }
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

#[test]
fn one_outpost_that_falls_behind_is_closed_and_nobody_else_misses_anything() {
    for seed in 0..20 {
        let game = Game::new(
            Setup {
                seed,
                shards: 3,
                inbox: InboxLimits { bulk: 1, reserve: 1 },
                ..setup()
            }
            .with(|settings| settings.outbox.max_bytes = 8_000),
        );
        let host = game.enter("host");
        let seat = host.create_room("tide-pool", "Host");
        let home = game.machine().shard_of(host.id).expect("at home");
        let place = |name: &str, shard: u16| {
            let client = game.connect_to(name, Some(shard));
            client.authenticate("reef-racer").sends(watch(&seat.room_code));
            client.expects(json!({"type": "SpectatorJoined", "data": "$any"}));
            client
        };
        let at_home = place("at home", home);
        let away = place("away", (home + 1) % 3);
        game.advance_ms(2_000);
        at_home.takes_all();
        away.takes_all();
        host.takes_all();
        game.machine().pauses = Some((home + 1) % 3);
        for number in 0..100 {
            host.sends_json(json!({"n": number, "padding": "x".repeat(150)}));
            game.machine().run_a_while();
        }
        game.machine().pauses = None;
        game.settle();
        let heard = at_home.takes_all();
        let data = heard
            .iter()
            .filter(|frame| matches!(frame, Frame::Text(text) if text["type"] == "GameData"));
        assert_eq!(data.count(), 100, "seed {seed}");
        let frames = away.takes_all();
        let mut expected = 0;
        for frame in &frames {
            match frame {
                Frame::Text(text) if text["type"] == "GameData" => {
                    assert_eq!(text["data"]["data"]["n"], expected, "in order, without a hole");
                    expected += 1;
                }
                Frame::Text(text) => assert_eq!(text["data"]["error_code"], "SLOW_CONSUMER"),
                Frame::Close(code, _) => assert_eq!(*code, Some(4_002)),
                other => panic!("not expected: {other:?}"),
            }
        }
        assert!(expected < 100 && !away.is_connected(), "seed {seed}: {expected} of 100");
        assert_eq!(game.count("outpost_cuts_total"), 1);
        let gone = kinds(&host.takes_all());
        assert_eq!(gone, ["SpectatorDisconnected"]);
        // A new outpost is as good as the first.
        let again = place("again", (home + 1) % 3);
        again.takes_all();
        host.takes_all();
        host.sends_json(json!("again"));
        again.expects_json(&seat, json!("again"));
    }
}

#[test]
fn what_gathers_for_hundreds_of_spectators_reaches_each_of_them_once_and_in_order() {
    let game = Game::new(Setup {
        seed: 9,
        ..setup().with(|settings| settings.rooms.default_spectators = Some(0))
    });
    let host = game.enter("host");
    let seat = host.create_room("tide-pool", "Host");
    // Enough that each shard lets what is said gather.
    let watchers: Vec<_> = (0..640)
        .map(|number| {
            let client = game.connect_by(&format!("watcher{number}"), Some(number % 2), ProtocolVersion::V3);
            client.sends(json!({"type": "Authenticate", "data": {"app_id": "reef-racer"}}));
            client.sends(watch(&seat.room_code));
            if number % 16 == 0 {
                game.settle(); // an inbox takes 64 questions
            }
            client
        })
        .collect();
    game.advance_ms(2_000);
    for watcher in &watchers {
        let kinds = kinds(&watcher.takes_all());
        assert!(kinds.iter().any(|kind| kind == "SpectatorJoined"), "{kinds:?}");
    }
    let sends = game.count("socket_sends_total");
    for number in 0..60 {
        host.sends_json(json!(number));
        game.advance_ms(5);
        if number == 30 {
            // Who comes amid it sees the rest, and whoever goes changes nothing for the others.
            watchers[7].vanishes();
            watchers[8].says("LeaveSpectator");
        }
    }
    game.advance_ms(1_000);
    for (number, watcher) in watchers
        .iter()
        .enumerate()
        .filter(|(number, _)| !(7..=8).contains(number))
    {
        let said: Vec<_> = watcher
            .takes_all()
            .iter()
            .filter_map(|frame| match frame {
                Frame::Text(text) if text["type"] == "GameData" => text["data"]["data"].as_u64(),
                _ => None,
            })
            .collect();
        assert_eq!(said, (0..60).collect::<Vec<_>>(), "watcher{number}");
    }
    let sends = game.count("socket_sends_total") - sends;
    assert!(sends < 640 * 40, "60 messages took {sends} sends");
}

#[test]
fn the_snapshot_is_a_fence_while_much_is_said() {
    for seed in 0..40 {
        let game = Game::new(Setup {
            seed,
            shards: 2 + (seed % 7) as u16,
            ..setup()
        });
        let host = enter_v3(&game, "host");
        host.sends(json!({"type": "JoinRoom", "data": {"game_name": "tide-pool", "player_name": "Host"}}));
        let room = host.expects(json!({"type": "RoomJoined", "data": "$any"}))["data"].clone();
        let code = room["room_code"].as_str().expect("a code");
        let watchers: Vec<_> = (0..6)
            .map(|number| enter_v3(&game, &format!("watcher{number}")))
            .collect();
        let mut random = Schedule::new(seed);
        for number in 0..120 {
            host.sends_json(json!(number));
            if number % 20 == 5 {
                watchers[number / 20].sends(watch(code));
            }
            for _ in 0..random.below(12) {
                game.machine().step();
            }
        }
        for watcher in &watchers {
            let mut next = None;
            for frame in watcher.takes_all() {
                let Frame::Text(message) = frame else {
                    panic!("not expected: {frame:?}")
                };
                let data = &message["data"];
                match message["type"].as_str().expect("a tag") {
                    "SpectatorJoined" => next = data["current_players"][0]["seq"].as_u64().map(|seq| seq + 1),
                    "GameData" => {
                        assert_eq!(data["seq"].as_u64(), next, "seed {seed}");
                        next = next.map(|next| next + 1);
                    }
                    "NewSpectatorJoined" => assert!(next.is_some(), "news before the snapshot"),
                    other => panic!("not expected: {other}"),
                }
            }
            assert_eq!(next, Some(121), "seed {seed}: everything after the snapshot");
        }
    }
}
