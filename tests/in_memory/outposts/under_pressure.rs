//! Much is said, many watch, or no more fits: whoever watches misses nothing, or is told or closed.

use serde_json::json;
use signal_fish_relay::protocol::ProtocolVersion;
use signal_fish_relay::shard::InboxLimits;

use super::{enter_v3, kinds, setup, watch};
use crate::harness::{Frame, Game, Schedule, Setup};

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
        let requesters: Vec<_> = (0..2)
            .map(|number| {
                let requester = game.connect_to(&format!("asker{number}"), Some(away));
                requester.authenticate("reef-racer");
                requester
            })
            .collect();
        game.machine().holds_transfers = true;
        requesters[0].sends(watch(&seat.room_code));
        game.settle();
        requesters[1].sends(watch(&seat.room_code));
        requesters[1].expects(json!({"type": "SpectatorJoinFailed", "data":
            {"reason": "$text", "error_code": "SERVICE_UNAVAILABLE"}}));
        game.machine().holds_transfers = false;
        requesters[0].expects(json!({"type": "SpectatorJoined", "data": "$any"}));
        requesters[1].sends(watch(&seat.room_code));
        requesters[1].expects(json!({"type": "SpectatorJoined", "data": "$any"}));
    }
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
