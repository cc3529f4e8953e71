//! When a shard panics while it serves a room, the last words of the process tell what was decided in that room.
//!
//! Nothing in the server helps with that: what takes its log lines panics at one of them, on the shard's thread.

use std::os::unix::process::ExitStatusExt;

use signal_fish_relay::config::Config;
use signal_fish_relay::runtime::install_panic_hook;
use signal_fish_relay::server::Server;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::child;
use crate::support::wire::{TEXT, Wire};

/// Prints errors, and panics at the line of somebody who has left a room.
struct Breaks;

impl<S: Subscriber> Layer<S> for Breaks {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        if *event.metadata().level() == Level::ERROR {
            eprintln!("told{}", line.0);
        }
        assert!(!line.0.contains("left a room"), "a broken invariant");
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.push_str(&format!(" {}={value:?}", field.name()));
    }
}

fn joined(server: std::net::SocketAddr, name: &str, game: &str) -> Wire {
    let mut wire = Wire::upgraded_to(server);
    let join =
        format!(r#"{{"type":"JoinRoom","data":{{"game_name":"{game}","room_code":"TIDE22","player_name":"{name}"}}}}"#);
    wire.send_frame(TEXT, join.as_bytes());
    while !wire.frame().text().contains("RoomJoined") {}
    wire
}

/// A server in which Otto leaves a room that Mira is in, while Wanda is in another.
fn live() {
    tracing_subscriber::registry().with(Breaks).init();
    let mut config = Config {
        port: 0,
        ..Config::default()
    };
    config.runtime.shards = 1;
    let running = Server::builder().config(config).start().expect("the server starts");
    let address = running.addresses().players;
    let _mira = joined(address, "Mira", "reef");
    let mut otto = joined(address, "Otto", "reef");
    let _wanda = joined(address, "Wanda", "tide");
    let secret = r#"{"type":"GameData","data":{"data":"a word of theirs"}}"#;
    otto.send_frame(TEXT, secret.as_bytes());
    otto.send_frame(TEXT, br#"{"type":"LeaveRoom"}"#);
    eprintln!("{}", running.wait());
}

fn judge(told: &str, before: &str) {
    let line = told
        .lines()
        .find(|line| line.contains(before))
        .unwrap_or_else(|| panic!("nothing is told: {told}"));
    assert_eq!(
        line.matches(" joined").count(),
        2,
        "both of the room, and nobody else: {line}"
    );
    for private in ["Mira", "Otto", "Wanda", "a word of theirs"] {
        assert!(!line.contains(private), "{line}");
    }
}

#[test]
fn a_process_that_aborts_tells_what_was_decided_in_the_room() {
    if child::is_child() {
        install_panic_hook();
        return live();
    }
    let output = child::output("a_shard_dies_in_a_room::a_process_that_aborts_tells_what_was_decided_in_the_room");
    let told = child::standard_error(&output);
    assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{told}");
    assert!(
        told.contains("shard 0 panicked") && told.contains("a broken invariant"),
        "{told}"
    );
    judge(&told, "shard 0: the last decisions in the room that was served, ");
}

#[test]
fn a_program_that_goes_on_is_told_in_its_log() {
    if child::is_child() {
        return live();
    }
    let output = child::output("a_shard_dies_in_a_room::a_program_that_goes_on_is_told_in_its_log");
    let told = child::standard_error(&output);
    assert!(output.status.success(), "{told}");
    assert!(told.contains("shard 0 ended without being told to stop"), "{told}");
    judge(&told, "told message=a shard panicked shard=0 story=");
}
