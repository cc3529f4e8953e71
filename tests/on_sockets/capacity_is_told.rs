//! How many more rooms fit is told to operators, and what gives out first.

use std::time::Instant;

use serde_json::Value;
use signal_fish_relay::config::Secret;

use crate::metrics_are_read::{get, page_with, played};
use crate::support::server::Server;
use crate::support::{DEADLINE, admin};

fn capacity(server: &Server, fields: &str) -> (String, Value) {
    let (head, body) = get(server, "/capacity", fields);
    (head, serde_json::from_str(&body).unwrap_or_default())
}

fn resource<'a>(capacity: &'a Value, name: &str) -> &'a Value {
    let resources = capacity["resources"].as_array().expect("resources");
    let found = resources.iter().find(|supply| supply["resource"] == name);
    found.unwrap_or_else(|| panic!("there is no {name}: {capacity}"))
}

#[test]
fn the_first_resource_to_give_out_is_named() {
    let (server, _mira) = played();
    let deadline = Instant::now() + DEADLINE;
    // Once every shard has said what it holds.
    let (head, capacity) = loop {
        let told = capacity(&server, "");
        let is_whole = told.1.to_string().contains("rooms_of_one_game");
        if is_whole || Instant::now() > deadline {
            break told;
        }
    };
    assert!(
        head.starts_with("HTTP/1.1 200 ") && head.contains("application/json"),
        "{head}"
    );
    assert_eq!(capacity["rooms"], 1, "{capacity}");
    let of_game = resource(&capacity, "rooms_of_one_game");
    assert_eq!(
        (&of_game["used"], &of_game["limit"], &of_game["more_rooms"]),
        (&1.0.into(), &1000.0.into(), &999.into()),
        "{capacity}"
    );
    for name in ["memory", "descriptors", "connections", "rooms"] {
        assert!(resource(&capacity, name)["more_rooms"].as_u64() > Some(0), "{capacity}");
    }
    let least = capacity["resources"].as_array().expect("resources").iter();
    let least = least.filter_map(|supply| supply["more_rooms"].as_u64()).min();
    assert_eq!(capacity["more_rooms"].as_u64(), least, "{capacity}");
    let first = capacity["first_to_give_out"].as_str().expect("a resource");
    assert_eq!(resource(&capacity, first)["more_rooms"].as_u64(), least, "{capacity}");
    assert_eq!(capacity["shards"].as_array().map(Vec::len), Some(2), "{capacity}");
    let overview = admin::get(&server, "/admin/api/overview", "").json();
    let shown = &overview["capacity"];
    assert_eq!(
        resource(shown, "rooms_of_one_game"),
        of_game,
        "the operators' page shows the same"
    );
    assert!(
        shown["more_rooms"].is_u64() && shown["first_to_give_out"].is_string(),
        "{shown}"
    );
    page_with(
        &server,
        r#"signal_fish_capacity_rooms_by_resource{resource="rooms_of_one_game"} 999"#,
    );
}

#[test]
fn without_rooms_nothing_is_forecast() {
    let server = Server::start(1);
    let (_, capacity) = capacity(&server, "");
    assert_eq!(
        (&capacity["more_rooms"], &capacity["first_to_give_out"]),
        (&Value::Null, &Value::Null),
        "{capacity}"
    );
    let overview = admin::get(&server, "/admin/api/overview", "").json();
    assert_eq!(overview["capacity"]["more_rooms"], Value::Null, "{overview}");
}

#[test]
fn it_is_for_those_who_may_read_the_metrics() {
    let server = Server::with(1, |config| {
        config.security.require_metrics_auth = Some(true);
        config.security.metrics_auth_token = Some(Secret::new("m".repeat(40)));
    });
    let (head, _) = capacity(&server, "");
    assert!(head.starts_with("HTTP/1.1 401 "), "{head}");
    let (head, _) = capacity(&server, &format!("Authorization: Bearer {}\r\n", "m".repeat(40)));
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
}
