//! Where the configuration comes from, and which source wins.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::{Value, json};
use signal_fish_relay::config::{BOUNDS, Config, LoadError, LoadErrors, Loaded, Origin, Overrides, Surroundings, load};
use tempfile::TempDir;

/// A machine with an executable's directory and a working directory.
struct Machine {
    root: TempDir,
    variables: Vec<(String, String)>,
    stdin: String,
}

impl Machine {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a directory");
        for dir in ["bin", "work"] {
            fs::create_dir(root.path().join(dir)).expect("a directory in it");
        }
        Self {
            root,
            variables: Vec::new(),
            stdin: String::new(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn file(self, name: &str, content: impl ToString) -> Self {
        fs::write(self.path(name), content.to_string()).expect("a file");
        self
    }

    fn variable(mut self, name: &str, value: impl ToString) -> Self {
        self.variables.push((name.to_owned(), value.to_string()));
        self
    }

    fn stdin(mut self, text: impl ToString) -> Self {
        self.stdin = text.to_string();
        self
    }

    fn load_with(&self, overrides: &Overrides) -> Result<Loaded, LoadErrors> {
        let surroundings = Surroundings {
            variables: self
                .variables
                .iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            working_dir: self.path("work"),
            executable_dir: Some(self.path("bin")),
            stdin: &mut self.stdin.as_bytes(),
        };
        load(surroundings, overrides)
    }

    fn load(&self) -> Loaded {
        self.load_with(&Overrides::default()).expect("it loads")
    }

    fn faults(&self) -> Vec<String> {
        let errors = self.load_with(&Overrides::default()).expect_err("it does not load");
        errors.0.iter().map(ToString::to_string).collect()
    }
}

fn with_config(file: impl Into<PathBuf>) -> Overrides {
    Overrides {
        config_file: Some(file.into()),
        ..Overrides::default()
    }
}

#[test]
fn nothing_gives_the_defaults() {
    let loaded = Machine::new().load();
    assert_eq!(loaded.config, Config::default());
    assert_eq!(
        (loaded.origins.len(), loaded.notices.len(), loaded.production),
        (0, 0, false)
    );
}

#[test]
fn each_source_wins_over_the_one_before() {
    let mut machine = Machine::new();
    let port = |machine: &Machine| machine.load().config.port;
    assert_eq!(port(&machine), 3536);
    machine = machine.file("bin/config.json", json!({"port": 1}));
    assert_eq!(port(&machine), 1);
    machine = machine.file("work/config.json", json!({"port": 2}));
    assert_eq!(port(&machine), 2);
    machine = machine
        .file("work/named.json", json!({"port": 3}))
        .variable("SIGNAL_FISH_CONFIG_PATH", "named.json");
    assert_eq!(port(&machine), 3);
    machine = machine.stdin(json!({"port": 4}));
    assert_eq!(port(&machine), 3, "the standard input is read only when asked for");
    machine = machine.variable("SIGNAL_FISH_CONFIG_STDIN", "Yes");
    assert_eq!(port(&machine), 4);
    machine = machine.variable("SIGNAL_FISH_CONFIG_JSON", json!({"port": 5}));
    assert_eq!(port(&machine), 5);
    machine = machine.variable("SIGNAL_FISH__PORT", 6);
    assert_eq!(port(&machine), 6);

    let flags = Overrides {
        port: Some(7),
        shards: Some(8),
        ..Overrides::default()
    };
    let loaded = machine.load_with(&flags).expect("it loads");
    assert_eq!((loaded.config.port, loaded.config.runtime.shards), (7, 8));
    assert_eq!(
        loaded.origins,
        [
            Origin::File(machine.path("bin/config.json")),
            Origin::File(machine.path("work/config.json")),
            Origin::File(machine.path("work/named.json")),
            Origin::Stdin,
            Origin::JsonVariable,
            Origin::Variable("SIGNAL_FISH__PORT".to_owned()),
            Origin::Flags,
        ]
    );
}

#[test]
fn the_config_flag_replaces_the_three_files_and_nothing_else() {
    let machine = Machine::new()
        .file("bin/config.json", json!({"port": 1}))
        .file("work/config.json", "this is not even JSON")
        .file("work/flag.json", json!({"server": {"max_rooms": 5}}))
        .variable("SIGNAL_FISH_CONFIG_PATH", "/does/not/exist.json")
        .variable("SIGNAL_FISH__SERVER__REGION_ID", "eu");
    let config = machine.load_with(&with_config("flag.json")).expect("it loads").config;
    assert_eq!(
        (config.port, config.server.max_rooms, config.server.region_id.as_str()),
        (3536, 5, "eu")
    );
}

#[test]
fn objects_are_merged_and_lists_are_replaced() {
    let machine = Machine::new()
        .file(
            "bin/config.json",
            json!({
                "server": {"max_rooms": 5, "region_id": "eu"},
                "turn": {"urls": ["turn:a", "turn:b"]},
                "security": {"max_game_data_bytes": {"json": 10}},
            }),
        )
        .file(
            "work/config.json",
            json!({
                "server": {"region_id": "us"},
                "turn": {"urls": ["turn:c"]},
                "security": {"max_game_data_bytes": {"rkyv": 20}},
                "protocol": {"sdk_compatibility": {"minimum_versions": {"unity": "2.0.0"}}},
            }),
        );
    let config = machine.load().config;
    assert_eq!((config.server.max_rooms, config.server.region_id.as_str()), (5, "us"));
    assert_eq!(config.turn.urls, ["turn:c"]);
    let limits = config.security.max_game_data_bytes.expect("it was set");
    assert_eq!((limits.json, limits.rkyv), (Some(10), Some(20)));
    let versions = &config.protocol.sdk_compatibility.minimum_versions;
    assert_eq!(
        (versions["unity"].as_str(), versions["godot"].as_str()),
        ("2.0.0", "0.9.0")
    );
}

#[test]
fn a_named_file_that_is_missing_is_an_error() {
    let missing = |result: Result<Loaded, LoadErrors>| match result.expect_err("it is missing").0.remove(0) {
        LoadError::MissingFile { named_by, path } => (named_by, path),
        other => panic!("{other}"),
    };
    let machine = Machine::new();
    let expected = machine.path("work/none.json");
    assert_eq!(
        missing(machine.load_with(&with_config("none.json"))),
        ("--config", expected.clone())
    );
    let machine = machine.variable("SIGNAL_FISH_CONFIG_PATH", "none.json");
    assert_eq!(
        missing(machine.load_with(&Overrides::default())),
        ("SIGNAL_FISH_CONFIG_PATH", expected)
    );
    let machine = Machine::new().variable("SIGNAL_FISH__SECURITY__APP_AUTH_PATH", "apps.json");
    let expected = machine.path("work/apps.json");
    assert_eq!(
        missing(machine.load_with(&Overrides::default())),
        ("security.app_auth_path", expected)
    );
}

#[test]
fn empty_sources_count_as_absent() {
    let machine = Machine::new()
        .file("work/config.json", " \n")
        .variable("SIGNAL_FISH_CONFIG_STDIN", "1")
        .variable("SIGNAL_FISH_CONFIG_JSON", "")
        .variable("SIGNAL_FISH_CONFIG_PATH", "");
    let loaded = machine.load();
    assert_eq!(loaded.config, Config::default());
    assert!(loaded.origins.is_empty());
}

#[test]
fn the_faults_of_all_sources_are_told_together() {
    let machine = Machine::new()
        .file("bin/config.json", "{\"port\": }")
        .file("work/config.json", json!([1]))
        .variable(
            "SIGNAL_FISH_CONFIG_JSON",
            json!({"servr": {}, "server": {"max_rooms": "many"}, "websocket": {"idle_timeout": 5}}),
        )
        .variable("SIGNAL_FISH__SECURITY__MAX_CONNECTION", 5)
        .variable("SIGNAL_FISH__PORT", "http");
    let faults = machine.faults();
    let bin = machine.path("bin/config.json").display().to_string();
    let work = machine.path("work/config.json").display().to_string();
    assert_eq!(faults.len(), 7, "{faults:#?}");
    assert!(
        faults[0].starts_with(&format!("{bin} is not valid JSON: expected value at line 1")),
        "{}",
        faults[0]
    );
    assert!(
        faults[1].starts_with(&format!("{work} must hold one JSON object")),
        "{}",
        faults[1]
    );
    for expected in [
        "SIGNAL_FISH_CONFIG_JSON: unknown key `servr`, did you mean `server`?",
        "SIGNAL_FISH_CONFIG_JSON: unknown key `websocket.idle_timeout`, did you mean `websocket.idle_timeout_secs`?",
        "SIGNAL_FISH_CONFIG_JSON: `server.max_rooms`: must be a whole number from 1 to 4294967295",
        "SIGNAL_FISH__PORT: `port`: must be a whole number from 0 to 65535",
        "SIGNAL_FISH__SECURITY__MAX_CONNECTION: unknown key `security.max_connection`, did you mean \
         `security.max_connections`?",
    ] {
        assert!(
            faults.iter().any(|fault| fault == expected),
            "{expected} is not in {faults:#?}"
        );
    }
}

#[test]
fn old_spellings_are_understood_and_told() {
    let old = json!({
        "security": {
            "require_websocket_auth": true,
            "authorized_apps": [{"app_id": "a", "app_secret": "s", "app_name": "A"}],
        },
    });
    let loaded = Machine::new().file("work/config.json", &old).load();
    assert_eq!(loaded.config.security.enforce_app_id_allowlist, Some(true));
    assert_eq!(loaded.config.security.allowed_apps[0].app_id, "a");
    assert_eq!(loaded.notices.len(), 3, "{:#?}", loaded.notices);
    assert!(!loaded.notices.join("\n").contains("\"s\""));

    let mut both: Value = old;
    both["security"]["enforce_app_id_allowlist"] = json!(false);
    let faults = Machine::new().file("work/config.json", both).faults();
    assert_eq!(faults.len(), 1, "{faults:#?}");
    assert!(
        faults[0].ends_with("both are given: remove `security.require_websocket_auth`"),
        "{}",
        faults[0]
    );
}

#[test]
fn of_two_variables_the_new_spelling_wins() {
    let machine = Machine::new()
        .variable("SIGNAL_FISH__SECURITY__ENFORCE_APP_ID_ALLOWLIST", false)
        .variable("SIGNAL_FISH__SECURITY__REQUIRE_WEBSOCKET_AUTH", true);
    assert_eq!(machine.load().config.security.enforce_app_id_allowlist, Some(false));
}

#[test]
fn what_the_protocol_asks_for_and_nobody_needs_here_is_told_or_refused() {
    let usual = json!({
        "server": {"heartbeat_db_throttle_secs": 30},
        "websocket": {"batch_size": 10, "control_queue_capacity": 128},
        "coordination": {"membership_snapshot_interval_secs": 30},
    });
    let loaded = Machine::new().file("work/config.json", usual).load();
    assert_eq!(loaded.config, Config::default());
    assert_eq!(loaded.notices.len(), 1, "{:#?}", loaded.notices);
    let unusual = json!({
        "server": {"heartbeat_throttle_secs": 7},
        "websocket": {"batch_size": 64, "control_queue_capacity": "many"},
        "coordination": {"membership_snapshot_interval_secs": 5},
    });
    let faults = Machine::new().file("work/config.json", unusual).faults();
    assert_eq!(faults.len(), 4, "{faults:#?}");
    for (key, instead) in [
        ("server.heartbeat_throttle_secs", "server.inactive_room_timeout"),
        ("websocket.batch_size", "runtime.turn_window_us"),
        ("websocket.control_queue_capacity", "runtime.outbox_max_bytes"),
        ("coordination.membership_snapshot_interval_secs", "leave it out"),
    ] {
        let is_told =
            |fault: &String| fault.contains(&format!("`{key}` is not served here")) && fault.contains(instead);
        assert!(faults.iter().any(is_told), "{key}: {faults:#?}");
    }
}

#[test]
fn apps_of_a_file_are_appended() {
    let machine = Machine::new()
        .file(
            "work/apps.json",
            json!({"apps": [{"app_id": "b", "app_name": "B", "app_secret": "s", "max_rooms": 3}]}),
        )
        .file(
            "work/config.json",
            json!({"security": {"app_auth_path": "apps.json", "allowed_apps": [{"app_id": "a", "app_name": "A"}]}}),
        );
    let loaded = machine.load();
    let apps = &loaded.config.security.allowed_apps;
    assert_eq!(
        apps.iter().map(|app| app.app_id.as_str()).collect::<Vec<_>>(),
        ["a", "b"]
    );
    assert_eq!(apps[1].max_rooms, Some(3));
    assert!(loaded.notices[0].contains("app_secret"), "{:?}", loaded.notices);
}

#[test]
fn a_file_of_apps_that_is_not_one_is_an_error() {
    let fault = |content: &str| {
        let machine = Machine::new()
            .file("work/apps.json", content)
            .variable("SIGNAL_FISH__SECURITY__APP_AUTH_PATH", "apps.json");
        machine.faults().join("\n")
    };
    assert!(fault("").contains("not valid JSON"));
    assert!(fault("{}").contains("must hold {\"apps\": [...]}"));
    assert!(fault("[]").contains("must hold one JSON object"));
    assert!(fault(r#"{"apps": {}}"#).contains("`apps`: must be a list"));
    assert!(fault(r#"{"apps": [{"app_id": "b"}]}"#).contains("`apps[0]`: lacks `app_name`"));
    assert!(
        fault(r#"{"apps": [{"app_id": "b", "app_name": "B", "max_room": 1}]}"#)
            .contains("unknown key `apps[0].max_room`, did you mean `apps[].max_rooms`?")
    );
}

#[test]
fn a_directory_in_place_of_a_file_is_told() {
    let machine = Machine::new();
    fs::create_dir(machine.path("work/config.json")).expect("a directory");
    let faults = machine.faults();
    let path: &Path = &machine.path("work/config.json");
    assert!(
        faults[0].starts_with(&format!("cannot read {}", path.display())),
        "{faults:?}"
    );
}

#[test]
fn a_production_hint_is_no_key() {
    let loaded = Machine::new().variable("SIGNAL_FISH__ENVIRONMENT", "production").load();
    assert!(loaded.production);
    assert_eq!(loaded.config, Config::default());
}

/// A value of any shape at a random place of the default configuration, or anywhere.
fn any_document() -> impl Strategy<Value = Value> {
    let value = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "(json|text|mesh|daily|none|[a-z:.*]{0,6})".prop_map(Value::from),
        Just(json!([])),
        Just(json!([{"app_id": "a", "app_name": "A"}])),
        Just(json!([["a", "A"]])),
        Just(json!({"json": null})),
        Just(json!({"text": 1})),
        Just(json!({"unity": "1.0.0"})),
    ];
    let keys = [
        "port",
        "server",
        "server.max_rooms",
        "logging.format",
        "logging.level",
        "turn",
        "turn.static_auth_secret",
        "security.allowed_apps",
        "security.max_game_data_bytes",
        "security.connect_token",
        "session.game_topology_mappings",
        "protocol.sdk_compatibility.minimum_versions",
        "protocol.player_name_validation.allowed_symbols",
        "no.such.key",
    ];
    (prop::sample::select(keys.to_vec()), value)
        .prop_map(|(path, value)| path.rsplit('.').fold(value, |value, key| json!({ key: value })))
}

proptest! {
    #[test]
    fn any_two_sources_load_or_are_refused(first in any_document(), second in any_document()) {
        let mut machine = Machine::new().stdin(&first);
        machine = machine.variable("SIGNAL_FISH_CONFIG_STDIN", 1).variable("SIGNAL_FISH_CONFIG_JSON", &second);
        let alone = |document: &Value| {
            Machine::new().variable("SIGNAL_FISH_CONFIG_JSON", document).load_with(&Overrides::default()).is_ok()
        };
        let both = machine.load_with(&Overrides::default()).is_ok();
        prop_assert_eq!(both, alone(&first) && alone(&second), "two sources are good when each is");
    }
}

#[test]
fn a_variable_has_the_bounds_of_its_key() {
    let none = Overrides::default();
    for bound in BOUNDS {
        let (false, path) = (bound.path.contains("[]"), bound.path) else {
            continue; // a member of a list has no variable
        };
        let name = format!("SIGNAL_FISH__{}", path.replace('.', "__").to_uppercase());
        for beyond in [
            u128::from(bound.most) + 1,
            u128::from(u64::MAX),
            u128::from(u64::MAX) + 1,
            u128::MAX,
        ] {
            let machine = Machine::new().variable(&name, beyond);
            let faults = match machine.load_with(&none) {
                Ok(loaded) => loaded.config.validate().expect_err(&name).to_string(),
                Err(errors) => errors.to_string(),
            };
            assert!(faults.contains(&format!("`{path}`")), "{name}={beyond}: {faults}");
        }
        let machine = Machine::new().variable(&name, -1);
        let faults = machine.load_with(&none).expect_err(&name).to_string();
        assert!(faults.contains(&format!("`{path}`")), "{name}=-1: {faults}");
        let loaded = Machine::new().variable(&name, bound.most).load();
        let faults = loaded
            .config
            .validate()
            .err()
            .map_or(String::new(), |faults| faults.to_string());
        assert!(
            !faults.contains(&format!("from {} to {}", bound.least, bound.most)),
            "{faults}"
        );
    }
}
