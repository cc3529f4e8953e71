//! How members come in, go, and come back with a token.

use serde_json::{Value, json};

use super::fault::Fault;
use super::hall::{Hall, Member, Room, Tokens};
use super::line::Line;
use super::wire::Version;

/// So many events are kept for whoever is away.
const REPLAY_EVENTS: usize = 40;
const FAR: u64 = 10_000;
/// Of so many messages some have been read, whatever was on its way when a connection went.
const SOME: u64 = 10;

impl Hall {
    pub(super) fn join(&mut self, request: &Value, line: &Line, operation_id: Option<&str>) -> usize {
        let room = self.room_for(request);
        let me = self.add(room, &request["player_name"], line, false);
        self.rooms[room].authority.get_or_insert(me);
        if line.version == Version::Three {
            self.renew_token(me);
        }
        let answer = self.snapshot(me, line.version);
        line.answer(operation_id, "RoomJoined", &answer);
        let (two, three) = (self.player(me, Version::Two), self.player(me, Version::Three));
        self.tell(room, Some(me), "PlayerJoined", |version, _| match version {
            Version::Two => json!({"player": two}),
            Version::Three => json!({"player": three}),
        });
        me
    }

    pub(super) fn watch(&mut self, request: &Value, line: &Line, operation_id: Option<&str>) -> usize {
        let room = self.room_for(request);
        let me = self.add(room, &request["spectator_name"], line, true);
        let answer = self.snapshot(me, line.version);
        line.answer(operation_id, "SpectatorJoined", &answer);
        self.tell_of_spectators(
            me,
            "NewSpectatorJoined",
            &json!({"spectator": spectator(&self.members[me], Version::Three), "reason": "joined"}),
        );
        me
    }

    /// Nobody says goodbye to the relay itself: a closed connection and a lost one are the same to it.
    pub(super) fn drops_out(&mut self, me: usize) {
        let member = &mut self.members[me];
        member.line = None;
        if member.spectator {
            let news = json!({"spectator_id": member.id, "reason": "disconnected"});
            return self.tell_of_spectators(me, "SpectatorDisconnected", &news);
        }
        let (room, id, epoch, sent) = (member.room, member.id.clone(), member.epoch, member.seq);
        let mut final_seq = sent;
        if sent >= SOME {
            if self.culprit.makes(Fault::FinalSeqTooLow) {
                final_seq = 0;
            } else if self.culprit.makes(Fault::FinalSeqTooHigh) {
                final_seq = sent + FAR;
            }
        }
        let listeners = self.present(room).filter(|(_, _, line)| line.version == Version::Three);
        let second = listeners.map(|(at, ..)| at).nth(1);
        let unlike = second.filter(|_| sent > 0 && self.culprit.makes(Fault::FinalSeqUnlike));
        self.tell(room, Some(me), "PlayerLeft", |version, at| match version {
            Version::Two => json!({"player_id": id}),
            Version::Three => {
                let final_seq = final_seq - u64::from(unlike == Some(at));
                json!({"player_id": id, "epoch": epoch, "final_seq": final_seq})
            }
        });
        if self.rooms[room].authority == Some(me) {
            self.members[me].led = true;
            self.set_authority(room, None);
        }
    }

    /// For good, and the connection stays.
    pub(super) fn leave(&mut self, me: usize, operation_id: Option<&str>) {
        let line = self.line(me).clone();
        self.members[me].tokens = Tokens::default();
        self.drops_out(me);
        line.answer(operation_id, "RoomLeft", &Value::Null);
    }

    /// `None` when the token is refused.
    pub(super) fn reconnect(&mut self, request: &Value, line: &Line, operation_id: Option<&str>) -> Option<usize> {
        let refuse = |code: &str| {
            let answer = json!({"reason": "refused", "error_code": code});
            line.answer(operation_id, "ReconnectionFailed", &answer);
            None
        };
        let found = self.members.iter().position(|member| member.id == request["player_id"]);
        let Some(me) = found else {
            return refuse("RECONNECTION_FAILED");
        };
        let member = &self.members[me];
        if member.line.is_some() {
            return refuse("PLAYER_ALREADY_CONNECTED");
        }
        let token = request["auth_token"].as_str().expect("a token");
        let known = member.tokens.used.iter().any(|used| used == token) && self.culprit.makes(Fault::TokenTwice);
        if request["room_id"] != room_id(member.room) || (member.tokens.valid.as_deref() != Some(token) && !known) {
            return refuse("RECONNECTION_TOKEN_INVALID");
        }
        let (before, missed) = self.take_seat_again(me, line);
        let mut answer = self.snapshot(me, line.version);
        let kept = missed.len().min(REPLAY_EVENTS);
        answer["replay"] = if kept < missed.len() { "truncated" } else { "complete" }.into();
        answer["missed_events"] = missed[missed.len() - kept..].into();
        self.lie_about_return(me, before, &mut answer);
        line.answer(operation_id, "Reconnected", &answer);
        let member = &self.members[me];
        let (id, epoch, room) = (member.id.clone(), member.epoch, member.room);
        let (two, three) = (self.player(me, Version::Two), self.player(me, Version::Three));
        self.tell(room, Some(me), "PlayerReconnected", |version, _| match version {
            Version::Two => json!({"player_id": id, "player": two}),
            Version::Three => json!({"player_id": id, "epoch": epoch, "player": three}),
        });
        if self.rooms[room].authority == Some(me) {
            self.set_authority(room, Some(me));
        }
        Some(me)
    }

    /// Returns the epoch before, and what was missed.
    fn take_seat_again(&mut self, me: usize, line: &Line) -> (u64, Vec<Value>) {
        let member = &mut self.members[me];
        member.line = Some(line.clone());
        member.seq = 0;
        member.epoch += 1;
        if std::mem::take(&mut member.led) {
            self.rooms[member.room].authority.get_or_insert(me);
        }
        let (before, missed) = (member.epoch - 1, std::mem::take(&mut member.missed));
        self.renew_token(me);
        (before, missed)
    }

    /// Adds the watermarks, which repeat the snapshot, unless a fault is due.
    fn lie_about_return(&self, me: usize, epoch_before: u64, answer: &mut Value) {
        let myself = &self.members[me].id;
        let players = answer["current_players"].as_array_mut().expect("players");
        if self.culprit.makes(Fault::EpochStays) {
            let mine = players.iter_mut().find(|player| player["id"] == **myself);
            mine.expect("oneself")["epoch"] = epoch_before.into();
        }
        let spoken = |player: &&mut Value| player["seq"].as_u64() >= Some(SOME);
        let mut unlike = None;
        if let Some(other) = players.iter_mut().find(spoken) {
            let seq = other["seq"].as_u64().expect("a number");
            if self.culprit.makes(Fault::WatermarkTooLow) {
                other["seq"] = 0.into();
            } else if self.culprit.makes(Fault::WatermarkTooHigh) {
                other["seq"] = (seq + FAR).into();
            } else if self.culprit.makes(Fault::WatermarkUnlikeSnapshot) {
                unlike = Some(other["id"].clone());
            }
        }
        let mark = |player: &Value| {
            let seq = player["seq"].as_u64().expect("a number") + u64::from(unlike.as_ref() == Some(&player["id"]));
            json!({"player_id": player["id"], "epoch": player["epoch"], "seq": seq})
        };
        let marks: Vec<Value> = players.iter().map(mark).collect();
        answer["sender_watermarks"] = marks.into();
        if self.culprit.makes(Fault::UnknownReplay) {
            answer["replay"] = "partial".into();
        }
    }

    /// Everybody hears who leads now.
    pub(super) fn set_authority(&mut self, room: usize, authority: Option<usize>) {
        self.rooms[room].authority = authority;
        let id = authority.map(|at| self.members[at].id.clone());
        self.tell(
            room,
            None,
            "AuthorityChanged",
            |_, at| json!({"authority_player": id, "you_are_authority": authority == Some(at)}),
        );
    }

    fn room_for(&mut self, request: &Value) -> usize {
        let code = request["room_code"].as_str();
        let found = self.rooms.iter().position(|room| Some(room.code.as_str()) == code);
        found.unwrap_or_else(|| {
            let number = self.rooms.len();
            self.rooms.push(Room {
                code: code.map_or_else(|| format!("R{number:02}000"), str::to_owned),
                game: request["game_name"].as_str().expect("a game name").to_owned(),
                max_players: request["max_players"].as_u64().unwrap_or(8),
                authority: None,
            });
            number
        })
    }

    fn add(&mut self, room: usize, name: &Value, line: &Line, spectator: bool) -> usize {
        let me = self.members.len();
        self.members.push(Member {
            id: format!("00000000-0000-4000-8000-{me:012x}"),
            name: name.as_str().expect("a name").to_owned(),
            room,
            spectator,
            line: Some(line.clone()),
            epoch: 1,
            seq: 0,
            tokens: Tokens::default(),
            led: false,
            missed: Vec::new(),
        });
        me
    }

    fn renew_token(&mut self, me: usize) {
        self.tokens_given += 1;
        let tokens = &mut self.members[me].tokens;
        let used = tokens.valid.replace(format!("token-{}", self.tokens_given));
        tokens.used.extend(used);
    }

    fn snapshot(&self, me: usize, version: Version) -> Value {
        let member = &self.members[me];
        let room = &self.rooms[member.room];
        let seated = self.present(member.room).filter(|(_, member, _)| !member.spectator);
        let players: Vec<Value> = seated.map(|(at, ..)| self.player(at, version)).collect();
        let mut snapshot = json!({"room_id": room_id(member.room), "room_code": room.code, "game_name": room.game,
            "current_players": players, "current_spectators": self.spectators(member.room, version),
            "lobby_state": "lobby"});
        if member.spectator {
            snapshot["spectator_id"] = member.id.as_str().into();
            snapshot["reason"] = "joined".into();
            return snapshot;
        }
        snapshot["player_id"] = member.id.as_str().into();
        snapshot["max_players"] = room.max_players.into();
        snapshot["supports_authority"] = true.into();
        snapshot["is_authority"] = (room.authority == Some(me)).into();
        snapshot["ready_players"] = Vec::<Value>::new().into();
        snapshot["relay_type"] = "matchbox".into();
        if let Some(token) = &member.tokens.valid {
            snapshot["reconnection_token"] = token.as_str().into();
        }
        snapshot
    }

    fn player(&self, at: usize, version: Version) -> Value {
        let member = &self.members[at];
        let mut player = json!({"id": member.id, "name": member.name, "is_ready": false,
            "is_authority": self.rooms[member.room].authority == Some(at)});
        match version {
            Version::Two => player["connected_at"] = "2026-01-01T00:00:00Z".into(),
            Version::Three => {
                player["epoch"] = member.epoch.into();
                player["seq"] = member.seq.into();
            }
        }
        player
    }

    fn spectators(&self, room: usize, version: Version) -> Vec<Value> {
        let watching = self.present(room).filter(|(_, member, _)| member.spectator);
        watching.map(|(_, member, _)| spectator(member, version)).collect()
    }

    /// Version 3 hears how many they are, version 2 who they are.
    fn tell_of_spectators(&mut self, about: usize, kind: &str, news: &Value) {
        let room = self.members[about].room;
        let roster = self.spectators(room, Version::Two);
        let newcomer = spectator(&self.members[about], Version::Two);
        self.tell(room, Some(about), kind, |version, _| {
            let mut news = news.clone();
            match version {
                Version::Two => {
                    news["current_spectators"] = roster.clone().into();
                    if news["spectator"].is_object() {
                        news["spectator"] = newcomer.clone();
                    }
                }
                Version::Three => {
                    news["current_spectators"] = Vec::<Value>::new().into();
                    news["spectator_count"] = roster.len().into();
                }
            }
            news
        });
    }
}

fn room_id(room: usize) -> String {
    format!("55555555-0000-4000-8000-{room:012x}")
}

fn spectator(member: &Member, version: Version) -> Value {
    let mut spectator = json!({"id": member.id, "name": member.name});
    if version == Version::Two {
        spectator["connected_at"] = "2026-01-01T00:00:00Z".into();
    }
    spectator
}
