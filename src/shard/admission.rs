//! The admission ledger: limits that belong to the whole process.
//!
//! Exact, and shared by all shards behind one lock, which is taken on accept, handshake, room creation and room end, and
//! never on the relay path. What was admitted is held as a permit and given back by dropping it, so nothing that ends,
//! however it ends, stays counted.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ahash::AHashMap;
use thiserror::Error;

use crate::clock::{ClockChange, Moments};
use crate::protocol::AppId;

/// How long a handshake counts against its application's rate.
const HANDSHAKE_WINDOW_MS: u64 = 60_000;

/// What the process admits at most.
#[derive(Debug, Clone)]
pub struct AdmissionLimits {
    /// Connections in all.
    pub connections: usize,
    /// Connections of one peer address.
    pub connections_per_address: usize,
    /// Whether loopback peers are free of the per-address limit.
    pub exempt_loopback: bool,
    /// Rooms in all.
    pub rooms: usize,
    /// Rooms of one game name.
    pub rooms_per_game: usize,
}

/// Why a connection was not admitted. Tell the client and close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ConnectionRefused {
    /// The server is full.
    #[error("the server is at capacity ({limit} connections); try again later or on another server")]
    Total {
        /// The limit that was reached.
        limit: usize,
    },
    /// This address has its share.
    #[error("too many connections from your address (limit {limit}); close one first")]
    PerAddress {
        /// The limit that was reached.
        limit: usize,
    },
}

/// Why a room was not admitted. Tell the client; the connection stays open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RoomRefused {
    /// The server is full.
    #[error("the server already has its {limit} rooms; try again later or on another server")]
    Total {
        /// The limit that was reached.
        limit: usize,
    },
    /// The game has its share.
    #[error("this game already has its {limit} rooms; join one of them or try again later")]
    PerGame {
        /// The limit that was reached.
        limit: usize,
    },
    /// The application has its share.
    #[error("this application already has its {limit} rooms; join one of them or try again later")]
    PerApp {
        /// The limit that was reached.
        limit: usize,
    },
}

/// Counts what the process has admitted.
#[derive(Debug)]
pub struct AdmissionLedger {
    limits: AdmissionLimits,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    connections: usize,
    /// The most connections since somebody asked.
    peak_connections: usize,
    by_address: AHashMap<IpAddr, usize>,
    rooms: usize,
    by_game: AHashMap<Box<str>, usize>,
    by_app: AHashMap<AppId, usize>,
    handshakes: AHashMap<AppId, VecDeque<(u64, IpAddr)>>,
}

/// What the ledger holds at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admitted {
    /// Connections in all.
    pub connections: usize,
    /// Rooms in all.
    pub rooms: usize,
}

impl AdmissionLedger {
    /// An empty ledger.
    #[must_use]
    pub fn new(limits: AdmissionLimits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            counts: Mutex::default(),
        })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // No code under the lock can panic half-way through a change.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is admitted now.
    #[must_use]
    pub fn admitted(&self) -> Admitted {
        let counts = self.counts();
        Admitted {
            connections: counts.connections,
            rooms: counts.rooms,
        }
    }

    /// The most connections that there were since this was last asked, and how many there are now.
    pub fn take_peak_connections(&self) -> (usize, usize) {
        let mut counts = self.counts();
        let now = counts.connections;
        (std::mem::replace(&mut counts.peak_connections, now), now)
    }

    /// Admits a connection from `address`, until the permit is dropped.
    ///
    /// # Errors
    ///
    /// The limit that is reached.
    pub fn admit_connection(self: &Arc<Self>, address: IpAddr) -> Result<ConnectionPermit, ConnectionRefused> {
        let limits = &self.limits;
        let mut counts = self.counts();
        if counts.connections >= limits.connections {
            return Err(ConnectionRefused::Total {
                limit: limits.connections,
            });
        }
        let counted = self.counted_address(address);
        if let Some(address) = &counted
            && counts.by_address.get(address).copied().unwrap_or(0) >= limits.connections_per_address
        {
            return Err(ConnectionRefused::PerAddress {
                limit: limits.connections_per_address,
            });
        }
        Ok(self.permit_connection(&mut counts, counted))
    }

    /// Admits again, whatever the limits, a connection that was admitted before it was frozen.
    pub fn restore_connection(self: &Arc<Self>, address: IpAddr) -> ConnectionPermit {
        self.permit_connection(&mut self.counts(), self.counted_address(address))
    }

    /// The address that a connection counts for, if it counts for any.
    fn counted_address(&self, address: IpAddr) -> Option<IpAddr> {
        let address = address.to_canonical();
        (!(self.limits.exempt_loopback && address.is_loopback())).then_some(address)
    }

    fn permit_connection(self: &Arc<Self>, counts: &mut Counts, address: Option<IpAddr>) -> ConnectionPermit {
        counts.connections += 1;
        counts.peak_connections = counts.peak_connections.max(counts.connections);
        if let Some(address) = address {
            *counts.by_address.entry(address).or_default() += 1;
        }
        ConnectionPermit {
            ledger: Arc::clone(self),
            address,
        }
    }

    /// Admits a room of `game_name` owned by `app`, until the permit is dropped.
    ///
    /// # Errors
    ///
    /// The limit that is reached.
    pub fn admit_room(
        self: &Arc<Self>,
        game_name: &str,
        app: Option<(&AppId, Option<u32>)>,
    ) -> Result<RoomPermit, RoomRefused> {
        let limits = &self.limits;
        let mut counts = self.counts();
        if let Some((app, Some(limit))) = app
            && counts.by_app.get(app).copied().unwrap_or(0) >= limit as usize
        {
            return Err(RoomRefused::PerApp { limit: limit as usize });
        }
        if counts.by_game.get(game_name).copied().unwrap_or(0) >= limits.rooms_per_game {
            return Err(RoomRefused::PerGame {
                limit: limits.rooms_per_game,
            });
        }
        if counts.rooms >= limits.rooms {
            return Err(RoomRefused::Total { limit: limits.rooms });
        }
        Ok(self.permit_room(&mut counts, game_name, app.map(|(app, _)| app.clone())))
    }

    /// Admits again, whatever the limits, a room that was admitted before it was frozen. `app` is the one that the room
    /// was counted for, which is not always its owner: a room can be adopted.
    pub fn restore_room(self: &Arc<Self>, game_name: &str, app: Option<AppId>) -> RoomPermit {
        self.permit_room(&mut self.counts(), game_name, app)
    }

    fn permit_room(self: &Arc<Self>, counts: &mut Counts, game_name: &str, app: Option<AppId>) -> RoomPermit {
        counts.rooms += 1;
        *counts.by_game.entry(game_name.into()).or_default() += 1;
        if let Some(app) = &app {
            *counts.by_app.entry(app.clone()).or_default() += 1;
        }
        RoomPermit {
            ledger: Arc::clone(self),
            game_name: game_name.into(),
            app,
        }
    }

    /// The handshakes that still count against a rate, for an archive. What is admitted is not part of it: connections and
    /// rooms are archived with their shards and [restored](Self::restore_connection) one by one.
    #[must_use]
    pub fn freeze_handshakes(&self, now_ms: u64) -> FrozenHandshakes {
        let mut frozen = FrozenHandshakes {
            by_app: (self.counts().handshakes.iter())
                .map(|(app, recent)| (app.clone(), recent.iter().copied().collect()))
                .collect(),
        };
        frozen.change_clock(ClockChange::freeze(now_ms));
        frozen
    }

    /// Counts the handshakes of an archive again.
    pub fn thaw_handshakes(&self, mut frozen: FrozenHandshakes, now_ms: u64) {
        frozen.change_clock(ClockChange::thaw(now_ms));
        let mut counts = self.counts();
        for (app, recent) in frozen.by_app {
            counts.handshakes.entry(app).or_default().extend(recent);
        }
    }

    /// Counts a handshake of `app` from `address` at `now_ms`, if the application's rate of `per_minute` in any sixty
    /// seconds allows it. One address may use half of the rate, and at least one.
    pub fn admit_handshake(&self, app: &AppId, address: IpAddr, per_minute: u32, now_ms: u64) -> bool {
        let address = address.to_canonical();
        let mut counts = self.counts();
        let recent = counts.handshakes.entry(app.clone()).or_default();
        while recent
            .front()
            .is_some_and(|(at_ms, _)| at_ms.saturating_add(HANDSHAKE_WINDOW_MS) <= now_ms)
        {
            recent.pop_front();
        }
        let from_address = recent.iter().filter(|(_, from)| *from == address).count();
        let share = (per_minute as usize / 2).max(1);
        let admitted = recent.len() < per_minute as usize && from_address < share;
        if admitted {
            recent.push_back((now_ms, address));
        }
        admitted
    }
}

/// Handshakes that count against a rate, out of an archive or on their way into one.
#[derive(Debug, Clone, Default, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct FrozenHandshakes {
    by_app: Vec<(AppId, Vec<(u64, IpAddr)>)>,
}

impl Moments for FrozenHandshakes {
    fn change_clock(&mut self, change: ClockChange) {
        let Self { by_app } = self;
        for (at_ms, _) in by_app.iter_mut().flat_map(|(_, recent)| recent) {
            change.apply(at_ms);
        }
    }
}

/// Takes one from a count, and forgets a count of zero.
fn release<K: Eq + std::hash::Hash + Clone>(counts: &mut AHashMap<K, usize>, key: &K) {
    let count = counts.get_mut(key).expect("what was admitted is counted");
    *count -= 1;
    if *count == 0 {
        counts.remove(key);
    }
}

/// An admitted connection. Dropping it gives the place back.
#[derive(Debug)]
#[must_use = "dropping the permit gives the place back"]
pub struct ConnectionPermit {
    ledger: Arc<AdmissionLedger>,
    address: Option<IpAddr>,
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut counts = self.ledger.counts();
        counts.connections -= 1;
        if let Some(address) = &self.address {
            release(&mut counts.by_address, address);
        }
    }
}

/// An admitted room. Dropping it gives the place back.
#[derive(Debug)]
#[must_use = "dropping the permit gives the place back"]
pub struct RoomPermit {
    ledger: Arc<AdmissionLedger>,
    game_name: Box<str>,
    app: Option<AppId>,
}

impl RoomPermit {
    /// The application that the room is counted for.
    pub(super) const fn app(&self) -> Option<&AppId> {
        self.app.as_ref()
    }
}

impl Drop for RoomPermit {
    fn drop(&mut self) {
        let mut counts = self.ledger.counts();
        counts.rooms -= 1;
        release(&mut counts.by_game, &self.game_name);
        if let Some(app) = &self.app {
            release(&mut counts.by_app, app);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEAR: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const FAR: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));
    const FARTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 8));

    fn ledger() -> Arc<AdmissionLedger> {
        AdmissionLedger::new(AdmissionLimits {
            connections: 4,
            connections_per_address: 2,
            exempt_loopback: true,
            rooms: 3,
            rooms_per_game: 2,
        })
    }

    #[test]
    fn an_address_gets_its_share_and_gets_it_back() {
        let ledger = ledger();
        let first = ledger.admit_connection(FAR).expect("first");
        let _second = ledger.admit_connection(FAR).expect("second");
        assert_eq!(
            ledger.admit_connection(FAR).err(),
            Some(ConnectionRefused::PerAddress { limit: 2 })
        );
        let mapped = IpAddr::V6(std::net::Ipv4Addr::new(192, 0, 2, 7).to_ipv6_mapped());
        assert!(
            ledger.admit_connection(mapped).is_err(),
            "a mapped address is the same peer"
        );
        drop(first);
        let _third = ledger.admit_connection(FAR).expect("a place came free");
    }

    #[test]
    fn loopback_is_free_of_the_share_but_not_of_the_total() {
        let ledger = ledger();
        let permits: Vec<_> = (0..4)
            .map(|_| ledger.admit_connection(NEAR).expect("below the total"))
            .collect();
        assert_eq!(
            ledger.admit_connection(NEAR).err(),
            Some(ConnectionRefused::Total { limit: 4 })
        );
        drop(permits);
        assert_eq!(
            ledger.admitted(),
            Admitted {
                connections: 0,
                rooms: 0
            }
        );
    }

    #[test]
    fn rooms_are_counted_by_app_by_game_and_in_all() {
        let ledger = ledger();
        let app = AppId::new("studio");
        let _a = ledger.admit_room("chess", Some((&app, Some(1)))).expect("first");
        assert_eq!(
            ledger.admit_room("go", Some((&app, Some(1)))).err(),
            Some(RoomRefused::PerApp { limit: 1 }),
            "the application's own limit"
        );
        let b = ledger.admit_room("chess", None).expect("second of this game");
        assert_eq!(
            ledger.admit_room("chess", None).err(),
            Some(RoomRefused::PerGame { limit: 2 })
        );
        let _c = ledger.admit_room("go", None).expect("third in all");
        assert_eq!(
            ledger.admit_room("shogi", None).err(),
            Some(RoomRefused::Total { limit: 3 })
        );
        drop(b);
        assert!(ledger.admit_room("chess", None).is_ok());
    }

    #[test]
    fn one_address_may_use_half_of_an_applications_rate() {
        let ledger = ledger();
        let app = AppId::new("studio");
        let try_at = |address, now_ms| ledger.admit_handshake(&app, address, 3, now_ms);
        assert!(try_at(FAR, 0));
        assert!(!try_at(FAR, 1), "half of three is one");
        assert!(try_at(FARTHER, 2) && try_at(NEAR, 3));
        assert!(
            !try_at(IpAddr::from([10, 0, 0, 1]), 4),
            "the application's rate is used up"
        );
        assert!(try_at(FAR, HANDSHAKE_WINDOW_MS), "the first one has left the window");
    }

    #[test]
    fn what_was_admitted_is_restored_beyond_every_limit_and_given_back() {
        let ledger = ledger();
        let app = AppId::new("studio");
        let connections: Vec<_> = (0..6).map(|_| ledger.restore_connection(FAR)).collect();
        let rooms: Vec<_> = (0..5)
            .map(|_| ledger.restore_room("chess", Some(app.clone())))
            .collect();
        assert_eq!(
            ledger.admitted(),
            Admitted {
                connections: 6,
                rooms: 5
            }
        );
        assert!(ledger.admit_connection(FARTHER).is_err() && ledger.admit_room("go", None).is_err());
        drop((connections, rooms));
        let _one = ledger.admit_connection(FAR).expect("all places came free");
        assert!(ledger.admit_room("chess", Some((&app, Some(1)))).is_ok());
    }

    #[test]
    fn handshakes_count_on_after_a_change_of_clocks() {
        let (old, new) = (ledger(), ledger());
        let app = AppId::new("studio");
        assert!(old.admit_handshake(&app, FAR, 2, 500_000));
        let start_ms = crate::clock::ARCHIVE_MS;
        new.thaw_handshakes(old.freeze_handshakes(510_000), start_ms);
        assert!(
            !new.admit_handshake(&app, FAR, 2, start_ms + 49_999),
            "ten seconds had passed"
        );
        assert!(new.admit_handshake(&app, FAR, 2, start_ms + 50_000));
    }
}
