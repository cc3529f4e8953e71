//! What a version 3 member learns of its seat: stamps, token, and where the streams to it go on.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::client::envelope::PlayerId;

/// Epoch and last used seq of a player.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) epoch: u32,
    pub(crate) seq: u64,
}

/// What one return needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) room_id: String,
    pub(crate) token: String,
}

/// A seat that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Membership {
    /// What it needs to come back; `None` where the server does not allow that.
    pub(crate) ticket: Option<Ticket>,
    pub(crate) own: Stamp,
    /// All players of the room.
    pub(crate) players: Vec<(PlayerId, Stamp)>,
}

/// A seat that was taken again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Return {
    pub(crate) room_code: String,
    pub(crate) membership: Membership,
    /// Those who left meanwhile, as far as it was told.
    pub(crate) departures: Vec<Departure>,
    /// What is wrong with the message.
    pub(crate) faults: Vec<String>,
}

/// The end of a membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Departure {
    pub(crate) player: PlayerId,
    pub(crate) epoch: u32,
    pub(crate) final_seq: u64,
}

impl Stamp {
    fn read(tree: &Value) -> Option<Self> {
        Some(Self {
            epoch: u32::try_from(tree["epoch"].as_u64()?).ok()?,
            seq: tree["seq"].as_u64()?,
        })
    }

    /// The stamp of each player of a list, whose id has this name.
    fn all(list: &Value, id: &str) -> Option<Vec<(PlayerId, Self)>> {
        let players = list.as_array()?.iter();
        players
            .map(|player| Some((PlayerId::parse(player[id].as_str()?)?, Self::read(player)?)))
            .collect()
    }
}

impl Membership {
    /// Reads `RoomJoined` or `Reconnected`.
    pub(crate) fn read(data: &Value) -> Result<Self> {
        let text = |key: &str| data[key].as_str().map(str::to_owned);
        let id = text("player_id").and_then(|id| PlayerId::parse(&id));
        let id = id.context("a seat without a usable player_id")?;
        let players = Stamp::all(&data["current_players"], "id").context("a snapshot with players without stamps")?;
        let own = players.iter().find(|(player, _)| *player == id);
        let own = own.context("a snapshot without the player itself")?.1;
        let room_id = text("room_id").context("a seat without a room_id")?;
        let token = text("reconnection_token").filter(|token| !token.is_empty());
        Ok(Self {
            ticket: token.map(|token| Ticket { room_id, token }),
            own,
            players,
        })
    }
}

impl Return {
    /// Reads `Reconnected`.
    pub(crate) fn read(data: &Value) -> Result<Self> {
        let membership = Membership::read(data)?;
        let mut faults = Vec::new();
        if membership.ticket.is_none() {
            faults.push("Reconnected without a reconnection_token".to_owned());
        }
        if !matches!(data["replay"].as_str(), Some("complete" | "truncated" | "unavailable")) {
            faults.push(format!("Reconnected with replay {}", data["replay"]));
        }
        match Stamp::all(&data["sender_watermarks"], "player_id") {
            Some(mut marks) => {
                let mut players = membership.players.clone();
                let by_id = |(id, _): &(PlayerId, Stamp)| *id;
                marks.sort_by_key(by_id);
                players.sort_by_key(by_id);
                if marks != players {
                    faults.push("Reconnected with watermarks that differ from its own snapshot".to_owned());
                }
            }
            None => faults.push("Reconnected without readable sender_watermarks".to_owned()),
        }
        let missed = data["missed_events"].as_array().map(Vec::as_slice).unwrap_or_default();
        let left = missed.iter().filter(|event| event["type"] == "PlayerLeft");
        let mut departures = Vec::new();
        for event in left {
            match Departure::read(&event["data"]) {
                Some(departure) => departures.push(departure),
                None => faults.push("a missed PlayerLeft without epoch and final_seq".to_owned()),
            }
        }
        Ok(Self {
            room_code: data["room_code"].as_str().unwrap_or_default().to_owned(),
            membership,
            departures,
            faults,
        })
    }
}

impl Departure {
    /// Reads `PlayerLeft`.
    pub(crate) fn read(data: &Value) -> Option<Self> {
        Some(Self {
            player: PlayerId::parse(data["player_id"].as_str()?)?,
            epoch: u32::try_from(data["epoch"].as_u64()?).ok()?,
            final_seq: data["final_seq"].as_u64()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ME: &str = "11111111-1111-4111-8111-111111111111";
    const OTHER: &str = "22222222-2222-4222-8222-222222222222";

    fn reconnected() -> Value {
        json!({
            "room_id": "r", "room_code": "K7M2QX", "player_id": ME, "reconnection_token": "t", "replay": "complete",
            "current_players": [{"id": ME, "epoch": 2, "seq": 0}, {"id": OTHER, "epoch": 1, "seq": 9}],
            "sender_watermarks": [{"player_id": OTHER, "epoch": 1, "seq": 9}, {"player_id": ME, "epoch": 2, "seq": 0}],
            "missed_events": [{"type": "PlayerLeft", "data": {"player_id": OTHER, "epoch": 1, "final_seq": 4}}]
        })
    }

    #[test]
    fn a_return_is_read_whole() {
        let back = Return::read(&reconnected()).expect("a whole return");
        assert_eq!(back.faults, Vec::<String>::new());
        assert_eq!(back.membership.own.epoch, 2);
        assert_eq!(back.membership.ticket.map(|ticket| ticket.token).as_deref(), Some("t"));
        assert_eq!(back.departures[0].final_seq, 4);
    }

    #[test]
    fn what_contradicts_itself_is_found() {
        for (path, value) in [
            ("/replay", json!("perhaps")),
            ("/sender_watermarks/0/seq", json!(8)),
            ("/sender_watermarks", json!([])),
            ("/missed_events/0/data/epoch", json!(null)),
            ("/reconnection_token", json!("")),
        ] {
            let mut data = reconnected();
            *data.pointer_mut(path).expect("a member") = value;
            let back = Return::read(&data).expect("a readable return");
            assert_eq!(back.faults.len(), 1, "{path}");
        }
        let mut data = reconnected();
        data["current_players"][0]["epoch"] = json!(null);
        assert!(Return::read(&data).is_err(), "where the streams go on cannot be told");
    }
}
