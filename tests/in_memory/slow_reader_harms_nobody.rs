//! Whoever does not read, does not answer or does not speak is ended alone.

use serde_json::{Value, json};

use crate::harness::{Client, Frame, Game, Opcode, Seat, Setup, in_every_schedule};

/// A room of four: the last of them does not read and has little room on the way.
struct Room {
    sender: Client,
    readers: Vec<Client>,
    slow: Client,
    slow_seat: Seat,
}

fn room(game: &Game) -> Room {
    let sender = game.enter("sender");
    let host = sender.create_room("tide-pool", "Sender");
    let join = |name: &str| {
        let client = game.enter(name);
        let seat = client.join("tide-pool", &host.room_code, name);
        (client, seat)
    };
    let readers = vec![join("reader1").0, join("reader2").0];
    let (slow, slow_seat) = join("slow");
    for client in readers.iter().chain([&sender, &slow]) {
        client.takes_all();
    }
    slow.reads(false).answers(false).has_pipe_of(200);
    Room {
        sender,
        readers,
        slow,
        slow_seat,
    }
}

fn tag(frame: &Frame) -> &str {
    match frame {
        Frame::Text(message) => message["type"].as_str().expect("a tag"),
        Frame::Binary(_) => "binary",
        Frame::Ping(_) => "ping",
        Frame::Pong(_) => "pong",
        Frame::Close(..) => "close",
    }
}

fn tags(frames: &[Frame]) -> Vec<&str> {
    frames.iter().map(tag).collect()
}

fn data_of(frame: &Frame) -> Option<&Value> {
    match frame {
        Frame::Text(message) if message["type"] == "GameData" => Some(&message["data"]["data"]),
        _ => None,
    }
}

/// The readers got every number below `count` in order, and then were told that somebody left.
fn readers_are_unharmed(room: &Room, count: usize) {
    for reader in &room.readers {
        let frames = reader.takes_all();
        let numbers: Vec<_> = frames
            .iter()
            .filter_map(data_of)
            .map(|data| data["n"].as_u64())
            .collect();
        assert_eq!(numbers, (0..count as u64).map(Some).collect::<Vec<_>>());
        assert_eq!(tags(&frames).iter().filter(|tag| **tag == "PlayerLeft").count(), 1);
        reader.expects_open();
    }
    room.sender.expects_departure(&room.slow_seat);
    room.sender.expects_to_be_served();
}

/// What the slow one had got is a prefix without a gap, and its last words are the reason.
fn slow_one_is_told(room: &Room, game: &Game) {
    room.slow.reads(true).answers(true);
    game.settle();
    let frames = room.slow.takes_all();
    let numbers: Vec<_> = frames
        .iter()
        .filter_map(data_of)
        .map(|data| data["n"].as_u64().expect("a number"))
        .collect();
    assert_eq!(
        numbers,
        (0..numbers.len() as u64).collect::<Vec<_>>(),
        "a prefix without a gap"
    );
    let [.., Frame::Text(error), Frame::Close(Some(4_002), reason)] = &*frames else {
        panic!("the last words are missing: {frames:?}")
    };
    assert_eq!(
        (&error["data"]["error_code"], reason.as_str()),
        (&json!("SLOW_CONSUMER"), "slow_consumer")
    );
    room.slow.expects_end();
}

#[test]
fn more_than_the_outbox_may_hold_ends_the_reader() {
    let small = || Setup::default().with(|settings| settings.outbox.max_bytes = 2_000);
    in_every_schedule(small, |game| {
        let room = room(game);
        for number in 0..60 {
            room.sender.sends_json(json!({"n": number, "padding": "x".repeat(100)}));
            game.settle();
        }
        readers_are_unharmed(&room, 60);
        slow_one_is_told(&room, game);
        assert_eq!(game.count("websocket_slow_consumer_disconnects_total"), 1);
        assert!(game.count("outbox/slow_reader") > 0);
    });
}

#[test]
fn a_socket_that_takes_nothing_ends_the_reader() {
    in_every_schedule(Setup::default, |game| {
        let room = room(game);
        for number in 0..10 {
            room.sender.sends_json(json!({"n": number, "padding": "x".repeat(100)}));
        }
        game.advance_ms(4_999);
        room.slow.expects_open();
        game.advance_ms(1);
        readers_are_unharmed(&room, 10);
        slow_one_is_told(&room, game);
    });
}

#[test]
fn frames_that_grow_too_old_end_even_a_reader_that_reads_a_little() {
    in_every_schedule(Setup::default, |game| {
        let room = room(game);
        room.slow.has_pipe_of(20);
        for number in 0..20 {
            room.sender.sends_json(json!({"n": number, "padding": "x".repeat(100)}));
        }
        for _ in 0..14 {
            game.advance_ms(1_000);
            room.slow.lets_through(20);
        }
        assert_eq!(
            game.count("websocket_slow_consumer_disconnects_total"),
            0,
            "bytes moved all the time"
        );
        game.advance_ms(1_000);
        assert_eq!(game.count("websocket_slow_consumer_disconnects_total"), 1);
        readers_are_unharmed(&room, 20);
        room.slow.has_pipe_of(100_000);
        slow_one_is_told(&room, game);
    });
}

#[test]
fn who_never_reads_again_is_let_go_after_the_closing_timeout() {
    in_every_schedule(Setup::default, |game| {
        let room = room(game);
        for number in 0..10 {
            room.sender.sends_json(json!({"n": number, "padding": "x".repeat(100)}));
        }
        game.advance_ms(5_000);
        readers_are_unharmed(&room, 10);
        assert_eq!(game.machine().connections(), 4, "it may still read its last words");
        game.advance_ms(3_999);
        assert_eq!(game.machine().connections(), 4);
        game.advance_ms(1);
        assert_eq!(game.machine().connections(), 3);
        assert_eq!(game.machine().world.ledger.admitted().connections, 3);
    });
}

#[test]
fn a_flood_of_pings_without_reading_ends_within_the_cap() {
    let small = || Setup::default().with(|settings| settings.outbox.max_bytes = 4_000);
    in_every_schedule(small, |game| {
        let flooder = game.enter("flooder");
        let other = game.enter("other");
        flooder.reads(false).has_pipe_of(100);
        for _ in 0..200 {
            flooder.sends_frame(Opcode::Ping, true, &[7; 100]);
        }
        game.settle();
        assert_eq!(game.count("websocket_slow_consumer_disconnects_total"), 1);
        other.expects_to_be_served();
        game.advance_ms(4_000);
        assert_eq!(game.machine().connections(), 1);
    });
}

#[test]
fn a_message_beyond_the_outbound_limit_ends_its_receiver_not_its_sender() {
    let narrow = || Setup::default().with(|settings| settings.messages.max_outbound_bytes = 2_000);
    in_every_schedule(narrow, |game| {
        let (sender, receiver, third) = (game.enter("sender"), game.enter("receiver"), game.enter("third"));
        let seat = sender.create_room("tide-pool", "Sender");
        receiver.join("tide-pool", &seat.room_code, "Receiver");
        sender.takes_all();
        sender.sends_json(json!("fits"));
        receiver.expects_json(&seat, json!("fits"));
        sender.sends_json(json!("x".repeat(2_000)));
        receiver.expects_close(1_009, "outbound_message_too_large");
        assert_eq!(tags(&sender.takes_all()), ["PlayerLeft"]);
        third.join("tide-pool", &seat.room_code, "Third");
        sender.takes_all();
        sender.sends_json(json!(1));
        third.expects_json(&seat, json!(1));
    });
}

#[test]
fn many_slow_readers_at_once_are_each_ended_and_told_of_to_the_rest() {
    let small = || Setup::default().with(|settings| settings.outbox.max_bytes = 2_500);
    in_every_schedule(small, |game| {
        let sender = game.enter("sender");
        sender.asks_to_join(json!({"game_name": "tide-pool", "player_name": "Sender", "max_players": 20}));
        let seat = sender.expects_created();
        let slow: Vec<_> = (0..10)
            .map(|number| {
                let client = game.enter(&format!("slow{number}"));
                client.join("tide-pool", &seat.room_code, &format!("Slow{number}"));
                client
            })
            .collect();
        let reader = game.enter("reader");
        reader.join("tide-pool", &seat.room_code, "Reader");
        slow.iter()
            .chain([&sender, &reader])
            .for_each(|client| drop(client.takes_all()));
        slow.iter().for_each(|client| {
            client.reads(false).has_pipe_of(100);
        });
        for number in 0..20 {
            sender.sends_json(json!({"n": number, "padding": "x".repeat(200)}));
            game.settle();
        }
        let frames = reader.takes_all();
        assert_eq!(frames.iter().filter_map(data_of).count(), 20);
        assert_eq!(tags(&frames).iter().filter(|tag| **tag == "PlayerLeft").count(), 10);
        assert_eq!(game.count("websocket_slow_consumer_disconnects_total"), 10);
        assert_eq!(tags(&sender.takes_all()), ["PlayerLeft"; 10]);
    });
}

#[test]
fn who_says_nothing_for_too_long_is_ended() {
    in_every_schedule(Setup::default, |game| {
        let (mute, pinging, speaking) = (game.enter("mute"), game.enter("pinging"), game.enter("speaking"));
        let seat = mute.create_room("tide-pool", "Mute");
        speaking.join("tide-pool", &seat.room_code, "Speaking");
        mute.takes_all();
        game.advance_ms(200_000);
        pinging.sends_frame(Opcode::Ping, true, b"");
        assert_eq!(pinging.next_frame(), Frame::Pong(Vec::new()));
        speaking.sends_frame(Opcode::Pong, true, b"unasked");
        speaking.expects_nothing();
        game.advance_ms(100_000);
        mute.expects_error("CONNECTION_IDLE_TIMEOUT");
        mute.expects_close(4_004, "idle_timeout");
        assert_eq!(tags(&speaking.takes_all()), ["PlayerLeft", "AuthorityChanged"]);
        pinging.expects_to_be_served();
    });
}

#[test]
fn a_silent_peer_is_asked_and_ended_if_it_does_not_answer() {
    let asking = || Setup::default().with(|settings| settings.liveness.ping_interval_ms = Some(10_000));
    in_every_schedule(asking, |game| {
        let (alive, dead) = (game.enter("alive"), game.enter("dead"));
        dead.answers(false);
        game.advance_ms(9_999);
        alive.expects_nothing();
        game.advance_ms(1);
        for client in [&alive, &dead] {
            let Frame::Ping(payload) = client.next_frame() else {
                panic!("a question")
            };
            assert_eq!(payload.len(), 8);
        }
        game.advance_ms(5_000);
        dead.answers(true);
        dead.reads(true);
        assert_eq!(
            dead.next_frame(),
            Frame::Close(Some(4_003), "activity_timeout".to_owned())
        );
        alive.expects_to_be_served();
    });
}

#[test]
fn who_does_not_answer_a_close_is_let_go() {
    in_every_schedule(Setup::default, |game| {
        let rude = game.enter("rude");
        rude.answers(false);
        rude.sends_bytes(&[0xff; 8]);
        assert_eq!(
            rude.next_frame(),
            Frame::Close(Some(1_002), "protocol_violation".to_owned())
        );
        rude.says("Ping");
        game.advance_ms(3_999);
        assert_eq!(game.machine().connections(), 1);
        game.advance_ms(1);
        assert_eq!(game.machine().connections(), 0);
        rude.expects_end();
    });
}
