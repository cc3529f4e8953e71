//! The game's backend is asked who may play: the connection that waits for it waits, nobody else does, and no answer of its
//! harms anybody.

mod granting;
mod silence;

use serde_json::{Value, json};
use signal_fish_relay::protocol::Secret;
use signal_fish_relay::session::{CheckRules, Grant, NoVerdict, Verdict, Wish};
use signal_fish_relay::shard::SentQuestion;

use crate::harness::{Client, Game, Setup, in_every_schedule};

const TIMEOUT_MS: u64 = 2_000;

/// By then a shard has given up.
const GIVEN_UP_MS: u64 = TIMEOUT_MS + 1_000;

fn rules() -> CheckRules {
    CheckRules {
        creates: false,
        joins: false,
        fails_open: false,
        timeout_ms: TIMEOUT_MS,
    }
}

fn checking(rules: CheckRules) -> impl Fn() -> Setup {
    move || Setup::default().with(|settings| settings.access.check = Some(rules))
}

fn everything() -> CheckRules {
    CheckRules {
        creates: true,
        joins: true,
        ..rules()
    }
}

/// The one question that there is.
fn question(game: &Game) -> SentQuestion {
    game.settle();
    let mut asked = game.machine().backend.take();
    assert_eq!(asked.len(), 1, "{asked:?}");
    asked.remove(0)
}

fn answer(game: &Game, verdict: Result<Verdict, NoVerdict>) -> SentQuestion {
    let question = question(game);
    game.machine().answer(question.ticket, verdict);
    question
}

fn yes() -> Result<Verdict, NoVerdict> {
    Ok(Verdict::Allowed(Grant::default()))
}

fn no(reason: &str) -> Result<Verdict, NoVerdict> {
    Ok(Verdict::Denied(reason.into()))
}

fn says_hello(client: &Client) {
    client.sends(json!({"type": "Authenticate", "data": {"app_id": "reef-racer", "connect_token": "ticket-7"}}));
}

fn refused(code: &str) -> Value {
    json!({"type": "AuthenticationError", "data": {"error": "$text", "error_code": code}})
}

/// A client that the backend has let in.
fn enters(game: &Game, name: &str, grant: Grant) -> Client {
    let client = game.connect(name);
    says_hello(&client);
    answer(game, Ok(Verdict::Allowed(grant)));
    client.expects(json!({"type": "Authenticated", "data": "$any"}));
    client.expects(json!({"type": "ProtocolInfo", "data": "$any"}));
    client
}

#[test]
fn a_handshake_waits_for_the_answer_and_what_comes_behind_it_keeps_its_order() {
    in_every_schedule(checking(rules()), |game| {
        let mira = game.connect("mira");
        says_hello(&mira);
        mira.sends(json!({"type": "Ping"}))
            .sends(json!({"type": "JoinRoom", "data": {"game_name": "tide-pool", "player_name": "Mira"}}));
        game.settle();
        mira.expects_nothing();
        let asked = answer(game, yes());
        let Wish::Handshake {
            connect_token,
            protocol_version,
            ..
        } = asked.question.wish
        else {
            panic!("a handshake")
        };
        assert_eq!(connect_token, Some(Secret::new("ticket-7")));
        assert_eq!(protocol_version, 2);
        mira.expects(json!({"type": "Authenticated", "data": "$any"}));
        mira.expects(json!({"type": "ProtocolInfo", "data": "$any"}));
        mira.expects(json!({"type": "Pong"}));
        mira.expects_created();
        assert_eq!(game.count("access_check_questions_total"), 1);
        assert_eq!(game.count("access_check_allowed_total"), 1);
    });
}

#[test]
fn a_no_is_told_with_its_reason_and_ends_the_connection() {
    in_every_schedule(checking(rules()), |game| {
        let mira = game.connect("mira");
        says_hello(&mira);
        answer(game, no("come back on Monday"));
        let told = mira.expects(refused("UNAUTHORIZED"));
        assert_eq!(told["data"]["error"], "come back on Monday");
        mira.expects_close(1000, "unregistered");
        assert_eq!(game.count("access_check_denied_total"), 1);
    });
}

#[test]
fn the_handshakes_deadline_stands_still_meanwhile() {
    in_every_schedule(checking(rules()), |game| {
        let deadline_ms = game.machine().world.settings.handshake.timeout_ms;
        let mira = game.connect("mira");
        game.advance_ms(deadline_ms - 1);
        says_hello(&mira);
        game.advance_ms(TIMEOUT_MS);
        answer(game, yes());
        mira.expects(json!({"type": "Authenticated", "data": "$any"}));

        // Whoever says nothing has no such time.
        let otto = game.connect("otto");
        game.advance_ms(deadline_ms);
        otto.expects_error("AUTHENTICATION_TIMEOUT");
        otto.expects_close(4001, "auth_timeout");
    });
}

#[test]
fn nothing_comes_before_the_handshake_that_is_asked_about() {
    in_every_schedule(checking(rules()), |game| {
        let mira = game.connect("mira");
        mira.sends(json!({"type": "Ping"})).expects_error("MISSING_APP_ID");
        mira.expects_close(1000, "unregistered");
        assert!(game.machine().backend.take().is_empty());
    });
}

#[test]
fn a_handshake_that_fails_otherwise_is_no_question() {
    in_every_schedule(checking(rules()), |game| {
        let mira = game.connect("mira");
        mira.sends(json!({"type": "Authenticate", "data": {"app_id": "reef-racer", "protocol_version": 1}}))
            .expects(refused("UNSUPPORTED_PROTOCOL_VERSION"));
        assert!(game.machine().backend.take().is_empty());
    });
}

#[test]
fn rooms_are_asked_about_where_that_is_wanted_and_a_no_changes_nothing() {
    in_every_schedule(checking(everything()), |game| {
        let mira = enters(
            game,
            "mira",
            Grant {
                user: Some("u-1".into()),
                ..Grant::default()
            },
        );
        let wants_a_room = || {
            mira.sends(json!({"type": "JoinRoom", "data": {"game_name": "tide-pool", "player_name": "Mira"}}));
        };
        wants_a_room();
        let asked = answer(game, no("not today"));
        assert_eq!(asked.question.user.as_deref(), Some("u-1"));
        assert!(matches!(asked.question.wish, Wish::Create { .. }));
        mira.expects_join_failed("UNAUTHORIZED");
        assert_eq!(game.machine().rooms(), 0);
        wants_a_room();
        answer(game, yes());
        let seat = mira.expects_created();

        let otto = enters(game, "otto", Grant::default());
        let wants_in = || {
            otto.sends(json!({"type": "JoinRoom", "data":
                {"game_name": "tide-pool", "player_name": "Otto", "room_code": seat.room_code}}));
        };
        wants_in();
        let asked = answer(game, no("you are banned"));
        let Wish::Join {
            room_code, may_create, ..
        } = asked.question.wish
        else {
            panic!("a join")
        };
        assert_eq!((room_code.as_str(), may_create), (&*seat.room_code, true));
        otto.expects_join_failed("UNAUTHORIZED");
        mira.expects_nothing();
        wants_in();
        answer(game, yes());
        otto.expects_seat();
        mira.expects(json!({"type": "PlayerJoined", "data": "$any"}));

        let kite = enters(game, "kite", Grant::default());
        kite.sends(json!({"type": "JoinAsSpectator", "data":
            {"game_name": "tide-pool", "spectator_name": "Kite", "room_code": seat.room_code}}));
        let asked = answer(game, no("players only"));
        assert!(matches!(asked.question.wish, Wish::Watch { .. }));
        kite.expects(
            json!({"type": "SpectatorJoinFailed", "data": {"reason": "players only", "error_code": "UNAUTHORIZED"}}),
        );
    });
}

#[test]
fn where_only_handshakes_are_asked_about_rooms_are_not() {
    in_every_schedule(checking(rules()), |game| {
        let mira = enters(game, "mira", Grant::default());
        mira.create_room("tide-pool", "Mira");
        assert!(game.machine().backend.take().is_empty());
    });
}

#[test]
fn who_is_gone_meanwhile_is_not_there_for_the_answer() {
    in_every_schedule(checking(rules()), |game| {
        for leaves in [
            (|client: &Client| {
                client.vanishes();
            }) as fn(&Client),
            |client| {
                client.closes(1000, "");
            },
        ] {
            let mira = game.connect("mira");
            says_hello(&mira);
            let question = question(game);
            leaves(&mira);
            game.settle();
            game.machine().answer(question.ticket, yes());
            game.settle();
            assert!(!mira.is_connected(), "its place is free");
        }
        assert_eq!(game.machine().connections(), 0);
    });
}

#[test]
fn a_server_that_stops_does_not_wait_for_answers() {
    in_every_schedule(checking(rules()), |game| {
        let mira = game.connect("mira");
        says_hello(&mira);
        let question = question(game);
        game.machine().drain(1_000);
        game.machine().close_all();
        game.settle();
        game.machine().answer(question.ticket, yes());
        game.settle();
        let frames = mira.takes_all();
        let told = format!("{frames:?}");
        assert!(told.contains("4000") && !told.contains("Authenticated"), "{told}");
        assert_eq!(game.machine().connections(), 0);
    });
}

#[test]
fn who_is_closed_while_it_waits_is_read_to_its_end() {
    in_every_schedule(checking(rules()), |game| {
        let mira = game.connect("mira");
        says_hello(&mira);
        question(game);
        mira.sends(json!({"type": "Ping"})).closes(1000, "").answers(false);
        game.settle();
        game.machine().close_all();
        game.settle();
        assert_eq!(game.machine().connections(), 0);
    });
}

#[test]
fn whoever_plays_waits_for_nobody_elses_answer() {
    in_every_schedule(checking(rules()), |game| {
        let mira = enters(game, "mira", Grant::default());
        let otto = enters(game, "otto", Grant::default());
        let seat = mira.create_room("tide-pool", "Mira");
        otto.join("tide-pool", &seat.room_code, "Otto");
        mira.expects(json!({"type": "PlayerJoined", "data": "$any"}));
        let crowd: Vec<_> = (0..100)
            .map(|number| game.connect(&format!("crowd-{number}")))
            .collect();
        crowd.iter().for_each(says_hello);
        for round in 0..20 {
            mira.sends_json(json!(round));
            otto.expects_json(&seat, json!(round));
            game.advance_ms(10);
        }
        assert_eq!(game.machine().backend.take().len(), crowd.len());
        game.advance_ms(GIVEN_UP_MS);
        for client in &crowd {
            client.expects(refused("SERVICE_UNAVAILABLE"));
        }
        assert_eq!(game.count("access_check_unattended_total"), 100);
    });
}

#[test]
fn time_in_which_the_process_stood_still_is_nobodys() {
    let setup = || Setup {
        standstill: std::time::Duration::from_millis(200),
        ..checking(rules())()
    };
    in_every_schedule(setup, |game| {
        let mira = game.connect("mira");
        says_hello(&mira);
        let question = question(game);
        game.stands_still_ms(10 * GIVEN_UP_MS);
        mira.expects_nothing();
        game.machine().answer(question.ticket, yes());
        mira.expects(json!({"type": "Authenticated", "data": "$any"}));
    });
}

#[test]
fn answers_in_any_order_or_none_serve_each_request_once() {
    in_every_schedule(checking(everything()), |game| {
        let clients: Vec<_> = (0..40)
            .map(|number| game.connect(&format!("client-{number}")))
            .collect();
        for client in &clients {
            says_hello(client);
            client
                .sends(json!({"type": "JoinRoom", "data": {"game_name": "tide-pool", "player_name": "Mira"}}))
                .sends(json!({"type": "Ping"}));
        }
        let mut asked = Vec::new();
        for _ in 0..100 {
            let mut machine = game.machine();
            machine.run_a_while();
            asked.extend(machine.backend.take());
            if asked.is_empty() {
                continue;
            }
            let next = machine.schedule.below(asked.len());
            let question: SentQuestion = asked.swap_remove(next);
            let verdict = match machine.schedule.below(6) {
                0 => no("not today"),
                1 => Err(NoVerdict::Unreadable),
                2 => continue, // never
                _ => yes(),
            };
            machine.answer(question.ticket, verdict);
        }
        // Whoever is let in by the last answers asks once more.
        for _ in 0..2 {
            game.advance_ms(GIVEN_UP_MS);
        }
        let mut let_in = 0;
        for client in &clients {
            let frames: Vec<_> = client.takes_all().iter().map(|frame| format!("{frame:?}")).collect();
            let count = |word: &str| frames.iter().filter(|frame| frame.contains(word)).count();
            let is_in = count("\"Authenticated\"");
            assert_eq!(is_in + count("\"AuthenticationError\""), 1, "{frames:?}");
            assert_eq!(
                count("\"RoomJoined\"") + count("\"RoomJoinFailed\""),
                is_in,
                "{frames:?}"
            );
            assert_eq!(count("\"Pong\""), is_in, "{frames:?}");
            assert!(
                is_in == 0 || frames.last().is_some_and(|last| last.contains("Pong")),
                "{frames:?}"
            );
            let_in += is_in;
        }
        assert!(let_in > 0 && let_in < clients.len(), "{let_in}");
        let outcomes = ["allowed", "denied", "unattended", "unreadable"];
        let ended: u64 = outcomes
            .iter()
            .map(|outcome| game.count(&format!("access_check_{outcome}_total")))
            .sum();
        assert_eq!(ended, game.count("access_check_questions_total"));
    });
}
