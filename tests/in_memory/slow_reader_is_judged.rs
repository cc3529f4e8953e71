//! What a reader that is behind is judged by: what makes way for what, moves between shards, and paths that are dead.

use serde_json::json;

use crate::harness::{Client, Frame, Game, Setup};

fn on_version_3(game: &Game, name: &str, room: &str) -> Client {
    let client = game.connect(name);
    client.sends(json!({"type": "Authenticate", "data": {"app_id": "reef-racer", "protocol_version": 3}}));
    client.asks_to_join(json!({"game_name": "tide-pool", "player_name": name, "room_code": room, "max_players": 20}));
    game.settle();
    client.takes_what_arrived();
    client
}

fn close_code(client: &Client) -> Option<u16> {
    client.takes_what_arrived().iter().find_map(|frame| match frame {
        Frame::Close(code, _) => *code,
        _ => None,
    })
}

const NEWS: usize = 170;

#[test]
fn control_messages_make_way_among_what_may_be_left_out() {
    let game = Game::new(Setup {
        shards: 1,
        ..Setup::default().with(|settings| settings.outbox.max_bytes = 40_000)
    });
    let host = on_version_3(&game, "Host", "ROOM22");
    let reader = on_version_3(&game, "Reader", "ROOM22");
    reader.reads(false).has_pipe_of(0);
    // Nearly a whole outbox of values and of what may be left out ...
    for number in 0..60 {
        let data = json!({"n": number, "padding": "x".repeat(400)});
        let class = if number % 2 == 0 {
            json!({"data": data, "class": "latest", "key": number})
        } else {
            json!({"data": data, "class": "volatile"})
        };
        host.sends(json!({"type": "GameData", "data": class}));
    }
    game.settle();
    // ... and as many bytes of news that nobody may miss.
    for _ in 0..NEWS {
        host.says("PlayerReady");
    }
    game.settle();
    assert!(reader.is_connected() && game.count("websocket_slow_consumer_disconnects_total") == 0);
    let (volatile, latest) = (game.count("outbox/volatile"), game.count("outbox/latest_full"));
    assert!(
        volatile == 30 && latest > 5,
        "{volatile} volatile ones first, then {latest} values"
    );
    reader.reads(true).has_pipe_of(1 << 20);
    game.settle();
    let told = reader.takes_what_arrived();
    let count = |tag: &str| told.iter().filter(|frame| format!("{frame:?}").contains(tag)).count();
    assert_eq!(count("LobbyStateChanged"), NEWS, "every one of them");
    assert!(count("DeliveryReport") > 0, "and what is missing is told");
}

#[test]
fn a_reader_that_does_not_read_wins_nothing_by_moving() {
    let mut moved = 0;
    for seed in 0..12 {
        let mut setup = Setup {
            seed,
            shards: 3,
            ..Setup::default().with(|settings| {
                settings.outbox.stall_timeout_ms = 5_000;
                settings.outbox.max_age_ms = 60_000;
            })
        };
        setup.settings.budgets.joins = 1_000;
        let game = Game::new(setup);
        let client = game.enter("Wanderer");
        client.takes_what_arrived();
        client.reads(false).answers(false).has_pipe_of(0);
        client.says("Ping");
        game.settle();
        for second in 0..10 {
            let code = format!("ROOM{}{}", seed % 8 + 2, second % 8 + 2);
            client.asks_to_join(
                json!({"game_name": "tide-pool", "player_name": "Wanderer", "room_code": code, "max_players": 4}),
            );
            client.says("LeaveRoom");
            game.advance_ms(1_000);
        }
        moved += game.count("hops_received_total");
        assert_eq!(
            game.count("websocket_slow_consumer_disconnects_total"),
            1,
            "seed {seed}"
        );
    }
    assert!(moved > 12, "{moved} moves");
}

#[test]
fn a_dead_path_is_noticed_as_soon_in_a_busy_room_as_in_a_quiet_one() {
    let noticed_after_ms = |is_busy: bool| {
        let mut setup = Setup {
            shards: 1,
            // What the kernel of a dead path takes, for a while.
            pipe_bytes: 1 << 20,
            ..Setup::default()
        };
        setup.settings.liveness.ping_interval_ms = Some(10_000);
        setup.settings.liveness.pong_timeout_ms = 5_000;
        let game = Game::new(setup);
        let speaker = on_version_3(&game, "Speaker", "ROOM22");
        let lost = on_version_3(&game, "Lost", "ROOM22");
        lost.reads(false).answers(false);
        for tick in 1..1_000 {
            speaker.says("Ping");
            if is_busy {
                for _ in 0..3 {
                    speaker.sends_json(json!("x".repeat(50)));
                }
            }
            game.advance_ms(100);
            let told = speaker.takes_what_arrived();
            if told.iter().any(|frame| format!("{frame:?}").contains("PlayerLeft")) {
                return tick * 100;
            }
        }
        panic!("never noticed");
    };
    let (quiet, busy) = (noticed_after_ms(false), noticed_after_ms(true));
    assert_eq!(quiet, 15_000);
    assert!(
        busy <= quiet + 200,
        "{busy} ms in a busy room, {quiet} ms in a quiet one"
    );
}

#[test]
fn who_is_behind_is_offered_what_waits_before_it_is_judged() {
    let game = Game::new(Setup {
        shards: 1,
        ..Setup::default().with(|settings| settings.outbox.max_bytes = 60_000)
    });
    let host = on_version_3(&game, "Host", "ROOM22");
    let reader = on_version_3(&game, "Reader", "ROOM22");
    reader.reads(false).has_pipe_of(0);
    for _ in 0..10 {
        host.sends_json(json!("x".repeat(5_000)));
    }
    game.settle();
    // Its pipe has room, of which the server was not told; then comes what is too much.
    reader.has_pipe_of(1 << 20);
    for _ in 0..10 {
        host.sends_json(json!("x".repeat(5_000)));
    }
    game.settle();
    reader.reads(true);
    game.settle();
    assert_eq!(close_code(&reader), None);
    assert!(reader.is_connected());
}
