//! However small what is sent to them, peers that never read make the server hold what the caps say, and no more.
//!
//! Counted by the allocator, at rest, while each kind of flood runs until its peers are closed as too slow.

use serde_json::json;

use crate::harness::{Client, Game, Opcode, Setup, client_frame, live_bytes};

const CAP_BYTES: usize = 1 << 20;
const PIPE_BYTES: usize = 1 << 10;
/// What each peer may cost beside its outbox and its pipe: the connection, the start of a message, a flood's last bytes.
const SLACK_BYTES: usize = 48 << 10;
/// What all together may cost beside that: scratch, tables and the pool of a shard, the sender's last bytes.
const COMMON_SLACK_BYTES: usize = 128 << 10;

/// Peers that do not read, and the room's only sender.
struct Audience {
    game: Game,
    sender: Client,
    peers: Vec<Client>,
}

impl Audience {
    /// A room on one shard whose members read a format by a version.
    fn seated(count: usize, format: &str, version: u8) -> Self {
        let game = game();
        let enter = |name: &str| {
            let client = game.connect(name);
            client.sends(json!({"type": "Authenticate", "data": {
                "app_id": "reef-racer", "game_data_format": format, "protocol_version": version}}));
            client.sends(json!({"type": "JoinRoom", "data": {
                "game_name": "tide-pool", "player_name": name, "room_code": "ROOM22", "max_players": 20}}));
            game.settle();
            client
        };
        let sender = enter("Sender");
        let peers: Vec<_> = (0..count).map(|number| enter(&format!("Peer{number}"))).collect();
        for peer in &peers {
            peer.takes_all();
            peer.reads(false).answers(false).has_pipe_of(PIPE_BYTES);
        }
        sender.takes_all();
        Self { game, sender, peers }
    }

    /// Peers without a seat, of whom nothing is known yet.
    fn standing(count: usize) -> Self {
        let game = game();
        let sender = game.connect("nobody");
        let peers: Vec<_> = (0..count)
            .map(|number| game.connect(&format!("peer{number}")))
            .collect();
        for peer in &peers {
            peer.reads(false).answers(false).has_pipe_of(PIPE_BYTES);
        }
        game.settle();
        Self { game, sender, peers }
    }

    /// Repeats a flood until somebody is closed for it, for so many rounds at most. Returns the most bytes that a peer made
    /// the process hold at rest.
    fn flood(&self, most_rounds: u64, mut flood: impl FnMut(&Self, u64)) -> usize {
        let start = live_bytes();
        let mut most = 0;
        for round in 0..most_rounds {
            flood(self, round);
            self.game.settle();
            if self.was_closed() {
                break;
            }
            most = most.max(live_bytes() - start);
        }
        let most = usize::try_from(most).unwrap_or(0);
        let allowed = self.peers.len() * (CAP_BYTES + PIPE_BYTES + SLACK_BYTES) + COMMON_SLACK_BYTES;
        println!("{} peers: {most} bytes held of {allowed}", self.peers.len());
        assert!(
            most <= allowed,
            "{most} bytes are held for {} peers, not {allowed}",
            self.peers.len()
        );
        most / self.peers.len()
    }

    fn says(&self, frames: &[u8]) {
        self.sender.sends_bytes(frames);
    }

    fn was_closed(&self) -> bool {
        self.game.count("websocket_slow_consumer_disconnects_total") > 0
    }
}

fn game() -> Game {
    Game::new(Setup {
        shards: 1,
        ..Setup::default().with(|settings| {
            settings.outbox.max_bytes = CAP_BYTES;
            // What waits at a sender that is held back waits in its own pipe, which is part of the process here.
            settings.pacing.burst_bytes = u64::MAX;
        })
    })
}

/// Tells it of one peer, and of eight.
fn for_one_and_for_many(scenario: impl Fn(usize)) {
    for peers in [1, 8] {
        scenario(peers);
    }
}

fn text(message: &str) -> Vec<u8> {
    client_frame(Opcode::Text, true, message.as_bytes(), [1, 2, 3, 4])
}

/// A flood that nobody is spared fills an outbox before its reader is closed: the cap is not undercut either.
fn fills_the_cap(audience: &Audience, held_bytes: usize) {
    assert!(audience.was_closed(), "the flood was not long enough");
    assert!(held_bytes > CAP_BYTES * 9 / 10, "closed with {held_bytes} bytes held");
}

#[test]
fn pings_before_any_handshake() {
    for_one_and_for_many(|peers| {
        let audience = Audience::standing(peers);
        let pings = client_frame(Opcode::Ping, true, b"", [1, 2, 3, 4]).repeat(1_000);
        let held = audience.flood(1_000, |audience, _| {
            for peer in &audience.peers {
                peer.sends_bytes(&pings);
            }
        });
        fills_the_cap(&audience, held);
    });
}

#[test]
fn pings_of_every_length() {
    for_one_and_for_many(|peers| {
        let audience = Audience::standing(peers);
        let held = audience.flood(2_000, |audience, round| {
            let payload = vec![7; round as usize % 126];
            let pings = client_frame(Opcode::Ping, true, &payload, [1, 2, 3, 4]).repeat(100);
            for peer in &audience.peers {
                peer.sends_bytes(&pings);
            }
        });
        fills_the_cap(&audience, held);
    });
}

#[test]
fn tiny_game_data() {
    for_one_and_for_many(|peers| {
        for version in [2, 3] {
            let audience = Audience::seated(peers, "json", version);
            let data = text(r#"{"type":"GameData","data":{"data":0}}"#).repeat(100);
            let held = audience.flood(1_000, |audience, _| audience.says(&data));
            fills_the_cap(&audience, held);
        }
    });
}

#[test]
fn empty_binary_game_data() {
    for_one_and_for_many(|peers| {
        for version in [2, 3] {
            let audience = Audience::seated(peers, "message_pack", version);
            let data = client_frame(Opcode::Binary, true, b"", [1, 2, 3, 4]).repeat(200);
            let held = audience.flood(1_000, |audience, _| audience.says(&data));
            fills_the_cap(&audience, held);
        }
    });
}

#[test]
fn large_game_data() {
    for_one_and_for_many(|peers| {
        let audience = Audience::seated(peers, "json", 2);
        let data = text(&format!(
            r#"{{"type":"GameData","data":{{"data":"{}"}}}}"#,
            "x".repeat(30_000)
        ));
        let held = audience.flood(1_000, |audience, _| audience.says(&data));
        fills_the_cap(&audience, held);
    });
}

/// Each second message is taken back or left out later, so that every one leaves a hole of its own.
#[test]
fn gaps_in_volatile_data() {
    for_one_and_for_many(|peers| {
        let audience = Audience::seated(peers, "json", 3);
        let data = [
            text(r#"{"type":"GameData","data":{"data":0,"class":"volatile"}}"#),
            text(r#"{"type":"GameData","data":{"data":0}}"#),
        ]
        .concat()
        .repeat(50);
        audience.flood(500, |audience, _| audience.says(&data));
        assert!(audience.was_closed());
    });
}

#[test]
fn volatile_data_alone() {
    for_one_and_for_many(|peers| {
        let audience = Audience::seated(peers, "json", 3);
        let data = text(r#"{"type":"GameData","data":{"data":0,"class":"volatile"}}"#).repeat(100);
        audience.flood(150, |audience, _| audience.says(&data));
        assert!(!audience.was_closed(), "what may be left out closes nobody");
    });
}

#[test]
fn gaps_in_latest_values() {
    for_one_and_for_many(|peers| {
        let audience = Audience::seated(peers, "json", 3);
        audience.flood(500, |audience, round| {
            let keys = (0..100).map(|key| key + 100 * (round % 20));
            let data: Vec<u8> = keys
                .flat_map(|key| {
                    text(&format!(
                        r#"{{"type":"GameData","data":{{"data":0,"class":"latest","key":{key}}}}}"#
                    ))
                })
                .collect();
            audience.says(&data);
        });
    });
}

/// A message that never comes to its end is kept as far as it came, and not twice.
#[test]
fn fragments() {
    const MESSAGE_BYTES: usize = 120_000;
    for_one_and_for_many(|peers| {
        for fragment_bytes in [1_000, 10_000] {
            let audience = Audience::standing(peers);
            let rounds = (MESSAGE_BYTES / fragment_bytes) as u64;
            let most_fragments = 64;
            let held = audience.flood(rounds.min(most_fragments), |audience, round| {
                let opcode = if round == 0 { Opcode::Text } else { Opcode::Continuation };
                let fragment = client_frame(opcode, false, &vec![b'x'; fragment_bytes], [1, 2, 3, 4]);
                for peer in &audience.peers {
                    peer.sends_bytes(&fragment);
                }
            });
            let sent = fragment_bytes * rounds.min(most_fragments) as usize;
            assert!(held < sent + SLACK_BYTES, "{held} bytes are held of {sent}");
        }
    });
}

/// The same for one frame that comes in small pieces.
#[test]
fn the_start_of_a_frame() {
    const FRAME_BYTES: usize = 66_000;
    for_one_and_for_many(|peers| {
        let audience = Audience::standing(peers);
        let frame = client_frame(Opcode::Text, true, &vec![b'x'; FRAME_BYTES], [1, 2, 3, 4]);
        let pieces: Vec<_> = frame.chunks(1_000).collect();
        let held = audience.flood(pieces.len() as u64 - 1, |audience, round| {
            for peer in &audience.peers {
                peer.sends_bytes(pieces[round as usize]);
            }
        });
        assert!(held < FRAME_BYTES + 24_000, "{held} bytes are held of {FRAME_BYTES}");
    });
}
