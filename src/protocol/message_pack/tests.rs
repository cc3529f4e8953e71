use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal"))
        .collect()
}

fn envelope(sender: &str, encoding: GameDataFormat, payload: &[u8], stamp: Option<Stamp>) -> Vec<u8> {
    let sender = serde_json::from_str(&format!("\"{sender}\"")).expect("a uuid");
    let mut out = Vec::new();
    write_envelope(&mut out, sender, encoding, payload, stamp);
    out
}

fn json(payload: &str) -> Result<String, NotJson> {
    let mut out = Vec::new();
    to_json(&hex(payload), &mut out)?;
    Ok(String::from_utf8(out).expect("JSON is UTF-8"))
}

#[test]
fn the_envelope_of_v2_is_exact() {
    let payload = hex("82a26f70a46d6f7665a17807");
    let frame = envelope(
        "3ee46824-d0bf-4517-a2e1-df9ee4ef41ee",
        GameDataFormat::MessagePack,
        &payload,
        None,
    );
    assert_eq!(
        frame,
        hex(concat!(
            "83ab66726f6d5f706c61796572c4103ee46824d0bf4517a2e1df9ee4ef41eea8656e636f64696e67ac6d6573736167655f",
            "7061636ba77061796c6f6164c40c82a26f70a46d6f7665a17807"
        ))
    );
}

#[test]
fn the_envelope_of_v3_appends_the_stamp() {
    let stamp = Stamp { epoch: 1, seq: 4 };
    let frame = envelope(
        "11111111-1111-4111-8111-111111111111",
        GameDataFormat::MessagePack,
        &hex("81a17801"),
        Some(stamp),
    );
    assert_eq!(
        frame,
        hex(concat!(
            "85ab66726f6d5f706c61796572c41011111111111141118111111111111111a8656e636f64696e67ac6d6573736167655f",
            "7061636ba77061796c6f6164c40481a17801a373657104a565706f636801"
        ))
    );
}

#[test]
fn payload_and_stamp_take_their_shortest_form() {
    for (length, header) in [
        (0, &[0xc4, 0][..]),
        (255, &[0xc4, 255]),
        (256, &[0xc5, 1, 0]),
        (65_535, &[0xc5, 255, 255]),
        (65_536, &[0xc6, 0, 1, 0, 0]),
    ] {
        let payload = vec![0xaa; length];
        let frame = envelope(
            "11111111-1111-4111-8111-111111111111",
            GameDataFormat::Rkyv,
            &payload,
            None,
        );
        let tail = &frame[frame.len() - length - header.len()..];
        assert_eq!(&tail[..header.len()], header, "{length} bytes");
        assert_eq!(&tail[header.len()..], payload, "{length} bytes");
    }
    let stamp = Stamp {
        epoch: u32::MAX,
        seq: u64::MAX,
    };
    let frame = envelope(
        "11111111-1111-4111-8111-111111111111",
        GameDataFormat::Protobuf,
        &[],
        Some(stamp),
    );
    assert!(frame.ends_with(&hex("a3736571cfffffffffffffffffa565706f6368ceffffffff")));
}

#[test]
fn payloads_become_json_as_the_protocol_says() {
    for (payload, expected) in [
        (
            "85a26f70a46d6f7665a17807a166cb3ff8000000000000a16ec0a16c920102",
            r#"{"f":1.5,"l":[1,2],"n":null,"op":"move","x":7}"#,
        ),
        ("cb7ff8000000000000", "null"),
        ("cb7ff0000000000000", "null"),
        ("cf8000000000000000", "9223372036854775808"),
        ("d38000000000000000", "-9223372036854775808"),
        ("fb", "-5"),
        ("a3737472", r#""str""#),
        ("92c3c2", "[true,false]"),
        ("82a17a01a16102", r#"{"a":2,"z":1}"#),
        ("ca3fc00000", "1.5"),
        ("ca3dcccccd", "0.10000000149011612"),
        ("cb8000000000000000", "-0.0"),
        ("0102", "1"),
        ("82a16101a16102", r#"{"a":2}"#),
        ("83a16101a16202a16103", r#"{"a":3,"b":2}"#),
        ("90", "[]"),
        ("80", "{}"),
        ("a3225c0a", r#""\"\\\n""#),
    ] {
        assert_eq!(json(payload).as_deref(), Ok(expected), "{payload}");
    }
}

#[test]
fn payloads_without_a_json_form_are_refused_and_write_nothing() {
    let too_deep = "91".repeat(129) + "c0";
    for (payload, reason) in [
        ("", NotJson::Truncated),
        ("9201", NotJson::Truncated),
        ("cd01", NotJson::Truncated),
        ("a3ab", NotJson::Truncated),
        ("dbffffffff", NotJson::Truncated),
        ("ddffffffff01", NotJson::Truncated),
        ("dfffffffffa16101", NotJson::Truncated),
        ("81a16bc1", NotJson::NoJsonForm),
        ("81a162c4020102", NotJson::NoJsonForm),
        ("d7ff0000000800000001", NotJson::NoJsonForm),
        ("d40578", NotJson::NoJsonForm),
        ("810102", NotJson::KeyNotString),
        ("81c0c0", NotJson::KeyNotString),
        ("8180c0", NotJson::KeyNotString),
        ("a2c328", NotJson::NotUtf8),
        ("81a1ff01", NotJson::NotUtf8),
        (&too_deep, NotJson::TooDeep),
    ] {
        let mut out = b"before".to_vec();
        assert_eq!(to_json(&hex(payload), &mut out), Err(reason), "{payload}");
        assert_eq!(out, b"before", "{payload}");
    }
}

#[test]
fn a_payload_may_open_128_containers() {
    let nested = "91".repeat(128);
    assert_eq!(
        json(&(nested.clone() + "c0")),
        Ok("[".repeat(128) + "null" + &"]".repeat(128))
    );
    assert_eq!(json(&(nested.clone() + "90")), Err(NotJson::TooDeep));
    assert_eq!(
        json(&("91".repeat(127) + "80")),
        Ok("[".repeat(127) + "{}" + &"]".repeat(127))
    );
    assert_eq!(json(&"91".repeat(60_000)), Err(NotJson::TooDeep));
}

/// What a tree decoder makes of a payload.
fn by_tree(payload: &[u8]) -> Option<String> {
    rmp_serde::from_slice::<Value>(payload)
        .ok()
        .map(|value| value.to_string())
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i8>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::btree_map("[a-d]{0,2}|.{0,40}", inner, 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn every_value_comes_out_as_serde_json_prints_it(value in values()) {
        let payload = rmp_serde::to_vec(&value).expect("values encode");
        let mut out = Vec::new();
        prop_assert_eq!(to_json(&payload, &mut out), Ok(()));
        prop_assert_eq!(String::from_utf8(out).expect("UTF-8"), value.to_string());
    }

    #[test]
    fn damaged_payloads_are_judged_as_a_tree_decoder_judges_them(
        value in values(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut payload = rmp_serde::to_vec(&value).expect("values encode");
        for (place, byte) in damage {
            let place = place.index(payload.len());
            payload[place] = byte;
        }
        payload.truncate(cut.index(payload.len() + 1));
        let mut out = Vec::new();
        let ours = to_json(&payload, &mut out).ok().map(|()| String::from_utf8(out).expect("UTF-8"));
        prop_assert_eq!(ours, by_tree(&payload));
    }

    #[test]
    fn any_bytes_are_judged_as_a_tree_decoder_judges_them(payload in prop::collection::vec(any::<u8>(), 0..64)) {
        let mut out = Vec::new();
        let ours = to_json(&payload, &mut out).ok().map(|()| String::from_utf8(out).expect("UTF-8"));
        prop_assert_eq!(ours, by_tree(&payload));
    }
}
