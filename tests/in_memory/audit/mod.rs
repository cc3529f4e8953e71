//! What a client on version 3 may believe: every message of every sender arrives in order or is reported missing first.
//!
//! An [`Audit`] reads one connection frame by frame and knows nothing of the server: only the protocol's promises. It is as
//! strict as the strictest published client, and counts besides.

#![allow(dead_code, reason = "each test file keeps its own part of the books")]

use std::collections::BTreeMap;

use serde_json::Value;

use super::harness::Frame;

/// A message's place: sender, epoch, sequence number.
pub type Stamp = (String, u32, u64);

/// How far a sender's stream has come.
#[derive(Debug, Clone, Copy)]
struct Progress {
    epoch: u32,
    /// The last number that was received or explained.
    last: u64,
}

/// The books of one connection.
#[derive(Debug, Default)]
pub struct Audit {
    name: String,
    /// The connection's own player, while it has a seat or watches.
    pub me: Option<String>,
    pub room_id: Option<String>,
    pub token: Option<String>,
    senders: BTreeMap<String, Progress>,
    /// Reported and not yet passed.
    gaps: BTreeMap<(String, u32), Vec<(u64, u64)>>,
    /// The last number that was received or explained of every stream.
    pub ends: BTreeMap<(String, u32), u64>,
    /// What was received, and what it was.
    pub heard: BTreeMap<Stamp, Value>,
    received: BTreeMap<&'static str, u64>,
    losses: BTreeMap<&'static str, u64>,
    /// Whether an undeliverable message was reported and not yet put into words.
    may_be_advised: bool,
    /// Messages that were reported missing.
    pub reported: u64,
    pub reports: u64,
    pub closed: Option<u16>,
}

impl Audit {
    pub fn of(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    pub fn read(&mut self, frame: &Frame) {
        match frame {
            Frame::Text(message) => self.read_message(message),
            Frame::Binary(bytes) => {
                let (stamp, data) = read_envelope(bytes);
                self.receive(stamp, "reliable", data);
            }
            Frame::Close(code, _) => self.closed = *code,
            Frame::Ping(_) | Frame::Pong(_) => {}
        }
    }

    pub fn read_message(&mut self, message: &Value) {
        let data = &message["data"];
        let player = || text(&data["player_id"]);
        match message["type"].as_str().expect("a tag") {
            "RoomJoined" | "Reconnected" | "SpectatorJoined" => self.begin(data),
            "RoomLeft" | "SpectatorLeft" => {
                self.me = None;
                self.senders.clear();
                self.gaps.clear();
            }
            "PlayerJoined" | "PlayerReconnected" => self.meet(&data["player"]),
            "PlayerLeft" => self.part(&player(), epoch(data), number(&data["final_seq"])),
            "GameData" => {
                let stamp = (text(&data["from_player"]), epoch(data), number(&data["seq"]));
                let class = match data.get("class").and_then(Value::as_str) {
                    Some("latest") => "latest",
                    Some("volatile") => "volatile",
                    _ => "reliable",
                };
                self.receive(stamp, class, data["data"].clone());
            }
            "DeliveryReport" => self.report(data),
            "Error" if data["error_code"] == "UNSUPPORTED_GAME_DATA_FORMAT" => {
                assert!(self.may_be_advised, "{}: advised without a report: {data}", self.name);
                self.may_be_advised = false;
            }
            _ => {}
        }
    }

    fn begin(&mut self, data: &Value) {
        let me = data.get("player_id").unwrap_or(&data["spectator_id"]);
        self.me = Some(text(me));
        self.room_id = Some(text(&data["room_id"]));
        self.token = data.get("reconnection_token").map(text);
        self.senders.clear();
        self.gaps.clear();
        for player in data["current_players"].as_array().expect("a list") {
            self.meet(player);
        }
    }

    fn meet(&mut self, player: &Value) {
        assert!(self.me.is_some(), "{}: somebody came while in no room", self.name);
        let (id, met) = (
            text(&player["id"]),
            Progress {
                epoch: epoch(player),
                last: number(&player["seq"]),
            },
        );
        let before = self.senders.insert(id, met);
        assert!(
            before.is_none_or(|before| before.epoch < met.epoch),
            "{}: met twice in one epoch: {player}",
            self.name
        );
    }

    fn part(&mut self, player: &str, epoch: u32, final_seq: u64) {
        let progress = self.explained(player);
        assert_eq!(
            (progress.epoch, progress.last),
            (epoch, final_seq),
            "{}: {player} left and something of it is unexplained",
            self.name
        );
    }

    /// How far a sender has come, trailing gaps included.
    fn explained(&mut self, sender: &str) -> Progress {
        let mut progress = *self
            .senders
            .get(sender)
            .unwrap_or_else(|| panic!("{}: unknown sender {sender}", self.name));
        let gaps = self.gaps.entry((sender.to_owned(), progress.epoch)).or_default();
        gaps.sort_unstable();
        while let Some((from, to)) = gaps.first().copied()
            && from == progress.last + 1
        {
            progress.last = to;
            gaps.remove(0);
        }
        self.senders.insert(sender.to_owned(), progress);
        self.ends.insert((sender.to_owned(), progress.epoch), progress.last);
        progress
    }

    fn receive(&mut self, stamp: Stamp, class: &'static str, data: Value) {
        let progress = self.explained(&stamp.0);
        assert_eq!(
            (progress.epoch, progress.last + 1),
            (stamp.1, stamp.2),
            "{}: a hole, or an old message, of {}",
            self.name,
            stamp.0
        );
        self.senders.get_mut(&stamp.0).expect("known").last = stamp.2;
        self.ends.insert((stamp.0.clone(), stamp.1), stamp.2);
        *self.received.entry(class).or_default() += 1;
        self.heard.insert(stamp, data);
    }

    fn report(&mut self, data: &Value) {
        self.reports += 1;
        let mut grown: BTreeMap<&str, u64> = BTreeMap::new();
        let gaps = data.get("gaps").and_then(Value::as_array).cloned().unwrap_or_default();
        assert!(gaps.len() <= 256, "{}: too many gaps in one report", self.name);
        for gap in &gaps {
            assert!(self.me.is_some(), "{}: a gap while in no room: {gap}", self.name);
            let (sender, epoch) = (text(&gap["from_player"]), epoch(gap));
            let (from, to) = (number(&gap["from_seq"]), number(&gap["to_seq"]));
            let progress = *self
                .senders
                .get(&sender)
                .unwrap_or_else(|| panic!("{}: a gap of an unknown sender: {gap}", self.name));
            assert_eq!(progress.epoch, epoch, "{}: a gap of another epoch: {gap}", self.name);
            assert!(
                progress.last < from && from <= to,
                "{}: a gap after the fact: {gap}, known up to {}",
                self.name,
                progress.last
            );
            let known = self.gaps.entry((sender, epoch)).or_default();
            assert!(
                known.iter().all(|(first, last)| to < *first || *last < from),
                "{}: told twice: {gap}",
                self.name
            );
            known.push((from, to));
            let reason = gap["reason"].as_str().expect("a reason");
            self.may_be_advised |= reason == "unsupported_format";
            *grown.entry(reason_name(reason)).or_default() += to - from + 1;
            self.reported += to - from + 1;
        }
        let outstanding: usize = self.gaps.values().map(Vec::len).sum();
        assert!(outstanding <= 1_024, "{}: more gaps than a client keeps", self.name);
        let classes = &data["per_class"];
        for (reason, class, field) in [
            ("latest_superseded", "latest", "superseded"),
            ("latest_dropped_full", "latest", "dropped_full"),
            ("volatile_dropped", "volatile", "dropped"),
            ("unsupported_format", "reliable", "unsupported_format"),
        ] {
            let before = self.losses.entry(reason).or_default();
            *before += grown.get(reason).copied().unwrap_or(0);
            assert_eq!(
                number(&classes[class][field]),
                *before,
                "{}: {reason} is counted otherwise than it was told",
                self.name
            );
        }
        for class in ["reliable", "latest", "volatile"] {
            assert_eq!(number(&classes[class]["abandoned"]), 0);
            let received = self.received.get(class).copied().unwrap_or(0);
            assert_eq!(
                number(&classes[class]["delivered"]),
                received,
                "{}: what was received of {class} is counted otherwise",
                self.name
            );
        }
    }

    /// Explains everything that has been reported so far.
    pub fn settle(&mut self) {
        let senders: Vec<_> = self.senders.keys().cloned().collect();
        for sender in senders {
            self.explained(&sender);
        }
    }

    /// Everything that its room mates have said was received or reported. `said` is the last number of every stream.
    pub fn balance(&mut self, said: &BTreeMap<(String, u32), u64>) {
        let others: Vec<_> = self
            .senders
            .keys()
            .filter(|sender| Some(*sender) != self.me.as_ref())
            .cloned()
            .collect();
        for sender in others {
            let progress = self.explained(&sender);
            let last = said.get(&(sender.clone(), progress.epoch)).copied().unwrap_or(0);
            // Who has left is still known here, and was balanced when it left.
            assert_eq!(
                progress.last, last,
                "{}: the stream of {sender} is cut short",
                self.name
            );
        }
    }
}

fn reason_name(reason: &str) -> &'static str {
    match reason {
        "latest_superseded" => "latest_superseded",
        "latest_dropped_full" => "latest_dropped_full",
        "volatile_dropped" => "volatile_dropped",
        "unsupported_format" => "unsupported_format",
        other => panic!("no reason is called {other}"),
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("a text, not {value}"))
        .to_owned()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("a number, not {value}"))
}

fn epoch(data: &Value) -> u32 {
    u32::try_from(number(&data["epoch"])).expect("an epoch is a u32")
}

/// Reads the envelope of binary game data on version 3, byte by byte as the protocol has it.
fn read_envelope(bytes: &[u8]) -> (Stamp, Value) {
    let rest = bytes
        .strip_prefix(b"\x85\xabfrom_player\xc4\x10")
        .expect("the envelope begins with the sender");
    let (sender, rest) = rest.split_at(16);
    let rest = rest
        .strip_prefix(b"\xa8encoding\xacmessage_pack\xa7payload\xc4")
        .expect("the envelope names the encoding");
    let (length, rest) = rest.split_first().expect("a length");
    let (payload, rest) = rest.split_at(usize::from(*length));
    let (seq, rest) = read_int(rest.strip_prefix(b"\xa3seq").expect("a number"));
    let (epoch, rest) = read_int(rest.strip_prefix(b"\xa5epoch").expect("an epoch"));
    assert!(rest.is_empty(), "nothing follows the epoch");
    let sender = uuid::Uuid::from_slice(sender)
        .expect("sixteen bytes")
        .hyphenated()
        .to_string();
    let data = Value::from(payload.to_vec());
    ((sender, u32::try_from(epoch).expect("a u32"), seq), data)
}

fn read_int(bytes: &[u8]) -> (u64, &[u8]) {
    match bytes {
        [small @ 0..=0x7f, rest @ ..] => (u64::from(*small), rest),
        [0xcc, one, rest @ ..] => (u64::from(*one), rest),
        [0xcd, high, low, rest @ ..] => (u64::from(u16::from_be_bytes([*high, *low])), rest),
        other => panic!("not a number in its shortest form: {other:x?}"),
    }
}
