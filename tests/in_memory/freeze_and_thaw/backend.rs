//! Requests that wait for the game's backend when the process changes: the next one asks anew.

use signal_fish_relay::session::{CheckRules, Grant, Verdict};
use signal_fish_relay::shard::Settings;

use super::rig::Step;
use super::server::settings;
use super::wire::{join, text};
use super::{count, heard, survives_every_cut};

fn checking() -> Settings {
    let mut settings = settings();
    settings.access.check = Some(CheckRules {
        creates: true,
        joins: true,
        fails_open: false,
        timeout_ms: 5_000,
    });
    settings
}

fn hello() -> Vec<u8> {
    text(r#"{"type":"Authenticate","data":{"app_id":"reef-racer","connect_token":"ticket-7"}}"#)
}

fn yes() -> Verdict {
    Verdict::Allowed(Grant::default())
}

#[test]
fn who_waits_for_the_backend_is_asked_about_again_and_served_once() {
    let script = [
        Step::Connect(0),
        Step::Connect(1),
        Step::Wait(1_900),
        Step::Send(0, [hello(), text(r#"{"type":"Ping"}"#)].concat()),
        // The handshake has 100 ms left, and stands still.
        Step::Wait(1_000),
        Step::Answer(yes()),
        Step::Send(0, join("reef", Some("ABC234"), "Mira")),
        Step::Wait(50),
        Step::Answer(yes()),
        Step::Connect(2),
        Step::Send(2, hello()),
        Step::Answer(yes()),
        Step::Send(2, join("reef", Some("ABC234"), "Otto")),
        Step::Answer(Verdict::Denied("not today".into())),
        Step::Send(2, join("reef", Some("ABC234"), "Otto")),
        Step::Answer(yes()),
        Step::Wait(100),
    ];
    let whole = survives_every_cut(&script, &checking());
    assert_eq!(
        (count(&whole, 0, "Authenticated"), count(&whole, 0, "\"Pong\"")),
        (1, 1)
    );
    assert_eq!(
        (count(&whole, 2, "RoomJoinFailed"), count(&whole, 2, "not today")),
        (1, 1)
    );
    assert_eq!((whole.rooms, whole.members), (1, 2), "{}", heard(&whole, 2));
    assert!(
        heard(&whole, 1).contains("AUTHENTICATION_TIMEOUT"),
        "nobody gave it time"
    );
}
