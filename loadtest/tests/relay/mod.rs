//! A small Signal Fish relay that makes one chosen mistake.
//!
//! It speaks both versions, each connection its own, and reads with an independent WebSocket library, so that the
//! generator's own codec is checked by somebody else's. Without a mistake it keeps every promise of the protocol.

mod fault;
mod hall;
mod line;
mod membership;
mod operations;
mod outbox;
mod wire;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tungstenite::Message;

use fault::Culprit;
pub(crate) use fault::Fault;
use hall::Hall;
use line::Line;
use wire::{Class, Content, Version};

/// Serves on a free port until the test process ends.
#[allow(dead_code, reason = "some tests want to know whether there was an occasion")]
pub(crate) fn start(fault: Fault) -> SocketAddr {
    start_watched(fault).0
}

/// The same, with the one who makes the mistake.
pub(crate) fn start_watched(fault: Fault) -> (SocketAddr, Culprit) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("the port's address");
    let culprit = Culprit::new(fault);
    let watched = culprit.clone();
    let hall = Arc::new(Mutex::new(Hall::new(culprit.clone())));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, hall, culprit) = (stream.expect("a connection"), Arc::clone(&hall), culprit.clone());
            std::thread::spawn(move || {
                let line = Line::open(stream.try_clone().expect("a second handle"), culprit);
                let mut session = Session {
                    hall: &hall,
                    line,
                    me: None,
                };
                session.serve(stream);
                if let Some(me) = session.me {
                    session.hall().drops_out(me);
                }
            });
        }
    });
    (address, watched)
}

/// One connection.
struct Session<'a> {
    hall: &'a Mutex<Hall>,
    line: Line,
    /// Its number among the members of the hall, once it is one.
    me: Option<usize>,
}

impl<'a> Session<'a> {
    fn hall(&self) -> MutexGuard<'a, Hall> {
        self.hall.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&mut self, stream: TcpStream) {
        let Ok(mut socket) = tungstenite::accept(stream) else {
            return;
        };
        while let Ok(message) = socket.read() {
            match message {
                Message::Text(text) => {
                    let tree: Value = serde_json::from_str(&text).expect("JSON in a text frame");
                    self.request(tree["type"].as_str().expect("a type"), &tree["data"]);
                }
                Message::Binary(payload) => {
                    let me = self.me.expect("only seated players send game data");
                    self.hall().relay(me, None, Content::MessagePack(payload.to_vec()));
                }
                _ => {}
            }
        }
    }

    fn request(&mut self, kind: &str, data: &Value) {
        match kind {
            "Authenticate" => self.welcome(data),
            "Ping" => self.line.message("Pong", &Value::Null),
            "GameData" => {
                let me = self.me.expect("only seated players send game data");
                let content = Content::Json(data["data"].to_string());
                self.hall().relay(me, Class::read(data), content);
            }
            "RoomOperation" => {
                assert!(self.line.operation_ids, "an operation without the capability");
                let id = data["operation_id"].as_str().expect("an operation id");
                let operation = &data["operation"];
                let kind = operation["type"].as_str().expect("an operation type");
                if !self.membership(kind, &operation["data"], Some(id)) {
                    let me = self.me.expect("only seated players ask for room operations");
                    self.hall().operate(me, id, kind, &operation["data"]);
                }
            }
            _ => assert!(self.membership(kind, data, None), "unexpected message {kind:?}"),
        }
    }

    /// A request that begins or ends a membership; false when it is none.
    fn membership(&mut self, kind: &str, data: &Value, operation_id: Option<&str>) -> bool {
        match kind {
            "JoinRoom" => self.me = Some(self.hall().join(data, &self.line, operation_id)),
            "JoinAsSpectator" => self.me = Some(self.hall().watch(data, &self.line, operation_id)),
            "Reconnect" => self.me = self.hall().reconnect(data, &self.line, operation_id),
            "LeaveRoom" => {
                if let Some(me) = self.me.take() {
                    self.hall().leave(me, operation_id);
                }
            }
            _ => return false,
        }
        true
    }

    fn welcome(&mut self, data: &Value) {
        let three = data["protocol_version"].as_u64().is_some_and(|version| version >= 3);
        let wishes = data["requested_capabilities"].as_array();
        self.line.operation_ids =
            three && wishes.is_some_and(|wishes| wishes.iter().any(|wish| wish == "room_operation_ids"));
        let mut info = json!({"capabilities": ["reconnection"], "game_data_formats": ["json", "message_pack"],
            "player_name_rules": {"max_length": 32, "min_length": 1, "allow_unicode_alphanumeric": true,
                "allow_spaces": true, "allow_leading_trailing_whitespace": false, "allowed_symbols": ["-", "_"]}});
        if three {
            self.line.version = Version::Three;
            let mut capabilities = vec!["reconnection", "spectator_relay"];
            capabilities.extend(self.line.operation_ids.then_some("room_operation_ids"));
            info["capabilities"] = capabilities.into();
            info["protocol_version"] = 3.into();
            info["min_protocol_version"] = 2.into();
            info["max_protocol_version"] = 3.into();
            info["transports"] = ["websocket"].as_slice().into();
            info["max_outbound_message_size"] = 65_535.into();
            info["implementation_version"] = "0.0.0".into();
        }
        let limits = json!({"per_minute": 1000, "per_hour": 10_000, "per_day": 100_000});
        let welcome = json!({"app_name": "default", "rate_limits": limits});
        self.line.message("Authenticated", &welcome);
        self.line.message("ProtocolInfo", &info);
    }
}
