//! A room as one of its members knows it, message by message.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Role, RoomView, text};

#[derive(Debug)]
pub(super) struct Membership {
    pub(super) role: Role,
    pub(super) me: String,
    pub(super) room: RoomView,
    /// Spectators are not told.
    max_players: Option<usize>,
    generations: BTreeSet<String>,
    host: Option<String>,
    pub(super) awaits_plan: bool,
    /// Whether it is told of the newest change of the gallery only, and not of every one: it may watch from an outpost.
    pub(super) hears_newest: bool,
    /// Who is ready, as far as it was told.
    pub(super) ready: BTreeSet<String>,
}

impl Membership {
    /// The membership that a snapshot begins.
    pub(super) fn begin(name: &str, version: u16, role: Role, data: &Value) -> Self {
        let me = text(data.get("player_id").unwrap_or(&data["spectator_id"]));
        let list = data["current_players"].as_array().expect("a list");
        let mut leaders: Vec<_> = list.iter().filter(|player| player["is_authority"] == true).collect();
        assert!(leaders.len() <= 1, "{}: two lead: {data}", name);
        let authority = leaders.pop().map(|player| text(&player["id"]));
        let players = ids(list);
        assert_eq!(players.len(), list.len(), "{}: twice in one roster: {data}", name);
        for player in list {
            has_keys_of(name, version, player);
        }
        let names: BTreeSet<_> = list.iter().map(|player| text(&player["name"])).collect();
        assert_eq!(names.len(), list.len(), "{}: one name twice: {data}", name);
        let spectators = ids(data["current_spectators"].as_array().expect("a list"));
        let max_players = data
            .get("max_players")
            .map(|max| max.as_u64().expect("a number") as usize);
        assert!(
            max_players.is_none_or(|max| players.len() <= max),
            "{}: too many: {data}",
            name
        );
        let is_finalized = data["lobby_state"] == "finalized";
        match role {
            Role::Player => {
                assert!(players.contains(&me), "{}: not in its own room: {data}", name);
                assert_eq!(
                    data["is_authority"] == true,
                    authority.as_ref() == Some(&me),
                    "{}: {data}",
                    name
                );
            }
            Role::Spectator => assert!(spectators.contains(&me), "{}: not in its gallery: {data}", name),
        }
        let ready: BTreeSet<_> = match data.get("ready_players") {
            Some(ready) => ready.as_array().expect("a list").iter().map(text).collect(),
            None => BTreeSet::new(),
        };
        assert!(ready.is_subset(&players), "{}: {data}", name);
        Self {
            role,
            me,
            max_players,
            generations: BTreeSet::new(),
            host: None,
            hears_newest: false,
            awaits_plan: is_finalized && role == Role::Player && version == 3,
            ready,
            room: RoomView {
                id: text(&data["room_id"]),
                players,
                spectators,
                authority,
                is_finalized,
            },
        }
    }

    pub(super) fn note(&mut self, name: &str, version: u16, tag: &str, data: &Value) {
        let room = &mut self.room;
        let reads_plans = version == 3 && self.role == Role::Player;
        match tag {
            "PlayerJoined" | "PlayerReconnected" => {
                let player = &data["player"];
                has_keys_of(name, version, player);
                let id = text(&player["id"]);
                assert_ne!(id, self.me, "{name}: told of itself");
                assert!(room.players.insert(id.clone()), "{name}: {data} is here already");
                let max = self.max_players;
                assert!(
                    max.is_none_or(|max| room.players.len() <= max),
                    "{name}: too many: {data}"
                );
                if player["is_authority"] == true {
                    assert!(room.authority.is_none(), "{name}: two lead: {data}");
                    room.authority = Some(id);
                }
                self.awaits_plan |= room.is_finalized && reads_plans;
            }
            "PlayerLeft" => {
                let id = text(&data["player_id"]);
                assert_ne!(id, self.me, "{name}: told of itself");
                assert!(room.players.remove(&id), "{name}: {data} was not here");
                self.ready.remove(&id);
                if room.authority.as_ref() == Some(&id) {
                    room.authority = None;
                }
                self.awaits_plan |= reads_plans && self.host.as_ref() == Some(&id);
            }
            "AuthorityChanged" => {
                room.authority = data["authority_player"].as_str().map(str::to_owned);
                let known = room.authority.as_ref().is_none_or(|id| room.players.contains(id));
                assert!(known, "{name}: a stranger leads: {data}");
                assert_eq!(
                    data["you_are_authority"] == true,
                    room.authority.as_ref() == Some(&self.me),
                    "{name}: {data}"
                );
            }
            "LobbyStateChanged" => {
                assert!(!room.is_finalized && data["lobby_state"] == "lobby", "{name}: {data}");
                let ready: BTreeSet<_> = data["ready_players"]
                    .as_array()
                    .expect("a list")
                    .iter()
                    .map(text)
                    .collect();
                assert!(
                    ready.is_subset(&room.players),
                    "{name}: {data}, here are {:?}",
                    room.players
                );
                assert_eq!(data["all_ready"] == true, ready == room.players, "{name}: {data}");
                self.ready = ready;
            }
            "GameStarting" => {
                assert!(!room.is_finalized, "{name}: started twice");
                let peers = data["peer_connections"].as_array().expect("a list");
                let players: BTreeSet<_> = peers.iter().map(|peer| text(&peer["player_id"])).collect();
                assert_eq!(players, room.players, "{name}: others start");
                for peer in peers {
                    let leads = room.authority.as_deref() == peer["player_id"].as_str();
                    assert_eq!(peer["is_authority"] == true, leads, "{name}: {data}");
                }
                room.is_finalized = true;
                self.awaits_plan = reads_plans;
            }
            "NewSpectatorJoined" => {
                let id = text(&data["spectator"]["id"]);
                assert_ne!(id, self.me, "{name}: told of itself");
                let is_new = room.spectators.insert(id);
                assert!(is_new || self.hears_newest, "{name}: {data} watches already");
                self.agrees_on_spectators(name, version, data);
            }
            "SpectatorDisconnected" => {
                let id = text(&data["spectator_id"]);
                let was_known = room.spectators.remove(&id);
                assert!(was_known || self.hears_newest, "{name}: {data} did not watch");
                self.agrees_on_spectators(name, version, data);
            }
            "GameData" => {
                let from = text(&data["from_player"]);
                assert!(
                    from != self.me && room.players.contains(&from),
                    "{name}: a stranger says {data}"
                );
            }
            "Signal" => {
                let from = text(&data["from"]);
                assert!(
                    reads_plans && from != self.me && room.players.contains(&from),
                    "{name}: {data}"
                );
            }
            "PeerTransportStatus" => {
                let from = text(&data["peer_id"]);
                assert!(
                    reads_plans && from != self.me && room.players.contains(&from),
                    "{name}: {data}"
                );
            }
            "SessionPlan" => {
                assert!(reads_plans, "{name}: a plan for a spectator");
                self.follow(name, data);
            }
            other => unreachable!("{other}"),
        }
    }

    fn agrees_on_spectators(&mut self, name: &str, version: u16, data: &Value) {
        let told = ids(data["current_spectators"].as_array().expect("a list"));
        if self.hears_newest {
            // What it is told is true; what it knows besides may be old.
            if version == 3 {
                assert!(told.is_empty() && data["spectator_count"].is_u64(), "{name}: {data}");
            } else {
                assert!(told.contains(&self.me), "{name}: {data}");
                self.room.spectators = told;
            }
        } else if version == 3 {
            assert!(told.is_empty(), "{name}: {data}");
            assert_eq!(
                data["spectator_count"].as_u64(),
                Some(self.room.spectators.len() as u64),
                "{name}: {data}"
            );
        } else {
            assert_eq!(told, self.room.spectators, "{name}: {data}");
        }
    }

    fn follow(&mut self, name: &str, plan: &Value) {
        let room = &self.room;
        assert!(room.is_finalized, "{name}: a plan before the start");
        assert!(
            self.generations.insert(text(&plan["generation"])),
            "{name}: an old plan: {plan}"
        );
        assert_eq!(plan["fallback"], "relay", "{name}: {plan}");
        let peers = plan["peers"].as_array().expect("a list");
        let named: BTreeSet<_> = peers.iter().map(|peer| text(&peer["player_id"])).collect();
        assert_eq!(named.len(), peers.len(), "{name}: twice in one plan: {plan}");
        assert!(!named.contains(&self.me), "{name}: its own peer: {plan}");
        assert!(
            named.is_subset(&room.players),
            "{name}: strangers: {plan}, here are {:?}",
            room.players
        );
        self.host = plan.get("host").map(text);
        let has = |key: &str| plan.get(key).is_some();
        let known_host = self.host.as_ref().is_none_or(|host| room.players.contains(host));
        assert!(known_host, "{name}: a stranger hosts: {plan}");
        let shape = (plan["topology"].as_str(), plan["transport"].as_str());
        let is_sound = match (shape.0.expect("a topology"), shape.1.expect("a transport")) {
            ("relay", "relay") => !has("host") && !has("direct_endpoint") && !has("ice_servers") && peers.is_empty(),
            ("host", "direct") => has("host") && has("direct_endpoint") && !has("ice_servers"),
            ("host", "webrtc") => has("host") && !has("direct_endpoint"),
            ("mesh", "webrtc") => !has("host") && !has("direct_endpoint"),
            _ => false,
        };
        assert!(is_sound, "{name}: {plan}");
        if let Some(host) = self.host.as_ref().filter(|host| **host != self.me) {
            let only_host = named.iter().all(|peer| peer == host);
            assert!(only_host, "{name}: others than the host: {plan}");
        }
        if shape.0 == Some("mesh") {
            for peer in peers {
                let calls = *self.me < *peer["player_id"].as_str().expect("an id");
                assert_eq!(peer["initiate"] == true, calls, "{name}: {plan}");
            }
        }
        self.awaits_plan = false;
    }
}

fn has_keys_of(name: &str, version: u16, player: &Value) {
    let has = |key: &str| player.get(key).is_some();
    if version == 3 {
        assert!(
            has("epoch") && has("seq") && !has("connected_at") && !has("connection_info"),
            "{name}: {player}"
        );
    } else {
        assert!(has("connected_at") && !has("epoch") && !has("seq"), "{name}: {player}");
    }
}

fn ids(list: &[Value]) -> BTreeSet<String> {
    list.iter().map(|one| text(&one["id"])).collect()
}
