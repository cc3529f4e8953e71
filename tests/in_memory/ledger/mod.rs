//! The books of one client: what it asked and said, against what it and the witnesses saw.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::harness::Frame;

/// The rooms of a run.
pub const ROOMS: [&str; 4] = ["ROOM22", "ROOM33", "ROOM44", "ROOM55"];

/// What happened in a room, as one of its members saw it.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    Came(String),
    Went(String),
    Said(String, Value),
}

impl Event {
    fn is_of(&self, player: &str) -> bool {
        let (Self::Came(who) | Self::Went(who) | Self::Said(who, _)) = self;
        who == player
    }
}

/// What a client did.
#[derive(Debug, Clone, PartialEq)]
enum Act {
    Join(usize),
    Leave,
    Say(Value),
}

/// A stay in a room: what was seen and said there.
#[derive(Debug, Default)]
struct Stay {
    room: usize,
    saw: Vec<Event>,
    said: Vec<Value>,
    /// Whether it ended by leaving.
    was_left: bool,
}

/// The books of one client.
#[derive(Debug)]
pub struct Ledger {
    number: usize,
    count: u64,
    acts: VecDeque<Act>,
}

impl Ledger {
    pub fn new(number: usize) -> Self {
        Self {
            number,
            count: 0,
            acts: VecDeque::new(),
        }
    }

    pub fn number(&self) -> usize {
        self.number
    }

    pub fn joins(&mut self, room: usize) {
        self.acts.push_back(Act::Join(room));
    }

    pub fn leaves(&mut self) {
        self.acts.push_back(Act::Leave);
    }

    /// The next thing to say: unique, and with so many bytes of padding.
    pub fn says(&mut self, padding: usize) -> Value {
        self.count += 1;
        let data = json!({"actor": self.number, "n": self.count, "padding": "x".repeat(padding)});
        self.acts.push_back(Act::Say(data.clone()));
        data
    }

    /// Compares the books. Returns how many messages were compared.
    pub fn balance(&self, frames: &[Frame], ended: bool, histories: &[Vec<Event>]) -> u64 {
        let (player, stays) = self.stays(frames, ended);
        let mut compared = 0;
        let mut searched_from = vec![0; histories.len()];
        for (index, stay) in stays.iter().enumerate() {
            let player = player.as_deref().expect("who has a seat knows its id");
            let may_be_cut = ended && index + 1 == stays.len() && !stay.was_left;
            let history = &histories[stay.room];
            let came = searched_from[stay.room]
                + history[searched_from[stay.room]..]
                    .iter()
                    .position(|event| *event == Event::Came(player.to_owned()))
                    .unwrap_or_else(|| panic!("actor{} was seated and the room did not see it come", self.number));
            let went = history[came..]
                .iter()
                .position(|event| *event == Event::Went(player.to_owned()));
            assert_eq!(
                went.is_some(),
                stay.was_left || may_be_cut,
                "actor{}: the room knows who left",
                self.number
            );
            let until = went.map_or(history.len(), |after| came + after);
            searched_from[stay.room] = until;

            let others: Vec<_> = history[came + 1..until]
                .iter()
                .filter(|event| !event.is_of(player))
                .collect();
            let seen: Vec<_> = stay.saw.iter().collect();
            assert!(
                others.starts_with(&seen),
                "actor{}: saw {seen:#?}\n of {others:#?}",
                self.number
            );
            assert!(
                may_be_cut || others.len() == seen.len(),
                "actor{}: the end is missing",
                self.number
            );

            let heard: Vec<_> = history[came..until]
                .iter()
                .filter_map(|event| match event {
                    Event::Said(who, data) if who == player => Some(data),
                    _ => None,
                })
                .collect();
            let said: Vec<_> = stay.said.iter().collect();
            if may_be_cut {
                assert!(
                    said.starts_with(&heard),
                    "actor{}: was heard {heard:#?}\n of {said:#?}",
                    self.number
                );
            } else {
                assert_eq!(heard, said, "actor{}: was heard otherwise than it spoke", self.number);
            }
            compared += (seen.len() + heard.len()) as u64;
        }
        compared
    }

    /// Follows what the client did, answer by answer.
    fn stays(&self, frames: &[Frame], ended: bool) -> (Option<String>, Vec<Stay>) {
        let mut acts = self.acts.clone();
        let mut player = None;
        let mut stays: Vec<Stay> = Vec::new();
        let mut is_seated = false;
        let mut is_cut = false;
        for frame in frames {
            let event = match read(frame) {
                Read::Nothing => continue,
                Read::End => {
                    is_cut = true;
                    continue;
                }
                Read::Event(event) => {
                    assert!(
                        is_seated,
                        "actor{}: room traffic without a seat: {event:?}",
                        self.number
                    );
                    stays.last_mut().expect("seated").saw.push(event);
                    continue;
                }
                Read::Answer(tag, data) => (tag, data),
            };
            // Everything up to the act that this answers had no answer of its own.
            loop {
                let act = acts
                    .pop_front()
                    .unwrap_or_else(|| panic!("actor{}: {event:?} answers nothing", self.number));
                match (act, &*event.0) {
                    (Act::Say(data), _) if is_seated => stays.last_mut().expect("seated").said.push(data),
                    (Act::Leave, "RoomLeft") if is_seated => {
                        is_seated = false;
                        stays.last_mut().expect("seated").was_left = true;
                        break;
                    }
                    (Act::Leave, _) if !is_seated => {}
                    (Act::Say(_), "NOT_IN_ROOM") => break,
                    (Act::Join(_), "ALREADY_IN_ROOM") if is_seated => break,
                    (Act::Join(_), "SERVICE_UNAVAILABLE") if !is_seated => break,
                    (Act::Join(room), "RoomJoined") if !is_seated => {
                        is_seated = true;
                        assert_eq!(event.1["room_code"], ROOMS[room]);
                        player = event.1["player_id"].as_str().map(str::to_owned);
                        stays.push(Stay {
                            room,
                            ..Stay::default()
                        });
                        break;
                    }
                    (act, answer) => panic!("actor{}: {act:?} was answered by {answer}", self.number),
                }
            }
        }
        // What is left got no answer: right for what is said in a seat, and for leaving without one.
        for act in acts {
            match act {
                Act::Say(data) if is_seated => stays.last_mut().expect("seated").said.push(data),
                Act::Leave if !is_seated => {}
                // Refused, for it had a seat; the refusal was not read.
                Act::Join(_) if is_seated && (ended || is_cut) => {}
                other => {
                    assert!(ended || is_cut, "actor{}: {other:?} was not answered", self.number);
                    break;
                }
            }
        }
        (player, stays)
    }
}

/// What a room did, as its witness saw it.
pub fn history_of(frames: &[Frame]) -> Vec<Event> {
    frames
        .iter()
        .map(|frame| match read(frame) {
            Read::Event(event) => event,
            _ => panic!("a witness only sees what the others do, not {frame:?}"),
        })
        .collect()
}

enum Read {
    Event(Event),
    /// Tag or error code, and the payload.
    Answer(String, Value),
    End,
    Nothing,
}

fn read(frame: &Frame) -> Read {
    let message = match frame {
        Frame::Text(message) => message,
        Frame::Binary(bytes) => return Read::Event(read_envelope(bytes)),
        Frame::Close(..) => return Read::End,
        Frame::Ping(_) | Frame::Pong(_) => return Read::Nothing,
    };
    let text = |value: &Value| value.as_str().expect("a string").to_owned();
    let data = &message["data"];
    match message["type"].as_str().expect("a tag") {
        "PlayerJoined" => Read::Event(Event::Came(text(&data["player"]["id"]))),
        "PlayerLeft" => Read::Event(Event::Went(text(&data["player_id"]))),
        "GameData" => Read::Event(Event::Said(text(&data["from_player"]), data["data"].clone())),
        "Authenticated" | "ProtocolInfo" => Read::Nothing,
        "Error" | "RoomJoinFailed" => match &*text(&data["error_code"]) {
            "SLOW_CONSUMER" => Read::End,
            code => Read::Answer(code.to_owned(), Value::Null),
        },
        tag => Read::Answer(tag.to_owned(), data.clone()),
    }
}

/// Reads the envelope of binary game data, byte by byte as the protocol has it.
fn read_envelope(bytes: &[u8]) -> Event {
    let head = b"\x83\xabfrom_player\xc4\x10";
    let middle = b"\xa8encoding\xacmessage_pack\xa7payload";
    let rest = bytes.strip_prefix(head).expect("the envelope begins with the sender");
    let (sender, rest) = rest.split_at(16);
    let rest = rest.strip_prefix(middle).expect("the envelope names the encoding");
    let (header_bytes, payload_bytes) = match rest {
        [0xc4, length, ..] => (2, usize::from(*length)),
        [0xc5, high, low, ..] => (3, usize::from(u16::from_be_bytes([*high, *low]))),
        other => panic!("not the shortest form: {other:x?}"),
    };
    assert_eq!(rest.len(), header_bytes + payload_bytes, "nothing follows the payload");
    let data = rmp_serde::from_slice(&rest[header_bytes..]).expect("the payload is untouched");
    let sender = uuid::Uuid::from_slice(sender)
        .expect("sixteen bytes")
        .hyphenated()
        .to_string();
    Event::Said(sender, data)
}
