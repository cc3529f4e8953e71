//! Members on version 3 that have lost their socket: which token each shows, when it tries again, how long it took.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use hdrhistogram::Histogram;

use crate::histogram::latency_histogram;
use crate::vigil::Vigil;

/// First and longest pause between two tries.
const FIRST_PAUSE_NS: u64 = 20_000_000;
const LONGEST_PAUSE_NS: u64 = 500_000_000;
/// Who is not back by then does not come back.
const PATIENCE_NS: u64 = 30_000_000_000;
/// Of this many returns of a member one shows the token before the last first.
const PROBE_EVERY: u32 = 4;

/// How a member loses its connection. Each member goes through all of them in turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// A TCP reset: what was on its way in either direction is gone, as when a phone changes networks.
    Reset,
    /// The end of the stream without a Close frame: what was sent still arrives, as when a process is killed.
    EndOfStream,
    /// A Close frame: the server must have accepted everything before it.
    Farewell,
}

/// What a member shows to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Showing {
    /// Its present token.
    Token,
    /// The one it has used up, which must be refused.
    UsedToken,
}

/// The members that are away, and the times of those that are back.
pub(super) struct Returns {
    away: HashMap<u32, Away>,
    /// When who tries again.
    due: BinaryHeap<Reverse<(u64, u32)>>,
    /// How often each member has been away, by member.
    absences: Vec<u32>,
    back_ns: Histogram<u64>,
}

#[derive(Debug)]
struct Away {
    cut_ns: u64,
    pause_ns: u64,
    showing: Showing,
    /// It has shown a used token, which took its time.
    probed: bool,
    given_up: bool,
}

impl Returns {
    pub(super) fn new(members: usize) -> Self {
        Self {
            away: HashMap::new(),
            due: BinaryHeap::new(),
            absences: vec![0; members],
            back_ns: latency_histogram(),
        }
    }

    /// A member loses its connection; tells how.
    pub(super) fn leave(&mut self, member: u32, now_ns: u64) -> Manner {
        let absences = &mut self.absences[member as usize];
        *absences += 1;
        let probes = *absences % PROBE_EVERY == 2;
        let away = Away {
            cut_ns: now_ns,
            pause_ns: FIRST_PAUSE_NS,
            showing: if probes { Showing::UsedToken } else { Showing::Token },
            probed: probes,
            given_up: false,
        };
        self.away.insert(member, away);
        // Members differ, so that all manners are seen in a short test too.
        match (*absences + member) % 3 {
            0 => Manner::Reset,
            1 => Manner::EndOfStream,
            _ => Manner::Farewell,
        }
    }

    /// A member is to try now.
    pub(super) fn try_now(&mut self, member: u32) {
        self.due.push(Reverse((0, member)));
    }

    /// The next member that tries by `now_ns`.
    pub(super) fn pop(&mut self, now_ns: u64) -> Option<(u32, Showing)> {
        let &Reverse((due_ns, member)) = self.due.peek()?;
        if due_ns > now_ns {
            return None;
        }
        self.due.pop();
        self.away.get(&member).map(|away| (member, away.showing))
    }

    /// A try came to nothing: the member tries again after a pause, unless it has tried long enough.
    pub(super) fn set_back(&mut self, member: u32, now_ns: u64, vigil: &Vigil) -> bool {
        let Some(away) = self.away.get_mut(&member) else {
            return false;
        };
        if vigil.waited_ns(away.cut_ns, now_ns) > PATIENCE_NS {
            away.given_up = true;
            return false;
        }
        self.due.push(Reverse((now_ns + away.pause_ns, member)));
        away.pause_ns = (2 * away.pause_ns).min(LONGEST_PAUSE_NS);
        true
    }

    /// The used token was refused, so the other is shown.
    pub(super) fn probe_over(&mut self, member: u32) {
        if let Some(away) = self.away.get_mut(&member) {
            away.showing = Showing::Token;
        }
        self.try_now(member);
    }

    /// A member will not come back.
    pub(super) fn give_up(&mut self, member: u32) {
        if let Some(away) = self.away.get_mut(&member) {
            away.given_up = true;
        }
    }

    /// A member has its seat again since `now_ns`.
    pub(super) fn back(&mut self, member: u32, now_ns: u64) {
        if let Some(away) = self.away.remove(&member)
            && !away.probed
        {
            self.back_ns.saturating_record(now_ns.saturating_sub(away.cut_ns));
        }
    }

    /// What a member shows that is away.
    pub(super) fn showing(&self, member: u32) -> Option<Showing> {
        self.away.get(&member).map(|away| away.showing)
    }

    pub(super) fn is_away(&self, member: u32) -> bool {
        self.away.contains_key(&member)
    }

    /// Whether somebody is still expected.
    pub(super) fn expects_somebody(&self) -> bool {
        self.away.values().any(|away| !away.given_up)
    }

    /// Who is still expected, in order.
    pub(super) fn expected(&self) -> Vec<u32> {
        let away = self.away.iter().filter(|(_, away)| !away.given_up);
        let mut members: Vec<u32> = away.map(|(&member, _)| member).collect();
        members.sort_unstable();
        members
    }

    /// The times of those that have come back since this was last asked.
    pub(super) fn take_times(&mut self) -> Histogram<u64> {
        std::mem::replace(&mut self.back_ns, latency_histogram())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_tries_again_after_longer_and_longer_pauses_and_then_no_more() {
        let mut returns = Returns::new(1);
        returns.leave(0, 0);
        returns.try_now(0);
        assert_eq!(returns.pop(0), Some((0, Showing::Token)));
        assert_eq!(returns.pop(u64::MAX), None);
        let (mut now_ns, mut tries) = (0, 0);
        while returns.set_back(0, now_ns, &Vigil::default()) {
            assert_eq!(returns.pop(now_ns), None);
            now_ns += FIRST_PAUSE_NS.max((FIRST_PAUSE_NS << tries.min(20)).min(LONGEST_PAUSE_NS));
            assert!(returns.pop(now_ns).is_some(), "try {tries}");
            tries += 1;
        }
        assert!((60..70).contains(&tries), "{tries} tries");
        assert!(returns.is_away(0) && !returns.expects_somebody());
    }

    #[test]
    fn a_member_is_not_given_up_for_a_standstill_of_our_own() {
        let mut vigil = Vigil::begin(0);
        let mut returns = Returns::new(1);
        returns.leave(0, 0);
        let woken_ns = 2 * PATIENCE_NS;
        vigil.look(woken_ns);
        assert!(returns.set_back(0, woken_ns, &vigil));
        assert!(!returns.set_back(0, woken_ns + PATIENCE_NS, &vigil));
    }

    #[test]
    fn the_second_return_and_every_fourth_after_it_show_a_used_token_and_are_not_timed() {
        let mut returns = Returns::new(1);
        let mut probes = Vec::new();
        for number in 1..=10 {
            returns.leave(0, 0);
            if returns.showing(0) == Some(Showing::UsedToken) {
                probes.push(number);
                returns.probe_over(0);
                assert_eq!(returns.pop(0), Some((0, Showing::Token)));
            }
            returns.back(0, 1_000);
        }
        assert_eq!(probes, [2, 6, 10]);
        assert_eq!(returns.take_times().len(), 7);
        assert_eq!(returns.take_times().len(), 0);
    }

    #[test]
    fn all_manners_are_gone_through() {
        let mut returns = Returns::new(1);
        let manners = [1, 2, 3].map(|_| returns.leave(0, 0));
        assert_eq!(manners, [Manner::EndOfStream, Manner::Farewell, Manner::Reset]);
    }
}
