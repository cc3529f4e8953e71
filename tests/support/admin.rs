//! The operators' page, as somebody with full command of HTTP sees it.

use std::net::SocketAddr;

use serde_json::Value;

use super::server::Server;
use super::wire::Wire;

/// What operators show.
pub const TOKEN: &str = "a-token-of-operators";

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its head.
    pub head: String,
    /// Its body.
    pub body: String,
}

impl Answer {
    /// The value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (field, value) = line.split_once(": ")?;
            field.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}

/// A server whose operators have the token.
pub fn server(shards: usize) -> Server {
    Server::with(shards, |config| {
        config.control.admin_token = Some(signal_fish_relay::config::Secret::new(TOKEN));
        // Nobody in these tests answers a ping.
        config.websocket.server_ping_interval_secs = 0;
    })
}

/// Asks, with a head that says all but how long the body is.
pub fn ask(address: SocketAddr, head: &str, body: &str) -> Answer {
    ask_over(Wire::connect(address), head, body)
}

/// The same, over a connection of somebody's own.
pub fn ask_over(mut wire: Wire, head: &str, body: &str) -> Answer {
    let announced = if body.is_empty() {
        String::new()
    } else {
        format!("Content-Length: {}\r\nContent-Type: application/json\r\n", body.len())
    };
    wire.send(format!("{head}\r\nConnection: close\r\n{announced}\r\n{body}").as_bytes());
    read(wire)
}

/// The last answer on a connection.
pub fn read(mut wire: Wire) -> Answer {
    let answer = String::from_utf8(wire.rest()).expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    Answer {
        status: head[9..12].parse().expect("a status"),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

/// A page's address as its host and its origin.
pub fn host(server: &Server) -> String {
    format!("localhost:{}", server.address().port())
}

/// Reads with a field more.
pub fn get(server: &Server, path: &str, fields: &str) -> Answer {
    let head = format!("GET {path} HTTP/1.1\r\nHost: {}{fields}", host(server));
    ask(server.address(), &head, "")
}

/// Reads with the token.
pub fn look(server: &Server, path: &str) -> Value {
    let answer = get(server, path, &bearer());
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.json()
}

/// Acts with the token.
pub fn act(server: &Server, path: &str, body: &str) -> Answer {
    let head = format!("POST {path} HTTP/1.1\r\nHost: {}{}", host(server), bearer());
    ask(server.address(), &head, body)
}

/// The field that shows the token.
pub fn bearer() -> String {
    format!("\r\nAuthorization: Bearer {TOKEN}")
}

/// Tries to sign in as the page does.
pub fn sign_in(server: &Server, token: &str) -> Answer {
    let host = host(server);
    let head = format!("POST /admin/api/sign-in HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}");
    ask(server.address(), &head, &format!(r#"{{"token":"{token}"}}"#))
}
