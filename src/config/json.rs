//! JSON as people write it into configurations: with what is given twice.
//!
//! Promises that no message holds anything of a value: a secret may be in it. Positions are told instead.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::schema::join;

/// A document, and the paths of the keys that are given more than once in it. The last of them counts.
#[derive(Debug, PartialEq)]
pub(super) struct Document {
    pub(super) value: Value,
    pub(super) repeated: Vec<String>,
}

/// Why a text is no JSON, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault(String);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads a text that is one JSON value.
pub(super) fn parse(text: &str) -> Result<Document, Fault> {
    let mut repeated = Vec::new();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let place = Place {
        path: String::new(),
        repeated: &mut repeated,
    };
    let value = place.deserialize(&mut deserializer);
    match value.and_then(|value| deserializer.end().map(|()| value)) {
        Ok(value) => Ok(Document { value, repeated }),
        Err(error) => Err(Fault(error.to_string())),
    }
}

/// A place in the document.
struct Place<'a> {
    path: String,
    repeated: &'a mut Vec<String>,
}

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        loop {
            let place = Place {
                path: format!("{}[{}]", self.path, values.len()),
                repeated: &mut *self.repeated,
            };
            match members.next_element_seed(place)? {
                Some(value) => values.push(value),
                None => return Ok(Value::Array(values)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut values = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            let place = Place {
                path: join(&self.path, &key),
                repeated: &mut *self.repeated,
            };
            if values.contains_key(&key) {
                place.repeated.push(place.path.clone());
            }
            let value = members.next_value_seed(place)?;
            values.insert(key, value);
        }
        Ok(Value::Object(values))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_given_twice_is_named() {
        let text = r#"{"a": 1, "b": {"c": 1, "c": {"d": 2}}, "a": [{"e": 1, "e": 2}]}"#;
        let document = parse(text).expect("JSON");
        assert_eq!(document.value, json!({"a": [{"e": 2}], "b": {"c": {"d": 2}}}));
        assert_eq!(document.repeated, ["b.c", "a", "a[0].e"]);
    }

    #[test]
    fn a_fault_has_a_place_and_no_value() {
        for text in [
            r#"{"secret": "MARKED",}"#,
            r#"{"secret": MARKED}"#,
            r#"{"secret": "MARKED"} MARKED"#,
            "MARKED",
        ] {
            let fault = parse(text).expect_err("no JSON").to_string();
            assert!(fault.contains("line 1 column") && !fault.contains("MARKED"), "{fault}");
        }
    }

    proptest! {
        #[test]
        fn without_repeats_it_reads_as_anybody_would(text in r#"[\[\]{}:,"0-9a-e.\- ]{0,24}"#) {
            let usual = serde_json::from_str::<Value>(&text);
            match parse(&text) {
                Ok(document) => prop_assert_eq!(document.value, usual.expect("JSON")),
                Err(_) => prop_assert!(usual.is_err()),
            }
        }
    }
}
