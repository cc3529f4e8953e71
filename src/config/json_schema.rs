//! The configuration as a JSON Schema, and what is told of one key.
//!
//! Derived from the structs and their comments; the numbers' bounds are those of the check. Must never hold a value that
//! somebody gave.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::schema::Node;
use super::unknown_keys::nearest;
use super::{Config, Secret};

impl schemars::JsonSchema for Secret {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "writeOnly": true, "not": {"const": Secret::REDACTED}})
    }
}

/// The JSON Schema (2020-12) of a whole configuration.
#[must_use]
pub fn json_schema() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<Config>();
    let mut schema = Value::from(schema);
    narrow(&mut schema, &Node::config());
    schema["title"] = "Configuration of Signal Fish Relay".into();
    schema
}

/// Says what the types alone do not: the numbers' bounds, and that there are no other keys.
fn narrow(schema: &mut Value, node: &Node) {
    match node {
        Node::Section(keys) => {
            let Some(schema) = alternative(schema, "properties") else {
                return;
            };
            schema["additionalProperties"] = false.into();
            for (key, node) in keys {
                narrow(&mut schema["properties"][key], node);
            }
        }
        Node::List(member) => {
            if let Some(schema) = alternative(schema, "items") {
                narrow(&mut schema["items"], member);
            }
        }
        Node::Map(value) => {
            if let Some(schema) = alternative(schema, "additionalProperties") {
                narrow(&mut schema["additionalProperties"], value);
            }
        }
        Node::Number(bound) => {
            if let Some(members) = schema.as_object_mut() {
                members.remove("format");
                members.insert("minimum".to_owned(), bound.least.into());
                members.insert("maximum".to_owned(), bound.most.into());
            }
        }
        Node::Text | Node::Switch => {}
    }
}

/// The schema itself, or the one beside `null`, that has this word.
fn alternative<'s>(schema: &'s mut Value, word: &str) -> Option<&'s mut Value> {
    if schema.get(word).is_some() {
        return Some(schema);
    }
    let choices = schema.get_mut("anyOf")?.as_array_mut()?;
    choices.iter_mut().find(|choice| choice.get(word).is_some())
}

/// What is told of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Its path, with `[]` for each member of a list.
    pub path: String,
    /// What it is for.
    pub purpose: String,
    /// What may be given.
    pub takes: String,
    /// The default, as JSON, where there is one.
    pub default: Option<String>,
    /// The variable that sets it, unless it is in a list.
    pub variable: Option<String>,
    /// The keys in it, if it is a section.
    pub keys: Vec<String>,
}

/// Explains a key or a section.
///
/// # Errors
///
/// The nearest key, if there is no such key and one is alike.
pub fn explain(path: &str) -> Result<Explanation, Option<String>> {
    let tree = Node::config();
    let path = path.trim().to_lowercase();
    let known = tree.leaf_paths();
    let mut schema = json_schema();
    let mut node = &tree;
    let mut place = &mut schema;
    for part in path.replace("[]", ".[]").split('.').filter(|part| !part.is_empty()) {
        let (below, word, key) = match node {
            Node::Section(keys) => (keys.get(part), "properties", Some(part)),
            Node::List(member) if part == "[]" => (Some(&**member), "items", None),
            Node::Map(value) => (Some(&**value), "additionalProperties", None),
            _ => (None, "", None),
        };
        let Some(below) = below else {
            return Err(nearest(&path, &known));
        };
        let section = alternative(place, word).ok_or(None)?;
        place = match key {
            Some(key) => &mut section[word][key],
            None => &mut section[word],
        };
        node = below;
    }
    let text = |name: &str| {
        place
            .get(name)
            .and_then(Value::as_str)
            .map(|text| text.replace('\n', " "))
    };
    let defaults = serde_json::to_value(Config::default()).expect("a config has string keys only");
    let default = path.split('.').try_fold(&defaults, |value, key| value.get(key));
    let keys = match node {
        Node::Section(keys) => keys.keys().cloned().collect(),
        _ => Vec::new(),
    };
    Ok(Explanation {
        purpose: text("description").unwrap_or_default(),
        takes: takes(place, node),
        default: default
            .filter(|_| keys.is_empty() && !path.is_empty())
            .map(Value::to_string),
        variable: (!path.contains("[]") && !path.is_empty())
            .then(|| format!("SIGNAL_FISH__{}", path.replace('.', "__").to_uppercase())),
        keys,
        path,
    })
}

/// What may be given, in words.
fn takes(schema: &Value, node: &Node) -> String {
    let mut choices = Vec::new();
    collect_choices(schema, &mut choices);
    if choices.is_empty() {
        return node.expected();
    }
    choices.join(", ")
}

fn collect_choices(schema: &Value, found: &mut Vec<String>) {
    if let Some(choices) = schema.get("enum").and_then(Value::as_array) {
        found.extend(choices.iter().filter_map(Value::as_str).map(str::to_owned));
    }
    if let Some(choice) = schema.get("const").and_then(Value::as_str) {
        found.push(choice.to_owned());
    }
    for word in ["oneOf", "anyOf"] {
        for choice in schema.get(word).and_then(Value::as_array).into_iter().flatten() {
            collect_choices(choice, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_key_is_in_the_schema_with_what_it_is_for() {
        for path in Node::config().leaf_paths() {
            let explained = explain(&path).unwrap_or_else(|nearest| panic!("{path}: {nearest:?}"));
            // What is in a member of a list may speak for itself.
            assert!(
                !explained.purpose.is_empty() || path.contains("max_game_data_bytes"),
                "{path}"
            );
            assert!(!explained.takes.is_empty(), "{path}");
        }
    }

    #[test]
    fn a_number_has_its_bounds_and_a_section_no_other_keys() {
        let schema = json_schema();
        let rooms = &schema["properties"]["server"]["properties"]["max_rooms"];
        assert_eq!((&rooms["minimum"], &rooms["maximum"]), (&json!(1), &json!(u32::MAX)));
        assert_eq!(rooms["default"], json!(10_000));
        assert_eq!(schema["properties"]["server"]["additionalProperties"], json!(false));
        let app = &schema["properties"]["security"]["properties"]["allowed_apps"]["items"];
        assert_eq!(app["additionalProperties"], json!(false));
        assert_eq!(app["required"], json!(["app_id", "app_name"]));
        assert_eq!(app["properties"]["max_rooms"]["minimum"], json!(1));
        assert_eq!(
            schema["properties"]["turn"]["properties"]["static_auth_secret"]["writeOnly"],
            json!(true)
        );
    }

    #[test]
    fn a_key_is_explained_and_a_misspelt_one_is_named() {
        let explained = explain("Server.Max_Rooms").expect("a key");
        assert_eq!(explained.takes, "a whole number from 1 to 4294967295");
        assert_eq!(explained.default.as_deref(), Some("10000"));
        assert_eq!(explained.variable.as_deref(), Some("SIGNAL_FISH__SERVER__MAX_ROOMS"));
        assert!(explained.purpose.starts_with("Live rooms"), "{}", explained.purpose);
        assert_eq!(
            explain("session.default_topology").expect("a key").takes,
            "mesh, host, relay"
        );
        assert!(
            explain("security")
                .expect("a section")
                .keys
                .contains(&"connect_token".to_owned())
        );
        assert_eq!(explain("server.max_room"), Err(Some("server.max_rooms".to_owned())));
        assert_eq!(explain("kubernetes"), Err(None));
        let member = explain("security.allowed_apps[].max_rooms").expect("a key");
        assert_eq!((member.variable, member.default), (None, None));
    }
}
