//! Floods, stalls and pauses at random, through the server's own loop: whoever reads and answers is never closed and misses
//! nothing, whatever the others do. That nobody is read twice in a turn, that nothing is forgotten, and that what waits and what
//! is held stay bounded is checked by the harness after every turn.

use std::time::Duration;

use serde_json::json;

use crate::harness::{Client, Frame, Game, Opcode, Schedule, Setup, client_frame};

/// Those who do their part.
const GOOD: usize = 4;
const STEPS: usize = 60;

/// What happened in some runs.
#[derive(Debug, Default)]
struct Tally {
    heard: usize,
    closed: u64,
    pauses: u64,
    paced_ms: u64,
}

struct Run {
    game: Game,
    good: Vec<Client>,
    said: [usize; GOOD],
    random: Schedule,
}

impl Run {
    fn new(seed: u64, shards: u16) -> Self {
        let mut setup = Setup {
            seed,
            shards,
            standstill: Duration::from_millis(100),
            ..Setup::default().with(|settings| {
                settings.liveness.ping_interval_ms = Some(1_000);
                settings.liveness.pong_timeout_ms = 500;
                settings.liveness.idle_timeout_ms = Some(4_000);
                settings.outbox.stall_timeout_ms = 2_000;
                settings.outbox.max_bytes = 300_000;
                settings.pacing.burst_bytes = 20_000;
                settings.pacing.free_rate_bytes = 10_000;
            })
        };
        setup.settings.budgets.joins = 1_000;
        setup.settings.budgets.relay_bytes = 1 << 40;
        setup.settings.budgets.room_relay_bytes = 1 << 40;
        let game = Game::new(setup);
        let good = (0..GOOD)
            .map(|number| seated(&game, &format!("Good{number}")))
            .collect();
        Self {
            game,
            good,
            said: [0; GOOD],
            random: Schedule::new(!seed),
        }
    }

    /// Somebody who does not do its part, of some kind; how it goes on is left to the schedule.
    fn unleash(&mut self, number: usize) {
        let seated = self.random.once_in(2);
        let name = format!("Bad{number}");
        let client = if seated {
            seated_or_not(&self.game, &name)
        } else {
            self.game.enter(&name)
        };
        if self.random.once_in(2) {
            client.reads(false).answers(false).has_pipe_of(self.random.below(3_000));
        }
        let text = |tag: &str| client_frame(Opcode::Text, true, tag.as_bytes(), [1, 2, 3, 4]);
        let many = 1 + self.random.below(4_000);
        let flood = match self.random.below(8) {
            0 => client_frame(Opcode::Ping, true, &[], [0; 4]).repeat(many),
            1 => client_frame(Opcode::Ping, true, &[7; 125], [0; 4]).repeat(many / 10),
            2 => client_frame(Opcode::Pong, true, &[], [0; 4]).repeat(many * 3),
            3 => text(r#"{"type":"LeaveRoom"}"#).repeat(many),
            4 => text(r#"{"type":"PlayerReady"}"#).repeat(many / 4),
            5 => text(r#"{"type":"GameData","data":{"data":1}}"#).repeat(many),
            6 => {
                text(&json!({"type": "GameData", "data": {"data": "x".repeat(30_000)}}).to_string()).repeat(many / 100)
            }
            // A message that never ends.
            _ => text(&json!({"type": "GameData", "data": {"data": "x".repeat(9_000)}}).to_string())[..5_000].to_vec(),
        };
        client.sends_bytes(&flood);
        if self.random.once_in(4) {
            client.finishes();
        }
    }

    fn step(&mut self, number: usize, tally: &mut Tally) {
        if self.random.once_in(3) {
            self.unleash(number);
        }
        for (number, client) in self.good.iter().enumerate() {
            self.said[number] += 1;
            client.sends_json(json!({"good": number, "n": self.said[number]}));
        }
        self.game.machine().run_a_while();
        if self.random.once_in(8) {
            tally.pauses += 1;
            let pause_ms = 200 + self.random.below(8_000) as u64;
            self.game.machine().stand_still_ms(pause_ms);
            self.game.machine().run_a_while();
        } else {
            for _ in 0..1 + self.random.below(20) {
                self.game.advance_ms(10);
            }
        }
    }

    fn finish(self, seed: u64, tally: &mut Tally) {
        for _ in 0..300 {
            self.game.advance_ms(10);
        }
        for (number, client) in self.good.iter().enumerate() {
            assert!(client.is_connected(), "{} did its part (seed {seed})", client.name());
            let mut heard = [0; GOOD];
            for frame in client.takes_what_arrived() {
                match frame {
                    Frame::Text(message) if message["type"] == "GameData" => {
                        let data = &message["data"]["data"];
                        let (Some(from), Some(n)) = (data["good"].as_u64(), data["n"].as_u64()) else {
                            continue;
                        };
                        let from = from as usize;
                        assert_eq!(n as usize, heard[from] + 1, "from {from} to {number} (seed {seed})");
                        heard[from] += 1;
                    }
                    Frame::Close(code, reason) => {
                        panic!("{} was closed: {code:?} {reason} (seed {seed})", client.name())
                    }
                    _ => {}
                }
            }
            for (from, said) in self.said.iter().enumerate().filter(|(from, _)| *from != number) {
                assert_eq!(heard[from], *said, "from {from} to {number} (seed {seed})");
            }
            tally.heard += heard.iter().sum::<usize>();
        }
        tally.closed += self.game.count("websocket_slow_consumer_disconnects_total");
        tally.paced_ms += self.game.count("paced_seconds_total");
    }
}

fn seated_or_not(game: &Game, name: &str) -> Client {
    let client = game.enter(name);
    client
        .asks_to_join(json!({"game_name": "tide-pool", "player_name": name, "room_code": "FLOOD2", "max_players": 60}));
    client
}

/// Somebody who takes everything at once, and answers.
fn seated(game: &Game, name: &str) -> Client {
    let client = seated_or_not(game, name);
    client.has_pipe_of(usize::MAX);
    game.settle();
    client.takes_what_arrived();
    client
}

fn runs(seeds: std::ops::Range<u64>, shards: u16) {
    let mut tally = Tally::default();
    for seed in seeds {
        let mut run = Run::new(seed, shards);
        for number in 0..STEPS {
            run.step(number, &mut tally);
        }
        run.finish(seed, &mut tally);
    }
    assert!(
        tally.heard > 1_000 && tally.closed > 3 && tally.pauses > 10 && tally.paced_ms > 0,
        "the runs say little: {tally:?}"
    );
}

#[test]
fn on_one_shard() {
    runs(0..6, 1);
}

#[test]
fn on_three_shards() {
    runs(100..106, 3);
}
