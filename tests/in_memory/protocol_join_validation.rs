//! Checks that a join passes, in spellings and in an order beyond those of the script `join_validation`.

use serde_json::{Value, json};

use crate::harness::{Setup, in_every_schedule};

/// A request with everything right but what is changed.
fn request(change: Value) -> Value {
    let mut request = json!({"game_name": "tide-pool", "player_name": "Mira"});
    for (key, value) in change.as_object().expect("an object of changes") {
        request[key] = value.clone();
    }
    request
}

fn roomy() -> Setup {
    Setup::default().with(|settings| {
        settings.budgets.joins = 1_000;
        settings.budgets.room_creations = 1_000;
    })
}

#[test]
fn row_2_creations_and_joins_have_budgets_that_failures_also_spend() {
    in_every_schedule(Setup::default, |game| {
        let mira = game.enter("mira");
        for _ in 0..5 {
            mira.create_room("tide-pool", "Mira");
            mira.says("LeaveRoom").expects(json!({"type": "RoomLeft"}));
        }
        mira.asks_to_join(request(json!({})))
            .expects_join_failed("RATE_LIMIT_EXCEEDED");
        let otto = game.enter("otto");
        for _ in 0..20 {
            otto.asks_to_join(request(json!({"player_name": "", "room_code": "AAAAA2"})));
            otto.expects_join_failed("INVALID_PLAYER_NAME");
        }
        otto.asks_to_join(request(json!({"player_name": "", "room_code": "AAAAA2"})));
        otto.expects_join_failed("RATE_LIMIT_EXCEEDED");
        game.advance_ms(60_000);
        mira.create_room("tide-pool", "Mira");
        otto.asks_to_join(request(json!({"player_name": ""})))
            .expects_join_failed("INVALID_PLAYER_NAME");
    });
}

#[test]
fn rows_3_to_7_each_field_is_judged_by_its_rule() {
    in_every_schedule(roomy, |game| {
        let mira = game.enter("mira");
        let refused = [
            (json!({"game_name": ""}), "INVALID_GAME_NAME"),
            (json!({"game_name": "g".repeat(65)}), "INVALID_GAME_NAME"),
            (json!({"game_name": "tide/pool"}), "INVALID_GAME_NAME"),
            (json!({"game_name": "tide\tpool"}), "INVALID_GAME_NAME"),
            (json!({"player_name": ""}), "INVALID_PLAYER_NAME"),
            (json!({"player_name": "   "}), "INVALID_PLAYER_NAME"),
            (json!({"player_name": " bob"}), "INVALID_PLAYER_NAME"),
            (json!({"player_name": "bob\t"}), "INVALID_PLAYER_NAME"),
            (json!({"player_name": "bo\tb"}), "INVALID_PLAYER_NAME"),
            (json!({"player_name": "bo\u{a0}b"}), "INVALID_PLAYER_NAME"),
            (json!({"player_name": "bob!"}), "INVALID_PLAYER_NAME"),
            (json!({"player_name": "🐟"}), "INVALID_PLAYER_NAME"),
            (json!({"player_name": "e\u{301}"}), "INVALID_PLAYER_NAME"),
            (json!({"player_name": "a".repeat(33)}), "INVALID_PLAYER_NAME"),
            (json!({"player_name": "é".repeat(17)}), "INVALID_PLAYER_NAME"),
            (json!({"max_players": 0}), "INVALID_MAX_PLAYERS"),
            (json!({"max_players": 101}), "INVALID_MAX_PLAYERS"),
            (json!({"max_players": 255}), "INVALID_MAX_PLAYERS"),
            (json!({"join_only": true}), "INVALID_INPUT"),
            (json!({"password": ""}), "INVALID_INPUT"),
            (json!({"password": "p".repeat(257)}), "INVALID_INPUT"),
        ];
        for (change, code) in refused {
            mira.asks_to_join(request(change)).expects_join_failed(code);
        }
        let accepted = [
            json!({"game_name": " tide_pool-2 "}),
            json!({"game_name": "潮だまり"}),
            json!({"player_name": "a".repeat(32)}),
            json!({"player_name": "bo b"}),
            json!({"player_name": "Ångström-_9"}),
            json!({"max_players": 1}),
            json!({"max_players": 100}),
            json!({"password": "p".repeat(256)}),
            json!({"room_code": null, "max_players": null, "supports_authority": null, "relay_transport": null}),
            json!({"relay_transport": "udp", "bogus": [1]}),
        ];
        for change in accepted {
            mira.asks_to_join(request(change)).expects_created();
            mira.says("LeaveRoom").expects(json!({"type": "RoomLeft"}));
        }
    });
}

#[test]
fn rows_8_and_9_one_seat_at_a_time_then_the_code_has_its_shape() {
    in_every_schedule(roomy, |game| {
        let mira = game.enter("mira");
        for code in ["", "K7QW2", "K7QW2MM", "K7QW2!", "K7 W2M", "K7QWÄM", "KÄQWM"] {
            mira.asks_to_join(request(json!({"room_code": code})))
                .expects_join_failed("INVALID_ROOM_CODE");
        }
        let seat = mira.create_room("tide-pool", "Mira");
        for code in [&*seat.room_code, "bad", "AAAAA2"] {
            mira.asks_to_join(request(json!({"room_code": code})))
                .expects_join_failed("ALREADY_IN_ROOM");
        }
        let otto = game.enter("otto");
        otto.asks_to_join(request(json!({"room_code": "0o1iab"})));
        assert_eq!(
            otto.expects_created().room_code,
            "0O1IAB",
            "given codes may use every letter and digit"
        );
    });
}

#[test]
fn rows_13_and_14_names_are_unique_in_any_spelling_and_seats_run_out() {
    in_every_schedule(roomy, |game| {
        let (mira, otto, kite) = (game.enter("mira"), game.enter("otto"), game.enter("kite"));
        mira.asks_to_join(request(json!({"player_name": "Straße", "max_players": 2})));
        let seat = mira.expects_created();
        for taken in ["Straße", "STRASSE", "strasse"] {
            otto.asks_to_join(request(json!({"player_name": taken, "room_code": seat.room_code})));
            otto.expects_join_failed("ROOM_CREATION_FAILED");
        }
        otto.asks_to_join(request(
            json!({"player_name": "Otto", "room_code": seat.room_code, "max_players": 50}),
        ));
        assert_eq!(
            otto.expects_seat().snapshot["max_players"],
            2,
            "a joiner's own wishes do not count"
        );
        kite.asks_to_join(request(json!({"player_name": "OTTO", "room_code": seat.room_code})));
        kite.expects_join_failed("ROOM_CREATION_FAILED");
        kite.asks_to_join(request(json!({"player_name": "Kite", "room_code": seat.room_code})));
        kite.expects_join_failed("ROOM_FULL");
        otto.says("LeaveRoom").expects(json!({"type": "RoomLeft"}));
        kite.join("tide-pool", &seat.room_code, "Otto");
    });
}

#[test]
fn row_18_rooms_are_counted_over_all_shards() {
    let few = || {
        let mut setup = roomy();
        setup.limits.rooms = 3;
        setup.limits.rooms_per_game = 2;
        setup
    };
    in_every_schedule(few, |game| {
        let clients: Vec<_> = (0..4).map(|number| game.enter(&format!("client{number}"))).collect();
        clients[0].create_room("tide-pool", "Mira");
        clients[1].create_room("tide-pool", "Mira");
        clients[2]
            .asks_to_join(request(json!({})))
            .expects_join_failed("MAX_ROOMS_PER_GAME_EXCEEDED");
        clients[2].create_room("kelp", "Mira");
        clients[3].asks_to_join(request(json!({"game_name": "reef"})));
        clients[3].expects_join_failed("MAX_ROOMS_PER_GAME_EXCEEDED");
        clients[0].vanishes();
        // Empty rooms go after five minutes, looked for every minute; the others stay, for they are occupied.
        for _ in 0..6 {
            game.advance_ms(60_000);
            clients[1..].iter().for_each(|client| client.expects_to_be_served());
        }
        clients[3].create_room("tide-pool", "Mira");
    });
}

#[test]
fn an_earlier_check_wins_over_every_later_one() {
    in_every_schedule(roomy, |game| {
        let mira = game.enter("mira");
        mira.create_room("tide-pool", "Mira");
        let mut all_wrong = json!({"game_name": "", "player_name": "", "max_players": 0, "join_only": true,
            "password": ""});
        let mend = [
            ("game_name", json!("tide-pool"), "INVALID_GAME_NAME"),
            ("player_name", json!("Mira"), "INVALID_PLAYER_NAME"),
            ("max_players", json!(8), "INVALID_MAX_PLAYERS"),
            ("room_code", json!("bad"), "INVALID_INPUT"),
            ("password", json!("pearl"), "INVALID_INPUT"),
        ];
        for (key, value, code) in mend {
            mira.asks_to_join(all_wrong.clone()).expects_join_failed(code);
            all_wrong[key] = value;
        }
        mira.asks_to_join(all_wrong).expects_join_failed("ALREADY_IN_ROOM");
    });
}
