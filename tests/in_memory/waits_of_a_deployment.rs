//! The longest waits that `docs/deploying.md` promises, by the published defaults.

use serde_json::{Value, json};
use signal_fish_relay::config::Config;
use signal_fish_relay::protocol::ProtocolVersion;
use signal_fish_relay::server::shard_settings;

use crate::harness::{Client, Game, Setup, in_every_schedule};

/// The configuration as it is without a file, but for an open door, changed.
fn configured(change: impl Fn(&mut Config)) -> Setup {
    let mut config = Config::default();
    config.security.enforce_app_id_allowlist = Some(false);
    change(&mut config);
    config.validate().expect("valid");
    let settings = shard_settings(&config).expect("valid");
    Setup::default().with(|all| *all = settings)
}

fn seated(game: &Game, name: &str, code: Option<&str>) -> (Client, Value) {
    let client = game.connect_by(name, None, ProtocolVersion::V3);
    client.authenticate("reef-racer");
    client.asks_to_join(json!({"game_name": "tide-pool", "player_name": name, "room_code": code}));
    let seat = client.expects(json!({"type": "RoomJoined", "data": "$any"}))["data"].clone();
    (client, seat)
}

/// A host, and a player of its room.
fn two(game: &Game) -> (Client, Client, Value) {
    let (host, room) = seated(game, "Host", None);
    let (mira, seat) = seated(game, "Mira", room["room_code"].as_str());
    drop((host.takes_all(), mira.takes_all()));
    (host, mira, seat)
}

/// Whether the room is told that somebody has left.
fn hears_of_a_departure(host: &Client) -> bool {
    let heard = format!("{:?}", host.takes_all());
    heard.contains("PlayerLeft")
}

#[test]
fn a_lost_player_is_noticed_within_15_s_and_has_the_seat_back_from_then_on() {
    in_every_schedule(
        || configured(|_| {}),
        |game| {
            let (host, mira, seat) = two(game);
            // No packet passes either way any more.
            mira.reads(false).answers(false);
            game.advance_ms(14_900);
            assert!(!hears_of_a_departure(&host));
            game.advance_ms(100);
            assert!(hears_of_a_departure(&host));
            let back = game.connect_by("back", None, ProtocolVersion::V3);
            back.authenticate("reef-racer");
            back.sends(json!({"type": "Reconnect", "data": {"player_id": seat["player_id"],
                "room_id": seat["room_id"], "auth_token": seat["reconnection_token"]}}));
            back.expects(json!({"type": "Reconnected", "data": "$any"}));
        },
    );
}

#[test]
fn with_15_s_for_a_pong_a_lost_player_is_noticed_within_30_s() {
    let patient = || configured(|config| config.websocket.pong_timeout_secs = 15);
    in_every_schedule(patient, |game| {
        let (host, mira, _) = two(game);
        // It answers once, and is lost right after.
        game.advance_ms(10_000);
        drop((host.takes_all(), mira.takes_all()));
        game.settle();
        mira.reads(false).answers(false);
        game.advance_ms(30_000);
        assert!(hears_of_a_departure(&host));
    });
}

/// A player that was silent already looks at nothing for 10 s, from the moment of the server's ping on.
fn loads_a_level(game: &Game) -> (Client, Client) {
    let (host, mira, _) = two(game);
    game.advance_ms(9_999);
    mira.reads(false).answers(false);
    game.advance_ms(10_000);
    (host, mira)
}

#[test]
fn who_loads_a_level_for_10_s_is_lost_by_default_and_kept_with_15_s_for_a_pong() {
    in_every_schedule(
        || configured(|_| {}),
        |game| assert!(hears_of_a_departure(&loads_a_level(game).0)),
    );
    let patient = || {
        configured(|config| {
            config.websocket.pong_timeout_secs = 15;
            config.websocket.slow_consumer_timeout_ms = 15_000;
            config.websocket.max_sojourn_ms = 20_000;
        })
    };
    in_every_schedule(patient, |game| {
        let (host, mira) = loads_a_level(game);
        assert!(!hears_of_a_departure(&host));
        mira.reads(true).answers(true);
        drop(mira.takes_all());
        mira.expects_to_be_served();
    });
}
