//! A server that is frozen in the middle of anything goes on in the next process as if nothing had happened.
//!
//! Each script is played once uninterrupted and once more for every place in which it can be cut, with shards frozen,
//! archived, read back and dealt to another number of shards under a clock that has begun anew. What every client
//! receives, and when, must be the same.

mod archives;
mod backend;
mod certificates;
mod link;
mod rig;
mod script;
mod server;
mod times_and_budgets;
mod wire;

use signal_fish_relay::protocol::Topology;
use signal_fish_relay::shard::Settings;

use self::rig::{Cut, Outcome, Rig, Step, play, play_sealed, positions, sealed_positions};
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
fn a_cut_inside_a_record_of_tls_loses_and_repeats_nothing() {
    let mut script = pair();
    script.push(Step::Room(0, 70));
    script.push(Step::Send(1, [game_data("1"), game_data("\"a longer one\"")].concat()));
    script.push(Step::Room(0, usize::MAX));
    script.push(Step::Send(0, [frame(PING, b"are you there"), game_data("2")].concat()));
    script.push(Step::Send(0, frame(CLOSE, &1000_u16.to_be_bytes())));
    let whole = play(&script, &settings(), 1, None);
    assert_eq!(
        (count(&whole, 0, "\"GameData\""), count(&whole, 0, "are you there")),
        (2, 1)
    );
    for (from, into) in CHANGES {
        assert_eq!(
            play_sealed(&script, &settings(), from, None),
            whole,
            "{from} shards without a cut"
        );
        for at in 0..sealed_positions(&script) {
            let cut = play_sealed(&script, &settings(), from, Some(Cut { at, into }));
            assert_eq!(cut, whole, "{from} to {into} shards, cut at {at}");
        }
    }
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
        let serve_upgrade = || text(r#"{"type":"Authenticate","data":{"app_id":"reef","protocol_version":3}}"#);
        rig.play(
            &[
                Step::Connect(0),
                Step::Connect(1),
                Step::Connect(2),
                Step::Send(0, join("reef", Some("ABC234"), "Mira")),
                Step::Send(2, serve_upgrade()),
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
                Step::Send(1, serve_upgrade()),
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
