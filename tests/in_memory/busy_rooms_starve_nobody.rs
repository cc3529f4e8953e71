//! However much the members of one room say, the others are served in the same turn: a busy room gets its share of a turn
//! and waits for the next one, alone or not, and nothing of it is lost or reordered. Counted in turns and bytes, on a shard without
//! sockets.

use serde_json::json;
use signal_fish_relay::config::Config;
use signal_fish_relay::net::conversation::{self, inbound_limits};
use signal_fish_relay::net::websocket::Inbound;
use signal_fish_relay::protocol::ProtocolVersion;
use signal_fish_relay::room::ConnectionKey;
use signal_fish_relay::shard::{Flow, Reading, Shard};

use crate::bare_shard::{self, NOW};
use crate::harness::{MASK, Opcode, client_frame};

const BUSY_PLAYERS: usize = 16;
/// What one read takes from a socket: some 600 messages.
const READ_BYTES: usize = 60_000;
/// The most bytes that a room may put into outboxes in a turn, and one message more.
const SHARE_BYTES: u64 = 256 * 1024 + 4 * 1024;

/// A shard, and what a pump would do with it.
struct Rig {
    shard: Shard<Inbound>,
    /// Connections whose bytes wait for another turn.
    suspended: Vec<ConnectionKey>,
}

impl Rig {
    fn new() -> Self {
        Self {
            shard: bare_shard::shard(&bare_shard::world(&Config::default(), 1), 0),
            suspended: Vec::new(),
        }
    }

    fn join(&mut self, name: &str, code: &str) -> ConnectionKey {
        let at = bare_shard::connect(&mut self.shard, Inbound::default(), ProtocolVersion::V2, NOW);
        let join = json!({"type": "JoinRoom", "data": {"game_name": "tide-pool", "player_name": name,
            "room_code": code, "max_players": 32}});
        assert_eq!(self.feed(at, &text(&join.to_string())), Flow::Continue);
        at
    }

    /// What a read does; one whose room has used up its share is not read.
    fn feed(&mut self, at: ConnectionKey, bytes: &[u8]) -> Flow {
        if self.shard.may_read(at, false, NOW) == Reading::NextTurn {
            if let Some(link) = self.shard.link_mut(at) {
                link.keep(bytes);
            }
            self.suspended.push(at);
            return Flow::Suspend;
        }
        let flow = bare_shard::feed(&mut self.shard, at, bytes, NOW);
        if flow == Flow::Suspend {
            self.suspended.push(at);
        }
        flow
    }

    fn resume(&mut self) {
        let limits = inbound_limits(&self.shard.world().settings);
        for at in std::mem::take(&mut self.suspended) {
            let must_wait = self.shard.may_read(at, true, NOW) == Reading::NextTurn;
            if must_wait || conversation::resume(&mut self.shard, at, limits, NOW) == Flow::Suspend {
                self.suspended.push(at);
            }
        }
    }

    /// Sends everything that is queued; returns what one connection was sent.
    fn flush(&mut self, watched: ConnectionKey) -> Vec<u8> {
        let mut dirty = Vec::new();
        let mut seen = Vec::new();
        self.shard.take_dirty(&mut dirty);
        for at in dirty {
            let bytes = bare_shard::take_unsent(&mut self.shard, at, NOW);
            if at == watched {
                seen = bytes;
            }
        }
        seen
    }

    fn deliveries(&self) -> u64 {
        self.shard.counters().deliveries.get()
    }
}

fn text(message: &str) -> Vec<u8> {
    client_frame(Opcode::Text, true, message.as_bytes(), MASK)
}

/// One read full of numbered messages, and how many there are.
fn flood() -> (Vec<u8>, usize) {
    let mut bytes = Vec::new();
    let mut count = 0;
    while bytes.len() < READ_BYTES {
        count += 1;
        bytes.extend(text(&format!(
            r#"{{"type":"GameData","data":{{"data":"{count:06} {}"}}}}"#,
            "x".repeat(48)
        )));
    }
    (bytes, count)
}

fn busy_room(rig: &mut Rig) -> Vec<ConnectionKey> {
    (0..BUSY_PLAYERS)
        .map(|number| rig.join(&format!("Busy{number}"), "BUSY22"))
        .collect()
}

/// The numbers in what was sent, in order.
fn numbers(bytes: &[u8]) -> Vec<usize> {
    let text = String::from_utf8_lossy(bytes);
    text.split("\"data\":\"")
        .skip(1)
        .map(|rest| rest[..6].parse().expect("six digits"))
        .collect()
}

#[test]
fn a_flood_in_one_room_does_not_keep_another_waiting() {
    let mut rig = Rig::new();
    let busy = busy_room(&mut rig);
    let (mira, otto) = (rig.join("Mira", "CALM22"), rig.join("Otto", "CALM22"));
    rig.flush(otto);

    let (bytes, count) = flood();
    rig.shard.begin_turn();
    let before = rig.deliveries();
    for sender in &busy {
        assert_eq!(rig.feed(*sender, &bytes), Flow::Suspend, "its room's share is used up");
    }
    let frame_bytes = 148 + 64;
    let queued = (rig.deliveries() - before) * frame_bytes;
    assert!(
        queued < SHARE_BYTES,
        "{queued} bytes in one turn: a member of a room that has used up its share is not served"
    );
    let hello = text(r#"{"type":"GameData","data":{"data":"000001"}}"#);
    assert_eq!(rig.feed(mira, &hello), Flow::Continue);
    assert_eq!(numbers(&rig.flush(otto)), [1], "served in the turn in which it spoke");

    // The rest follows turn by turn, and all of it.
    let mut turns = 1;
    while !rig.suspended.is_empty() {
        rig.shard.begin_turn();
        turns += 1;
        rig.resume();
        assert_eq!(rig.feed(mira, &hello), Flow::Continue);
        assert_eq!(numbers(&rig.flush(otto)), [1], "every turn serves both rooms");
    }
    let expected = BUSY_PLAYERS * count * (BUSY_PLAYERS - 1) + turns;
    assert_eq!(rig.deliveries() as usize, expected);
    assert!(turns > 10, "{turns} turns");
}

#[test]
fn what_a_room_is_told_by_the_server_counts_too() {
    let mut rig = Rig::new();
    let busy = busy_room(&mut rig);
    let (mira, otto) = (rig.join("Mira", "CALM22"), rig.join("Otto", "CALM22"));
    rig.flush(otto);
    // Some hundred bytes to each member for each of these.
    let toggles = text(r#"{"type":"PlayerReady"}"#).repeat(1_000);
    rig.shard.begin_turn();
    assert_eq!(rig.feed(busy[0], &toggles), Flow::Suspend);
    let hello = text(r#"{"type":"GameData","data":{"data":"000001"}}"#);
    assert_eq!(rig.feed(mira, &hello), Flow::Continue);
    assert_eq!(numbers(&rig.flush(otto)), [1]);
    let mut turns = 1;
    while !rig.suspended.is_empty() {
        rig.shard.begin_turn();
        turns += 1;
        rig.resume();
        rig.flush(otto);
    }
    assert!(turns > 5, "{turns} turns");
}

#[test]
fn one_senders_messages_stay_in_order_across_turns() {
    let mut rig = Rig::new();
    let busy = busy_room(&mut rig);
    let mira = rig.join("Mira", "CALM22");
    rig.join("Otto", "CALM22");
    let (speaker, listener) = (busy[0], busy[1]);
    rig.flush(listener);
    let (bytes, count) = flood();
    rig.shard.begin_turn();
    assert_eq!(rig.feed(speaker, &bytes), Flow::Suspend);
    let mut heard = Vec::new();
    loop {
        let calm = text(r#"{"type":"GameData","data":{"data":1}}"#);
        assert_eq!(rig.feed(mira, &calm), Flow::Continue);
        heard.extend(numbers(&rig.flush(listener)));
        if rig.suspended.is_empty() {
            break;
        }
        rig.shard.begin_turn();
        rig.resume();
    }
    assert_eq!(heard, (1..=count).collect::<Vec<_>>());
}

#[test]
fn a_room_that_is_alone_in_its_turn_has_no_more_of_it() {
    let mut rig = Rig::new();
    let busy = busy_room(&mut rig);
    rig.flush(busy[1]);
    let (bytes, count) = flood();
    rig.shard.begin_turn();
    assert_eq!(rig.feed(busy[0], &bytes), Flow::Suspend);
    let mut heard = 0;
    let mut turns = 0;
    loop {
        let sent = rig.flush(busy[1]);
        assert!(
            sent.len() < SHARE_BYTES as usize / (BUSY_PLAYERS - 1),
            "{} bytes were queued before the socket was offered them",
            sent.len()
        );
        heard += numbers(&sent).len();
        turns += 1;
        if rig.suspended.is_empty() {
            break;
        }
        rig.shard.begin_turn();
        rig.resume();
    }
    assert_eq!(heard, count);
    assert!(turns > 3, "{turns} turns");
}
