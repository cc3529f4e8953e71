//! The admission ledger: limits that belong to the whole process.
//!
//! Exact, and shared by all shards; consulted on accept, handshake, room creation, joins by code and room end, and never
//! on the relay path. What was admitted is held as a permit and given back by dropping it, so nothing that ends, however it ends, stays
//! counted. The totals have no lock: whoever reads them may lose its CPU at any moment, and no shard waits for that. What is
//! counted by address, game or application is striped, so that shards seldom meet and no lock is held while more than a few
//! hundred entries move.
//!
//! Locks are taken in this order: application, game or address.

mod guesses;
mod handshakes;
mod tally;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use thiserror::Error;

use crate::protocol::{AppId, ErrorCode, Reason};
use crate::session::ClientAddress;
use crate::shard::world::admission::guesses::{GuessLimit, Guesses};
use crate::shard::world::admission::handshakes::{Handshakes, Rate};
use crate::shard::world::admission::tally::Tally;
use crate::shard::world::source::{Source, SourceRule};

pub use self::guesses::Noted;
pub use self::handshakes::FrozenHandshakes;

/// What the process admits at most.
#[derive(Debug, Clone)]
pub struct AdmissionLimits {
    /// Connections in all.
    pub connections: usize,
    /// Connections of one source.
    pub connections_per_address: usize,
    /// Which addresses are one source, and which count at all.
    pub sources: SourceRule,
    /// Joins by code of one source that may fail in a window; `None`: any number.
    pub failed_joins: Option<u32>,
    /// How long that window is, in milliseconds.
    pub failed_joins_window_ms: u64,
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

impl Reason for ConnectionRefused {
    fn code(&self) -> ErrorCode {
        ErrorCode::TooManyConnections
    }
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

impl Reason for RoomRefused {
    fn code(&self) -> ErrorCode {
        ErrorCode::MaxRoomsPerGameExceeded
    }
}

/// Why a room is not looked for. Tell the client; the connection stays open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("too many joins from your address named no room that is there; try again in {retry_after_secs} seconds")]
pub struct GuessRefused {
    /// Whole seconds, at least 1.
    pub retry_after_secs: u64,
}

impl Reason for GuessRefused {
    fn code(&self) -> ErrorCode {
        ErrorCode::RateLimitExceeded
    }
}

/// Counts what the process has admitted.
#[derive(Debug)]
pub struct AdmissionLedger {
    limits: AdmissionLimits,
    totals: Totals,
    connections_by_source: Tally<Source>,
    rooms_by_game: Tally<Box<str>>,
    rooms_by_app: Tally<AppId>,
    handshakes: Handshakes,
    guesses: Guesses,
}

/// Every access is relaxed: each of them is a number for itself, and orders nothing else.
#[derive(Debug, Default)]
struct Totals {
    connections: AtomicUsize,
    /// The most connections since somebody asked.
    peak_connections: AtomicUsize,
    rooms: AtomicUsize,
}

/// Counts one more, unless there are as many as there may be. Returns how many there are then.
fn take_one(count: &AtomicUsize, limit: usize) -> Option<usize> {
    let more = |count: usize| (count < limit).then_some(count + 1);
    let before = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    before.ok().map(|before| before + 1)
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
            totals: Totals::default(),
            connections_by_source: Tally::default(),
            rooms_by_game: Tally::default(),
            rooms_by_app: Tally::default(),
            handshakes: Handshakes::default(),
            guesses: Guesses::default(),
        })
    }

    /// What is admitted now.
    #[must_use]
    pub fn admitted(&self) -> Admitted {
        Admitted {
            connections: self.totals.connections.load(Ordering::Relaxed),
            rooms: self.totals.rooms.load(Ordering::Relaxed),
        }
    }

    /// What is admitted at most.
    #[must_use]
    pub const fn limits(&self) -> &AdmissionLimits {
        &self.limits
    }

    /// The most connections that there were since this was last asked, and how many there are now.
    pub fn take_peak_connections(&self) -> (usize, usize) {
        let now = self.totals.connections.load(Ordering::Relaxed);
        (self.totals.peak_connections.swap(now, Ordering::Relaxed), now)
    }

    /// Admits a connection from `address`, until the permit is dropped.
    ///
    /// # Errors
    ///
    /// The limit that is reached.
    pub fn admit_connection(self: &Arc<Self>, address: ClientAddress) -> Result<ConnectionPermit, ConnectionRefused> {
        self.permit_connection(address, &self.limits)
    }

    /// Admits again, whatever the limits, a connection that was admitted before it was frozen.
    pub fn restore_connection(self: &Arc<Self>, address: ClientAddress) -> ConnectionPermit {
        let limits = AdmissionLimits {
            connections: usize::MAX,
            connections_per_address: usize::MAX,
            ..self.limits
        };
        self.permit_connection(address, &limits)
            .expect("nothing reaches the highest number")
    }

    fn permit_connection(
        self: &Arc<Self>,
        address: ClientAddress,
        limits: &AdmissionLimits,
    ) -> Result<ConnectionPermit, ConnectionRefused> {
        let source = self.limits.sources.counted(address);
        let own = source.map(|source| self.connections_by_source.entry(source));
        let too_many = ConnectionRefused::Total {
            limit: limits.connections,
        };
        if self.totals.connections.load(Ordering::Relaxed) >= limits.connections {
            return Err(too_many);
        }
        if let Some(own) = &own
            && own.count() >= limits.connections_per_address
        {
            return Err(ConnectionRefused::PerAddress {
                limit: limits.connections_per_address,
            });
        }
        let connections = take_one(&self.totals.connections, limits.connections).ok_or(too_many)?;
        self.totals.peak_connections.fetch_max(connections, Ordering::Relaxed);
        if let Some(own) = own {
            own.add();
        }
        Ok(ConnectionPermit {
            ledger: Arc::clone(self),
            source,
        })
    }

    /// Which addresses are one source, and which count at all.
    #[must_use]
    pub fn sources(&self) -> SourceRule {
        self.limits.sources
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
        let app_limit = app
            .and_then(|(_, limit)| limit)
            .map_or(usize::MAX, |limit| limit as usize);
        self.permit_room(game_name, app.map(|(app, _)| app.clone()), app_limit, &self.limits)
    }

    /// Admits again, whatever the limits, a room that was admitted before it was frozen. `app` is the one that the room
    /// was counted for, which is not always its owner: a room can be adopted.
    pub fn restore_room(self: &Arc<Self>, game_name: &str, app: Option<AppId>) -> RoomPermit {
        let limits = AdmissionLimits {
            rooms: usize::MAX,
            rooms_per_game: usize::MAX,
            ..self.limits
        };
        self.permit_room(game_name, app, usize::MAX, &limits)
            .expect("nothing reaches the highest number")
    }

    fn permit_room(
        self: &Arc<Self>,
        game_name: &str,
        app: Option<AppId>,
        app_limit: usize,
        limits: &AdmissionLimits,
    ) -> Result<RoomPermit, RoomRefused> {
        let of_app = app.clone().map(|app| self.rooms_by_app.entry(app));
        if let Some(of_app) = &of_app
            && of_app.count() >= app_limit
        {
            return Err(RoomRefused::PerApp { limit: app_limit });
        }
        let of_game = self.rooms_by_game.entry(game_name.into());
        if of_game.count() >= limits.rooms_per_game {
            return Err(RoomRefused::PerGame {
                limit: limits.rooms_per_game,
            });
        }
        take_one(&self.totals.rooms, limits.rooms).ok_or(RoomRefused::Total { limit: limits.rooms })?;
        of_game.add();
        if let Some(of_app) = of_app {
            of_app.add();
        }
        Ok(RoomPermit {
            ledger: Arc::clone(self),
            game_name: game_name.into(),
            app,
        })
    }

    /// The handshakes that still count against a rate, for an archive. What is admitted is not part of it: connections and
    /// rooms are archived with their shards and [restored](Self::restore_connection) one by one.
    #[must_use]
    pub fn freeze_handshakes(&self, now_ms: u64) -> FrozenHandshakes {
        self.handshakes.freeze(now_ms)
    }

    /// Counts the handshakes of an archive again.
    pub fn thaw_handshakes(&self, frozen: FrozenHandshakes, now_ms: u64) {
        self.handshakes.thaw(frozen, now_ms);
    }

    /// Counts a handshake of `app` from `address` at `now_ms`, if the application's rate of `per_minute` in any sixty
    /// seconds allows it. One source that counts may use half of the rate, and at least one.
    pub fn admit_handshake(&self, app: &AppId, address: ClientAddress, per_minute: u32, now_ms: u64) -> bool {
        let per_minute = per_minute as usize;
        let rate = match self.limits.sources.counted(address) {
            Some(_) => Rate::shared(per_minute),
            None => Rate::unshared(per_minute),
        };
        self.handshakes
            .admit(app, self.limits.sources.source(address), rate, now_ms)
    }

    /// Whether a room may be looked for by a code that somebody at `address` has named.
    ///
    /// # Errors
    ///
    /// When too many codes from there have led nowhere.
    pub fn admit_guess(&self, address: ClientAddress, now_ms: u64) -> Result<(), GuessRefused> {
        let Some((source, limit)) = self.guesser(address) else {
            return Ok(());
        };
        let checked = self.guesses.check(source, limit, now_ms);
        checked.map_err(|retry_after_secs| GuessRefused { retry_after_secs })
    }

    /// Counts a code that led somebody at `address` nowhere.
    pub fn note_miss(&self, address: ClientAddress, now_ms: u64) -> Noted {
        match self.guesser(address) {
            Some((source, limit)) => self.guesses.note(source, limit, now_ms),
            None => Noted { has_displaced: false },
        }
    }

    /// The latest source whose joins by code are refused from now on, once.
    #[must_use]
    pub fn take_latest_guesser(&self) -> Option<Source> {
        self.guesses.take_latest()
    }

    /// Whom a code that was named counts for, and how often, if it counts.
    fn guesser(&self, address: ClientAddress) -> Option<(Source, GuessLimit)> {
        let limit = GuessLimit {
            misses: self.limits.failed_joins?,
            window_ms: self.limits.failed_joins_window_ms,
        };
        Some((self.limits.sources.counted(address)?, limit))
    }
}

/// An admitted connection. Dropping it gives the place back.
#[derive(Debug)]
#[must_use = "dropping the permit gives the place back"]
pub struct ConnectionPermit {
    ledger: Arc<AdmissionLedger>,
    source: Option<Source>,
}

impl ConnectionPermit {
    /// From now on the connection counts in all and for no source.
    pub(in crate::shard) fn leave_source(&mut self) {
        if let Some(source) = self.source.take() {
            self.ledger.connections_by_source.entry(source).release();
        }
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        // In all before it is of its source: so there are never more in all than the sources may have.
        let own = self
            .source
            .map(|source| self.ledger.connections_by_source.entry(source));
        self.ledger.totals.connections.fetch_sub(1, Ordering::Relaxed);
        if let Some(own) = own {
            own.release();
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
    pub(in crate::shard) const fn app(&self) -> Option<&AppId> {
        self.app.as_ref()
    }
}

impl Drop for RoomPermit {
    fn drop(&mut self) {
        let of_app = self.app.take().map(|app| self.ledger.rooms_by_app.entry(app));
        let of_game = self.ledger.rooms_by_game.entry(std::mem::take(&mut self.game_name));
        self.ledger.totals.rooms.fetch_sub(1, Ordering::Relaxed);
        of_game.release();
        if let Some(of_app) = of_app {
            of_app.release();
        }
    }
}
