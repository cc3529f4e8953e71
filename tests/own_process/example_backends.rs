//! The backends of the examples say who may play.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::json;
use signal_fish_relay::config::Secret;

use crate::support::player::Player;
use crate::support::server::Server;

/// A backend that is ended with its scope.
struct Example {
    child: Child,
    url: String,
}

impl Example {
    fn start(program: &str, file: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("examples/access-check")
            .join(file);
        let mut child = Command::new(program)
            .arg(path)
            .arg("0")
            .env("ACCESS_CHECK_SECRET", "of-this-test")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{program} in PATH: {error}"));
        let mut port = String::new();
        BufReader::new(child.stdout.take().expect("it is piped"))
            .read_line(&mut port)
            .expect("it says where it listens");
        let url = format!("http://127.0.0.1:{}/", port.trim());
        Self { child, url }
    }

    fn asked_with(&self, secret: &str) -> Server {
        Server::with(1, |config| {
            config.access_check.url = Some(self.url.clone());
            config.access_check.secret = Some(Secret::new(secret));
            config.access_check.timeout_ms = 10_000;
            config.access_check.ask_on_create = true;
        })
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        self.child.kill().expect("our child");
        self.child.wait().expect("our child");
    }
}

fn says_who_may_play(example: &Example) {
    let server = example.asked_with("of-this-test");
    let told = Player::connect(&server).shows("forged");
    assert_eq!(
        told["data"],
        json!({"error": "buy a ticket", "error_code": "UNAUTHORIZED"})
    );
    let mut mira = Player::connect(&server);
    assert_eq!(mira.shows("ticket-7")["type"], "Authenticated");
    mira.expect("ProtocolInfo");
    let wants = |mira: &mut Player, players: u8| {
        mira.send(&json!({"type": "JoinRoom", "data":
            {"game_name": "tide-pool", "player_name": "Nobody", "max_players": players}}));
    };
    wants(&mut mira, 5);
    assert_eq!(mira.expect("RoomJoinFailed")["error_code"], "INVALID_MAX_PLAYERS");
    wants(&mut mira, 4);
    assert_eq!(mira.expect("RoomJoined")["current_players"][0]["name"], "Mira");

    let unknown = example.asked_with("of-somebody-else");
    let told = Player::connect(&unknown).shows("ticket-7");
    assert_eq!(told["data"]["error_code"], "SERVICE_UNAVAILABLE");
}

#[test]
#[ignore = "needs python3 in PATH: .ci/run installs it and includes this test"]
fn the_backend_in_python_says_who_may_play() {
    says_who_may_play(&Example::start("python3", "backend.py"));
}

#[test]
#[ignore = "needs node in PATH: .ci/run installs it and includes this test"]
fn the_backend_in_javascript_says_who_may_play() {
    says_who_may_play(&Example::start("node", "backend.mjs"));
}
