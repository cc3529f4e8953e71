//! The handshake, in what the scripts do not tell: who may come first, and what an application's rate is spent on.

use ahash::AHashMap;
use serde_json::{Value, json};
use signal_fish_relay::protocol::AppId;
use signal_fish_relay::session::{AppPolicy, AppTerms};

use crate::harness::{Setup, in_every_schedule};

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

fn authentication_error(code: &str) -> Value {
    json!({"type": "AuthenticationError", "data": {"error": "$text", "error_code": code}})
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
fn nobody_uses_up_an_applications_rate_without_its_token() {
    let with_token = || {
        listed().with(|settings| {
            let AppPolicy::Listed(apps) = &mut settings.access.apps else {
                panic!("listed")
            };
            let reef = apps.get_mut(&AppId::new("reef-racer")).expect("listed");
            (reef.handshakes_per_minute, reef.requires_connect_token) = (Some(2), Some(true));
            let kelp = apps.get_mut(&AppId::new("kelp-keep")).expect("listed");
            kelp.handshakes_per_minute = Some(1);
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
