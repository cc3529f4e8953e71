//! What members in a room are told besides game data: what is part of the game on their version, what goes to the account,
//! and what has no business there.

use serde_json::Value;

use crate::client::delivery_report::DeliveryReport;
use crate::client::membership::Departure;
use crate::ledger::{Moved, Stray};
use crate::version::Version;
use crate::worker::intake::Intake;

/// Different error codes of the server that are counted by name.
const MAX_ERROR_CODES: usize = 64;

/// What a server may tell players who only relay game data.
const NOTICES: [&str; 8] = [
    "PlayerJoined",
    "PlayerLeft",
    "LobbyStateChanged",
    "AuthorityChanged",
    "GameStarting",
    "PlayerReconnected",
    "NewSpectatorJoined",
    "SpectatorDisconnected",
];

/// What it may tell those on version 3 besides.
const NOTICES_OF_V3: [&str; 4] = ["RelayStats", "SessionPlan", "PeerTransportStatus", "GoingAway"];

impl Intake {
    /// Roster and lobby notices are part of the game; errors are counted by code; anything else has no business here.
    pub(super) fn control(&mut self, version: Version, kind: &str, message: &Value) {
        let data = &message["data"];
        match (version, kind) {
            (_, "Error") => self.error(data["error_code"].as_str().unwrap_or("no code")),
            (Version::V3, "DeliveryReport") => self.delivery_report(message),
            (Version::V3, "PlayerLeft") => self.player_left(data),
            (Version::V3, "PlayerReconnected") => self.player_reconnected(data),
            (Version::V3, "RoomOperationResult") => self.operation_result(data),
            (Version::V3, "AuthorityChanged") => self.authority_changed(data),
            (_, kind) if NOTICES.contains(&kind) => {}
            (Version::V3, kind) if NOTICES_OF_V3.contains(&kind) => {}
            _ => {
                let detail = format!("an unexpected message of type {kind:?}");
                self.ledger.stray(self.receiver, Stray::Corrupted, &detail);
            }
        }
    }

    fn error(&mut self, code: &str) {
        if self.server_errors.len() < MAX_ERROR_CODES || self.server_errors.contains_key(code) {
            *self.server_errors.entry(code.to_owned()).or_default() += 1;
        }
    }

    fn delivery_report(&mut self, message: &Value) {
        let receiver = self.receiver;
        let report = match DeliveryReport::read(message) {
            Ok(report) => report,
            Err(fault) => return self.ledger.misreported(None, receiver, &fault),
        };
        let mut senders = Vec::with_capacity(report.gaps.len());
        senders.extend(report.gaps.iter().map(|gap| self.speaker(receiver, &gap.from)));
        let mut moved = Vec::new();
        self.ledger.report(receiver, &report, &senders, &mut moved);
        self.note_moved(&moved);
    }

    fn player_left(&mut self, data: &Value) {
        let Some(departure) = Departure::read(data) else {
            return self
                .ledger
                .misstamped(None, self.receiver, "PlayerLeft without epoch and final_seq");
        };
        // Slow players say nothing, so nothing ends with them.
        if let Some(sender) = self.speaker(self.receiver, &departure.player) {
            let mut moved = Vec::new();
            self.ledger.departed(sender, self.receiver, departure, &mut moved);
            self.note_moved(&moved);
        }
    }

    fn player_reconnected(&mut self, data: &Value) {
        let id = data["player_id"]
            .as_str()
            .and_then(crate::client::envelope::PlayerId::parse);
        let epoch = data["epoch"].as_u64().and_then(|epoch| u32::try_from(epoch).ok());
        let (Some(id), Some(epoch)) = (id, epoch) else {
            return self
                .ledger
                .misstamped(None, self.receiver, "PlayerReconnected without player_id and epoch");
        };
        if let Some(sender) = self.speaker(self.receiver, &id) {
            self.ledger.told_return(sender, self.receiver, epoch);
        }
    }

    fn operation_result(&mut self, data: &Value) {
        let place = (self.receiver, self.seating.room_index(self.receiver));
        let Self {
            operations,
            ledger,
            roster,
            now_ns,
            ..
        } = self;
        operations.answered(place, data, *now_ns, |member| roster[member as usize], ledger);
    }

    fn authority_changed(&mut self, data: &Value) {
        if data["you_are_authority"] == true {
            let room = self.seating.room_index(self.receiver);
            self.operations.has_authority(room, self.receiver);
        }
    }

    /// Streams that went on without a delivery may have let messages land.
    fn note_moved(&mut self, moved: &[Moved]) {
        if let Some(flights) = &mut self.stretch.flights {
            for &Moved { sender, expected } in moved {
                let landed = flights.moved(&self.ledger, sender, expected);
                if landed > 0 {
                    self.stretch.released.push((sender, landed));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::ledger::Totals;
    use crate::seating::tests::plain;
    use serde_json::json;

    /// What the account says after player 1 of a room of two was told this.
    fn told(version: Version, kind: &str, data: &Value) -> Totals {
        let mut intake = Intake::new(Clock::start(), plain(1, 2, 0));
        intake.for_receiver(1);
        intake.control(version, kind, &json!({"type": kind, "data": data}));
        intake.ledger.progress().clone()
    }

    #[test]
    fn what_only_version_3_is_told_is_a_fault_on_version_2() {
        for kind in NOTICES_OF_V3 {
            assert_eq!(told(Version::V3, kind, &json!({})).faults(), 0, "{kind}");
            assert_eq!(told(Version::V2, kind, &json!({})).corrupted, 1, "{kind}");
        }
        for kind in ["DeliveryReport", "RoomOperationResult"] {
            assert_eq!(told(Version::V2, kind, &json!({})).corrupted, 1, "{kind}");
        }
        for kind in ["Pong", "RoomJoined", "Reconnected"] {
            assert_eq!(told(Version::V3, kind, &json!({})).corrupted, 1, "{kind}");
        }
    }

    #[test]
    fn messages_of_version_3_must_be_whole() {
        let player = "3ee46824-d0bf-4517-a2e1-df9ee4ef41ee";
        assert_eq!(told(Version::V3, "DeliveryReport", &json!({})).told.misreported, 1);
        assert_eq!(
            told(Version::V3, "PlayerLeft", &json!({"player_id": player}))
                .told
                .misstamped,
            1
        );
        assert_eq!(
            told(Version::V2, "PlayerLeft", &json!({"player_id": player})).faults(),
            0
        );
        let back = json!({"player_id": player});
        assert_eq!(told(Version::V3, "PlayerReconnected", &back).told.misstamped, 1);
        assert_eq!(told(Version::V3, "RoomOperationResult", &json!({})).told.operations, 1);
    }
}
