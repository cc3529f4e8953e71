//! A game's backend is asked over HTTP, and it is slow, down, lying, or leads elsewhere.

use std::net::TcpListener;
use std::time::Instant;

use serde_json::{Value, json};
use signal_fish_relay::config::Secret;

use crate::support::DEADLINE;
use crate::support::backend::{Asked, Backend, Reply};
use crate::support::player::{APP_ID, Player, Received};
use crate::support::server::Server;
use crate::support::wire::{TEXT, UPGRADE, Wire};

/// How long the backend has where it is not to be waited for.
const SHORT_MS: u64 = 1_000;

/// How long it has where nobody is to be waited for.
const LONG_MS: u64 = 10_000;

fn asking(url: &str, timeout_ms: u64) -> Server {
    Server::with(2, |config| {
        config.access_check.url = Some(url.to_owned());
        config.access_check.timeout_ms = timeout_ms;
    })
}

fn yes(_: &Asked) -> Reply {
    Reply::Says(json!({"allow": true}))
}

/// What somebody who connects is told.
fn verdict(server: &Server) -> String {
    let answer = Player::connect(server).shows("ticket-7");
    match answer["type"].as_str() {
        Some("Authenticated") => "in".to_owned(),
        _ => answer["data"]["error_code"].as_str().expect("a code").to_owned(),
    }
}

#[test]
fn the_backend_is_told_who_asks_and_its_word_holds() {
    let backend = Backend::start(|asked| match asked.body["connect_token"].as_str() {
        Some("ticket-7") => Reply::Says(json!({"allow": true, "display_name": "Mira the Bold", "user": "u-1"})),
        _ => Reply::Says(json!({"allow": false, "reason": "buy a ticket"})),
    });
    let server = Server::with(2, |config| {
        // By a name, which has to be looked up.
        config.access_check.url = Some(backend.url().replace("127.0.0.1", "localhost"));
        config.access_check.secret = Some(Secret::new("open-sesame"));
        config.access_check.ask_on_create = true;
    });
    let mut stranger = Player::connect(&server);
    let told = stranger.shows("forged");
    assert_eq!(
        told["data"],
        json!({"error": "buy a ticket", "error_code": "UNAUTHORIZED"})
    );
    assert_eq!(stranger.receive(), Received::Close(Some(1000)));
    let asked = backend.next();
    assert!(asked.head.starts_with("post /check http/1.1\r\n"), "{}", asked.head);
    assert!(
        asked.head.contains("authorization: bearer open-sesame\r\n"),
        "{}",
        asked.head
    );
    let expected = json!({"version": 1, "kind": "handshake", "address": "127.0.0.1", "app_id": APP_ID,
        "connect_token": "forged", "protocol_version": 2});
    assert_eq!(asked.body, expected);

    let mut mira = Player::connect(&server);
    assert_eq!(mira.shows("ticket-7")["type"], "Authenticated");
    mira.expect("ProtocolInfo");
    backend.next();
    backend.changes(yes);
    mira.send(&json!({"type": "JoinRoom", "data": {"game_name": "tide-pool", "player_name": "Mira"}}));
    let joined = mira.expect("RoomJoined");
    assert_eq!(joined["current_players"][0]["name"], "Mira the Bold");
    let asked = backend.next().body;
    let expected = json!({"version": 1, "kind": "create", "address": "127.0.0.1", "app_id": APP_ID, "user": "u-1",
        "player_id": joined["player_id"], "game_name": "tide-pool", "name": "Mira the Bold", "max_players": 8});
    assert_eq!(asked, expected);
}

#[test]
fn a_backend_that_lies_or_leads_elsewhere_lets_nobody_in() {
    let elsewhere = Backend::start(yes);
    let answer = |head: &str, body: &str| {
        Reply::Sends(format!("HTTP/1.1 {head}content-length: {}\r\n\r\n{body}", body.len()).into_bytes())
    };
    let good = r#"{"allow":true}"#;
    let lies = [
        answer("200 OK\r\n", "yes"),
        answer("200 OK\r\n", r#"{"allow":tru"#),
        answer("200 OK\r\n", r#"{"allow":"true"}"#),
        answer("200 OK\r\n", r#"{"deny":false}"#),
        answer("200 OK\r\n", r#"{"allow":true,"limits":{"relay_bytes":-1}}"#),
        answer("200 OK\r\n", r#"{"allow":true,"limits":{"max_players_per_room":256}}"#),
        answer("200 OK\r\n", r#"{"allow":true,"display_name":"\u0007"}"#),
        answer(
            "200 OK\r\n",
            &format!(r#"{{"allow":true,"padding":"{}"}}"#, "x".repeat(16 << 10)),
        ),
        answer("201 Created\r\n", good),
        answer("401 Unauthorized\r\n", good),
        answer("500 Internal Server Error\r\n", good),
        answer(&format!("302 Found\r\nlocation: {}\r\n", elsewhere.url()), good),
        answer(
            &format!("307 Temporary Redirect\r\nlocation: {}\r\n", elsewhere.url()),
            good,
        ),
        Reply::Floods,
    ];
    let backend = Backend::start(yes);
    let server = asking(&backend.url(), LONG_MS);
    let count = lies.len() as u64;
    for lie in lies {
        let shown = format!("{lie:?}");
        backend.changes(move |_| lie.clone());
        assert_eq!(verdict(&server), "SERVICE_UNAVAILABLE", "{shown}");
    }
    assert_eq!(server.count(|counters| &counters.access_unreadable), count);
    for broken in [
        &b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"[..],
        b"SSH-2.0-sshd\r\n",
        b"",
    ] {
        backend.changes(move |_| Reply::Sends(broken.to_vec()));
        assert_eq!(verdict(&server), "SERVICE_UNAVAILABLE", "{broken:?}");
    }
    assert_eq!(server.count(|counters| &counters.access_unreachable), 3);
    assert!(elsewhere.all().is_empty(), "nobody was led there");
    backend.changes(yes);
    assert_eq!(verdict(&server), "in");
}

#[test]
fn a_backend_that_is_down_or_silent_lets_in_whom_the_operator_says() {
    let closed = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/", closed.local_addr().expect("bound"));
    drop(closed);
    assert_eq!(verdict(&asking(&url, LONG_MS)), "SERVICE_UNAVAILABLE");
    let silent = Backend::start(|_| Reply::Silence);
    let server = asking(&silent.url(), SHORT_MS);
    assert_eq!(verdict(&server), "SERVICE_UNAVAILABLE");
    assert_eq!(server.count(|counters| &counters.access_late), 1);
    let open = Server::with(1, |config| {
        config.access_check.url = Some(url);
        config.access_check.fail_open = true;
    });
    assert_eq!(verdict(&open), "in");
    assert_eq!(open.count(|counters| &counters.access_failed_open), 1);
}

#[test]
fn a_verdict_answers_the_same_question_for_as_long_as_it_says_and_no_other() {
    let backend = Backend::start(|_| Reply::Says(json!({"allow": true, "valid_for_secs": 600})));
    let server = asking(&backend.url(), LONG_MS);
    let enters = |token: &str| {
        let answer = Player::connect(&server).shows(token);
        assert_eq!(answer["type"], "Authenticated");
        backend.all().len()
    };
    assert_eq!(enters("ticket-7"), 1);
    assert_eq!(enters("ticket-7"), 0, "it was said before");
    assert_eq!(enters("ticket-8"), 1, "another token is another question");
    assert_eq!(server.count(|counters| &counters.access_remembered), 1);
    let mut from_elsewhere = Wire::connect_from([127, 0, 0, 9], server.address());
    from_elsewhere.send(UPGRADE.as_bytes());
    from_elsewhere.head();
    from_elsewhere.send_frame(TEXT, authenticate("ticket-7").as_bytes());
    assert!(from_elsewhere.frame().text().contains("\"Authenticated\""));
    assert_eq!(backend.all().len(), 1, "another address is another question");
}

fn authenticate(token: &str) -> String {
    json!({"type": "Authenticate", "data": {"app_id": APP_ID, "connect_token": token}}).to_string()
}

/// Connections from one address, each with a handshake on its way.
fn crowd(server: &Server, address: [u8; 4], count: usize) -> Vec<Wire> {
    let begin = |_| {
        let mut wire = Wire::connect_from(address, server.address());
        wire.send(UPGRADE.as_bytes());
        wire.head();
        wire.send_frame(TEXT, authenticate("crowd").as_bytes());
        wire
    };
    (0..count).map(begin).collect()
}

fn code(wire: &mut Wire) -> String {
    let frame = wire.frame();
    let answer: Value = serde_json::from_str(frame.text()).expect("JSON");
    answer["data"]["error_code"].as_str().unwrap_or("in").to_owned()
}

#[test]
fn a_flood_from_one_address_takes_no_turn_of_anothers() {
    let backend = Backend::start(|asked| match asked.body["connect_token"].as_str() {
        Some("crowd") => Reply::Silence,
        _ => Reply::Says(json!({"allow": true})),
    });
    // One shard serves them in the order in which they come.
    let server = Server::with(1, |config| {
        config.access_check.url = Some(backend.url());
        config.access_check.timeout_ms = LONG_MS;
    });
    let mut flood = crowd(&server, [127, 0, 9, 9], 300);
    for _ in 0..16 {
        backend.next();
    }
    // More than its share of places has no place; that is told at once.
    let crowded = flood.split_off(256);
    let told: Vec<_> = crowded.into_iter().map(|mut wire| code(&mut wire)).collect();
    assert!(told.iter().all(|code| code == "SERVICE_UNAVAILABLE"), "{told:?}");
    assert_eq!(verdict(&server), "in");
    assert_eq!(
        server.count(|counters| &counters.access_late),
        0,
        "while all of the flood still waits"
    );
    assert_eq!(server.count(|counters| &counters.access_crowded), 44);
    let asked: Vec<_> = backend.all();
    assert_eq!(asked.len(), 1, "no more of the flood than its turns: {asked:?}");
}

#[test]
fn nobody_lets_himself_in_by_coming_in_numbers() {
    let backend = Backend::start(|_| Reply::Says(json!({"allow": false})));
    // One shard serves them in the order in which they come.
    let server = Server::with(1, |config| {
        config.access_check.url = Some(backend.url());
        config.access_check.timeout_ms = LONG_MS;
        config.access_check.fail_open = true;
    });
    assert_eq!(verdict(&server), "UNAUTHORIZED");
    backend.changes(|_| Reply::Silence);
    // All turns of the source are taken, and then its places.
    let crowd = crowd(&server, [127, 0, 9, 9], 300);
    let told: Vec<_> = crowd.into_iter().skip(256).map(|mut wire| code(&mut wire)).collect();
    assert!(told.iter().all(|code| code == "SERVICE_UNAVAILABLE"), "{told:?}");
}

#[test]
fn a_thousand_handshakes_while_the_backend_is_dead_stop_no_game() {
    let backend = Backend::start(yes);
    let server = asking(&backend.url(), SHORT_MS);
    let enter = |name: &str, code: &Value| {
        let mut player = Player::connect(&server);
        player.shows("ticket-7");
        player.expect("ProtocolInfo");
        player.send(&json!({"type": "JoinRoom", "data":
            {"game_name": "tide-pool", "player_name": name, "room_code": code}}));
        let joined = player.wait_for("RoomJoined");
        (player, joined["room_code"].clone())
    };
    let (mut mira, code_of_room) = enter("Mira", &Value::Null);
    let (mut otto, _) = enter("Otto", &code_of_room);
    backend.changes(|_| Reply::Silence);
    let mut waiting: Vec<Wire> = Vec::new();
    for address in 0..10 {
        waiting.extend(crowd(&server, [127, 0, 9, 10 + address], 100));
        mira.send(&json!({"type": "GameData", "data": {"data": address}}));
        otto.wait_for("GameData");
    }
    for mut wire in waiting {
        assert_eq!(code(&mut wire), "SERVICE_UNAVAILABLE");
    }
    // Whoever finds no turn: it is crowded, until the backend is known to be silent. Here the server may be late itself.
    let unanswered = server.count(|counters| &counters.access_late)
        + server.count(|counters| &counters.access_unattended)
        + server.count(|counters| &counters.access_crowded)
        + server.count(|counters| &counters.access_unreachable);
    assert_eq!(unanswered, 1_000);
    mira.send(&json!({"type": "GameData", "data": {"data": "still here"}}));
    otto.wait_for("GameData");
    backend.changes(yes);
    // It comes back, as soon as it is asked once more; of an answer that is late on a busy machine the next knows nothing.
    let deadline = Instant::now() + DEADLINE;
    while verdict(&server) != "in" {
        assert!(Instant::now() < deadline, "it does not come back");
    }
}

#[test]
fn a_reload_asks_elsewhere_and_forgets_what_was_said() {
    let forever = json!({"allow": true, "valid_for_secs": 600});
    let (first, second) = (forever.clone(), json!({"allow": false, "valid_for_secs": 600}));
    let first = Backend::start(move |_| Reply::Says(first.clone()));
    let second = Backend::start(move |_| Reply::Says(second.clone()));
    let server = asking(&first.url(), LONG_MS);
    assert_eq!(verdict(&server), "in");
    let reload = |url: Option<&str>, fails_open: bool| {
        server.reload(|config| {
            config.access_check.url = url.map(str::to_owned);
            config.access_check.fail_open = fails_open;
        })
    };
    let reloaded = reload(Some(&second.url()), false).expect("a good configuration");
    assert!(reloaded.waiting.is_empty(), "{:?}", reloaded.waiting);
    assert_eq!(verdict(&server), "UNAUTHORIZED");
    reload(None, false).expect_err("whether anybody is asked is decided for those who are there");
    assert_eq!(verdict(&server), "UNAUTHORIZED");
    second.changes(|_| Reply::Says(json!("nonsense")));
    reload(Some(&second.url()), true).expect("a good configuration");
    assert_eq!(verdict(&server), "in", "fail_open is taken over");
    assert_eq!(first.all().len(), 1);
}

#[test]
fn a_server_that_stops_waits_for_no_answer() {
    let backend = Backend::start(|_| Reply::Silence);
    let server = asking(&backend.url(), LONG_MS);
    let waiting = crowd(&server, [127, 0, 0, 1], 20);
    for _ in 0..16 {
        backend.next();
    }
    server.stop();
    for mut wire in waiting {
        let rest = wire.rest();
        let shown = String::from_utf8_lossy(&rest);
        let says_goodbye = rest.windows(2).any(|code| code == 4000_u16.to_be_bytes());
        assert!(says_goodbye && !shown.contains("Authenticated"), "{shown}");
    }
}
