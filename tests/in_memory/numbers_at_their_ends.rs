//! Every number of the configuration can be borne at its ends: a game goes on at the upper one, nothing breaks at the lower,
//! and moments add up even beyond what a configuration allows.

use serde_json::json;
use signal_fish_relay::config::{BOUNDS, Bound, Config};
use signal_fish_relay::server::{admission_limits, shard_settings};
use signal_fish_relay::shard::Settings;

use crate::harness::{Game, Setup};

const GAME: &str = "tide-pool";

/// The defaults, with one number changed.
fn with_number(path: &str, value: u64) -> Option<Config> {
    let mut config = serde_json::to_value(Config::default()).expect("a config serialises");
    if let Some((list, key)) = path.split_once("[].") {
        let at = list.replace('.', "/");
        *config.pointer_mut(&format!("/{at}")).expect("a list") =
            json!([{"app_id": "g", "app_name": "G", (key): value}]);
    } else {
        let mut place = &mut config;
        for key in path.split('.') {
            // An object that is null by default comes into being.
            if place.is_null() {
                *place = json!({});
            }
            place = &mut place[key];
        }
        *place = json!(value);
    }
    serde_json::from_value::<Config>(config)
        .ok()
        .filter(|config| config.validate().is_ok())
}

fn game_of(config: &Config) -> Game {
    let settings = shard_settings(config).expect("no key that could be bad");
    let limits = admission_limits(config);
    Game::new(Setup {
        settings,
        limits,
        ..Setup::default()
    })
}

fn plays(game: &Game, why: &str) {
    let (mira, otto) = (game.connect("mira"), game.connect("otto"));
    mira.authenticate("g");
    otto.authenticate("g");
    let seat = mira.create_room(GAME, "Mira");
    let other = otto.join(GAME, &seat.room_code, "Otto");
    mira.expects_newcomer(&other, "Otto");
    for round in 0..3 {
        mira.sends_json(json!(round));
        otto.expects_json(&seat, json!(round));
        game.advance_ms(900);
    }
    mira.expects_to_be_served();
    otto.expects_to_be_served();
    otto.vanishes();
    mira.expects_departure(&other);
    game.advance_ms(5_000);
    mira.expects_to_be_served();
    assert!(mira.is_connected(), "{why}");
}

#[test]
fn a_game_goes_on_at_the_upper_end_of_every_number() {
    let mut tried = 0;
    for Bound { path, most, .. } in BOUNDS {
        // The only numbers that are no quantities; and an end that other keys must make room for is tried below.
        if path.ends_with("protocol_version") {
            continue;
        }
        let Some(config) = with_number(path, *most) else {
            continue;
        };
        plays(&game_of(&config), path);
        tried += 1;
    }
    assert!(tried > 55, "{tried} numbers were tried alone");
}

#[test]
fn nothing_breaks_at_the_lower_end_of_any_number() {
    for Bound { path, least, .. } in BOUNDS {
        for value in [0, 1, *least] {
            let Some(config) = with_number(path, value) else {
                continue;
            };
            let game = game_of(&config);
            let (mira, otto) = (game.connect("mira"), game.connect("otto"));
            for client in [&mira, &otto] {
                client.sends(json!({"type": "Authenticate", "data": {"app_id": "g"}}));
                client.sends(json!({"type": "JoinRoom", "data": {"game_name": GAME, "player_name": client.name()}}));
                client.sends_json(json!("hello"));
            }
            game.advance_ms(1_500);
            otto.vanishes();
            game.advance_ms(1_500);
            game.machine().drain(1);
            game.settle();
        }
    }
}

/// Settings whose every duration is beyond all that can be configured.
fn without_end(settings: &mut Settings) {
    const NEVER_MS: u64 = u64::MAX;
    settings.handshake.timeout_ms = NEVER_MS;
    settings.budgets.window_ms = NEVER_MS;
    settings.rooms.empty_timeout_ms = NEVER_MS;
    settings.rooms.inactive_timeout_ms = NEVER_MS;
    settings.rooms.sweep_interval_ms = NEVER_MS;
    settings.outbox.max_age_ms = NEVER_MS;
    settings.outbox.stall_timeout_ms = NEVER_MS;
    settings.delivery.stats_interval_ms = Some(NEVER_MS);
    settings.reconnection.window_ms = NEVER_MS;
    settings.liveness.idle_timeout_ms = Some(NEVER_MS);
    settings.liveness.activity_timeout_ms = Some(NEVER_MS);
    settings.liveness.ping_interval_ms = Some(NEVER_MS);
    settings.liveness.pong_timeout_ms = NEVER_MS;
    settings.close_timeout_ms = NEVER_MS;
}

#[test]
fn durations_without_end_close_nobody_and_switch_no_budget_off() {
    let game = Game::new(Setup::default().with(without_end));
    plays(&game, "durations without end");
    game.machine().drain(u64::MAX);
    let late = game.enter("late");
    late.expects_to_be_served();

    let game = Game::new(Setup::default().with(|settings| {
        without_end(settings);
        settings.budgets.room_creations = 2;
    }));
    let mira = game.enter("mira");
    for _ in 0..2 {
        mira.create_room(GAME, "Mira");
        mira.says("LeaveRoom").expects(json!({"type": "RoomLeft"}));
        game.advance_ms(60_000);
    }
    mira.asks_to_join(json!({"game_name": GAME, "player_name": "Mira"}))
        .expects_join_failed("RATE_LIMIT_EXCEEDED");
}
