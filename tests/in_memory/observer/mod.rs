//! What a client may believe of its room and of its requests, whatever else happens.
//!
//! An [`Observer`] reads one connection frame by frame and knows nothing of the server: only the protocol's promises, as
//! strictly as published clients hold servers to them. Numbers of game data on version 3 are an [`Audit`]'s business.

mod membership;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::Value;

use self::membership::Membership;
use super::audit::Audit;
use super::harness::Frame;

/// A request whose answer can be told from everything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    Join,
    Watch,
    Return,
    StopWatching,
    /// Without a seat it has no answer.
    Leave,
    Authority,
    Ping,
    Operation {
        id: String,
        kind: &'static str,
    },
}

/// How a connection is in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Player,
    Spectator,
}

/// A room as its member knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomView {
    pub id: String,
    pub players: BTreeSet<String>,
    pub spectators: BTreeSet<String>,
    pub authority: Option<String>,
    pub is_finalized: bool,
}

/// The books of one connection.
#[derive(Debug)]
pub struct Observer {
    name: String,
    version: u16,
    knows_ids: bool,
    requests: VecDeque<Request>,
    membership: Option<Membership>,
    pub audit: Audit,
    pub closed: Option<Option<u16>>,
    pub was_told_of_drain: bool,
    /// Whether spectators may watch from outposts.
    pub has_outposts: bool,
    /// The room and the token of the newest seat.
    pub seat: Option<(String, String, Option<String>)>,
    /// What was read, by tag.
    pub tags: BTreeMap<String, u64>,
    /// The codes of refusals and farewells.
    pub codes: BTreeMap<String, u64>,
    /// Room codes that were told.
    pub room_codes: Vec<String>,
}

const V3_TAGS: [&str; 8] = [
    "Signal",
    "SessionPlan",
    "PeerTransportStatus",
    "RelayStats",
    "DeliveryReport",
    "GoingAway",
    "RoomOperationResult",
    "NewPeer",
];

impl Observer {
    pub fn of(name: &str, version: u16, knows_ids: bool) -> Self {
        Self {
            name: name.to_owned(),
            version,
            knows_ids,
            requests: VecDeque::new(),
            membership: None,
            audit: Audit::of(name),
            closed: None,
            was_told_of_drain: false,
            has_outposts: false,
            seat: None,
            tags: BTreeMap::new(),
            codes: BTreeMap::new(),
            room_codes: Vec::new(),
        }
    }

    pub fn asks(&mut self, request: Request) {
        self.requests.push_back(request);
    }

    pub fn role(&self) -> Option<Role> {
        self.membership.as_ref().map(|membership| membership.role)
    }

    pub fn is_ready(&self) -> bool {
        let ready = |membership: &Membership| membership.ready.contains(&membership.me);
        self.membership.as_ref().is_some_and(ready)
    }

    pub fn me(&self) -> Option<&str> {
        self.membership.as_ref().map(|membership| &*membership.me)
    }

    /// The room as this client knows it, unless it is in none.
    pub fn room(&self) -> Option<&RoomView> {
        self.membership.as_ref().map(|membership| &membership.room)
    }

    /// Whether it is told of every change of its room.
    pub fn hears_everything(&self) -> bool {
        self.membership
            .as_ref()
            .is_none_or(|membership| !membership.hears_newest)
    }

    /// Nothing is owed to the client any more.
    pub fn settle(&self) {
        let owed: Vec<_> = self
            .requests
            .iter()
            .filter(|request| **request != Request::Leave)
            .collect();
        assert!(owed.is_empty(), "{}: never answered: {owed:?}", self.name);
        if let Some(membership) = &self.membership {
            assert!(!membership.awaits_plan, "{}: no plan came", self.name);
        }
    }

    pub fn read(&mut self, frame: &Frame) {
        assert!(self.closed.is_none(), "{}: {frame:?} after a close frame", self.name);
        match frame {
            Frame::Text(message) => self.read_message(message),
            Frame::Binary(bytes) => {
                assert!(self.membership.is_some(), "{}: data in no room", self.name);
                if self.version == 3 {
                    self.audit.read(frame);
                } else {
                    assert_eq!(bytes[0], 0x83, "{}: three fields on version 2", self.name);
                }
            }
            Frame::Close(code, _) => self.closed = Some(*code),
            Frame::Ping(_) | Frame::Pong(_) => {}
        }
    }

    fn read_message(&mut self, message: &Value) {
        let tag = message["type"].as_str().expect("a tag");
        let empty = Value::Null;
        let data = message.get("data").unwrap_or(&empty);
        *self.tags.entry(tag.to_owned()).or_default() += 1;
        if self.version == 2 {
            assert!(!V3_TAGS.contains(&tag), "{}: {message} on version 2", self.name);
            self.has_no_newer_keys(message);
        }
        if tag == "RoomOperationResult" {
            assert!(self.knows_ids, "{}: {message} was not negotiated", self.name);
            return self.read_result(data);
        }
        self.answer(tag, data, None);
        self.note(tag, data);
    }

    fn read_result(&mut self, data: &Value) {
        let id = data["operation_id"].as_str().expect("an id").to_owned();
        let result = &data["result"];
        let tag = result["type"].as_str().expect("a tag");
        let empty = Value::Null;
        let data = result.get("data").unwrap_or(&empty);
        *self.tags.entry(format!("result {tag}")).or_default() += 1;
        self.answer(tag, data, Some(&id));
        self.note(tag, data);
    }

    fn has_no_newer_keys(&self, value: &Value) {
        match value {
            Value::Object(map) => {
                // What clients say of themselves may be called anything.
                let own = ["data", "connection_info"];
                for (key, value) in map {
                    let newer = [
                        "epoch",
                        "seq",
                        "class",
                        "key",
                        "final_seq",
                        "ice_servers",
                        "reconnection_token",
                        "replay",
                        "sender_watermarks",
                        "spectator_count",
                        "protocol_version",
                    ];
                    assert!(!newer.contains(&&**key), "{}: {key} on version 2", self.name);
                    if !own.contains(&&**key) || map.contains_key("type") {
                        self.has_no_newer_keys(value);
                    }
                }
            }
            Value::Array(list) => list.iter().for_each(|value| self.has_no_newer_keys(value)),
            _ => {}
        }
    }

    /// Matches a message with the oldest request, if it answers one.
    fn answer(&mut self, tag: &str, data: &Value, id: Option<&str>) {
        if let Some(id) = id {
            let request = self.next_request(|request| matches!(request, Request::Operation { .. }), tag, data);
            let Request::Operation { id: asked, kind } = request else {
                unreachable!("matched above")
            };
            assert_eq!(asked, id, "{}: answers out of order", self.name);
            let own: &[&str] = match kind {
                "JoinRoom" => &["RoomJoined", "RoomJoinFailed"],
                "LeaveRoom" => &["RoomLeft", "OperationFailed"],
                "Reconnect" => &["Reconnected", "ReconnectionFailed"],
                "JoinAsSpectator" => &["SpectatorJoined", "SpectatorJoinFailed"],
                "LeaveSpectator" => &["SpectatorLeft", "OperationFailed"],
                "KickPlayer" => &["PlayerKicked", "OperationFailed"],
                "BanPlayer" => &["PlayerBanned", "OperationFailed"],
                "UnbanPlayer" => &["PlayerUnbanned", "OperationFailed"],
                "SetRoomAccess" => &["RoomAccessUpdated", "OperationFailed"],
                "RegenerateRoomCode" => &["RoomCodeRegenerated", "OperationFailed"],
                "TransferAuthority" => &["AuthorityTransferred", "OperationFailed"],
                other => panic!("no operation is called {other}"),
            };
            assert!(own.contains(&tag), "{}: {kind} is answered by {tag} {data}", self.name);
            return;
        }
        let wanted = match tag {
            "RoomJoined" | "RoomJoinFailed" => Request::Join,
            "Reconnected" | "ReconnectionFailed" => Request::Return,
            "SpectatorJoined" | "SpectatorJoinFailed" => Request::Watch,
            "RoomLeft" => Request::Leave,
            "SpectatorLeft" if data["reason"] == "voluntary_leave" => Request::StopWatching,
            "Error" if data["error_code"] == "NOT_A_SPECTATOR" => Request::StopWatching,
            "AuthorityResponse" => Request::Authority,
            "Pong" => Request::Ping,
            _ => return,
        };
        self.next_request(|request| *request == wanted, tag, data);
    }

    fn next_request(&mut self, fits: impl Fn(&Request) -> bool, tag: &str, data: &Value) -> Request {
        loop {
            let request = self.requests.pop_front();
            let request = request.unwrap_or_else(|| panic!("{}: nobody asked for {tag} {data}", self.name));
            if fits(&request) {
                return request;
            }
            assert_eq!(
                request,
                Request::Leave,
                "{}: {tag} {data} comes instead of an answer",
                self.name
            );
        }
    }

    fn note(&mut self, tag: &str, data: &Value) {
        if self.version == 3 {
            self.audit.read_message(&serde_json::json!({"type": tag, "data": data}));
        }
        if let Some(code) = data.get("error_code").and_then(Value::as_str) {
            *self.codes.entry(code.to_owned()).or_default() += 1;
        }
        if let Some(code) = data.get("room_code").and_then(Value::as_str) {
            self.room_codes.push(code.to_owned());
        }
        match tag {
            "RoomJoined" | "Reconnected" => self.enter(Role::Player, data),
            "SpectatorJoined" => self.enter(Role::Spectator, data),
            "RoomLeft" => {
                assert_eq!(self.role(), Some(Role::Player), "{}: {tag}", self.name);
                self.membership = None;
            }
            "SpectatorLeft" => {
                assert_eq!(self.role(), Some(Role::Spectator), "{}: {tag}", self.name);
                let room = &self.membership.as_ref().expect("checked above").room.id;
                assert!(
                    data.get("room_id").is_none_or(|id| id == &**room),
                    "{}: {data}",
                    self.name
                );
                self.membership = None;
            }
            "GoingAway" => {
                assert!(!self.was_told_of_drain, "{}: told twice", self.name);
                self.was_told_of_drain = true;
            }
            "PlayerJoined"
            | "PlayerLeft"
            | "PlayerReconnected"
            | "LobbyStateChanged"
            | "GameStarting"
            | "AuthorityChanged"
            | "NewSpectatorJoined"
            | "SpectatorDisconnected"
            | "GameData"
            | "SessionPlan"
            | "Signal"
            | "PeerTransportStatus" => {
                let name = self.name.clone();
                let version = self.version;
                let membership = self.membership.as_mut();
                let membership = membership.unwrap_or_else(|| panic!("{name}: {tag} {data} while in no room"));
                membership.note(&name, version, tag, data);
            }
            "Authenticated"
            | "AuthenticationError"
            | "ProtocolInfo"
            | "RoomJoinFailed"
            | "ReconnectionFailed"
            | "SpectatorJoinFailed"
            | "AuthorityResponse"
            | "Pong"
            | "Error"
            | "DeliveryReport"
            | "RelayStats"
            | "OperationFailed"
            | "PlayerKicked"
            | "PlayerBanned"
            | "PlayerUnbanned"
            | "RoomAccessUpdated"
            | "RoomCodeRegenerated"
            | "AuthorityTransferred" => {}
            other => panic!("{}: no message is called {other}", self.name),
        }
    }

    fn enter(&mut self, role: Role, data: &Value) {
        assert!(self.membership.is_none(), "{}: in two rooms at once", self.name);
        if role == Role::Player {
            let token = data.get("reconnection_token").map(text);
            if self.version == 3 {
                assert!(
                    token.as_ref().is_some_and(|token| !token.is_empty()),
                    "{}: {data}",
                    self.name
                );
            }
            self.seat = Some((text(&data["player_id"]), text(&data["room_id"]), token));
        }
        let mut membership = Membership::begin(&self.name, self.version, role, data);
        membership.hears_newest = self.has_outposts && role == Role::Spectator;
        self.membership = Some(membership);
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("a text, not {value}"))
        .to_owned()
}
