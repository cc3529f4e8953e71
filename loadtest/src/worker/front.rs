//! Where all messages of a thread come in: those of members inside go to the account, those of others to the entrance.

use crate::client::connection::Sink;
use crate::client::desk::Desk;
use crate::client::frame::Opcode;
use crate::worker::entrance::{Arrival, Entrance};
use crate::worker::intake::Intake;

/// The account and the entrance of a thread.
pub(super) struct Front {
    pub(super) intake: Intake,
    pub(super) entrance: Entrance,
    /// Everybody has been in once: who joins now has come back.
    pub(super) live: bool,
    current: usize,
}

impl Front {
    pub(super) fn new(intake: Intake, entrance: Entrance) -> Self {
        Self {
            intake,
            entrance,
            live: false,
            current: 0,
        }
    }
}

impl Desk for Front {
    fn turn_to(&mut self, connection: usize) {
        self.current = connection;
        self.intake.for_receiver(connection);
    }

    fn open(&mut self) {
        self.intake.relate_clocks();
    }
}

impl Sink for Front {
    fn arrived(&mut self, stamp_ns: Option<u64>) {
        self.intake.arrived(stamp_ns);
    }

    fn upgraded(&mut self) {
        self.entrance.upgraded(self.current);
    }

    fn message(&mut self, opcode: Opcode, message: &[u8]) {
        if self.entrance.is_inside(self.current) {
            return self.intake.message(opcode, message);
        }
        self.entrance.message(self.current, message);
        if self.live {
            // At once: what follows in the same read is game data already.
            for arrival in self.entrance.arrived.drain(..) {
                match arrival {
                    Arrival::New { member, id, .. } => self.intake.came_back(member, id),
                    Arrival::Back { member, back } => self.intake.took_seat_again(member, &back),
                }
            }
        }
    }
}
