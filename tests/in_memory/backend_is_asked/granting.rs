//! What an answer gives: a name, seats, bytes.

use serde_json::{Value, json};
use signal_fish_relay::session::{Grant, Verdict, Wish};

use super::{answer, checking, enters, everything, rules, yes};
use crate::harness::{Client, Game, in_every_schedule};

#[test]
fn what_is_granted_holds() {
    in_every_schedule(checking(rules()), |game| {
        let grant = || Grant {
            display_name: Some("Mira the Bold".into()),
            max_players_per_room: Some(3),
            relay_bytes: Some(10),
            ..Grant::default()
        };
        let mira = enters(game, "mira", grant());
        let wants = |players: u8| {
            mira.sends(json!({"type": "JoinRoom", "data":
                {"game_name": "tide-pool", "player_name": "Nobody", "max_players": players}}));
        };
        wants(4);
        mira.expects_join_failed("INVALID_MAX_PLAYERS");
        wants(3);
        let seat = mira.expects_created();
        let otto = enters(game, "otto", Grant::default());
        otto.join("tide-pool", &seat.room_code, "Otto");
        mira.expects(json!({"type": "PlayerJoined", "data": "$any"}));
        let kite = enters(game, "kite", grant());
        kite.sends(json!({"type": "JoinRoom", "data":
            {"game_name": "tide-pool", "player_name": "Kite", "room_code": seat.room_code}}));
        kite.expects_join_failed("ROOM_CREATION_FAILED"); // there is one of that name
        mira.sends_json(json!("12345678"));
        otto.expects_json(&seat, json!("12345678"));
        mira.sends_json(json!("1"));
        mira.expects_error("RATE_LIMIT_EXCEEDED");
    });
}

#[test]
fn who_names_no_number_of_seats_has_as_many_as_the_answer_allows() {
    in_every_schedule(checking(everything()), |game| {
        let seats = |most: u8| {
            Ok(Verdict::Allowed(Grant {
                max_players_per_room: Some(most),
                ..Grant::default()
            }))
        };
        let asked = |game: &Game, verdict| match answer(game, verdict).question.wish {
            Wish::Create { max_players, .. } => max_players,
            Wish::Join { may_create, .. } => u8::from(may_create),
            other => panic!("a room: {other:?}"),
        };
        let wants = |client: &Client, data: Value| {
            let mut whole = json!({"game_name": "tide-pool", "player_name": "Mira"});
            whole
                .as_object_mut()
                .expect("an object")
                .extend(data.as_object().expect("an object").clone());
            client.sends(json!({"type": "JoinRoom", "data": whole}));
        };
        let has = |client: &Client, most: u64| {
            let joined = client.expects(json!({"type": "RoomJoined", "data": "$any"}));
            assert_eq!(joined["data"]["max_players"], most);
            client.expects(json!({"type": "LobbyStateChanged", "data": "$any"}));
            client.sends(json!({"type": "LeaveRoom"}));
            client.expects(json!({"type": "RoomLeft"}));
        };
        let mira = enters(game, "mira", Grant::default());
        // Of what the answer to this very question says it has as much as of an earlier one.
        wants(&mira, json!({}));
        assert_eq!(asked(game, seats(3)), 8, "the general number");
        has(&mira, 3);
        wants(&mira, json!({}));
        assert_eq!(asked(game, yes()), 3);
        has(&mira, 3);
        wants(&mira, json!({"room_code": "ROOM22"}));
        assert_eq!(asked(game, seats(2)), 1);
        has(&mira, 2);
        wants(&mira, json!({"max_players": 3}));
        assert_eq!(asked(game, yes()), 3, "as it says");
        mira.expects_join_failed("INVALID_MAX_PLAYERS");
        wants(&mira, json!({}));
        assert_eq!(asked(game, seats(200)), 2);
        has(&mira, 8);
    });
}
