//! The handshake, under both policies.

use ahash::AHashMap;
use serde_json::{Value, json};
use signal_fish_relay::protocol::AppId;
use signal_fish_relay::session::{AppPolicy, AppTerms};

use crate::harness::{Opcode, Setup, in_every_schedule};

fn listed() -> Setup {
    let reef = AppTerms {
        name: "Reef Racer".to_owned(),
        handshakes_per_minute: Some(40),
        ..AppTerms::default()
    };
    let kelp = AppTerms {
        name: "Kelp Keep".to_owned(),
        ..AppTerms::default()
    };
    let apps = AHashMap::from_iter([(AppId::new("reef-racer"), reef), (AppId::new("kelp-keep"), kelp)]);
    Setup::default().with(|settings| settings.access.apps = AppPolicy::Listed(apps))
}

fn authenticate(request: Value) -> Value {
    json!({"type": "Authenticate", "data": request})
}

fn authenticated(app_name: &str, rates: [u64; 3]) -> Value {
    json!({"type": "Authenticated", "data": {"app_name": app_name, "rate_limits":
        {"per_minute": rates[0], "per_hour": rates[1], "per_day": rates[2]}}})
}

fn authentication_error(code: &str) -> Value {
    json!({"type": "AuthenticationError", "data": {"error": "$text", "error_code": code}})
}

#[test]
fn an_open_door_answers_with_constants_and_the_protocols_facts() {
    in_every_schedule(Setup::default, |game| {
        let mira = game.connect("mira");
        mira.sends(authenticate(
            json!({"app_id": "", "sdk_version": "2.3.0", "platform": "Rust", "bogus": 1}),
        ));
        mira.expects(authenticated("default", [1_000, 10_000, 100_000]));
        mira.expects(json!({"type": "ProtocolInfo", "data": {
            "platform": "Rust", "sdk_version": "2.3.0",
            "capabilities": ["reconnection", "spectator-mode", "rate-limits-v2"],
            "game_data_formats": ["json", "message_pack"],
            "player_name_rules": {"max_length": 32, "min_length": 1, "allow_unicode_alphanumeric": true,
                "allow_spaces": true, "allow_leading_trailing_whitespace": false, "allowed_symbols": ["-", "_"]},
        }}));
        mira.expects_nothing();
        mira.sends(authenticate(json!({"app_id": "again"})))
            .expects_error("INVALID_INPUT");
        mira.expects_to_be_served();
    });
}

#[test]
fn a_disabled_format_is_remarked_upon_before_the_answer() {
    in_every_schedule(Setup::default, |game| {
        let mira = game.connect("mira");
        mira.sends(authenticate(json!({"app_id": "x", "game_data_format": "rkyv"})));
        mira.expects_error("UNSUPPORTED_GAME_DATA_FORMAT");
        mira.expects(authenticated("default", [1_000, 10_000, 100_000]));
        mira.expects(json!({"type": "ProtocolInfo", "data": "$any"}));
        mira.sends_binary(&[1]).expects_error("INVALID_INPUT");
    });
}

#[test]
fn an_open_door_may_be_passed_without_a_handshake_and_then_it_is_too_late() {
    in_every_schedule(Setup::default, |game| {
        let mira = game.connect("mira");
        mira.expects_to_be_served();
        mira.sends(authenticate(json!({"app_id": "x"})))
            .expects_error("INVALID_INPUT");
        mira.create_room("tide-pool", "Mira");
        let otto = game.connect("otto");
        otto.sends_binary(&[1]).expects_error("INVALID_INPUT");
        otto.sends(authenticate(json!({"app_id": "x"})))
            .expects_error("INVALID_INPUT");
        let kite = game.connect("kite");
        kite.sends_text("nonsense").expects_error("INVALID_INPUT");
        kite.authenticate("x");
    });
}

#[test]
fn an_open_door_ends_connections_that_speak_too_old_a_version_or_bear_a_bad_name() {
    in_every_schedule(Setup::default, |game| {
        let requests = [
            (
                json!({"app_id": "x", "protocol_version": 1}),
                "UNSUPPORTED_PROTOCOL_VERSION",
            ),
            (json!({"app_id": "a\u{7}b"}), "INVALID_APP_ID"),
            (json!({"app_id": "x".repeat(257)}), "INVALID_APP_ID"),
        ];
        for (request, code) in requests {
            let mira = game.connect("mira");
            mira.sends(authenticate(request)).expects(authentication_error(code));
            mira.expects_close(1000, "unregistered");
        }
        game.connect("otto").authenticate(&"x".repeat(256));
    });
}

#[test]
fn refusals_that_may_be_mended_leave_the_door_open() {
    in_every_schedule(Setup::default, |game| {
        let mira = game.connect("mira");
        let requests = [
            (json!({"app_id": "x", "connect_token": "t"}), "CONNECT_TOKEN_INVALID"),
            (json!({"app_id": "x", "platform": "UNITY"}), "SDK_VERSION_UNSUPPORTED"),
            (
                json!({"app_id": "x", "platform": "unity", "sdk_version": "1.9.9"}),
                "SDK_VERSION_UNSUPPORTED",
            ),
            (
                json!({"app_id": "x", "platform": "unity", "sdk_version": "new"}),
                "SDK_VERSION_UNSUPPORTED",
            ),
        ];
        for (request, code) in requests {
            mira.sends(authenticate(request)).expects(authentication_error(code));
        }
        for request in [
            json!({}),
            json!({"app_id": 7}),
            json!({"app_id": "x", "game_data_format": "cbor"}),
            json!({"app_id": "x", "protocol_version": 65_536}),
        ] {
            mira.sends(authenticate(request)).expects_error("INVALID_INPUT");
        }
        mira.authenticate_with(json!({"app_id": "x", "platform": "unity", "sdk_version": "1.10.0"}));
    });
}

#[test]
fn a_listed_application_is_known_by_name_and_rate() {
    in_every_schedule(listed, |game| {
        let (mira, otto) = (game.connect("mira"), game.connect("otto"));
        mira.sends(authenticate(json!({"app_id": "reef-racer"})));
        mira.expects(authenticated("Reef Racer", [40, 2_400, 57_600]));
        otto.sends(authenticate(json!({"app_id": "kelp-keep"})));
        otto.expects(authenticated("Kelp Keep", [1_000, 60_000, 1_440_000]));
        mira.expects(json!({"type": "ProtocolInfo", "data": "$any"}));
        mira.sends(authenticate(json!({"app_id": "reef-racer"})))
            .expects_error("INVALID_INPUT");
        mira.expects_to_be_served();
    });
}

#[test]
fn where_a_handshake_is_required_nothing_else_comes_first() {
    in_every_schedule(listed, |game| {
        for message in [
            json!({"type": "Ping"}),
            json!({"type": "JoinRoom", "data":
            {"game_name": "tide-pool", "player_name": "Mira"}}),
            json!({"type": "GameData", "data": {"data": 1}}),
        ] {
            let mira = game.connect("mira");
            mira.sends(message).expects_error("MISSING_APP_ID");
            mira.expects_close(1000, "unregistered");
        }
        let otto = game.connect("otto");
        otto.sends_binary(&[0x80]).expects_error("MISSING_APP_ID");
        otto.expects_close(1000, "unregistered");
        let kite = game.connect("kite");
        kite.sends(authenticate(json!({"app_id": "ghost"})))
            .expects(authentication_error("INVALID_APP_ID"));
        kite.expects_close(1000, "unregistered");
        assert_eq!(game.machine().connections(), 0);
    });
}

#[test]
fn where_a_handshake_is_required_it_may_be_tried_again() {
    in_every_schedule(listed, |game| {
        let mira = game.connect("mira");
        mira.sends(json!({"type": "Nope"})).expects_error("INVALID_INPUT");
        mira.sends(authenticate(json!({"app_id": "kelp-keep", "protocol_version": 1})));
        mira.expects(authentication_error("UNSUPPORTED_PROTOCOL_VERSION"));
        mira.sends(authenticate(
            json!({"app_id": "kelp-keep", "platform": "unity", "sdk_version": "1.9.0"}),
        ));
        mira.expects(authentication_error("SDK_VERSION_UNSUPPORTED"));
        mira.authenticate("kelp-keep");
    });
}

#[test]
fn nobody_uses_up_an_applications_rate_without_its_token() {
    let with_token = || {
        listed().with(|settings| {
            let AppPolicy::Listed(apps) = &mut settings.access.apps else {
                panic!("listed")
            };
            let reef = apps.get_mut(&AppId::new("reef-racer")).expect("listed");
            (reef.handshakes_per_minute, reef.requires_connect_token) = (Some(2), Some(true));
            let kelp = apps.get_mut(&AppId::new("kelp-keep")).expect("listed");
            kelp.handshakes_per_minute = Some(2);
        })
    };
    in_every_schedule(with_token, |game| {
        let mira = game.connect("mira");
        for _ in 0..5 {
            mira.sends(authenticate(json!({"app_id": "reef-racer"})))
                .expects(authentication_error("CONNECT_TOKEN_REQUIRED"));
            mira.sends(authenticate(json!({"app_id": "kelp-keep", "connect_token": "t"})))
                .expects(authentication_error("CONNECT_TOKEN_INVALID"));
            mira.sends(authenticate(json!({"app_id": "kelp-keep", "protocol_version": 1})))
                .expects(authentication_error("UNSUPPORTED_PROTOCOL_VERSION"));
        }
        mira.authenticate("kelp-keep");
        let otto = game.connect("otto");
        otto.sends(authenticate(json!({"app_id": "kelp-keep"})))
            .expects(authentication_error("RATE_LIMIT_EXCEEDED"));
    });
}

#[test]
fn a_required_handshake_has_a_deadline_that_retries_do_not_move() {
    in_every_schedule(listed, |game| {
        let (mute, retrying, pinging, prompt) = (
            game.connect("mute"),
            game.connect("retrying"),
            game.connect("pinging"),
            game.connect("prompt"),
        );
        prompt.authenticate("kelp-keep");
        game.advance_ms(9_000);
        retrying.sends(authenticate(json!({"app_id": "kelp-keep", "protocol_version": 1})));
        retrying.expects(authentication_error("UNSUPPORTED_PROTOCOL_VERSION"));
        pinging.sends_frame(Opcode::Ping, true, b"here");
        game.advance_ms(999);
        mute.expects_open();
        game.advance_ms(1);
        for late in [&mute, &retrying] {
            late.expects_error("AUTHENTICATION_TIMEOUT");
            late.expects_close(4001, "auth_timeout");
        }
        assert_eq!(pinging.takes_all().len(), 3, "the pong, the error and the close");
        prompt.expects_to_be_served();
    });
}

#[test]
fn rooms_belong_to_the_application_of_their_creator() {
    in_every_schedule(Setup::default, |game| {
        let join = |name: &str, code: &str| json!({"game_name": "tide-pool", "player_name": name, "room_code": code});
        let mira = game.connect("mira");
        mira.authenticate("reef-racer");
        let seat = mira.create_room("tide-pool", "Mira");
        let stranger = game.connect("stranger");
        stranger.authenticate("kelp-keep");
        stranger
            .asks_to_join(join("Otto", &seat.room_code))
            .expects_join_failed("ROOM_NOT_FOUND");
        let unlabelled = game.connect("unlabelled");
        unlabelled
            .asks_to_join(join("Kite", &seat.room_code))
            .expects_join_failed("ROOM_NOT_FOUND");
        // A room that nobody owns becomes the first labelled joiner's.
        unlabelled.asks_to_join(join("Kite", "ABC123"));
        unlabelled.expects_created();
        stranger.join("tide-pool", "ABC123", "Otto");
        let late = game.connect("late");
        late.asks_to_join(join("Late", "ABC123"))
            .expects_join_failed("ROOM_NOT_FOUND");
        mira.says("LeaveRoom").expects(json!({"type": "RoomLeft"}));
        mira.asks_to_join(join("Mira", "ABC123"))
            .expects_join_failed("ROOM_NOT_FOUND");
    });
}
