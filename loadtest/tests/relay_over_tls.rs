//! The relay itself, through its own TLS: the account is exact while players come back, rooms live on other shards than their
//! players came to, and the certificate changes again and again.

mod authority;
mod program;
mod scratch;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use authority::{Authority, Identity};
use program::{PROGRAM, given_time, program};
use scratch::Scratch;
use serde_json::{Value, json};

/// How often the certificate changes.
const CHANGE_INTERVAL: Duration = Duration::from_millis(300);

const DEADLINE: Duration = Duration::from_secs(60);

/// The relay on a free port, killed when dropped.
struct Relay {
    child: Child,
    /// The messages of its log.
    log: Receiver<String>,
    address: String,
}

impl Relay {
    fn serve(identity: &Identity, shards: &str) -> Self {
        let binary = Path::new(PROGRAM).with_file_name("signal-fish-relay");
        let variable = |name: &str| format!("SIGNAL_FISH__SECURITY__TRANSPORT__TLS__{name}");
        let mut child = Command::new(&binary)
            .args(["--port", "0", "--shards", shards])
            .env(variable("ENABLED"), "true")
            .env(variable("CERTIFICATE_PATH"), identity.certificate.path())
            .env(variable("PRIVATE_KEY_PATH"), identity.key.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{} ({error}): cargo build -p signal-fish-relay", binary.display()));
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let (messages, log) = channel();
        let (serving, address) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let line: Value = serde_json::from_str(&line).expect("the log is JSON");
                let message = line["fields"]["message"].as_str().unwrap_or_default();
                if message == "serving" {
                    let _ = serving.send(line["fields"]["address"].as_str().expect("an address").to_owned());
                }
                let _ = messages.send(message.to_owned());
            }
        });
        let address = address.recv_timeout(DEADLINE).expect("it serves");
        Self { child, log, address }
    }

    fn reload(&self) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-HUP", &pid])
                .status()
                .expect("kill")
                .success()
        );
    }

    /// How often certificates were read since it was last asked.
    fn changes(&self) -> usize {
        self.log
            .try_iter()
            .filter(|message| message == "certificates were read")
            .count()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the load while the certificate changes. Says what was missing, for want of time, of a run whose account is exact.
fn play(shards: &str, version: &str, longer: f64) -> Result<(), String> {
    let scenario = Scratch::with(
        "tls-mixture.json",
        &json!({"seconds": 3.0 * longer, "warmup_seconds": 0.1, "groups": [
            {"name": "duels", "rooms": 6, "players": 2, "rate": 60},
            {"name": "arena", "rooms": 2, "players": 2, "returning_players": 2, "return_every_seconds": 0.5,
             "spectators": 2, "encoding": "message_pack", "size": 20_000, "rate": 10},
            {"name": "laggards", "rooms": 1, "players": 2, "slow_players": 1, "slow_bytes_per_second": 200_000,
             "rate": 30, "size": 1_000}]}),
    );
    let authority = Authority::new(&format!("swapped-{shards}"));
    // Kept: an identity takes its files along, which the next one has as well.
    let mut identities = vec![authority.sign(&["127.0.0.1"])];
    let relay = Relay::serve(&identities[0], shards);
    let url = format!("wss://{}/v2/ws", relay.address);
    let load = program(&["run", "--json", "--url", &url, "--scenario", scenario.path()])
        .args(["--ca", authority.file.path(), "--tls-version", version])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let (ended, end) = channel();
    std::thread::spawn(move || ended.send(load.wait_with_output().expect("our child")));
    let output = loop {
        identities.push(authority.sign(&["127.0.0.1"]));
        relay.reload();
        if let Ok(output) = end.recv_timeout(CHANGE_INTERVAL) {
            break output;
        }
    };
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let ledger = &report["ledger"];
    assert_eq!(ledger["balanced"], true, "{report}");
    assert_eq!(
        (&ledger["lost"], &ledger["expected"]),
        (&json!(0), &ledger["received"]),
        "{report}"
    );
    let tls = &report["connections"]["tls"];
    assert_eq!(tls["certificate_checked"], true, "{report}");
    let suites = tls["suites"].as_object().expect("suites");
    assert!(
        suites.keys().all(|suite| suite.starts_with(&format!("TLS {version}"))),
        "{report}"
    );
    let (returns, changes) = (ledger["returns"].as_u64(), relay.changes());
    if returns < Some(4) || changes < 3 {
        return Err(format!("{returns:?} returns and {changes} changes: {report}"));
    }
    Ok(())
}

#[test]
fn the_account_is_exact_while_players_return_and_the_certificate_changes() {
    for (shards, version) in [("2", "1.2"), ("8", "1.3")] {
        given_time(|longer| play(shards, version, longer));
    }
}
