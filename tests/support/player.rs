//! A player that speaks the protocol over a blocking WebSocket.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Error, Message, WebSocket};
use uuid::Uuid;

use super::DEADLINE;
use super::server::Server;

/// Something that a player received.
#[derive(Debug, Clone, PartialEq)]
pub enum Received {
    /// A text frame.
    Text(Value),
    /// A binary frame.
    Binary(Vec<u8>),
    /// The server closed with this code, or without one.
    Close(Option<u16>),
    /// The socket ended.
    End,
}

/// What every player names as its application; rooms of other applications do not exist for it.
pub const APP_ID: &str = "reef-racer";

/// One connection to the server.
pub struct Player {
    socket: WebSocket<TcpStream>,
    /// How many room operations it has sent.
    operations: u64,
}

impl Player {
    /// Connects without saying anything.
    pub fn connect(server: &Server) -> Self {
        Self::connect_to(server.address())
    }

    /// Connects to an address without saying anything.
    pub fn connect_to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, DEADLINE).expect("the server accepts");
        Self::over(stream, &address.to_string())
    }

    /// A connection that somebody has made to `host`, as yet without saying anything.
    pub fn over(stream: TcpStream, host: &str) -> Self {
        Self::over_to(stream, &format!("ws://{host}/v2/ws"))
    }

    /// The same, for this URL.
    pub fn over_to(stream: TcpStream, url: &str) -> Self {
        stream.set_nodelay(true).expect("an option of every socket");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout above zero");
        stream.set_write_timeout(Some(DEADLINE)).expect("a timeout above zero");
        let (socket, _) = tungstenite::client(url, stream).expect("an upgrade");
        let operations = 0;
        Self { socket, operations }
    }

    /// Connects and authenticates for version 3, with ids for room operations.
    pub fn moderator(server: &Server) -> Self {
        Self::moderator_at(server.address())
    }

    /// The same, at an address.
    pub fn moderator_at(address: SocketAddr) -> Self {
        let mut player = Self::connect_to(address);
        player.send(&json!({"type": "Authenticate", "data":
            {"app_id": APP_ID, "protocol_version": 3, "requested_capabilities": ["room_operation_ids"]}}));
        player.expect("Authenticated");
        player.expect("ProtocolInfo");
        player
    }

    /// Shows a connect token in the handshake, and returns what is answered.
    pub fn shows(&mut self, token: &str) -> Value {
        self.send(&json!({"type": "Authenticate", "data": {"app_id": APP_ID, "connect_token": token}}));
        match self.receive() {
            Received::Text(answer) => answer,
            other => panic!("an answer was expected: {other:?}"),
        }
    }

    /// Sends a room operation and returns its result, which must be of this type. What comes before it is passed over.
    pub fn operates(&mut self, kind: &str, data: &Value, result: &str) -> Value {
        self.operations += 1;
        let id = format!("77777777-7777-4777-8777-{:012}", self.operations);
        self.send(&json!({"type": "RoomOperation", "data":
            {"operation_id": id, "operation": {"type": kind, "data": data}}}));
        let mut answer = self.wait_for("RoomOperationResult");
        assert_eq!(answer["operation_id"], id);
        assert_eq!(answer["result"]["type"], result, "{answer}");
        answer["result"]["data"].take()
    }

    /// Connects and authenticates for game data in JSON.
    pub fn authenticated(server: &Server) -> Self {
        Self::authenticated_for(server, "json")
    }

    /// The same, at an address.
    pub fn authenticated_at(address: SocketAddr) -> Self {
        let mut player = Self::connect_to(address);
        player.authenticate("json");
        player
    }

    /// Connects and authenticates for game data in `format`.
    pub fn authenticated_for(server: &Server, format: &str) -> Self {
        let mut player = Self::connect(server);
        player.authenticate(format);
        player
    }

    /// Authenticates for game data in `format`.
    pub fn authenticate(&mut self, format: &str) {
        self.send(&json!({"type": "Authenticate", "data": {"app_id": APP_ID, "game_data_format": format}}));
        self.expect("Authenticated");
        self.expect("ProtocolInfo");
    }

    /// Sends a control message or JSON game data.
    pub fn send(&mut self, message: &Value) {
        self.send_text(message.to_string());
    }

    /// Sends a text frame as it is.
    pub fn send_text(&mut self, text: String) {
        self.socket.send(Message::text(text)).expect("the server reads");
    }

    /// Sends a binary frame.
    pub fn send_binary(&mut self, payload: &[u8]) {
        self.socket
            .send(Message::binary(payload.to_vec()))
            .expect("the server reads");
    }

    /// Queues a frame without sending it; the next [`flush`](Self::flush) or send takes all of them in one go.
    pub fn queue(&mut self, message: &Value) {
        self.socket
            .write(Message::text(message.to_string()))
            .expect("the buffer takes it");
    }

    /// Sends what was queued.
    pub fn flush(&mut self) {
        self.socket.flush().expect("the server reads");
    }

    /// The next thing that arrives, which must be within the deadline.
    pub fn receive(&mut self) -> Received {
        self.receive_within(DEADLINE)
            .expect("the server answers before the deadline")
    }

    /// The next thing that arrives within `time`.
    pub fn receive_within(&mut self, time: Duration) -> Option<Received> {
        let deadline = Instant::now() + time;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            self.socket
                .get_ref()
                .set_read_timeout(Some(left))
                .expect("a timeout above zero");
            match self.socket.read() {
                Ok(Message::Text(text)) => {
                    return Some(Received::Text(
                        serde_json::from_str(&text).expect("the server sends JSON"),
                    ));
                }
                Ok(Message::Binary(payload)) => return Some(Received::Binary(payload.to_vec())),
                Ok(Message::Close(frame)) => {
                    // The echo that tungstenite has queued goes out with the next call.
                    let _ = self.socket.flush();
                    return Some(Received::Close(frame.map(|frame| u16::from(frame.code))));
                }
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
                Err(Error::Io(error)) if is_transient(error.kind()) => {}
                Err(_) => return Some(Received::End),
            }
        }
    }

    /// The payload of the next message, which must be of type `tag`.
    pub fn expect(&mut self, tag: &str) -> Value {
        match self.receive() {
            Received::Text(mut message) if message["type"] == tag => message["data"].take(),
            other => panic!("{tag} was expected and this came: {other:?}"),
        }
    }

    /// The payload of the next message of type `tag`; what comes before it is passed over.
    pub fn wait_for(&mut self, tag: &str) -> Value {
        loop {
            match self.receive() {
                Received::Text(mut message) if message["type"] == tag => return message["data"].take(),
                Received::Text(_) | Received::Binary(_) => {}
                other => panic!("{tag} was expected and this came: {other:?}"),
            }
        }
    }

    /// Reads until the server closes and returns its code.
    pub fn wait_for_close(&mut self) -> Option<u16> {
        loop {
            match self.receive() {
                Received::Close(code) => return code,
                Received::Text(_) | Received::Binary(_) => {}
                Received::End => panic!("a close frame was expected and the socket ended"),
            }
        }
    }

    /// Creates a room and reads everything that the creator is told. Returns its code.
    pub fn create(&mut self, game: &str, name: &str) -> String {
        self.send(&join_message(game, name, None));
        let joined = self.expect("RoomJoined");
        self.expect("LobbyStateChanged");
        joined["room_code"].as_str().expect("a code").to_owned()
    }

    /// Joins a room that exists. Returns the payload of `RoomJoined`.
    pub fn join(&mut self, game: &str, name: &str, code: &str) -> Value {
        self.send(&join_message(game, name, Some(code)));
        self.expect("RoomJoined")
    }

    /// Leaves the room.
    pub fn leave(&mut self) {
        self.send(&json!({"type": "LeaveRoom"}));
        self.expect("RoomLeft");
    }

    /// Sends JSON game data.
    pub fn say(&mut self, data: &Value) {
        self.send(&json!({"type": "GameData", "data": {"data": data}}));
    }

    /// The data of the next message, which must be JSON game data.
    pub fn hear(&mut self) -> Value {
        self.expect("GameData")["data"].take()
    }

    /// Whether the server still answers this player. Nothing else may be on its way.
    pub fn is_served(&mut self) -> bool {
        self.send(&json!({"type": "Ping"}));
        self.expect("Pong");
        true
    }

    /// Starts a closing handshake.
    pub fn close(&mut self, code: u16) {
        let frame = tungstenite::protocol::CloseFrame {
            code: CloseCode::from(code),
            reason: "".into(),
        };
        self.socket.close(Some(frame)).expect("the server reads");
    }
}

/// Whether to ask again: the time of one read was over, or a signal interrupted it.
fn is_transient(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

/// A `JoinRoom` that creates (without a code) or joins.
pub fn join_message(game: &str, name: &str, code: Option<&str>) -> Value {
    let mut data = json!({"game_name": game, "player_name": name});
    if let Some(code) = code {
        data["room_code"] = json!(code);
    }
    json!({"type": "JoinRoom", "data": data})
}

/// The envelope of binary game data to a v2 player, taken apart: who sent it, and the payload.
pub fn open_envelope(frame: &[u8]) -> (Uuid, Vec<u8>) {
    let rest = frame.strip_prefix(b"\x83\xabfrom_player\xc4\x10").expect("the sender");
    let (sender, rest) = rest.split_at(16);
    let rest = rest
        .strip_prefix(b"\xa8encoding\xacmessage_pack\xa7payload")
        .expect("the encoding");
    let payload = match rest {
        [0xc4, len, payload @ ..] if payload.len() == usize::from(*len) => payload,
        [0xc5, high, low, payload @ ..] if payload.len() == usize::from(u16::from_be_bytes([*high, *low])) => payload,
        other => panic!("no binary of the right length: {other:x?}"),
    };
    (Uuid::from_slice(sender).expect("sixteen bytes"), payload.to_vec())
}
