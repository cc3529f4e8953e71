//! Whatever happens, a receiver on version 3 has received and been told of exactly what was sent, per sender and epoch.
//!
//! Actors say things of every class, stop reading, come and go as players and as spectators, lose their connections and
//! return. Each room has a witness that never leaves: how far every stream came is what it heard or was told of.
//! Everybody's books are kept by an [`Audit`], which refuses any hole that was not reported before it.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use signal_fish_relay::shard::InboxLimits;

use crate::audit::{Audit, Stamp};
use crate::harness::{Client, Game, Schedule};
use crate::weather::{CALM, Weather};

const ROOMS: [&str; 2] = ["ROOM22", "ROOM33"];
const ACTORS: usize = 7;
const STEPS: usize = 220;

/// Somebody who acts at random.
struct Actor {
    client: Client,
    audit: Audit,
    number: usize,
    packs: bool,
    count: u64,
}

impl Actor {
    fn connect(game: &Game, number: usize, packs: bool) -> Self {
        let name = format!("actor{number}");
        let client = game.connect(&name);
        let format = if packs { "message_pack" } else { "json" };
        client.sends(json!({"type": "Authenticate", "data": {
            "app_id": "reef-racer", "game_data_format": format, "protocol_version": 3}}));
        Self {
            client,
            audit: Audit::of(&name),
            number,
            packs,
            count: 0,
        }
    }

    fn read(&mut self) {
        let arrived = self.client.takes_what_arrived();
        arrived.iter().for_each(|frame| self.audit.read(frame));
    }

    fn act(&mut self, game: &Game, random: &mut Schedule) {
        match random.below(28) {
            0..=13 => {
                for _ in 0..=random.below(6) {
                    self.say(random);
                }
            }
            14..=16 => drop(
                self.client
                    .sends(json!({"type": "JoinRoom", "data": {
                "game_name": "tide-pool", "player_name": format!("Actor{}", self.number),
                "room_code": ROOMS[random.below(ROOMS.len())], "max_players": 100}}))
                    .id,
            ),
            17 => drop(self.client.says("LeaveRoom").id),
            18..=19 => drop(self.client.reads(false).id),
            20..=22 => drop(self.client.reads(true).id),
            23..=25 => drop(
                self.client
                    .sends(json!({"type": "JoinAsSpectator", "data": {
                "game_name": "tide-pool", "spectator_name": format!("Actor{}", self.number),
                "room_code": ROOMS[random.below(ROOMS.len())]}}))
                    .id,
            ),
            26 => drop(self.client.says("LeaveSpectator").id),
            _ => self.drop_and_return(game, random),
        }
    }

    fn say(&mut self, random: &mut Schedule) {
        self.count += 1;
        let padding = "x".repeat(random.below(60));
        let data = json!({"actor": self.number, "n": self.count, "padding": padding});
        let body = match random.below(5) {
            0 => json!({"data": data}),
            1 | 2 => json!({"data": data, "class": "volatile"}),
            3 => json!({"data": data, "class": "latest", "key": random.below(3)}),
            _ if self.packs => {
                // Bytes have no form in JSON: those who read JSON must be told of a gap.
                let count = self.count as u8;
                self.client.sends_binary(&[0xc4, 2, self.number as u8, count]);
                return;
            }
            _ => json!({"data": data, "class": "reliable"}),
        };
        self.client.sends(json!({"type": "GameData", "data": body}));
    }

    /// Loses the connection; comes back with the token that it has, if it has one.
    fn drop_and_return(&mut self, game: &Game, random: &mut Schedule) {
        self.client.vanishes();
        let seat = (
            self.audit.me.clone(),
            self.audit.room_id.clone(),
            self.audit.token.clone(),
        );
        let (number, packs, count) = (self.number, self.packs, self.count);
        let heard = std::mem::take(&mut self.audit.heard);
        *self = Self::connect(game, number, packs);
        self.count = count;
        self.audit.heard = heard;
        if let (Some(player), Some(room), Some(token)) = seat
            && !random.once_in(4)
        {
            self.client.sends(json!({"type": "Reconnect", "data": {
                "player_id": player, "room_id": room, "auth_token": token}}));
        }
    }
}

/// What happened in some runs.
#[derive(Debug, Default)]
struct Tally {
    heard: u64,
    reported: u64,
    reports: u64,
    slow_readers: u64,
    returns: u64,
    superseded: u64,
    undeliverable: u64,
    outpost_places: u64,
    thinned: u64,
    cut: u64,
    letters_refused: u64,
}

fn run(seed: u64, weather: Weather, tally: &mut Tally) {
    let game = Game::new(weather.setup(seed));
    let mut witnesses: Vec<_> = ROOMS
        .iter()
        .map(|code| {
            let mut witness = Actor::connect(&game, 99, true);
            witness.client.has_pipe_of(usize::MAX);
            witness
                .client
                .sends(json!({"type": "JoinRoom", "data": {"game_name": "tide-pool",
                "player_name": "Witness", "room_code": code, "max_players": 100}}));
            game.settle();
            witness.read();
            witness
        })
        .collect();
    let mut random = Schedule::new(seed ^ 0xacc0);
    let mut actors: Vec<_> = (0..ACTORS)
        .map(|number| Actor::connect(&game, number, random.once_in(2)))
        .collect();
    for _ in 0..STEPS {
        let chosen = random.below(actors.len());
        actors[chosen].act(&game, &mut random);
        for _ in 0..random.below(30) {
            game.machine().step();
        }
        actors.iter_mut().chain(&mut witnesses).for_each(Actor::read);
        if random.once_in(15) {
            game.advance_ms(random.below(1_500) as u64);
        }
    }
    // Whoever is still here reads to the end.
    for actor in &actors {
        actor.client.reads(true);
    }
    game.settle();
    actors.iter_mut().chain(&mut witnesses).for_each(Actor::read);

    let mut said: BTreeMap<Stamp, Value> = BTreeMap::new();
    let mut last: BTreeMap<(String, u32), u64> = BTreeMap::new();
    for witness in &mut witnesses {
        assert!(witness.client.is_connected(), "a witness stays to the end");
        witness.audit.settle();
        last.extend(witness.audit.ends.clone());
    }
    for actor in witnesses.iter().chain(&actors) {
        for (stamp, data) in &actor.audit.heard {
            let heard = said.entry(stamp.clone()).or_insert_with(|| data.clone());
            assert_eq!(data, heard, "actor{}: heard something else", actor.number);
        }
    }
    for actor in &mut actors {
        if actor.client.is_connected() && actor.audit.me.is_some() {
            actor.audit.balance(&last);
        }
        tally.heard += actor.audit.heard.len() as u64;
        tally.reported += actor.audit.reported;
        tally.reports += actor.audit.reports;
    }
    tally.slow_readers += game.count("websocket_slow_consumer_disconnects_total");
    tally.returns += game.count("reconnection_completions_total");
    tally.superseded += game.count("outbox/superseded");
    tally.undeliverable += game.count("outbox/unsupported_format");
    tally.outpost_places += game.count("outpost_places_total");
    tally.thinned += game.count("outpost_bulletins_thinned_total");
    tally.cut += game.count("outpost_cuts_total");
    tally.letters_refused += game.count("letters_refused_total");
}

fn in_weather(seeds: std::ops::Range<u64>, weather: Weather) -> Tally {
    let mut tally = Tally::default();
    for seed in seeds {
        run(seed, weather, &mut tally);
    }
    assert!(
        tally.heard > 3_000 && tally.returns > 20,
        "the runs say little: {tally:?}"
    );
    tally
}

#[test]
fn in_calm_weather() {
    let tally = in_weather(0..25, CALM);
    assert!(tally.undeliverable > 100 && tally.slow_readers == 0, "{tally:?}");
}

#[test]
fn with_slow_readers_and_short_queues() {
    let tally = in_weather(
        100..150,
        Weather {
            pipe_bytes: 300,
            droppable_frames: 4,
            ..CALM
        },
    );
    assert!(tally.superseded > 100 && tally.reported > 1_000, "{tally:?}");
}

#[test]
fn with_slow_readers_and_little_memory() {
    let tally = in_weather(
        200..240,
        Weather {
            pipe_bytes: 200,
            outbox_bytes: 9_000,
            droppable_frames: 1_024,
            ..CALM
        },
    );
    assert!(tally.slow_readers > 20 && tally.reported > 500, "{tally:?}");
}

#[test]
fn with_one_shard_and_eight() {
    for (seeds, shards) in [(300..330, 1), (330..360, 8)] {
        let weather = Weather {
            shards,
            pipe_bytes: 400,
            droppable_frames: 8,
            ..CALM
        };
        let tally = in_weather(seeds, weather);
        assert!(tally.reported > 300, "{tally:?}");
    }
}

#[test]
fn with_outposts_on_one_shard_and_eight() {
    for (seeds, shards) in [(400..430, 1), (430..460, 2), (460..490, 8)] {
        let weather = Weather {
            shards,
            outpost_members: Some(2),
            ..CALM
        };
        let tally = in_weather(seeds, weather);
        assert!(tally.outpost_places > 100 && tally.undeliverable > 100, "{tally:?}");
        assert_eq!(tally.slow_readers, 0, "{tally:?}");
    }
}

#[test]
fn with_outposts_and_slow_readers() {
    let weather = Weather {
        pipe_bytes: 300,
        droppable_frames: 4,
        outpost_members: Some(1),
        ..CALM
    };
    let tally = in_weather(500..550, weather);
    assert!(tally.outpost_places > 200 && tally.superseded > 100, "{tally:?}");
}

#[test]
fn with_outposts_and_full_inboxes() {
    let weather = Weather {
        shards: 4,
        outpost_members: Some(1),
        inbox: InboxLimits { bulk: 1, reserve: 1 },
        ..CALM
    };
    let tally = in_weather(600..640, weather);
    assert!(tally.outpost_places > 100 && tally.letters_refused > 500, "{tally:?}");
}

#[test]
fn with_outposts_that_are_overrun() {
    let weather = Weather {
        shards: 3,
        outbox_bytes: 3_000,
        outpost_members: Some(1),
        inbox: InboxLimits { bulk: 1, reserve: 2 },
        ..CALM
    };
    let tally = in_weather(700..830, weather);
    assert!(tally.thinned > 20 && tally.cut > 5, "{tally:?}");
}
