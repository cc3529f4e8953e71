//! The pages for scrapers: what is on them, in which form, and whether Prometheus's own tools have nothing to say.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use signal_fish_relay::config::Secret;
use signal_fish_relay::metrics::{self, Kind, Reading};

use crate::support::DEADLINE;
use crate::support::prometheus::Prometheus;
use crate::support::server::Server;
use crate::support::wire::{TEXT, UPGRADE, Wire};

/// Asks for something, and returns the head and the body.
pub(crate) fn get(server: &Server, path: &str, fields: &str) -> (String, String) {
    let mut wire = Wire::connect(server.address());
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\r\n");
    wire.send(request.as_bytes());
    let answer = String::from_utf8(wire.rest()).expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.to_owned(), body.to_owned())
}

/// The page once a line is on it: what shards were asked a moment ago is told again for a second.
pub(crate) fn page_with(server: &Server, line: &str) -> String {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let (_, page) = get(server, "/metrics/prom", "");
        if page.lines().any(|found| found == line) {
            return page;
        }
        assert!(Instant::now() < deadline, "there is no {line}:\n{page}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The value of a sample; its name with its labels must begin a line.
pub(crate) fn sample(page: &str, name: &str) -> f64 {
    let line = page
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
        .unwrap_or_else(|| panic!("there is no {name}:\n{page}"));
    line.parse().expect("a number")
}

/// A server on which two have played, one was refused, and one has gone; and the one that is still there.
pub(crate) fn played() -> (Server, Wire) {
    let server = Server::with(2, |config| {
        config.security.cors_origins = Some("http://game.example".to_owned())
    });
    let join = |name: &str| {
        format!(
            r#"{{"type":"JoinRoom","data":{{"game_name":"reef","room_code":"ABC234","player_name":"{name}","supports_authority":true}}}}"#
        )
    };
    let mut mira = Wire::upgraded(&server);
    mira.send_frame(TEXT, join("Mira").as_bytes());
    mira.until("RoomJoined");
    let mut otto = Wire::upgraded(&server);
    otto.send_frame(TEXT, join("Otto").as_bytes());
    otto.until("RoomJoined");
    for _ in 0..5 {
        mira.send_frame(TEXT, br#"{"type":"GameData","data":{"data":{"x":1}}}"#);
        otto.until("GameData");
    }
    otto.send_frame(TEXT, br#"{"type":"StartGame"}"#);
    otto.until("Error");
    let mut page = Wire::connect(server.address());
    let foreign = UPGRADE.replace("Connection:", "Origin: http://evil.example\r\nConnection:");
    page.send(foreign.as_bytes());
    assert!(page.head().starts_with("HTTP/1.1 403 "));
    drop(otto);
    mira.until("PlayerLeft");
    (server, mira)
}

pub(crate) trait Until {
    fn until(&mut self, kind: &str);
}

impl Until for Wire {
    /// Reads until a message of a type.
    fn until(&mut self, kind: &str) {
        let wanted = format!(r#""type":"{kind}""#);
        while !String::from_utf8_lossy(&self.frame().payload).contains(&wanted) {}
    }
}

#[test]
fn what_has_happened_is_on_the_page() {
    let (server, _mira) = played();
    let (head, _) = get(&server, "/metrics/prom", "");
    let page = page_with(&server, "signal_fish_relay_latency_seconds_count 5");
    assert!(
        head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"),
        "{head}"
    );
    for (name, expected) in [
        ("rooms_created_total", 1.0),
        ("rooms_joined_total", 1.0),
        ("players_joined_total", 2.0),
        ("players_left_total", 1.0),
        ("players_active", 1.0),
        ("rooms_live", 1.0),
        ("room_occupants_live", 1.0),
        ("reconnection_pending", 1.0),
        ("reconnection_tokens_issued_total", 1.0),
        ("game_data_messages_total", 5.0),
        ("websocket_upgrade_attempts_total", 3.0),
        ("websocket_upgrade_outcomes_total{outcome=\"accepted\"}", 2.0),
        ("websocket_upgrade_outcomes_total{outcome=\"rejected_origin\"}", 1.0),
        ("refusals_total{reason=\"origin\"}", 1.0),
        ("refusals_total{reason=\"GAME_START_FORBIDDEN\"}", 1.0),
        (
            "websocket_delivery_class_outcomes_total{class=\"reliable\",outcome=\"attempted\"}",
            5.0,
        ),
        (
            "websocket_delivery_class_outcomes_total{class=\"reliable\",outcome=\"delivered\"}",
            5.0,
        ),
        ("relay_latency_seconds_count", 5.0),
        ("relay_latency_seconds_bucket{le=\"10.0\"}", 5.0),
        ("join_latency_seconds_count", 2.0),
        ("websocket_queue_depth", 0.0),
        ("build_info{version=\"0.1.0\"}", 1.0),
    ] {
        assert_eq!(sample(&page, &format!("signal_fish_{name}")), expected, "{name}");
    }
    // All was taken; how long that took is noted when the turn ends.
    let queued = sample(&page, "signal_fish_websocket_deliveries_enqueued_total");
    page_with(&server, &format!("signal_fish_outbox_sojourn_seconds_count {queued}"));
    assert!(sample(&page, "signal_fish_relay_latency_seconds_sum") > 0.0);
    assert!(sample(&page, "process_resident_memory_bytes") > 1e6);
    assert!(
        page.lines()
            .any(|line| line.starts_with("signal_fish_shard_busy_seconds_total{shard=\"1\"} "))
    );
}

#[test]
fn every_family_is_on_the_page_in_both_forms() {
    let server = Server::start(1);
    let families = metrics::of(&Reading::unasked(server.world().clone()));
    let (_, page) = get(&server, "/metrics/prom", "");
    let (head, open) = get(
        &server,
        "/metrics/prom",
        "Accept: application/openmetrics-text;q=0.9, */*;q=0.1\r\n",
    );
    assert!(
        head.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"),
        "{head}"
    );
    assert!(open.ends_with("# EOF\n"));
    for family in families.families() {
        assert!(page.contains(&format!("# TYPE {} ", family.name)), "{}", family.name);
        let name = match family.kind {
            Kind::Counter => family.name.trim_end_matches("_total"),
            Kind::Info => family.name.trim_end_matches("_info"),
            Kind::Gauge | Kind::Histogram => &family.name,
        };
        assert!(
            open.contains(&format!("# TYPE {name} {}\n", family.kind.name())),
            "{name}"
        );
    }
}

#[test]
fn no_label_holds_what_a_client_chose() {
    let (server, _mira) = played();
    let (_, page) = get(&server, "/metrics/prom", "");
    for chosen in ["reef", "ABC234", "Mira", "Otto", "evil.example", "127.0.0.1"] {
        assert!(!page.contains(chosen), "{chosen}");
    }
}

#[test]
fn without_the_token_nothing_is_told_and_that_is_counted() {
    let server = Server::with(1, |config| {
        config.security.require_metrics_auth = Some(true);
        config.security.metrics_auth_token = Some(Secret::new("a token of some length"));
    });
    let (head, body) = get(&server, "/metrics/prom", "Authorization: Bearer another\r\n");
    assert!(head.starts_with("HTTP/1.1 401 ") && body.is_empty(), "{head}{body}");
    let (_, page) = get(
        &server,
        "/metrics/prom",
        "Authorization: Bearer a token of some length\r\n",
    );
    assert_eq!(
        sample(&page, "signal_fish_refusals_total{reason=\"metrics_token\"}"),
        1.0
    );
}

#[test]
#[ignore = "needs promtool in PATH: .ci/run installs it and includes this test"]
fn promtool_objects_to_nothing_but_the_units_of_inherited_names() {
    let (server, _mira) = played();
    let (_, page) = get(&server, "/metrics/prom", "");
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool in PATH");
    let mut given = promtool.stdin.take().expect("a pipe");
    let writing = std::thread::spawn(move || given.write_all(page.as_bytes()));
    let said = promtool.wait_with_output().expect("it ends");
    writing.join().expect("no panic").expect("it reads all");
    let said = String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
    println!("{said}");
    let inherited = [
        "signal_fish_websocket_queue_oldest_age_milliseconds ",
        "signal_fish_maintenance_last_duration_milliseconds ",
        "signal_fish_websocket_ping_rtt_",
    ];
    for line in said.lines() {
        let is_inherited = inherited.iter().any(|name| line.starts_with(name));
        assert!(is_inherited && line.contains("unit"), "{line}");
    }
}

#[test]
#[ignore = "needs prometheus in PATH: .ci/run installs it and includes this test"]
fn prometheus_reads_the_page_and_objects_to_nothing() {
    let (server, _mira) = played();
    let prometheus = Prometheus::reading(server.address());
    let target = |answer: &serde_json::Value| Some(answer["data"]["activeTargets"].get(0)?.clone());
    let target = prometheus.until("/api/v1/targets", |answer| {
        target(answer).filter(|target| target["health"] != "unknown")
    });
    assert_eq!((&target["health"], &target["lastError"]), (&"up".into(), &"".into()));
    let value = |answer: &serde_json::Value| {
        let value = answer["data"]["result"].get(0)?["value"].get(1)?.as_str()?;
        value.parse::<f64>().ok()
    };
    let ask = |query: &str| prometheus.until(&format!("/api/v1/query?query={query}"), value);
    assert_eq!(ask("signal_fish_game_data_messages_total"), 5.0);
    assert!(ask("histogram_quantile(0.99,signal_fish_relay_latency_seconds_bucket)") > 0.0);
    // Read as OpenMetrics, which has a kind for it.
    let kinds = prometheus.until("/api/v1/metadata?metric=signal_fish_build", |answer| {
        answer["data"]["signal_fish_build"].get(0).cloned()
    });
    assert_eq!(kinds["type"], "info");
}
