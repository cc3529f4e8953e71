//! SIGTERM and SIGINT stop the server in order: nobody new is taken in, those who are there may go on for the drain's grace,
//! are then told with close code 4000, and the process ends with 0.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::player::{Player, Received};
use crate::support::process::{Program, ServerProcess};

const GAME: &str = "tide-pool";
const STOPPED_IN_ORDER: Option<i32> = Some(0);

fn serve(drain_grace_secs: &str) -> ServerProcess {
    Program::new(&["--port", "0", "--shards", "2"])
        .variable("SIGNAL_FISH__SERVER__DRAIN_GRACE_SECS", drain_grace_secs)
        .serve()
}

fn seated_pair(server: &ServerProcess) -> [Player; 2] {
    let [mut one, mut other] = [(); 2].map(|()| Player::connect_to(server.address()));
    let code = one.create(GAME, "One");
    other.join(GAME, "Other", &code);
    one.expect("PlayerJoined");
    [one, other]
}

fn stops_on(signal: libc::c_int) {
    let server = serve("0");
    let mut players = seated_pair(&server);
    // What was said before the signal still arrives.
    players[0].say(&json!("last words"));
    assert_eq!(players[1].hear(), "last words");
    server.signal(signal);
    for player in &mut players {
        assert_eq!(
            player.receive(),
            Received::Close(Some(4000)),
            "nobody is told that the others leave"
        );
        assert_eq!(player.receive(), Received::End);
    }
    let address = server.address();
    assert_eq!(server.wait(Duration::from_secs(5)), STOPPED_IN_ORDER);
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
}

#[test]
fn sigterm_says_goodbye_to_everybody() {
    stops_on(libc::SIGTERM);
}

#[test]
fn sigint_says_goodbye_to_everybody() {
    stops_on(libc::SIGINT);
}

#[test]
fn an_idle_server_stops_at_once() {
    let server = serve("30");
    let started = Instant::now();
    server.signal(libc::SIGTERM);
    assert_eq!(server.wait(Duration::from_secs(10)), STOPPED_IN_ORDER);
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "it does not wait for nobody"
    );
}

#[test]
fn players_go_on_while_the_server_drains_and_a_second_signal_changes_nothing() {
    let server = serve("2");
    let [mut one, mut other] = seated_pair(&server);
    let signalled = Instant::now();
    server.signal(libc::SIGTERM);
    server.wait_for_log("stopping");
    server.signal(libc::SIGTERM);
    server.signal(libc::SIGINT);

    // The shards are told one after the other; from then on new connections are refused.
    let deadline = Instant::now() + crate::support::DEADLINE;
    while TcpStream::connect(server.address()).is_ok() {
        assert!(Instant::now() < deadline, "the server still listens");
    }
    one.say(&json!(1));
    assert_eq!(other.hear(), 1);
    other.say(&json!(2));
    assert_eq!(one.hear(), 2);
    for player in [&mut one, &mut other] {
        assert_eq!(player.receive(), Received::Close(Some(4000)));
    }
    assert!(
        signalled.elapsed() >= Duration::from_secs(2),
        "not before the grace was over"
    );
    assert_eq!(server.wait(Duration::from_secs(5)), STOPPED_IN_ORDER);
}

#[test]
fn the_first_ctrl_c_says_what_it_waits_for_and_the_second_ends_that() {
    let server = serve("600");
    let mut players = seated_pair(&server);
    server.signal(libc::SIGINT);
    server.wait_for_log("waiting up to 600 s for 2 players; again to end now");
    players[0].say(&json!("still here"));
    assert_eq!(players[1].hear(), "still here");
    server.signal(libc::SIGINT);
    for player in &mut players {
        assert_eq!(player.receive(), Received::Close(Some(4000)));
    }
    assert_eq!(server.wait(Duration::from_secs(5)), STOPPED_IN_ORDER);
}

#[test]
fn a_player_that_does_not_answer_the_goodbye_holds_nobody_up_for_long() {
    let server = Program::new(&["--port", "0", "--shards", "1"])
        .variable("SIGNAL_FISH__SERVER__DRAIN_GRACE_SECS", "0")
        .variable("SIGNAL_FISH__RUNTIME__FLUSH_TIMEOUT_MS", "500")
        .serve();
    let mut mute = crate::support::wire::Wire::connect(server.address());
    mute.send(crate::support::wire::UPGRADE.as_bytes());
    mute.head();
    mute.expect_served();
    server.signal(libc::SIGTERM);
    assert_eq!(mute.frame().close_code(), Some(4000));
    assert_eq!(server.wait(Duration::from_secs(3)), STOPPED_IN_ORDER);
    assert_eq!(mute.rest(), b"");
}

#[test]
fn version_3_is_told_when_the_closes_begin_and_version_2_is_not() {
    let server = serve("1");
    let mut old = Player::connect_to(server.address());
    let code = old.create(GAME, "Old");
    let mut new = Player::moderator_at(server.address());
    new.join(GAME, "New", &code);
    let mut alone = Player::moderator_at(server.address());
    old.expect("PlayerJoined");
    server.signal(libc::SIGTERM);
    let notices = [&mut new, &mut alone].map(|player| player.expect("GoingAway"));
    let unix_ms = |time: std::time::SystemTime| {
        let since = time.duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        u64::try_from(since.as_millis()).expect("before the year 500 million")
    };
    for notice in &notices {
        assert_eq!(notice["retry_after_secs"], 1);
        let deadline_ms = notice["deadline_ms"].as_u64().expect("milliseconds");
        let now_ms = unix_ms(std::time::SystemTime::now());
        assert!(
            deadline_ms <= now_ms + 1_000 && deadline_ms + 20_000 > now_ms,
            "{notice}"
        );
    }
    new.operates("LeaveRoom", &json!(null), "RoomLeft");
    old.expect("PlayerLeft");
    for player in [&mut old, &mut new, &mut alone] {
        assert_eq!(player.receive(), Received::Close(Some(4000)));
    }
    assert_eq!(server.wait(Duration::from_secs(5)), STOPPED_IN_ORDER);
}

#[test]
fn closes_that_are_spread_end_in_time_and_a_server_with_few_players_does_not_wait_for_the_whole_span() {
    let server = Program::new(&["--port", "0", "--shards", "2"])
        .variable("SIGNAL_FISH__SERVER__DRAIN_GRACE_SECS", "0")
        .variable("SIGNAL_FISH__RUNTIME__DRAIN_SPREAD_MS", "600000")
        .serve();
    let mut players: Vec<_> = (0..20).map(|_| Player::connect_to(server.address())).collect();
    players.iter_mut().for_each(|player| assert!(player.is_served()));
    server.signal(libc::SIGTERM);
    for player in &mut players {
        assert_eq!(player.receive(), Received::Close(Some(4000)));
    }
    assert_eq!(server.wait(Duration::from_secs(10)), STOPPED_IN_ORDER);
}
