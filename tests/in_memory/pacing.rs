//! Bulk is paced by who reads, play by nobody: who holds back a fast sender, how far, and who never does. In virtual time.

use serde_json::json;

use crate::harness::{Client, Game, Setup};

/// What a sender may always say, in bytes a second, and at once.
const FREE_RATE: u64 = 10_000;
const BURST: u64 = 20_000;
const OUTBOX_BYTES: usize = 200_000;
const MESSAGE_BYTES: usize = 4_000;

fn game() -> Game {
    Game::new(Setup {
        shards: 1,
        ..Setup::default().with(|settings| {
            settings.outbox.max_bytes = OUTBOX_BYTES;
            settings.pacing.free_rate_bytes = FREE_RATE;
            settings.pacing.burst_bytes = BURST;
            settings.rooms.default_spectators = Some(10);
        })
    })
}

fn seated(game: &Game, name: &str) -> Client {
    let client = game.enter(name);
    client
        .asks_to_join(json!({"game_name": "tide-pool", "player_name": name, "room_code": "BULK22", "max_players": 9}));
    game.settle();
    client.takes_what_arrived();
    client
}

/// What a client has to say, `count` messages at once.
fn says_bulk(client: &Client, count: usize) {
    for _ in 0..count {
        client.sends_json(json!("x".repeat(MESSAGE_BYTES)));
    }
}

/// How many bulk messages have arrived.
fn heard(client: &Client) -> usize {
    let arrived = client.takes_what_arrived();
    let is_bulk = |frame: &&crate::harness::Frame| format!("{frame:?}").contains("xxxx");
    arrived.iter().filter(is_bulk).count()
}

/// Lets a client that does not read by itself take so many bytes.
fn takes(game: &Game, client: &Client, bytes: usize) {
    client.has_pipe_of(0).reads(true);
    game.settle();
    client.reads(false).has_pipe_of(bytes);
    game.settle();
}

#[test]
fn a_host_is_slowed_to_what_the_slowest_reader_takes() {
    let game = game();
    let host = seated(&game, "Host");
    let (fast, slow) = (seated(&game, "Fast"), seated(&game, "Slow"));
    slow.reads(false).has_pipe_of(0);
    says_bulk(&host, 500);
    game.settle();
    let (mut by_fast, mut by_slow, mut most_ahead) = (0, 0, 0);
    for _ in 0..600 {
        // Forty thousand bytes a second, four times the free rate.
        takes(&game, &slow, 4_000);
        game.advance_ms(100);
        by_fast += heard(&fast);
        by_slow += heard(&slow);
        most_ahead = most_ahead.max(by_fast - by_slow);
        assert!(slow.is_connected() && fast.is_connected() && host.is_connected());
    }
    assert!(
        by_slow > 450,
        "{by_slow} of 500 in a minute: it is waited for, and not for longer"
    );
    let most = OUTBOX_BYTES / MESSAGE_BYTES;
    assert!(most_ahead <= most, "{most_ahead} messages ahead of the slowest reader");
    assert!(game.count("paced_seconds_total") > 10_000);
    slow.has_pipe_of(1 << 20).reads(true);
    game.advance_ms(60_000);
    assert_eq!((by_fast + heard(&fast), by_slow + heard(&slow)), (500, 500));
}

#[test]
fn nobody_is_held_back_below_the_free_rate() {
    let game = game();
    let player = seated(&game, "Player");
    let (fast, slow) = (seated(&game, "Fast"), seated(&game, "Slow"));
    slow.reads(false).has_pipe_of(0);
    for second in 0..20 {
        says_bulk(&player, 2); // eight thousand bytes
        takes(&game, &slow, 5_000);
        game.advance_ms(1_000);
        assert_eq!(heard(&fast), 2, "in second {second}");
    }
    assert_eq!(game.count("paced_seconds_total"), 0);
}

#[test]
fn nobody_is_held_back_for_who_does_not_read() {
    let game = game();
    let host = seated(&game, "Host");
    let (fast, deaf) = (seated(&game, "Fast"), seated(&game, "Deaf"));
    deaf.reads(false).has_pipe_of(0);
    says_bulk(&host, 500);
    // It is judged by a second; after that it is closed for what waits, and nobody waited for it any longer.
    game.advance_ms(2_500);
    assert_eq!(heard(&fast), 500);
    assert!(host.is_connected() && fast.is_connected());
    assert_eq!(game.count("websocket_slow_consumer_disconnects_total"), 1);
}

#[test]
fn a_held_back_sender_is_read_at_its_free_rate_and_never_slower() {
    let game = game();
    let host = seated(&game, "Host");
    let (fast, slow) = (seated(&game, "Fast"), seated(&game, "Slow"));
    slow.reads(false).has_pipe_of(0);
    says_bulk(&host, 2_000);
    // Just the free rate: it counts as a reader, and the outbox of a second is never half empty.
    let mut by_fast = 0;
    for _ in 0..100 {
        takes(&game, &slow, 1_100);
        game.advance_ms(100);
        by_fast += heard(&fast);
    }
    let bytes = by_fast * MESSAGE_BYTES;
    let least = 10 * FREE_RATE as usize;
    assert!(
        bytes >= least,
        "{bytes} bytes in ten seconds, at least {least} are free"
    );
    assert!(slow.is_connected() && host.is_connected());
}

#[test]
fn spectators_hold_nobody_back() {
    let game = game();
    let host = seated(&game, "Host");
    let fast = seated(&game, "Fast");
    let viewer = game.enter("Viewer");
    viewer.sends(json!({"type": "JoinAsSpectator", "data": {
        "game_name": "tide-pool", "spectator_name": "Viewer", "room_code": "BULK22"}}));
    game.settle();
    viewer.reads(false).has_pipe_of(0);
    says_bulk(&host, 500);
    for _ in 0..10 {
        takes(&game, &viewer, 4_000);
    }
    assert_eq!(heard(&fast), 500, "at once");
    assert_eq!(game.count("paced_seconds_total"), 0);
}

#[test]
fn a_held_back_sender_is_not_taken_for_silent() {
    let mut setup = Setup {
        shards: 1,
        ..Setup::default().with(|settings| {
            settings.outbox.max_bytes = OUTBOX_BYTES;
            settings.pacing.free_rate_bytes = 1_024;
            settings.pacing.burst_bytes = 0;
        })
    };
    setup.settings.liveness.idle_timeout_ms = Some(3_000);
    let game = Game::new(setup);
    let host = seated(&game, "Host");
    let slow = seated(&game, "Slow");
    slow.reads(false).has_pipe_of(0);
    says_bulk(&host, 200);
    for _ in 0..100 {
        // More than the free rate, and far less than the host has to say.
        takes(&game, &slow, 200);
        slow.says("Ping");
        game.advance_ms(100);
        assert!(
            host.is_connected(),
            "what it says lies unread because we do not read it"
        );
    }
    assert!(game.count("paced_seconds_total") > 3_000);
}

#[test]
fn what_may_be_left_out_counts_for_nothing() {
    let game = game();
    let enter = |name: &str| {
        let client = game.connect(name);
        client.sends(json!({"type": "Authenticate", "data": {"app_id": "reef-racer", "protocol_version": 3}}));
        client.asks_to_join(
            json!({"game_name": "tide-pool", "player_name": name, "room_code": "BULK22", "max_players": 9}),
        );
        game.settle();
        client.takes_what_arrived();
        client
    };
    let host = enter("Host");
    let (fast, slow) = (enter("Fast"), enter("Slow"));
    fast.has_pipe_of(usize::MAX);
    slow.reads(false).has_pipe_of(0);
    for number in 0..500 {
        let data = json!({"n": number, "padding": "x".repeat(MESSAGE_BYTES)});
        host.sends(json!({"type": "GameData", "data": {"data": data, "class": "volatile"}}));
    }
    game.settle();
    assert_eq!(heard(&fast), 500, "at once: the slow one is spared it");
    assert_eq!(game.count("paced_seconds_total"), 0);
    assert!(slow.is_connected());
}
