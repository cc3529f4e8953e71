//! Players behind the proxies of `deploy/`, run by the files that are there: they play with each other, and each is limited by
//! its own address.

mod caddy;
mod certificate;
mod haproxy;
mod nginx;
mod proxy;
mod several_relays;

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};

use crate::support::DEADLINE;
use crate::support::player::{Player, Received};
use crate::support::process::{Program, ServerProcess};

/// Addresses of two players. To the kernel all of 127.0.0.0/8 is this machine.
const ONE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

/// Where the proxies connect to the relay from.
const PROXY: &str = "127.0.0.1";

/// How many connections an address may have.
const CAP: usize = 2;

/// Whose page a browser would show, and under which name the relay is asked.
const NAME: &str = "relay.example";

/// What a relay is told so that it believes PROXY headers, and nobody without one.
const BY_PROXY_HEADER: (&str, &str) = ("SIGNAL_FISH__SECURITY__PROXY_PROTOCOL", "required");

/// What a relay is told so that it believes `X-Forwarded-For`.
const BY_FORWARDED_FOR: (&str, &str) = ("SIGNAL_FISH__SECURITY__FORWARDED_HEADER", "x-forwarded-for");

/// A relay that believes the proxies of this machine, in this way.
fn relay(believes: (&str, &str)) -> ServerProcess {
    program(believes).serve()
}

/// The same, and it asks those who are silent for a short time.
fn relay_that_pings(believes: (&str, &str)) -> ServerProcess {
    program(believes)
        .variable("SIGNAL_FISH__WEBSOCKET__SERVER_PING_INTERVAL_SECS", "2")
        .variable("SIGNAL_FISH__WEBSOCKET__PONG_TIMEOUT_SECS", "2")
        .serve()
}

fn program((name, value): (&str, &str)) -> Program {
    Program::new(&["--port", "0", "--shards", "2"])
        .variable(name, value)
        .variable("SIGNAL_FISH__SERVER__DRAIN_GRACE_SECS", "60")
        .variable("SIGNAL_FISH__SECURITY__TRUSTED_PROXIES", PROXY)
        .variable("SIGNAL_FISH__SECURITY__EXEMPT_LOOPBACK", "false")
        .variable("SIGNAL_FISH__SECURITY__MAX_CONNECTIONS_PER_IP", &CAP.to_string())
        .variable("SIGNAL_FISH__SECURITY__CORS_ORIGINS", &format!("https://{NAME}"))
        .variable("SIGNAL_FISH__SECURITY__ENFORCE_APP_ID_ALLOWLIST", "false")
        .variable("SIGNAL_FISH__SECURITY__REQUIRE_METRICS_AUTH", "false")
}

/// How long a proxy here bears silence, in its own words.
const SILENCE: (&str, &str) = ("60s", "6s");

/// A player who says nothing stays for longer than the proxy bears silence: it is the relay that pings.
fn a_quiet_player_stays(stream: TcpStream) {
    let mut player = Player::over(stream, NAME);
    player.authenticate("json");
    assert_eq!(player.receive_within(Duration::from_secs(13)), None);
    player.is_served();
}

/// A connection from an address of this machine.
fn connect(from: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket
        .bind(&SocketAddr::from((from, 0)).into())
        .expect("this machine's");
    socket.connect_timeout(&to.into(), DEADLINE).expect("the proxy accepts");
    socket.into()
}

/// Two players find each other and talk, each from its own address; and each may have so many connections and no more,
/// whatever the other has. `reach` makes a connection to the proxy.
fn two_play_by_their_own_addresses(reach: impl Fn(Ipv4Addr) -> TcpStream) {
    let player = |from| {
        let mut player = Player::over(reach(from), NAME);
        player.authenticate("json");
        player
    };
    let (mut one, mut other) = (player(ONE), player(OTHER));
    let code = one.create("reef", "Mira");
    other.join("reef", "Otto", &code);
    one.wait_for("PlayerJoined");
    other.say(&json!({"x": 1}));
    let heard: Value = one.wait_for("GameData");
    assert_eq!(heard["data"], json!({"x": 1}));

    for from in [ONE, OTHER] {
        let _second = player(from);
        let mut third = Player::over(reach(from), NAME);
        let Received::Text(refusal) = third.receive() else {
            panic!("{from} has more than its share")
        };
        assert_eq!(refusal["data"]["error_code"], "TOO_MANY_CONNECTIONS", "{refusal}");
    }
    // The first two are there still.
    other.send(&json!({"type": "Ping"}));
    other.wait_for("Pong");
}
