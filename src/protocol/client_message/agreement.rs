//! Agreement with serde's own adjacently tagged enum, on generated frames.

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::*;
use crate::protocol::{DeliveryClass, PlanId, PlayerId, RelayTransport, Secret};

/// The client messages as serde reads them: an adjacently tagged enum over a tree.
#[derive(Deserialize)]
#[serde(tag = "type", content = "data")]
enum Reference {
    Authenticate(Authenticate),
    JoinRoom(JoinRoom),
    LeaveRoom,
    PlayerReady,
    StartGame,
    AuthorityRequest {
        become_authority: bool,
    },
    ProvideConnectionInfo {
        connection_info: ReferenceInfo,
    },
    GameData(ReferenceGameData),
    Ping,
    Reconnect(Reconnect),
    JoinAsSpectator(JoinAsSpectator),
    LeaveSpectator,
    Signal {
        to: PlayerId,
        generation: PlanId,
        signal: Value,
    },
    TransportStatus(TransportStatus),
    RoomOperation {
        operation_id: OperationId,
        operation: ReferenceRequest,
    },
}

#[derive(Deserialize)]
#[serde(tag = "type", content = "data")]
enum ReferenceRequest {
    JoinRoom(JoinRoom),
    LeaveRoom,
    Reconnect(Reconnect),
    JoinAsSpectator(JoinAsSpectator),
    LeaveSpectator,
    KickPlayer { player_id: PlayerId },
    BanPlayer { player_id: PlayerId },
    UnbanPlayer { player_id: PlayerId },
    SetRoomAccess { password: Option<Secret> },
    RegenerateRoomCode,
    TransferAuthority { player_id: PlayerId },
}

#[derive(Deserialize)]
struct ReferenceGameData {
    data: Value,
    #[serde(default, deserialize_with = "present")]
    class: Option<DeliveryClass>,
    #[serde(default, deserialize_with = "present")]
    key: Option<u32>,
}

fn present<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

#[derive(Deserialize, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ReferenceInfo {
    Direct {
        host: String,
        port: u16,
    },
    UnityRelay {
        allocation_id: String,
        connection_data: String,
        key: String,
    },
    Relay {
        host: String,
        port: u16,
        #[serde(default, deserialize_with = "payload::null_as_default")]
        transport: RelayTransport,
        allocation_id: String,
        token: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        client_id: Option<u16>,
    },
    #[serde(rename = "webrtc")]
    WebRtc {
        sdp: Option<String>,
        ice_candidates: Vec<String>,
    },
    Custom {
        data: Value,
    },
}

/// What serde makes of a frame, leaving out two liberties of its decoders that the protocol does not grant: an array in
/// the place of an object, and a map in the place of a tag.
fn by_serde(text: &str) -> Option<Reference> {
    let frame: Value = serde_json::from_str(text).ok()?;
    let payload = frame.get("data").unwrap_or(&Value::Null);
    let inner = payload
        .get("connection_info")
        .or_else(|| payload.get("operation"))
        .unwrap_or(&Value::Null);
    let inner_data = inner
        .get("data")
        .filter(|_| payload.get("operation").is_some())
        .unwrap_or(&Value::Null);
    let is_tagged = |value: &Value| value.is_null() || value.get("type").is_some_and(Value::is_string);
    if !is_tagged(&frame) || [&frame, payload, inner, inner_data].into_iter().any(Value::is_array) {
        return None;
    }
    let message = serde_json::from_str(text).ok()?;
    match message {
        Reference::ProvideConnectionInfo { .. } | Reference::RoomOperation { .. } if !is_tagged(inner) => None,
        _ => Some(message),
    }
}

fn tree(raw: &str) -> Value {
    serde_json::from_str(raw).expect("what the parser hands out is valid JSON")
}

#[track_caller]
fn assert_agrees_with_serde(text: &str) {
    let (Ok(ours), Some(theirs)) = (parse(text), by_serde(text)) else {
        assert_eq!(parse(text).is_ok(), by_serde(text).is_some(), "{text}");
        return;
    };
    let equal = match (&ours, &theirs) {
        (ClientMessage::Authenticate(a), Reference::Authenticate(b)) => a == b,
        (ClientMessage::JoinRoom(a), Reference::JoinRoom(b)) => a == b,
        (ClientMessage::Reconnect(a), Reference::Reconnect(b)) => a == b,
        (ClientMessage::JoinAsSpectator(a), Reference::JoinAsSpectator(b)) => a == b,
        (ClientMessage::TransportStatus(a), Reference::TransportStatus(b)) => a == b,
        (
            ClientMessage::AuthorityRequest { become_authority: a },
            Reference::AuthorityRequest { become_authority: b },
        ) => a == b,
        (ClientMessage::GameData(a), Reference::GameData(b)) => {
            (tree(a.payload), a.class, a.key) == (b.data.clone(), b.class, b.key)
        }
        (ClientMessage::Signal(a), Reference::Signal { to, generation, signal }) => {
            (a.to, a.generation, tree(a.signal)) == (*to, *generation, signal.clone())
        }
        (ClientMessage::ProvideConnectionInfo(a), Reference::ProvideConnectionInfo { connection_info: b }) => {
            a.to_json() == serde_json::to_string(b).expect("infos serialise")
        }
        (
            ClientMessage::RoomOperation(a),
            Reference::RoomOperation {
                operation_id,
                operation,
            },
        ) => a.operation_id == *operation_id && same_request(&a.request, operation),
        (ClientMessage::LeaveRoom, Reference::LeaveRoom)
        | (ClientMessage::PlayerReady, Reference::PlayerReady)
        | (ClientMessage::StartGame, Reference::StartGame)
        | (ClientMessage::Ping, Reference::Ping)
        | (ClientMessage::LeaveSpectator, Reference::LeaveSpectator) => true,
        _ => false,
    };
    assert!(equal, "{text}: {ours:?}");
}

fn same_request(ours: &RoomRequest, theirs: &ReferenceRequest) -> bool {
    match (ours, theirs) {
        (RoomRequest::JoinRoom(a), ReferenceRequest::JoinRoom(b)) => a == b,
        (RoomRequest::Reconnect(a), ReferenceRequest::Reconnect(b)) => a == b,
        (RoomRequest::JoinAsSpectator(a), ReferenceRequest::JoinAsSpectator(b)) => a == b,
        (RoomRequest::KickPlayer { player_id: a }, ReferenceRequest::KickPlayer { player_id: b })
        | (RoomRequest::BanPlayer { player_id: a }, ReferenceRequest::BanPlayer { player_id: b })
        | (RoomRequest::UnbanPlayer { player_id: a }, ReferenceRequest::UnbanPlayer { player_id: b })
        | (RoomRequest::TransferAuthority { player_id: a }, ReferenceRequest::TransferAuthority { player_id: b }) => {
            a == b
        }
        (RoomRequest::SetRoomAccess { password: a }, ReferenceRequest::SetRoomAccess { password: b }) => a == b,
        (RoomRequest::LeaveRoom, ReferenceRequest::LeaveRoom)
        | (RoomRequest::LeaveSpectator, ReferenceRequest::LeaveSpectator)
        | (RoomRequest::RegenerateRoomCode, ReferenceRequest::RegenerateRoomCode) => true,
        _ => false,
    }
}

/// The members of an object, as JSON text.
type Members = Vec<(String, String)>;

fn members(pairs: &[(&str, &str)]) -> Members {
    pairs
        .iter()
        .map(|&(name, value)| (format!("\"{name}\""), value.to_owned()))
        .collect()
}

const ID: &str = "\"5b1e7f0c-6a63-4d0e-9a55-0f7e2d6c9b11\"";

/// Each tag with the members of a payload that makes it valid.
fn templates() -> Vec<(&'static str, Members)> {
    let join = [
        ("game_name", "\"g\""),
        ("player_name", "\"A\""),
        ("room_code", "\"K7QW2M\""),
        ("max_players", "4"),
    ];
    let rejoin = [("player_id", ID), ("room_id", ID), ("auth_token", "\"t\"")];
    let watch = [
        ("game_name", "\"g\""),
        ("room_code", "\"K7QW2M\""),
        ("spectator_name", "\"K\""),
    ];
    vec![
        (
            "Authenticate",
            members(&[
                ("app_id", "\"a\""),
                ("protocol_version", "3"),
                ("game_data_format", "\"rkyv\""),
            ]),
        ),
        ("JoinRoom", members(&join)),
        ("AuthorityRequest", members(&[("become_authority", "true")])),
        (
            "GameData",
            members(&[("data", "{\"op\":[1,\"é\"]}"), ("class", "\"latest\""), ("key", "7")]),
        ),
        ("GameData", members(&[("data", "[1.5e3,null]")])),
        ("Reconnect", members(&rejoin)),
        ("JoinAsSpectator", members(&watch)),
        (
            "Signal",
            members(&[("to", ID), ("generation", ID), ("signal", "{\"Offer\":\"v=0\"}")]),
        ),
        (
            "TransportStatus",
            members(&[("transport", "\"webrtc\""), ("connected", "true")]),
        ),
    ]
}

fn nested_templates() -> Vec<(&'static str, &'static str, Members, Members)> {
    let info = |pairs: &[(&str, &str)]| {
        (
            "ProvideConnectionInfo",
            "connection_info",
            members(pairs),
            Members::new(),
        )
    };
    let operation = |tag: &str, payload: &[(&str, &str)]| {
        let tag = format!("\"{tag}\"");
        (
            "RoomOperation",
            "operation",
            members(&[("type", &tag)]),
            members(payload),
        )
    };
    vec![
        info(&[("type", "\"direct\""), ("host", "\"h\""), ("port", "1")]),
        info(&[
            ("type", "\"relay\""),
            ("host", "\"h\""),
            ("port", "1"),
            ("allocation_id", "\"a\""),
            ("token", "\"t\""),
        ]),
        info(&[("type", "\"webrtc\""), ("sdp", "null"), ("ice_candidates", "[\"c\"]")]),
        info(&[("type", "\"custom\""), ("data", "{\"b\":1e2,\"a\":[]}")]),
        operation("KickPlayer", &[("player_id", ID)]),
        operation("SetRoomAccess", &[("password", "\"p\"")]),
        operation("JoinRoom", &[("game_name", "\"g\""), ("player_name", "\"A\"")]),
        operation(
            "Reconnect",
            &[("player_id", ID), ("room_id", ID), ("auth_token", "\"t\"")],
        ),
    ]
}

/// One change to the members of an object.
#[derive(Debug, Clone)]
enum Edit {
    Remove(prop::sample::Index),
    Repeat(prop::sample::Index),
    Swap(prop::sample::Index, prop::sample::Index),
    Revalue(prop::sample::Index, String),
    Add(prop::sample::Index, String, String),
}

fn edits(most: usize) -> impl Strategy<Value = Vec<Edit>> {
    let index = any::<prop::sample::Index>;
    let value = || {
        prop_oneof![
            2 => prop::sample::select(vec![
                "null", "true", "false", "0", "-0", "1", "2.0", "1e2", "256", "65536", "4294967296", "-1", "1e999", "{}", "[]", "[1]", "\"\"",
                "\"a\"", "\"latest\"", "\"l\\u0061test\"", "\"webrtc\"", "\"json\"", "\"\\ud800\"", "\"direct\"", "\"Ping\"", "{\"a\":1}",
                "{\"json\":null}", "[\"relay\"]", ID,
            ]).prop_map(str::to_owned),
            1 => any::<String>().prop_map(|text| Value::from(text).to_string()),
        ]
    };
    let key = prop::sample::select(vec![
        "type",
        "data",
        "typ\\u0065",
        "d\\u0061ta",
        "class",
        "key",
        "password",
        "join_only",
        "supports_authority",
        "relay_transport",
        "supported_transports",
        "supported_topologies",
        "requested_capabilities",
        "connect_token",
        "platform",
        "sdk_version",
        "transport",
        "client_id",
        "player_id",
        "unknown",
        "",
    ])
    .prop_map(|name| format!("\"{name}\""));
    let edit = prop_oneof![
        1 => index().prop_map(Edit::Remove),
        1 => index().prop_map(Edit::Repeat),
        2 => (index(), index()).prop_map(|(a, b)| Edit::Swap(a, b)),
        2 => (index(), value()).prop_map(|(place, value)| Edit::Revalue(place, value)),
        3 => (index(), key, value()).prop_map(|(place, key, value)| Edit::Add(place, key, value)),
    ];
    prop::collection::vec(edit, 0..=most)
}

fn object(mut members: Members, edits: &[Edit]) -> String {
    for edit in edits {
        let length = members.len();
        match edit {
            Edit::Add(place, key, value) => members.insert(place.index(length + 1), (key.clone(), value.clone())),
            _ if length == 0 => {}
            Edit::Remove(place) => drop(members.remove(place.index(length))),
            Edit::Repeat(place) => members.push(members[place.index(length)].clone()),
            Edit::Swap(a, b) => members.swap(a.index(length), b.index(length)),
            Edit::Revalue(place, value) => members[place.index(length)].1.clone_from(value),
        }
    }
    let members: Vec<_> = members
        .into_iter()
        .map(|(key, value)| format!("{key}:{value}"))
        .collect();
    format!("{{{}}}", members.join(","))
}

fn envelope_of(tag: &str, payload: String, edits: &[Edit]) -> String {
    object(
        vec![
            ("\"type\"".to_owned(), format!("\"{tag}\"")),
            ("\"data\"".to_owned(), payload),
        ],
        edits,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn edited_messages_are_read_as_serde_reads_them(
        (tag, payload) in prop::sample::select(templates()),
        inner in edits(3),
        outer in edits(1),
    ) {
        assert_agrees_with_serde(&envelope_of(tag, object(payload, &inner), &outer));
    }

    #[test]
    fn edited_nested_messages_are_read_as_serde_reads_them(
        (tag, member, mut nested, payload) in prop::sample::select(nested_templates()),
        innermost in edits(2),
        inner in edits(2),
        outer in edits(1),
    ) {
        let mut middle = Members::new();
        if member == "operation" {
            nested.push(("\"data\"".to_owned(), object(payload, &innermost)));
            middle.push(("\"operation_id\"".to_owned(), ID.to_owned()));
        }
        middle.push((format!("\"{member}\""), object(nested, &inner)));
        assert_agrees_with_serde(&envelope_of(tag, object(middle, &[]), &outer));
    }

    #[test]
    fn messages_without_payload_are_read_as_serde_reads_them(
        tag in prop::sample::select(vec!["Ping", "LeaveRoom", "PlayerReady", "StartGame", "LeaveSpectator", "ping"]),
        outer in edits(3),
    ) {
        let members = vec![("\"type\"".to_owned(), format!("\"{tag}\""))];
        assert_agrees_with_serde(&object(members, &outer));
    }

    #[test]
    fn damaged_frames_are_read_as_serde_reads_them(
        (tag, payload) in prop::sample::select(templates()),
        damage in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select("{}[]:,\"\\ 0-.e\né".chars().collect::<Vec<_>>())), 1..3),
    ) {
        let mut characters: Vec<char> = envelope_of(tag, object(payload, &[]), &[]).chars().collect();
        for (place, character) in damage {
            let place = place.index(characters.len());
            characters[place] = character;
        }
        assert_agrees_with_serde(&characters.into_iter().collect::<String>());
    }
}
