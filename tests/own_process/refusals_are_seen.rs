//! Whoever is turned away is counted and written: each reason that has no error code is brought about twice, and is then two in
//! the metrics and one line in the log. A reason that is new has to be brought about here.

use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use signal_fish_relay::shard::refusals::RefusalReason as Reason;

use crate::support::DEADLINE;
use crate::support::process::{Program, ServerProcess};
use crate::support::tls::Authority;
use crate::support::wire::{TEXT, UPGRADE, Wire};

const TOKEN: &str = "sixteen-characters";
const OFFER: &str = "Sec-WebSocket-Protocol: signalfish.tokenbinding.v2\r\n";
const PROXY: [u8; 4] = [127, 0, 0, 2];
const BLOCKED: [u8; 4] = [127, 0, 0, 9];

/// The servers that it takes, one for each way to come in.
struct Servers {
    plain: ServerProcess,
    behind_a_proxy: ServerProcess,
    with_tls: ServerProcess,
    stopping: ServerProcess,
    /// Opened before the last of them began to stop, as long as it lasts.
    earlier: Vec<Wire>,
    authority: Authority,
}

fn serve(config: &Value) -> ServerProcess {
    let program = Program::new(&["--config", "relay.json", "--port", "0", "--shards", "2"])
        .variable("SIGNAL_FISH__LOGGING__ENABLE_FILE_LOGGING", "true")
        .variable("SIGNAL_FISH__LOGGING__ROTATION", "never");
    fs::write(program.directory().join("relay.json"), config.to_string()).expect("a file of ours");
    program.serve()
}

impl Servers {
    fn start() -> Self {
        let authority = Authority::new("refusals");
        let identity = authority.server("server");
        let plain = serve(&json!({"security": {
            "blocked_networks": ["127.0.0.9"], "cors_origins": "https://play.example", "metrics_auth_token": TOKEN,
            "exempt_loopback": false, "max_connections_per_ip": 1, "max_connections": 2,
            "transport": {"token_binding": {"enabled": true}},
        }}));
        let behind_a_proxy = serve(&json!({"security": {
            "proxy_protocol": "required", "trusted_proxies": ["127.0.0.2"],
            "enforce_app_id_allowlist": false, "require_metrics_auth": false,
        }}));
        let with_tls = serve(&json!({"security": {"transport": {"tls": {
            "enabled": true, "certificate_path": identity.certificate, "private_key_path": identity.key,
        }}}}));
        let stopping = serve(&json!({}));
        let mut earlier: Vec<_> = (0..4).map(|_| Wire::connect(stopping.address())).collect();
        // Somebody plays on, and somebody reads on: the stop waits for the one and serves the other.
        earlier.push(Wire::upgraded_to(stopping.address()));
        stopping.signal(libc::SIGTERM);
        let mut asking = Wire::connect(stopping.address());
        let deadline = Instant::now() + DEADLINE;
        loop {
            asking.send(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n");
            let head = asking.head();
            let length = head.split_once("content-length: ").expect("a length").1;
            asking.take(length.lines().next().expect("a line").parse().expect("a number"));
            if head.starts_with("HTTP/1.1 503 ") {
                break;
            }
            assert!(Instant::now() < deadline, "it never begins to stop");
            std::thread::sleep(Duration::from_millis(2));
        }
        earlier.push(asking);
        Self {
            plain,
            behind_a_proxy,
            with_tls,
            stopping,
            earlier,
            authority,
        }
    }

    /// Brings a refusal about. `false`: it is not done here.
    fn refuse(&mut self, reason: Reason) -> bool {
        let plain = self.plain.address();
        let proxied = self.behind_a_proxy.address();
        let upgrade_with = |field: &str| UPGRADE.replace("\r\n\r\n", &format!("\r\n{field}\r\n\r\n"));
        match reason {
            Reason::NotHttp => say(Wire::connect(plain), "What is this?\r\n\r\n"),
            Reason::Http2 => say(Wire::connect(plain), "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
            Reason::Tls => {
                let mut wire = Wire::connect(plain);
                wire.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
                wire.rest();
            }
            Reason::Blocked => {
                Wire::connect_from(BLOCKED, plain).rest();
            }
            Reason::ProxyHeader => say(Wire::connect(plain), "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"),
            Reason::ProxyUntrusted => {
                Wire::connect(proxied).rest();
            }
            Reason::ProxyHeaderMissing => say(Wire::connect_from(PROXY, proxied), "GET / HTTP/1.1\r\n\r\n"),
            Reason::ProxyHeaderMalformed => say(Wire::connect_from(PROXY, proxied), "PROXY SCTP\r\n"),
            Reason::TlsHandshake => say(Wire::connect(self.with_tls.address()), "GET / HTTP/1.1\r\n\r\n"),
            Reason::HeadTooLarge => say(
                Wire::connect(plain),
                &format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(17 << 10)),
            ),
            Reason::Host => say(
                Wire::connect(plain),
                "GET / HTTP/1.1\r\nHost: relay.example\r\nConnection: close\r\n\r\n",
            ),
            Reason::Upgrade => say(
                Wire::connect(plain),
                &UPGRADE
                    .replace("Version: 13", "Version: 12")
                    .replace("Host", "Connection: close\r\nHost"),
            ),
            Reason::Origin => say(Wire::connect(plain), &upgrade_with("Origin: https://other.example")),
            Reason::Draining => say(self.earlier.remove(0), UPGRADE),
            Reason::BindingOffer => say(
                Wire::connect(plain),
                &upgrade_with("Sec-WebSocket-Protocol: signalfish.tokenbinding.v1"),
            ),
            Reason::BindingKey => say(
                Wire::connect(plain),
                &upgrade_with(&format!(
                    "{OFFER}X-SignalFish-Token-Binding-Key: AAAAAAAAAAAAAAAAAAAAAA=="
                )),
            ),
            Reason::AddressCap | Reason::ServerFull => {
                wait_until_empty(plain);
                let mut there = vec![Wire::connect_from([127, 0, 0, 4], plain).upgrade("/v2/ws")];
                let mut one_more = [127, 0, 0, 4];
                if reason == Reason::ServerFull {
                    there.push(Wire::connect_from([127, 0, 0, 5], plain).upgrade("/v2/ws"));
                    one_more = [127, 0, 0, 6];
                }
                let mut refused = Wire::connect_from(one_more, plain);
                refused.send(UPGRADE.as_bytes());
                assert!(!refused.expect_place());
            }
            Reason::MetricsToken => say(
                Wire::connect(plain),
                "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            ),
            Reason::AdminToken => say(
                Wire::connect(plain),
                "GET /admin/ HTTP/1.1\r\nHost: localhost\r\nVia: 1.1 proxy\r\nConnection: close\r\n\r\n",
            ),
            // It takes a control plane that is held up; the conformance suite asks for the answer itself.
            Reason::ControlFull => return false,
            // The scripts have those; this one needs a real handshake.
            Reason::Error(code) if code.as_str() == "UNAUTHORIZED" => {
                wait_until_empty(plain);
                let mut wire = Wire::connect(plain);
                wire.send(UPGRADE.replace("\r\n\r\n", &format!("\r\n{OFFER}\r\n")).as_bytes());
                assert!(wire.head().starts_with("HTTP/1.1 101 "));
                wire.send_frame(TEXT, br#"{"type":"Ping"}"#);
                wire.rest();
            }
            Reason::Error(_) => return false,
        }
        true
    }

    /// Where a reason is counted.
    fn counting(&mut self, reason: Reason) -> (&ServerProcess, Wire) {
        match reason {
            Reason::ProxyUntrusted | Reason::ProxyHeaderMissing | Reason::ProxyHeaderMalformed => {
                let mut wire = Wire::connect_from(PROXY, self.behind_a_proxy.address());
                wire.send(b"PROXY UNKNOWN\r\n");
                (&self.behind_a_proxy, wire)
            }
            Reason::TlsHandshake => {
                let wire = Wire::connect(self.with_tls.address()).secure(&self.authority.client());
                (&self.with_tls, wire)
            }
            Reason::Draining => (&self.stopping, self.earlier.pop().expect("it was kept")),
            _ => (&self.plain, Wire::connect(self.plain.address())),
        }
    }
}

/// Says something, and reads to the end.
fn say(mut wire: Wire, text: &str) {
    wire.send(text.as_bytes());
    wire.rest();
}

/// How often a reason is counted.
fn count(wire: Wire, reason: Reason) -> u64 {
    sample(
        wire,
        &format!("signal_fish_refusals_total{{reason=\"{}\"}}", reason.name()),
    )
}

/// A number of the page.
fn sample(mut wire: Wire, name: &str) -> u64 {
    wire.send(
        format!("GET /metrics/prom HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n")
            .as_bytes(),
    );
    let page = String::from_utf8(wire.rest()).expect("text");
    let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value
        .unwrap_or_else(|| panic!("no {name} in {page}"))
        .parse()
        .expect("a number")
}

/// Waits until nobody has a place any more: one that is closed has it until both ends know.
fn wait_until_empty(address: SocketAddr) {
    let deadline = Instant::now() + DEADLINE;
    while sample(Wire::connect(address), "signal_fish_connections_active") > 0 {
        assert!(Instant::now() < deadline, "somebody stays");
    }
}

/// The lines of the log about a reason; the first must come within the deadline.
fn lines(server: &ServerProcess, reason: Reason) -> Vec<Value> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let log = fs::read_to_string(server.directory().join("logs/server.log")).unwrap_or_default();
        let all = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let fields = all.map(|mut line| line["fields"].take());
        let ours: Vec<_> = fields
            .filter(|fields| fields["message"] == "refused" && fields["reason"] == reason.name())
            .collect();
        if !ours.is_empty() {
            return ours;
        }
        assert!(Instant::now() < deadline, "{} is in no line of {log}", reason.name());
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn whoever_is_turned_away_at_the_door_is_counted_and_written() {
    let mut servers = Servers::start();
    let mut seen = 0;
    for reason in Reason::all() {
        if !servers.refuse(reason) {
            continue;
        }
        assert!(servers.refuse(reason));
        let (server, wire) = servers.counting(reason);
        assert_eq!(count(wire, reason), 2, "{}", reason.name());
        let lines = lines(server, reason);
        assert_eq!(lines.len(), 1, "once a minute: {lines:?}");
        assert!(lines[0]["address"].is_string(), "{lines:?}");
        seen += 1;
    }
    assert_eq!(seen, 21);
}
