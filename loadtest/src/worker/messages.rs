//! What happens to every message that members of a room receive: recognise it, and hand it on.

use crate::client::connection::Sink;
use crate::client::envelope::{self, Inbound};
use crate::client::frame::Opcode;
use crate::ledger::Stray;
use crate::worker::intake::Intake;

impl Sink for Intake {
    fn arrived(&mut self, stamp_ns: Option<u64>) {
        let (here_ns, wall_ns) = self.instant_ns;
        self.now_ns = match stamp_ns {
            Some(stamp_ns) => (here_ns + stamp_ns).saturating_sub(wall_ns),
            None => self.clock.now_ns(),
        };
        self.last_arrival_ns = self.now_ns;
        self.in_window = self.stretch.window_ns.contains(&self.now_ns);
        self.stretch.reads += u64::from(self.in_window);
    }

    fn upgraded(&mut self) {}

    fn message(&mut self, opcode: Opcode, message: &[u8]) {
        let version = self.seating.version_of(self.receiver);
        match envelope::read(version, opcode, message) {
            Inbound::Game { from, body, stamp } => self.game_data(&from, &body, stamp),
            Inbound::Control { kind, message } => self.control(version, &kind, &message),
            Inbound::Unreadable => {
                self.ledger
                    .stray(self.receiver, Stray::Corrupted, "a message that is not the protocol's");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::client::envelope::PlayerId;
    use crate::clock::Clock;
    use crate::delivery::Delivery;
    use crate::encoding::Encoding;
    use crate::ledger::Totals;
    use crate::payload;
    use crate::payload::Stamp;
    use crate::seating::tests::plain;
    use crate::worker::intake::Stretch;

    const SIZE: usize = 64;

    fn id(player: u32) -> String {
        format!("00000000-0000-4000-8000-{player:012x}")
    }

    /// Two rooms of two, numbered from 100; player 100 has sent one message.
    fn intake() -> Intake {
        let mut intake = Intake::new(Clock::start(), plain(2, 2, 100));
        intake.ledger.send(0);
        intake.set_roster(
            (100..104)
                .map(|player| PlayerId::parse(&id(player)).expect("an id"))
                .collect(),
        );
        intake.stretch = Stretch::new(0..3_600_000_000_000, vec![payload::body_chars(Encoding::Json, SIZE)]);
        intake
    }

    fn message(sender: u32, from: u32) -> Vec<u8> {
        let mut blank = payload::blank(Encoding::Json, SIZE, sender, Delivery::Reliable);
        let body = blank.body_at..blank.body_at + blank.body_chars;
        payload::stamp(
            &mut blank.bytes[body.clone()],
            [0; 4],
            Stamp {
                sender,
                sequence: 0,
                scheduled_ns: 5,
            },
        );
        let body = String::from_utf8(blank.bytes[body].to_vec()).expect("plain characters");
        format!(
            r#"{{"type":"GameData","data":{{"from_player":"{}","data":{{"p":"{body}"}}}}}}"#,
            id(from)
        )
        .into_bytes()
    }

    fn totals_after(receiver: usize, message: &[u8]) -> Totals {
        let mut intake = intake();
        let sink = intake.for_receiver(receiver);
        sink.arrived(None);
        sink.message(Opcode::Text, message);
        intake.ledger.progress().clone()
    }

    #[test]
    fn a_good_message_is_received_and_timed() {
        let mut intake = intake();
        let sink = intake.for_receiver(1);
        sink.arrived(None);
        sink.message(Opcode::Text, &message(100, 100));
        assert_eq!(
            (
                intake.stretch.delivered,
                intake.stretch.reads,
                intake.stretch.latency_ns[0].len()
            ),
            (1, 1, 1)
        );
        assert_eq!(
            (intake.ledger.progress().received, intake.ledger.progress().faults()),
            (1, 0)
        );
    }

    #[test]
    fn a_message_in_the_wrong_room_or_at_its_sender_is_misrouted() {
        for receiver in [0, 2, 3] {
            let totals = totals_after(receiver, &message(100, 100));
            assert_eq!((totals.misrouted, totals.received), (1, 0), "at {receiver}");
        }
        assert_eq!(
            totals_after(1, &message(7, 7)).misrouted,
            1,
            "a player of another thread"
        );
    }

    #[test]
    fn a_wrong_sender_id_is_corrupt() {
        let totals = totals_after(1, &message(100, 101));
        assert_eq!((totals.corrupted, totals.received), (1, 0));
    }

    #[test]
    fn a_changed_body_and_foreign_messages_are_corrupt() {
        let mut changed = message(100, 100);
        let at = changed.len() - 12;
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        for bad in [
            changed,
            br#"{"type":"GameData","data":{"from_player":"x","data":{}}}"#.to_vec(),
            b"hello".to_vec(),
        ] {
            let totals = totals_after(1, &bad);
            assert_eq!((totals.corrupted, totals.received), (1, 0));
        }
    }

    #[test]
    fn errors_of_the_server_are_counted_by_code_and_are_no_fault() {
        let mut intake = intake();
        let sink = intake.for_receiver(1);
        for _ in 0..2 {
            sink.message(
                Opcode::Text,
                br#"{"type":"Error","data":{"message":"m","error_code":"NOT_IN_ROOM"}}"#,
            );
        }
        sink.message(Opcode::Text, br#"{"type":"LobbyStateChanged","data":{}}"#);
        assert_eq!(intake.server_errors, BTreeMap::from([("NOT_IN_ROOM".to_owned(), 2)]));
        assert_eq!(intake.ledger.progress().faults(), 0);
    }
}
