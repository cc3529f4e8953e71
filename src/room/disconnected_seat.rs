//! Players whose connection was lost: what is kept of them, for how long, and what they missed.
//!
//! A seat is freed at once when its connection is lost. What stays is a record that the player can redeem once, with the
//! token that it was given when it took the seat, and, while any record is pending, the newest events of the room.

use super::Seat;
use super::missed::{MissedEvent, MissedEvents};
use crate::budget::Allowance;
use crate::clock::{ClockChange, Moments};
use crate::protocol::PlayerId;

/// The most absent players of whom a room keeps records; the oldest is forgotten for a newer one. More than the seats of
/// the largest room, so that only who comes and goes on purpose pushes others out.
pub(super) const MAX_ABSENT: usize = 256;

/// A player whose connection was lost.
#[derive(Debug, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(super) struct DisconnectedSeat {
    pub(super) seat: Seat,
    pub(super) held_authority: bool,
    /// What the player had spent: a new connection does not begin anew.
    pub(super) allowance: Allowance,
    /// Milliseconds of the shard's monotonic clock.
    pub(super) expires_at_ms: u64,
    /// Whether the room's authority has removed the player: the record then only says so.
    pub(super) is_disowned: bool,
    /// Whether the player was told its token. Version 2 never is: such a record is looked at and opens to nobody.
    pub(super) was_told_token: bool,
    /// The number of the first event that it missed; the room's events are numbered from the first disconnected seat on.
    pub(super) first_missed: u64,
}

impl DisconnectedSeat {
    /// Whether the player can come back.
    const fn is_redeemable(&self) -> bool {
        self.was_told_token && !self.is_disowned
    }
}

/// The absent players of a room, and the newest events since the first of them left.
#[derive(Debug, Default, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(super) struct DisconnectedSeats {
    records: Vec<DisconnectedSeat>,
    pub(super) events: MissedEvents,
}

impl DisconnectedSeats {
    /// Keeps a record.
    pub(super) fn add(&mut self, disconnected_seat: DisconnectedSeat) {
        if self.records.len() >= MAX_ABSENT {
            self.records.remove(0);
        }
        self.records.push(disconnected_seat);
    }

    /// The record of a player, even if it opens nothing any more, with its place.
    pub(super) fn find(&self, player: PlayerId) -> Option<(usize, &DisconnectedSeat)> {
        let mut records = self.records.iter().enumerate();
        records.find(|(_, disconnected_seat)| disconnected_seat.seat.player() == player)
    }

    /// Takes the record at a place away.
    pub(super) fn take(&mut self, index: usize) -> DisconnectedSeat {
        self.records.remove(index)
    }

    /// The seats of the players who may still come back.
    pub(super) fn seats(&self) -> impl Iterator<Item = &Seat> {
        let records = self.records.iter();
        records
            .filter(|disconnected_seat| !disconnected_seat.is_disowned)
            .map(|disconnected_seat| &disconnected_seat.seat)
    }

    /// Makes the record of a player one that opens nothing; returns the caseless form of its name.
    pub(super) fn disown(&mut self, player: PlayerId) -> Option<Box<str>> {
        let disconnected_seat = self
            .records
            .iter_mut()
            .find(|disconnected_seat| disconnected_seat.seat.player() == player && !disconnected_seat.is_disowned)?;
        disconnected_seat.is_disowned = true;
        let folded_name = disconnected_seat.seat.folded_name().into();
        self.forget_events_nobody_awaits();
        Some(folded_name)
    }

    /// Nobody whose readiness was kept is ready any more.
    pub(super) fn unready_all(&mut self) {
        for disconnected_seat in &mut self.records {
            disconnected_seat.seat.set_unready();
        }
    }

    /// Forgets the players who stayed away for too long.
    pub(super) fn forget_expired(&mut self, now_ms: u64) {
        self.records
            .retain(|disconnected_seat| now_ms < disconnected_seat.expires_at_ms);
        self.forget_events_nobody_awaits();
    }

    /// Whether anybody may come back who will be told what it missed.
    pub(super) fn await_events(&self) -> bool {
        self.records.iter().any(DisconnectedSeat::is_redeemable)
    }

    /// The number of the next event.
    pub(super) fn next_event(&self) -> u64 {
        self.events.next_number()
    }

    /// Keeps an event. The oldest are pushed out when there are `limit` already, or too many bytes. Returns how many those were.
    pub(super) fn keep_event(&mut self, event: MissedEvent, limit: usize) -> u64 {
        self.events.keep(event, limit)
    }

    /// The events from a number on, and whether older ones were pushed out.
    pub(super) fn events_since(&self, number: u64) -> (impl Iterator<Item = &MissedEvent>, bool) {
        self.events.since(number)
    }

    pub(super) fn forget_events_nobody_awaits(&mut self) {
        if !self.await_events() {
            self.events = MissedEvents::default();
        }
    }
}

impl Moments for DisconnectedSeats {
    fn change_clock(&mut self, change: ClockChange) {
        let Self { records, events: _ } = self;
        for disconnected_seat in records {
            let DisconnectedSeat {
                seat,
                held_authority: _,
                allowance,
                expires_at_ms,
                is_disowned: _,
                was_told_token: _,
                first_missed: _,
            } = disconnected_seat;
            seat.change_clock(change);
            allowance.change_clock(change);
            change.apply(expires_at_ms);
        }
    }
}
