//! The process stands still for seconds, as under SIGSTOP, in a frozen group or a paused machine; and floods of the smallest
//! frames. In virtual time, through the server's own loop.

use std::time::Duration;

use serde_json::json;

use crate::harness::{Client, Frame, Game, Opcode, Setup, client_frame};

fn seated(game: &Game, name: &str) -> Client {
    let client = game.enter(name);
    client
        .asks_to_join(json!({"game_name": "tide-pool", "player_name": name, "room_code": "PAUSE2", "max_players": 9}));
    game.settle();
    client.takes_what_arrived();
    client
}

fn game(change: impl FnOnce(&mut signal_fish_relay::shard::Settings)) -> Game {
    Game::new(Setup {
        shards: 1,
        standstill: Duration::from_millis(100),
        ..Setup::default().with(change)
    })
}

fn was_closed(client: &Client) -> bool {
    let arrived = client.takes_what_arrived();
    arrived.iter().any(|frame| matches!(frame, Frame::Close(..)))
}

/// Time passes as it does for a server that runs: in steps of a tick.
fn runs_for(game: &Game, duration_ms: u64) {
    for _ in 0..duration_ms / 10 {
        game.advance_ms(10);
    }
}

#[test]
fn who_did_its_part_while_we_stood_still_lives_on() {
    let game = game(|settings| {
        settings.liveness.ping_interval_ms = Some(1_000);
        settings.liveness.pong_timeout_ms = 500;
        settings.liveness.idle_timeout_ms = Some(3_000);
        settings.outbox.stall_timeout_ms = 2_000;
        settings.outbox.max_age_ms = 3_000;
    });
    let answering = seated(&game, "Answering");
    let reading = seated(&game, "Reading");
    let speaking = seated(&game, "Speaking");
    // Its pipe is full when the pause begins; it drains it during the pause.
    reading.reads(false).has_pipe_of(2_000);
    speaking.sends_json(json!("x".repeat(6_000)));
    // A ping of the server is on its way when the pause begins, and is answered during it.
    runs_for(&game, 1_100);
    answering.answers(true);
    reading.reads(true).has_pipe_of(1 << 20);
    speaking.sends_json(json!("in time"));
    game.stands_still_ms(6_000);
    runs_for(&game, 200);
    for client in [&answering, &reading, &speaking] {
        assert!(client.is_connected(), "{} did its part", client.name());
    }
    assert_eq!(game.count("shard_standstills_total"), 1);
    // And those who do nothing are still found.
    answering.takes_what_arrived();
    answering.answers(false);
    runs_for(&game, 2_000);
    assert!(was_closed(&answering));
}

#[test]
fn who_is_silent_is_ended_in_time_whatever_stood_still() {
    let game = game(|settings| settings.liveness.idle_timeout_ms = Some(2_000));
    let silent = seated(&game, "Silent");
    silent.answers(false);
    runs_for(&game, 1_500);
    game.stands_still_ms(60_000);
    runs_for(&game, 400);
    assert!(silent.is_connected(), "1.9 seconds of running");
    runs_for(&game, 300);
    assert!(was_closed(&silent));
}

#[test]
fn a_flood_of_control_frames_takes_its_turn() {
    let game = game(|_| {});
    let (mira, otto) = (seated(&game, "Mira"), seated(&game, "Otto"));
    let flooder = game.connect("Flooder");
    game.settle();
    let pong = client_frame(Opcode::Pong, true, &[], [0; 4]);
    flooder.sends_bytes(&pong.repeat(40_000));
    mira.sends_json(json!("hello"));
    // Every run checks that nobody is read twice in a turn; here that others are served between.
    let turns_before = game.count("shard_turns_total");
    let mut heard_after = None;
    for step in 0..4_000 {
        game.machine().step();
        if heard_after.is_none() && !otto.takes_what_arrived().is_empty() {
            heard_after = Some(step);
        }
    }
    assert!(heard_after.is_some_and(|step| step < 400), "{heard_after:?}");
    game.settle();
    let turns = game.count("shard_turns_total") - turns_before;
    assert!(turns >= 40, "{turns} turns for 40,000 frames");
    assert!(flooder.is_connected());
}
