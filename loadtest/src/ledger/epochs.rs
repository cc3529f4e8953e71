//! Which stamp a message must carry: the memberships of every sender, and where each begins in the sender's sequence.

use std::ops::Range;

/// One membership of a sender.
#[derive(Debug, Clone)]
struct Epoch {
    number: u32,
    /// Payload sequence of its first message.
    first: u32,
    /// Numbers that the server had handed out before that message.
    seq_before: u64,
    /// What the server told at its end.
    final_seq: Option<u64>,
    /// The sender had said good-bye, so that the server must have accepted all.
    farewell: bool,
}

/// The memberships of all senders of a thread.
#[derive(Debug)]
pub(super) struct Epochs {
    /// By member, in order; none for members that send nothing, and on version 2.
    of: Vec<Vec<Epoch>>,
}

impl Epochs {
    pub(super) fn new(members: usize) -> Self {
        Self {
            of: vec![Vec::new(); members],
        }
    }

    /// A membership begins; its first message will be `first`. An error says what is wrong with its stamp.
    pub(super) fn begin(&mut self, sender: u32, number: u32, first: u32, seq_before: u64) -> Result<(), String> {
        let epochs = &mut self.of[sender as usize];
        let before = epochs.last().map_or(0, |epoch| epoch.number);
        epochs.push(Epoch {
            number,
            first,
            seq_before,
            final_seq: None,
            farewell: false,
        });
        if number > before {
            Ok(())
        } else {
            Err(format!("epoch {number} after epoch {before}"))
        }
    }

    /// The stamp that a message of `sender` must carry: epoch and seq.
    pub(super) fn stamp(&self, sender: u32, sequence: u32) -> Option<(u32, u64)> {
        let epochs = &self.of[sender as usize];
        let epoch = epochs.iter().rev().find(|epoch| epoch.first <= sequence)?;
        Some((epoch.number, epoch.seq_before + u64::from(sequence - epoch.first) + 1))
    }

    /// The number of the present membership, or of the last; 0 when there has been none.
    pub(super) fn latest(&self, sender: u32) -> u32 {
        self.of[sender as usize].last().map_or(0, |epoch| epoch.number)
    }

    /// Where the present membership, or the last, begins.
    pub(super) fn begun_at(&self, sender: u32) -> Option<u32> {
        self.of[sender as usize].last().map(|epoch| epoch.first)
    }

    /// The sequences of a membership, of which `sent` is the next that has not been sent; `None` when there was none.
    pub(super) fn sequences(&self, sender: u32, number: u32, sent: u32) -> Option<Range<u32>> {
        let epochs = &self.of[sender as usize];
        let at = epochs.iter().rposition(|epoch| epoch.number == number)?;
        let end = epochs.get(at + 1).map_or(sent, |next| next.first);
        Some(epochs[at].first..end)
    }

    /// The sequence that follows the message with number `seq`; `None` when `seq` lies before the membership's first or
    /// beyond any number there can be.
    pub(super) fn after(&self, sender: u32, number: u32, seq: u64) -> Option<u32> {
        let epoch = self.find(sender, number)?;
        let count = u32::try_from(seq.checked_sub(epoch.seq_before)?).ok()?;
        epoch.first.checked_add(count)
    }

    /// The sender has said good-bye.
    pub(super) fn farewell(&mut self, sender: u32) {
        if let Some(epoch) = self.of[sender as usize].last_mut() {
            epoch.farewell = true;
        }
    }

    /// Whether the server must have accepted everything that was sent in a membership.
    pub(super) fn ended_with_farewell(&self, sender: u32, number: u32) -> bool {
        self.find(sender, number).is_some_and(|epoch| epoch.farewell)
    }

    /// Notes what a member was told; gives what others were told if that is something else.
    pub(super) fn told_final(&mut self, sender: u32, number: u32, final_seq: u64) -> Option<u64> {
        let mut epochs = self.of[sender as usize].iter_mut().rev();
        let epoch = epochs.find(|epoch| epoch.number == number)?;
        let before = *epoch.final_seq.get_or_insert(final_seq);
        (before != final_seq).then_some(before)
    }

    fn find(&self, sender: u32, number: u32) -> Option<&Epoch> {
        self.of[sender as usize]
            .iter()
            .rev()
            .find(|epoch| epoch.number == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Member 0 sent three messages in epoch 2 and goes on in epoch 5.
    fn two_memberships() -> Epochs {
        let mut epochs = Epochs::new(1);
        epochs.begin(0, 2, 0, 0).expect("a first epoch");
        epochs.begin(0, 5, 3, 0).expect("a higher epoch");
        epochs
    }

    #[test]
    fn stamps_follow_the_membership() {
        let epochs = two_memberships();
        assert_eq!(epochs.stamp(0, 0), Some((2, 1)));
        assert_eq!(epochs.stamp(0, 2), Some((2, 3)));
        assert_eq!(epochs.stamp(0, 3), Some((5, 1)));
        assert_eq!(epochs.sequences(0, 2, 9), Some(0..3));
        assert_eq!(epochs.sequences(0, 5, 9), Some(3..9));
        assert_eq!(epochs.sequences(0, 4, 9), None);
        assert_eq!(epochs.after(0, 5, 2), Some(5));
        assert_eq!(epochs.after(0, 5, u64::MAX), None);
    }

    #[test]
    fn an_epoch_must_be_higher_than_the_one_before() {
        let mut epochs = two_memberships();
        assert!(epochs.begin(0, 5, 7, 0).is_err());
        assert!(Epochs::new(1).begin(0, 0, 0, 0).is_err(), "they begin with 1");
    }

    #[test]
    fn all_must_be_told_the_same_end() {
        let mut epochs = two_memberships();
        assert_eq!(epochs.told_final(0, 2, 2), None);
        assert_eq!(epochs.told_final(0, 2, 2), None);
        assert_eq!(epochs.told_final(0, 2, 3), Some(2));
    }
}
