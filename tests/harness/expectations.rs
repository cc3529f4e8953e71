//! What a client expects to read next. Each expectation lets the machine work until it is quiet first.

use serde_json::{Value, json};

use super::frames::Frame;
use super::game::Client;
use super::pattern::mismatch;

/// What a client learned when it got a seat.
#[derive(Debug, Clone)]
pub struct Seat {
    pub room_id: String,
    pub room_code: String,
    pub player_id: String,
    pub snapshot: Value,
}

impl Client {
    /// The next frame.
    #[track_caller]
    pub fn next_frame(&self) -> Frame {
        self.machine().run_until_quiet();
        let frame = self.machine().peers[self.id.0].received.pop_front();
        frame.unwrap_or_else(|| panic!("{} waits for a message and none comes", self.name()))
    }

    /// Everything that has arrived and was not expected yet.
    pub fn takes_all(&self) -> Vec<Frame> {
        self.machine().run_until_quiet();
        self.machine().peers[self.id.0].received.drain(..).collect()
    }

    /// The next frame, which must be a text message that fits the pattern.
    #[track_caller]
    pub fn expects(&self, pattern: Value) -> Value {
        match self.next_frame() {
            Frame::Text(message) => {
                if let Some(why) = mismatch(&pattern, &message) {
                    panic!("{}: {why}\n  expected {pattern}\n  got      {message}", self.name());
                }
                message.value
            }
            other => panic!("{} expected {pattern}, got {other:?}", self.name()),
        }
    }

    /// The next frame is an `Error` with this code.
    #[track_caller]
    pub fn expects_error(&self, code: &str) {
        self.expects(json!({"type": "Error", "data": {"message": "$text", "error_code": code}}));
    }

    /// The next frame is a `RoomJoinFailed` with this code.
    #[track_caller]
    pub fn expects_join_failed(&self, code: &str) {
        self.expects(json!({"type": "RoomJoinFailed", "data": {"reason": "$text", "error_code": code}}));
    }

    /// The next frame is somebody's JSON game data.
    #[track_caller]
    pub fn expects_json(&self, from: &Seat, data: Value) {
        self.expects(json!({"type": "GameData", "data": {"from_player": from.player_id, "data": data}}));
    }

    /// The next frame is binary, with exactly these bytes.
    #[track_caller]
    pub fn expects_binary(&self, bytes: &[u8]) {
        assert_eq!(
            self.next_frame(),
            Frame::Binary(bytes.to_vec()),
            "{} expected a binary frame",
            self.name()
        );
    }

    /// The next frame closes the connection, and it ends.
    #[track_caller]
    pub fn expects_close(&self, code: u16, reason: &str) {
        assert_eq!(
            self.next_frame(),
            Frame::Close(Some(code), reason.to_owned()),
            "{} expected a close",
            self.name()
        );
        self.expects_end();
    }

    /// The connection has ended and nothing more came.
    #[track_caller]
    pub fn expects_end(&self) {
        self.expects_nothing();
        assert!(
            self.machine().peers[self.id.0].is_at_end(),
            "{} is still connected",
            self.name()
        );
    }

    /// Nothing has come, and the connection is open unless it was expected to end.
    #[track_caller]
    pub fn expects_nothing(&self) {
        let rest = self.takes_all();
        assert!(rest.is_empty(), "{} expected nothing, got {rest:?}", self.name());
    }

    /// Whether the server still holds the connection.
    #[track_caller]
    pub fn expects_open(&self) {
        self.machine().run_until_quiet();
        assert!(
            !self.machine().peers[self.id.0].pipe.borrow().server_closed,
            "{} was closed",
            self.name()
        );
    }

    /// A `Ping` is answered: the connection is alive and nothing else is queued.
    #[track_caller]
    pub fn expects_to_be_served(&self) {
        self.says("Ping").expects(json!({"type": "Pong"}));
    }

    /// Completes the handshake.
    #[track_caller]
    pub fn authenticate(&self, app_id: &str) -> &Self {
        self.authenticate_with(json!({"app_id": app_id}))
    }

    /// Completes the handshake with a request of any content.
    #[track_caller]
    pub fn authenticate_with(&self, request: Value) -> &Self {
        self.sends(json!({"type": "Authenticate", "data": request}));
        self.expects(json!({"type": "Authenticated", "data": {"app_name": "$text", "rate_limits": "$any"}}));
        self.expects(json!({"type": "ProtocolInfo", "data": "$any"}));
        self
    }

    /// Asks for a room or a seat, with a request of any content.
    pub fn asks_to_join(&self, request: Value) -> &Self {
        self.sends(json!({"type": "JoinRoom", "data": request}))
    }

    /// Creates a room and takes its first seat.
    #[track_caller]
    pub fn create_room(&self, game_name: &str, player_name: &str) -> Seat {
        self.asks_to_join(json!({"game_name": game_name, "player_name": player_name}));
        self.expects_created()
    }

    /// The next two frames tell of a room of one's own.
    #[track_caller]
    pub fn expects_created(&self) -> Seat {
        let seat = self.expects_seat();
        assert_eq!(
            seat.snapshot["lobby_state"], "waiting",
            "a creator sees the room before its promotion"
        );
        self.expects(json!({"type": "LobbyStateChanged", "data":
            {"lobby_state": "lobby", "ready_players": [], "all_ready": false}}));
        seat
    }

    /// Takes a seat in a room that exists.
    #[track_caller]
    pub fn join(&self, game_name: &str, room_code: &str, player_name: &str) -> Seat {
        self.asks_to_join(json!({"game_name": game_name, "player_name": player_name, "room_code": room_code}));
        self.expects_seat()
    }

    /// The next frame is `RoomJoined`, in its exact form.
    #[track_caller]
    pub fn expects_seat(&self) -> Seat {
        let message = self.expects(json!({"type": "RoomJoined", "data": {
            "room_id": "$any", "room_code": "$text", "player_id": "$uuid", "game_name": "$text", "max_players": "$any",
            "supports_authority": "$any", "current_players": "$any", "is_authority": "$any", "lobby_state": "$text",
            "ready_players": "$any", "relay_type": "$text", "current_spectators": [],
        }}));
        let snapshot = message["data"].clone();
        let text = |key: &str| snapshot[key].as_str().expect("matched above").to_owned();
        Seat {
            room_id: text("room_id"),
            room_code: text("room_code"),
            player_id: text("player_id"),
            snapshot,
        }
    }

    /// The next frame says that somebody took a seat.
    #[track_caller]
    pub fn expects_newcomer(&self, seat: &Seat, name: &str) {
        self.expects(
            json!({"type": "PlayerJoined", "data": {"player": {"id": seat.player_id, "name": name,
            "is_authority": false, "is_ready": false, "connected_at": "$time"}}}),
        );
    }

    /// The next frame says that somebody gave up a seat.
    #[track_caller]
    pub fn expects_departure(&self, seat: &Seat) {
        self.expects(json!({"type": "PlayerLeft", "data": {"player_id": seat.player_id}}));
    }
}
