//! What cannot be read, and budgets for saying so. Most of it is told by the scripts; here are odd spellings and who pays.

use serde_json::json;

use crate::harness::{Setup, in_every_schedule};

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
