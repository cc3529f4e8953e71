//! Game data: many values, budgets and reports of what could not be told, beyond the scripts.

use serde_json::{Value, json};
use signal_fish_relay::protocol::GameDataFormat;

use crate::harness::{Client, Frame, Game, Seat, Setup, in_every_schedule};

/// Somebody who negotiated a format, in the room of that code.
fn member(game: &Game, name: &str, format: &str) -> (Client, Seat) {
    let client = game.connect(name);
    client.sends(json!({"type": "Authenticate", "data": {"app_id": "reef-racer", "game_data_format": format}}));
    client.takes_all();
    client.asks_to_join(json!({"game_name": "tide-pool", "player_name": name, "room_code": "ROOM22"}));
    let seat = client.expects_seat();
    client.takes_all();
    (client, seat)
}

fn settle(clients: &[&Client]) {
    clients.iter().for_each(|client| drop(client.takes_all()));
}

fn envelope(sender: &Seat, payload: &[u8]) -> Vec<u8> {
    let id = uuid::Uuid::parse_str(&sender.player_id).expect("an id");
    let mut frame = b"\x83\xabfrom_player\xc4\x10".to_vec();
    frame.extend_from_slice(id.as_bytes());
    frame.extend_from_slice(b"\xa8encoding\xacmessage_pack\xa7payload");
    match payload.len() {
        short @ 0..=0xff => frame.extend_from_slice(&[0xc4, short as u8]),
        medium => {
            frame.push(0xc5);
            frame.extend_from_slice(&(medium as u16).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame
}

#[test]
fn json_reaches_everybody_else_whatever_they_negotiated() {
    in_every_schedule(Setup::default, |game| {
        let (mira, seat) = member(game, "Mira", "json");
        let (otto, _) = member(game, "Otto", "json");
        let (kite, _) = member(game, "Kite", "message_pack");
        settle(&[&mira, &otto]);
        for data in [
            json!({"op": "move", "x": 1, "y": -2.5, "tags": ["a", null, true]}),
            json!(42),
            json!(null),
            json!("hi"),
            json!([]),
            json!({}),
            json!(u64::MAX),
            json!(i64::MIN),
            json!("é😀/\u{0}"),
        ] {
            mira.sends_json(data.clone());
            otto.expects_json(&seat, data.clone());
            kite.expects_json(&seat, data);
        }
        mira.expects_nothing();
        kite.sends_json(json!("from a packer"));
        assert!(matches!(mira.next_frame(), Frame::Text(_)));
    });
}

#[test]
fn binary_is_converted_for_readers_of_json_and_what_cannot_be_is_told() {
    in_every_schedule(Setup::default, |game| {
        let (mira, seat) = member(game, "Mira", "message_pack");
        let (otto, _) = member(game, "Otto", "json");
        let (kite, _) = member(game, "Kite", "message_pack");
        settle(&[&mira, &otto]);
        let payload = rmp_serde::to_vec(&json!({"op": "move", "x": [1, -2, 2.5, null, "é"]})).expect("packs");
        mira.sends_binary(&payload);
        otto.expects_json(&seat, json!({"op": "move", "x": [1, -2, 2.5, null, "é"]}));
        kite.expects_binary(&envelope(&seat, &payload));
        mira.sends_binary(b"\xc1").sends_json(json!("behind it"));
        otto.expects_error("UNSUPPORTED_GAME_DATA_FORMAT");
        otto.expects_json(&seat, json!("behind it"));
        kite.expects_binary(&envelope(&seat, b"\xc1"));
        kite.expects_json(&seat, json!("behind it"));
        mira.expects_error("UNSUPPORTED_GAME_DATA_FORMAT");
        mira.expects_nothing();
        assert_eq!(game.count("outbox/unsupported_format"), 1);
    });
}

#[test]
fn opaque_formats_reach_their_own_kind_only() {
    let all = || {
        Setup::default().with(|settings| {
            settings.handshake.formats = vec![GameDataFormat::Json, GameDataFormat::MessagePack, GameDataFormat::Rkyv];
        })
    };
    in_every_schedule(all, |game| {
        let (mira, _) = member(game, "Mira", "rkyv");
        let (otto, _) = member(game, "Otto", "json");
        let (kite, _) = member(game, "Kite", "rkyv");
        let (pike, _) = member(game, "Pike", "message_pack");
        settle(&[&mira, &otto, &kite]);
        mira.sends_binary(b"opaque");
        kite.expects_binary(b"opaque");
        otto.expects_error("UNSUPPORTED_GAME_DATA_FORMAT");
        pike.expects_error("UNSUPPORTED_GAME_DATA_FORMAT");
        // A receiver is told at most once a second of one sender, and then how much it missed.
        mira.sends_binary(b"more").sends_binary(b"and more");
        otto.expects_nothing();
        game.advance_ms(1_000);
        mira.sends_binary(b"again");
        let told = otto.expects(json!({"type": "Error", "data": "$any"}));
        assert!(
            told["data"]["message"].as_str().expect("a text").contains("2 more"),
            "{told}"
        );
        assert_eq!(game.count("outbox/unsupported_format"), 8);
    });
}

#[test]
fn text_and_binary_of_one_sender_keep_their_order_with_everything_it_causes() {
    in_every_schedule(Setup::default, |game| {
        let (mira, seat) = member(game, "Mira", "message_pack");
        let (otto, _) = member(game, "Otto", "message_pack");
        settle(&[&mira]);
        for number in 0..10_u8 {
            mira.sends_json(json!(number))
                .sends_binary(&[number])
                .says("PlayerReady");
        }
        mira.says("LeaveRoom");
        for number in 0..10_u8 {
            otto.expects_json(&seat, json!(number));
            otto.expects_binary(&envelope(&seat, &[number]));
            otto.expects(json!({"type": "LobbyStateChanged", "data": "$any"}));
        }
        otto.expects_departure(&seat);
        otto.expects(json!({"type": "AuthorityChanged", "data": "$any"}));
        otto.expects_nothing();
    });
}

#[test]
fn what_a_sender_may_not_do_changes_nothing() {
    in_every_schedule(Setup::default, |game| {
        let (mira, _) = member(game, "Mira", "json");
        let (otto, _) = member(game, "Otto", "json");
        settle(&[&mira]);
        mira.sends_binary(b"\x81\xa1k\x01").expects_error("INVALID_INPUT");
        let with = |extra: &str| format!(r#"{{"type":"GameData","data":{{"data":1{extra}}}}}"#);
        for extra in [r#","class":"reliable""#, r#","class":"latest","key":3"#, r#","key":4"#] {
            mira.sends_text(&with(extra)).expects_error("INVALID_DELIVERY_CLASS");
        }
        for extra in [
            r#","class":null"#,
            r#","key":null"#,
            r#","class":"best""#,
            r#","key":-1"#,
            r#","data":2"#,
        ] {
            mira.sends_text(&with(extra)).expects_error("INVALID_INPUT");
        }
        otto.expects_nothing();
        let stranger = game.connect("stranger");
        stranger.sends_json(json!(1)).expects_error("NOT_IN_ROOM");
    });
}

#[test]
fn bytes_are_budgeted_per_sender_and_per_room() {
    let thrifty = || {
        Setup::default().with(|settings| {
            settings.budgets.relay_bytes = 2_000;
            settings.budgets.room_relay_bytes = 3_000;
        })
    };
    in_every_schedule(thrifty, |game| {
        let (mira, mira_seat) = member(game, "Mira", "json");
        let (otto, otto_seat) = member(game, "Otto", "message_pack");
        settle(&[&mira]);
        let text = |bytes: usize| Value::String("x".repeat(bytes - 2));
        for _ in 0..2 {
            mira.sends_json(text(900));
            otto.expects_json(&mira_seat, text(900));
        }
        mira.sends_json(text(201)).expects_error("RATE_LIMIT_EXCEEDED");
        mira.sends_json(text(200));
        otto.expects_json(&mira_seat, text(200));
        otto.sends_binary(&[0x01; 1_001]).expects_error("RATE_LIMIT_EXCEEDED");
        otto.sends_json(text(1_000));
        mira.expects_json(&otto_seat, text(1_000));
        otto.sends_json(json!(1)).expects_error("RATE_LIMIT_EXCEEDED");
        game.advance_ms(60_000);
        otto.sends_json(json!(1));
        mira.expects_json(&otto_seat, json!(1));
    });
}

#[test]
fn an_encoding_may_have_a_cap_of_its_own() {
    let capped = || {
        Setup::default().with(|settings| {
            settings.messages.max_game_data_bytes = vec![(GameDataFormat::Json, 10), (GameDataFormat::MessagePack, 20)];
        })
    };
    in_every_schedule(capped, |game| {
        let (mira, seat) = member(game, "Mira", "message_pack");
        let (otto, _) = member(game, "Otto", "message_pack");
        settle(&[&mira]);
        mira.sends_json(json!("x".repeat(9))).expects_error("MESSAGE_TOO_LARGE");
        mira.sends_binary(&[1; 21]).expects_error("MESSAGE_TOO_LARGE");
        mira.sends_json(json!("x".repeat(8))).sends_binary(&[1; 20]);
        otto.expects_json(&seat, json!("x".repeat(8)));
        otto.expects_binary(&envelope(&seat, &[1; 20]));
    });
}
