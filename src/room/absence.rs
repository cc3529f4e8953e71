//! Players whose connection was lost: what is kept of them, for how long, and what they missed.
//!
//! A seat is freed at once when its connection is lost. What stays is a record that the player can redeem once, with the
//! token that it was given when it took the seat, and, while any record is pending, the newest events of the room.

use thiserror::Error;

use super::missed::{MissedEvent, MissedEvents};
use super::{Departure, Member, MemberRef, Room, Seat};
use crate::budget::Allowance;
use crate::clock::{ClockChange, Moments};
use crate::protocol::server_message::RoomSnapshot;
use crate::protocol::{
    Abilities, AppId, ErrorCode, PlayerId, ProtocolVersion, ReconnectToken, RoomId, Secret, ServerMessage,
};

/// The most absent players of whom a room keeps records; the oldest is forgotten for a newer one. More than the seats of
/// the largest room, so that only who comes and goes on purpose pushes others out.
const MAX_ABSENT: usize = 256;

/// A player whose connection was lost.
#[derive(Debug, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(super) struct Absence {
    seat: Seat,
    held_authority: bool,
    /// What the player had spent: a new connection does not begin anew.
    allowance: Allowance,
    /// Milliseconds of the shard's monotonic clock.
    expires_at_ms: u64,
    /// Whether the room's authority has removed the player: the record then only says so.
    is_disowned: bool,
    /// Whether the player was told its token. Version 2 never is: such a record is looked at and opens to nobody.
    was_told_token: bool,
    /// The number of the first event that it missed; the room's events are numbered from the first absence on.
    first_missed: u64,
}

impl Absence {
    /// Whether the player can come back.
    const fn is_redeemable(&self) -> bool {
        self.was_told_token && !self.is_disowned
    }
}

/// The absent players of a room, and the newest events since the first of them left.
#[derive(Debug, Default, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(super) struct Absences {
    records: Vec<Absence>,
    events: MissedEvents,
}

/// Somebody who wants its seat back.
#[derive(Debug)]
pub struct Claim<'a> {
    /// Who it says it is.
    pub player: PlayerId,
    /// What it was told with its seat.
    pub token: &'a Secret,
    /// The room that it names.
    pub room_id: RoomId,
    /// Where the shard finds its new connection, and what that reads.
    pub member: Member,
    /// What it is told with its seat this time.
    pub next_token: ReconnectToken,
    /// What its new connection can do beside being relayed to.
    pub abilities: Abilities,
    /// The connection's application.
    pub app: Option<&'a AppId>,
    /// The most players that its application allows in a room.
    pub app_seat_limit: Option<u8>,
}

/// Why a seat was not given back. The record, unless it has expired, stays redeemable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RedeemRefusal {
    /// Nothing is kept of that player.
    #[error("nothing is kept of that player; join again with the room code")]
    NoRecord,
    /// The room's authority removed the player while it was away.
    #[error("the room's authority removed you; join again with the room code")]
    Removed,
    /// The token or the room is not the record's.
    #[error("the token does not fit that player and room")]
    Token,
    /// The player stayed away for too long.
    #[error("the time to come back is over; join again with the room code")]
    Expired,
    /// The room is another application's: for this connection it does not exist.
    #[error("there is no such room")]
    NotFound,
    /// Every seat has been taken meanwhile.
    #[error("the room is full")]
    Full,
    /// Somebody sits there under this name now.
    #[error("that name was taken meanwhile; join again under another")]
    NameTaken,
    /// The room cannot be told in one message of the largest size.
    #[error("the room has grown too large to be told to you; try again when it is smaller")]
    TooLarge,
}

impl RedeemRefusal {
    /// The refusal as clients read it.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::NoRecord | Self::NameTaken | Self::TooLarge => ErrorCode::ReconnectionFailed,
            Self::Removed => ErrorCode::Kicked,
            Self::Token => ErrorCode::ReconnectionTokenInvalid,
            Self::Expired => ErrorCode::ReconnectionExpired,
            Self::NotFound => ErrorCode::RoomNotFound,
            Self::Full => ErrorCode::RoomFull,
        }
    }
}

/// What a player who came back finds.
#[derive(Debug)]
pub struct Return {
    /// What it had spent.
    pub allowance: Allowance,
    /// The epoch of the membership that begins now.
    pub epoch: u32,
    /// Whether it leads the room again.
    pub regains_authority: bool,
    /// What it missed, oldest first.
    pub missed: Vec<MissedEvent>,
    /// Whether older events were pushed out.
    pub is_truncated: bool,
}

impl Room {
    /// Frees the seat of a member whose connection was lost, and keeps a record of it for `window_ms`.
    pub fn lose(&mut self, link: MemberRef, allowance: Allowance, window_ms: u64, now_ms: u64) -> Option<Departure> {
        let was_told_token = self.roster.member(link)?.dialect.version >= ProtocolVersion::V3;
        let (mut seat, departure) = self.free_seat(link, now_ms)?;
        seat.forget_how_to_be_reached();
        if self.absences.records.len() >= MAX_ABSENT {
            self.absences.records.remove(0);
        }
        let first_missed = self.absences.events.next_number();
        self.absences.records.push(Absence {
            seat,
            held_authority: departure.held_authority,
            allowance,
            expires_at_ms: now_ms.saturating_add(window_ms),
            is_disowned: false,
            was_told_token,
            first_missed,
        });
        Some(departure)
    }

    /// Whether somebody may still come back, as far as anybody is told. Such a room is not deleted.
    #[must_use]
    pub fn awaits_somebody(&self) -> bool {
        self.absent_seats().next().is_some()
    }

    /// The seats of the players who may still come back.
    pub(super) fn absent_seats(&self) -> impl Iterator<Item = &Seat> {
        let records = self.absences.records.iter();
        records
            .filter(|absence| !absence.is_disowned)
            .map(|absence| &absence.seat)
    }

    /// Makes the record of a player one that opens nothing; returns the caseless form of its name.
    pub(super) fn disown_absent(&mut self, player: PlayerId) -> Option<Box<str>> {
        let records = &mut self.absences.records;
        let absence = records
            .iter_mut()
            .find(|absence| absence.seat.player() == player && !absence.is_disowned)?;
        absence.is_disowned = true;
        let folded_name = absence.seat.folded_name().into();
        self.forget_events_nobody_awaits();
        Some(folded_name)
    }

    /// Whether there is a record of a player, even if it opens nothing any more.
    #[must_use]
    pub fn has_record_of(&self, player: PlayerId) -> bool {
        let mut records = self.absences.records.iter();
        records.any(|absence| absence.seat.player() == player)
    }

    /// What is to be kept of a message to the room: `None` if nobody is absent who may be told of it later.
    #[must_use]
    pub fn missed(&self, message: &ServerMessage<'_>) -> Option<MissedEvent> {
        let mut records = self.absences.records.iter();
        let event = records.any(Absence::is_redeemable).then(|| MissedEvent::of(message))?;
        debug_assert!(event.is_some(), "an event of a room is one that can be told again");
        event
    }

    /// Keeps an event for those who are absent. The oldest are pushed out when there are `limit` already, or too many
    /// bytes.
    pub fn keep_event(&mut self, event: MissedEvent, limit: usize) {
        self.absences.events.keep(event, limit);
    }

    /// Forgets the players who stayed away for too long.
    pub fn forget_expired(&mut self, now_ms: u64) {
        self.absences.records.retain(|absence| now_ms < absence.expires_at_ms);
        self.forget_events_nobody_awaits();
    }

    /// Nobody whose readiness was kept is still ready once somebody else has toggled.
    pub(super) fn unready_the_absent(&mut self) {
        for absence in &mut self.absences.records {
            absence.seat.set_unready();
        }
    }

    fn forget_events_nobody_awaits(&mut self) {
        if !self.absences.records.iter().any(Absence::is_redeemable) {
            self.absences.events = MissedEvents::default();
        }
    }

    /// The room as an absent player will see it on coming back, give or take some digits.
    #[must_use]
    pub fn snapshot_for_return<'a>(&'a self, player: PlayerId, relay_type: &'a str) -> Option<RoomSnapshot<'a>> {
        let seat = self.absent_seats().find(|seat| seat.player() == player)?;
        let mut snapshot = self.snapshot(player, self.lobby_state(), relay_type);
        snapshot.current_players.push(seat.info(false));
        snapshot.ready_players.extend(seat.is_ready().then_some(player));
        snapshot.reconnection_token = Some(seat.token());
        Some(snapshot)
    }

    /// Whether a claim would be met now, and by which record.
    fn judge(&self, claim: &Claim<'_>, now_ms: u64) -> Result<usize, RedeemRefusal> {
        let mut records = self.absences.records.iter();
        let index = records
            .position(|absence| absence.seat.player() == claim.player)
            .ok_or(RedeemRefusal::NoRecord)?;
        let absence = &self.absences.records[index];
        if absence.is_disowned {
            return Err(RedeemRefusal::Removed);
        }
        if !absence.seat.token().opens_with(claim.token) || claim.room_id != self.id {
            return Err(RedeemRefusal::Token);
        }
        if now_ms >= absence.expires_at_ms {
            return Err(RedeemRefusal::Expired);
        }
        if !self.is_visible_to(claim.app) {
            return Err(RedeemRefusal::NotFound);
        }
        if self.roster.len() >= self.seats(claim.app_seat_limit) {
            return Err(RedeemRefusal::Full);
        }
        if self.roster.has_name(absence.seat.folded_name()) {
            return Err(RedeemRefusal::NameTaken);
        }
        Ok(index)
    }

    /// Gives an absent player its seat back, under a new link and with a new token, unless the room does not fit into what
    /// the player can be sent.
    ///
    /// # Errors
    ///
    /// The first rule that the player fails, in the protocol's order.
    pub fn redeem(
        &mut self,
        claim: Claim<'_>,
        fits: impl FnOnce(&Self) -> bool,
        now_ms: u64,
    ) -> Result<Return, RedeemRefusal> {
        let index = self.judge(&claim, now_ms)?;
        if !fits(self) {
            return Err(RedeemRefusal::TooLarge);
        }
        let Claim {
            player,
            member,
            next_token,
            abilities,
            ..
        } = claim;
        let Absence {
            mut seat,
            held_authority,
            allowance,
            first_missed,
            was_told_token: _,
            is_disowned: _,
            expires_at_ms: _,
        } = self.absences.records.remove(index);
        let regains_authority = held_authority && self.authority.is_none();
        if regains_authority {
            self.authority = Some(player);
        }
        seat.begin_again(next_token, abilities);
        let epoch = seat.stamp().epoch;
        self.roster.add(member, seat);
        self.touch(now_ms);
        // Others may have been absent before this player was: what it saw itself is not told again.
        let (missed, is_truncated) = self.absences.events.since(first_missed);
        let missed = missed.filter(|event| event.about() != Some(player)).cloned().collect();
        self.forget_events_nobody_awaits();
        Ok(Return {
            allowance,
            epoch,
            regains_authority,
            missed,
            is_truncated,
        })
    }
}

impl Moments for Absences {
    fn change_clock(&mut self, change: ClockChange) {
        let Self { records, events: _ } = self;
        for absence in records {
            let Absence {
                seat,
                held_authority: _,
                allowance,
                expires_at_ms,
                is_disowned: _,
                was_told_token: _,
                first_missed: _,
            } = absence;
            seat.change_clock(change);
            allowance.change_clock(change);
            change.apply(expires_at_ms);
        }
    }
}

#[cfg(test)]
mod tests;
