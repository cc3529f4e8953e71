//! A program in which a server ran has nothing of it when it is gone: no thread, no descriptor.

use std::fs;
use std::net::TcpListener;
use std::thread;
use std::time::Instant;

use serde_json::json;
use signal_fish_relay::config::Config;
use signal_fish_relay::{Outcome, ServeError, Server, ServerHandle};

use crate::child;
use crate::support::DEADLINE;
use crate::support::player::{Player, join_message};

const TEST: &str = "embedding::a_server_that_is_gone_leaves_nothing";

/// The threads and descriptors of this process.
fn held() -> [usize; 2] {
    ["/proc/self/task", "/proc/self/fd"].map(|folder| fs::read_dir(folder).expect("/proc is mounted").count())
}

/// Waits until no more is held than `before`: the kernel forgets a thread a moment after it was joined.
fn expect_no_more_than(before: [usize; 2], after: &str) {
    let deadline = Instant::now() + DEADLINE;
    let is_more = |now: [usize; 2]| now.iter().zip(before).any(|(now, before)| *now > before);
    while is_more(held()) {
        assert!(
            Instant::now() < deadline,
            "{:?} after {after}, {before:?} before",
            held()
        );
        thread::yield_now();
    }
}

fn config(port: u16) -> Config {
    let mut config = Config {
        port,
        ..Config::default()
    };
    config.runtime.shards = 2;
    config.control.port = Some(0);
    config.server.drain_grace_secs = 3_600;
    config
}

/// A server on which somebody has played and asked, and whose players are gone or not.
fn played(leave: bool) -> (ServerHandle, Vec<Player>) {
    let relay = Server::builder().config(config(0)).start().expect("it starts");
    let address = relay.addresses().players;
    let mut host = Player::connect_to(address);
    host.send(&join_message("tide-pool", "Host", Some("REEF22")));
    host.expect("RoomJoined");
    let mut guest = Player::connect_to(address);
    guest.join("tide-pool", "Guest", "REEF22");
    host.say(&json!(1));
    assert_eq!(guest.wait_for("GameData")["data"], 1);
    assert_eq!(relay.rooms().wait().expect("the shards answer").count, 1);
    assert!(relay.metrics().wait().expect("the page").contains("signal_fish_"));
    if leave {
        return (relay, Vec::new());
    }
    (relay, vec![host, guest])
}

fn scenario() {
    let dropped = |leave| {
        let (relay, players) = played(leave);
        drop(relay);
        drop(players);
    };
    let [threads, _] = held();
    dropped(true);
    expect_no_more_than([threads, usize::MAX], "the first");
    // Descriptors that the process itself makes once, such as the ends of its standard streams, are there after the first.
    let before = held();
    for _ in 0..2 {
        dropped(true);
        expect_no_more_than(before, "a drop without players");
        dropped(false);
        expect_no_more_than(before, "a drop with players");

        let (relay, players) = played(false);
        assert_eq!(relay.shutdown().wait(), Outcome::Stopped);
        assert_eq!(relay.wait(), Outcome::Stopped);
        drop((relay, players));
        expect_no_more_than(before, "a shutdown");

        let (relay, players) = played(false);
        let ending = relay.drain();
        drop(players);
        assert_eq!(
            ending.wait(),
            Outcome::Stopped,
            "everybody is gone, so the grace is over"
        );
        drop(relay);
        expect_no_more_than(before, "a drain");

        let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = taken.local_addr().expect("bound").port();
        let error = Server::builder().config(config(port)).start().expect_err("it is taken");
        assert!(!matches!(error, ServeError::Config(_)), "{error}");
        drop(taken);
        expect_no_more_than(before, "a start that failed");
    }
    // Two at once, of which one is dropped while the other serves.
    let (one, _) = played(true);
    let (other, mut players) = played(false);
    drop(one);
    players[0].send(&json!({"type": "Ping"}));
    players[0].wait_for("Pong");
    drop(other);
    players.clear();
    expect_no_more_than(before, "two at once");
}

#[test]
fn a_server_that_is_gone_leaves_nothing() {
    child::play(TEST, scenario);
}
