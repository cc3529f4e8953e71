//! Peers that send rubbish, too much, half of something, or never read: the process goes on, the offender alone is closed,
//! and the others play as if nothing were.

use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use socket2::SockRef;

use crate::support::player::{Player, Received};
use crate::support::server::Server;
use crate::support::wire::{BINARY, PING, TEXT, Wire, frame};

const GAME: &str = "tide-pool";

/// Bytes that are the same in every run: xorshift64.
struct Bytes(u64);

impl Bytes {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn take(&mut self, most: usize) -> Vec<u8> {
        let count = self.next() as usize % most + 1;
        (0..count).map(|_| (self.next() >> 32) as u8).collect()
    }
}

/// Two players of one room who can tell whether the server still serves.
struct Witnesses {
    one: Player,
    other: Player,
    code: String,
    said: u64,
}

impl Witnesses {
    fn new(server: &Server) -> Self {
        let (mut one, mut other) = (Player::authenticated(server), Player::authenticated(server));
        let code = one.create(GAME, "One");
        other.join(GAME, "Other", &code);
        one.expect("PlayerJoined");
        let said = 0;
        Self { one, other, code, said }
    }

    /// Both still play with each other, and have heard nothing else.
    fn play(&mut self) {
        for _ in 0..3 {
            self.one.say(&json!(self.said));
            assert_eq!(self.other.hear(), self.said);
            self.other.say(&json!(self.said));
            assert_eq!(self.one.hear(), self.said);
            self.said += 1;
        }
    }
}

#[test]
fn random_bytes_before_the_upgrade_end_nobody_else() {
    let server = Server::start(2);
    let mut witnesses = Witnesses::new(&server);
    let mut bytes = Bytes(0x5eed_0001);
    for round in 0..100 {
        let mut wire = Wire::connect(server.address());
        wire.try_send(&bytes.take(12_000));
        let _ = wire.stream().shutdown(std::net::Shutdown::Write);
        let answer = wire.rest();
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"),
            "round {round}: {answer:?}"
        );
    }
    witnesses.play();
}

#[test]
fn random_bytes_after_the_upgrade_end_nobody_else() {
    let server = Server::start(2);
    let mut witnesses = Witnesses::new(&server);
    let mut bytes = Bytes(0x5eed_0002);
    for _ in 0..100 {
        let mut wire = Wire::upgraded(&server);
        wire.try_send(&bytes.take(12_000));
        let _ = wire.stream().shutdown(std::net::Shutdown::Write);
        wire.rest();
    }
    witnesses.play();
}

#[test]
fn random_payloads_in_good_frames_are_refused_and_end_nobody_else() {
    let server = Server::start(2);
    let mut witnesses = Witnesses::new(&server);
    let mut bytes = Bytes(0x5eed_0003);
    let requests = [
        json!({"type": "Authenticate", "data": {"app_id": "x", "game_data_format": "message_pack"}}),
        json!({"type": "JoinRoom", "data": {"game_name": GAME, "player_name": "M", "room_code": witnesses.code}}),
        json!({"type": "GameData", "data": {"data": {"deep": [[[[{"a": 1e300}]]]]}}}),
        json!({"type": "ProvideConnectionInfo", "data": {"connection_info": {"type": "direct", "host": "a", "port": 1}}}),
        json!({"type": "AuthorityRequest", "data": {"become_authority": true}}),
        json!({"type": "Reconnect", "data": {"player_id": "5b1e7f0c", "room_id": "", "auth_token": "x"}}),
        json!({"type": "LeaveRoom"}),
    ];
    for _ in 0..20 {
        let mut wire = Wire::upgraded(&server);
        for _ in 0..30 {
            let which = bytes.next() as usize % requests.len();
            let mut text = requests[which].to_string().into_bytes();
            for _ in 0..bytes.next() % 3 {
                let at = bytes.next() as usize % text.len();
                // Stays ASCII: what is not UTF-8 is another test's.
                text[at] = bytes.next() as u8 & 0x7f;
            }
            wire.send_frame(TEXT, &text);
            wire.send_frame(BINARY, &bytes.take(300));
        }
        // All of it was served: the answer to a probe comes last.
        wire.send_frame(PING, b"done?");
        while wire.frame().payload != b"done?" {}
    }
    // Some of it joined the witnesses' room and talked there, or became its authority.
    witnesses.one.send(&json!({"type": "LeaveRoom"}));
    witnesses.one.wait_for("RoomLeft");
    witnesses.other.send(&json!({"type": "Ping"}));
    witnesses.other.wait_for("Pong");
}

#[test]
fn a_flood_of_refused_requests_ends_the_flooder_alone() {
    let server = Server::with(1, |config| config.rate_limit.max_inbound_error_replies = 100);
    let mut witnesses = Witnesses::new(&server);
    let mut flooder = Wire::upgraded(&server);
    let flood = frame(TEXT, b"?").repeat(20_000);
    flooder.try_send(&flood);
    for _ in 0..100 {
        assert!(flooder.frame().text().contains("INVALID_INPUT"));
    }
    assert!(flooder.frame().text().contains("RATE_LIMIT_EXCEEDED"));
    flooder.expect_close(4006);
    witnesses.play();
}

#[test]
fn game_data_beyond_the_budget_is_refused_and_the_room_goes_on() {
    let server = Server::with(1, |config| config.rate_limit.max_relay_bytes = 1_000);
    let mut witnesses = Witnesses::new(&server);
    let mut greedy = Player::authenticated(&server);
    greedy.join(GAME, "Greedy", &witnesses.code);
    for player in [&mut witnesses.one, &mut witnesses.other] {
        player.expect("PlayerJoined");
    }
    let data = json!("x".repeat(598));
    greedy.say(&data);
    greedy.say(&data);
    assert_eq!(greedy.expect("Error")["error_code"], "RATE_LIMIT_EXCEEDED");
    assert!(greedy.is_served());
    for player in [&mut witnesses.one, &mut witnesses.other] {
        assert_eq!(player.hear(), data);
    }
    witnesses.play();
}

/// Connects with a small receive buffer, so that the server's side is full soon.
fn sluggard(server: &Server, code: &str) -> Wire {
    let mut wire = Wire::upgraded(server);
    SockRef::from(wire.stream())
        .set_recv_buffer_size(65_536)
        .expect("an option of every socket");
    let hello = json!({"type": "Authenticate", "data": {"app_id": crate::support::player::APP_ID}});
    wire.send_frame(TEXT, hello.to_string().as_bytes());
    let join = crate::support::player::join_message(GAME, "Sluggard", Some(code));
    wire.send_frame(TEXT, join.to_string().as_bytes());
    for tag in ["Authenticated", "ProtocolInfo", "RoomJoined"] {
        let frame = wire.frame();
        assert!(frame.text().contains(tag), "{frame:?}");
    }
    wire
}

#[test]
fn a_player_that_never_reads_is_closed_and_the_others_miss_nothing() {
    let server = Server::with(2, |config| {
        config.websocket.slow_consumer_timeout_ms = 500;
        config.websocket.send_queue_capacity = 64;
    });
    let mut witnesses = Witnesses::new(&server);
    let mut sluggard = sluggard(&server, &witnesses.code);
    for player in [&mut witnesses.one, &mut witnesses.other] {
        player.expect("PlayerJoined");
    }
    let padding = "x".repeat(30_000);
    let mut said = 0;
    loop {
        assert!(said < 5_000, "150 MB later it is still there");
        witnesses.one.say(&json!({"number": said, "padding": padding}));
        // Each message is heard before the next is sent: nobody waits for the one that does not read.
        match witnesses.other.receive() {
            Received::Text(message) if message["type"] == "GameData" => {
                assert_eq!(message["data"]["data"]["number"], said);
                said += 1;
            }
            Received::Text(message) if message["type"] == "PlayerLeft" => {
                assert_eq!(witnesses.other.hear()["number"], said);
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    witnesses.one.expect("PlayerLeft");
    assert_eq!(server.count(|counters| &counters.slow_consumers), 1);
    witnesses.play();

    // What it did not read in time is gone; what it can still read has no hole.
    let mut expected = 0;
    loop {
        let frame = sluggard.frame();
        if frame.first != TEXT {
            assert_eq!(frame.close_code(), Some(4002));
            break;
        }
        let message: Value = serde_json::from_slice(&frame.payload).expect("JSON");
        if message["type"] == "GameData" {
            assert_eq!(message["data"]["data"]["number"], expected);
            expected += 1;
        } else {
            assert_eq!(message["data"]["error_code"], "SLOW_CONSUMER");
        }
    }
    assert!(expected < said, "it was closed because it had missed something");
}

#[test]
fn a_flood_of_pings_from_a_peer_that_never_reads_ends_it_alone() {
    let server = Server::with(1, |config| {
        config.websocket.slow_consumer_timeout_ms = 500;
        config.websocket.send_queue_capacity = 32;
    });
    let mut witnesses = Witnesses::new(&server);
    let flooder = TcpStream::connect(server.address()).expect("accepted");
    SockRef::from(&flooder)
        .set_recv_buffer_size(65_536)
        .expect("an option of every socket");
    let writer = std::thread::spawn(move || {
        use std::io::Write;
        let mut flooder = flooder;
        flooder
            .set_write_timeout(Some(crate::support::DEADLINE))
            .expect("above zero");
        flooder
            .write_all(crate::support::wire::UPGRADE.as_bytes())
            .expect("the server reads");
        let flood = frame(PING, &[b'x'; 125]).repeat(1_000);
        // Until the server no longer reads, or is gone.
        let mut sent = 0_u64;
        while flooder.write_all(&flood).is_ok() {
            sent += flood.len() as u64;
            assert!(sent < 1 << 30, "a gigabyte later it is still there");
        }
    });
    while !writer.is_finished() {
        witnesses.play();
    }
    writer.join().expect("the flooder was ended");
    assert_eq!(server.count(|counters| &counters.slow_consumers), 1);
    witnesses.play();
}

#[test]
fn players_that_vanish_leave_their_rooms() {
    let server = Server::start(2);
    let mut witnesses = Witnesses::new(&server);
    for number in 0..20 {
        let mut guest = sluggard(&server, &witnesses.code);
        // Half of a frame, and then the end: in order, or by a reset.
        guest.send(&frame(TEXT, br#"{"type":"GameData","data":{"data":1}}"#)[..20]);
        for player in [&mut witnesses.one, &mut witnesses.other] {
            player.expect("PlayerJoined");
        }
        match number % 3 {
            0 => guest.finish(),
            1 => SockRef::from(guest.stream())
                .set_linger(Some(Duration::ZERO))
                .expect("an option of every socket"),
            _ => {}
        }
        if number % 3 == 0 {
            assert_eq!(guest.rest(), b"", "a half-closed connection is ended");
        }
        drop(guest);
        for player in [&mut witnesses.one, &mut witnesses.other] {
            player.expect("PlayerLeft");
        }
    }
    witnesses.play();
}

#[test]
fn a_peer_that_falls_silent_is_found_by_a_ping() {
    let server = Server::with(1, |config| {
        config.websocket.server_ping_interval_secs = 1;
        config.websocket.pong_timeout_secs = 1;
    });
    let mut silent = Wire::upgraded(&server);
    let mut alive = Player::authenticated(&server);
    assert_eq!(silent.frame().first, PING);
    // The player's library answers pings while it reads.
    let reading = std::thread::spawn(move || {
        assert_eq!(alive.receive_within(Duration::from_secs(3)), None, "it is not closed");
        assert!(alive.is_served());
    });
    assert_eq!(silent.frame().close_code(), Some(4003));
    reading.join().expect("the other player goes on");
}
