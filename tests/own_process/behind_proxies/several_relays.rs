//! Two relays that know nothing of each other behind HAProxy with `deploy/haproxy-several.cfg`: whoever has a code comes to the
//! relay that its first letter names.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::haproxy::FEWER;
use super::proxy::{Proxy, deployed};
use super::{BY_PROXY_HEADER, NAME, ONE, OTHER, connect, program};
use crate::support::player::Player;
use crate::support::process::ServerProcess;
use crate::support::wire::{UPGRADE, Wire};

fn relay(prefix: &str, region: &str) -> ServerProcess {
    program(BY_PROXY_HEADER)
        .variable("SIGNAL_FISH__SERVER__REGION_ID", region)
        .variable("SIGNAL_FISH__SERVER__ROOM_CODE_PREFIX", prefix)
        .variable("SIGNAL_FISH__SECURITY__MAX_CONNECTIONS_PER_IP", "64")
        .serve()
}

/// What the proxy answers to somebody who wants to connect with this code.
fn answer(proxy: &Proxy, code: &str) -> String {
    let mut wire = Wire::over(connect(ONE, proxy.address()));
    wire.send(UPGRADE.replace("/v2/ws", &format!("/v2/ws?room={code}")).as_bytes());
    let head = wire.head();
    head.split(' ').nth(1).expect("a status").to_owned()
}

/// What a relay answers to an operator, who comes from a proxy's address and speaks for nobody.
fn asked(relay: &ServerProcess, path: &str) -> Value {
    let mut wire = Wire::connect(relay.address());
    let request = format!("PROXY UNKNOWN\r\nGET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    wire.send(request.as_bytes());
    let head = wire.head();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    serde_json::from_slice(&wire.rest()).expect("JSON")
}

#[test]
#[ignore = "needs haproxy: .ci/run installs it and includes this test"]
fn who_has_a_code_comes_to_its_relay() {
    let (a, b) = (relay("A", "north"), relay("B", "south"));
    let (at_a, at_b) = (a.address().to_string(), b.address().to_string());
    let changes = [
        FEWER,
        ("bind :3536", "bind fd@0"),
        ("127.0.0.1:3537", &at_a),
        ("127.0.0.1:3538", &at_b),
    ];
    let proxy = Proxy::haproxy(&deployed("haproxy-several.cfg", &changes));
    let enter = |from, query: &str| {
        let mut player = Player::over_to(connect(from, proxy.address()), &format!("ws://{NAME}/v2/ws{query}"));
        player.authenticate("json");
        player
    };

    // The fewest connections are served next: two who make rooms come to two relays.
    let mut hosts: Vec<_> = (0..2).map(|_| enter(ONE, "")).collect();
    let codes: Vec<_> = hosts.iter_mut().map(|host| host.create("reef", "Host")).collect();
    let prefixes: BTreeSet<_> = codes.iter().map(|code| &code[..1]).collect();
    assert_eq!(prefixes, BTreeSet::from(["A", "B"]), "{codes:?}");
    for (host, code) in hosts.iter_mut().zip(&codes) {
        // As people type it.
        let mut guest = enter(OTHER, &format!("?room={}", code.to_lowercase()));
        guest.join("reef", "Guest", code);
        host.wait_for("PlayerJoined");
        guest.say(&json!({"code": code}));
        assert_eq!(host.wait_for("GameData")["data"], json!({"code": code}));
    }
    assert_eq!(answer(&proxy, "ZZZZZZ"), "404");

    // Whoever would rather ask than read the prefix asks each of them.
    let sessions = asked(&a, "/metrics/sessions").to_string();
    let (_, application) = sessions.split_once(r#""applicationId":""#).expect("a room's record");
    let (application, _) = application.split_once('"').expect("its end");
    let of_a = codes.iter().find(|code| code.starts_with('A')).expect("it has a room");
    let path = format!("/metrics/rooms/lookup?applicationId={application}&gameName=reef&roomCode={of_a}");
    assert_eq!(asked(&a, &path)["room"]["regionId"], "north");
    assert_eq!(asked(&b, &path)["room"], Value::Null);

    a.signal(libc::SIGTERM);
    a.wait_for_log("stopping");
    // Until HAProxy knows, a connection may still be on its way there.
    while answer(&proxy, "AAAAAA") != "503" {}
    assert_eq!(answer(&proxy, "BBBBBB"), "101");
    assert!(enter(ONE, "").create("reef", "Late").starts_with('B'));
}
