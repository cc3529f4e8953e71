//! Somebody who asks for everything.

use serde_json::{Value, json};

use super::doorkeeper::Doorkeeper;
use crate::harness::{Client, Game, Opcode, Schedule};
use crate::observer::{Observer, Request, Role};

const GAME: &str = "tide-pool";
const CODES: [&str; 2] = ["ROOM22", "ROOM33"];

/// What has been seen by anybody: what a curious or hostile client could name.
#[derive(Debug, Default)]
pub struct Gossip {
    pub players: Vec<String>,
    codes: Vec<String>,
    /// Seats that were lost, with their tokens: player, room, token.
    seats: Vec<(String, String, String)>,
    /// The game's backend, if it is asked.
    pub doorkeeper: Option<Doorkeeper>,
}

impl Gossip {
    fn player(&self, random: &mut Schedule) -> String {
        if self.players.is_empty() || random.once_in(12) {
            return "22222222-2222-4222-8222-222222222222".to_owned();
        }
        // Those who were seen last are the likeliest to be there.
        let back = random.below(self.players.len().min(20));
        self.players[self.players.len() - 1 - back].clone()
    }

    fn code(&self, random: &mut Schedule) -> Value {
        match random.below(24) {
            0 => Value::Null,
            1 => json!("ROOM2"),
            2..=5 if !self.codes.is_empty() => {
                let back = random.below(self.codes.len().min(6));
                json!(self.codes[self.codes.len() - 1 - back])
            }
            _ => json!(CODES[random.below(CODES.len())]),
        }
    }
}

/// Somebody who asks for everything.
pub struct Actor {
    pub client: Client,
    pub observer: Observer,
    pub number: usize,
    /// What it shows the game's backend.
    token: String,
    version: u16,
    packs: bool,
    knows_ids: bool,
    operations: u64,
    /// Whether those who come after it may be of any kind, rather than on version 3 and able to do everything.
    mixed: bool,
}

impl Actor {
    pub fn connect(game: &Game, number: usize, mixed: bool, random: &mut Schedule) -> Self {
        let name = format!("actor{number}");
        let token = format!("t{}", game.machine().peers.len());
        let is_checked = game.machine().world.settings.access.check.is_some();
        let client = game.connect(&name);
        let version = if mixed && random.once_in(3) { 2 } else { 3 };
        let packs = random.once_in(3);
        let knows_ids = version == 3 && !random.once_in(4);
        let lists = [
            json!(["webrtc", "direct", "relay"]),
            json!(["webrtc", "direct", "relay"]),
            json!(["relay"]),
            json!(["direct"]),
        ];
        let shapes = [
            json!(["mesh", "host", "relay"]),
            json!(["mesh", "host", "relay"]),
            json!(["host"]),
        ];
        client.sends(json!({"type": "Authenticate", "data": {
            "app_id": "reef-racer",
            "connect_token": is_checked.then_some(&token),
            "protocol_version": version,
            "game_data_format": if packs { "message_pack" } else { "json" },
            "supported_transports": if mixed || random.once_in(12) { &lists[random.below(lists.len())] } else { &lists[0] },
            "supported_topologies": if mixed { &shapes[random.below(shapes.len())] } else { &shapes[0] },
            "requested_capabilities": if knows_ids { json!(["room_operation_ids"]) } else { json!([]) },
        }}));
        Self {
            client,
            observer: Observer::of(&name, version, knows_ids),
            number,
            token,
            version,
            packs,
            knows_ids,
            operations: 0,
            mixed,
        }
    }

    pub fn read(&mut self, gossip: &mut Gossip) {
        for frame in self.client.takes_what_arrived() {
            let before = self.observer.me().map(str::to_owned);
            self.observer.read(&frame);
            if let Some(doorkeeper) = &mut gossip.doorkeeper {
                doorkeeper.watch(&self.token, &frame);
            }
            if let Some(me) = self.observer.me().filter(|me| Some(*me) != before.as_deref()) {
                gossip.players.push(me.to_owned());
            }
        }
        gossip.codes.append(&mut self.observer.room_codes);
    }

    /// Asks for something that comes plain, or as an operation.
    fn asks(&mut self, kind: &'static str, plain: Option<Request>, data: Value, random: &mut Schedule) {
        let likely = if self.knows_ids { 2 } else { 30 };
        let as_operation = plain.is_none() || random.once_in(likely);
        let body = if data.is_null() {
            json!({"type": kind})
        } else {
            json!({"type": kind, "data": data})
        };
        if !as_operation {
            self.observer.asks(plain.expect("checked above"));
            self.client.sends(body);
            return;
        }
        self.operations += 1;
        let id = format!("77777777-7777-4777-8777-{:04x}{:08x}", self.number, self.operations);
        if self.knows_ids {
            self.observer.asks(Request::Operation { id: id.clone(), kind });
        }
        self.client
            .sends(json!({"type": "RoomOperation", "data": {"operation_id": id, "operation": body}}));
    }

    pub fn act(&mut self, game: &Game, gossip: &mut Gossip, random: &mut Schedule) {
        // Outside rooms most requests only say so.
        let chosen = match self.observer.role() {
            None if !random.once_in(4) => 8 + random.below(8),
            Some(Role::Player) if self.knows_ids && random.once_in(6) => 26,
            Some(Role::Player) if random.once_in(4) => 17 + random.below(5),
            _ => random.below(40),
        };
        match chosen {
            0..=7 => {
                for _ in 0..=random.below(6) {
                    self.say(random);
                }
            }
            8..=12 => {
                let password = [json!("a"), json!("")].get(random.below(20)).cloned();
                let seats = match random.below(14) {
                    few @ 0..=5 => json!([0, 101, 1, 2, 2, 3][few]),
                    6 => Value::Null,
                    _ => json!(6),
                };
                let name = match random.below(16) {
                    0 => "Actor0".to_owned(),
                    1 => String::new(),
                    _ => format!("Actor{}", self.number),
                };
                let data = json!({"game_name": GAME, "player_name": name, "room_code": gossip.code(random),
                    "max_players": seats, "supports_authority": !random.once_in(6),
                    "password": password, "join_only": random.once_in(6)});
                self.asks("JoinRoom", Some(Request::Join), data, random);
            }
            13 => self.asks("LeaveRoom", Some(Request::Leave), Value::Null, random),
            14..=15 => {
                let data = json!({"game_name": GAME, "room_code": CODES[random.below(CODES.len())],
                    "spectator_name": format!("Actor{}", self.number)});
                self.asks("JoinAsSpectator", Some(Request::Watch), data, random);
            }
            16 => self.asks("LeaveSpectator", Some(Request::StopWatching), Value::Null, random),
            17..=19 => {
                if !self.observer.is_ready() || random.once_in(6) {
                    self.client.says("PlayerReady");
                }
            }
            20..=21 => drop(self.client.says("StartGame").id),
            22 => {
                self.observer.asks(Request::Authority);
                self.client
                    .sends(json!({"type": "AuthorityRequest", "data": {"become_authority": random.once_in(2)}}));
            }
            23 => {
                let infos = [
                    json!({"type": "direct", "host": "203.0.113.7", "port": 7000 + random.below(3)}),
                    json!({"type": "direct", "host": "", "port": 0}),
                    json!({"type": "custom", "data": {"epoch": 1}}),
                    json!({"type": "nothing"}),
                ];
                let info = &infos[random.below(infos.len())];
                self.client
                    .sends(json!({"type": "ProvideConnectionInfo", "data": {"connection_info": info}}));
            }
            24 => drop(
                self.client
                    .sends(json!({"type": "Signal", "data": {"to": gossip.player(random),
                        "generation": "33333333-3333-4333-8333-333333333333", "signal": {"Offer": "v=0"}}}))
                    .id,
            ),
            25 => drop(
                self.client
                    .sends(json!({"type": "TransportStatus", "data": {
                        "transport": *(["webrtc", "relay", "direct"].get(random.below(3)).expect("one of three")), "connected": random.once_in(2)}}))
                    .id,
            ),
            26..=29 => self.moderate(gossip, random),
            30 => {
                self.observer.asks(Request::Ping);
                self.client.says("Ping");
            }
            31 => self.blunder(random),
            32 => drop(self.client.reads(false).id),
            33..=35 => drop(self.client.reads(true).id),
            36 => drop(self.client.sends_frame(Opcode::Ping, true, b"there?").id),
            37 => self.come_back(gossip, random),
            _ => self.go(game, gossip, random),
        }
    }

    fn moderate(&mut self, gossip: &Gossip, random: &mut Schedule) {
        let mut target = gossip.player(random);
        if random.once_in(2)
            && let Some(room) = self.observer.room()
        {
            let here: Vec<_> = room.players.iter().chain(&room.spectators).cloned().collect();
            target = here[random.below(here.len())].clone();
        }
        let target = json!({"player_id": target});
        let chosen = if self.knows_ids || random.once_in(20) {
            random.below(8)
        } else {
            return;
        };
        match chosen {
            0 => self.asks("KickPlayer", None, target, random),
            1 => self.asks("BanPlayer", None, target, random),
            2 => self.asks("UnbanPlayer", None, target, random),
            3 => {
                let words = [
                    json!({"password": "a"}),
                    json!({"password": ""}),
                    json!({"password": null}),
                ];
                let access = words.get(random.below(9)).cloned().unwrap_or(json!({}));
                self.asks("SetRoomAccess", None, access, random);
            }
            4 => self.asks("RegenerateRoomCode", None, Value::Null, random),
            _ => self.asks("TransferAuthority", None, target, random),
        }
    }

    /// Sends what no client may send.
    fn blunder(&mut self, random: &mut Schedule) {
        let texts = [
            "",
            "[]",
            "{",
            r#"{"type":"Nothing"}"#,
            r#"{"type":"Authenticate","data":{"app_id":"reef-racer"}}"#,
            r#"{"type":"GameData"}"#,
            r#"{"type":"GameData","data":{"data":1,"class":null}}"#,
            r#"{"type":"GameData","data":{"data":1,"class":"latest"}}"#,
            r#"{"type":"GameData","data":{"data":1,"key":1}}"#,
            r#"{"type":"RoomOperation","data":{"operation_id":"77777777-7777-4777-8777-77777777777A","operation":{"type":"LeaveRoom"}}}"#,
            r#"{"type":"RoomOperation","data":{"operation_id":"77777777-7777-4777-8777-777777777777","operation":{"type":"Dance"}}}"#,
            r#"{"type":"Signal","data":{"to":"22222222-2222-4222-8222-222222222222","signal":1}}"#,
        ];
        self.client.sends_text(texts[random.below(texts.len())]);
    }

    fn say(&mut self, random: &mut Schedule) {
        let data = json!({"actor": self.number, "padding": "x".repeat(random.below(100))});
        let body = match random.below(6) {
            0 if self.version == 3 => json!({"data": data, "class": "volatile"}),
            1 if self.version == 3 => json!({"data": data, "class": "latest", "key": random.below(3)}),
            2 | 3 if self.packs => {
                // A byte string has no form in JSON; a text has.
                let payload: &[u8] = if random.once_in(2) { &[0xc4, 1, 7] } else { b"\xa3sea" };
                self.client.sends_binary(payload);
                return;
            }
            _ => json!({"data": data}),
        };
        self.client.sends(json!({"type": "GameData", "data": body}));
    }

    /// Asks for a seat that somebody lost, perhaps its own, perhaps with the wrong token.
    fn come_back(&mut self, gossip: &Gossip, random: &mut Schedule) {
        if gossip.seats.is_empty() {
            return;
        }
        let back = random.below(gossip.seats.len().min(4));
        let (player, room, token) = &gossip.seats[gossip.seats.len() - 1 - back];
        let token = if random.once_in(6) {
            "99999999-9999-4999-8999-999999999999"
        } else {
            token
        };
        let data = json!({"player_id": player, "room_id": room, "auth_token": token});
        self.asks("Reconnect", Some(Request::Return), data, random);
    }

    /// Ends the connection in one of its ways; a new one takes its place.
    fn go(&mut self, game: &Game, gossip: &mut Gossip, random: &mut Schedule) {
        match random.below(3) {
            0 => self.client.vanishes(),
            1 => self.client.finishes(),
            _ => self.client.closes(4_999, "enough"),
        };
        self.succeed(game, gossip, random);
    }

    /// A new connection in place of one that is over.
    pub fn succeed(&mut self, game: &Game, gossip: &mut Gossip, random: &mut Schedule) {
        if self.observer.role() == Some(Role::Player)
            && let Some((player, room, Some(token))) = &self.observer.seat
        {
            gossip.seats.push((player.clone(), room.clone(), token.clone()));
        }
        *self = Self::connect(game, self.number, self.mixed, random);
        if !random.once_in(3) {
            self.come_back(gossip, random);
        }
    }
}
