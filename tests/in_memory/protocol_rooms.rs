//! Rooms that clients join, leave, and find again, beyond the flows of the scripts.

use serde_json::json;

use crate::harness::{Setup, in_every_schedule};

#[test]
fn a_joiner_gets_a_snapshot_and_the_others_are_told() {
    in_every_schedule(Setup::default, |game| {
        let (mira, otto) = (game.enter("mira"), game.enter("otto"));
        let host = mira.create_room("tide-pool", "Mira");
        let guest = otto.join("tide-pool", &host.room_code.to_lowercase(), "Otto");
        assert_eq!((&guest.room_id, &guest.room_code), (&host.room_id, &host.room_code));
        assert_eq!(guest.snapshot["lobby_state"], "lobby");
        assert_eq!(guest.snapshot["is_authority"], false);
        assert_eq!(guest.snapshot["current_players"].as_array().map(Vec::len), Some(2));
        mira.expects_newcomer(&guest, "Otto");
        mira.expects_nothing();
        otto.expects_nothing();
    });
}

#[test]
fn while_a_server_drains_rooms_go_on_and_learn_who_leaves() {
    in_every_schedule(Setup::default, |game| {
        let (mira, otto, kite) = (game.enter("mira"), game.enter("otto"), game.enter("kite"));
        let host = mira.create_room("tide-pool", "Mira");
        let guest = otto.join("tide-pool", &host.room_code, "Otto");
        mira.expects_newcomer(&guest, "Otto");
        game.machine().world.begin_drain();
        let late = kite.join("tide-pool", &host.room_code, "Kite");
        mira.expects_newcomer(&late, "Kite");
        otto.expects_newcomer(&late, "Kite");
        otto.says("LeaveRoom").expects(json!({"type": "RoomLeft"}));
        mira.expects_departure(&guest);
        kite.expects_departure(&guest);
        mira.vanishes();
        kite.expects_departure(&host);
        kite.expects(json!({"type": "AuthorityChanged", "data":
            {"authority_player": null, "you_are_authority": false}}));
        game.machine().close_all();
        for client in [&otto, &kite] {
            client.expects_close(4_000, "server_shutdown");
        }
    });
}

#[test]
fn an_empty_room_is_kept_as_it_was_for_five_minutes() {
    in_every_schedule(Setup::default, |game| {
        let (mira, otto) = (game.enter("mira"), game.enter("otto"));
        mira.asks_to_join(
            json!({"game_name": "tide-pool", "player_name": "Mira", "max_players": 3,
            "password": "pearl"}),
        );
        let host = mira.expects_created();
        mira.says("PlayerReady");
        mira.says("StartGame");
        mira.says("LeaveRoom");
        mira.takes_all();
        game.advance_ms(290_000);
        mira.says("Ping");
        otto.says("Ping");
        let back = |client: &crate::harness::Client| {
            client.takes_all();
            client.asks_to_join(
                json!({"game_name": "tide-pool", "player_name": "Mira", "password": "pearl",
                "room_code": host.room_code}),
            );
        };
        back(&otto);
        let found = otto.expects_seat();
        assert_eq!(found.room_id, host.room_id);
        assert_eq!(found.snapshot["lobby_state"], "finalized");
        assert_eq!(found.snapshot["max_players"], 3);
        assert_eq!(found.snapshot["is_authority"], false);
        otto.says("LeaveRoom").expects(json!({"type": "RoomLeft"}));
        game.advance_ms(290_000);
        mira.says("Ping");
        game.advance_ms(80_000);
        mira.expects(json!({"type": "Pong"}));
        back(&mira);
        assert_ne!(mira.expects_created().room_id, host.room_id, "the code is free again");
    });
}
