//! A server that is frozen in the middle of anything goes on in the next process as if nothing had happened.
//!
//! Each script is played once uninterrupted and once more for every place in which it can be cut, with shards frozen,
//! archived, read back and dealt to another number of shards under a clock that has begun anew. What every client
//! receives, and when, must be the same.

mod rig;
mod server;
mod wire;

use signal_fish_relay::protocol::{AppId, Topology};
use signal_fish_relay::session::{AppPolicy, AppTerms};
use signal_fish_relay::shard::admission::AdmissionLimits;
use signal_fish_relay::shard::{FrozenShard, Incoherent, Settings};

use self::rig::{Cut, Link, Outcome, Rig, Step, play, positions};
use self::server::{limits, settings};
use self::wire::{frame, game_data, join, text};

const TEXT_BEGINS: u8 = 0x01;
const CONTINUES: u8 = 0x00;
const ENDS: u8 = 0x80;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;

/// Shards before and after the cut.
const CHANGES: [(u16, u16); 3] = [(1, 1), (1, 3), (3, 2)];

/// Plays a script with every cut; returns what happens without one.
fn survives_every_cut(script: &[Step], settings: &Settings) -> Outcome {
    let whole = play(script, settings, 1, None);
    for (from, into) in CHANGES {
        assert_eq!(play(script, settings, from, None), whole, "{from} shards without a cut");
        for at in 0..positions(script) {
            let cut = play(script, settings, from, Some(Cut { at, into }));
            assert_eq!(cut, whole, "{from} to {into} shards, cut at {at} of {script:?}");
        }
    }
    whole
}

fn heard(outcome: &Outcome, client: usize) -> String {
    outcome.clients[client]
        .0
        .iter()
        .map(|(_, part)| part.as_str())
        .collect()
}

fn count(outcome: &Outcome, client: usize, what: &str) -> usize {
    heard(outcome, client).matches(what).count()
}

/// Two clients in one room.
fn pair() -> Vec<Step> {
    vec![
        Step::Connect(0),
        Step::Connect(1),
        Step::Send(0, join("reef", Some("ABC234"), "Mira")),
        Step::Send(1, join("reef", Some("ABC234"), "Otto")),
    ]
}

#[test]
fn a_cut_inside_a_header_or_a_payload_loses_and_repeats_nothing() {
    let mut script = pair();
    let long = format!("\"{}\"", "x".repeat(130));
    script.push(Step::Send(1, [game_data("1"), game_data(&long)].concat()));
    script.push(Step::Send(0, [frame(PING, b"are you there"), game_data("2")].concat()));
    let whole = survives_every_cut(&script, &settings());
    assert_eq!(count(&whole, 0, "\"GameData\""), 2);
    assert_eq!(
        (count(&whole, 0, "are you there"), count(&whole, 1, "\"GameData\"")),
        (1, 1)
    );
    assert_eq!((whole.rooms, whole.members), (1, 2));
}

#[test]
fn a_cut_inside_a_fragmented_message_answers_no_ping_twice() {
    let mut script = pair();
    let fragments = [
        frame(TEXT_BEGINS, br#"{"type":"GameDa"#),
        frame(PING, b"first"),
        frame(CONTINUES, br#"ta","data":{"da"#),
        frame(PING, b"second"),
        frame(ENDS, br#"ta":[1,2,3]}}"#),
    ];
    script.push(Step::Send(1, fragments.concat()));
    let whole = survives_every_cut(&script, &settings());
    assert_eq!(count(&whole, 0, "[1,2,3]"), 1);
    assert_eq!((count(&whole, 1, "first"), count(&whole, 1, "second")), (1, 1));
}

#[test]
fn a_partly_sent_head_frame_goes_on_at_its_next_byte() {
    let mut script = pair();
    script.push(Step::Room(0, 7));
    script.extend((0..3).map(|number| Step::Send(1, game_data(&number.to_string()))));
    script.extend([Step::Wait(300), Step::Room(0, 100), Step::Wait(300), Step::Room(0, 3)]);
    script.extend([Step::Wait(300), Step::Room(0, usize::MAX)]);
    let whole = survives_every_cut(&script, &settings());
    assert_eq!(count(&whole, 0, "\"GameData\""), 3);
}

#[test]
fn spectators_at_outposts_go_on_at_home() {
    let mut settings = settings();
    settings.rooms.outpost_members = Some(1);
    settings.rooms.empty_timeout_ms = 60_000;
    let watch = |name: &str| {
        let data = format!(r#"{{"game_name":"reef","room_code":"ABC234","spectator_name":"{name}"}}"#);
        text(&format!(r#"{{"type":"JoinAsSpectator","data":{data}}}"#))
    };
    let mut script = vec![
        Step::Connect(0),
        Step::Connect(1),
        Step::Connect(2),
        Step::Send(0, join("reef", Some("ABC234"), "Mira")),
        Step::Send(1, watch("Kite")),
        Step::Send(0, game_data("1")),
    ];
    script.extend((0..6).map(|_| Step::Wait(200))); // so that no news of the gallery is put off
    script.push(Step::Send(2, watch("Rook")));
    script.push(Step::Send(0, game_data("2")));
    script.extend((0..6).map(|_| Step::Wait(200)));
    script.push(Step::Send(1, text(r#"{"type":"LeaveSpectator"}"#)));
    script.push(Step::Send(0, game_data("3")));
    let whole = survives_every_cut(&script, &settings);
    let seen = |client| [1, 2, 3].map(|number| count(&whole, client, &format!("\"data\":{number}")));
    assert_eq!((seen(1), seen(2)), ([1, 1, 0], [0, 1, 1]));
    assert_eq!(count(&whole, 1, "voluntary_leave"), 1);
    assert_eq!((whole.rooms, whole.members), (1, 2));
}

#[test]
fn a_closing_handshake_is_finished_by_either_side() {
    let bye = frame(CLOSE, &[0x03, 0xe8, b'b', b'y', b'e']);
    let mut by_peer = pair();
    by_peer.push(Step::Room(1, 1));
    by_peer.push(Step::Send(1, [game_data("1"), bye.clone()].concat()));
    by_peer.extend([Step::Wait(100), Step::Room(1, usize::MAX), Step::Wait(100)]);
    let whole = survives_every_cut(&by_peer, &settings());
    assert_eq!(whole.clients[1].1, Some(100), "over as soon as the echo has left");
    assert!(heard(&whole, 1).ends_with("\u{88}\u{5}\u{3}\u{e8}bye"));
    assert_eq!(count(&whole, 0, "PlayerLeft"), 1);

    let mut by_server = pair();
    by_server.push(Step::CloseAll);
    by_server.push(Step::Wait(100));
    by_server.push(Step::Send(0, [bye, game_data("\"too late\"")].concat()));
    by_server.push(Step::Wait(1_000));
    let whole = survives_every_cut(&by_server, &settings());
    assert_eq!((whole.clients[0].1, whole.clients[1].1), (Some(100), Some(500)));
    assert_eq!(count(&whole, 0, "server_shutdown"), 1);
}

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

#[test]
fn a_connection_that_is_about_to_move_arrives_with_what_it_had_sent() {
    let mut script = pair();
    script.push(Step::Connect(2));
    let hop_and_play = [join("reef", Some("ABC234"), "Uma"), game_data("7"), frame(PING, b"p")];
    script.push(Step::Send(2, hop_and_play.concat()));
    script.push(Step::Connect(3));
    script.push(Step::Send(3, [join("reef", None, "Ida"), game_data("8")].concat()));
    let whole = survives_every_cut(&script, &settings());
    assert_eq!(count(&whole, 0, "\"GameData\""), 1);
    assert_eq!((whole.rooms, whole.members, whole.admitted.connections), (2, 4, 4));
}

#[test]
fn an_operation_is_answered_once_under_its_id_wherever_it_is_cut() {
    let id = "77777777-7777-4777-8777-777777777777";
    let mut script = pair();
    script.push(Step::Connect(2));
    let handshake = r#"{"type":"Authenticate","data":{"app_id":"a","protocol_version":3,
        "requested_capabilities":["room_operation_ids"]}}"#;
    let join = r#"{"type":"JoinRoom","data":{"game_name":"reef","player_name":"Uma","room_code":"ABC234"}}"#;
    let operation = |request: &str| {
        text(&format!(
            r#"{{"type":"RoomOperation","data":{{"operation_id":"{id}","operation":{request}}}}}"#
        ))
    };
    script.push(Step::Send(
        2,
        [text(handshake), operation(join), operation(r#"{"type":"LeaveRoom"}"#)].concat(),
    ));
    let whole = survives_every_cut(&script, &settings());
    assert_eq!(count(&whole, 2, "RoomOperationResult"), 2);
    assert_eq!((count(&whole, 2, "RoomJoined"), count(&whole, 2, "RoomLeft")), (1, 1));
}

#[test]
fn a_member_whose_socket_is_lost_has_left() {
    let mut rig = Rig::new(settings(), limits(), 1);
    rig.lost = vec![1];
    let mut script = pair();
    script.push(Step::Send(0, game_data("1")));
    let last = positions(&script) - 1;
    rig.play(&script, Some(Cut { at: last, into: 3 }));
    let outcome = rig.outcome();
    assert_eq!(count(&outcome, 0, "PlayerLeft"), 1);
    assert_eq!((outcome.members, outcome.admitted.connections), (1, 1));
    assert!(outcome.clients[1].1.is_some());
}

/// The first value of a field in what a client heard.
fn field(heard: &str, name: &str) -> String {
    let marker = format!("\"{name}\":\"");
    let at = heard.find(&marker).expect("it was told") + marker.len();
    heard[at..].split('"').next().expect("up to its end").to_owned()
}

#[test]
fn a_player_who_is_back_while_its_old_connection_closes_stays() {
    for (from, into) in CHANGES {
        let mut rig = Rig::new(settings(), limits(), from);
        let greet = || text(r#"{"type":"Authenticate","data":{"app_id":"reef","protocol_version":3}}"#);
        rig.play(
            &[
                Step::Connect(0),
                Step::Connect(1),
                Step::Connect(2),
                Step::Send(0, join("reef", Some("ABC234"), "Mira")),
                Step::Send(2, greet()),
                Step::Send(2, join("reef", Some("ABC234"), "Otto")),
            ],
            None,
        );
        let heard = rig.heard(2);
        let [player, room, token] = ["player_id", "room_id", "reconnection_token"].map(|name| field(&heard, name));
        let data = format!(r#"{{"player_id":"{player}","room_id":"{room}","auth_token":"{token}"}}"#);
        let reconnect = text(&format!(r#"{{"type":"Reconnect","data":{data}}}"#));
        // The answer to its close stays in its outbox.
        let bye = frame(CLOSE, &[0x03, 0xe8]);
        rig.play(
            &[
                Step::Room(2, 0),
                Step::Send(2, bye),
                Step::Send(1, greet()),
                Step::Send(1, reconnect.clone()),
            ],
            None,
        );
        assert!(rig.heard(1).contains("\"Reconnected\""), "{}", rig.heard(1));
        rig.change_process(into);
        rig.play(
            &[
                Step::Wait(1_000),
                Step::Send(0, game_data("1")),
                Step::Send(1, game_data("2")),
                Step::Connect(3),
                Step::Send(3, reconnect),
            ],
            None,
        );
        assert!(rig.heard(1).contains("\"data\":1"), "{from} to {into}: it is reached");
        assert!(rig.heard(0).contains("\"data\":2"), "{from} to {into}: it has its seat");
        assert!(rig.heard(3).contains("PLAYER_ALREADY_CONNECTED"), "{}", rig.heard(3));
    }
}

#[test]
fn news_of_a_gallery_that_waits_is_told_before_the_change() {
    for (from, into) in CHANGES {
        let mut settings = settings();
        settings.rooms.default_spectators = Some(0);
        let mut rig = Rig::new(settings, limits(), from);
        let mut script = vec![Step::Connect(0), Step::Send(0, join("reef", Some("ABC234"), "Mira"))];
        for number in 1..=40 {
            let data = format!(r#"{{"game_name":"reef","room_code":"ABC234","spectator_name":"Kite{number}"}}"#);
            script.push(Step::Connect(number));
            script.push(Step::Send(
                number,
                text(&format!(r#"{{"type":"JoinAsSpectator","data":{data}}}"#)),
            ));
        }
        script.push(Step::Wait(1_000));
        script.extend((1..=3).map(|number| Step::Send(number, text(r#"{"type":"LeaveSpectator"}"#))));
        rig.play(&script, None);
        let told = |rig: &Rig| rig.heard(0).matches("SpectatorDisconnected").count();
        assert_eq!(
            told(&rig),
            1,
            "the first is told at once, the newest of the others waits"
        );
        rig.change_process(into);
        rig.play(&[Step::Wait(10)], None);
        assert_eq!(told(&rig), 2);
        let heard = rig.heard(0);
        let last = heard.rsplit("SpectatorDisconnected").next().expect("told");
        assert_eq!(last.matches("connected_at").count(), 37, "{last}");
    }
}

#[test]
fn a_session_between_peers_goes_on_and_its_host_is_replaced() {
    let mut settings = settings();
    settings.peer_sessions.topology = Topology::Host;
    let hello = text(concat!(
        r#"{"type":"Authenticate","data":{"app_id":"reef","protocol_version":3,"#,
        r#""supported_transports":["webrtc"],"supported_topologies":["host"]}}"#
    ));
    let says = |tag: &str| text(&format!(r#"{{"type":"{tag}"}}"#));
    let mut script = Vec::new();
    for (client, name) in ["Mira", "Otto"].into_iter().enumerate() {
        script.extend([
            Step::Connect(client),
            Step::Send(client, [hello.clone(), join("reef", Some("ABC234"), name)].concat()),
            Step::Send(client, says("PlayerReady")),
            Step::Wait(100),
        ]);
    }
    let report = text(r#"{"type":"TransportStatus","data":{"transport":"webrtc","connected":true}}"#);
    script.extend([
        Step::Send(0, says("StartGame")),
        Step::Send(1, report.clone()),
        Step::Connect(2),
        Step::Send(2, [hello, join("reef", Some("ABC234"), "Uma")].concat()),
        Step::Send(1, report),
        Step::Send(0, says("LeaveRoom")),
        Step::Wait(100),
    ]);
    let whole = play(&script, &settings, 1, None);
    let plans: Vec<_> = (0..3).map(|client| count(&whole, client, "\"SessionPlan\"")).collect();
    assert_eq!(plans, [2, 3, 2], "at the start, with the joiner, without the host");
    assert_eq!(count(&whole, 0, "PeerTransportStatus"), 1, "said twice is told once");
    // Hundreds of bytes of handshakes are slow to play at each of them.
    for at in (0..positions(&script)).step_by(7) {
        let cut = play(&script, &settings, 3, Some(Cut { at, into: 2 }));
        assert_eq!(cut, whole, "cut at {at}");
    }
}

#[test]
fn what_was_admitted_is_not_refused_under_smaller_limits() {
    let mut rig = Rig::new(settings(), limits(), 1);
    rig.play(&pair(), None);
    rig.set_limits(AdmissionLimits {
        connections: 1,
        rooms: 0,
        ..limits()
    });
    rig.change_process(2);
    let admitted = rig.outcome().admitted;
    assert_eq!((admitted.connections, admitted.rooms), (2, 1));
}

#[test]
fn archives_that_make_no_whole_are_refused() {
    let mut rig = Rig::new(settings(), limits(), 3);
    rig.play(&pair(), None);
    let archives = rig.freeze();
    let all: Vec<&[u8]> = archives.iter().map(|bytes| &**bytes).collect();
    assert!(rig.deal(&all).is_ok());
    let twice = [all.clone(), all.clone()].concat();
    assert!(matches!(rig.deal(&twice).err(), Some(Incoherent::TwoRooms(_))));
    let elsewhere = Rig::with_slot_key([8; 16]);
    assert!(matches!(elsewhere.deal(&all).err(), Some(Incoherent::SlotKey(_))));
}

#[test]
fn a_damaged_archive_never_ends_the_process() {
    let mut rig = Rig::new(settings(), limits(), 1);
    let mut script = pair();
    script.push(Step::Room(0, 9));
    script.push(Step::Send(1, game_data("1")));
    rig.play(&script, None);
    let archive = rig.freeze().remove(0);
    let mut refused = 0;
    for at in 0..archive.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = archive.to_vec();
            damaged[at] ^= flip;
            refused += usize::from(FrozenShard::<Link>::from_bytes(&damaged).is_err() || rig.deal_fails(&damaged));
        }
        assert!(FrozenShard::<Link>::from_bytes(&archive[..at]).is_err(), "cut at {at}");
    }
    // A flipped bit in a name or in a payload makes another valid archive: checksums are the transport's.
    assert!(
        refused > archive.len() / 4,
        "{refused} of {} were noticed",
        archive.len() * 3
    );
}
