//! What is wrong with a frame that could not be read, and where: for whoever writes the client.
//!
//! Promises words that are short, plain and on one line whatever the frame holds, and that they never repeat a value: it may
//! be a secret. Looks at the frame a second time and builds nothing of it, so that it costs about what reading it does.

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::value::RawValue;

use super::payload::{AuthorityRequest, ProvideConnectionInfo, RawSignal};
use super::room_operation::{Access, RawOperation, Target};
use super::{Authenticate, JoinAsSpectator, JoinRoom, Reconnect, TransportStatus};
use crate::protocol::tokens::DeliveryClass;
use crate::protocol::visible::Excerpt;

/// What a kind of message carries: the judge says what is wrong with its data, if it finds it.
type Judge = fn(&str) -> Option<String>;

/// Every kind of message, and what judges its data; `None`: it has none.
const MESSAGES: &[(&str, Option<Judge>)] = &[
    ("Authenticate", Some(of_owned::<Authenticate>)),
    ("JoinRoom", Some(of_owned::<JoinRoom>)),
    ("LeaveRoom", None),
    ("PlayerReady", None),
    ("StartGame", None),
    ("AuthorityRequest", Some(of_owned::<AuthorityRequest>)),
    ("ProvideConnectionInfo", Some(connection_info)),
    ("GameData", Some(game_data)),
    ("Ping", None),
    ("Reconnect", Some(of_owned::<Reconnect>)),
    ("JoinAsSpectator", Some(of_owned::<JoinAsSpectator>)),
    ("LeaveSpectator", None),
    ("Signal", Some(signal)),
    ("TransportStatus", Some(of_owned::<TransportStatus>)),
    ("RoomOperation", Some(room_operation)),
];

/// The same for what a room operation carries.
const OPERATIONS: &[(&str, Option<Judge>)] = &[
    ("JoinRoom", Some(of_owned::<JoinRoom>)),
    ("LeaveRoom", None),
    ("Reconnect", Some(of_owned::<Reconnect>)),
    ("JoinAsSpectator", Some(of_owned::<JoinAsSpectator>)),
    ("LeaveSpectator", None),
    ("KickPlayer", Some(of_owned::<Target>)),
    ("BanPlayer", Some(of_owned::<Target>)),
    ("UnbanPlayer", Some(of_owned::<Target>)),
    ("SetRoomAccess", Some(of_owned::<Access>)),
    ("RegenerateRoomCode", None),
    ("TransferAuthority", Some(of_owned::<Target>)),
];

/// What is wrong with a frame that [`parse`](super::parse) has refused.
#[must_use]
#[cold]
pub fn explain(text: &str) -> String {
    if let Err(error) = serde_json::from_str::<IgnoredAny>(text) {
        return format!("not JSON at byte {}: {}", byte_of(text, &error), without_place(&error));
    }
    of_envelope(text, MESSAGES)
        .unwrap_or_else(|| "the message could not be read; see the protocol's list of messages".to_owned())
}

/// Where a fault is, counted from 1.
fn byte_of(text: &str, error: &serde_json::Error) -> usize {
    let lines_before = text.split_inclusive('\n').take(error.line().saturating_sub(1));
    lines_before.map(str::len).sum::<usize>() + error.column()
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    tag: &'a RawValue,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

fn of_envelope(text: &str, kinds: &[(&str, Option<Judge>)]) -> Option<String> {
    if !text.trim_start().starts_with('{') {
        return Some("a message is an object, like {\"type\":\"Ping\"}".to_owned());
    }
    let Envelope { tag, data } = match serde_json::from_str(text) {
        Ok(envelope) => envelope,
        Err(error) => return in_words("", &without_place(&error)),
    };
    let Ok(tag) = serde_json::from_str::<String>(tag.get()) else {
        return Some("`type` must be text".to_owned());
    };
    let Some((name, judge)) = kinds.iter().find(|(name, _)| *name == tag) else {
        let shown = Excerpt::<64>(tag.as_bytes());
        return Some(match nearest(&tag, kinds) {
            Some(nearest) => format!("unknown type `{shown}`, nearest `{nearest}`"),
            None => format!("unknown type `{shown}`; see the protocol's list of messages"),
        });
    };
    match (judge, data) {
        (None, None) => None,
        (None, Some(_)) => Some(format!("`{name}` takes no `data`: leave it out")),
        (Some(judge), Some(data)) if data.get().starts_with('{') => judge(data.get()),
        (Some(_), _) => Some(format!("`{name}` needs `data`, an object")),
    }
}

/// The kind whose name is most like this one, if one is.
fn nearest<'k>(tag: &str, kinds: &[(&'k str, Option<Judge>)]) -> Option<&'k str> {
    const LONGEST: usize = 32;
    if tag.len() > LONGEST {
        return None;
    }
    let tag = tag.to_lowercase();
    let alike = kinds.iter().filter_map(|(name, _)| {
        let known = name.to_lowercase();
        let distance = strsim::damerau_levenshtein(&tag, &known);
        let is_part = tag.len() >= 4 && (known.starts_with(&tag) || tag.starts_with(&known));
        (is_part || distance <= known.len() / 3).then_some((distance, *name))
    });
    alike.min().map(|(_, name)| name)
}

/// What is wrong with data that must have the fields of `T`, which borrows nothing.
fn of_owned<T: DeserializeOwned>(data: &str) -> Option<String> {
    of_type::<T>(data)
}

fn of_type<'a, T: Deserialize<'a>>(data: &'a str) -> Option<String> {
    let mut deserializer = serde_json::Deserializer::from_str(data);
    let error = serde_path_to_error::deserialize::<_, T>(&mut deserializer).err()?;
    let path = error.path().to_string();
    in_words(if path == "." { "" } else { &path }, &without_place(error.inner()))
}

fn connection_info(data: &str) -> Option<String> {
    of_type::<ProvideConnectionInfo<'_>>(data).or_else(|| {
        Some("`connection_info` must be an object whose `type` is a kind of the protocol's, with the fields of that kind".into())
    })
}

fn signal(data: &str) -> Option<String> {
    of_type::<RawSignal<'_>>(data)
}

fn room_operation(data: &str) -> Option<String> {
    of_type::<RawOperation<'_>>(data).or_else(|| {
        let RawOperation { operation, .. } = serde_json::from_str(data).ok()?;
        of_envelope(operation.get(), OPERATIONS).map(|fault| format!("in `operation`: {fault}"))
    })
}

#[derive(Deserialize)]
struct GameData<'a> {
    #[serde(rename = "data")]
    _data: IgnoredAny,
    #[serde(borrow)]
    class: Option<&'a RawValue>,
    #[serde(borrow)]
    key: Option<&'a RawValue>,
}

fn game_data(data: &str) -> Option<String> {
    of_type::<GameData<'_>>(data).or_else(|| {
        let GameData { class, key, .. } = serde_json::from_str(data).ok()?;
        let is_class = |raw: &RawValue| {
            serde_json::from_str::<String>(raw.get()).is_ok_and(|token| DeliveryClass::from_token(&token).is_some())
        };
        Some(if class.is_some_and(|class| !is_class(class)) {
            "`class` must be one of `reliable`, `latest`, `volatile`".to_owned()
        } else if key.is_some_and(|key| key.get().parse::<u32>().is_err()) {
            "`key` must be a whole number from 0 to 4294967295".to_owned()
        } else {
            "`class` and `key` must not be null: leave out what is not meant".to_owned()
        })
    })
}

fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rfind(" at line ")
        .map_or(text.clone(), |end| text[..end].to_owned())
}

/// What a message of the decoder says, without any value in it.
fn in_words(path: &str, message: &str) -> Option<String> {
    let field = |quoted: &str| {
        let name = quoted.trim_matches('`');
        if path.is_empty() {
            format!("`{name}`")
        } else {
            format!("`{path}.{name}`")
        }
    };
    if let Some(name) = message.strip_prefix("missing field ") {
        return Some(format!("{} is missing", field(name)));
    }
    if let Some(name) = message.strip_prefix("duplicate field ") {
        return Some(format!("{} is given twice", field(name)));
    }
    if path.is_empty() {
        return None;
    }
    let expected = message.rsplit_once(", expected ").map(|(_, expected)| expected);
    let must_be = match expected {
        Some("u8") => "a whole number from 0 to 255",
        Some("u16") => "a whole number from 0 to 65535",
        Some("u32") => "a whole number from 0 to 4294967295",
        Some("u64") => "a whole number",
        Some("a string") => "text",
        Some("a boolean") => "true or false",
        Some("a sequence") => "a list",
        Some(other) if !other.contains('"') => other,
        _ if message.to_lowercase().contains("uuid") => "a UUID",
        _ => "something else",
    };
    Some(format!("`{path}` must be {must_be}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::parse;
    use super::*;

    #[test]
    fn the_place_is_told() {
        for (text, told) in [
            (r#"{"type":"Ping",,}"#, "not JSON at byte 16: key must be a string"),
            (
                "{\n\"type\":\n\"Ping\"",
                "not JSON at byte 16: EOF while parsing an object",
            ),
            ("", "not JSON at byte 0: EOF while parsing a value"),
            ("[1]", "a message is an object, like {\"type\":\"Ping\"}"),
            (r#"{"data":{}}"#, "`type` is missing"),
            (r#"{"type":"Ping","type":"Ping"}"#, "`type` is given twice"),
            (r#"{"type":7}"#, "`type` must be text"),
            (
                r#"{"type":"Join","data":{}}"#,
                "unknown type `Join`, nearest `JoinRoom`",
            ),
            (r#"{"type":"joinroom"}"#, "unknown type `joinroom`, nearest `JoinRoom`"),
            (
                "{\"type\":\"Teleport\\n\u{202e}\"}",
                r"unknown type `Teleport\n\u{202e}`; see the protocol's list of messages",
            ),
            (r#"{"type":"JoinRoom"}"#, "`JoinRoom` needs `data`, an object"),
            (r#"{"type":"JoinRoom","data":[]}"#, "`JoinRoom` needs `data`, an object"),
            (r#"{"type":"Ping","data":{}}"#, "`Ping` takes no `data`: leave it out"),
            (
                r#"{"type":"JoinRoom","data":{"game_name":"g"}}"#,
                "`player_name` is missing",
            ),
            (
                r#"{"type":"JoinRoom","data":{"game_name":"g","player_name":"p","max_players":"MARKED"}}"#,
                "`max_players` must be a whole number from 0 to 255",
            ),
            (
                r#"{"type":"JoinRoom","data":{"game_name":"g","player_name":"p","max_players":300}}"#,
                "`max_players` must be a whole number from 0 to 255",
            ),
            (
                r#"{"type":"JoinRoom","data":{"game_name":"g","player_name":"p","password":{"a":"MARKED"}}}"#,
                "`password` must be text",
            ),
            (
                r#"{"type":"Authenticate","data":{"app_id":"a","supported_transports":["relay","MARKED"]}}"#,
                "`supported_transports[1]` must be one of `relay`, `direct`, `webrtc`",
            ),
            (
                r#"{"type":"Reconnect","data":{"player_id":"MARKED","room_id":"","auth_token":""}}"#,
                "`player_id` must be a UUID",
            ),
            (
                r#"{"type":"GameData","data":{"data":1,"class":"MARKED"}}"#,
                "`class` must be one of `reliable`, `latest`, `volatile`",
            ),
            (
                r#"{"type":"GameData","data":{"data":1,"key":-1}}"#,
                "`key` must be a whole number from 0 to 4294967295",
            ),
            (
                r#"{"type":"GameData","data":{"data":1,"key":null}}"#,
                "`class` and `key` must not be null: leave out what is not meant",
            ),
            (r#"{"type":"GameData","data":{}}"#, "`data` is missing"),
            (
                r#"{"type":"RoomOperation","data":{"operation_id":"MARKED","operation":{}}}"#,
                "`operation_id` must be a lower-case hyphenated uuid",
            ),
            (
                r#"{"type":"RoomOperation","data":{"operation_id":"00000000-0000-4000-8000-000000000000","operation":{"type":"Kick"}}}"#,
                "in `operation`: unknown type `Kick`, nearest `KickPlayer`",
            ),
        ] {
            assert!(parse(text).is_err(), "{text}");
            assert_eq!(explain(text), told, "{text}");
        }
    }

    #[test]
    fn the_kinds_are_those_that_are_read() {
        for (name, judge) in MESSAGES {
            let data = if judge.is_some() { r#","data":{}"# } else { "" };
            let text = format!(r#"{{"type":"{name}"{data}}}"#);
            match parse(&text) {
                Ok(_) => {}
                Err(_) => assert!(!explain(&text).contains("unknown"), "{text}"),
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_is_refused_is_explained_in_one_short_line(
            text in r#"(\{"type":"(JoinRoom|GameData|Ping|Signal|[A-Za-z]{1,9})","data":)?[\[\]{}:,"\\\n0-9a-zé\u{202e}]{0,200}\}?"#
        ) {
            if parse(&text).is_err() {
                let told = explain(&text);
                prop_assert!(told.len() < 600 && !told.chars().any(char::is_control), "{}", told);
            }
        }
    }
}
