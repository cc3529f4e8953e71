//! Connections that are bound to their handshake: the published client's proofs are accepted, whatever it sends and
//! wherever its room lives, and a frame that does not prove where it comes from ends the connection.

use data_encoding::BASE64;
use serde_json::{Value, json};
use signal_fish_client::protocol::GameDataEncoding;
use signal_fish_client::{
    JoinRoomParams, SignalFishConfig, SignalFishEvent as Event, TokenBindingMode, TokenBindingStatus,
    WebSocketConnectOptions, WebSocketTransport,
};

use crate::proofs::Proofs;
use crate::support::player::{APP_ID, Player, open_envelope};
use crate::support::published::{Published, run};
use crate::support::server::Server;
use crate::support::wire::{BINARY, TEXT, UPGRADE, Wire};

const GAME: &str = "tide-pool";
const OFFER: &str = "Sec-WebSocket-Protocol: signalfish.tokenbinding.v2\r\n";

fn binding_server(shards: usize) -> Server {
    Server::with(shards, |config| config.security.transport.token_binding.enabled = true)
}

/// A client of our own that can be made to lie.
struct Bound {
    wire: Wire,
    proofs: Proofs,
}

impl Bound {
    fn connect(server: &Server) -> Self {
        let mut wire = Wire::connect(server.address());
        wire.send(UPGRADE.replace("\r\n\r\n", &format!("\r\n{OFFER}\r\n")).as_bytes());
        let head = wire.head();
        assert!(head.starts_with("HTTP/1.1 101 ") && head.contains(OFFER), "{head}");
        let challenge: Value = serde_json::from_str(wire.frame().text()).expect("JSON");
        let proofs = Proofs::new(&challenge);
        Self { wire, proofs }
    }

    fn authenticated(server: &Server) -> Self {
        let mut bound = Self::connect(server);
        bound.send(json!({"type": "Authenticate", "data": {"app_id": APP_ID, "game_data_format": "message_pack"}}));
        bound.expect("Authenticated");
        bound.expect("ProtocolInfo");
        bound
    }

    fn send(&mut self, message: Value) {
        let signed = self.proofs.next(&message);
        self.send_text(&signed.to_string());
    }

    fn send_text(&mut self, text: &str) {
        self.wire.send_frame(TEXT, text.as_bytes());
    }

    fn send_binary(&mut self, payload: &[u8]) {
        let proof = self.proofs.proof(self.proofs.next_sequence, "binary", payload);
        let mut frame = b"\x82\xadtoken_binding".to_vec();
        frame.extend(rmp_serde::to_vec_named(&proof).expect("serialisable"));
        frame.extend(b"\xa7payload\xc4");
        frame.push(u8::try_from(payload.len()).expect("short"));
        frame.extend(payload);
        self.wire.send_frame(BINARY, &frame);
        self.proofs.next_sequence += 1;
    }

    fn expect(&mut self, tag: &str) -> Value {
        let mut message: Value = serde_json::from_str(self.wire.frame().text()).expect("JSON");
        assert_eq!(message["type"], tag, "{message}");
        message["data"].take()
    }

    fn expect_error(&mut self, code: &str) {
        let error = self.expect("Error");
        assert_eq!(error["error_code"], code, "{error}");
    }

    /// The connection is told why, and ended.
    fn expect_expulsion(mut self, code: &str) {
        self.expect_error(code);
        self.wire.expect_close(1000);
    }

    fn is_served(&mut self) {
        self.send(json!({"type": "Ping"}));
        self.expect("Pong");
    }
}

async fn published(server: &Server, mode: TokenBindingMode, wanted: TokenBindingStatus) -> Published {
    let options = WebSocketConnectOptions::default().with_token_binding(mode);
    let url = server.url().replace("/v2/", "/v3/");
    let transport = WebSocketTransport::connect_with_options(&url, options)
        .await
        .expect("an upgrade");
    assert_eq!(transport.token_binding_status(), wanted);
    let mut config = SignalFishConfig::new(APP_ID);
    config.game_data_format = Some(GameDataEncoding::MessagePack);
    Published::authenticated_over(transport, config).await
}

#[test]
fn the_published_client_plays_over_a_bound_connection_wherever_its_room_lives() {
    run(async {
        for shards in [1, 4] {
            let server = binding_server(shards);
            let mut host = published(&server, TokenBindingMode::Disabled, TokenBindingStatus::Disabled).await;
            let (code, _) = host.seated(JoinRoomParams::new(GAME, "Host")).await;
            assert!(matches!(host.next().await, Event::LobbyStateChanged { .. }));
            for number in 0..4 {
                let mut mira = published(&server, TokenBindingMode::Required, TokenBindingStatus::Active).await;
                mira.seated(JoinRoomParams::new(GAME, "Mïra").with_room_code(&code))
                    .await;
                assert!(matches!(host.next().await, Event::PlayerJoined { .. }));
                let sent = json!({"ü": [number, -9_007_199_254_740_991_i64], "a": {"z": null, "b": true}, "ﬃ": "😀\n"});
                mira.client.send_game_data(sent.clone()).expect("seated");
                match host.next().await {
                    Event::GameData { data, .. } => assert_eq!(data, sent),
                    other => panic!("game data was expected: {other:?}"),
                }
                mira.client
                    .send_binary_game_data(b"\x81\xa1x\x01".to_vec())
                    .expect("seated");
                match host.next().await {
                    Event::GameDataBinary { payload, .. } => assert_eq!(payload, b"\x81\xa1x\x01"),
                    other => panic!("binary game data was expected: {other:?}"),
                }
                host.client.send_game_data(json!(1.5)).expect("seated");
                let heard = mira.next().await;
                assert!(matches!(heard, Event::GameData { .. }), "only clients sign: {heard:?}");
                mira.left().await;
                assert!(matches!(host.next().await, Event::PlayerLeft { .. }));
            }
            host.left().await;
        }
    });
}

#[test]
fn who_does_not_offer_is_not_bound_and_who_offers_in_vain_can_tell() {
    run(async {
        let server = binding_server(1);
        let mut plain = published(&server, TokenBindingMode::Disabled, TokenBindingStatus::Disabled).await;
        plain.client.shutdown().await;
        let mut stray = Player::authenticated(&server);
        stray.send(&json!({"type": "Ping", "token_binding": {"version": 2}}));
        stray.expect("Pong");
        let without = Server::start(1);
        let mut optional = published(&without, TokenBindingMode::Optional, TokenBindingStatus::NotNegotiated).await;
        optional.client.shutdown().await;
    });
}

#[test]
fn text_and_binary_frames_share_one_count() {
    let server = binding_server(2);
    let mut host = Player::authenticated_for(&server, "message_pack");
    let code = host.create(GAME, "Host");
    let mut bound = Bound::authenticated(&server);
    bound.send(json!({"type": "JoinRoom",
        "data": {"game_name": GAME, "player_name": "Bound", "room_code": code}}));
    bound.expect("RoomJoined");
    host.expect("PlayerJoined");
    bound.send(json!({"type": "GameData", "data": {"data": {"n": 7}}}));
    assert_eq!(host.hear(), json!({"n": 7}));
    bound.send_binary(b"\x81\xa1x\x01");
    match host.receive() {
        crate::support::player::Received::Binary(frame) => assert_eq!(open_envelope(&frame).1, b"\x81\xa1x\x01"),
        other => panic!("binary data was expected: {other:?}"),
    }
    bound.is_served();
    let skipping = bound
        .proofs
        .signed(bound.proofs.next_sequence + 1, &json!({"type": "Ping"}));
    bound.send_text(&skipping.to_string());
    bound.expect_expulsion("UNAUTHORIZED");
    host.expect("PlayerLeft");
}

#[test]
fn what_cannot_be_signed_is_refused_politely_and_uses_no_number() {
    let server = binding_server(1);
    let mut bound = Bound::authenticated(&server);
    for text in [
        "{",
        "not JSON",
        r#"{"type":"Ping","type":"Ping"}"#,
        r#"{"type":"GameData","data":{"data":1.5}}"#,
    ] {
        bound.send_text(text);
        bound.expect_error("INVALID_INPUT");
    }
    let large = bound.proofs.signed(
        bound.proofs.next_sequence,
        &json!({"type": "GameData", "data": {"data": 1}}),
    );
    bound.send_text(&large.to_string().replace("\"data\":1}", "\"data\":9007199254740992}"));
    bound.expect_error("INVALID_INPUT");
    // Known to nobody, and proven: it is refused and has used its number.
    bound.send(json!({"type": "Nope"}));
    bound.expect_error("INVALID_INPUT");
    bound.is_served();
    // Too long to be served, and proven.
    bound.send(json!({"type": "Ping", "more": "x".repeat(70_000)}));
    bound.expect_error("MESSAGE_TOO_LARGE");
    bound.is_served();
}

/// What a client sends that is no proof.
type Lie<'a> = &'a dyn Fn(&Bound) -> String;

#[test]
fn a_frame_that_proves_nothing_ends_the_connection() {
    let server = binding_server(1);
    let ping = json!({"type": "Ping"});
    let with = |bound: &Bound, member: &str, value: Value| {
        let mut message = bound.proofs.signed(bound.proofs.next_sequence, &ping);
        message["token_binding"][member] = value;
        message.to_string()
    };
    let lies: [(&str, Lie<'_>); 8] = [
        ("UNAUTHORIZED", &|_| ping.to_string()),
        ("UNAUTHORIZED", &|bound| bound.proofs.signed(1, &ping).to_string()),
        ("UNAUTHORIZED", &|bound| with(bound, "version", json!(1))),
        ("UNAUTHORIZED", &|bound| with(bound, "scheme", json!("x"))),
        ("UNAUTHORIZED", &|bound| {
            with(bound, "scheme", json!("sec_websocket_key_sha256"))
        }),
        ("UNAUTHORIZED", &|bound| {
            with(bound, "signature", json!(BASE64.encode(&[0; 32])))
        }),
        ("UNAUTHORIZED", &|bound| {
            let proofs = &bound.proofs;
            proofs
                .signed(proofs.next_sequence, &ping)
                .to_string()
                .replace("Ping", "LeaveRoom")
        }),
        ("INVALID_INPUT", &|_| "[]".to_owned()),
    ];
    for (code, lie) in lies {
        let mut bound = Bound::authenticated(&server);
        let text = lie(&bound);
        bound.send_text(&text);
        bound.expect_expulsion(code);
    }
    let mut bound = Bound::authenticated(&server);
    bound.wire.send_frame(BINARY, b"\x81\xa1x\x01");
    bound.expect_expulsion("UNAUTHORIZED");
    // Even before the handshake of the protocol.
    let mut bound = Bound::connect(&server);
    bound.send_text(&ping.to_string());
    bound.expect_expulsion("UNAUTHORIZED");
}

#[test]
fn the_proofs_go_on_where_the_connection_goes() {
    let server = binding_server(4);
    let mut host = Player::authenticated(&server);
    let code = host.create(GAME, "Host");
    let before = server.count(|counters| &counters.hops_received);
    for round in 0..16 {
        let mut bound = Bound::authenticated(&server);
        bound.send(json!({"type": "JoinRoom",
            "data": {"game_name": GAME, "player_name": format!("B{round}"), "room_code": code}}));
        bound.expect("RoomJoined");
        bound.is_served();
        host.expect("PlayerJoined");
        bound.send(json!({"type": "LeaveRoom"}));
        bound.expect("RoomLeft");
        host.expect("PlayerLeft");
    }
    assert!(
        server.count(|counters| &counters.hops_received) > before,
        "some of them moved"
    );
}

#[test]
fn a_connection_without_a_place_is_challenged_before_it_is_told() {
    let server = Server::with(1, |config| {
        config.security.transport.token_binding.enabled = true;
        config.security.exempt_loopback = false;
        config.security.max_connections_per_ip = 1;
    });
    let mut first = Bound::connect(&server);
    let mut second = Bound::connect(&server);
    second.expect_error("TOO_MANY_CONNECTIONS");
    first.is_served();
}
