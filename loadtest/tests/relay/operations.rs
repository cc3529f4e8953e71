//! Room operations that neither begin nor end a membership: each is answered once, by its id.

use serde_json::{Value, json};

use super::fault::Fault;
use super::hall::Hall;

const FOREIGN: &str = "99999999-9999-4999-8999-999999999999";

impl Hall {
    pub(super) fn operate(&mut self, me: usize, id: &str, kind: &str, data: &Value) {
        let (mut answer, content) = self.carry_out(me, kind, data);
        if self.culprit.makes(Fault::Unanswered) {
            return;
        }
        if self.culprit.makes(Fault::UnfittingAnswer) {
            answer = "PlayerKicked";
        }
        let id = if self.culprit.makes(Fault::ForeignAnswer) {
            FOREIGN
        } else {
            id
        };
        self.line(me).answer(Some(id), answer, &content);
        if self.culprit.makes(Fault::AnsweredTwice) {
            self.line(me).answer(Some(id), answer, &content);
        }
    }

    fn carry_out(&mut self, me: usize, kind: &str, data: &Value) -> (&'static str, Value) {
        let room = self.members[me].room;
        let refused = |code: &str| ("OperationFailed", json!({"reason": "refused", "error_code": code}));
        if self.rooms[room].authority != Some(me) {
            return refused("NOT_ROOM_AUTHORITY");
        }
        match kind {
            "SetRoomAccess" => {
                let requires = data["password"].is_string();
                ("RoomAccessUpdated", json!({"requires_password": requires}))
            }
            "RegenerateRoomCode" => {
                self.codes_given += 1;
                let code = format!("N{:05}", self.codes_given);
                self.rooms[room].code.clone_from(&code);
                ("RoomCodeRegenerated", json!({"room_code": code}))
            }
            "TransferAuthority" => {
                let target = self.present(room).find(|(_, member, _)| member.id == data["player_id"]);
                match target.map(|(at, ..)| at) {
                    None => refused("TRANSFER_TARGET_NOT_FOUND"),
                    Some(at) if at == me => refused("INVALID_INPUT"),
                    Some(at) => {
                        self.set_authority(room, Some(at));
                        ("AuthorityTransferred", json!({"player_id": data["player_id"]}))
                    }
                }
            }
            _ => refused("KICK_TARGET_NOT_FOUND"),
        }
    }
}
