//! When messages were due, so that what was lost can be told by time: kept to the slot of the timeline, one mark for each
//! sender and slot, however many messages are sent.

use std::ops::Range;

/// Marks of all senders of a thread, over one stretch of traffic.
#[derive(Debug, Default)]
pub(crate) struct DueBook {
    /// By member: the first sequence that was due in a slot, and the slot, where it has one; in order.
    marks: Vec<Vec<(u32, Option<u32>)>>,
}

impl DueBook {
    pub(crate) fn new(members: u32) -> Self {
        Self {
            marks: vec![Vec::new(); members as usize],
        }
    }

    /// A message of `sender` was due in a slot, or outside all of them.
    pub(crate) fn note(&mut self, sender: u32, sequence: u32, slot: Option<usize>) {
        let marks = &mut self.marks[sender as usize];
        let slot = slot.map(|slot| slot as u32);
        if marks.last().is_none_or(|&(_, last)| last != slot) {
            marks.push((sequence, slot));
        }
    }

    /// Adds messages of `sender` to the counts of the slots in which they were due.
    pub(crate) fn count(&self, sender: u32, sequences: Range<u32>, by_slot: &mut [u64]) {
        let Some(marks) = self.marks.get(sender as usize) else {
            return;
        };
        let mut at = marks.partition_point(|&(first, _)| first <= sequences.start);
        let mut from = sequences.start;
        while from < sequences.end {
            let until = marks.get(at).map_or(u32::MAX, |&(first, _)| first).min(sequences.end);
            // What was sent before the first mark belongs to an earlier stretch.
            let slot = at.checked_sub(1).and_then(|mark| marks[mark].1);
            if let Some(count) = slot.and_then(|slot| by_slot.get_mut(slot as usize)) {
                *count += u64::from(until - from);
            }
            from = until;
            at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_counted_where_they_were_due() {
        let mut book = DueBook::new(2);
        for sequence in 3..6 {
            book.note(1, sequence, None);
        }
        for sequence in 6..16 {
            book.note(1, sequence, Some((sequence as usize - 6) / 4));
        }
        let counted = |sequences| {
            let mut by_slot = [0; 3];
            book.count(1, sequences, &mut by_slot);
            by_slot
        };
        assert_eq!(counted(0..16), [4, 4, 2]);
        assert_eq!(counted(8..9), [1, 0, 0]);
        assert_eq!(counted(9..11), [1, 1, 0]);
        assert_eq!(counted(0..6), [0, 0, 0], "earlier, and in the warm-up");
        let mut by_slot = [0; 3];
        book.count(0, 0..9, &mut by_slot);
        assert_eq!(by_slot, [0; 3]);
    }
}
