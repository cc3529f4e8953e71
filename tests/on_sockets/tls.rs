//! Games over TLS: everything comes, in order and once, whatever moves, waits or changes underneath.

use std::sync::Arc;

use rustls::{ClientConfig, ProtocolVersion};
use serde_json::{Value, json};
use signal_fish_relay::config::Config;

use crate::support::crowd::connect_with_little_room;
use crate::support::player::{APP_ID, join_message};
use crate::support::server::Server;
use crate::support::tls::{Authority, V1_2, V1_3};
use crate::support::wire::{BINARY, CLOSE, TEXT, UPGRADE, Wire, frame};

const GAME: &str = "tide-pool";
const HEALTH: &[u8] = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// What is said in a game: nothing, a byte, around a record, and nearly all that a message may have.
const LENGTHS: [usize; 7] = [0, 1, 1_000, 16_300, 16_384, 33_000, 60_000];

fn server(authority: &Authority, shards: usize, change: impl FnOnce(&mut Config)) -> Server {
    let identity = authority.server("server");
    Server::with(shards, |config| {
        identity.serve(config);
        change(config);
    })
}

/// Somebody in a game.
struct Mate {
    wire: Wire,
    hears: usize,
}

impl Mate {
    fn connect(server: &Server, client: &Arc<ClientConfig>) -> Self {
        Self::over(Wire::connect(server.address()).secure(client).upgrade("/v2/ws"))
    }

    fn over(wire: Wire) -> Self {
        let mut mate = Self { wire, hears: 0 };
        mate.send(&json!({"type": "Authenticate", "data": {"app_id": APP_ID, "game_data_format": "message_pack"}}));
        mate.wait_for("ProtocolInfo");
        mate
    }

    fn send(&mut self, message: &Value) {
        self.wire.send_frame(TEXT, message.to_string().as_bytes());
    }

    fn wait_for(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.wire.frame();
            if frame.first == TEXT {
                let mut message: Value = serde_json::from_str(frame.text()).expect("JSON");
                if message["type"] == kind {
                    return message["data"].take();
                }
            }
        }
    }

    fn create(&mut self) -> String {
        self.send(&join_message(GAME, "Host", None));
        let joined = self.wait_for("RoomJoined");
        self.wait_for("LobbyStateChanged");
        joined["room_code"].as_str().expect("a code").to_owned()
    }

    fn join(&mut self, code: &str) {
        self.send(&join_message(GAME, "Guest", Some(code)));
        self.wait_for("RoomJoined");
    }

    /// A message that says which it is, and has bytes that differ.
    fn word(number: usize) -> Vec<u8> {
        let bytes = (0..LENGTHS[number % LENGTHS.len()]).map(|at| (at * 7 + number) as u8);
        let mut word = vec![0xdc]; // no text, and no name of a field
        word.extend(bytes);
        word
    }

    fn say(&mut self, number: usize) {
        self.wire.send_frame(BINARY, &Self::word(number));
    }

    /// The next message must be the next that was said.
    fn hear(&mut self) {
        loop {
            let frame = self.wire.frame();
            if frame.first == BINARY {
                let word = Self::word(self.hears);
                assert!(frame.payload.ends_with(&word), "message {}", self.hears);
                assert!(frame.payload.len() < word.len() + 100, "the envelope of version 2");
                self.hears += 1;
                return;
            }
        }
    }

    fn is_served(&mut self) {
        self.send(&json!({"type": "Ping"}));
        self.wait_for("Pong");
    }
}

#[test]
fn a_connection_is_kept_for_requests_and_upgraded_then() {
    let authority = Authority::new("kept");
    let server = server(&authority, 2, |_| {});
    for versions in [&V1_2, &V1_3] {
        let mut wire = Wire::connect(server.address()).secure(&authority.client_of(versions, None));
        for _ in 0..2 {
            wire.send(HEALTH);
            assert!(wire.head().starts_with("HTTP/1.1 200 "));
            assert_eq!(wire.take(2), b"OK");
        }
        wire.send(UPGRADE.as_bytes());
        assert!(wire.head().starts_with("HTTP/1.1 101 "));
        wire.expect_served();
        wire.send_frame(CLOSE, &[0x03, 0xe8]);
        wire.expect_close(1000);
    }
}

#[test]
fn a_page_of_metrics_comes_whole_and_the_end_is_said() {
    let authority = Authority::new("pages");
    let server = server(&authority, 1, |config| {
        config.websocket.socket_send_buffer_bytes = 4_096
    });
    let mut wire = connect_with_little_room(server.address(), 2_048).secure(&authority.client());
    wire.send(b"GET /metrics/prom HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert!(wire.head().starts_with("HTTP/1.1 200 "));
    let page = String::from_utf8(wire.rest()).expect("text");
    assert!(page.len() > 10_000 && page.ends_with('\n'), "{} bytes", page.len());
}

#[test]
fn both_versions_upgrade_at_once_and_in_one_packet_with_what_follows() {
    let authority = Authority::new("at once");
    let server = server(&authority, 1, |_| {});
    for (versions, agreed) in [(&V1_2, ProtocolVersion::TLSv1_2), (&V1_3, ProtocolVersion::TLSv1_3)] {
        let mut wire = Wire::connect(server.address()).secure(&authority.client_of(versions, None));
        assert_eq!(wire.tls().protocol_version(), Some(agreed));
        let ping = frame(TEXT, br#"{"type":"Ping"}"#);
        wire.send(&[UPGRADE.as_bytes(), &ping, &ping].concat());
        assert!(wire.head().starts_with("HTTP/1.1 101 "));
        for _ in 0..2 {
            assert_eq!(wire.frame().text(), r#"{"type":"Pong"}"#);
        }
        wire.expect_served();
    }
}

#[test]
fn players_meet_from_all_shards_and_hear_each_other_whole() {
    let authority = Authority::new("hops");
    for (shards, versions) in [(2, &V1_2), (8, &V1_3)] {
        let server = server(&authority, shards, |_| {});
        let client = authority.client_of(versions, None);
        for _ in 0..8 {
            let (mut host, mut guest) = (Mate::connect(&server, &client), Mate::connect(&server, &client));
            let code = host.create();
            guest.join(&code);
            for number in 0..LENGTHS.len() {
                host.say(number);
                guest.hear();
                guest.say(number);
                host.hear();
            }
            host.is_served();
            guest.is_served();
        }
        assert!(
            server.count(|counters| &counters.hops_sent) > 0,
            "somebody came from elsewhere"
        );
        assert_eq!(server.count(|counters| &counters.tls_handshakes), 16);
    }
}

#[test]
fn what_is_said_behind_a_join_comes_with_the_connection() {
    let authority = Authority::new("pipelined");
    let server = server(&authority, 8, |_| {});
    let client = authority.client();
    for _ in 0..8 {
        let (mut host, mut guest) = (Mate::connect(&server, &client), Mate::connect(&server, &client));
        let code = host.create();
        let mut bytes = frame(TEXT, join_message(GAME, "Guest", Some(&code)).to_string().as_bytes());
        for number in 0..LENGTHS.len() {
            bytes.extend(frame(BINARY, &Mate::word(number)));
        }
        guest.wire.send(&bytes);
        guest.wait_for("RoomJoined");
        for _ in 0..LENGTHS.len() {
            host.hear();
        }
        guest.is_served();
    }
}

#[test]
fn who_reads_late_gets_everything_in_order() {
    const MESSAGES: usize = 28;
    let authority = Authority::new("late");
    for versions in [&V1_2, &V1_3] {
        let server = server(&authority, 2, |config| {
            config.websocket.socket_send_buffer_bytes = 8_192;
            config.websocket.pacing_burst_bytes = 16 << 20;
        });
        let client = authority.client_of(versions, None);
        let mut host = Mate::connect(&server, &client);
        let narrow = connect_with_little_room(server.address(), 4_096);
        let mut late = Mate::over(narrow.secure(&client).upgrade("/v2/ws"));
        let code = host.create();
        late.join(&code);
        for number in 0..MESSAGES {
            host.say(number);
        }
        host.is_served();
        for _ in 0..MESSAGES {
            late.hear();
        }
        late.is_served();
    }
}

#[test]
fn keys_change_in_the_middle_of_a_game() {
    let authority = Authority::new("renewed");
    let server = server(&authority, 8, |_| {});
    let client = authority.client_of(&V1_3, None);
    let (mut host, mut guest) = (Mate::connect(&server, &client), Mate::connect(&server, &client));
    host.wire.tls().refresh_traffic_keys().expect("TLS 1.3");
    let code = host.create();
    guest.join(&code);
    for number in 0..3 * LENGTHS.len() {
        let renewing = if number % 2 == 0 { &mut host } else { &mut guest };
        renewing.wire.tls().refresh_traffic_keys().expect("TLS 1.3");
        host.say(number);
        guest.hear();
        guest.say(number);
        host.hear();
    }
}

#[test]
fn the_end_is_said_in_both_languages() {
    let authority = Authority::new("ends");
    for versions in [&V1_2, &V1_3] {
        let server = server(&authority, 2, |_| {});
        let client = authority.client_of(versions, None);
        let mut broken = Wire::connect(server.address()).secure(&client).upgrade("/v2/ws");
        broken.send(&[0xff; 8]);
        broken.expect_close(1002);
        let mut leaving = Wire::connect(server.address()).secure(&client).upgrade("/v2/ws");
        leaving.tls().send_close_notify();
        leaving.send(b"");
        assert_eq!(leaving.rest(), b"", "close_notify is answered with close_notify");
        let mut stays = Mate::connect(&server, &client);
        stays.create();
        server.begin_stop();
        stays.wire.expect_close(4000);
        server.stop();
    }
}
