use super::*;
use crate::protocol::{Stamp, WallTime};

const AL: PlayerId = PlayerId::from_bytes([0x11; 16]);

fn seen(message: &ServerMessage<'_>, version: ProtocolVersion) -> String {
    let mut out = Vec::new();
    message.write_json(version, &mut out);
    String::from_utf8(out).expect("JSON is UTF-8")
}

fn newcomer() -> ServerMessage<'static> {
    ServerMessage::PlayerJoined {
        player: PlayerInfo {
            id: AL,
            name: "Al",
            is_authority: false,
            is_ready: false,
            connected_at: WallTime { unix_nanos: 0 },
            connection_info: None,
            stamp: Stamp { epoch: 3, seq: 41 },
        },
    }
}

#[test]
fn a_version_2_receiver_sees_times_and_no_stamps() {
    assert_eq!(
        seen(&newcomer(), ProtocolVersion::V2),
        r#"{"type":"PlayerJoined","data":{"player":{"id":"11111111-1111-1111-1111-111111111111","name":"Al","is_authority":false,"is_ready":false,"connected_at":"1970-01-01T00:00:00.000000000Z"}}}"#
    );
    let left = ServerMessage::PlayerLeft {
        player_id: AL,
        last: Stamp { epoch: 3, seq: 41 },
    };
    assert_eq!(
        seen(&left, ProtocolVersion::V2),
        r#"{"type":"PlayerLeft","data":{"player_id":"11111111-1111-1111-1111-111111111111"}}"#
    );
}

#[test]
fn a_version_3_receiver_sees_stamps_and_no_times() {
    assert_eq!(
        seen(&newcomer(), ProtocolVersion::V3),
        r#"{"type":"PlayerJoined","data":{"player":{"id":"11111111-1111-1111-1111-111111111111","name":"Al","is_authority":false,"is_ready":false,"epoch":3,"seq":41}}}"#
    );
    let left = ServerMessage::PlayerLeft {
        player_id: AL,
        last: Stamp { epoch: 3, seq: 41 },
    };
    assert_eq!(
        seen(&left, ProtocolVersion::V3),
        r#"{"type":"PlayerLeft","data":{"player_id":"11111111-1111-1111-1111-111111111111","epoch":3,"final_seq":41}}"#
    );
}

#[test]
fn a_signal_is_passed_on_byte_for_byte() {
    let body = "[1.50,  {\"x\": null,\t\"x\":\"\\u00e9\\/\"}]";
    let signal: &RawValue = serde_json::from_str(body).expect("JSON");
    let generation = PlanId::from_bytes([0x33; 16]);
    let message = ServerMessage::Signal {
        from: AL,
        generation,
        signal,
    };
    let expected =
        format!(r#"{{"type":"Signal","data":{{"from":"{AL}","generation":"{generation}","signal":{body}}}}}"#);
    assert_eq!(seen(&message, ProtocolVersion::V3), expected);
}

#[test]
fn what_is_absent_is_omitted_or_null_as_the_protocol_says() {
    assert_eq!(seen(&ServerMessage::Pong, ProtocolVersion::V2), r#"{"type":"Pong"}"#);
    assert_eq!(
        seen(&ServerMessage::RoomLeft, ProtocolVersion::V2),
        r#"{"type":"RoomLeft"}"#
    );
    assert_eq!(
        seen(&ServerMessage::AuthorityResponse { refusal: None }, ProtocolVersion::V2),
        r#"{"type":"AuthorityResponse","data":{"granted":true,"reason":null}}"#
    );
    assert_eq!(
        seen(
            &ServerMessage::AuthorityChanged {
                authority_player: None,
                you_are_authority: false
            },
            ProtocolVersion::V2
        ),
        r#"{"type":"AuthorityChanged","data":{"authority_player":null,"you_are_authority":false}}"#
    );
}
