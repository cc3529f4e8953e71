//! Rooms and control messages, as far as the happy path of a client needs them: handshake, create, join, watch, leave,
//! ping. Requests are believed; only what has no answer at all (a room that is not there, a full one) is refused.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::yardstick::hall::{Hall, Room, Slot, TEXT};

const CODE_ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
/// Nobody looks at join times in a measurement.
const JOINED_AT: &str = "1970-01-01T00:00:00Z";
const DEFAULT_MAX_PLAYERS: u8 = 8;

const HANDSHAKE: [&str; 2] = [
    r#"{"type":"Authenticated","data":{"app_name":"default","rate_limits":{"per_minute":1000,"per_hour":10000,"per_day":100000}}}"#,
    r#"{"type":"ProtocolInfo","data":{"capabilities":[],"game_data_formats":["json","message_pack"],"player_name_rules":{"max_length":32,"min_length":1,"allow_unicode_alphanumeric":true,"allow_spaces":true,"allow_leading_trailing_whitespace":false,"allowed_symbols":["-","_"]}}}"#,
];

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct JoinRoom<'a> {
    #[serde(borrow)]
    game_name: Cow<'a, str>,
    #[serde(borrow)]
    player_name: Cow<'a, str>,
    #[serde(borrow)]
    room_code: Option<Cow<'a, str>>,
    max_players: Option<u8>,
    supports_authority: Option<bool>,
}

#[derive(Deserialize)]
struct JoinAsSpectator<'a> {
    #[serde(borrow)]
    game_name: Cow<'a, str>,
    #[serde(borrow)]
    room_code: Cow<'a, str>,
    #[serde(borrow)]
    spectator_name: Cow<'a, str>,
}

#[derive(Deserialize)]
struct GameData<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
}

impl Hall {
    /// Gives a new WebSocket its id and what depends on it.
    pub(super) fn welcome(&mut self, slot: Slot) {
        let (text, bytes) = self.fresh_id();
        let connection = &mut self.connections[slot];
        connection.text_head = format!(r#"{{"type":"GameData","data":{{"from_player":"{text}","data":"#).into_bytes();
        connection.binary_head = [
            b"\x83\xabfrom_player\xc4\x10".as_slice(),
            &bytes,
            b"\xa8encoding\xacmessage_pack\xa7payload",
        ]
        .concat();
        connection.id = text;
    }

    /// Answers a text message that is not game data in its usual spelling.
    pub(super) fn request(&mut self, from: Slot, message: &[u8]) {
        let Ok(envelope) = serde_json::from_slice::<Envelope<'_>>(message) else {
            return self.refuse(from, "Error", "message", "INVALID_INPUT");
        };
        let data = envelope.data.map_or("null", RawValue::get);
        match envelope.kind.as_ref() {
            "Authenticate" => HANDSHAKE.iter().for_each(|answer| self.tell(from, answer)),
            "JoinRoom" => match serde_json::from_str(data) {
                Ok(request) => self.join(from, &request),
                Err(_) => self.refuse(from, "Error", "message", "INVALID_INPUT"),
            },
            "JoinAsSpectator" => match serde_json::from_str(data) {
                Ok(request) => self.watch(from, &request),
                Err(_) => self.refuse(from, "Error", "message", "INVALID_INPUT"),
            },
            "LeaveRoom" if self.connections[from].plays => {
                self.tell(from, r#"{"type":"RoomLeft"}"#);
                self.leave_room(from);
            }
            "LeaveRoom" => {}
            "GameData" => match serde_json::from_str::<GameData<'_>>(data) {
                Ok(game) => self.relay_text(from, game.data.get().as_bytes()),
                Err(_) => self.refuse(from, "Error", "message", "INVALID_INPUT"),
            },
            "Ping" => self.tell(from, r#"{"type":"Pong"}"#),
            _ => self.refuse(from, "Error", "message", "INVALID_INPUT"),
        }
    }

    fn join(&mut self, from: Slot, request: &JoinRoom<'_>) {
        if self.connections[from].room.is_some() {
            return self.refuse(from, "RoomJoinFailed", "reason", "ALREADY_IN_ROOM");
        }
        let code = match &request.room_code {
            Some(code) => code.to_ascii_uppercase(),
            None => self.fresh_code(),
        };
        let key = (request.game_name.clone().into_owned(), code);
        let existing = self.directory.get(&key).copied();
        let room = existing.unwrap_or_else(|| self.create(key, request));
        let members = self.players(room);
        if members.len() >= usize::from(self.room(room).max_players) {
            return self.refuse(from, "RoomJoinFailed", "reason", "ROOM_FULL");
        }
        let connection = &mut self.connections[from];
        connection.room = Some(room);
        connection.plays = true;
        connection.name = quoted(&request.player_name);
        let here = self.rooms[room].as_mut().expect("the room was just found or made");
        if existing.is_none() && here.supports_authority {
            here.authority = Some(from);
        }
        here.members.push(from);

        let player = self.player(from);
        let news = format!(r#"{{"type":"PlayerJoined","data":{{"player":{player}}}}}"#);
        for &member in &self.room(room).members.clone() {
            if member != from {
                self.tell(member, &news);
            }
        }
        let here = self.room(room);
        let roster = self.roster(room);
        let answer = format!(
            r#"{{"type":"RoomJoined","data":{{"room_id":"{}","room_code":"{}","player_id":"{}","game_name":{},"max_players":{},"supports_authority":{},"current_players":[{}],"is_authority":{},"lobby_state":"{}","ready_players":[],"relay_type":"matchbox","current_spectators":[{}]}}}}"#,
            here.id,
            here.key.1,
            self.connections[from].id,
            quoted(&here.key.0),
            here.max_players,
            here.supports_authority,
            roster,
            here.authority == Some(from),
            if existing.is_none() { "waiting" } else { "lobby" },
            self.spectators(room),
        );
        self.tell(from, &answer);
        if existing.is_none() {
            self.tell(
                from,
                r#"{"type":"LobbyStateChanged","data":{"lobby_state":"lobby","ready_players":[],"all_ready":false}}"#,
            );
        }
    }

    fn create(&mut self, key: (String, String), request: &JoinRoom<'_>) -> usize {
        let room = Room {
            members: Vec::new(),
            key: key.clone(),
            id: self.fresh_id().0,
            max_players: request.max_players.unwrap_or(DEFAULT_MAX_PLAYERS),
            supports_authority: request.supports_authority.unwrap_or(true),
            authority: None,
        };
        let at = match self.free_rooms.pop() {
            Some(at) => at,
            None => {
                self.rooms.push(None);
                self.rooms.len() - 1
            }
        };
        self.rooms[at] = Some(room);
        self.directory.insert(key, at);
        at
    }

    fn watch(&mut self, from: Slot, request: &JoinAsSpectator<'_>) {
        let key = (
            request.game_name.clone().into_owned(),
            request.room_code.to_ascii_uppercase(),
        );
        let Some(&room) = self.directory.get(&key) else {
            return self.refuse(from, "SpectatorJoinFailed", "reason", "ROOM_NOT_FOUND");
        };
        if self.connections[from].room.is_some() {
            return self.refuse(from, "SpectatorJoinFailed", "reason", "SPECTATOR_JOIN_FAILED");
        }
        let connection = &mut self.connections[from];
        connection.room = Some(room);
        connection.plays = false;
        connection.name = quoted(&request.spectator_name);
        let members = self.room(room).members.clone();
        self.rooms[room].as_mut().expect("found").members.push(from);
        let gallery = self.spectators(room);
        let news = format!(
            r#"{{"type":"NewSpectatorJoined","data":{{"spectator":{},"current_spectators":[{gallery}],"reason":"joined"}}}}"#,
            self.spectator(from)
        );
        for member in members {
            self.tell(member, &news);
        }
        let here = self.room(room);
        let roster = self.roster(room);
        let answer = format!(
            r#"{{"type":"SpectatorJoined","data":{{"room_id":"{}","room_code":"{}","spectator_id":"{}","game_name":{},"current_players":[{}],"current_spectators":[{gallery}],"lobby_state":"lobby","reason":"joined"}}}}"#,
            here.id,
            here.key.1,
            self.connections[from].id,
            quoted(&here.key.0),
            roster,
        );
        self.tell(from, &answer);
    }

    /// Takes a member out of its room and tells the others; an empty room is gone at once.
    pub(super) fn leave_room(&mut self, slot: Slot) {
        let Some(at) = self.connections[slot].room.take() else {
            return;
        };
        let played = std::mem::take(&mut self.connections[slot].plays);
        let room = self.rooms[at].as_mut().expect("a member's room exists");
        room.members.retain(|&member| member != slot);
        let had_authority = room.authority == Some(slot);
        if had_authority {
            room.authority = None;
        }
        let members = room.members.clone();
        if members.is_empty() {
            let room = self.rooms[at].take().expect("it was just there");
            self.directory.remove(&room.key);
            self.free_rooms.push(at);
            return;
        }
        let id = &self.connections[slot].id;
        let news = if played {
            format!(r#"{{"type":"PlayerLeft","data":{{"player_id":"{id}"}}}}"#)
        } else {
            let gallery = self.spectators(at);
            format!(
                r#"{{"type":"SpectatorDisconnected","data":{{"spectator_id":"{id}","reason":"disconnected","current_spectators":[{gallery}]}}}}"#
            )
        };
        for &member in &members {
            self.tell(member, &news);
            if had_authority {
                self.tell(
                    member,
                    r#"{"type":"AuthorityChanged","data":{"authority_player":null,"you_are_authority":false}}"#,
                );
            }
        }
    }

    fn room(&self, at: usize) -> &Room {
        self.rooms[at].as_ref().expect("only living rooms are looked up")
    }

    fn players(&self, room: usize) -> Vec<Slot> {
        let members = self.room(room).members.iter().copied();
        members.filter(|&member| self.connections[member].plays).collect()
    }

    fn player(&self, slot: Slot) -> String {
        let connection = &self.connections[slot];
        let authority = connection.room.and_then(|room| self.room(room).authority);
        format!(
            r#"{{"id":"{}","name":{},"is_authority":{},"is_ready":false,"connected_at":"{JOINED_AT}"}}"#,
            connection.id,
            connection.name,
            authority == Some(slot)
        )
    }

    fn spectator(&self, slot: Slot) -> String {
        let connection = &self.connections[slot];
        format!(
            r#"{{"id":"{}","name":{},"connected_at":"{JOINED_AT}"}}"#,
            connection.id, connection.name
        )
    }

    fn roster(&self, room: usize) -> String {
        let players = self.players(room).into_iter();
        players.map(|member| self.player(member)).collect::<Vec<_>>().join(",")
    }

    fn spectators(&self, room: usize) -> String {
        let members = self.room(room).members.iter().copied();
        let watching = members.filter(|&member| !self.connections[member].plays);
        watching
            .map(|member| self.spectator(member))
            .collect::<Vec<_>>()
            .join(",")
    }

    fn tell(&mut self, to: Slot, message: &str) {
        self.send_frame(to, TEXT, message.as_bytes());
    }

    fn refuse(&mut self, to: Slot, kind: &str, text: &str, code: &str) {
        self.tell(
            to,
            &format!(
                r#"{{"type":"{kind}","data":{{"{text}":"the yardstick does not do this","error_code":"{code}"}}}}"#
            ),
        );
    }

    fn fresh_code(&mut self) -> String {
        (0..6)
            .map(|_| char::from(CODE_ALPHABET[self.random.below(32) as usize]))
            .collect()
    }

    /// A random id (version 4) as text and as bytes.
    fn fresh_id(&mut self) -> (String, [u8; 16]) {
        let random = u128::from(self.random.next_u64()) << 64 | u128::from(self.random.next_u64());
        let id = random & !(0xF << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
        let digits = format!("{id:032x}");
        let text = format!(
            "{}-{}-{}-{}-{}",
            &digits[..8],
            &digits[8..12],
            &digits[12..16],
            &digits[16..20],
            &digits[20..]
        );
        (text, id.to_be_bytes())
    }
}

/// A JSON string.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("every string has a JSON form")
}
