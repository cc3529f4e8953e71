//! Who is where, and how their messages reach one another.

use serde_json::{Value, json};

use super::fault::{Culprit, Fault};
use super::line::Line;
use super::wire::{self, Class, Content, Delivery, Version};

/// Somebody who has been given an id.
pub(super) struct Member {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) room: usize,
    pub(super) spectator: bool,
    /// `None` while its connection is gone.
    pub(super) line: Option<Line>,
    pub(super) epoch: u64,
    /// Messages accepted in this epoch.
    pub(super) seq: u64,
    pub(super) tokens: Tokens,
    /// It led the room when its connection went.
    pub(super) led: bool,
    /// What it would have been told since.
    pub(super) missed: Vec<Value>,
}

/// What a player may come back with.
#[derive(Default)]
pub(super) struct Tokens {
    pub(super) valid: Option<String>,
    pub(super) used: Vec<String>,
}

pub(super) struct Room {
    pub(super) code: String,
    pub(super) game: String,
    pub(super) max_players: u64,
    pub(super) authority: Option<usize>,
}

/// All rooms.
pub(super) struct Hall {
    pub(super) members: Vec<Member>,
    pub(super) rooms: Vec<Room>,
    pub(super) culprit: Culprit,
    pub(super) tokens_given: u64,
    pub(super) codes_given: u64,
    /// A delivery that waits to be overtaken: sender and receiver.
    overtaken: Option<(usize, usize, Delivery)>,
}

impl Hall {
    pub(super) fn new(culprit: Culprit) -> Self {
        Self {
            members: Vec::new(),
            rooms: Vec::new(),
            culprit,
            tokens_given: 0,
            codes_given: 0,
            overtaken: None,
        }
    }

    /// Those of a room who are connected.
    pub(super) fn present(&self, room: usize) -> impl Iterator<Item = (usize, &Member, &Line)> {
        let members = self.members.iter().enumerate();
        members.filter_map(move |(at, member)| match &member.line {
            Some(line) if member.room == room => Some((at, member, line)),
            _ => None,
        })
    }

    /// Tells a room what has happened to `about`: everybody else who is there now, and later whoever comes back.
    pub(super) fn tell(
        &mut self,
        room: usize,
        about: Option<usize>,
        kind: &str,
        news: impl Fn(Version, usize) -> Value,
    ) {
        for (at, _, line) in self.present(room).filter(|&(at, ..)| Some(at) != about) {
            line.message(kind, &news(line.version, at));
        }
        for (at, member) in self.members.iter_mut().enumerate() {
            if member.room == room && member.line.is_none() && member.tokens.valid.is_some() && Some(at) != about {
                member
                    .missed
                    .push(json!({"type": kind, "data": news(Version::Three, at)}));
            }
        }
    }

    pub(super) fn relay(&mut self, from: usize, class: Option<Class>, content: Content) {
        let sender = &mut self.members[from];
        sender.seq += 1;
        let room = sender.room;
        let delivery = Delivery {
            from: sender.id.clone(),
            epoch: sender.epoch,
            seq: sender.seq,
            class,
            content,
        };
        let receivers: Vec<usize> = self.present(room).map(|(at, ..)| at).collect();
        for to in receivers.into_iter().filter(|&to| to != from) {
            self.culprit.sees_delivery();
            self.deliver(from, to, delivery.clone());
        }
    }

    fn deliver(&mut self, from: usize, mut to: usize, mut delivery: Delivery) {
        let room = self.members[from].room;
        let stranger = self.members.iter().position(|member| member.room != room);
        if self.culprit.makes(Fault::Drop) {
            return;
        }
        if self.culprit.makes(Fault::Swap) {
            self.overtaken = Some((from, to, delivery));
            return;
        }
        if self.culprit.makes(Fault::Close) {
            return self.line(to).frame(wire::close(4002, "slow_consumer"));
        }
        if self.culprit.makes(Fault::Misroute) {
            to = stranger.expect("a second room");
        }
        if self.culprit.makes(Fault::WrongSender) {
            delivery.from = self.members[stranger.expect("a second room")].id.clone();
        }
        if self.culprit.makes(Fault::Corrupt) {
            delivery.content = match delivery.content {
                Content::Json(data) => {
                    Content::Json(String::from_utf8(changed(data.into_bytes())).expect("plain characters"))
                }
                Content::MessagePack(payload) => Content::MessagePack(changed(payload)),
            };
        }
        if self.culprit.makes(Fault::Duplicate) {
            self.line(to).deliver(delivery.clone());
        }
        if self.line(to).version == Version::Two && self.culprit.makes(Fault::StampOnVersion2) {
            return self.line(to).frame(delivery.frame(Version::Three));
        }
        self.line(to).deliver(delivery);
        if let Some((_, _, overtaken)) = self.overtaken.take_if(|(a, b, _)| (*a, *b) == (from, to)) {
            self.line(to).deliver(overtaken);
        }
    }

    pub(super) fn line(&self, member: usize) -> &Line {
        self.members[member].line.as_ref().expect("somebody who is connected")
    }
}

/// Game data with another character near its end.
fn changed(mut data: Vec<u8>) -> Vec<u8> {
    let at = data.len() - 10;
    data[at] = if data[at] == b'x' { b'y' } else { b'x' };
    data
}
