//! `docs/protocol.schema.json` against what is said in every script: the schema takes what the server reads and nothing else,
//! names all that the server says and nothing more, and holds nothing that no script shows. So do the examples of the
//! protocol's documents and the AsyncAPI document.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use jsonschema::Validator;
use serde_json::{Value, json};
use signal_fish_relay::protocol::{self, ErrorCode, ProtocolVersion};

use super::recording::{Recording, Said};
use super::{PureStage, config_of, play, scripts};

/// What the schema describes and no script shows, with the reason.
const NOT_SHOWN: &[(&str, &str)] = &[
    (
        "TokenBindingProof",
        "binding takes a key from the upgrade: tests/on_sockets/token_binding.rs",
    ),
    ("ServerTokenBindingChallenge", "the same"),
    ("RelayTransport=tcp", "one word of the list stands for all"),
    ("RelayTransport=websocket", "one word of the list stands for all"),
];

/// What the server reads and the schema does not take, or the other way round: what JSON Schema cannot say.
fn schema_cannot_say(text: &str) -> bool {
    // `4.0` where a whole number belongs; a member that occurs twice; other spellings of an id than the one that is written.
    text.contains(".0") || has_a_member_twice(text) || text.contains("urn:uuid") || text.contains("\"{")
}

fn document(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn schema() -> Value {
    serde_json::from_str(&document("docs/protocol.schema.json")).expect("the schema is JSON")
}

/// The validator of one definition.
fn validator(schema: &Value, name: &str) -> Validator {
    let schema = json!({"$ref": format!("#/$defs/{name}"), "$defs": schema["$defs"]});
    jsonschema::draft202012::new(&schema).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The schema with every object closed to members that it does not name.
fn closed(schema: &Value) -> Value {
    match schema {
        Value::Object(object) => {
            let mut object: serde_json::Map<_, _> =
                object.iter().map(|(key, value)| (key.clone(), closed(value))).collect();
            if object.get("type").is_some_and(|kind| kind == "object") {
                object.insert("additionalProperties".to_owned(), json!(false));
            }
            Value::Object(object)
        }
        Value::Array(items) => items.iter().map(closed).collect(),
        other => other.clone(),
    }
}

/// Everything that is said in every script.
fn all_said() -> Vec<(String, Said)> {
    let mut all = Vec::new();
    for script in scripts() {
        let config = config_of(&script);
        let newest = if config.protocol.max_protocol_version >= 3 {
            ProtocolVersion::V3
        } else {
            ProtocolVersion::V2
        };
        let mut stage = Recording::new(PureStage::new(&config, 1, 1), newest);
        play(&script, &mut stage).unwrap_or_else(|why| panic!("{why}"));
        all.extend(stage.said.into_iter().map(|said| (script.file.clone(), said)));
    }
    all
}

/// The parts of a schema that a value shows: definitions, their members, and words of closed lists.
fn shown(defs: &Value, place: &str, schema: &Value, value: &Value, seen: &mut BTreeSet<String>) {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/")) {
        seen.insert(name.to_owned());
        return shown(defs, name, &defs[name], value, seen);
    }
    if let (Some(_), Some(word)) = (schema["enum"].as_array(), value.as_str()) {
        seen.insert(format!("{place}={word}"));
    }
    for branch in ["oneOf", "anyOf"]
        .iter()
        .filter_map(|key| schema[*key].as_array())
        .flatten()
    {
        if fits(defs, branch, value) {
            shown(defs, place, branch, value, seen);
        }
    }
    if let (Some(members), Some(object)) = (schema["properties"].as_object(), value.as_object()) {
        for (key, member) in members {
            if let Some(value) = object.get(key) {
                let place = format!("{place}.{key}");
                seen.insert(place.clone());
                shown(defs, &place, member, value, seen);
            }
        }
    }
    for item in value.as_array().into_iter().flatten() {
        shown(defs, place, &schema["items"], item, seen);
    }
}

/// Whether a branch of a choice is the value's: by its tag, or because the value is not null.
fn fits(defs: &Value, branch: &Value, value: &Value) -> bool {
    let target = branch["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/"));
    let branch = target.map_or(branch, |name| &defs[name]);
    match &branch["properties"]["type"]["const"] {
        Value::Null => branch["type"] != "null" && !value.is_null(),
        tag => value["type"] == *tag,
    }
}

/// The same notation for everything that the schema describes.
fn described(place: &str, schema: &Value, found: &mut BTreeSet<String>) {
    for word in schema["enum"].as_array().into_iter().flatten() {
        found.insert(format!("{place}={}", word.as_str().expect("lists hold words")));
    }
    for branch in ["oneOf", "anyOf"]
        .iter()
        .filter_map(|key| schema[*key].as_array())
        .flatten()
    {
        described(place, branch, found);
    }
    for (key, member) in schema["properties"].as_object().into_iter().flatten() {
        // A payload that is never there.
        if member["type"] != "null" {
            let place = format!("{place}.{key}");
            found.insert(place.clone());
            described(&place, member, found);
        }
    }
    if !schema["items"].is_null() {
        described(place, &schema["items"], found);
    }
}

#[test]
fn the_schema_says_what_the_scripts_show_and_nothing_else() {
    let schema = schema();
    let defs = &schema["$defs"];
    let strict = closed(&schema);
    let by_client = validator(&schema, "ClientMessage");
    let by_server = [
        (ProtocolVersion::V2, "ServerMessageV2"),
        (ProtocolVersion::V3, "ServerMessageV3"),
    ]
    .map(|(version, name)| (version, name, validator(&strict, name)));
    let mut seen = BTreeSet::new();
    let (mut read, mut refused, mut told, mut wrong) = (0, 0, 0, Vec::new());
    for (file, said) in all_said() {
        match said {
            Said::ByClient(text) => {
                let is_read = protocol::parse(&text).is_ok();
                let value = serde_json::from_str::<Value>(&text).ok();
                let is_taken = value.as_ref().is_some_and(|value| by_client.is_valid(value));
                if is_read != is_taken && !schema_cannot_say(&text) {
                    wrong.push(format!(
                        "{file}: read by the server: {is_read}, taken by the schema: {is_taken}: {text}"
                    ));
                }
                if let (true, Some(value)) = (is_read, &value) {
                    read += 1;
                    shown(defs, "", &json!({"$ref": "#/$defs/ClientMessage"}), value, &mut seen);
                } else {
                    refused += 1;
                }
            }
            Said::ByServer(version, text) => {
                told += 1;
                let value: Value = serde_json::from_str(&text).expect("the server writes JSON");
                let (_, name, validator) = by_server.iter().find(|it| it.0 == version).expect("a known version");
                if let Err(error) = validator.validate(&value) {
                    wrong.push(format!("{file}: {name}: {error}: {text}"));
                }
                shown(defs, "", &json!({"$ref": format!("#/$defs/{name}")}), &value, &mut seen);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    let mut all = BTreeSet::new();
    for (name, definition) in defs.as_object().expect("definitions") {
        all.insert(name.clone());
        described(name, definition, &mut all);
    }
    let is_excused = |place: &str| {
        let is_so =
            |&(name, _): &(&str, &str)| place == name || place.strip_prefix(name).is_some_and(|it| it.starts_with('.'));
        // Which codes are ever sent is the index's matter.
        NOT_SHOWN.iter().any(is_so) || place.starts_with("ErrorCode=") || place == "ClientMessageV2"
    };
    let unmet: Vec<_> = all
        .iter()
        .filter(|place| !seen.contains(*place) && !is_excused(place))
        .collect();
    assert!(unmet.is_empty(), "no script shows {unmet:#?}");
    let stale: Vec<_> = NOT_SHOWN.iter().filter(|(name, _)| seen.contains(*name)).collect();
    assert!(stale.is_empty(), "a script does show {stale:?}");
    println!(
        "schema: {} definitions, {} members and words, {} of them shown; {told} messages of the server, {read} of clients, {refused} refused by both",
        defs.as_object().map_or(0, serde_json::Map::len),
        all.len(),
        all.iter().filter(|place| seen.contains(*place)).count(),
    );
}

#[test]
fn the_schema_lists_every_error_code() {
    let codes: Vec<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(schema()["$defs"]["ErrorCode"]["enum"], json!(codes));
}

#[test]
fn what_the_schema_should_refuse_is_refused() {
    let schema = schema();
    let by_client = validator(&schema, "ClientMessage");
    for text in [
        r#"{"type":"Ping","data":{}}"#,
        r#"{"type":"ping"}"#,
        r#"{"type":"GameData","data":{}}"#,
        r#"{"type":"GameData","data":{"data":1,"class":null}}"#,
        r#"{"type":"JoinRoom","data":{"game_name":"g"}}"#,
        r#"{"type":"RoomOperation","data":{"operation_id":"1","operation":{"type":"LeaveRoom"}}}"#,
    ] {
        assert!(
            !by_client.is_valid(&serde_json::from_str(text).expect("JSON")),
            "{text}"
        );
        assert!(protocol::parse(text).is_err(), "{text}");
    }
    let strict = validator(&closed(&schema), "ServerMessageV2");
    let newer = json!({"type": "PlayerLeft", "data": {"player_id": "5b1e7f0c-6a63-4d0e-9a55-0f7e2d6c9b11", "epoch": 1, "final_seq": 0}});
    assert!(!strict.is_valid(&newer));
    assert!(validator(&closed(&schema), "ServerMessageV3").is_valid(&newer));
}

/// The names of the messages in a union.
fn members(schema: &Value, union: &str) -> Vec<String> {
    let branches = schema["$defs"][union]["oneOf"].as_array().expect("a choice");
    let name = |branch: &Value| branch["$ref"].as_str().expect("of definitions")["#/$defs/".len()..].to_owned();
    branches.iter().map(name).collect()
}

/// A message without what differs from run to run: ids by the order in which they appear, codes, tokens, moments.
fn normal(value: &Value) -> Value {
    fn walk(key: &str, value: &Value, ids: &mut Vec<String>) -> Value {
        match value {
            Value::Object(object) => {
                let walked = |(key, value): (&String, &Value)| (key.clone(), walk(key, value, ids));
                Value::Object(object.iter().map(walked).collect())
            }
            Value::Array(items) => items.iter().map(|item| walk(key, item, ids)).collect(),
            Value::String(text) if uuid::Uuid::parse_str(text).is_ok() && key != "auth_token" => {
                let place = ids.iter().position(|id| id == text).unwrap_or_else(|| {
                    ids.push(text.clone());
                    ids.len() - 1
                });
                json!(format!("id {place}"))
            }
            _ if matches!(
                key,
                "room_code"
                    | "reconnection_token"
                    | "auth_token"
                    | "connected_at"
                    | "deadline_ms"
                    | "implementation_version"
                    | "username"
                    | "credential"
            ) && !value.is_null() =>
            {
                json!(key)
            }
            other => other.clone(),
        }
    }
    walk("", value, &mut Vec::new())
}

/// The definitions that a message of the documents stands for.
fn names_of(schema: &Value, unions: &[&str], value: &Value) -> Vec<String> {
    let names = unions.iter().flat_map(|union| members(schema, union));
    let fitting = names.filter(|name| schema["$defs"][name]["properties"]["type"]["const"] == value["type"]);
    let strict = closed(schema);
    fitting
        .filter(|name| validator(&strict, name).is_valid(value))
        .collect()
}

#[test]
fn every_message_has_an_example_that_a_script_shows() {
    let schema = schema();
    let defs = &schema["$defs"];
    let mut shown_in_scripts = BTreeSet::new();
    // Of each message the fullest that is said, then the shortest.
    let mut best: BTreeMap<String, (usize, usize, String)> = BTreeMap::new();
    for (_, said) in all_said() {
        let (union, text) = match said {
            Said::ByClient(text) if protocol::parse(&text).is_err() => continue,
            Said::ByClient(text) => ("ClientMessage", text),
            Said::ByServer(ProtocolVersion::V3, text) => ("ServerMessageV3", text),
            Said::ByServer(_, text) => ("ServerMessageV2", text),
        };
        let value: Value = serde_json::from_str(&text).expect("JSON was said");
        let mut seen = BTreeSet::new();
        shown(
            defs,
            "",
            &json!({"$ref": format!("#/$defs/{union}")}),
            &value,
            &mut seen,
        );
        let tag = |name: &String| defs[name]["properties"]["type"]["const"] == value["type"];
        for name in members(&schema, union).into_iter().filter(tag) {
            let rank = (usize::MAX - seen.len(), text.len(), text.clone());
            best.entry(name)
                .and_modify(|best| *best = rank.clone().min(best.clone()))
                .or_insert(rank);
        }
        shown_in_scripts.insert(normal(&value).to_string());
    }
    let mut missing: BTreeSet<_> = ["ClientMessage", "ServerMessageV2", "ServerMessageV3"]
        .iter()
        .flat_map(|union| members(&schema, union))
        .filter(|name| name != "ServerTokenBindingChallenge")
        .collect();
    for (path, unions) in [
        ("docs/protocol.md", ["ClientMessage", "ServerMessageV2"]),
        ("docs/protocol-v3.md", ["ClientMessage", "ServerMessageV3"]),
    ] {
        for example in document(path).split("\n```json\n").skip(1) {
            let (example, _) = example.split_once("\n```").expect("an example ends");
            let value: Value =
                serde_json::from_str(example).unwrap_or_else(|error| panic!("{path}: {error}: {example}"));
            assert!(
                shown_in_scripts.contains(&normal(&value).to_string()),
                "{path}: no script shows {example}"
            );
            for name in names_of(&schema, &unions, &value) {
                missing.remove(&name);
            }
        }
    }
    let missing: Vec<_> = missing
        .iter()
        .map(|name| format!("{name}, as in {}", best[name].2))
        .collect();
    assert!(missing.is_empty(), "without an example:\n{}", missing.join("\n"));
}

#[test]
fn the_asyncapi_document_names_the_same_messages() {
    let schema = schema();
    let api: Value = serde_json::from_str(&document("docs/asyncapi.json")).expect("JSON");
    let payload = |(_, message): (&String, &Value)| message["payload"]["schema"]["$ref"].as_str().map(str::to_owned);
    let messages = api["components"]["messages"].as_object().expect("messages");
    let named: BTreeSet<_> = messages.iter().filter_map(payload).collect();
    let defined: BTreeSet<_> = ["ClientMessage", "ServerMessageV2", "ServerMessageV3"]
        .iter()
        .flat_map(|union| members(&schema, union))
        .map(|name| format!("./protocol.schema.json#/$defs/{name}"))
        .collect();
    assert_eq!(named, defined);
    for (channel, unions) in [
        ("v2", ["ClientMessageV2", "ServerMessageV2"]),
        ("v3", ["ClientMessage", "ServerMessageV3"]),
    ] {
        let channel = api["channels"][channel]["messages"].as_object().expect("a channel");
        let of_channel: BTreeSet<_> = channel
            .keys()
            .filter(|name| !name.ends_with("Binary"))
            .cloned()
            .collect();
        let defined: BTreeSet<_> = unions.iter().flat_map(|union| members(&schema, union)).collect();
        assert_eq!(of_channel, defined);
    }
}

/// Whether some object in the text has a member twice.
fn has_a_member_twice(text: &str) -> bool {
    struct Once;
    impl<'de> serde::de::DeserializeSeed<'de> for Once {
        type Value = bool;
        fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
            deserializer.deserialize_any(self)
        }
    }
    impl<'de> serde::de::Visitor<'de> for Once {
        type Value = bool;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("JSON")
        }
        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
            let (mut keys, mut twice) = (BTreeSet::new(), false);
            while let Some(key) = map.next_key::<String>()? {
                twice |= !keys.insert(key);
                twice |= map.next_value_seed(Once)?;
            }
            Ok(twice)
        }
        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<bool, A::Error> {
            let mut twice = false;
            while let Some(inner) = seq.next_element_seed(Once)? {
                twice |= inner;
            }
            Ok(twice)
        }
        fn visit_unit<E>(self) -> Result<bool, E> {
            Ok(false)
        }
        fn visit_bool<E>(self, _: bool) -> Result<bool, E> {
            Ok(false)
        }
        fn visit_i64<E>(self, _: i64) -> Result<bool, E> {
            Ok(false)
        }
        fn visit_u64<E>(self, _: u64) -> Result<bool, E> {
            Ok(false)
        }
        fn visit_f64<E>(self, _: f64) -> Result<bool, E> {
            Ok(false)
        }
        fn visit_str<E>(self, _: &str) -> Result<bool, E> {
            Ok(false)
        }
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    serde::de::DeserializeSeed::deserialize(Once, &mut deserializer).unwrap_or(false)
}
