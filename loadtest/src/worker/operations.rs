//! Room operations at a rate: what is asked, by whom, and whether each is answered once and by what fits.
//!
//! They do not disturb the traffic: the room's access is set and lifted, the authority passed round, now and then a new
//! code drawn, and now and then somebody asks who may not. A refusal is an answer.

use std::collections::HashMap;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::client::envelope::PlayerId;
use crate::histogram::latency_histogram;
use crate::ledger::Ledger;

/// Of so many operations of a room in a row each has its kind.
const ROUND: u64 = 16;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    /// That joining needs a password, or none.
    Access {
        closed: bool,
    },
    NewCode,
    /// The authority is to be this member's.
    Transfer {
        to: u32,
    },
}

/// A question on its way.
#[derive(Debug)]
struct Asked {
    member: u32,
    question: Question,
    asked_ns: u64,
}

/// What came of all questions.
#[derive(Debug, Clone)]
pub(crate) struct OperationFigures {
    pub(crate) asked: u64,
    /// Answered with `OperationFailed`.
    pub(crate) refused: u64,
    /// From question to answer.
    pub(crate) answer_ns: Histogram<u64>,
}

/// The questions of a thread.
pub(super) struct Operations {
    first_member: u32,
    /// By the number of the question.
    pending: HashMap<u64, Asked>,
    /// Questions asked so far, all stretches together.
    numbered: u64,
    /// Questions asked so far, by room.
    of_room: Vec<u64>,
    /// Who has the authority, as far as it is known, by room.
    authorities: Vec<Option<u32>>,
    figures: OperationFigures,
}

impl OperationFigures {
    pub(crate) fn none() -> Self {
        Self {
            asked: 0,
            refused: 0,
            answer_ns: latency_histogram(),
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.asked += other.asked;
        self.refused += other.refused;
        self.answer_ns += &other.answer_ns;
    }
}

impl Operations {
    /// Nothing asked, and the authority with those who created the rooms.
    pub(super) fn new(first_member: u32, creators: impl Iterator<Item = u32>) -> Self {
        let authorities: Vec<Option<u32>> = creators.map(Some).collect();
        Self {
            first_member,
            pending: HashMap::new(),
            numbered: 0,
            of_room: vec![0; authorities.len()],
            authorities,
            figures: OperationFigures::none(),
        }
    }

    pub(super) fn has_authority(&mut self, room: usize, member: u32) {
        self.authorities[room] = Some(member);
    }

    /// What is asked next in a room whose players `present` are there, and by whom; nothing while nobody is.
    pub(super) fn next(&mut self, room: usize, present: &[u32]) -> Option<(u32, Question)> {
        let &first = present.first()?;
        let authority = self.authorities[room].filter(|member| present.contains(member));
        let asker = authority.unwrap_or(first);
        let turn = self.of_room[room];
        self.of_room[room] += 1;
        let others = present.iter().copied().filter(|&member| member != asker);
        let another = || others.clone().cycle().nth(turn as usize % present.len());
        Some(match turn % ROUND {
            7 => (asker, Question::NewCode),
            // The refusals have a budget, so they are few.
            15 => (another()?, Question::Access { closed: false }),
            3 | 11 => (asker, Question::Transfer { to: another()? }),
            even if even % 2 == 0 => (asker, Question::Access { closed: true }),
            _ => (asker, Question::Access { closed: false }),
        })
    }

    /// The message that asks; `id_of` knows the players.
    pub(super) fn ask(
        &mut self,
        member: u32,
        question: Question,
        now_ns: u64,
        id_of: impl Fn(u32) -> PlayerId,
    ) -> String {
        let number = self.numbered;
        self.numbered += 1;
        self.figures.asked += 1;
        let asked_ns = now_ns;
        self.pending.insert(
            number,
            Asked {
                member,
                question,
                asked_ns,
            },
        );
        let operation = match question {
            Question::Access { closed } => {
                let password = closed.then_some("open sesame");
                json!({"type": "SetRoomAccess", "data": {"password": password}})
            }
            Question::NewCode => json!({"type": "RegenerateRoomCode"}),
            Question::Transfer { to } => {
                json!({"type": "TransferAuthority", "data": {"player_id": id_of(to).to_string()}})
            }
        };
        let operation_id = id(self.first_member + member, number);
        json!({"type": "RoomOperation", "data": {"operation_id": operation_id, "operation": operation}}).to_string()
    }

    /// Enters the answer that `receiver` got at `now_ns` in this room; what is wrong with it goes to the ledger.
    pub(super) fn answered(
        &mut self,
        (receiver, room): (u32, usize),
        data: &Value,
        now_ns: u64,
        id_of: impl Fn(u32) -> PlayerId,
        ledger: &mut Ledger,
    ) {
        let named = data["operation_id"].as_str().unwrap_or_default();
        let ours = number(named).filter(|&number| number < self.numbered);
        let Some(number) = ours.filter(|&number| id(self.first_member + receiver, number) == named) else {
            return ledger.misanswered(
                receiver,
                &format!("an answer to an operation that it never asked: {named:?}"),
            );
        };
        let Some(asked) = self.pending.remove(&number) else {
            return ledger.misanswered(receiver, &format!("another answer to its operation {number}"));
        };
        self.figures
            .answer_ns
            .saturating_record(now_ns.saturating_sub(asked.asked_ns));
        let result = &data["result"];
        let fits = match (asked.question, result["type"].as_str().unwrap_or_default()) {
            (_, "OperationFailed") => {
                self.figures.refused += 1;
                result["data"]["reason"].is_string()
            }
            (Question::Access { closed }, "RoomAccessUpdated") => result["data"]["requires_password"] == closed,
            (Question::NewCode, "RoomCodeRegenerated") => result["data"]["room_code"]
                .as_str()
                .is_some_and(|code| !code.is_empty()),
            (Question::Transfer { to }, "AuthorityTransferred") => {
                self.has_authority(room, to);
                result["data"]["player_id"] == id_of(to).to_string()
            }
            _ => false,
        };
        if !fits {
            ledger.misanswered(receiver, &format!("{:?} was answered with {result}", asked.question));
        }
    }

    /// The connection of a member has ended, and with it what it still had to be answered.
    pub(super) fn forget(&mut self, member: u32) {
        self.pending.retain(|_, asked| asked.member != member);
    }

    /// Nothing is left to be answered.
    pub(super) fn all_answered(&self) -> bool {
        self.pending.is_empty()
    }

    /// Whatever has not been answered by now is not answered.
    pub(super) fn close(&mut self, ledger: &mut Ledger) {
        let mut open: Vec<(u64, Asked)> = self.pending.drain().collect();
        open.sort_unstable_by_key(|&(number, _)| number);
        for (number, asked) in open {
            let what = format!("{:?}, operation {number}, was not answered", asked.question);
            ledger.misanswered(asked.member, &what);
        }
    }

    /// The figures since this was last asked.
    pub(super) fn take_figures(&mut self) -> OperationFigures {
        std::mem::replace(&mut self.figures, OperationFigures::none())
    }
}

/// The id of a player's question.
fn id(player: u32, number: u64) -> String {
    format!("{player:08x}-0000-4000-8000-{:012x}", number & 0xFFFF_FFFF_FFFF)
}

/// The number in an id.
fn number(id: &str) -> Option<u64> {
    u64::from_str_radix(id.get(24..)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seating::tests::plain;

    fn id_of(member: u32) -> PlayerId {
        PlayerId::parse(&format!("3ee46824-d0bf-4517-a2e1-{member:012x}")).expect("an id")
    }

    /// Player 100 of a room of two has asked; gives the id.
    fn asked(question: Question) -> (Operations, Ledger, String) {
        let mut operations = Operations::new(100, [0].into_iter());
        let text = operations.ask(0, question, 1_000, id_of);
        let message: Value = serde_json::from_str(&text).expect("JSON");
        let id = message["data"]["operation_id"].as_str().expect("an id").to_owned();
        (operations, Ledger::new(plain(1, 2, 100)), id)
    }

    fn answer(operations: &mut Operations, ledger: &mut Ledger, receiver: u32, id: &str, result: &Value) -> u64 {
        let data = json!({"operation_id": id, "result": result});
        operations.answered((receiver, 0), &data, 3_000, id_of, ledger);
        ledger.progress().told.operations
    }

    #[test]
    fn an_answer_that_fits_is_timed_and_a_second_one_is_a_fault() {
        let (mut operations, mut ledger, id) = asked(Question::Access { closed: true });
        let good = json!({"type": "RoomAccessUpdated", "data": {"requires_password": true}});
        assert_eq!(answer(&mut operations, &mut ledger, 0, &id, &good), 0);
        assert!(operations.all_answered());
        assert_eq!(answer(&mut operations, &mut ledger, 0, &id, &good), 1);
        let figures = operations.take_figures();
        assert_eq!((figures.asked, figures.refused, figures.answer_ns.max()), (1, 0, 2_000));
    }

    #[test]
    fn a_refusal_is_an_answer() {
        let (mut operations, mut ledger, id) = asked(Question::NewCode);
        let refusal = json!({"type": "OperationFailed", "data": {"reason": "no", "error_code": "NOT_ROOM_AUTHORITY"}});
        assert_eq!(answer(&mut operations, &mut ledger, 0, &id, &refusal), 0);
        assert_eq!(operations.take_figures().refused, 1);
    }

    #[test]
    fn answers_that_do_not_fit_and_foreign_ones_are_faults() {
        for (question, result) in [
            (
                Question::Access { closed: true },
                json!({"type": "RoomAccessUpdated", "data": {"requires_password": false}}),
            ),
            (
                Question::Access { closed: true },
                json!({"type": "RoomCodeRegenerated", "data": {"room_code": "A"}}),
            ),
            (
                Question::Transfer { to: 1 },
                json!({"type": "AuthorityTransferred", "data": {"player_id": id_of(0).to_string()}}),
            ),
        ] {
            let (mut operations, mut ledger, id) = asked(question);
            assert_eq!(
                answer(&mut operations, &mut ledger, 0, &id, &result),
                1,
                "{question:?} {result}"
            );
        }
        let good = json!({"type": "RoomCodeRegenerated", "data": {"room_code": "A"}});
        let (mut operations, mut ledger, id) = asked(Question::NewCode);
        assert_eq!(answer(&mut operations, &mut ledger, 1, &id, &good), 1, "another's");
        assert_eq!(
            answer(&mut operations, &mut ledger, 0, &super::id(100, 5), &good),
            2,
            "never asked"
        );
        assert_eq!(answer(&mut operations, &mut ledger, 0, "x", &good), 3);
    }

    #[test]
    fn what_is_not_answered_is_a_fault_unless_the_connection_ended() {
        for forgotten in [false, true] {
            let (mut operations, mut ledger, _) = asked(Question::NewCode);
            if forgotten {
                operations.forget(0);
            }
            operations.close(&mut ledger);
            assert_eq!(ledger.progress().told.operations, u64::from(!forgotten));
        }
    }

    #[test]
    fn a_round_asks_everything_and_mostly_the_authority() {
        let mut operations = Operations::new(0, [1].into_iter());
        let questions: Vec<_> = (0..ROUND).filter_map(|_| operations.next(0, &[0, 1, 2])).collect();
        assert_eq!(questions.len(), ROUND as usize);
        assert_eq!(questions.iter().filter(|(asker, _)| *asker != 1).count(), 1);
        assert!(questions.contains(&(1, Question::NewCode)));
        for (asker, question) in questions {
            assert!(!matches!(question, Question::Transfer { to } if to == asker));
        }
        assert_eq!(operations.next(0, &[]), None);
    }
}
