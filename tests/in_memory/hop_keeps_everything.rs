//! A connection that moves to its room's shard loses nothing, repeats nothing, and survives a refusal.

use serde_json::{Value, json};
use signal_fish_relay::shard::InboxLimits;

use crate::harness::{Client, Frame, Game, Opcode, Seat, Setup, client_frame, in_every_schedule};

fn three_shards(seed: u64) -> Game {
    Game::new(Setup {
        seed,
        shards: 3,
        ..Setup::default()
    })
}

fn text_frame(message: &Value) -> Vec<u8> {
    client_frame(Opcode::Text, true, message.to_string().as_bytes(), [1, 2, 3, 4])
}

fn join_request(code: &str, name: &str) -> Value {
    json!({"type": "JoinRoom", "data": {"game_name": "tide-pool", "player_name": name, "room_code": code}})
}

fn game_data(data: Value) -> Value {
    json!({"type": "GameData", "data": {"data": data}})
}

/// A host with a room, the shard of that room, and a guest whose connection is on another shard.
fn host_and_stranger(game: &Game) -> (Client, Seat, Client) {
    let host = game.enter("host");
    let seat = host.create_room("tide-pool", "Host");
    let home = game.machine().shard_of(host.id).expect("the host is at home");
    let guest = game.connect_to("guest", Some((home + 1) % 3));
    guest.authenticate("reef-racer");
    (host, seat, guest)
}

#[test]
fn bytes_behind_the_join_are_served_where_the_room_lives() {
    for seed in 0..40 {
        let game = three_shards(seed);
        let (host, seat, guest) = host_and_stranger(&game);
        let hops = game.count("hops_received_total");
        let mut bytes = text_frame(&join_request(&seat.room_code, "Guest"));
        for number in 0..20 {
            bytes.extend(text_frame(&game_data(json!(number))));
        }
        bytes.extend(client_frame(Opcode::Ping, true, b"still here", [9; 4]));
        bytes.extend(text_frame(&json!({"type": "LeaveRoom"})));
        bytes.extend(text_frame(&game_data(json!("too late"))));
        guest.sends_bytes(&bytes);
        let guest_seat = guest.expects_seat();
        assert_eq!(guest.next_frame(), Frame::Pong(b"still here".to_vec()));
        guest.expects(json!({"type": "RoomLeft"}));
        guest.expects_error("NOT_IN_ROOM");
        host.expects_newcomer(&guest_seat, "Guest");
        for number in 0..20 {
            host.expects_json(&guest_seat, json!(number));
        }
        host.expects_departure(&guest_seat);
        host.expects_nothing();
        assert_eq!(game.count("hops_received_total"), hops + 1);
    }
}

#[test]
fn a_message_in_pieces_survives_the_move() {
    for seed in 0..40 {
        let game = three_shards(seed);
        let (host, seat, guest) = host_and_stranger(&game);
        let whole = game_data(json!("in pieces")).to_string().into_bytes();
        let (first, rest) = whole.split_at(9);
        let mut bytes = text_frame(&join_request(&seat.room_code, "Guest"));
        bytes.extend(client_frame(Opcode::Text, false, first, [5; 4]));
        bytes.extend(client_frame(Opcode::Ping, true, b"between", [6; 4]));
        bytes.extend(client_frame(Opcode::Continuation, true, rest, [7; 4]));
        let cut = 1 + (seed as usize * 13) % (bytes.len() - 1);
        game.machine().holds_transfers = true;
        guest.sends_bytes(&bytes[..cut]);
        game.settle();
        guest.sends_bytes(&bytes[cut..]);
        game.settle();
        game.machine().holds_transfers = false;
        let guest_seat = guest.expects_seat();
        assert_eq!(guest.next_frame(), Frame::Pong(b"between".to_vec()));
        host.expects_newcomer(&guest_seat, "Guest");
        host.expects_json(&guest_seat, json!("in pieces"));
    }
}

#[test]
fn a_refused_transfer_is_answered_and_the_connection_goes_on() {
    for seed in 0..40 {
        let game = Game::new(Setup {
            seed,
            shards: 3,
            inbox: InboxLimits { bulk: 1, reserve: 1 },
            ..Setup::default()
        });
        let (host, seat, guest) = host_and_stranger(&game);
        let home = game.machine().shard_of(host.id).expect("the host is at home");
        let blocker = game.connect_to("blocker", Some((home + 2) % 3));
        blocker.authenticate("reef-racer");
        game.machine().holds_transfers = true;
        blocker.sends(join_request(&seat.room_code, "Blocker"));
        game.settle();
        assert_eq!(game.machine().in_flight(), 1, "the inbox is full");

        let mut bytes = text_frame(&join_request(&seat.room_code, "Guest"));
        bytes.extend(text_frame(&json!({"type": "Ping"})));
        bytes.extend(text_frame(&join_request(&seat.room_code, "Guest")));
        bytes.extend(text_frame(&game_data(json!(1))));
        guest.sends_bytes(&bytes);
        guest.expects_join_failed("SERVICE_UNAVAILABLE");
        guest.expects(json!({"type": "Pong"}));
        guest.expects_join_failed("SERVICE_UNAVAILABLE");
        guest.expects_error("NOT_IN_ROOM");
        guest.sends(json!({"type": "JoinAsSpectator", "data":
            {"game_name": "tide-pool", "room_code": seat.room_code, "spectator_name": "Guest"}}));
        guest.expects(json!({"type": "SpectatorJoinFailed", "data":
            {"reason": "$text", "error_code": "SERVICE_UNAVAILABLE"}}));
        // Who wants to watch asks before it moves.
        assert_eq!(game.count("hops/inbox_full"), 2);
        assert_eq!(game.count("letters_refused_total"), 1);

        game.machine().holds_transfers = false;
        blocker.expects_seat();
        host.takes_all();
        let guest_seat = guest.join("tide-pool", &seat.room_code, "Guest");
        host.expects_newcomer(&guest_seat, "Guest");
        blocker.expects_newcomer(&guest_seat, "Guest");
        guest.sends_json(json!(2));
        host.expects_json(&guest_seat, json!(2));
        assert_eq!(game.machine().connections(), 3);
    }
}

#[test]
fn who_vanishes_between_two_shards_leaves_no_trace() {
    for seed in 0..40 {
        let game = three_shards(seed);
        let (host, seat, guest) = host_and_stranger(&game);
        game.machine().holds_transfers = true;
        guest.sends(join_request(&seat.room_code, "Guest")).sends_json(json!(1));
        game.settle();
        assert_eq!(game.machine().in_flight(), 1);
        if seed % 2 == 0 {
            guest.vanishes();
        } else {
            guest.finishes();
        }
        game.settle();
        game.machine().holds_transfers = false;
        game.settle();
        assert_eq!(game.machine().connections(), 1);
        assert_eq!(game.machine().world.ledger.admitted().connections, 1);
        // The room may have seen it come, speak and go, in this order and nothing else.
        let tags: Vec<_> = host
            .takes_all()
            .into_iter()
            .map(|frame| match frame {
                Frame::Text(message) => message["type"].as_str().expect("a tag").to_owned(),
                other => panic!("not expected: {other:?}"),
            })
            .collect();
        match &*tags.iter().map(String::as_str).collect::<Vec<_>>() {
            [] | ["PlayerJoined", "PlayerLeft"] | ["PlayerJoined", "GameData", "PlayerLeft"] => {}
            other => panic!("seed {seed}: {other:?}"),
        }
        let late = game.enter("late");
        let snapshot = late.join("tide-pool", &seat.room_code, "Guest").snapshot;
        assert_eq!(
            snapshot["current_players"].as_array().map(Vec::len),
            Some(2),
            "the seat is free again"
        );
    }
}

#[test]
fn a_close_behind_the_join_is_echoed() {
    for seed in 0..40 {
        let game = three_shards(seed);
        let (host, seat, guest) = host_and_stranger(&game);
        guest.sends(join_request(&seat.room_code, "Guest")).closes(4_321, "bye");
        let guest_seat = guest.expects_seat();
        guest.expects_close(4_321, "bye");
        host.expects_newcomer(&guest_seat, "Guest");
        host.expects_departure(&guest_seat);
        host.expects_nothing();
    }
}

#[test]
fn what_was_not_yet_sent_moves_along() {
    for seed in 0..40 {
        let game = three_shards(seed);
        let (_host, seat, guest) = host_and_stranger(&game);
        guest.reads(false).has_pipe_of(50);
        for _ in 0..10 {
            guest.says("Ping");
        }
        guest.sends(join_request(&seat.room_code, "Guest"));
        game.settle();
        assert_eq!(game.count("hops_received_total"), game.count("hops_sent_total"));
        guest.reads(true);
        for _ in 0..10 {
            guest.expects(json!({"type": "Pong"}));
        }
        guest.expects_seat();
        guest.expects_nothing();
    }
}

#[test]
fn deadlines_and_budgets_move_along() {
    for seed in 0..10 {
        let game = Game::new(
            Setup {
                seed,
                shards: 3,
                ..Setup::default()
            }
            .with(|settings| settings.budgets.joins = 3),
        );
        let (_host, seat, guest) = host_and_stranger(&game);
        game.advance_ms(30_000);
        for _ in 0..3 {
            guest.join("tide-pool", &seat.room_code, "Guest");
            guest.says("LeaveRoom").expects(json!({"type": "RoomLeft"}));
        }
        guest
            .sends(join_request(&seat.room_code, "Guest"))
            .expects_join_failed("RATE_LIMIT_EXCEEDED");
        game.advance_ms(299_999);
        guest.expects_open();
        game.advance_ms(1);
        guest.expects_error("CONNECTION_IDLE_TIMEOUT");
        guest.expects_close(4_004, "idle_timeout");
    }
}

#[test]
fn who_stops_reading_and_moves_is_still_found_out() {
    for seed in 0..20 {
        let game = three_shards(seed);
        let (host, seat, guest) = host_and_stranger(&game);
        guest.reads(false).has_pipe_of(10);
        guest.says("Ping");
        game.advance_ms(3_000);
        guest.sends(join_request(&seat.room_code, "Guest"));
        game.advance_ms(20_000);
        let Frame::Text(joined) = host.next_frame() else {
            panic!("the host is told")
        };
        assert_eq!(joined["type"], "PlayerJoined");
        let Frame::Text(left) = host.next_frame() else {
            panic!("the host is told")
        };
        assert_eq!(left["type"], "PlayerLeft");
        assert_eq!(game.count("websocket_slow_consumer_disconnects_total"), 1);
        assert_eq!(game.machine().connections(), 1);
    }
}

#[test]
fn a_server_that_stops_says_goodbye_to_everybody() {
    in_every_schedule(Setup::default, |game| {
        let clients: Vec<_> = (0..6).map(|number| game.enter(&format!("client{number}"))).collect();
        let seat = clients[0].create_room("tide-pool", "C0");
        for (number, client) in clients.iter().enumerate().skip(1) {
            client.join("tide-pool", &seat.room_code, &format!("C{number}"));
        }
        clients.iter().for_each(|client| drop(client.takes_all()));
        game.machine().world.begin_drain();
        game.machine().close_all();
        for client in &clients {
            client.expects_close(4_000, "server_shutdown");
        }
        assert_eq!(game.machine().connections(), 0);
        assert_eq!(game.machine().world.ledger.admitted().connections, 0);
    });
}
