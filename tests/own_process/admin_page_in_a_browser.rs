//! The operators' page in a browser: what players have chosen as names is text on it, whatever it looks like.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::support::DEADLINE;
use crate::support::server::Server;
use crate::support::wire::{TEXT, Wire};

const HOSTILE: &str = "<img src=x onerror=pwned=1>";

/// What is seen of a page.
const SEEN: &str = "JSON.stringify({text: document.body.innerText, images: document.images.length, \
                    pwned: typeof pwned, state: document.getElementById('state')?.textContent})";

/// A page that is looked at through the browser's own protocol for that.
struct Page {
    wire: Wire,
    number: u64,
}

impl Page {
    /// The first page of the browser with this profile.
    fn of(profile: &Path) -> Self {
        let deadline = Instant::now() + DEADLINE;
        let port_file = profile.join("DevToolsActivePort");
        let address: SocketAddr = loop {
            let port = fs::read_to_string(&port_file).ok();
            if let Some(port) = port.and_then(|text| text.lines().next()?.parse::<u16>().ok()) {
                break ([127, 0, 0, 1], port).into();
            }
            assert!(Instant::now() < deadline, "the browser never comes up");
            std::thread::sleep(Duration::from_millis(50));
        };
        loop {
            let list = list_of_pages(address);
            let pages = list.as_array().expect("a list").iter();
            let mut paths = pages.filter(|page| page["type"] == "page").filter_map(|page| {
                let url = page["webSocketDebuggerUrl"].as_str()?;
                Some(format!("/{}", url.strip_prefix("ws://")?.split_once('/')?.1))
            });
            if let Some(path) = paths.next() {
                let wire = Wire::connect(address).upgrade(&path);
                return Self { wire, number: 0 };
            }
            assert!(Instant::now() < deadline, "the browser has no page");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What a script of ours says.
    fn evaluate(&mut self, expression: &str) -> Value {
        self.number += 1;
        let asked = json!({"id": self.number, "method": "Runtime.evaluate", "params": {"expression": expression}});
        self.wire.send_frame(TEXT, asked.to_string().as_bytes());
        loop {
            let answer: Value = serde_json::from_str(self.wire.frame().text()).expect("JSON");
            if answer["id"] == self.number {
                return answer["result"]["result"]["value"].clone();
            }
        }
    }

    /// Looks until the page says something.
    fn until(&mut self, text: &str) -> Value {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let seen = self.evaluate(SEEN);
            let seen: Value = serde_json::from_str(seen.as_str().unwrap_or("{}")).expect("JSON");
            if seen["text"].as_str().is_some_and(|all| all.contains(text)) {
                return seen;
            }
            assert!(Instant::now() < deadline, "{text}: {seen:#}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// What the browser says of its pages. It keeps the connection.
fn list_of_pages(address: SocketAddr) -> Value {
    let mut wire = Wire::connect(address);
    wire.send(format!("GET /json/list HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes());
    let head = wire.head().to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    serde_json::from_slice(&wire.take(length.expect("a length"))).expect("JSON")
}

/// Says something as a player, and reads until the answer.
fn say(wire: &mut Wire, kind: &str, data: &Value, answer: &str) -> Value {
    wire.send_frame(TEXT, json!({"type": kind, "data": data}).to_string().as_bytes());
    loop {
        let message: Value = serde_json::from_str(wire.frame().text()).expect("JSON");
        if message["type"] == answer {
            return message["data"].clone();
        }
    }
}

#[test]
#[ignore = "needs chromium in PATH: .ci/run installs it and includes this test"]
fn names_that_look_like_scripts_are_text() {
    let server = Server::with(1, |config| {
        let names = &mut config.protocol.player_name_validation;
        names.additional_allowed_characters = Some("<>=".to_owned());
        config.websocket.server_ping_interval_secs = 0;
    });
    let mut player = Wire::upgraded(&server);
    let data = json!({"game_name": "reef", "room_code": "TIDE22", "player_name": HOSTILE});
    let room = say(&mut player, "JoinRoom", &data, "RoomJoined");
    let mut spectator = Wire::upgraded(&server);
    let data = json!({"game_name": "reef", "room_code": "TIDE22", "spectator_name": HOSTILE});
    say(&mut spectator, "JoinAsSpectator", &data, "SpectatorJoined");

    let program = Browser::find().expect("a chromium in PATH");
    let id = room["room_id"].as_str().expect("an id");
    let views = [
        ("#/rooms".to_owned(), "TIDE22", 0),
        (format!("#/rooms/{id}"), HOSTILE, 2),
        ("#/".to_owned(), "TIDE22", 0),
    ];
    let base = format!("http://{}/admin/", server.address());
    let browser = Browser::open(
        &program,
        &format!("{base}{}", views[0].0),
        &["--remote-debugging-port=0"],
    );
    let mut page = Page::of(browser.profile());
    for (view, there, times) in views {
        page.evaluate(&format!("location.hash = '{view}'"));
        let seen = page.until(there);
        let text = seen["text"].as_str().expect("text");
        assert!(text.matches(HOSTILE).count() >= times, "{view}: {text}");
        assert_eq!(seen["images"], 1, "{view}: none but the page's own: {text}");
        assert_eq!(seen["pwned"], "undefined", "{view}");
        assert_eq!(seen["state"], "serving");
    }
    // A script that got in all the same would be kept from running, and from telling anybody.
    let ran = "document.body.insertAdjacentHTML('beforeend', '<img src=y onerror=\"window.pwned=1\">'); 1";
    page.evaluate(ran);
    let deadline = Instant::now() + Duration::from_secs(1);
    while Instant::now() < deadline {
        assert_eq!(page.evaluate("typeof pwned"), "undefined", "the policy forbids it");
    }
}
