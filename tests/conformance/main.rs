//! The protocol as data: every script under `tests/scripts`, played against shards in memory and against a real server.
//!
//! In memory each script is played with one shard and with several, under several schedules and a virtual clock. On sockets
//! it is played once, unless it is marked `pure only`. A script that cannot be read fails both.

#[path = "../harness/mod.rs"]
mod harness;
mod index;
mod play;
mod pure;
mod recording;
mod refusals;
mod schema;
mod script;
mod socket;
mod stage;
#[path = "../support/mod.rs"]
mod support;
mod text;

use std::fs;
use std::path::Path;

use crate::play::play;
use crate::pure::PureStage;
use crate::script::{Script, parse};
use crate::socket::SocketStage;
use crate::stage::Stage;
use serde_json::Value;
use signal_fish_relay::config::Config;
use signal_fish_relay::protocol::ErrorCode;

/// Shards and seeds in memory.
const SCHEDULES: &[(u16, u64)] = &[(1, 1), (2, 2), (3, 3), (3, 4), (8, 5)];

/// Every script, by name.
fn scripts() -> Vec<Script> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let entries = fs::read_dir(directory).expect("the scripts are there");
    let paths = entries.map(|entry| entry.expect("a directory can be read").path());
    let mut paths: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|it| it == "script"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "there are no scripts");
    let read = |path: &std::path::PathBuf| {
        let name = path
            .file_name()
            .expect("a file has a name")
            .to_string_lossy()
            .into_owned();
        let source = fs::read_to_string(path).expect("a script is text");
        parse(&name, &source).unwrap_or_else(|why| panic!("tests/scripts/{why}"))
    };
    paths.iter().map(read).collect()
}

/// The default configuration with a script's changes.
fn config_of(script: &Script) -> Config {
    let mut config = serde_json::to_value(Config::default()).expect("a configuration is JSON");
    for (key, value) in &script.config {
        let pointer = format!("/{}", key.replace('.', "/"));
        let place = config.pointer_mut(&pointer);
        let place = place.unwrap_or_else(|| panic!("{}: no key is called {key}", script.file));
        *place = value.clone();
    }
    let config: Config =
        serde_json::from_value(config).unwrap_or_else(|error| panic!("{}: its configuration: {error}", script.file));
    config
        .validate()
        .unwrap_or_else(|error| panic!("{}: {error}", script.file));
    config
}

/// Plays scripts, prints what was played, and fails with all that failed.
fn perform<'a>(
    stage_name: &str,
    scripts: impl Iterator<Item = &'a Script>,
    stages: impl Fn(&Config) -> Vec<Box<dyn FnOnce() -> Box<dyn Stage>>>,
) {
    let only = std::env::var("SCRIPT").ok();
    let (mut played, mut rows, mut failures) = (0, 0, Vec::new());
    for script in scripts.filter(|script| only.as_ref().is_none_or(|only| script.file.contains(only))) {
        let config = config_of(script);
        let outcome = stages(&config)
            .into_iter()
            .try_for_each(|stage| play(script, &mut *stage()));
        println!(
            "{stage_name} {}: {} ({} rows)",
            script.file,
            if outcome.is_ok() { "ok" } else { "FAILED" },
            script.rows
        );
        played += 1;
        rows += script.rows;
        failures.extend(outcome.err());
    }
    println!("{stage_name}: {played} scripts, {rows} rows, {} failed", failures.len());
    assert!(failures.is_empty(), "{}\n", failures.join("\n"));
}

#[test]
fn every_script_holds_in_memory() {
    let scripts = scripts();
    perform("in memory", scripts.iter(), |config| {
        let stage = |&(shards, seed): &(u16, u64)| -> Box<dyn FnOnce() -> Box<dyn Stage>> {
            let config = config.clone();
            Box::new(move || Box::new(PureStage::new(&config, shards, seed)))
        };
        SCHEDULES.iter().map(stage).collect()
    });
}

#[test]
fn every_script_holds_on_sockets() {
    let scripts = scripts();
    let playable = scripts.iter().filter(|script| script.pure_only.is_none());
    perform("on sockets", playable, |config| {
        let config = config.clone();
        vec![Box::new(move || Box::new(SocketStage::new(&config)))]
    });
}

#[test]
fn the_index_names_every_script_and_counts_right() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let rows = index::compare(&directory, "Error codes").unwrap_or_else(|wrong| panic!("{wrong:#?}"));
    let codes: Vec<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(rows, codes, "every error code has a row, in the protocol's order");
}

fn played_in_memory(source: &str) -> Result<(), String> {
    let script = parse("inline", source)?;
    play(&script, &mut PureStage::new(&Config::default(), 2, 1))
}

#[test]
fn a_wrong_expectation_fails_and_is_named() {
    let opening = "## a row\nmira enters\nmira > Ping\n";
    assert_eq!(played_in_memory(&format!("{opening}mira < Pong")), Ok(()));
    let cases = [
        ("mira < RoomLeft", "expected"),
        ("mira < Pong {}", "data"),
        ("mira < nothing", "expects nothing"),
        ("mira < Pong\nmira < Pong", "got      nothing"),
        ("mira < Pong\nmira < end", "still connected"),
        ("mira < close 4000 server_shutdown", "Close"),
        (
            "mira < Pong\nmira > GameData {\"data\":1}\nmira < Error NOT_A_SPECTATOR",
            "NOT_IN_ROOM",
        ),
        (
            "mira < Pong\nmira > GameData {\"data\":1}",
            "more than the script expects",
        ),
        (
            "mira < Pong\nmira creates den\notto enters\notto joins den\notto < nothing",
            "more than the script expects",
        ),
        (
            "mira < Pong\nmira creates den\nmira > PlayerReady\nmira < LobbyStateChanged {\"ready_players\":[\"$uuid:den_id\"], \"...\": 0}",
            "$den_id is",
        ),
        (
            "mira < Pong\nmira > GameData {\"data\":\"$ghost\"}\nmira < nothing",
            "$ghost has no value yet",
        ),
        ("otto < Pong", "otto is not connected"),
    ];
    for (lines, reason) in cases {
        let why = played_in_memory(&format!("{opening}{lines}")).expect_err(lines);
        assert!(why.contains(reason) && why.contains("inline:"), "{lines}: {why}");
    }
}

#[test]
fn a_script_that_says_nothing_or_cannot_be_read_is_refused() {
    let cases = [
        ("", "expects nothing"),
        ("# only words", "expects nothing"),
        ("## a row\nmira enters\nmira > Ping\nmira ponders", "inline:4"),
        ("mira connects\nmira < nothing", "no line beginning with ##"),
        ("## a row\nmira < Pong {", "inline:2"),
        ("## a row\nmira < pong 1", "half a byte"),
        ("## a row\nwait 5 s", "pure only"),
        ("## a row\nmira < RoomLeft NOT_IN_ROOM", "carries no code"),
    ];
    for (source, reason) in cases {
        let why = parse("inline", source).expect_err(source);
        assert!(why.contains(reason), "{source}: {why}");
    }
}

#[test]
fn a_setting_that_does_not_exist_is_refused() {
    let script = parse(
        "inline",
        "## a row\nconfig server.nothing = 1\nmira connects\nmira < nothing",
    )
    .expect("it reads");
    let refused = std::panic::catch_unwind(|| config_of(&script));
    assert!(refused.is_err());
    let script = parse(
        "inline",
        "## a row\nconfig server.max_rooms = 7\nmira connects\nmira < nothing",
    )
    .expect("it reads");
    assert_eq!(config_of(&script).server.max_rooms, 7);
    assert_ne!(Value::from(7), Value::from(Config::default().server.max_rooms));
}
