//! The rules by example.

use super::*;
use crate::protocol::{DeliveryClass, GameDataFormat, PlayerId, RelayTransport, Secret, Topology, Transport};

const UUID: &str = "5b1e7f0c-6a63-4d0e-9a55-0f7e2d6c9b11";

#[track_caller]
fn accepted(text: &str) -> ClientMessage<'_> {
    parse(text).unwrap_or_else(|refusal| panic!("{text}: {refusal}"))
}

#[track_caller]
fn assert_refused(text: &str) {
    assert_eq!(parse(text), Err(MalformedMessage), "{text}");
}

fn game_data(text: &str) -> GameData<'_> {
    match accepted(text) {
        ClientMessage::GameData(game_data) => game_data,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn a_message_without_payload_takes_data_absent_or_null() {
    for (tag, message) in [
        ("Ping", ClientMessage::Ping),
        ("LeaveRoom", ClientMessage::LeaveRoom),
        ("PlayerReady", ClientMessage::PlayerReady),
        ("StartGame", ClientMessage::StartGame),
        ("LeaveSpectator", ClientMessage::LeaveSpectator),
    ] {
        assert_eq!(accepted(&format!(r#"{{"type":"{tag}"}}"#)), message);
        assert_eq!(
            accepted(&format!(r#" {{ "data" : null , "type" : "{tag}" }} "#)),
            message
        );
        assert_eq!(
            accepted(&format!(r#"{{"type":"{tag}","extra":[1e5,{{}}],"extra":2}}"#)),
            message
        );
        for data in ["{}", "[]", "0", "false", "\"\"", "{\"ready\":true}"] {
            assert_refused(&format!(r#"{{"type":"{tag}","data":{data}}}"#));
            assert_refused(&format!(r#"{{"data":{data},"type":"{tag}"}}"#));
        }
    }
}

#[test]
fn frames_that_are_no_message_are_refused() {
    for text in [
        "",
        " ",
        "not json",
        "Ping",
        "\"Ping\"",
        "null",
        "1",
        "[]",
        "[\"Ping\"]",
        "[\"Ping\",null]",
        "{}",
        r#"{"data":null}"#,
        r#"{"type":null}"#,
        r#"{"type":"ping"}"#,
        r#"{"type":"Nope"}"#,
        r#"{"type":"Reconnected","data":{}}"#,
        r#"{"type":{"Ping":null}}"#,
        r#"{"type":["Ping"]}"#,
        r#"{"type":"Ping","type":"Ping"}"#,
        r#"{"type":"Ping","data":null,"data":null}"#,
        r#"{"type":"Ping","typ\u0065":"Ping"}"#,
        r#"{"type":"Ping"}x"#,
        r#"{"type":"Ping"}{"type":"Ping"}"#,
        r#"{"type":"Ping",}"#,
        r#"{"type":"Ping""#,
        r#"{"type":"Ping","extra":1e999}"#,
        r#"{"type":"Ping","extra":"\ud800"}"#,
        r#"{"type":"Ping","\ud800":1}"#,
        r#"{"type":"Ping","extra":01}"#,
    ] {
        assert_refused(text);
    }
}

#[test]
fn escapes_in_keys_and_tags_are_read() {
    assert_eq!(
        accepted(r#"{"typ\u0065":"P\u0069ng","d\u0061ta":null}"#),
        ClientMessage::Ping
    );
    let text = r#"{"type":"Game\u0044ata","data":{"d\u0061ta":"\u0041","cl\u0061ss":"l\u0061test","k\u0065y":7}}"#;
    let expected = GameData {
        payload: r#""\u0041""#,
        class: Some(DeliveryClass::Latest),
        key: Some(7),
    };
    assert_eq!(game_data(text), expected);
}

#[test]
fn game_data_is_a_slice_of_the_frame_byte_for_byte() {
    for payload in [
        "null",
        "42",
        "-0.0",
        "1e2",
        "18446744073709551616",
        "\"\\u00e9\\/\"",
        "{\"d\":1,\"d\":2}",
        "{ \"z\" : [ ] }",
    ] {
        for text in [
            format!(r#"{{"type":"GameData","data":{{"data":{payload}}}}}"#),
            format!(r#" {{"type" : "GameData", "data" : {{ "x":1, "data" : {payload} , "x":[{{}}] }} , "y":"é" }} "#),
            format!(r#"{{"data":{{"data":{payload}}},"type":"GameData"}}"#),
        ] {
            let found = game_data(&text);
            assert_eq!(
                found,
                GameData {
                    payload,
                    class: None,
                    key: None
                }
            );
            assert!(
                text.as_bytes().as_ptr_range().contains(&found.payload.as_ptr()),
                "borrowed, not copied"
            );
        }
    }
}

#[test]
fn class_and_key_of_game_data_are_read_but_not_judged() {
    let with = |members: &str| format!(r#"{{"type":"GameData","data":{{"data":1{members}}}}}"#);
    for (members, class, key) in [
        ("", None, None),
        (r#","class":"reliable""#, Some(DeliveryClass::Reliable), None),
        (r#","class":"volatile","key":0"#, Some(DeliveryClass::Volatile), Some(0)),
        (
            r#","key":4294967295,"class":"latest""#,
            Some(DeliveryClass::Latest),
            Some(u32::MAX),
        ),
    ] {
        assert_eq!(
            game_data(&with(members)),
            GameData {
                payload: "1",
                class,
                key
            }
        );
    }
    for members in [
        r#","class":null"#,
        r#","key":null"#,
        r#","class":"Latest""#,
        r#","class":1"#,
        r#","class":["latest"]"#,
        r#","key":-1"#,
        r#","key":-0"#,
        r#","key":4294967296"#,
        r#","key":1.0"#,
        r#","key":1e0"#,
        r#","key":"1""#,
        r#","key":[1]"#,
        r#","key":1,"key":1"#,
        r#","class":"latest","class":"latest""#,
        r#","data":1"#,
    ] {
        assert_refused(&with(members));
    }
    for text in [
        r#"{"type":"GameData"}"#,
        r#"{"type":"GameData","data":null}"#,
        r#"{"type":"GameData","data":{}}"#,
        r#"{"data":{},"type":"GameData"}"#,
        r#"{"type":"GameData","data":[1]}"#,
        r#"{"data":[1],"type":"GameData"}"#,
        r#"{"type":"GameData","data":{"data":1},"data":{"data":1}}"#,
        r#"{"type":"GameData","type":"GameData","data":{"data":1}}"#,
        r#"{"type":"GameData","data":{"data":1e400}}"#,
        r#"{"type":"GameData","data":{"data":"\ud800"}}"#,
    ] {
        assert_refused(text);
    }
}

#[test]
fn a_frame_opens_at_most_127_containers() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    for (before, after, allowed) in [
        (r#"{"type":"GameData","data":{"data":"#, "}}", 125),
        (r#"{"data":{"data":"#, r#"},"type":"GameData"}"#, 125),
        (r#"{"type":"GameData","data":{"data":1,"extra":"#, "}}", 125),
        (r#"{"type":"Ping","extra":"#, "}", 126),
        (
            r#"{"type":"AuthorityRequest","data":{"become_authority":true,"extra":"#,
            "}}",
            125,
        ),
        (
            r#"{"type":"ProvideConnectionInfo","data":{"connection_info":{"type":"custom","data":"#,
            "}}}",
            124,
        ),
    ] {
        accepted(&format!("{before}{}{after}", nested(allowed)));
        assert_refused(&format!("{before}{}{after}", nested(allowed + 1)));
        assert_refused(&format!("{before}{}{after}", nested(5_000)));
    }
}

#[test]
fn optional_fields_may_be_absent_or_null() {
    let bare = r#"{"type":"JoinRoom","data":{"game_name":"tide-pool","player_name":"A"}}"#;
    let nulls = concat!(
        r#"{"data":{"player_name":"A","bogus":1,"room_code":null,"max_players":null,"supports_authority":null,"#,
        r#""relay_transport":null,"password":null,"join_only":null,"game_name":"tide-pool"},"type":"JoinRoom"}"#
    );
    let expected = JoinRoom {
        game_name: "tide-pool".to_owned(),
        player_name: "A".to_owned(),
        room_code: None,
        max_players: None,
        supports_authority: true,
        relay_transport: None,
        password: None,
        join_only: false,
    };
    assert_eq!(accepted(bare), ClientMessage::JoinRoom(expected.clone()));
    assert_eq!(accepted(nulls), ClientMessage::JoinRoom(expected.clone()));
    let full = concat!(
        r#"{"type":"JoinRoom","data":{"game_name":"tide-pool","player_name":"A","room_code":"K7QW2M","max_players":4,"#,
        r#""supports_authority":false,"relay_transport":"websocket","password":"s3cret","join_only":true}}"#
    );
    let full_expected = JoinRoom {
        room_code: Some("K7QW2M".to_owned()),
        max_players: Some(4),
        supports_authority: false,
        relay_transport: Some(RelayTransport::WebSocket),
        password: Some(Secret::new("s3cret")),
        join_only: true,
        ..expected
    };
    assert_eq!(accepted(full), ClientMessage::JoinRoom(full_expected));
}

#[test]
fn payloads_with_wrong_fields_are_refused() {
    for text in [
        r#"{"type":"JoinRoom","data":{"player_name":"A"}}"#,
        r#"{"type":"JoinRoom","data":["tide-pool","A",null,null,true,null,null,false]}"#,
        r#"{"type":"JoinRoom","data":{"game_name":"g","player_name":7}}"#,
        r#"{"type":"JoinRoom","data":{"game_name":"g","player_name":"A","max_players":2.0}}"#,
        r#"{"type":"JoinRoom","data":{"game_name":"g","player_name":"A","max_players":256}}"#,
        r#"{"type":"JoinRoom","data":{"game_name":"g","player_name":"A","relay_transport":"quic"}}"#,
        r#"{"type":"JoinRoom","data":{"game_name":"g","player_name":"A","player_name":"B"}}"#,
        r#"{"type":"Authenticate","data":{}}"#,
        r#"{"type":"Authenticate","data":{"app_id":"a","game_data_format":"msgpack"}}"#,
        r#"{"type":"Authenticate","data":{"app_id":"a","protocol_version":65536}}"#,
        r#"{"type":"Authenticate","data":{"app_id":"a","supported_transports":["quic"]}}"#,
        r#"{"type":"AuthorityRequest","data":{}}"#,
        r#"{"type":"AuthorityRequest","data":{"become_authority":1}}"#,
        r#"{"type":"AuthorityRequest","data":{"become_authority":null}}"#,
        r#"{"type":"Reconnect","data":{"player_id":"x","room_id":"y","auth_token":"z"}}"#,
        r#"{"type":"TransportStatus","data":{"transport":"webrtc"}}"#,
        r#"{"type":"Signal","data":{"to":"5b1e7f0c-6a63-4d0e-9a55-0f7e2d6c9b11","signal":{}}}"#,
    ] {
        assert_refused(text);
    }
}

#[test]
fn authenticate_reads_the_v3_offer() {
    let text = concat!(
        r#"{"type":"Authenticate","data":{"app_id":"studio-a","sdk_version":"2.1.0","platform":"unity","#,
        r#""game_data_format":"message_pack","protocol_version":3,"supported_transports":["webrtc","relay"],"#,
        r#""supported_topologies":["mesh","host","relay"],"requested_capabilities":["room_operation_ids","other"],"#,
        r#""connect_token":"t"}}"#
    );
    let expected = Authenticate {
        app_id: "studio-a".to_owned(),
        sdk_version: Some("2.1.0".to_owned()),
        platform: Some("unity".to_owned()),
        game_data_format: GameDataFormat::MessagePack,
        protocol_version: Some(3),
        connect_token: Some(Secret::new("t")),
        supported_transports: vec![Transport::WebRtc, Transport::Relay],
        supported_topologies: vec![Topology::Mesh, Topology::Host, Topology::Relay],
        requested_capabilities: vec!["room_operation_ids".to_owned(), "other".to_owned()],
    };
    assert_eq!(accepted(text), ClientMessage::Authenticate(expected));
}

#[test]
fn connection_info_is_put_in_canonical_form() {
    for (given, canonical) in [
        (
            r#"{"port":7100,"host":"h","type":"direct","x":1}"#,
            r#"{"type":"direct","host":"h","port":7100}"#,
        ),
        (
            r#"{"type":"relay","host":"h","port":1,"allocation_id":"a","token":"t"}"#,
            r#"{"type":"relay","host":"h","port":1,"transport":"auto","allocation_id":"a","token":"t"}"#,
        ),
        (
            r#"{"type":"relay","host":"h","port":1,"transport":"udp","allocation_id":"a","token":"t","client_id":9}"#,
            r#"{"type":"relay","host":"h","port":1,"transport":"udp","allocation_id":"a","token":"t","client_id":9}"#,
        ),
        (
            r#"{"type":"unity_relay","allocation_id":"a","connection_data":"c","key":"k"}"#,
            r#"{"type":"unity_relay","allocation_id":"a","connection_data":"c","key":"k"}"#,
        ),
        (
            r#"{"type":"webrtc","ice_candidates":["\u0061"]}"#,
            r#"{"type":"webrtc","sdp":null,"ice_candidates":["a"]}"#,
        ),
        (
            r#"{"type":"custom","data":{"z":[1e2, null],"a":"\u0061","z":1}}"#,
            r#"{"type":"custom","data":{"a":"a","z":1}}"#,
        ),
        (r#"{"type":"custom","data":null}"#, r#"{"type":"custom","data":null}"#),
    ] {
        let text = format!(r#"{{"type":"ProvideConnectionInfo","data":{{"connection_info":{given}}}}}"#);
        let ClientMessage::ProvideConnectionInfo(info) = accepted(&text) else {
            panic!("{text}")
        };
        assert_eq!(info.to_json(), canonical);
    }
    for given in [
        "null",
        "[]",
        "\"direct\"",
        r#"["direct",{"host":"h","port":1}]"#,
        r#"{"host":"h","port":1}"#,
        r#"{"type":"tcp","host":"h","port":1}"#,
        r#"{"type":"direct","host":"h","port":65536}"#,
        r#"{"type":"direct","type":"direct","host":"h","port":1}"#,
        r#"{"type":"direct","host":"h","host":"h","port":1}"#,
        r#"{"type":"webrtc","sdp":null}"#,
        r#"{"type":"custom"}"#,
    ] {
        assert_refused(&format!(
            r#"{{"type":"ProvideConnectionInfo","data":{{"connection_info":{given}}}}}"#
        ));
    }
}

#[test]
fn signals_keep_their_body_byte_for_byte() {
    let text =
        format!(r#"{{"type":"Signal","data":{{"to":"{UUID}","generation":"{UUID}","signal": {{"Offer" : 1.0}} }}}}"#);
    let ClientMessage::Signal(signal) = accepted(&text) else {
        panic!("{text}")
    };
    assert_eq!(signal.signal, r#"{"Offer" : 1.0}"#);
    assert_eq!(signal.to.to_string(), UUID);
    assert_eq!(signal.generation.to_string(), UUID);
}

#[test]
fn room_operations_follow_the_envelope_rules() {
    let with = |id: &str, operation: &str| {
        format!(r#"{{"type":"RoomOperation","data":{{"operation_id":"{id}","operation":{operation}}}}}"#)
    };
    let player_id: PlayerId = serde_json::from_str(&format!("\"{UUID}\"")).expect("a uuid");
    let target = format!(r#"{{"player_id":"{UUID}"}}"#);
    for (operation, expected) in [
        (r#"{"type":"LeaveRoom"}"#.to_owned(), RoomRequest::LeaveRoom),
        (
            r#"{"data":null,"type":"LeaveSpectator"}"#.to_owned(),
            RoomRequest::LeaveSpectator,
        ),
        (
            r#"{"type":"RegenerateRoomCode","x":1}"#.to_owned(),
            RoomRequest::RegenerateRoomCode,
        ),
        (
            format!(r#"{{"type":"KickPlayer","data":{target}}}"#),
            RoomRequest::KickPlayer { player_id },
        ),
        (
            format!(r#"{{"data":{target},"type":"BanPlayer"}}"#),
            RoomRequest::BanPlayer { player_id },
        ),
        (
            format!(r#"{{"type":"UnbanPlayer","data":{target}}}"#),
            RoomRequest::UnbanPlayer { player_id },
        ),
        (
            format!(r#"{{"type":"TransferAuthority","data":{target}}}"#),
            RoomRequest::TransferAuthority { player_id },
        ),
        (
            r#"{"type":"SetRoomAccess","data":{}}"#.to_owned(),
            RoomRequest::SetRoomAccess { password: None },
        ),
        (
            r#"{"type":"SetRoomAccess","data":{"password":"p"}}"#.to_owned(),
            RoomRequest::SetRoomAccess {
                password: Some(Secret::new("p")),
            },
        ),
    ] {
        let text = with(UUID, &operation);
        let ClientMessage::RoomOperation(RoomOperation { operation_id, request }) = accepted(&text) else {
            panic!("{text}")
        };
        assert_eq!(operation_id.to_string(), UUID);
        assert_eq!(request, expected);
    }
    for id in [
        "",
        "5B1E7F0C-6A63-4D0E-9A55-0F7E2D6C9B11",
        "5b1e7f0c6a634d0e9a550f7e2d6c9b11",
        "{5b1e7f0c-6a63-4d0e-9a55-0f7e2d6c9b11}",
    ] {
        assert_refused(&with(id, r#"{"type":"LeaveRoom"}"#));
    }
    for operation in [
        "null",
        r#"["LeaveRoom",null]"#,
        r#"{"type":"LeaveRoom","data":{}}"#,
        r#"{"type":"Ping"}"#,
        r#"{"type":"GameData","data":{"data":1}}"#,
        r#"{"type":"SetRoomAccess"}"#,
        r#"{"type":"KickPlayer"}"#,
        r#"{"type":"LeaveRoom","type":"LeaveRoom"}"#,
    ] {
        assert_refused(&with(UUID, operation));
    }
}

#[test]
fn debug_prints_no_secret() {
    for text in [
        r#"{"type":"JoinRoom","data":{"game_name":"g","player_name":"A","password":"hunter2"}}"#.to_owned(),
        r#"{"type":"Authenticate","data":{"app_id":"a","connect_token":"hunter2"}}"#.to_owned(),
        format!(r#"{{"type":"Reconnect","data":{{"player_id":"{UUID}","room_id":"{UUID}","auth_token":"hunter2"}}}}"#),
        concat!(
            r#"{"type":"ProvideConnectionInfo","data":{"connection_info":"#,
            r#"{"type":"relay","host":"h","port":1,"allocation_id":"a","token":"hunter2"}}}"#
        )
        .to_owned(),
    ] {
        let printed = format!("{:?}", accepted(&text));
        assert!(!printed.contains("hunter2"), "{printed}");
    }
}
