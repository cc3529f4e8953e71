//! The sources keep to their layers: no import upwards, no circle of files, and what only some may touch.
//!
//! The rules stand here; how they are judged stands in the files beside. `cargo test --test layers -- --nocapture bands`
//! shows how high each folder stands.

mod bands;
mod circles;
mod graph;
mod layering;
mod lengths;
mod made_up;
mod methods;
mod outside;
mod references;
mod scope;
mod sources;
mod survey;
mod uses;

use std::path::Path;
use std::sync::LazyLock;

use circles::{Exception, Files};
use layering::Layer;
use outside::Reserved;
use sources::Sources;
use survey::Survey;

/// Every top-level module, and which others it may name. What is not here is refused.
const LAYERS: &[Layer<'_>] = &[
    ("protocol", &[]),
    ("clock", &[]),
    ("rare_line", &[]),
    ("networks", &[]),
    ("retry", &[]),
    ("dedup", &[]),
    ("budget", &["clock"]),
    ("auth", &["protocol"]),
    ("room", &["protocol", "budget", "clock"]),
    ("session", &["protocol", "budget", "clock", "networks", "auth"]),
    (
        "shard",
        &["protocol", "budget", "clock", "rare_line", "auth", "room", "session"],
    ),
    ("metrics", &["protocol", "shard"]),
    ("config", &["auth", "networks"]),
    ("logging", &["clock", "config", "rare_line"]),
    ("cli", &["config"]),
    (
        "net",
        &[
            "protocol",
            "clock",
            "rare_line",
            "networks",
            "auth",
            "config",
            "room",
            "session",
            "shard",
            "metrics",
        ],
    ),
    ("runtime", &["clock", "rare_line", "shard"]),
    (
        "control",
        &[
            "protocol",
            "retry",
            "rare_line",
            "auth",
            "logging",
            "metrics",
            "net",
            "session",
            "shard",
        ],
    ),
    (
        "server",
        &[
            "protocol",
            "clock",
            "rare_line",
            "budget",
            "networks",
            "auth",
            "session",
            "shard",
            "metrics",
            "config",
            "net",
            "runtime",
            "control",
        ],
    ),
    ("main", &["cli", "config", "logging", "runtime", "server"]),
];

/// Words that only some top-level modules may have in their code. tokio is for layers that wait for others.
const RESERVED: &[Reserved<'_>] = &[
    ("glommio", &["net", "runtime"]),
    ("unsafe", &["net", "runtime"]),
    ("tokio", &["control"]),
];

/// Ways of the server's files that may close a circle. One that closes none fails, too.
const EXCEPTIONS: &[Exception<'_>] = &[];

/// Folders whose circles are known and are being untied. One that has none any more fails.
const BEING_REBUILT: &[&str] = &[];

/// The most lines of a file.
const MAX_LINES: usize = 500;

/// Files that are longer, and are being split. One that is not longer any more fails.
const BEING_SPLIT: &[&str] = &[];

static SERVER: LazyLock<Survey> = LazyLock::new(|| {
    let library = Sources::of_crate(repository(), "signal_fish_relay", "src/lib.rs");
    Survey::of(&library.with_binary(repository(), "src/main.rs"))
});

static LOAD_TESTER: LazyLock<Survey> = LazyLock::new(|| {
    Survey::of(&Sources::of_crate(
        repository(),
        "signal_fish_loadtest",
        "loadtest/src/main.rs",
    ))
});

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn expect_none(faults: &[String]) {
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn nothing_is_imported_from_above() {
    expect_none(&layering::faults(&SERVER, LAYERS));
}

#[test]
fn what_is_reserved_stays_where_it_belongs() {
    expect_none(&outside::reserved_faults(&SERVER, RESERVED));
}

#[test]
fn unsafe_code_says_why_it_is_sound() {
    expect_none(&outside::safety_faults(&SERVER));
    expect_none(&outside::safety_faults(&LOAD_TESTER));
}

#[test]
fn no_files_of_the_server_go_in_a_circle() {
    expect_none(&Files::of(&SERVER).faults(EXCEPTIONS, BEING_REBUILT));
}

#[test]
fn no_files_of_the_load_tester_go_in_a_circle() {
    expect_none(&Files::of(&LOAD_TESTER).faults(&[], &[]));
}

#[test]
fn no_folders_of_the_shard_go_in_a_circle() {
    if !BEING_REBUILT.contains(&"src/shard") {
        expect_none(&Files::of(&SERVER).folder_faults("src/shard"));
    }
}

#[test]
fn no_file_is_too_long() {
    let folders = ["src", "tests", "benches", "loadtest", "examples"];
    let lengths = lengths::of(repository(), &folders);
    expect_none(&lengths::faults(&lengths, MAX_LINES, BEING_SPLIT));
}

#[test]
fn bands() {
    let told = bands::told(&SERVER);
    println!("{told}");
    assert!(told.contains(" src/protocol: "), "every folder is told");
}
