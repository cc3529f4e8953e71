//! What cannot be read, what is not served, and budgets for saying so.

use serde_json::json;

use crate::harness::{Frame, Setup, in_every_schedule};

#[test]
fn messages_are_read_by_the_protocols_rules() {
    in_every_schedule(Setup::default, |game| {
        let mira = game.enter("mira");
        for fine in [
            r#"{"type":"Ping","data":null}"#,
            r#"{"type":"Ping","extra":1}"#,
            r#"{"data":null,"type":"Ping"}"#,
            " {\n\"type\" : \"Ping\"\t}\r\n",
            r#"{"type":"\u0050ing"}"#,
        ] {
            mira.sends_text(fine).expects(json!({"type": "Pong"}));
        }
        let deep = |levels: usize| {
            format!(
                r#"{{"type":"GameData","data":{{"data":{}{}}}}}"#,
                "[".repeat(levels),
                "]".repeat(levels)
            )
        };
        for malformed in [
            r#"{"type":"Ping","data":{}}"#,
            r#"{"type":"Ping","data":[]}"#,
            r#"{"type":"Ping","type":"Ping"}"#,
            r#"{"type":"Ping","data":null,"data":null}"#,
            r#"["Ping"]"#,
            r#""Ping""#,
            r#"{"type":"ping"}"#,
            r#"{"type":"Nope"}"#,
            r#"{"type":7}"#,
            "{}",
            "",
            " ",
            "not json",
            "null",
            r#"{"type":"Ping"}{"type":"Ping"}"#,
            r#"{"type":"Ping",}"#,
            r#"{'type':'Ping'}"#,
            "\u{feff}{\"type\":\"Ping\"}",
            r#"{"type":"PlayerReady","data":{"ready":true}}"#,
            r#"{"type":"LeaveRoom","data":{}}"#,
            r#"{"type":"JoinRoom"}"#,
            r#"{"type":"JoinRoom","data":{"player_name":"A"}}"#,
            r#"{"type":"GameData"}"#,
            r#"{"data":{},"type":"GameData"}"#,
            r#"{"type":"GameData","data":{"data":1e400}}"#,
            r#"{"type":"GameData","data":{"data":"\ud800"}}"#,
            r#"{"type":"GameData","data":{"data":01}}"#,
            r#"{"type":"GameData","data":{"data":NaN}}"#,
            r#"{"type":"AuthorityRequest","data":{}}"#,
            r#"{"type":"AuthorityRequest","data":{"become_authority":1}}"#,
            r#"{"type":"AuthorityRequest","data":{"become_authority":null}}"#,
            r#"{"type":"Reconnect","data":{"player_id":"x","room_id":"y","auth_token":"z"}}"#,
            r#"{"type":"Reconnected","data":{}}"#,
            r#"{"type":"GameDataBinary","data":{}}"#,
            r#"{"type":"KickPlayer","data":{"player_id":"00000000-0000-4000-8000-000000000001"}}"#,
            &deep(126),
        ] {
            mira.sends_text(malformed).expects_error("INVALID_INPUT");
        }
        mira.sends_text(&deep(125)).expects_error("NOT_IN_ROOM");
        mira.expects_to_be_served();
    });
}

#[test]
fn requests_of_a_later_version_are_refused_or_ignored() {
    in_every_schedule(Setup::default, |game| {
        let mira = game.enter("mira");
        mira.create_room("tide-pool", "Mira");
        let id = "00000000-0000-4000-8000-000000000001";
        mira.sends(json!({"type": "TransportStatus", "data": {"transport": "webrtc", "connected": true}}));
        mira.expects_nothing();
        mira.sends(json!({"type": "RoomOperation", "data": {"operation_id": id, "operation": {"type": "LeaveRoom"}}}));
        mira.expects_error("UNSUPPORTED_PROTOCOL_VERSION");
        mira.sends(json!({"type": "Signal", "data": {"to": id, "generation": id, "signal": {}}}));
        mira.expects(json!({"type": "Error", "data": "$any"}));
        mira.expects_to_be_served();
    });
}

#[test]
fn a_reconnection_without_a_record_fails_politely() {
    in_every_schedule(Setup::default, |game| {
        let mira = game.enter("mira");
        for id in [
            "5b1e7f0c-6a63-4d0e-9a55-0f7e2d6c9b11",
            "5B1E7F0C6A634D0E9A550F7E2D6C9B11",
            "{5b1e7f0c-6a63-4d0e-9a55-0f7e2d6c9b11}",
            "urn:uuid:5b1e7f0c-6a63-4d0e-9a55-0f7e2d6c9b11",
        ] {
            mira.sends(json!({"type": "Reconnect", "data": {"player_id": id, "room_id": id, "auth_token": "t"}}));
            let failed = mira.expects(json!({"type": "ReconnectionFailed", "data":
                {"reason": "$text", "error_code": "$text"}}));
            assert!(
                failed["data"]["error_code"]
                    .as_str()
                    .is_some_and(|code| code.starts_with("RECONNECTION_"))
            );
        }
        mira.expects_to_be_served();
    });
}

#[test]
fn sizes_have_a_polite_tier_and_an_end() {
    in_every_schedule(Setup::default, |game| {
        let (mira, otto) = (game.enter("mira"), game.enter("otto"));
        let seat = mira.create_room("tide-pool", "Mira");
        otto.join("tide-pool", &seat.room_code, "Otto");
        mira.takes_all();
        let frame = |bytes: usize| {
            let around = json!({"type": "GameData", "data": {"data": ""}}).to_string().len();
            json!({"type": "GameData", "data": {"data": "x".repeat(bytes - around)}}).to_string()
        };
        mira.sends_text(&frame(65_536));
        otto.expects(json!({"type": "GameData", "data": "$any"}));
        mira.sends_text(&frame(65_537)).expects_error("MESSAGE_TOO_LARGE");
        mira.sends_text(&frame(131_072)).expects_error("MESSAGE_TOO_LARGE");
        otto.expects_nothing();
        mira.sends_text(&frame(131_073));
        assert_eq!(
            mira.next_frame(),
            Frame::Close(Some(1_009), "inbound_message_too_large".to_owned())
        );
        otto.expects_departure(&seat);
        otto.expects(
            json!({"type": "AuthorityChanged", "data": {"authority_player": null, "you_are_authority": false}}),
        );
    });
}

#[test]
fn refusals_and_pongs_have_a_budget() {
    let strict = || Setup::default().with(|settings| settings.budgets.error_replies = 40);
    in_every_schedule(strict, |game| {
        let (mira, otto) = (game.enter("mira"), game.enter("otto"));
        for _ in 0..20 {
            mira.says("Ping").sends_text("nonsense");
        }
        for _ in 0..20 {
            mira.expects(json!({"type": "Pong"}));
            mira.expects_error("INVALID_INPUT");
        }
        mira.says("PlayerReady").expects_error("RATE_LIMIT_EXCEEDED");
        mira.expects_close(4_006, "inbound_rate_limited");
        for _ in 0..3 {
            (0..40).for_each(|_| otto.expects_to_be_served());
            game.advance_ms(60_000);
        }
        otto.expects_to_be_served();
    });
}

#[test]
fn nobody_pays_for_what_others_send() {
    let strict = || {
        Setup::default().with(|settings| {
            settings.budgets.error_replies = 5;
            settings
                .handshake
                .formats
                .push(signal_fish_relay::protocol::GameDataFormat::Rkyv);
        })
    };
    in_every_schedule(strict, |game| {
        let mira = game.enter("mira");
        mira.asks_to_join(json!({"game_name": "tide-pool", "player_name": "Mira", "max_players": 20}));
        let seat = mira.expects_created();
        for number in 0..10 {
            let sender = game.connect(&format!("sender{number}"));
            sender.authenticate_with(json!({"app_id": "reef-racer", "game_data_format": "rkyv"}));
            sender.join("tide-pool", &seat.room_code, &format!("Sender{number}"));
            mira.takes_all();
            sender.sends_binary(b"opaque");
            mira.expects_error("UNSUPPORTED_GAME_DATA_FORMAT");
        }
        mira.expects_to_be_served();
    });
}
