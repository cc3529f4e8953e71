//! How a seat is lost with its connection, and how the player gets it back.

use thiserror::Error;

use super::disconnected_seat::DisconnectedSeat;
use super::{ConnectionKey, Departure, Member, MissedEvent, Room};
use crate::budget::Allowance;
use crate::protocol::server_message::RoomSnapshot;
use crate::protocol::{
    Abilities, AppId, CertificateFingerprint, ErrorCode, PlayerId, ProtocolVersion, Reason, ReconnectToken, RoomId,
    Secret, ServerMessage,
};

/// Somebody who wants its seat back.
#[derive(Debug)]
pub struct Claim<'a> {
    /// Who it says it is.
    pub player: PlayerId,
    /// What it was told with its seat.
    pub token: &'a Secret,
    /// The client certificate that its new connection is tied to.
    pub certificate: Option<CertificateFingerprint>,
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
    /// The token, the certificate or the room is not the record's.
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

impl Reason for RedeemRefusal {
    fn code(&self) -> ErrorCode {
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

/// What a room keeps for those who may come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Absence {
    /// Players who may.
    pub players: usize,
    /// Events that they will be told.
    pub events: usize,
}

impl Room {
    /// Frees the seat of a member whose connection was lost, and keeps a record of it for `window_ms`.
    pub fn lose(
        &mut self,
        connection: ConnectionKey,
        allowance: Allowance,
        window_ms: u64,
        now_ms: u64,
    ) -> Option<Departure> {
        let was_told_token = self.roster.member(connection)?.dialect.version >= ProtocolVersion::V3;
        let (mut seat, departure) = self.free_seat(connection, now_ms)?;
        seat.forget_how_to_be_reached();
        self.disconnected_seats.add(DisconnectedSeat {
            seat,
            held_authority: departure.held_authority,
            allowance,
            expires_at_ms: now_ms.saturating_add(window_ms),
            is_disowned: false,
            was_told_token,
            first_missed: self.disconnected_seats.next_event(),
        });
        Some(departure)
    }

    /// Whether somebody may still come back, as far as anybody is told. Such a room is not deleted.
    #[must_use]
    pub fn awaits_somebody(&self) -> bool {
        self.disconnected_seats.seats().next().is_some()
    }

    /// Whether there is a record of a player, even if it opens nothing any more.
    #[must_use]
    pub fn has_record_of(&self, player: PlayerId) -> bool {
        self.disconnected_seats.find(player).is_some()
    }

    /// What is to be kept of a message to the room: `None` if nobody is absent who may be told of it later.
    #[must_use]
    pub fn missed(&self, message: &ServerMessage<'_>) -> Option<MissedEvent> {
        let event = self
            .disconnected_seats
            .await_events()
            .then(|| MissedEvent::of(message))?;
        debug_assert!(event.is_some(), "an event of a room is one that can be told again");
        event
    }

    /// Keeps an event for those who are absent. The oldest are pushed out when there are `limit` already, or too many
    /// bytes. Returns how many those were.
    pub fn keep_event(&mut self, event: MissedEvent, limit: usize) -> u64 {
        self.disconnected_seats.keep_event(event, limit)
    }

    /// How many players may still come back, and how many events are kept for them.
    #[must_use]
    pub fn absence(&self) -> Absence {
        Absence {
            players: self.disconnected_seats.seats().count(),
            events: self.disconnected_seats.events.len(),
        }
    }

    /// Forgets the players who stayed away for too long.
    pub fn forget_expired(&mut self, now_ms: u64) {
        self.disconnected_seats.forget_expired(now_ms);
    }

    /// The room as an absent player will see it on coming back, give or take some digits.
    #[must_use]
    pub fn snapshot_for_return<'a>(&'a self, player: PlayerId, relay_type: &'a str) -> Option<RoomSnapshot<'a>> {
        let seat = self.disconnected_seats.seats().find(|seat| seat.player() == player)?;
        let mut snapshot = self.snapshot(player, self.lobby_state(), relay_type);
        snapshot.current_players.push(seat.info(false));
        snapshot.ready_players.extend(seat.is_ready().then_some(player));
        snapshot.reconnection_token = Some(seat.token());
        Some(snapshot)
    }

    /// Whether a claim would be met now, and by which record.
    fn judge(&self, claim: &Claim<'_>, now_ms: u64) -> Result<usize, RedeemRefusal> {
        let (index, disconnected_seat) = self
            .disconnected_seats
            .find(claim.player)
            .ok_or(RedeemRefusal::NoRecord)?;
        if disconnected_seat.is_disowned {
            return Err(RedeemRefusal::Removed);
        }
        if !disconnected_seat.seat.opens_with(claim.token, claim.certificate) || claim.room_id != self.id {
            return Err(RedeemRefusal::Token);
        }
        if now_ms >= disconnected_seat.expires_at_ms {
            return Err(RedeemRefusal::Expired);
        }
        if !self.is_visible_to(claim.app) {
            return Err(RedeemRefusal::NotFound);
        }
        if self.roster.len() >= self.seats(claim.app_seat_limit) {
            return Err(RedeemRefusal::Full);
        }
        if self.roster.has_name(disconnected_seat.seat.folded_name()) {
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
            certificate,
            abilities,
            ..
        } = claim;
        let DisconnectedSeat {
            mut seat,
            held_authority,
            allowance,
            first_missed,
            was_told_token: _,
            is_disowned: _,
            expires_at_ms: _,
        } = self.disconnected_seats.take(index);
        let regains_authority = held_authority && self.authority.is_none();
        if regains_authority {
            self.authority = Some(player);
            self.record.authority_transfers += 1;
        }
        seat.begin_again(next_token, certificate, abilities);
        let epoch = seat.stamp().epoch;
        self.record.note_version(member.dialect.version);
        self.roster.add(member, seat);
        self.record.note_seated(self.roster.len());
        self.touch(now_ms);
        // Others may have been absent before this player was: what it saw itself is not told again.
        let (missed, is_truncated) = self.disconnected_seats.events_since(first_missed);
        let missed = missed.filter(|event| event.about() != Some(player)).cloned().collect();
        self.disconnected_seats.forget_events_nobody_awaits();
        Ok(Return {
            allowance,
            epoch,
            regains_authority,
            missed,
            is_truncated,
        })
    }
}

#[cfg(test)]
mod tests;
