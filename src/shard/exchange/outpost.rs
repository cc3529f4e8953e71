//! One outpost: who watches, what has come for them, and how far it was told.
//!
//! Bulletins are told in *passes*: those at the front of the mail together, to all watchers, in slices of them. Promises
//! that mail is served in the order in which it came, and that each watcher is told each bulletin of a pass once.

use std::collections::VecDeque;

use crate::protocol::PlayerId;
use crate::room::{ConnectionKey, Member};
use crate::shard::exchange::message::{InFlightBulletin, OutpostMail};

/// Watchers from which on an outpost lets bulletins gather, so that several share a send.
const GATHERING_WATCHERS: usize = 256;

/// For how long, from the begin of one pass to that of the next.
const GATHER_MS: u64 = 20;

/// One outpost.
#[derive(Debug, Default)]
pub(in crate::shard) struct Outpost {
    watchers: Vec<Watching>,
    /// What has come and was not yet told, in order.
    mail: VecDeque<OutpostMail>,
    /// How many of the watchers, from the first, were told the bulletins of the current pass.
    told: usize,
    /// How many bulletins, from the front, the current pass tells; 0: none has begun.
    pass: usize,
    /// When the next pass may begin.
    next_pass_ms: u64,
    /// When home was last told of a sign of life.
    heard_ms: u64,
}

/// Somebody who watches at an outpost.
#[derive(Debug, Clone, Copy)]
pub(in crate::shard) struct Watching {
    pub(in crate::shard) member: Member,
    pub(in crate::shard) player: PlayerId,
}

impl Outpost {
    pub(super) fn receive(&mut self, mail: OutpostMail) {
        if !is_bulletin(&mail) {
            self.gather_no_more();
        }
        self.mail.push_back(mail);
    }

    pub(super) fn has_mail(&self) -> bool {
        !self.mail.is_empty()
    }

    /// Whether nobody watches and nothing has come.
    pub(super) fn is_over(&self) -> bool {
        self.watchers.is_empty() && self.mail.is_empty()
    }

    pub(super) const fn next_pass_ms(&self) -> u64 {
        self.next_pass_ms
    }

    pub(super) const fn gather_no_more(&mut self) {
        self.next_pass_ms = 0;
    }

    /// Whether something has come, and all of it may wait for more.
    pub(super) fn may_gather(&self, now_ms: u64) -> bool {
        self.has_mail() && self.pass == 0 && now_ms < self.next_pass_ms && !self.watchers.is_empty()
    }

    pub(in crate::shard) fn watchers(&self) -> &[Watching] {
        &self.watchers
    }

    pub(in crate::shard) fn add(&mut self, watching: Watching) {
        self.watchers.push(watching);
    }

    pub(super) fn remove(&mut self, at: ConnectionKey) -> Option<PlayerId> {
        let mut index = self
            .watchers
            .iter()
            .position(|watching| watching.member.connection == at)?;
        let player = self.watchers[index].player;
        if index < self.told {
            // The last of those who were told takes the place, and the last of all takes its.
            self.told -= 1;
            self.watchers.swap(index, self.told);
            index = self.told;
        }
        self.watchers.swap_remove(index);
        Some(player)
    }

    /// Notes when somebody here was heard of; says whether that is news.
    pub(in crate::shard) fn note_heard(&mut self, heard_ms: u64) -> bool {
        let is_news = heard_ms > self.heard_ms;
        self.heard_ms = self.heard_ms.max(heard_ms);
        is_news
    }

    /// The first mail, unless that is a bulletin: bulletins are told in passes.
    pub(in crate::shard) fn take_mail(&mut self) -> Option<OutpostMail> {
        self.mail.pop_front_if(|mail| !is_bulletin(mail))
    }

    /// Begins a pass, unless one has begun or bulletins may gather. Says whether there is one.
    pub(in crate::shard) fn begin_pass(&mut self, now_ms: u64) -> bool {
        if self.pass == 0 && !self.may_gather(now_ms) {
            self.pass = self.mail.iter().take_while(|mail| is_bulletin(mail)).count();
            let gathers = self.watchers.len() >= GATHERING_WATCHERS && self.pass == self.mail.len();
            self.next_pass_ms = if gathers { now_ms.saturating_add(GATHER_MS) } else { 0 };
        }
        self.pass > 0
    }

    /// The bulletins of the pass.
    pub(in crate::shard) fn pass(&self) -> impl Iterator<Item = &InFlightBulletin> {
        self.mail.iter().take(self.pass).filter_map(|mail| match mail {
            OutpostMail::Bulletin(in_flight) => Some(in_flight),
            _ => None,
        })
    }

    /// Who was not told them.
    pub(in crate::shard) fn untold(&self) -> &[Watching] {
        &self.watchers[self.told..]
    }

    /// Notes that the first so many of them were told. The pass ends with the last.
    pub(in crate::shard) fn note_told(&mut self, watchers: usize) {
        self.told += watchers;
        if self.told == self.watchers.len() {
            self.mail.drain(..self.pass);
            (self.told, self.pass) = (0, 0);
        }
    }
}

const fn is_bulletin(mail: &OutpostMail) -> bool {
    matches!(mail, OutpostMail::Bulletin(_))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Dialect;

    fn link(number: u32) -> ConnectionKey {
        ConnectionKey {
            index: number,
            generation: 0,
        }
    }

    fn outpost(told: usize) -> Outpost {
        let watchers = (0..6).map(|number| Watching {
            member: Member {
                connection: link(number),
                dialect: Dialect::FLOOR,
            },
            player: PlayerId::from_bytes([number as u8; 16]),
        });
        Outpost {
            watchers: watchers.collect(),
            told,
            ..Outpost::default()
        }
    }

    #[test]
    fn whoever_leaves_amid_a_bulletin_changes_nothing_for_the_rest() {
        for told in 0..=6 {
            for gone in 0..6 {
                let mut outpost = outpost(told);
                assert!(outpost.remove(link(gone)).is_some());
                let (before, after) = outpost.watchers.split_at(outpost.told);
                let expected = |range: std::ops::Range<u32>| range.filter(|number| *number != gone).collect::<Vec<_>>();
                let numbers = |watchers: &[Watching]| {
                    let mut numbers: Vec<_> = watchers
                        .iter()
                        .map(|watching| watching.member.connection.index)
                        .collect();
                    numbers.sort_unstable();
                    numbers
                };
                assert_eq!(
                    numbers(before),
                    expected(0..told as u32),
                    "{gone} of those who were told"
                );
                assert_eq!(numbers(after), expected(told as u32..6), "{gone} of those who were not");
            }
        }
    }
}
