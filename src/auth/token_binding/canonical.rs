//! The canonical form of JSON: one text for one meaning, so that both ends sign the same bytes.
//!
//! No white space, members in the order of their names' UTF-16 code units, the shortest escapes, and only numbers that
//! every language reads alike: whole ones up to 2⁵³ − 1. What has no such form is no message of a bound connection.

use std::borrow::Cow;
use std::fmt;
use std::io::Write;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// The largest whole number that a double holds exactly with all before it.
const MAX_INTEGER: u64 = (1 << 53) - 1;

/// JSON that has a canonical form. Members are in its order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Json<'a> {
    Null,
    Bool(bool),
    Integer(i64),
    String(Cow<'a, str>),
    Array(Vec<Json<'a>>),
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

impl<'a> Json<'a> {
    /// Reads a text. `None`: it is no JSON, or has no canonical form.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The members of an object.
    pub(super) const fn members_mut(&mut self) -> Option<&mut Vec<(Cow<'a, str>, Self)>> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// A member of an object.
    pub(super) fn member(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members
                .iter()
                .find(|(member, _)| member == name)
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// Appends the canonical form.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(true) => out.extend_from_slice(b"true"),
            Self::Bool(false) => out.extend_from_slice(b"false"),
            Self::Integer(number) => write!(out, "{number}").expect("writing to memory cannot fail"),
            Self::String(text) => write_string(text, out),
            Self::Array(items) => {
                out.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    item.write(out);
                }
                out.push(b']');
            }
            Self::Object(members) => {
                out.push(b'{');
                for (index, (name, value)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    write_string(name, out);
                    out.push(b':');
                    value.write(out);
                }
                out.push(b'}');
            }
        }
    }
}

/// Appends a string with the shortest escapes; they are those that `serde_json` writes.
fn write_string(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("writing to memory cannot fail");
}

impl<'de: 'a, 'a> Deserialize<'de> for Json<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

/// Reads one value. Depth is bounded by the parser's own limit.
struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON with a canonical form")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        if value.unsigned_abs() > MAX_INTEGER {
            return Err(E::custom("the number is too large"));
        }
        Ok(Json::Integer(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        // Too large for both if it is too large for one.
        self.visit_i64(i64::try_from(value).unwrap_or(i64::MAX))
    }

    // Fractions, exponents, a negative zero and what no integer type holds arrive as `f64`, for which there is no method.

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Json::String(Cow::Borrowed(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Json::String(Cow::Owned(value.to_owned())))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Self::Value, E> {
        Ok(Json::String(Cow::Owned(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut read = Vec::new();
        while let Some(item) = items.next_element()? {
            read.push(item);
        }
        Ok(Json::Array(read))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut read: Vec<(Cow<'de, str>, Json<'de>)> = Vec::new();
        while let Some((Name(name), value)) = members.next_entry()? {
            read.push((name, value));
        }
        read.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
        if read.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(A::Error::custom("a member occurs twice"));
        }
        Ok(Json::Object(read))
    }
}

/// A member's name, borrowed where it has no escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_str(Reader)? {
            Json::String(name) => Ok(Self(name)),
            _ => Err(D::Error::custom("a name is a string")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> Option<String> {
        let mut out = Vec::new();
        Json::parse(text)?.write(&mut out);
        Some(String::from_utf8(out).expect("text"))
    }

    #[test]
    fn one_meaning_has_one_text() {
        for (text, expected) in [
            (
                " { \"b\" : 1 , \"a\" : [ true , null , -7 ] } ",
                r#"{"a":[true,null,-7],"b":1}"#,
            ),
            (r#""\u0041\/\u00e4\ud83d\ude00""#, "\"A/ä😀\""),
            (
                r#""\u0000\b\t\n\f\r\"\\\u001F\u007f""#,
                "\"\\u0000\\b\\t\\n\\f\\r\\\"\\\\\\u001f\u{7f}\"",
            ),
            (
                "[9007199254740991,-9007199254740991,0]",
                "[9007199254740991,-9007199254740991,0]",
            ),
            ("{}", "{}"),
            (r#"{"aa":1,"a":2,"":3}"#, r#"{"":3,"a":2,"aa":1}"#),
        ] {
            assert_eq!(canonical(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn members_are_ordered_by_utf_16_and_not_by_utf_8() {
        // U+1F600 is D83D DE00 in UTF-16 and thus before U+FB33, though its UTF-8 comes after.
        let text = "{\"\u{fb33}\":1,\"\u{1f600}\":2,\"\\u20ac\":3,\"\\r\":4,\"1\":5,\"\u{f6}\":6,\"\u{80}\":7}";
        let expected = "{\"\\r\":4,\"1\":5,\"\u{80}\":7,\"\u{f6}\":6,\"\u{20ac}\":3,\"\u{1f600}\":2,\"\u{fb33}\":1}";
        assert_eq!(canonical(text).as_deref(), Some(expected));
    }

    #[test]
    fn what_readers_could_disagree_on_has_no_form() {
        for text in [
            "1.0",
            "1.5",
            "1e3",
            "-0",
            "-0.0",
            "9007199254740992",
            "-9007199254740992",
            "18446744073709551615",
            "99999999999999999999999",
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"b":{"c":1,"c":2}}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"["\ud800"]"#,
            "",
            "{",
            "{} {}",
            "nul",
            "[1,]",
        ] {
            assert_eq!(canonical(text), None, "{text}");
        }
        assert_eq!(canonical(&("[".repeat(128) + &"]".repeat(128))), None, "too deep");
        assert!(canonical(&("[".repeat(127) + &"]".repeat(127))).is_some());
    }
}
