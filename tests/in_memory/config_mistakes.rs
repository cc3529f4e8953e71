//! What is said of mistakes in the configuration, word for word, and that nothing that is said holds a secret.

use std::ffi::OsString;
use std::fmt::Write as _;

use serde_json::Value;
use signal_fish_relay::cli::{self, Action, Exit};
use signal_fish_relay::config::{Surroundings, json_schema};

/// The texts, as they were last looked over. To look them over again, run the test: it prints what is said now.
const TEXTS: &str = include_str!("config_mistakes.txt");

/// A configuration: the file, the variables, the flags.
type Given<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [&'a str]);

fn run((file, variables, flags): Given<'_>) -> Action {
    let dir = tempfile::tempdir().expect("a directory");
    if !file.is_empty() {
        std::fs::write(dir.path().join("config.json"), file).expect("a file of ours");
    }
    let surroundings = Surroundings {
        variables: variables
            .iter()
            .map(|&(name, value)| (name.into(), value.into()))
            .collect(),
        working_dir: dir.path().to_owned(),
        executable_dir: None,
        stdin: &mut std::io::empty(),
    };
    let arguments = ["signal-fish-relay"].iter().chain(flags).map(OsString::from);
    match cli::run(arguments, surroundings) {
        Action::Exit(exit) | Action::Check(_, exit) => {
            // The directory has another name each time.
            let dir = format!("{}/", dir.path().display());
            Action::Exit(Exit {
                stdout: exit.stdout.replace(&dir, ""),
                stderr: exit.stderr.replace(&dir, ""),
                code: exit.code,
            })
        }
        other => other,
    }
}

const NOTHING: &[(&str, &str)] = &[];

const MISTAKES: &[(&str, Given<'_>)] = &[
    ("a comma too many", (r#"{"port": 3536,}"#, NOTHING, &[])),
    ("no JSON at all", ("port = 3536", NOTHING, &[])),
    ("a list", ("[]", NOTHING, &[])),
    (
        "a key twice",
        (
            r#"{"port": 1, "server": {"max_rooms": 1, "max_rooms": 2}, "port": 2}"#,
            NOTHING,
            &[],
        ),
    ),
    ("a misspelt key", (r#"{"server": {"max_room": 5}}"#, NOTHING, &[])),
    ("a misspelt section", (r#"{"servr": {"max_rooms": 5}}"#, NOTHING, &[])),
    ("a key in the wrong section", (r#"{"max_rooms": 5}"#, NOTHING, &[])),
    ("a key of another program", (r#"{"kubernetes": true}"#, NOTHING, &[])),
    (
        "text for a number",
        (r#"{"server": {"max_rooms": "many"}}"#, NOTHING, &[]),
    ),
    ("a negative number", (r#"{"server": {"max_rooms": -1}}"#, NOTHING, &[])),
    ("a fraction", (r#"{"server": {"max_rooms": 1.5}}"#, NOTHING, &[])),
    (
        "a number out of its range",
        (r#"{"server": {"max_rooms": 0}}"#, NOTHING, &[]),
    ),
    ("a port that does not exist", (r#"{"port": 70000}"#, NOTHING, &[])),
    (
        "text for a switch",
        (r#"{"server": {"enable_reconnection": "yes"}}"#, NOTHING, &[]),
    ),
    ("null for a number", (r#"{"port": null}"#, NOTHING, &[])),
    ("a list for a section", (r#"{"turn": [true]}"#, NOTHING, &[])),
    ("an object for a value", (r#"{"port": {"number": 1}}"#, NOTHING, &[])),
    ("text for a section", (r#"{"logging": "loud"}"#, NOTHING, &[])),
    (
        "an unknown word",
        (r#"{"session": {"default_topology": "star"}}"#, NOTHING, &[]),
    ),
    (
        "an unknown rotation",
        (r#"{"logging": {"rotation": "weekly"}}"#, NOTHING, &[]),
    ),
    ("a name for an address", (r#"{"bind": "localhost"}"#, NOTHING, &[])),
    (
        "an app without a name",
        (r#"{"security": {"allowed_apps": [{"app_id": "a"}]}}"#, NOTHING, &[]),
    ),
    (
        "an app twice",
        (
            r#"{"security": {"allowed_apps": [{"app_id": "a", "app_name": "A"}, {"app_id": "a", "app_name": "B"}]}}"#,
            NOTHING,
            &[],
        ),
    ),
    ("public without apps", ("", NOTHING, &["--bind", "0.0.0.0"])),
    (
        "an origin with a path",
        (r#"{"security": {"cors_origins": "https://a.example/"}}"#, NOTHING, &[]),
    ),
    (
        "an old name beside the new",
        (
            r#"{"security": {"require_websocket_auth": true, "enforce_app_id_allowlist": true}}"#,
            NOTHING,
            &[],
        ),
    ),
    (
        "a key that is not needed here",
        (r#"{"websocket": {"batch_size": 64}}"#, NOTHING, &[]),
    ),
    (
        "a heartbeat throttle",
        (r#"{"server": {"heartbeat_throttle_secs": 5}}"#, NOTHING, &[]),
    ),
    (
        "a placeholder for a secret",
        (r#"{"security": {"metrics_auth_token": "<redacted>"}}"#, NOTHING, &[]),
    ),
    (
        "a number for a secret",
        (r#"{"turn": {"static_auth_secret": 12345}}"#, NOTHING, &[]),
    ),
    (
        "a key that is too short",
        (
            r#"{"security": {"connect_token": {"public_key": "AAAA"}}}"#,
            NOTHING,
            &[],
        ),
    ),
    (
        "TURN without a secret",
        (r#"{"turn": {"enabled": true, "urls": ["turn:a"]}}"#, NOTHING, &[]),
    ),
    (
        "an address that is none",
        (r#"{"turn": {"urls": ["a.example"]}}"#, NOTHING, &[]),
    ),
    ("a file that is not there", ("", NOTHING, &["--config", "nowhere.json"])),
    (
        "a variable that is no key",
        ("", &[("SIGNAL_FISH__SERVER__MAX_ROMS", "5")], &[]),
    ),
    (
        "a variable with one underscore",
        ("", &[("SIGNAL_FISH_PORT", "3536")], &[]),
    ),
    (
        "a variable for two",
        ("", &[("SIGNAL_FISH__PORT", "1"), ("signal_fish__port", "2")], &[]),
    ),
    (
        "a malformed section in a variable",
        ("", &[("SIGNAL_FISH__TURN", r#"{"static_auth_secret":"x",}"#)], &[]),
    ),
    (
        "a list without brackets in a variable",
        ("", &[("SIGNAL_FISH__TURN__URLS", "turn:a,turn:b")], &[]),
    ),
    (
        "null in a variable that protects",
        ("", &[("SIGNAL_FISH__SECURITY__ALLOWED_APPS", "null")], &[]),
    ),
    (
        "a member of a list in a variable",
        ("", &[("SIGNAL_FISH__SECURITY__ALLOWED_APPS__0__APP_ID", "a")], &[]),
    ),
    (
        "a file that is no JSON, and a number in a variable that may never be so",
        (r#"{"port": }"#, &[("SIGNAL_FISH__SERVER__MAX_ROOMS", "0")], &[]),
    ),
    (
        "faults of every stage",
        (
            r#"{"server": {"max_room": 5, "room_code_prefix": "TOOLONG"}, "port": "x"}"#,
            &[("SIGNAL_FISH_PORTS", "1")],
            &["--bind", "0.0.0.0"],
        ),
    ),
];

#[test]
fn every_mistake_is_told_in_these_words() {
    let mut said = String::new();
    for (mistake, given) in MISTAKES {
        let Action::Exit(exit) = run(*given) else {
            panic!("{mistake} would serve")
        };
        assert!(exit.code != 0 && exit.stdout.is_empty(), "{mistake}");
        let _ = writeln!(said, "{mistake}\n{}", exit.stderr);
    }
    assert!(MISTAKES.len() >= 40);
    assert!(said == TEXTS, "this is said now:\n{said}");
}

const MARKED: &str = "M4rk3dS3cr3t";

/// Where secrets belong: the variable, and a document that has one there with what else it needs.
const SECRETS: [(&str, &str); 4] = [
    (
        "SIGNAL_FISH__SECURITY__METRICS_AUTH_TOKEN",
        r#"{"security": {"metrics_auth_token": VALUE}}"#,
    ),
    (
        "SIGNAL_FISH__TURN__STATIC_AUTH_SECRET",
        r#"{"turn": {"enabled": true, "static_auth_secret": VALUE}}"#,
    ),
    (
        "SIGNAL_FISH__SESSION__ICE_SERVERS",
        r#"{"session": {"ice_servers": [{"urls": ["turn:a"], "username": "u", "credential": VALUE}]}}"#,
    ),
    (
        "SIGNAL_FISH__SECURITY__CONNECT_TOKEN__PUBLIC_KEY",
        r#"{"security": {"connect_token": {"public_key": VALUE}}}"#,
    ),
];

/// The same of every key that the schema says is a secret, without what else it may need.
fn secrets_of_the_schema() -> Vec<(String, String)> {
    fn walk(schema: &Value, path: &[String], found: &mut Vec<Vec<String>>) {
        if schema["writeOnly"] == true {
            found.push(path.to_vec());
        }
        let below = |key: &str| [path, &[key.to_owned()]].concat();
        for (key, schema) in schema["properties"].as_object().into_iter().flatten() {
            walk(schema, &below(key), found);
        }
        for schema in schema["anyOf"].as_array().into_iter().flatten() {
            walk(schema, path, found);
        }
        walk_if_there(&schema["items"], &below("[]"), found);
    }
    fn walk_if_there(schema: &Value, path: &[String], found: &mut Vec<Vec<String>>) {
        if schema.is_object() {
            walk(schema, path, found);
        }
    }
    let mut found = Vec::new();
    walk(&json_schema(), &[], &mut found);
    let of_path = |path: Vec<String>| {
        let section = path.iter().take_while(|key| *key != "[]").map(|key| key.to_uppercase());
        let variable = format!("SIGNAL_FISH__{}", section.collect::<Vec<_>>().join("__"));
        let document = path.iter().rev().fold("VALUE".to_owned(), |inner, key| match &**key {
            "[]" => format!("[{inner}]"),
            key => format!("{{\"{key}\": {inner}}}"),
        });
        (variable, document)
    };
    found.into_iter().map(of_path).collect()
}

/// A secret in every form in which it can be meant or mistaken.
fn forms() -> Vec<String> {
    let quoted = format!("\"{MARKED}\"");
    vec![
        quoted.clone(),
        format!("\" {MARKED} \""),
        format!("\"{MARKED}"),
        MARKED.to_owned(),
        format!("'{MARKED}'"),
        format!("[{quoted}]"),
        format!("{{\"value\": {quoted}}}"),
        format!("{quoted},"),
        format!("{quoted} {quoted}"),
        format!("\"-----BEGIN PRIVATE KEY-----\\n{MARKED}\\n-----END PRIVATE KEY-----\""),
        format!("[[{quoted}]]"),
        format!("{{{quoted}}}"),
    ]
}

#[test]
fn no_output_holds_a_secret_however_it_is_given() {
    let mut looked_at = 0;
    let mut look = |given: Given<'_>| {
        for asked in [&[][..], &["--print-config"]] {
            let flags: Vec<&str> = given.2.iter().copied().chain(asked.iter().copied()).collect();
            let shown = format!("{:?}", run((given.0, given.1, &flags)));
            assert!(!shown.contains(MARKED), "{given:?} {asked:?}: {shown}");
            looked_at += 1;
        }
    };
    let known = SECRETS.map(|(variable, document)| (variable.to_owned(), document.to_owned()));
    let of_the_schema = secrets_of_the_schema();
    assert!(of_the_schema.len() >= 3, "{of_the_schema:?}");
    for (variable, document) in &[&known[..], &of_the_schema].concat() {
        let misspelt = document
            .replace("secret\"", "secrt\"")
            .replace("token\"", "tokn\"")
            .replace("key\"", "kee\"");
        for form in forms() {
            for document in [
                document.replace("VALUE", &form),
                misspelt.replace("VALUE", &form),
                document.replace("VALUE", &format!("\"x\", \"port\": {form}")),
                document.replace("VALUE}", &format!("{form},}}")),
            ] {
                look((&document, NOTHING, &[]));
                look(("", &[("SIGNAL_FISH_CONFIG_JSON", &document)], &[]));
            }
            look(("", &[(&**variable, &form)], &[]));
            look(("", &[(&format!("{variable}__VALUE"), &form)], &[]));
            look(("", &[(&variable.replace("SIGNAL_FISH__", "SIGNAL_FISH_"), &form)], &[]));
            look(("", &[(&format!("{variable}X"), &form)], &[]));
            let (section, key) = variable.rsplit_once("__").expect("two parts");
            let members = format!("{{\"{}\": {form}}}", key.to_lowercase());
            look(("", &[(section, &members)], &[]));
            look(("", &[(section, &form)], &[]));
            look(("", &[("SIGNAL_FISH__PORT", &form)], &[]));
            look(("", &[("SIGNAL_FISH__LOGGING__LEVEL", &form)], &[]));
            look(("", &[("SIGNAL_FISH__SERVER__ENABLE_RECONNECTION", &form)], &[]));
        }
    }
    let explained = (
        "",
        &[(SECRETS[1].0, MARKED)][..],
        &["--explain", "turn.static_auth_secret"][..],
    );
    look(explained);
    assert!(looked_at > 1_500, "{looked_at}");
}
