//! A browser's own `WebSocket` plays through the server: first the snippet of the README, as it stands, as its reader would
//! use it; then a whole match with what the snippet leaves out, and offers of
//! subprotocols; then what a page of another origin asks over HTTP. All of it in the clear and over TLS.
//!
//! The page comes from a listener of the test's own and reports back to it.

use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::server::Server;
use crate::support::tls::Authority;

/// How long a browser may take to ask for the page. It is started anew, `ATTEMPTS` times in all: now and then a headless
/// browser never comes up on a busy machine.
const START_DEADLINE: Duration = Duration::from_secs(20);
const ATTEMPTS: usize = 3;

/// How long the page waits before it reports how far it came.
const PAGE_PATIENCE: Duration = Duration::from_secs(20);

/// The snippet as people paste it (`docs_are_true` compares it with the README), and the address in it.
const SNIPPET: &str = include_str!("../../docs/browser-snippet.js");
const SNIPPET_URL: &str = "ws://127.0.0.1:3536/v2/ws";

/// What the README tells its reader to do with the snippet, in one page instead of two tabs.
const AS_TOLD: &str = r#"
const say = play("Mira");
const code = await logged((line) => line[0] === "room code:");
play("Otto", code[1]);
await logged((line) => line[0] === "PlayerJoined");
say({ x: 12, y: -3.5 });
const heard = await logged((line) => line[0] === "GameData");
report.heard = heard[1].data;
"#;

/// A match of two sockets that negotiated binary data: ready, start, binary both ways, leave, and a close whose code and
/// reason come back.
const MATCH: &str = r#"
const open = async () => {
  const socket = new WebSocket(URL_OF_SERVER);
  socket.binaryType = "arraybuffer";
  const frames = [];
  let wake = () => {};
  socket.onmessage = ({ data }) => (frames.push(data), wake());
  await new Promise((resolve) => (socket.onopen = resolve));
  const send = (type, data) => socket.send(JSON.stringify({ type, data }));
  const frame = async (wanted) => {
    for (;;) {
      while (frames.length === 0) await new Promise((resolve) => (wake = resolve));
      const data = frames.shift();
      if (typeof data !== "string") return new Uint8Array(data);
      const message = JSON.parse(data);
      if (message.type === wanted) return message.data;
    }
  };
  send("Authenticate", { app_id: "reef-racer", game_data_format: "message_pack" });
  await frame("ProtocolInfo");
  return { socket, send, frame };
};
const one = await open();
const other = await open();
one.send("JoinRoom", { game_name: "tide-pool", player_name: "One" });
const joined = await one.frame("RoomJoined");
other.send("JoinRoom", { game_name: "tide-pool", player_name: "Other", room_code: joined.room_code });
await other.frame("RoomJoined");
one.send("PlayerReady");
await other.frame("LobbyStateChanged");
other.send("PlayerReady");
while (!(await one.frame("LobbyStateChanged")).all_ready);
one.send("StartGame");
for (const player of [one, other]) report.peers.push((await player.frame("GameStarting")).peer_connections.length);
for (const [from, to] of [[one, other], [other, one]]) {
  const payload = new Uint8Array([0x82, 0xa2, 0x6f, 0x70, 0xa4, 0x6d, 0x6f, 0x76, 0x65, 0xa1, 0x78, 0x07]);
  from.socket.send(payload);
  const envelope = await to.frame("nothing but binary");
  report.binary.push(payload.every((byte, at) => envelope.at(at - payload.length) === byte));
}
other.send("LeaveRoom");
await other.frame("RoomLeft");
await one.frame("PlayerLeft");
const closed = new Promise((resolve) => (one.socket.onclose = resolve));
one.socket.close(4321, "bye");
const { code, reason, wasClean } = await closed;
report.close = { code, reason, wasClean };
"#;

/// What a page of another origin may read, a preflighted request among it.
const ASKED: &str = r#"
report.config = await (await fetch(`${HTTP_OF_SERVER}/v2/client-config`)).json();
const metrics = await fetch(`${HTTP_OF_SERVER}/metrics/prom`, { headers: { Authorization: "Bearer x" } });
report.metrics = [metrics.status, (await metrics.text()).includes("signal_fish_connections_total")];
"#;

/// Which offers of subprotocols a browser takes for a connection, and what it says was chosen.
const SUBPROTOCOLS: &str = r#"
report.chosen = [];
for (const offer of [[], ["signal-fish.v3"], ["json", "signal-fish.v2"], ["json"]]) {
  const socket = new WebSocket(URL_OF_SERVER, offer);
  report.chosen.push(await new Promise((resolve) => {
    socket.onopen = () => resolve(socket.protocol);
    socket.onclose = ({ code }) => resolve(code);
  }));
}
"#;

/// The page: runs everything and reports how it went, with all that the snippet logged.
fn page(url: &str) -> String {
    assert!(SNIPPET.contains(SNIPPET_URL), "the snippet names the default address");
    let snippet = SNIPPET.replace(SNIPPET_URL, url);
    let http = url.replacen("ws", "http", 1).replace("/v2/ws", "");
    let asked = ASKED.replace("${HTTP_OF_SERVER}", &http);
    let [more, subprotocols] = [MATCH, SUBPROTOCOLS].map(|script| script.replace("URL_OF_SERVER", &format!("{url:?}")));
    let patience_ms = PAGE_PATIENCE.as_millis();
    format!(
        r#"<!doctype html><meta charset="utf-8"><script type="module">
const report = {{ log: [], peers: [], binary: [] }};
let woken = () => {{}};
console.log = (...line) => (report.log.push(line), woken());
const logged = async (test) => {{
  for (let seen = 0; ; seen += 1) {{
    while (seen === report.log.length) await new Promise((resolve) => (woken = resolve));
    if (test(report.log[seen])) return report.log[seen];
  }}
}};
const tell = () => fetch("/result", {{ method: "POST", body: JSON.stringify(report) }});
setTimeout(() => {{ report.error = "stuck"; tell(); }}, {patience_ms});
try {{
{{ {snippet}
{AS_TOLD} }}
{{ {more} }}
{{ {asked} }}
{{ {subprotocols} }}
}} catch (error) {{ report.error = String(error); }}
await tell();
</script>"#
    )
}

/// What the browser did.
enum Seen {
    /// It asked for the page.
    Fetched,
    /// The page came to its end, or to the end of its patience.
    Report(Value),
}

/// Answers one connection of the browser's: the page, its report, or nothing.
fn serve(stream: TcpStream, page: &str, seen: &Sender<Seen>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(START_DEADLINE))?;
    let mut reader = BufReader::new(stream);
    let (mut request, mut length) = (String::new(), 0);
    reader.read_line(&mut request)?;
    loop {
        let mut field = String::new();
        reader.read_line(&mut field)?;
        match field.split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().unwrap_or(0);
            }
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let (status, answer) = if request.starts_with("GET / ") {
        seen.send(Seen::Fetched).expect("the test waits");
        ("200 OK", page)
    } else if request.starts_with("POST /result ") {
        let report = serde_json::from_slice(&body).expect("the page reports JSON");
        seen.send(Seen::Report(report)).expect("the test waits");
        ("200 OK", "")
    } else {
        ("404 Not Found", "")
    };
    write!(
        reader.get_mut(),
        "HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{answer}",
        answer.len()
    )
}

/// A browser without a window, ended with all its processes at the end of its scope.
pub(crate) struct Browser {
    process: Child,
    profile: tempfile::TempDir,
}

impl Browser {
    pub(crate) fn find() -> Option<PathBuf> {
        let path = env::var_os("PATH")?;
        env::split_paths(&path)
            .flat_map(|directory| ["chromium", "chromium-browser", "google-chrome"].map(|name| directory.join(name)))
            .find(|file| file.is_file())
    }

    /// Where it keeps what it knows.
    pub(crate) fn profile(&self) -> &Path {
        self.profile.path()
    }

    pub(crate) fn open(program: &Path, url: &str, flags: &[&str]) -> Self {
        let profile = tempfile::tempdir().expect("a temporary directory");
        let process = Command::new(program)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                // Nothing but this machine is looked up, whatever a browser wants to know at its start.
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .args(flags)
            .arg(url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("the browser starts");
        Self { process, profile }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let group = libc::pid_t::try_from(self.process.id()).expect("a process id");
        // SAFETY: has no requirements; the group is the one that was made for this child, which has not been waited for.
        unsafe { libc::kill(-group, libc::SIGKILL) };
        let _ = self.process.wait();
    }
}

#[test]
#[ignore = "needs chromium in PATH: .ci/run installs it and includes this test"]
fn a_browser_plays_the_snippet_of_the_readme() {
    let server = Server::start(2);
    plays(&server.url(), &[]);
}

#[test]
#[ignore = "needs chromium in PATH: .ci/run installs it and includes this test"]
fn a_browser_plays_the_same_over_tls() {
    let authority = Authority::new("browser");
    let identity = authority.server("server");
    let server = Server::with(2, |config| identity.serve(config));
    // It can be told to trust a key that it knows, but not an authority.
    plays(
        &server.url().replace("ws://", "wss://"),
        &["--ignore-certificate-errors"],
    );
    assert!(server.count(|counters| &counters.tls_handshakes) > 0);
}

/// Runs the page in a browser with these flags and judges its report.
fn plays(server: &str, flags: &[&str]) {
    let program = Browser::find().expect("a chromium in PATH");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let page: Arc<str> = page(server).into();
    let (sender, seen) = channel();
    thread::spawn(move || {
        // A browser opens connections ahead of their use, so none may hold up another.
        for stream in listener.incoming().map_while(Result::ok) {
            let (page, sender) = (Arc::clone(&page), sender.clone());
            thread::spawn(move || serve(stream, &page, &sender));
        }
    });

    let url = format!("http://{address}/");
    let browser = (0..ATTEMPTS).find_map(|_| {
        let browser = Browser::open(&program, &url, flags);
        seen.recv_timeout(START_DEADLINE).is_ok().then_some(browser)
    });
    assert!(browser.is_some(), "{} never asks for the page", program.display());
    let report = loop {
        match seen
            .recv_timeout(2 * PAGE_PATIENCE)
            .expect("the page reports in any case")
        {
            Seen::Fetched => {}
            Seen::Report(report) => break report,
        }
    };

    assert_eq!(report["error"], Value::Null, "{report}");
    assert_eq!(report["heard"], json!({"x": 12, "y": -3.5}));
    assert_eq!(report["peers"], json!([2, 2]));
    assert_eq!(report["binary"], json!([true, true]));
    assert_eq!(report["config"], json!({"max_outbound_message_size": 8_388_608}));
    assert_eq!(report["metrics"], json!([200, true]));
    let close = json!({"code": 4321, "reason": "bye", "wasClean": true});
    assert_eq!(report["close"], close);
    assert_eq!(
        report["chosen"],
        json!(["", "signal-fish.v3", "signal-fish.v2", 1006]),
        "an offer of which nothing is chosen fails"
    );
}
