//! A reader on version 3 that is steadily a little too slow is spared what may be left out, told of it exactly, and lives on.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::audit::Audit;
use crate::harness::{Client, Game, Setup};

const TICK_MS: u64 = 100;
/// Two minutes.
const TICKS: u64 = 1_200;

/// What somebody says in a tick.
type Speech = fn(u64) -> Vec<Value>;

fn said(data: u64, class: &str) -> Value {
    json!({"type": "GameData", "data": {"data": {"n": data, "padding": "x".repeat(40)}, "class": class}})
}

fn latest(data: u64, key: u64) -> Value {
    json!({"type": "GameData", "data": {"data": data, "class": "latest", "key": key}})
}

fn enter(game: &Game, name: &str) -> (Client, Audit) {
    let client = game.connect(name);
    client.sends(json!({"type": "Authenticate", "data": {"app_id": "reef-racer", "protocol_version": 3}}));
    client.sends(json!({"type": "JoinRoom", "data": {
        "game_name": "tide-pool", "player_name": name, "room_code": "ROOM22", "max_players": 20}}));
    game.settle();
    (client, Audit::of(name))
}

/// The speakers speak for two minutes, and a reader takes so many bytes a tick. Returns what it was told of.
fn run(speeches: &[Speech], bytes_per_tick: usize) -> Audit {
    let mut setup = Setup::default().with(|settings| settings.delivery.droppable_frames = 48);
    setup.settings.budgets.joins = 100;
    let game = Game::new(setup);
    let speakers: Vec<_> = (0..speeches.len())
        .map(|number| enter(&game, &format!("Speaker{number}")))
        .collect();
    let (witness, mut witnessed) = enter(&game, "Witness");
    let (reader, mut audit) = enter(&game, "Reader");
    let listen = |client: &Client, audit: &mut Audit| {
        client.takes_what_arrived().iter().for_each(|frame| audit.read(frame));
    };
    for tick in 0..TICKS {
        // It takes what lies in the pipe, and nothing comes after it before the next tick.
        reader.reads(true).has_pipe_of(0);
        game.settle();
        reader.reads(false).has_pipe_of(bytes_per_tick);
        for ((client, _), speech) in speakers.iter().zip(speeches) {
            for message in speech(tick) {
                client.sends(message);
            }
            client.takes_what_arrived();
        }
        game.advance_ms(TICK_MS);
        listen(&reader, &mut audit);
        listen(&witness, &mut witnessed);
        assert!(
            reader.is_connected(),
            "closed in tick {tick}, {} were told",
            audit.reported
        );
    }
    reader.reads(true).has_pipe_of(1 << 20);
    game.settle();
    listen(&reader, &mut audit);
    listen(&witness, &mut witnessed);
    audit.settle();
    witnessed.settle();
    let said: BTreeMap<_, _> = witnessed.ends.clone();
    audit.balance(&said);
    audit
}

#[test]
fn with_volatile_data() {
    let audit = run(&[|tick| (0..6).map(|n| said(6 * tick + n, "volatile")).collect()], 800);
    assert!(
        audit.reported > 1_000 && audit.reports > 768 && audit.heard.len() > 2_000,
        "{} heard, {} missed in {} reports",
        audit.heard.len(),
        audit.reported,
        audit.reports
    );
}

#[test]
fn with_everything_from_several() {
    let audit = run(
        &[
            |tick| (0..4).map(|n| said(4 * tick + n, "volatile")).collect(),
            |tick| (0..3).map(|n| latest(tick, (tick + n) % 40)).collect(),
            |tick| vec![said(tick, "volatile"), said(tick, "reliable")],
            // Bursts of what may be left out, and long silence.
            |tick| {
                (0..if tick % 100 == 0 { 30 } else { 0 })
                    .map(|n| said(n, "volatile"))
                    .collect()
            },
        ],
        1_300,
    );
    assert!(
        audit.reported > 1_000 && audit.reports > 600 && audit.heard.len() > 3_000,
        "{} heard, {} missed in {} reports",
        audit.heard.len(),
        audit.reported,
        audit.reports
    );
}
