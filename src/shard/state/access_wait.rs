//! What waits for the game's backend: a request that is held, and the questions that are to be sent.
//!
//! A connection asks one question at a time, so nothing here needs a bound of its own.

use crate::clock::{ClockChange, Moments};
use crate::protocol::Authenticate;
use crate::room::ConnectionKey;
use crate::session::{AccessQuestion, NoVerdict, Verdict};
use crate::shard::state::transfer::PendingRequest;
use crate::shard::world::id::ShardId;

/// How much longer than the backend may take a shard waits for what became of its question.
const GRACE_MS: u64 = 1_000;

/// A question of one shard, by number: an answer that comes too late answers nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuestionNumber(u64);

/// A question on its way to the game's backend.
#[derive(Debug, Clone)]
pub struct SentQuestion {
    /// Where it is answered to.
    pub ticket: Ticket,
    /// What is asked.
    pub question: AccessQuestion,
}

/// Who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    /// The shard on which the connection is.
    pub shard: ShardId,
    pub(in crate::shard) connection: ConnectionKey,
    pub(in crate::shard) number: QuestionNumber,
}

/// What became of a question.
#[derive(Debug)]
pub struct BackendAnswer {
    /// Who asked.
    pub ticket: Ticket,
    /// What the backend says, if it says anything.
    pub verdict: Result<Verdict, NoVerdict>,
    /// Whether it was said before, to the same question.
    pub is_remembered: bool,
}

impl BackendAnswer {
    /// What has become of it just now.
    #[must_use]
    pub const fn fresh(ticket: Ticket, verdict: Result<Verdict, NoVerdict>) -> Self {
        Self {
            ticket,
            verdict,
            is_remembered: false,
        }
    }
}

/// A connection's wait for the backend.
#[derive(Debug)]
pub(in crate::shard) struct AccessWait {
    pub(in crate::shard) number: QuestionNumber,
    /// Since when time was not given back.
    pub(in crate::shard) since_ms: u64,
    /// When it is over, with an answer or without.
    pub(in crate::shard) gives_up_at_ms: u64,
    pub(in crate::shard) held: HeldRequest,
}

impl Moments for AccessWait {
    fn change_clock(&mut self, change: ClockChange) {
        change.apply(&mut self.since_ms);
        change.apply(&mut self.gives_up_at_ms);
    }
}

/// A request that was found good, and is served when the backend says yes.
#[derive(Debug, Clone, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(in crate::shard) enum HeldRequest {
    Handshake(Authenticate),
    Entry(PendingRequest),
}

/// The questions of a shard.
#[derive(Debug, Default)]
pub(in crate::shard) struct Questions {
    asked: u64,
    unsent: Vec<SentQuestion>,
}

impl Questions {
    /// Notes a question that is to be sent, and says how its request waits.
    pub(in crate::shard) fn ask(
        &mut self,
        (shard, connection): (ShardId, ConnectionKey),
        question: AccessQuestion,
        held: HeldRequest,
        (now_ms, timeout_ms): (u64, u64),
    ) -> AccessWait {
        self.asked += 1;
        let number = QuestionNumber(self.asked);
        let ticket = Ticket {
            shard,
            connection,
            number,
        };
        self.unsent.push(SentQuestion { ticket, question });
        AccessWait {
            number,
            since_ms: now_ms,
            gives_up_at_ms: now_ms.saturating_add(timeout_ms).saturating_add(GRACE_MS),
            held,
        }
    }

    pub(in crate::shard) fn take_unsent(&mut self) -> Vec<SentQuestion> {
        std::mem::take(&mut self.unsent)
    }

    pub(in crate::shard) const fn are_sent(&self) -> bool {
        self.unsent.is_empty()
    }
}

#[cfg(test)]
impl SentQuestion {
    /// A question of nobody's.
    pub(crate) fn of_nobody(address: crate::session::ClientAddress) -> Self {
        let player = crate::protocol::PlayerId::from_bytes([7; 16]);
        let question = AccessQuestion {
            address,
            app: None,
            user: None,
            wish: crate::session::Wish::Create {
                player,
                game_name: "tide-pool".into(),
                player_name: "Mira".into(),
                max_players: 4,
            },
        };
        let ticket = Ticket {
            shard: ShardId(0),
            connection: ConnectionKey {
                index: 0,
                generation: 0,
            },
            number: QuestionNumber(1),
        };
        Self { ticket, question }
    }
}
