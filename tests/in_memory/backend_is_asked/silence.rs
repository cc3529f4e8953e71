//! No answer, and whose fault that is.

use serde_json::json;
use signal_fish_relay::session::{CheckRules, Grant, NoVerdict};

use super::{GIVEN_UP_MS, answer, checking, enters, everything, question, refused, rules, says_hello, yes};
use crate::harness::in_every_schedule;

#[test]
fn no_answer_keeps_out_unless_the_operator_says_otherwise() {
    let silences = [
        (NoVerdict::Late, "access_check_late_total"),
        (NoVerdict::Unreachable, "access_check_unreachable_total"),
        (NoVerdict::Unreadable, "access_check_unreadable_total"),
    ];
    for (silence, counter) in silences {
        in_every_schedule(checking(rules()), |game| {
            let mira = game.connect("mira");
            says_hello(&mira);
            answer(game, Err(silence));
            mira.expects(refused("SERVICE_UNAVAILABLE"));
            mira.expects_close(1000, "unregistered");
            assert_eq!(game.count(counter), 1);
        });
        let open = CheckRules {
            fails_open: true,
            ..rules()
        };
        in_every_schedule(checking(open), |game| {
            let mira = game.connect("mira");
            says_hello(&mira);
            answer(game, Err(silence));
            mira.expects(json!({"type": "Authenticated", "data": "$any"}));
            assert_eq!(game.count("access_check_failed_open_total"), 1);
        });
    }
}

#[test]
fn nobody_waits_for_ever_and_a_late_answer_answers_nothing() {
    in_every_schedule(checking(everything()), |game| {
        let mira = game.connect("mira");
        says_hello(&mira);
        let question = question(game);
        game.advance_ms(GIVEN_UP_MS - 1);
        mira.expects_nothing();
        game.advance_ms(1);
        mira.expects(refused("SERVICE_UNAVAILABLE"));
        mira.expects_close(1000, "unregistered");
        game.machine().answer(question.ticket, yes());
        game.settle();
        mira.expects_nothing();
        assert_eq!(game.count("access_check_unattended_total"), 1);
        assert_eq!(game.count("access_check_late_total"), 0, "the backend is not to blame");

        // Of one connection two questions: the answer to the first is none to the second.
        let otto = enters(game, "otto", Grant::default());
        let creates = || {
            otto.sends(json!({"type": "JoinRoom", "data": {"game_name": "tide-pool", "player_name": "Otto"}}));
        };
        creates();
        let first = super::question(game);
        game.advance_ms(GIVEN_UP_MS);
        otto.expects_join_failed("SERVICE_UNAVAILABLE");
        creates();
        let second = super::question(game);
        game.machine().answer(first.ticket, yes());
        game.settle();
        otto.expects_nothing();
        game.machine().answer(second.ticket, yes());
        otto.expects_created();
    });
}

#[test]
fn whom_the_server_itself_does_not_get_to_is_not_let_in_by_a_backend_that_is_thought_dead() {
    let open = CheckRules {
        fails_open: true,
        ..everything()
    };
    in_every_schedule(checking(open), |game| {
        let mira = game.connect("mira");
        says_hello(&mira);
        question(game);
        let otto = enters(game, "otto", Grant::default());
        otto.sends(json!({"type": "JoinRoom", "data": {"game_name": "tide-pool", "player_name": "Otto"}}));
        question(game);
        game.advance_ms(GIVEN_UP_MS);
        mira.expects(refused("SERVICE_UNAVAILABLE"));
        mira.expects_close(1000, "unregistered");
        otto.expects_join_failed("SERVICE_UNAVAILABLE");
        assert_eq!(game.count("access_check_unattended_total"), 2);
        assert_eq!(game.count("access_check_failed_open_total"), 0);
    });
}

#[test]
fn a_question_without_a_place_is_no_answer_at_once_and_lets_nobody_in() {
    let open = CheckRules {
        fails_open: true,
        ..rules()
    };
    for rules in [rules(), open] {
        without_a_place(rules);
    }
}

fn without_a_place(rules: CheckRules) {
    in_every_schedule(checking(rules), |game| {
        game.machine().backend.is_crowded(true);
        let mira = game.connect("mira");
        says_hello(&mira);
        mira.expects(refused("SERVICE_UNAVAILABLE"));
        mira.expects_close(1000, "unregistered");
        assert_eq!(game.count("access_check/full"), 1);
        game.machine().backend.is_crowded(false);
        enters(game, "otto", Grant::default());
    });
}
