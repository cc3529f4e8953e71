//! Whatever happens, every member gets exactly what was sent while it was a member, in order, or is closed with a code.
//!
//! Each room has a witness that never sends, never leaves and always reads. What the witness saw is the room's history.
//! Everybody else must have seen exactly the part of it between its own coming and going, without what it sent itself;
//! one that was closed or vanished must have seen a prefix of that. And what the witness saw of a sender must be exactly
//! what that sender said while it had its seat.

use serde_json::json;
use signal_fish_relay::shard::InboxLimits;

use crate::harness::{Client, Game, Schedule};
use crate::ledger::{Ledger, ROOMS};
use crate::weather::{CALM, Weather};

const CLIENTS: usize = 9;
const STEPS: usize = 160;

/// A client that acts at random, and what it did.
struct Actor {
    client: Client,
    ledger: Ledger,
    packs: bool,
    is_here: bool,
}

impl Actor {
    fn connect(game: &Game, number: usize, packs: bool) -> Self {
        let client = game.connect(&format!("actor{number}"));
        let format = if packs { "message_pack" } else { "json" };
        client.sends(json!({"type": "Authenticate", "data": {"app_id": "reef-racer", "game_data_format": format}}));
        Self {
            ledger: Ledger::new(number),
            client,
            packs,
            is_here: true,
        }
    }

    fn act(&mut self, random: &mut Schedule) {
        if !self.is_here {
            return;
        }
        match random.below(20) {
            0..=8 => {
                for _ in 0..=random.below(4) {
                    self.say(random);
                }
            }
            9..=12 => self.join(random.below(ROOMS.len())),
            13..=14 => {
                self.ledger.leaves();
                self.client.says("LeaveRoom");
            }
            // All in one piece, so that everything behind the first join is pipelined.
            15 => {
                let (first, second) = (random.below(ROOMS.len()), random.below(ROOMS.len()));
                self.ledger.leaves();
                self.client.says("LeaveRoom");
                self.join(first);
                self.say(random);
                self.ledger.leaves();
                self.client.says("LeaveRoom");
                self.join(second);
                self.say(random);
            }
            16 => drop(self.client.reads(false).id),
            17..=18 => drop(self.client.reads(true).id),
            _ if random.once_in(4) => self.go(random),
            _ => {}
        }
    }

    fn join(&mut self, room: usize) {
        self.ledger.joins(room);
        let name = format!("Actor{}", self.ledger.number());
        self.client.asks_to_join(
            json!({"game_name": "tide-pool", "player_name": name, "room_code": ROOMS[room],
            "max_players": 100}),
        );
    }

    fn say(&mut self, random: &mut Schedule) {
        let data = self.ledger.says(random.below(200));
        if self.packs && random.once_in(2) {
            let payload = rmp_serde::to_vec(&data).expect("JSON has a MessagePack form");
            self.client.sends_binary(&payload);
        } else {
            self.client.sends_json(data);
        }
    }

    fn go(&mut self, random: &mut Schedule) {
        self.is_here = false;
        match random.below(3) {
            0 => self.client.vanishes(),
            1 => self.client.finishes(),
            _ => self.client.closes(4_999, "enough"),
        };
    }
}

/// What happened in some runs.
#[derive(Debug, Default)]
struct Tally {
    compared: u64,
    hops: u64,
    refused_hops: u64,
    slow_readers: u64,
}

/// Runs once; returns everything that was said.
fn run(seed: u64, weather: Weather, tally: &mut Tally) -> Vec<String> {
    let game = Game::new(weather.setup(seed));
    let witnesses: Vec<_> = ROOMS
        .iter()
        .map(|code| {
            let witness = game.connect("witness");
            witness.has_pipe_of(usize::MAX).authenticate("reef-racer");
            let request = json!({"game_name": "tide-pool", "player_name": "Witness", "room_code": code,
                "max_players": 100});
            // A full inbox may refuse it; a witness tries until it sits.
            witness.asks_to_join(request).expects_created();
            witness
        })
        .collect();

    let mut random = Schedule::new(seed ^ 0x5eed);
    let mut actors: Vec<_> = (0..CLIENTS)
        .map(|number| Actor::connect(&game, number, random.once_in(2)))
        .collect();
    for _ in 0..STEPS {
        let chosen = random.below(actors.len());
        if !actors[chosen].is_here && random.once_in(3) {
            let number = actors.len();
            actors.push(Actor::connect(&game, number, random.once_in(2)));
        }
        actors[chosen].act(&mut random);
        for _ in 0..random.below(30) {
            game.machine().step();
        }
        if random.once_in(12) {
            game.advance_ms(random.below(3_000) as u64);
        }
    }
    // Whoever is still here reads to the end.
    for actor in &actors {
        actor.client.reads(true);
    }
    game.settle();

    let histories: Vec<_> = witnesses
        .iter()
        .map(|witness| crate::ledger::history_of(&witness.takes_all()))
        .collect();
    for actor in &actors {
        let frames = actor.client.takes_all();
        let ended = !actor.is_here || !actor.client.is_connected();
        tally.compared += actor.ledger.balance(&frames, ended, &histories);
    }
    let alive = actors
        .iter()
        .filter(|actor| actor.is_here && actor.client.is_connected())
        .count();
    assert_eq!(
        game.machine().connections(),
        alive + witnesses.len(),
        "nobody is left behind"
    );
    assert_eq!(
        game.machine().world.ledger.admitted().connections,
        alive + witnesses.len()
    );
    assert_eq!(
        game.count("hops_sent_total"),
        game.count("hops_received_total") + game.count("hops/inbox_full"),
        "every transfer arrived or came back"
    );
    tally.hops += game.count("hops_received_total");
    tally.refused_hops += game.count("hops/inbox_full");
    tally.slow_readers += game.count("websocket_slow_consumer_disconnects_total");
    let machine = game.machine();
    machine.said().to_vec()
}

fn in_weather(seeds: std::ops::Range<u64>, weather: Weather) -> Tally {
    let mut tally = Tally::default();
    for seed in seeds {
        run(seed, weather, &mut tally);
    }
    assert!(tally.compared > 5_000, "the runs say nothing: {tally:?}");
    tally
}

#[test]
fn in_calm_weather() {
    let tally = in_weather(0..40, CALM);
    assert!(tally.hops > 500 && tally.slow_readers == 0, "{tally:?}");
}

#[test]
fn with_one_shard() {
    let tally = in_weather(
        100..140,
        Weather {
            shards: 1,
            pipe_bytes: 500,
            ..CALM
        },
    );
    assert!(tally.hops == 0 && tally.slow_readers > 10, "{tally:?}");
}

#[test]
fn with_narrow_pipes() {
    let tally = in_weather(
        200..240,
        Weather {
            pipe_bytes: 100,
            ..CALM
        },
    );
    assert!(tally.hops > 500 && tally.slow_readers > 10, "{tally:?}");
}

#[test]
fn with_small_outboxes() {
    let tally = in_weather(
        300..340,
        Weather {
            pipe_bytes: 300,
            outbox_bytes: 3_000,
            ..CALM
        },
    );
    assert!(tally.hops > 500 && tally.slow_readers > 50, "{tally:?}");
}

#[test]
fn with_full_inboxes() {
    let tally = in_weather(
        400..440,
        Weather {
            shards: 8,
            inbox: InboxLimits { bulk: 1, reserve: 1 },
            pipe_bytes: 1_000,
            ..CALM
        },
    );
    assert!(tally.hops > 500 && tally.refused_hops > 10, "{tally:?}");
}

#[test]
fn with_tls() {
    let tally = in_weather(
        500..530,
        Weather {
            shards: 8,
            pipe_bytes: 700,
            speaks_tls: true,
            ..CALM
        },
    );
    assert!(tally.hops > 400 && tally.slow_readers > 5, "{tally:?}");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let weather = Weather {
        pipe_bytes: 300,
        outbox_bytes: 3_000,
        ..CALM
    };
    let said = |seed| run(seed, weather, &mut Tally::default());
    assert_eq!(said(7), said(7));
    assert_ne!(said(7), said(8));
}
