//! Deadlines and budgets go on with the rest of what they had.

use signal_fish_relay::protocol::AppId;
use signal_fish_relay::session::{AppPolicy, AppTerms};
use signal_fish_relay::shard::Settings;

use super::rig::{Cut, Step, play, positions};
use super::server::settings;
use super::wire::{frame, game_data, text};
use super::{count, pair, survives_every_cut};

#[test]
fn every_deadline_comes_when_the_rest_of_its_time_is_over() {
    let mut settings = settings();
    settings.liveness.idle_timeout_ms = Some(3_000);
    let mut script = pair();
    script.push(Step::Room(0, 5));
    script.push(Step::Send(1, game_data("1")));
    script.extend((0..5).map(|_| Step::Wait(200))); // 700 ms of a full socket are too many
    script.push(Step::Send(1, text(r#""Ping""#)));
    script.push(Step::Send(1, text(r#"{"type":"LeaveRoom"}"#)));
    script.extend((0..5).map(|_| Step::Wait(200))); // 1 s of an empty room are its end
    script.extend((0..20).map(|_| Step::Wait(200))); // 3 s of silence are too many
    let whole = survives_every_cut(&script, &settings);
    assert_eq!(
        whole.clients[0].1,
        Some(1_200),
        "700 ms until the close and 500 for the answer"
    );
    assert_eq!(
        whole.clients[1].1,
        Some(4_500),
        "3,000 ms after its last sign of life, and 500"
    );
    assert_eq!(
        (whole.rooms, whole.admitted.rooms, whole.admitted.connections),
        (0, 0, 0)
    );
}

#[test]
fn a_message_that_does_not_get_on_ends_on_time() {
    let half = frame(0x81, b"nobody will read the end of this")[..10].to_vec();
    let mut script = vec![Step::Connect(0), Step::Send(0, half)];
    script.push(Step::Wait(300));
    let mut impatient = settings();
    impatient.liveness.idle_timeout_ms = Some(1_000);
    let patient = settings();
    for (settings, ended_at_ms, pauses) in [(&impatient, 1_500, 6), (&patient, 10_510, 35)] {
        let mut script = script.clone();
        script.extend((0..pauses).map(|_| Step::Wait(300)));
        let whole = survives_every_cut(&script, settings);
        assert_eq!(
            whole.clients[0].1,
            Some(ended_at_ms),
            "its time until the close, and 500 for the answer"
        );
    }
}

#[test]
fn a_frame_that_waits_too_long_is_too_old_on_time() {
    let mut script = pair();
    script.push(Step::Room(0, 5));
    script.push(Step::Send(1, game_data("1")));
    // Never stalled for 700 ms, and still too slow: the oldest frame may wait for 1,500.
    script.extend((0..6).flat_map(|_| [Step::Wait(400), Step::Room(0, 3)]));
    let whole = survives_every_cut(&script, &settings());
    assert_eq!(
        whole.clients[0].1,
        Some(2_000),
        "1,500 ms until the close and 500 for the answer"
    );
}

fn listed(terms: AppTerms) -> Settings {
    let mut settings = settings();
    settings.access.apps = AppPolicy::Listed([(AppId::new("reef"), terms)].into_iter().collect());
    settings
}

#[test]
fn a_handshake_that_does_not_come_ends_on_time() {
    let mut script = vec![Step::Connect(0)];
    script.extend((0..13).map(|_| Step::Wait(200)));
    let whole = survives_every_cut(&script, &listed(AppTerms::default()));
    assert_eq!(whole.clients[0].1, Some(2_500));
    assert_eq!(count(&whole, 0, "AUTHENTICATION_TIMEOUT"), 1);
}

#[test]
fn handshakes_of_an_application_are_counted_once() {
    let hello = text(r#"{"type":"Authenticate","data":{"app_id":"reef"}}"#);
    let mut script = Vec::new();
    for client in 0..4 {
        script.extend([
            Step::Connect(client),
            Step::Send(client, hello.clone()),
            Step::Wait(20_000),
        ]);
    }
    let terms = AppTerms {
        name: "Reef Racer".into(),
        handshakes_per_minute: Some(2),
        ..AppTerms::default()
    };
    let whole = play(&script, &listed(terms.clone()), 1, None);
    let admitted: Vec<_> = (0..4)
        .map(|client| count(&whole, client, "\"Authenticated\""))
        .collect();
    assert_eq!(admitted, [1, 0, 1, 0], "one address may have one in a minute");
    // Twenty seconds of beats are slow to play, so not at every byte.
    for at in (0..positions(&script)).step_by(29) {
        assert_eq!(
            play(&script, &listed(terms.clone()), 3, Some(Cut { at, into: 2 })),
            whole,
            "cut at {at}"
        );
    }
}

#[test]
fn no_budget_is_charged_twice_and_none_is_forgotten() {
    let mut settings = settings();
    settings.budgets.relay_bytes = 10;
    settings.budgets.room_relay_bytes = 15;
    settings.budgets.error_replies = 6;
    settings.budgets.window_ms = 1_000;
    let mut script = pair();
    for _ in 0..3 {
        script.push(Step::Send(1, game_data("\"five\"")));
        script.push(Step::Send(0, game_data("\"f\"")));
        script.push(Step::Wait(400));
    }
    script.extend((0..7).map(|_| Step::Send(0, text(r#"{"type":"Ping"}"#))));
    script.push(Step::Wait(600));
    let whole = survives_every_cut(&script, &settings);
    assert!(count(&whole, 1, "RATE_LIMIT_EXCEEDED") > 0, "{whole:?}");
    assert!(whole.clients[0].1.is_some(), "too many pings end a connection");
}
