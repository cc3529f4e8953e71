//! SIGHUP takes over the list of applications and the key of connect tokens, for whoever connects from then on. A
//! configuration that is not valid, or that needs a restart, changes nothing.

use std::fs;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use data_encoding::{BASE64, BASE64URL_NOPAD};
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};

use crate::support::player::{Player, Received};
use crate::support::process::{Program, ServerProcess};
use crate::support::wire::Wire;

const RELOADED: &str = "applications and the key of connect tokens were reloaded";
const NOT_RELOADED: &str = "nothing was reloaded";
const WAITING: &str = "these keys have changed and wait for a restart";

struct Site {
    server: ServerProcess,
    file: PathBuf,
}

impl Site {
    fn serve(config: &Value) -> Self {
        let program = Program::new(&["--config", "relay.json", "--port", "0", "--shards", "2"]);
        let file = program.directory().join("relay.json");
        fs::write(&file, config.to_string()).expect("a file of ours");
        let server = program.variable("SIGNAL_FISH__SERVER__DRAIN_GRACE_SECS", "0").serve();
        Self { server, file }
    }

    /// Changes the configuration and waits until the server has said what became of that.
    fn reload(&self, config: &str, message: &str) -> Value {
        fs::write(&self.file, config).expect("a file of ours");
        self.server.signal(libc::SIGHUP);
        self.server.wait_for_log(message)
    }

    fn authenticate(&self, data: Value) -> (Player, Value) {
        let mut player = Player::connect_to(self.server.address());
        player.send(&json!({"type": "Authenticate", "data": data}));
        match player.receive() {
            Received::Text(answer) => (player, answer),
            other => panic!("an answer was expected: {other:?}"),
        }
    }

    fn admits(&self, app: &str) -> Option<Player> {
        let (player, answer) = self.authenticate(json!({"app_id": app}));
        (answer["type"] == "Authenticated").then_some(player)
    }

    /// How a token is judged.
    fn verdict(&self, token: &str) -> String {
        let (_, answer) = self.authenticate(json!({"app_id": "reef", "connect_token": token}));
        answer["data"]["error_code"].as_str().unwrap_or("accepted").to_owned()
    }
}

fn listing(apps: &[(&str, Value)]) -> Value {
    let apps: Vec<_> = apps
        .iter()
        .map(|(app, rooms)| json!({"app_id": app, "app_name": app, "max_rooms": rooms}))
        .collect();
    json!({"security": {"enforce_app_id_allowlist": true, "allowed_apps": apps}})
}

fn signing_key(byte: u8) -> SigningKey {
    SigningKey::from_bytes(&[byte; 32])
}

fn with_key(byte: u8) -> Value {
    let key = BASE64.encode(signing_key(byte).verifying_key().as_bytes());
    json!({"security": {"connect_token": {"public_key": key, "required": true}}})
}

/// A token for `reef` that is good for a minute.
fn token(byte: u8) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs();
    let payload = json!({"app_id": "reef", "exp": now + 60, "nonce": "n"}).to_string();
    let signed = format!("sfct_v1.{}", BASE64URL_NOPAD.encode(payload.as_bytes()));
    let signature = signing_key(byte).sign(signed.as_bytes()).to_bytes();
    format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature))
}

#[test]
fn applications_come_and_go_and_connections_stay_on_their_terms() {
    let site = Site::serve(&listing(&[("reef", json!(1))]));
    let mut old = site.admits("reef").expect("listed");
    old.expect("ProtocolInfo");
    assert!(site.admits("kelp").is_none());

    site.reload(&listing(&[("kelp", json!(null))]).to_string(), RELOADED);
    assert!(site.admits("kelp").is_some() && site.admits("reef").is_none());
    assert!(old.is_served());
    old.create("tide-pool", "Old");
    old.leave();
    old.send(&json!({"type": "JoinRoom", "data": {"game_name": "tide-pool", "player_name": "Old"}}));
    let refused = old.expect("RoomJoinFailed");
    assert_eq!(
        refused["error_code"], "MAX_ROOMS_PER_GAME_EXCEEDED",
        "its limit of one room still holds"
    );
}

#[test]
fn a_configuration_that_is_not_valid_changes_nothing() {
    let site = Site::serve(&listing(&[("reef", json!(null))]));
    let kelp = listing(&[("kelp", json!(null))]).to_string();
    let line = site.reload(&kelp[1..], NOT_RELOADED);
    assert_eq!(line["level"], "ERROR");
    let twice = listing(&[("kelp", json!(null)), ("kelp", json!(null))]).to_string();
    let line = site.reload(&twice, NOT_RELOADED);
    assert!(
        line["fields"]["faults"]
            .as_str()
            .is_some_and(|text| text.contains("allowed_apps[1]")),
        "{line}"
    );
    let open = kelp.replace("true", "false");
    let line = site.reload(&open, NOT_RELOADED);
    assert!(
        line["fields"]["faults"]
            .as_str()
            .is_some_and(|text| text.contains("restart")),
        "{line}"
    );
    assert!(site.admits("reef").is_some() && site.admits("kelp").is_none());
}

#[test]
fn a_network_is_kept_out_and_let_in_again_while_players_stay() {
    const KEPT_OUT: [u8; 4] = [127, 0, 0, 9];
    let keeping_out = |networks: &[&str]| json!({"security": {"blocked_networks": networks}}).to_string();
    let site = Site::serve(&json!({}));
    let connect = || Wire::connect_from(KEPT_OUT, site.server.address());
    let asks = |wire: &mut Wire| {
        wire.try_send(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    };
    let mut player = connect().upgrade("/v2/ws");
    let mut kept = connect();
    asks(&mut kept);
    assert!(kept.head().starts_with("HTTP/1.1 200 ") && kept.take(2) == b"OK");

    let line = site.reload(&keeping_out(&["127.0.0.8/31", "2001:db8::/32"]), RELOADED);
    assert_eq!(line["fields"]["blocked_networks"], 2);
    let mut late = connect();
    asks(&mut late);
    assert_eq!(late.rest(), b"", "closed without an answer");
    asks(&mut kept);
    assert!(kept.head().starts_with("HTTP/1.1 403 "), "each request is judged");
    player.expect_served();
    assert!(
        Player::connect_to(site.server.address()).is_served(),
        "nobody else is meant"
    );

    site.reload(&keeping_out(&[]), RELOADED);
    connect().upgrade("/v2/ws").expect_served();
}

#[test]
fn what_cannot_change_is_named_and_the_rest_is_taken_over() {
    let site = Site::serve(&listing(&[("reef", json!(null))]));
    let mut config = listing(&[("kelp", json!(null))]);
    config["server"] = json!({"max_rooms": 7});
    let line = site.reload(&config.to_string(), WAITING);
    assert_eq!(line["fields"]["keys"], "server.max_rooms");
    site.server.wait_for_log(RELOADED);
    assert!(site.admits("kelp").is_some());
}

#[test]
fn a_new_key_takes_the_place_of_the_old_one() {
    let site = Site::serve(&with_key(1));
    assert_eq!(site.verdict(&token(1)), "accepted");
    assert_eq!(site.verdict(&token(2)), "CONNECT_TOKEN_INVALID");
    site.reload(&with_key(2).to_string(), RELOADED);
    assert_eq!(site.verdict(&token(1)), "CONNECT_TOKEN_INVALID");
    assert_eq!(site.verdict(&token(2)), "accepted");
}
