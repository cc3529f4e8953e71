//! What of a room's gallery is still to be told, and when that may be.

use std::collections::VecDeque;

use crate::protocol::server_message::{GallerySight, SpectatorReason};
use crate::protocol::{PlayerId, ServerMessage};
use crate::room::{ConnectionKey, Member, Room};
use crate::shard::state::room_key::RoomKey;
use crate::shard::world::counters::Counter;

/// Up to so many spectators everybody is told of everything at once: 4 KB.
pub(in crate::shard) const SMALL_GALLERY: usize = 32;

/// Entries of galleries that a room's readers on version 2 are sent together in a millisecond: some 8 MB a second.
pub(in crate::shard) const ENTRIES_PER_MS: usize = 64;

/// How often outposts are told, at most.
pub(in crate::shard) const AFAR_INTERVAL_MS: u64 = 1_000;

/// Members who may be exempt from news before those of them are forgotten who are gone: more than a room has seats.
pub(in crate::shard) const MAX_EXCEPT: usize = 256;

/// Who came or went.
#[derive(Debug, Clone)]
pub(in crate::shard) struct News {
    pub(in crate::shard) spectator: PlayerId,
    pub(in crate::shard) change: Change,
    /// Who is not told: the newcomer itself, and whoever took a seat since and has seen the gallery so.
    pub(in crate::shard) except: Vec<ConnectionKey>,
}

#[derive(Debug, Clone, Copy)]
pub(in crate::shard) enum Change {
    Came,
    Went(SpectatorReason),
}

impl News {
    /// Somebody began to watch; `at` if that is here.
    pub(in crate::shard) fn of_newcomer(spectator: PlayerId, at: Option<ConnectionKey>) -> Self {
        Self {
            spectator,
            change: Change::Came,
            except: at.into_iter().collect(),
        }
    }

    /// Somebody watches no longer.
    pub(in crate::shard) const fn of_departure(spectator: PlayerId, reason: SpectatorReason) -> Self {
        Self {
            spectator,
            change: Change::Went(reason),
            except: Vec::new(),
        }
    }

    /// Whether a member is to be told.
    pub(in crate::shard) fn concerns(&self, member: &Member) -> bool {
        !self.except.contains(&member.connection)
    }

    /// The message, as the gallery is now; `None` if there is no truth in it any more. `shows_everybody` is for version 2.
    pub(in crate::shard) fn message<'a>(&self, room: &'a Room, shows_everybody: bool) -> Option<ServerMessage<'a>> {
        let gallery = GallerySight {
            count: room.gallery().len(),
            everybody: if shows_everybody {
                room.gallery().infos()
            } else {
                Vec::new()
            },
        };
        Some(match self.change {
            Change::Came => ServerMessage::NewSpectatorJoined {
                spectator: room.gallery().info(self.spectator)?,
                gallery,
            },
            Change::Went(reason) => ServerMessage::SpectatorDisconnected {
                spectator_id: self.spectator,
                reason,
                gallery,
            },
        })
    }
}

/// When one kind of readers is told.
#[derive(Debug, Default)]
pub(in crate::shard) struct Cadence {
    pub(in crate::shard) next_ms: u64,
    pub(in crate::shard) waiting: Option<News>,
}

impl Cadence {
    /// Takes news, and gives it back if it is to be told now. Older news that waits is never told after it.
    pub(in crate::shard) fn offer(&mut self, news: News, is_due: bool, replaced: &Counter) -> Option<News> {
        if self.waiting.take().is_some() {
            replaced.add(1);
        }
        if is_due {
            return Some(news);
        }
        self.waiting = Some(news);
        None
    }

    /// What has waited for long enough.
    pub(in crate::shard) fn take_due(&mut self, now_ms: u64) -> Option<News> {
        self.waiting.take_if(|_| now_ms >= self.next_ms)
    }

    pub(in crate::shard) fn waits_until_ms(&self) -> Option<u64> {
        self.waiting.as_ref().map(|_| self.next_ms)
    }
}

/// Those who are not told of everything at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::shard) enum Readers {
    /// Who is here and reads version 2.
    Here,
    /// Whoever watches at an outpost.
    Afar,
}

/// What of one room's gallery is still to be told.
#[derive(Debug, Default)]
pub(in crate::shard) struct GalleryNews {
    pub(in crate::shard) here: Cadence,
    pub(in crate::shard) afar: Cadence,
    pub(in crate::shard) is_listed: bool,
}

impl GalleryNews {
    pub(in crate::shard) const fn to(&mut self, readers: Readers) -> &mut Cadence {
        match readers {
            Readers::Here => &mut self.here,
            Readers::Afar => &mut self.afar,
        }
    }

    pub(in crate::shard) fn waits_until_ms(&self) -> Option<u64> {
        let moments = [self.here.waits_until_ms(), self.afar.waits_until_ms()];
        moments.into_iter().flatten().min()
    }
}

/// Rooms of which news waits, each once.
#[derive(Debug, Default)]
pub(in crate::shard) struct NewsList(pub(in crate::shard) VecDeque<RoomKey>);

#[cfg(test)]
mod tests {
    use super::*;

    fn came(number: u8) -> News {
        News::of_newcomer(PlayerId::from_bytes([number; 16]), None)
    }

    #[test]
    fn older_news_of_a_gallery_is_not_told_after_newer_news() {
        let (mut cadence, replaced) = (Cadence::default(), Counter::default());
        assert!(cadence.offer(came(1), true, &replaced).is_some());
        cadence.next_ms = 1_000;
        assert!(cadence.offer(came(2), false, &replaced).is_none(), "it waits");
        assert_eq!(cadence.waits_until_ms(), Some(1_000));
        // Before the tick that would tell the second.
        assert!(cadence.offer(came(3), true, &replaced).is_some());
        assert_eq!(replaced.get(), 1);
        assert!(cadence.take_due(10_000).is_none(), "nothing waits any more");
    }
}
