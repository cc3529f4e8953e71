//! Brings members into their rooms: upgrade, authenticate, create, join or watch. Messages in, messages out; no sockets.
//!
//! Each connection creates or joins exactly once, so budgets per connection are never touched. The first player of a room
//! creates it; the others wait for its code. Members that come back take the same way with a fresh connection.

use std::sync::Arc;

use anyhow::{Context, Result, bail};

use crate::client::envelope::PlayerId;
use crate::client::handshake::{self, Answer};
use crate::client::membership::{Membership, Return, Stamp, Ticket};
use crate::client::refusal;
use crate::scenario::Scenario;
use crate::seating::{Part, Seating};
use crate::version::Version;
use crate::worker::returns::Showing;

/// How far a member has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Not begun, or gone.
    Outside,
    Upgrading,
    Authenticating,
    AwaitingInfo,
    AwaitingCode,
    Joining,
    /// It has shown a token.
    Returning,
    Joined,
    /// It has sent its Close frame and reads what is still to come.
    Leaving,
}

/// Somebody who has just come in.
pub(super) enum Arrival {
    /// With an id of its own for the first time; a player on version 3 with its stamp.
    New {
        member: u32,
        id: PlayerId,
        stamp: Option<Stamp>,
    },
    /// With the seat it had before.
    Back { member: u32, back: Box<Return> },
}

/// The tokens of a member.
#[derive(Debug, Clone, Default)]
struct Tokens {
    present: Option<Ticket>,
    used: Option<Ticket>,
    /// What it is about to show.
    showing: Option<Showing>,
}

/// The way in of all members of a thread.
pub(super) struct Entrance {
    scenario: Arc<Scenario>,
    seating: Seating,
    stages: Vec<Stage>,
    ids: Vec<Option<PlayerId>>,
    tokens: Vec<Tokens>,
    room_codes: Vec<Option<String>>,
    /// How often each member has come in, for a name of its own each time.
    visits: Vec<u32>,
    pub(super) joined: usize,
    /// Members that wait for the code of their room.
    pub(super) parked: usize,
    /// Steps made by anybody, to see a standstill.
    pub(super) steps: u64,
    /// Messages to send.
    pub(super) outgoing: Vec<(usize, String)>,
    pub(super) arrived: Vec<Arrival>,
    /// Members whose tokens were refused: code and reason.
    pub(super) refusals: Vec<(u32, String, String)>,
    /// What went wrong, and for whom.
    pub(super) failures: Vec<(u32, anyhow::Error)>,
}

impl Entrance {
    pub(super) fn new(scenario: Arc<Scenario>, seating: Seating) -> Self {
        let members = seating.members() as usize;
        Self {
            room_codes: vec![None; seating.rooms.len()],
            scenario,
            seating,
            stages: vec![Stage::Outside; members],
            ids: vec![None; members],
            tokens: vec![Tokens::default(); members],
            visits: vec![0; members],
            joined: 0,
            parked: 0,
            steps: 0,
            outgoing: Vec::new(),
            arrived: Vec::new(),
            refusals: Vec::new(),
            failures: Vec::new(),
        }
    }

    pub(super) fn stage(&self, member: u32) -> Stage {
        self.stages[member as usize]
    }

    pub(super) fn is_inside(&self, member: usize) -> bool {
        matches!(self.stages[member], Stage::Joined | Stage::Leaving)
    }

    /// The ids of all members; everybody must have joined.
    pub(super) fn roster(&self) -> Vec<PlayerId> {
        let ids = self.ids.iter().copied();
        ids.map(|id| id.expect("everybody has joined and so has an id"))
            .collect()
    }

    pub(super) fn advance(&mut self, member: usize, stage: Stage) {
        let before = std::mem::replace(&mut self.stages[member], stage);
        self.parked -= usize::from(before == Stage::AwaitingCode);
        self.parked += usize::from(stage == Stage::AwaitingCode);
        self.joined -= usize::from(before == Stage::Joined);
        self.joined += usize::from(stage == Stage::Joined);
        self.steps += 1;
    }

    /// The server speaks WebSocket with this member.
    pub(super) fn upgraded(&mut self, member: usize) {
        let group = self.group(member);
        let capabilities: &[&str] = if group.operates() {
            &[handshake::OPERATION_IDS]
        } else {
            &[]
        };
        let text = handshake::authenticate(&self.scenario, group.encoding, group.version, capabilities);
        self.outgoing.push((member, text));
        self.advance(member, Stage::Authenticating);
    }

    /// A message to somebody who has not joined yet.
    pub(super) fn message(&mut self, member: usize, message: &[u8]) {
        if let Err(error) = self.take(member, message) {
            self.fail(member, error);
        }
    }

    pub(super) fn fail(&mut self, member: usize, error: anyhow::Error) {
        self.advance(member, Stage::Outside);
        self.failures.push((member as u32, error));
    }

    fn take(&mut self, member: usize, message: &[u8]) -> Result<()> {
        let encoding = self.group(member).encoding;
        let answer = handshake::read_answer(message, encoding.token())?;
        let room = self.seating.room_index(member as u32);
        match (self.stages[member], answer) {
            (_, Answer::Refused(why)) => bail!(refusal::explained(&why)),
            (Stage::Authenticating, Answer::Authenticated) => self.advance(member, Stage::AwaitingInfo),
            (Stage::AwaitingInfo, Answer::ProtocolInfo(offer)) => {
                let group = self.group(member);
                if !offer.format {
                    bail!("the server does not offer the format {}", encoding.token())
                }
                if offer.version != u64::from(group.version.number()) {
                    bail!(
                        "the server speaks version {} and not {}; ask for that with --protocol-version, or \"version\" in \
                         the scenario",
                        offer.version,
                        group.version.number()
                    )
                }
                if group.operates() && !offer.operation_ids {
                    bail!("the server does not grant {}", handshake::OPERATION_IDS)
                }
                if let Some(showing) = self.tokens[member].showing {
                    return self.show_token(member, showing);
                }
                let creates = member as u32 == self.seating.rooms[room].first;
                if creates || self.room_codes[room].is_some() {
                    self.join(member);
                } else {
                    self.advance(member, Stage::AwaitingCode);
                }
            }
            (
                Stage::Joining,
                Answer::RoomJoined {
                    room_code,
                    member: id,
                    membership,
                },
            ) => {
                self.ids[member] = Some(id);
                let stamp = self.take_seat(member, membership)?;
                self.arrived.push(Arrival::New {
                    member: member as u32,
                    id,
                    stamp,
                });
                self.advance(member, Stage::Joined);
                if self.room_codes[room].is_none() {
                    self.room_codes[room] = Some(room_code);
                    for waiting in self.seating.rooms[room].everybody() {
                        if self.stages[waiting as usize] == Stage::AwaitingCode {
                            self.join(waiting as usize);
                        }
                    }
                }
            }
            (Stage::Returning, Answer::Reconnected(back)) => {
                let tokens = &mut self.tokens[member];
                tokens.used = std::mem::replace(&mut tokens.present, back.membership.ticket.clone());
                if !back.room_code.is_empty() {
                    self.room_codes[room] = Some(back.room_code.clone());
                }
                self.arrived.push(Arrival::Back {
                    member: member as u32,
                    back,
                });
                self.advance(member, Stage::Joined);
            }
            (Stage::Returning, Answer::ReconnectionFailed(code, reason)) => {
                self.refusals.push((member as u32, code, reason));
                self.advance(member, Stage::Outside);
            }
            (_, Answer::Other) => {}
            (stage, answer) => bail!("unexpected answer while {stage:?}: {answer:?}"),
        }
        Ok(())
    }

    /// Notes what a player on version 3 needs to come back; gives its stamp.
    fn take_seat(&mut self, member: usize, membership: Option<Box<Membership>>) -> Result<Option<Stamp>> {
        let group = self.group(member);
        if group.version == Version::V2 || self.seating.part(member as u32) == Part::Spectator {
            return Ok(None);
        }
        let membership = membership.context("RoomJoined on version 3 without stamps")?;
        if group.returning > 0 && membership.ticket.is_none() {
            bail!(
                "the server gives no reconnection_token, so players cannot return: allow it there, or leave out returning_players"
            )
        }
        self.tokens[member].present = membership.ticket;
        Ok(Some(membership.own))
    }

    /// Whether a member has what it needs to come back.
    pub(super) fn can_return(&self, member: u32) -> bool {
        self.tokens[member as usize].present.is_some()
    }

    /// From now on a member comes back in place of joining.
    pub(super) fn come_back_with(&mut self, member: u32, showing: Showing) {
        self.tokens[member as usize].showing = Some(showing);
    }

    fn show_token(&mut self, member: usize, showing: Showing) -> Result<()> {
        let tokens = &self.tokens[member];
        let ticket = match showing {
            Showing::Token => &tokens.present,
            Showing::UsedToken => &tokens.used,
        };
        let ticket = ticket.as_ref().context("it has no token to come back with")?;
        let id = self.ids[member].as_ref().context("it has no id to come back with")?;
        let text = handshake::reconnect(id, &ticket.room_id, &ticket.token);
        self.outgoing.push((member, text));
        self.advance(member, Stage::Returning);
        Ok(())
    }

    fn join(&mut self, member: usize) {
        let room = self.seating.room_index(member as u32);
        let game = self.scenario.game_name(self.seating.rooms[room].number);
        let number = self.seating.first_member + member as u32;
        let name = match self.visits[member] {
            0 => format!("p{number}"),
            visit => format!("p{number}-{visit}"),
        };
        self.visits[member] += 1;
        let code = self.room_codes[room].as_deref();
        let group = self.group(member);
        let text = match (self.seating.part(member as u32), code) {
            (Part::Spectator, Some(code)) => handshake::join_as_spectator(&game, &name, code),
            _ => {
                // A returning player may be back before the server has cleared its old seat.
                let seats = group.seats() + u32::from(group.returning > 0);
                handshake::join_room(&game, &name, seats, code)
            }
        };
        self.outgoing.push((member, text));
        self.advance(member, Stage::Joining);
    }

    fn group(&self, member: usize) -> &crate::group::Group {
        &self.scenario.groups[self.seating.room_of(member as u32).group]
    }

    /// What is known of the first member that is not inside.
    pub(super) fn standstill(&self) -> String {
        match self.stages.iter().position(|&stage| stage != Stage::Joined) {
            Some(member) => format!("{} is still {:?}", self.name(member as u32), self.stages[member]),
            None => "connections do not open".to_owned(),
        }
    }

    pub(super) fn name(&self, member: u32) -> String {
        format!(
            "player {} at {}",
            self.seating.first_member + member,
            self.scenario.server.address
        )
    }

    /// What a member's failure was, in words.
    pub(super) fn take_failure(&mut self) -> Option<anyhow::Error> {
        let (member, error) = (!self.failures.is_empty()).then(|| self.failures.remove(0))?;
        Some(error.context(self.name(member)))
    }
}
