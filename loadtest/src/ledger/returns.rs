//! Members that lose their connection and come back with their token: what was accepted of them, and where the streams
//! to them go on.

use crate::client::membership::{Departure, Stamp};
use crate::ledger::gaps::Why;
use crate::ledger::{Ledger, Moved};

impl Ledger {
    /// A sender's first membership begins.
    pub(crate) fn enter(&mut self, member: u32, stamp: Stamp) {
        self.begin(member, stamp);
    }

    /// `member` will have ended its connection in good order once everything that it sent is accepted.
    pub(crate) fn farewell(&mut self, member: u32) {
        self.epochs.farewell(member);
    }

    /// `receiver` is told that a sender of its room has gone.
    pub(crate) fn departed(&mut self, sender: u32, receiver: u32, departure: Departure, moved: &mut Vec<Moved>) {
        let Departure { epoch, final_seq, .. } = departure;
        self.told_final(sender, receiver, departure);
        let Some(sequences) = self.epochs.sequences(sender, epoch, self.sent[sender as usize]) else {
            return;
        };
        let limit = self.epochs.after(sender, epoch, final_seq);
        let Some(limit) = limit.filter(|limit| *limit <= sequences.end) else {
            return;
        };
        let by_plan = self.sends_no_more(sender) || epoch != self.epochs.latest(sender);
        if !by_plan || !self.present[receiver as usize] {
            // What follows the unforeseen end of a connection is lost.
            return;
        }
        let pair = self.pair(sender, receiver);
        let next = self.next[pair as usize];
        let beyond = (limit..next.min(sequences.end)).find(|&sequence| self.gaps.why(pair, sequence).is_none());
        if let Some(beyond) = beyond {
            self.misstamped(
                Some(sender),
                receiver,
                &format!("the last seq of epoch {epoch} is {final_seq}, but message {beyond} came too"),
            );
        }
        let room = sequences.end.saturating_sub(limit.max(next));
        for sequence in limit.max(next)..limit.max(next) + room {
            if self.gaps.why(pair, sequence).is_none() {
                self.gaps.add(pair, next, sequence, Why::Unaccepted);
                self.totals.told.unaccepted += 1;
                self.totals.expected -= 1;
            }
        }
        self.move_beyond_gaps(sender, receiver, moved);
    }

    /// Holds what `receiver` was told of the end of a membership against what was sent and what others were told.
    pub(crate) fn told_final(&mut self, sender: u32, receiver: u32, departure: Departure) {
        let Departure { epoch, final_seq, .. } = departure;
        let sent = self.sent[sender as usize];
        let Some(sequences) = self.epochs.sequences(sender, epoch, sent) else {
            let what = format!("the end of epoch {epoch}, which there never was");
            return self.misstamped(Some(sender), receiver, &what);
        };
        let limit = self.epochs.after(sender, epoch, final_seq);
        let fault = match limit {
            Some(limit) if limit > sequences.end => Some("more than was sent".to_owned()),
            Some(limit) if limit < sequences.end && self.epochs.ended_with_farewell(sender, epoch) => Some(format!(
                "{} less than was sent before a good-bye",
                sequences.end - limit
            )),
            Some(_) => None,
            None => Some("which cannot be".to_owned()),
        };
        let others = self.epochs.told_final(sender, epoch, final_seq);
        let fault = fault.or(others.map(|seq| format!("but others were told {seq}")));
        if let Some(fault) = fault {
            let what = format!("the last seq of epoch {epoch} is {final_seq}, {fault}");
            self.misstamped(Some(sender), receiver, &what);
        }
    }

    /// `receiver` is told that a sender of its room is back.
    pub(crate) fn told_return(&mut self, sender: u32, receiver: u32, epoch: u32) {
        let latest = self.epochs.latest(sender);
        let known = self.epochs.sequences(sender, epoch, u32::MAX).is_some();
        // Its own connection may tell of its return a moment later.
        let foreseen = epoch > latest && self.sends_no_more(sender);
        if !known && !foreseen {
            let what = format!("is said to be back with epoch {epoch} after {latest}");
            self.misstamped(Some(sender), receiver, &what);
        }
    }

    /// `member` is back with its seat. `watermark` says how far the server had come with each other sender of the room, as
    /// far as it was seated.
    pub(crate) fn come_back(&mut self, member: u32, own: Stamp, watermark: impl Fn(u32) -> Option<Stamp>) {
        if std::mem::replace(&mut self.present[member as usize], true) {
            return;
        }
        self.forget_counters(member);
        self.audience[self.seating.room_index(member)] += 1;
        let room = self.seating.room_of(member).clone();
        if room.speakers().contains(&member) {
            self.begin(member, own);
        }
        for sender in room.speakers().filter(|&sender| sender != member) {
            let sent = self.sent[sender as usize];
            let at = self.stream_begins(sender, member, watermark(sender));
            self.next[room.pair(sender, member) as usize] = at;
            self.totals.expected += u64::from(sent - at);
        }
    }

    /// Where the stream of `sender` to `member` goes on.
    fn stream_begins(&mut self, sender: u32, member: u32, mark: Option<Stamp>) -> u32 {
        let sent = self.sent[sender as usize];
        let received = self.next[self.pair(sender, member) as usize];
        let away = self.sends_no_more(sender);
        let Some(Stamp { epoch, seq }) = mark else {
            // Who is not in the snapshot comes later: everything of its present membership is still to come.
            return match self.epochs.begun_at(sender) {
                Some(first) if !away => first.max(received),
                _ => sent,
            };
        };
        if away && epoch > self.epochs.latest(sender) && seq == 0 {
            return sent; // it is back, and will learn of it a moment later
        }
        let sequences = self.epochs.sequences(sender, epoch, sent);
        let at = self.epochs.after(sender, epoch, seq);
        let fault = match (sequences, at) {
            (Some(sequences), Some(at)) if at > sequences.end => "more than was sent",
            (Some(_), Some(at)) if at < received => "less than was received",
            (Some(_), Some(at)) => return at,
            _ => "which cannot be",
        };
        let what = format!("a watermark of epoch {epoch} seq {seq}, {fault}");
        self.misstamped(Some(sender), member, &what);
        at.unwrap_or(sent).clamp(received.min(sent), sent)
    }

    /// The present membership of a sender, or its last, has ended by plan, so that all it will hold has been sent.
    fn sends_no_more(&self, sender: u32) -> bool {
        // Between a good-bye and its answer a sender is still there.
        !self.present[sender as usize] || self.epochs.ended_with_farewell(sender, self.epochs.latest(sender))
    }

    fn begin(&mut self, member: u32, stamp: Stamp) {
        let first = self.sent[member as usize];
        if let Err(fault) = self.epochs.begin(member, stamp.epoch, first, stamp.seq) {
            self.misstamped(None, member, &fault);
        }
    }

    /// A used-up token was taken once more.
    pub(crate) fn token_reused(&mut self, member: u32) {
        self.totals.told.token_reuse += 1;
        self.describe(
            || "came back with a token that it had used before".to_owned(),
            None,
            member,
        );
    }
}
