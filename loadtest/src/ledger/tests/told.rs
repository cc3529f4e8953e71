//! What only version 3 tells: stamps, reports, and where streams go on after a return.

use crate::client::delivery_report::{Counters, DeliveryReport, ReportedGap};
use crate::client::envelope::PlayerId;
use crate::client::membership::{Departure, Stamp};
use crate::client::stamp::{WireClass, WireStamp};
use crate::delivery::{Delivery, Mixture};
use crate::group::Group;
use crate::ledger::tests::{A, B, C, closed_totals};
use crate::ledger::{Entry, Ledger, Moved, Totals, Why};
use crate::seating::tests::of_group;
use crate::version::Version;

/// A room of three on version 3 whose messages are of all classes.
struct Room {
    ledger: Ledger,
    mixture: Mixture,
    counters: Counters,
}

impl Room {
    /// A has sent `messages`, all delivered to C.
    fn with(messages: u32) -> Self {
        let mixture = Mixture::of(0.4, 0.3, 2).expect("good shares");
        let mut group = Group::plain(crate::encoding::Encoding::Json, 1, 3);
        (group.version, group.mixture) = (Version::V3, mixture);
        let seating = of_group(&group, 0);
        let mixture = seating.rooms[0].mixture;
        let mut ledger = Ledger::new(seating);
        for member in [A, B, C] {
            ledger.enter(member, Stamp { epoch: 1, seq: 0 });
        }
        let counters = Counters::default();
        let mut room = Self {
            ledger,
            mixture,
            counters,
        };
        room.send(messages);
        room
    }

    fn send(&mut self, messages: u32) {
        for _ in 0..messages {
            let sequence = self.ledger.send(A);
            self.ledger.deliver(A, C, sequence);
        }
    }

    /// The first message of this class, from `from` on.
    fn find(&self, from: u32, wanted: impl Fn(Delivery) -> bool) -> u32 {
        (from..)
            .find(|&sequence| wanted(self.mixture.delivery(A, sequence)))
            .expect("classes are mixed")
    }

    /// B gets everything up to `end` but what is named.
    fn deliver_but(&mut self, left_out: &[u32], end: u32) {
        for sequence in (0..end).filter(|sequence| !left_out.contains(sequence)) {
            assert!(
                matches!(self.ledger.deliver(A, B, sequence), Entry::Fresh { .. }),
                "{sequence}"
            );
        }
    }

    /// B is told of this message, by a report whose counters fit.
    fn report(&mut self, sequence: u32, why: Why) -> Vec<Moved> {
        self.report_of(1, u64::from(sequence) + 1, why)
    }

    fn report_of(&mut self, epoch: u32, seq: u64, why: Why) -> Vec<Moved> {
        *match why {
            Why::Superseded => &mut self.counters.superseded,
            Why::DroppedFull => &mut self.counters.dropped_full,
            Why::VolatileDropped => &mut self.counters.volatile_dropped,
            _ => &mut self.counters.unsupported_format,
        } += 1;
        let gap = ReportedGap {
            from: PlayerId::parse("3ee46824-d0bf-4517-a2e1-df9ee4ef41ee").expect("an id"),
            epoch,
            from_seq: seq,
            to_seq: seq,
            why,
        };
        let report = DeliveryReport {
            counters: self.counters,
            gaps: vec![gap],
        };
        let mut moved = Vec::new();
        self.ledger.report(B, &report, &[Some(A)], &mut moved);
        moved
    }

    fn totals(self) -> Totals {
        closed_totals(self.ledger)
    }
}

fn volatile(delivery: Delivery) -> bool {
    delivery == Delivery::Volatile
}

fn latest(delivery: Delivery) -> bool {
    matches!(delivery, Delivery::Latest { .. })
}

fn left(epoch: u32, final_seq: u64) -> Departure {
    let player = PlayerId::parse("3ee46824-d0bf-4517-a2e1-df9ee4ef41ee").expect("an id");
    Departure {
        player,
        epoch,
        final_seq,
    }
}

/// B is told that A has gone.
fn tell_b(room: &mut Room, epoch: u32, final_seq: u64) {
    room.ledger.departed(A, B, left(epoch, final_seq), &mut Vec::new());
}

#[test]
fn what_is_reported_before_its_place_is_passed_balances() {
    let mut room = Room::with(40);
    let (dropped, superseded) = (room.find(3, volatile), room.find(3, latest));
    room.report(superseded, Why::Superseded);
    room.report(dropped, Why::VolatileDropped);
    room.deliver_but(&[dropped, superseded], 40);
    assert!(room.ledger.settled());
    let totals = room.totals();
    assert_eq!((totals.told.reported.volatile_dropped, totals.told.superseded), (1, 1));
    assert_eq!((totals.expected, totals.received), (80, 78));
    assert!(totals.balanced());
}

#[test]
fn a_report_of_the_next_message_moves_the_stream() {
    let mut room = Room::with(40);
    let dropped = room.find(0, volatile);
    room.deliver_but(&[], dropped);
    let sender = A;
    let moved = room.report(dropped, Why::VolatileDropped);
    assert_eq!(
        moved,
        [Moved {
            sender,
            expected: dropped
        }]
    );
    let next = dropped + 1;
    assert_eq!(room.ledger.deliver(A, B, next), Entry::Fresh { expected: next });
}

#[test]
fn a_hole_without_report_is_lost_and_one_beside_a_report_too() {
    let mut room = Room::with(40);
    let dropped = room.find(3, volatile);
    room.report(dropped, Why::VolatileDropped);
    room.deliver_but(&[1, dropped], 40);
    let totals = room.totals();
    assert_eq!((totals.lost, totals.faults()), (1, 1));
}

#[test]
fn a_report_after_the_hole_explains_it_too_late() {
    let mut room = Room::with(40);
    let dropped = room.find(3, volatile);
    room.deliver_but(&[dropped], 40);
    room.report(dropped, Why::VolatileDropped);
    let totals = room.totals();
    assert_eq!((totals.told.misreported, totals.lost, totals.faults()), (1, 0, 1));
    assert_eq!(totals.settled(), totals.expected);
}

#[test]
fn a_report_of_what_was_delivered_or_reported_is_one_too_many() {
    let mut room = Room::with(40);
    let dropped = room.find(3, volatile);
    room.deliver_but(&[], dropped + 1);
    room.report(dropped, Why::VolatileDropped);
    let other = room.find(dropped + 1, volatile);
    room.report(other, Why::VolatileDropped);
    room.report(other, Why::VolatileDropped);
    for sequence in (dropped + 1..40).filter(|&sequence| sequence != other) {
        room.ledger.deliver(A, B, sequence);
    }
    room.report(other, Why::VolatileDropped);
    let totals = room.totals();
    assert_eq!((totals.told.misreported, totals.faults()), (3, 3));
    assert_eq!(totals.settled(), totals.expected);
}

#[test]
fn what_was_reported_must_not_come_neither_before_nor_after_its_place_is_passed() {
    for late in [false, true] {
        let mut room = Room::with(40);
        let dropped = room.find(3, volatile);
        room.report(dropped, Why::VolatileDropped);
        room.deliver_but(&[dropped], if late { 40 } else { dropped });
        assert_eq!(room.ledger.deliver(A, B, dropped), Entry::Fault);
        if !late {
            for sequence in dropped + 1..40 {
                room.ledger.deliver(A, B, sequence);
            }
        }
        let totals = room.totals();
        assert_eq!((totals.told.misreported, totals.faults()), (1, 1), "late {late}");
    }
}

#[test]
fn reasons_must_fit_the_class() {
    let room = Room::with(40);
    let reliable = |delivery| delivery == Delivery::Reliable;
    let (of_reliable, of_latest, of_volatile) = (room.find(0, reliable), room.find(0, latest), room.find(0, volatile));
    for (sequence, why, faults) in [
        (of_latest, Why::Superseded, 0),
        (of_latest, Why::DroppedFull, 0),
        (of_volatile, Why::VolatileDropped, 0),
        (of_latest, Why::VolatileDropped, 1),
        (of_volatile, Why::Superseded, 1),
        (of_volatile, Why::DroppedFull, 1),
        (of_reliable, Why::Superseded, 1),
        (of_reliable, Why::UnsupportedFormat, 1),
    ] {
        let mut room = Room::with(40);
        room.report(sequence, why);
        room.deliver_but(&[sequence], 40);
        let totals = room.totals();
        assert_eq!((totals.told.misreported, totals.faults()), (faults, faults), "{why:?}");
        assert_eq!(totals.settled(), totals.expected);
    }
}

#[test]
fn only_a_later_value_of_the_same_key_supersedes() {
    let mut room = Room::with(0);
    let last = room.find(0, latest);
    room.send(last + 1);
    room.report(last, Why::Superseded);
    assert_eq!(room.totals().told.misreported, 1, "none was sent");
}

#[test]
fn reports_of_what_never_was_are_found() {
    for (epoch, seq) in [(1, 41), (2, 1), (1, 0), (1, u64::MAX)] {
        let mut room = Room::with(40);
        room.report_of(epoch, seq, Why::VolatileDropped);
        room.deliver_but(&[], 40);
        let totals = room.totals();
        assert_eq!((totals.told.misreported, totals.faults()), (1, 1), "{epoch} {seq}");
    }
}

#[test]
fn counters_are_those_of_the_connection() {
    let mut room = Room::with(40);
    let dropped = room.find(3, volatile);
    room.counters.volatile_dropped = 7;
    room.report(dropped, Why::VolatileDropped);
    room.deliver_but(&[dropped], 40);
    assert_eq!(room.totals().told.misreported, 1);
}

#[test]
fn stamps_must_be_those_of_the_message() {
    let mut room = Room::with(40);
    let latest = room.find(0, latest);
    let Delivery::Latest { key } = room.mixture.delivery(A, latest) else {
        panic!("it was chosen so");
    };
    let good = WireStamp {
        seq: u64::from(latest) + 1,
        epoch: 1,
        class: Some(WireClass::Latest),
        key: Some(key),
    };
    room.ledger.check_stamp(A, B, latest, Some(good));
    assert_eq!(room.ledger.progress().faults(), 0);
    for bad in [
        None,
        Some(WireStamp { epoch: 2, ..good }),
        Some(WireStamp { epoch: 0, ..good }),
        Some(WireStamp {
            seq: good.seq + 1,
            ..good
        }),
        Some(WireStamp {
            key: Some(key + 1),
            ..good
        }),
        Some(WireStamp { class: None, ..good }),
    ] {
        let before = room.ledger.progress().told.misstamped;
        room.ledger.check_stamp(A, B, latest, bad);
        assert_eq!(room.ledger.progress().told.misstamped, before + 1, "{bad:?}");
    }
}

#[test]
fn what_was_not_accepted_of_a_sender_that_was_cut_is_not_owed() {
    let mut room = Room::with(0);
    for _ in 0..5 {
        room.ledger.send(A);
    }
    room.ledger.depart(A);
    // Three were accepted; one receiver is told before it has them all, the other after A is back.
    room.ledger.deliver(A, B, 0);
    tell_b(&mut room, 1, 3);
    room.ledger.deliver(A, B, 1);
    room.ledger.deliver(A, B, 2);
    room.ledger
        .come_back(A, Stamp { epoch: 2, seq: 0 }, |_| Some(Stamp { epoch: 1, seq: 0 }));
    assert_eq!(room.ledger.send(A), 5);
    assert_eq!(room.ledger.deliver(A, B, 5), Entry::Fresh { expected: 5 });
    for sequence in 0..3 {
        room.ledger.deliver(A, C, sequence);
    }
    room.ledger.departed(A, C, left(1, 3), &mut Vec::new());
    room.ledger.deliver(A, C, 5);
    let totals = room.totals();
    assert_eq!((totals.told.unaccepted, totals.expected, totals.received), (4, 8, 8));
    assert!(totals.balanced());
}

#[test]
fn what_was_accepted_is_owed() {
    let mut room = Room::with(5);
    room.ledger.depart(A);
    tell_b(&mut room, 1, 4);
    room.deliver_but(&[3], 4);
    let totals = room.totals();
    assert_eq!((totals.lost, totals.faults()), (1, 1));
}

#[test]
fn the_last_seq_must_be_true_and_the_same_for_all() {
    type Story = fn(&mut Room);
    let stories: [(Story, &str); 5] = [
        (|room| tell_b(room, 1, 6), "more than was sent"),
        (|room| tell_b(room, 2, 0), "an epoch that never was"),
        (
            |room| {
                room.ledger.departed(A, C, left(1, 5), &mut Vec::new());
                tell_b(room, 1, 4);
            },
            "others were told something else",
        ),
        (
            |room| {
                room.ledger.farewell(A);
                tell_b(room, 1, 4);
            },
            "less than was sent before a good-bye",
        ),
        (
            |room| {
                room.deliver_but(&[], 5);
                tell_b(room, 1, 3);
            },
            "more than that was delivered",
        ),
    ];
    for (story, what) in stories {
        let mut room = Room::with(5);
        room.ledger.depart(A);
        story(&mut room);
        assert_eq!(room.ledger.progress().told.misstamped, 1, "{what}");
    }
}

#[test]
fn the_end_of_a_connection_that_was_not_planned_excuses_nothing() {
    let mut room = Room::with(5);
    tell_b(&mut room, 1, 2);
    room.deliver_but(&[], 2);
    assert_eq!(room.totals().lost, 3);
}

#[test]
fn a_member_that_is_back_is_owed_what_follows_the_watermark() {
    for (delivered, lost, duplicated) in [(3..6, 0, 0), (4..6, 1, 0), (2..6, 0, 1)] {
        let mut room = Room::with(2);
        room.deliver_but(&[], 1);
        room.ledger.depart(B);
        room.send(3);
        room.ledger.come_back(B, Stamp { epoch: 2, seq: 0 }, |sender| {
            (sender == A).then_some(Stamp { epoch: 1, seq: 3 })
        });
        room.send(1);
        for sequence in delivered.clone() {
            room.ledger.deliver(A, B, sequence);
        }
        let totals = room.totals();
        assert_eq!((totals.lost, totals.duplicated), (lost, duplicated), "{delivered:?}");
        assert_eq!(totals.expected, totals.received + totals.lost);
    }
}

#[test]
fn watermarks_and_epochs_must_be_true() {
    for (own, mark, faults) in [
        (2, (1, 3), 0),
        (2, (1, 5), 0),
        (2, (1, 2), 1),
        (2, (1, 6), 1),
        (2, (2, 0), 1),
        (1, (1, 3), 1),
    ] {
        let mut room = Room::with(5);
        room.deliver_but(&[], 3);
        room.ledger.depart(B);
        let mark = Stamp {
            epoch: mark.0,
            seq: mark.1,
        };
        room.ledger
            .come_back(B, Stamp { epoch: own, seq: 0 }, |sender| (sender == A).then_some(mark));
        assert_eq!(room.ledger.progress().told.misstamped, faults, "{own} {mark:?}");
    }
}

#[test]
fn all_of_a_room_may_be_away_at_once_and_learn_of_each_other_in_any_order() {
    let mut room = Room::with(0);
    for _ in 0..3 {
        room.ledger.send(A);
    }
    for member in [A, B, C] {
        room.ledger.depart(member);
    }
    // B comes first and still sees the seat of A; then A is back before B hears that it was gone.
    let seen = |sender| (sender == A).then_some(Stamp { epoch: 1, seq: 1 });
    room.ledger.come_back(B, Stamp { epoch: 2, seq: 0 }, seen);
    room.ledger.come_back(A, Stamp { epoch: 2, seq: 0 }, |_| None);
    room.ledger.deliver(A, B, 1);
    tell_b(&mut room, 1, 2);
    room.ledger.told_return(A, B, 2);
    assert_eq!(room.ledger.send(A), 3);
    room.ledger.deliver(A, B, 3);
    // C sees A in its new membership.
    let seen = |sender| (sender == A).then_some(Stamp { epoch: 2, seq: 1 });
    room.ledger.come_back(C, Stamp { epoch: 2, seq: 0 }, seen);
    let totals = room.totals();
    assert_eq!((totals.faults(), totals.told.unaccepted), (0, 1));
    assert!(totals.balanced());
}

#[test]
fn a_used_token_that_works_is_a_fault() {
    let mut room = Room::with(0);
    room.ledger.token_reused(B);
    let totals = room.totals();
    assert_eq!((totals.told.token_reuse, totals.faults()), (1, 1));
}

#[test]
fn who_said_good_bye_and_is_no_more_seen_owes_nothing_to_who_comes_back() {
    let mut room = Room::with(5);
    room.deliver_but(&[], 3);
    room.ledger.depart(B);
    room.ledger.farewell(A);
    room.ledger.come_back(B, Stamp { epoch: 2, seq: 0 }, |_| None);
    let totals = room.totals();
    assert_eq!((totals.excused, totals.faults()), (2, 0));
    assert!(totals.balanced());
}
