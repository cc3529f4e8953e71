//! The answers in JSON: what a dashboard shows, what has happened in rooms one by one, and whether a room is here.

use std::time::{Duration, Instant};

use signal_fish_relay::config::AllowedApp;

use crate::metrics_are_read::{Until, get, page_with, played, sample};
use crate::support::DEADLINE;
use crate::support::server::Server;
use crate::support::wire::{TEXT, Wire};

fn json(server: &Server, path: &str) -> serde_json::Value {
    let (head, body) = get(server, path, "");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}\n{body}");
    assert!(head.contains("content-type: application/json"), "{head}");
    serde_json::from_str(&body).expect("JSON")
}

/// Every member of the recorded answer, and of its objects, is in ours; lists and what is named by games are not looked into.
fn has_the_shape_of(ours: &serde_json::Value, recorded: &serde_json::Value, place: &str) {
    let Some(members) = recorded.as_object() else { return };
    for (name, value) in members {
        let found = ours.get(name).unwrap_or_else(|| panic!("{place} has no {name}"));
        if !["roomsByGame", "gamePercentiles", "playerPercentiles"].contains(&name.as_str()) {
            has_the_shape_of(found, value, &format!("{place}.{name}"));
        }
    }
}

#[test]
fn the_dashboard_has_the_shape_that_was_recorded() {
    let (server, _mira) = played();
    let recorded: serde_json::Value =
        serde_json::from_str(include_str!("../fixtures/metrics_shape.json")).expect("JSON");
    let answer = loop {
        let answer = json(&server, "/metrics?includeSnapshot=true");
        if !answer["dashboardCache"]["fetchedAt"].is_null() {
            break answer;
        }
    };
    has_the_shape_of(&answer, &recorded, "answer");
    assert_eq!(answer["serverMetrics"]["rooms"]["created"], 1);
    assert_eq!(answer["metricsSnapshot"]["players"]["game_data_messages"], 5);
    assert_eq!(
        answer["metricsSnapshot"]["connections"]["websocket_upgrades"]["rejected_origin"],
        1
    );
    assert!(json(&server, "/v1/metrics").get("metricsSnapshot").is_none());
    let (head, body) = get(&server, "/metrics?includeSnapshot=banana", "");
    assert!(
        head.starts_with("HTTP/1.1 400 ") && body.contains("includeSnapshot"),
        "{head}\n{body}"
    );
}

#[test]
fn the_dashboard_tells_of_the_rooms_and_of_what_was() {
    let server = Server::with(2, |config| config.metrics.dashboard_cache_refresh_interval_secs = 1);
    let mut mira = Wire::upgraded(&server);
    let join = br#"{"type":"JoinRoom","data":{"game_name":"reef","room_code":"ABC234","player_name":"Mira"}}"#;
    mira.send_frame(TEXT, join);
    mira.until("RoomJoined");
    let deadline = Instant::now() + DEADLINE;
    let answer = loop {
        let answer = json(&server, "/metrics");
        if answer["activeRooms"] == 1
            && answer["dashboardCache"]["history"]
                .as_array()
                .is_some_and(|all| all.len() > 1)
        {
            break answer;
        }
        assert!(Instant::now() < deadline, "{answer}");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(answer["roomsByGame"], serde_json::json!({"reef": 1}));
    assert_eq!(answer["playerPercentiles"]["p50"], 1.0);
    assert_eq!(answer["gamePercentiles"]["reef"]["p99_9"], 1.0);
    assert_eq!(answer["dashboardCache"]["stale"], false);
    assert_eq!(answer["dashboardCache"]["refreshIntervalSeconds"], 1);
    let newest = answer["dashboardCache"]["history"]
        .as_array()
        .and_then(|all| all.last())
        .expect("one");
    assert_eq!(newest["activeRooms"], 1);
    let (_, page) = get(&server, "/metrics/prom", "");
    assert!(sample(&page, "signal_fish_dashboard_cache_refreshes_total") >= 2.0);
    assert!(sample(&page, "signal_fish_dashboard_cache_age_seconds") <= 30.0);
}

#[test]
fn scrapers_get_their_page_from_the_dashboards_address() {
    let server = Server::start(1);
    for (accepted, expected) in [
        (
            "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "application/openmetrics-text",
        ),
        ("text/plain", "text/plain; version=0.0.4"),
        ("text/html,*/*;q=0.8", "application/json"),
        ("*/*", "application/json"),
    ] {
        let (head, _) = get(&server, "/metrics", &format!("Accept: {accepted}\r\n"));
        assert!(
            head.contains(&format!("content-type: {expected}")),
            "{accepted}: {head}"
        );
        assert!(head.contains("vary: accept"), "{head}");
    }
}

/// A server that lists one app, with a room of it whose creator has relayed something and gone.
fn with_a_listed_app() -> (Server, Wire) {
    let server = Server::with(2, |config| {
        config.security.enforce_app_id_allowlist = Some(true);
        config.security.allowed_apps = vec![AllowedApp {
            app_id: "studio-a".to_owned(),
            app_name: "Studio".to_owned(),
            max_rooms: None,
            max_players_per_room: None,
            rate_limit_per_minute: None,
            max_relay_bytes: None,
            per_address_limits: true,
            require_connect_token: None,
        }];
        config.server.region_id = "north".to_owned();
        config.server.empty_room_timeout = 1;
        config.server.room_cleanup_interval = 1;
        config.server.enable_reconnection = false;
    });
    let mut mira = Wire::upgraded(&server);
    mira.send_frame(TEXT, br#"{"type":"Authenticate","data":{"app_id":"studio-a"}}"#);
    mira.until("Authenticated");
    let join = br#"{"type":"JoinRoom","data":{"game_name":"reef","room_code":"ABC234","player_name":"Mira"}}"#;
    mira.send_frame(TEXT, join);
    mira.until("RoomJoined");
    mira.send_frame(TEXT, br#"{"type":"GameData","data":{"data":{"x":1}}}"#);
    mira.send_frame(TEXT, br#"{"type":"Ping"}"#);
    mira.until("Pong");
    (server, mira)
}

const STUDIO: &str = "067f307d-7789-4131-857b-65796aaf71ef";

#[test]
fn a_room_has_a_record_while_it_lives_and_afterwards() {
    let (server, mut mira) = with_a_listed_app();
    let answer = json(&server, &format!("/metrics/sessions?applicationId={STUDIO}&unknown=1"));
    assert_eq!(
        (&answer["available"], &answer["activeCount"]),
        (&true.into(), &1.into())
    );
    let active = &answer["active"][0];
    for (member, expected) in [
        ("roomCode", "ABC234".into()),
        ("gameName", "reef".into()),
        ("applicationId", STUDIO.into()),
        ("regionId", "north".into()),
        ("playersJoined", 1.into()),
        ("playersLeft", 0.into()),
        ("protocolVersions", serde_json::json!([2])),
        ("gameDataEncodings", serde_json::json!(["json"])),
        ("gameDataMessages", 1.into()),
        ("relayBytes", 7.into()),
        ("published", true.into()),
        ("seq", serde_json::Value::Null),
        ("closeReason", serde_json::Value::Null),
    ] {
        assert_eq!(active[member], expected, "{member}");
    }
    page_with(
        &server,
        &format!("signal_fish_relay_app_bytes_total{{app_id=\"{STUDIO}\"}} 7"),
    );

    mira.send_frame(TEXT, br#"{"type":"LeaveRoom"}"#);
    mira.until("RoomLeft");
    let deadline = Instant::now() + DEADLINE;
    let completed = loop {
        let answer = json(&server, "/metrics/sessions");
        if answer["completedCount"] == 1 {
            break answer["completed"][0].clone();
        }
        assert!(Instant::now() < deadline, "{answer}");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(
        (&completed["seq"], &completed["closeReason"]),
        (&1.into(), &"empty".into())
    );
    assert_eq!(
        (&completed["playersLeft"], &completed["roomId"]),
        (&1.into(), &active["roomId"])
    );
    assert!(completed["endedAtMs"].as_u64() >= completed["createdAtMs"].as_u64());
    assert_eq!(json(&server, "/metrics/sessions?since=1")["completedCount"], 0);
    let (head, _) = get(&server, "/metrics/sessions?since=never", "");
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
    let (head, _) = get(&server, "/metrics/sessions?applicationId=reef", "");
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
}

#[test]
fn a_room_is_found_by_its_name_and_for_its_application_only() {
    let (server, _mira) = with_a_listed_app();
    let path = |application: &str, code: &str| {
        format!("/metrics/rooms/lookup?applicationId={application}&gameName=reef&roomCode={code}")
    };
    let found = json(&server, &path(STUDIO, "abc234"));
    assert_eq!(found["available"], true);
    assert_eq!(
        (
            &found["room"]["roomCode"],
            &found["room"]["regionId"],
            &found["room"]["gameName"]
        ),
        (&"ABC234".into(), &"north".into(), &"reef".into())
    );
    let of_another = "2b643061-8df8-4eb0-bfe0-da7f4dee02a0";
    for path in [path(of_another, "ABC234"), path(STUDIO, "ABC235")] {
        assert_eq!(json(&server, &path)["room"], serde_json::Value::Null, "{path}");
    }
    for wrong in [
        path("reef", "ABC234"),
        path(STUDIO, "AB"),
        path(STUDIO, "ABC234&more=1"),
        format!("/metrics/rooms/lookup?applicationId={STUDIO}&gameName=reef"),
        format!("/metrics/rooms/lookup?applicationId={STUDIO}&gameName=&roomCode=ABC234"),
    ] {
        let (head, _) = get(&server, &wrong, "");
        assert!(head.starts_with("HTTP/1.1 400 "), "{wrong}: {head}");
    }
}
