mod told;

use super::*;
use crate::seating::tests::plain;

const A: u32 = 0;
const B: u32 = 1;
const C: u32 = 2;

/// A room of three in which A has sent `messages`, all delivered to C.
fn room_with(messages: u32) -> Ledger {
    let mut ledger = Ledger::new(plain(1, 3, 0));
    for sequence in 0..messages {
        assert_eq!(ledger.send(A), sequence);
        ledger.deliver(A, C, sequence);
    }
    ledger
}

/// Closes the account, and sees that what is missing is what is lost.
fn closed_totals(ledger: Ledger) -> Totals {
    let mut missing = 0;
    ledger.missing(|_, sequences| missing += sequences.len() as u64);
    let totals = ledger.close().totals;
    assert_eq!(totals.lost, missing);
    totals
}

fn totals_after(mut ledger: Ledger, delivered: &[u32]) -> Totals {
    for &sequence in delivered {
        ledger.deliver(A, B, sequence);
    }
    closed_totals(ledger)
}

#[test]
fn an_orderly_exchange_balances() {
    let totals = totals_after(room_with(3), &[0, 1, 2]);
    assert_eq!(
        totals,
        Totals {
            sent: 3,
            expected: 6,
            received: 6,
            ..Totals::default()
        }
    );
    assert!(totals.balanced());
}

#[test]
fn losses_are_found_in_the_middle_and_at_the_end() {
    for (delivered, lost) in [(&[0, 2][..], 1), (&[0, 1], 1), (&[1], 2), (&[], 3)] {
        let totals = totals_after(room_with(3), delivered);
        assert_eq!((totals.lost, totals.faults()), (lost, lost), "delivered {delivered:?}");
        assert!(!totals.balanced());
    }
}

#[test]
fn a_repeated_message_is_a_duplicate_however_late() {
    let totals = totals_after(room_with(3), &[0, 0, 1, 2, 1]);
    assert_eq!((totals.duplicated, totals.faults(), totals.received), (2, 2, 6));
    assert!(!totals.balanced());
}

#[test]
fn a_late_message_is_reordered_once_and_then_a_duplicate() {
    let totals = totals_after(room_with(3), &[2, 0, 1]);
    assert_eq!((totals.reordered, totals.faults()), (2, 2));
    let totals = totals_after(room_with(3), &[1, 0, 0, 2]);
    assert_eq!((totals.reordered, totals.duplicated, totals.lost), (1, 1, 0));
}

#[test]
fn a_duplicate_does_not_make_up_for_a_loss() {
    let totals = totals_after(room_with(2), &[0, 0]);
    assert_eq!((totals.lost, totals.duplicated), (1, 1));
}

#[test]
fn a_sequence_never_sent_is_corrupt_and_does_not_move_the_account() {
    let totals = totals_after(room_with(2), &[0, 9, 1]);
    assert_eq!((totals.corrupted, totals.faults()), (1, 1));
}

#[test]
fn strays_are_counted_by_kind() {
    let mut ledger = room_with(0);
    ledger.stray(B, Stray::Misrouted, "a message of room 7");
    ledger.stray(B, Stray::Corrupted, "an unreadable message");
    let Closed { totals, examples, .. } = ledger.close();
    assert_eq!((totals.misrouted, totals.corrupted), (1, 1));
    assert_eq!(examples[0], "room 0, player 1: a message of room 7");
    assert!(!totals.balanced());
}

#[test]
fn pairs_and_rooms_are_kept_apart() {
    let mut ledger = Ledger::new(plain(2, 2, 10));
    assert_eq!((ledger.send(0), ledger.send(1), ledger.send(3)), (0, 0, 0));
    assert_eq!(ledger.deliver(0, 1, 0), Entry::Fresh { expected: 0 });
    assert_eq!(ledger.deliver(1, 0, 0), Entry::Fresh { expected: 0 });
    assert!(!ledger.settled());
    let Closed { totals, examples, .. } = ledger.close();
    assert_eq!(totals.lost, 1);
    assert_eq!(examples, ["room 6, player 13 → player 12: 1 messages lost"]);
}

#[test]
fn the_slowest_receiver_is_known() {
    let mut ledger = room_with(2);
    assert_eq!(ledger.slowest(A), (0, 1));
    ledger.deliver(A, B, 0);
    assert_eq!(ledger.slowest(A), (1, 1));
    ledger.deliver(A, B, 1);
    assert_eq!(ledger.slowest(A), (2, 2));
}

#[test]
fn what_is_on_its_way_to_a_member_that_leaves_is_excused_and_no_gap_is() {
    let mut ledger = room_with(4);
    ledger.deliver(A, B, 0);
    ledger.deliver(A, B, 2);
    ledger.depart(B);
    ledger.send(A);
    ledger.deliver(A, C, 4);
    assert!(!ledger.settled(), "message 1 was overtaken, so it is missing");
    let totals = closed_totals(ledger);
    assert_eq!((totals.excused, totals.lost, totals.expected), (1, 1, 8));
}

#[test]
fn a_member_that_comes_back_is_owed_what_follows_its_first_message() {
    for (delivered, lost, duplicated) in [
        (&[5, 6][..], 0, 0),
        (&[3, 4, 5, 6], 0, 0),
        (&[3, 5, 6], 1, 0),
        (&[6], 1, 0),
        (&[], 2, 0),
        (&[4, 5, 6, 3], 0, 1),
    ] {
        let mut ledger = room_with(2);
        ledger.deliver(A, B, 0);
        ledger.depart(B);
        // Sent while B is away, then while it is known to be back.
        for sequence in 2..7 {
            if sequence == 5 {
                ledger.arrive(B);
            }
            ledger.send(A);
            ledger.deliver(A, C, sequence);
        }
        for &sequence in delivered {
            ledger.deliver(A, B, sequence);
        }
        let totals = closed_totals(ledger);
        assert_eq!((totals.lost, totals.duplicated), (lost, duplicated), "{delivered:?}");
        assert_eq!(totals.expected, totals.received + totals.lost, "{delivered:?}");
    }
}

#[test]
fn nothing_is_owed_to_a_member_that_is_away() {
    let mut ledger = room_with(0);
    ledger.depart(B);
    ledger.depart(B);
    ledger.send(A);
    ledger.deliver(A, C, 0);
    assert!(ledger.settled());
    assert_eq!(closed_totals(ledger).expected, 1);
}

#[test]
fn what_is_missing_is_what_is_lost_and_faults_beyond_the_listed_are_counted() {
    let mut ledger = Ledger::new(plain(1, 30, 0));
    for sequence in 0..4 {
        ledger.send(A);
        if sequence == 2 {
            ledger.deliver(A, B, sequence);
        }
    }
    ledger.depart(C);
    let mut missing = Vec::new();
    ledger.missing(|sender, sequences| missing.extend(sequences.map(|sequence| (sender, sequence))));
    assert_eq!(missing[..3], [(A, 0), (A, 1), (A, 3)]);
    let closed = ledger.close();
    assert_eq!(closed.totals.lost, missing.len() as u64);
    assert_eq!(
        (closed.examples.len() as u64 + closed.more_faults),
        28,
        "one for each pair"
    );
    assert_eq!(closed.more_faults, 8);
}
