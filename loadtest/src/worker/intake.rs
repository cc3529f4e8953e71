//! The receiving side of a thread: its ledger, and what happens to game data: check, enter into the ledger, time.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use crate::client::envelope::PlayerId;
use crate::client::membership::Return;
use crate::client::stamp::WireStamp;
use crate::clock::Clock;
use crate::closed_loop::Flights;
use crate::due_book::DueBook;
use crate::histogram::latency_histogram;
use crate::ledger::{Entry, Ledger, Stray};
use crate::payload;
use crate::seating::{Part, Seating};
use crate::sys;
use crate::timeline::Timeline;
use crate::version::Version;
use crate::worker::meter::Meter;
use crate::worker::operations::Operations;

/// The receiving side of one stretch of traffic.
pub(crate) struct Stretch {
    /// The measured window, ns on the test's clock.
    pub(crate) window_ns: std::ops::Range<u64>,
    /// Length of every body, by group.
    pub(crate) body_chars: Vec<usize>,
    /// From the scheduled send to receipt, of messages scheduled within the window, by group.
    pub(crate) latency_ns: Vec<Histogram<u64>>,
    /// The same over time.
    pub(crate) timeline: Timeline,
    pub(crate) due_book: DueBook,
    /// Deliveries received within the window.
    pub(crate) delivered: u64,
    /// Reads of sockets within the window.
    pub(crate) reads: u64,
    /// One for each step.
    pub(crate) meters: Vec<Meter>,
    /// Present in closed-loop traffic.
    pub(crate) flights: Option<Flights>,
    /// Senders whose messages have landed, and how many.
    pub(crate) released: Vec<(u32, u32)>,
}

impl Stretch {
    /// A stretch that measures this window, given on the test's clock.
    pub(crate) fn new(window_ns: std::ops::Range<u64>, body_chars: Vec<usize>) -> Self {
        Self {
            timeline: Timeline::new(window_ns.clone(), body_chars.len()),
            due_book: DueBook::default(),
            window_ns,
            latency_ns: body_chars.iter().map(|_| latency_histogram()).collect(),
            body_chars,
            delivered: 0,
            reads: 0,
            meters: Vec::new(),
            flights: None,
            released: Vec::new(),
        }
    }
}

/// Takes the messages of everybody who is in a room.
pub(crate) struct Intake {
    pub(super) clock: Clock,
    pub(crate) ledger: Ledger,
    pub(crate) stretch: Stretch,
    pub(super) seating: Seating,
    /// Ids by member of this thread.
    pub(super) roster: Vec<PlayerId>,
    /// Ids that members had before they came back.
    former: Vec<(u32, PlayerId)>,
    pub(super) receiver: u32,
    /// The same instant on the test's clock and on the wall clock, renewed before every round of reading.
    pub(super) instant_ns: (u64, u64),
    pub(super) now_ns: u64,
    pub(super) in_window: bool,
    /// When anything last arrived.
    pub(crate) last_arrival_ns: u64,
    pub(crate) server_errors: BTreeMap<String, u64>,
    /// Who has its seat again, and since when.
    pub(super) back: Vec<(u32, u64)>,
    pub(super) operations: Operations,
}

impl Intake {
    pub(crate) fn new(clock: Clock, seating: Seating) -> Self {
        let groups = seating.rooms.iter().map(|room| room.group + 1).max().unwrap_or(0);
        Self {
            clock,
            ledger: Ledger::new(seating.clone()),
            stretch: Stretch::new(0..0, vec![0; groups]),
            roster: Vec::new(),
            former: Vec::new(),
            receiver: 0,
            instant_ns: (0, 0),
            now_ns: 0,
            in_window: false,
            last_arrival_ns: 0,
            server_errors: BTreeMap::new(),
            back: Vec::new(),
            operations: Operations::new(seating.first_member, seating.rooms.iter().map(|room| room.first)),
            seating,
        }
    }

    /// Everybody is in.
    pub(crate) fn set_roster(&mut self, roster: Vec<PlayerId>) {
        self.roster = roster;
    }

    /// A member is back under another id; what it sent before may still be on its way under the old one.
    pub(crate) fn came_back(&mut self, member: u32, id: PlayerId) {
        let before = std::mem::replace(&mut self.roster[member as usize], id);
        self.former.push((member, before));
        self.ledger.arrive(member);
    }

    /// A member has taken its seat again by its token.
    pub(super) fn took_seat_again(&mut self, member: u32, back: &Return) {
        for fault in &back.faults {
            self.ledger.misstamped(None, member, fault);
        }
        for departure in &back.departures {
            if let Some(sender) = self.speaker(member, &departure.player) {
                self.ledger.told_final(sender, member, *departure);
            }
        }
        let (roster, players) = (&self.roster, &back.membership.players);
        self.ledger.come_back(member, back.membership.own, |sender| {
            let seated = players.iter().find(|(id, _)| *id == roster[sender as usize]);
            seated.map(|&(_, stamp)| stamp)
        });
        self.back.push((member, self.now_ns));
    }

    /// What is still to be answered will not be.
    pub(super) fn close_operations(&mut self) {
        self.operations.close(&mut self.ledger);
    }

    /// The sender with this id in the room of a member.
    pub(super) fn speaker(&self, member: u32, id: &PlayerId) -> Option<u32> {
        let mut speakers = self.seating.room_of(member).speakers();
        speakers.find(|&sender| self.roster.get(sender as usize) == Some(id))
    }

    /// Relates the kernel's stamps to the test's clock; wanted before every round of reading, since the wall clock may be
    /// set at any time.
    pub(crate) fn relate_clocks(&mut self) {
        self.instant_ns = (self.clock.now_ns(), sys::wall_clock_ns());
    }

    /// The member whose messages come next.
    pub(crate) fn for_receiver(&mut self, receiver: usize) -> &mut Self {
        self.receiver = receiver as u32;
        self
    }

    pub(super) fn game_data(&mut self, from: &[u8], body: &[u8], wire: Option<WireStamp>) {
        let receiver = self.receiver;
        let room = self.seating.room_of(receiver);
        let Some(stamp) = payload::open(body, self.stretch.body_chars[room.group]) else {
            return self
                .ledger
                .stray(receiver, Stray::Corrupted, "game data that is not as it was sent");
        };
        let sender = stamp.sender.wrapping_sub(self.seating.first_member);
        if !room.speakers().contains(&sender) {
            let detail = format!("game data of player {}, who is in another room", stamp.sender);
            return self.ledger.stray(receiver, Stray::Misrouted, &detail);
        }
        if sender == receiver {
            return self.ledger.stray(receiver, Stray::Misrouted, "its own game data");
        }
        let was_known = |&(member, id): &(u32, PlayerId)| member == sender && id.is(from);
        if !self.roster[sender as usize].is(from) && !self.former.iter().any(was_known) {
            let detail = format!("game data of player {} under another from_player", stamp.sender);
            return self.ledger.stray(receiver, Stray::Corrupted, &detail);
        }
        if room.version == Version::V3 {
            self.ledger.check_stamp(sender, receiver, stamp.sequence, wire);
        }
        let entry = self.ledger.deliver(sender, receiver, stamp.sequence);
        if entry == Entry::Fault {
            return;
        }
        let latency_ns = self.now_ns.saturating_sub(stamp.scheduled_ns);
        self.stretch.delivered += u64::from(self.in_window);
        self.stretch.timeline.delivered(self.now_ns);
        for meter in &mut self.stretch.meters {
            meter.delivered(room.group, self.now_ns);
        }
        if self.seating.part(receiver) == Part::Slow {
            // Its latency is of its own making.
            return;
        }
        self.stretch.timeline.timed(room.group, self.now_ns, latency_ns);
        if self.stretch.window_ns.contains(&stamp.scheduled_ns) {
            self.stretch.latency_ns[room.group].saturating_record(latency_ns);
            for meter in &mut self.stretch.meters {
                meter.timed(room.group, stamp.scheduled_ns, latency_ns);
            }
        }
        if let (Some(flights), Entry::Fresh { expected }) = (&mut self.stretch.flights, entry) {
            let landed = flights.moved(&self.ledger, sender, expected);
            if landed > 0 {
                self.stretch.released.push((sender, landed));
            }
        }
    }
}
