//! What all shards of a process share. Read-mostly; no lock is taken on the relay path.

pub(super) mod access;
pub mod admission;
pub(super) mod counters;
pub(super) mod ice;
pub(super) mod id;
pub(super) mod now;
pub mod presence;
pub mod refusals;
pub(super) mod settings;
pub(super) mod slots;
pub(super) mod source;
pub(super) mod stripes;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};

use crate::shard::world::access::LiveAccess;
use crate::shard::world::admission::{AdmissionLedger, AdmissionLimits};
use crate::shard::world::counters::Counters;
use crate::shard::world::id::ShardId;
use crate::shard::world::presence::Presence;
use crate::shard::world::refusals::Refusals;
use crate::shard::world::settings::Settings;
use crate::shard::world::slots::{SlotKey, SlotTable};

/// The shared part of a process's shards.
#[derive(Debug)]
pub struct World {
    /// What the operator decided.
    pub settings: Settings,
    /// Who is let in now.
    pub access: LiveAccess,
    /// Where slots live.
    pub slots: SlotTable,
    /// What slots are hashed under.
    pub slot_key: SlotKey,
    /// Limits of the whole process.
    pub ledger: Arc<AdmissionLedger>,
    /// Which player ids are connected.
    pub presence: Presence,
    /// Who was refused what, wherever in the process.
    pub refusals: Refusals,
    loads: Box<[Load]>,
    counters: Box<[Counters]>,
    drain: AtomicU8,
    /// How many rooms were deleted on all shards.
    sessions_completed: AtomicU64,
}

/// How many members a shard's rooms have. On a cache line of its own: every join writes it.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Load(AtomicUsize);

/// Everybody is taken in.
const SERVES: u8 = 0;
/// An operator wants the server empty.
const DRAINS: u8 = 1;
/// The process is about to stop.
const STOPS: u8 = 2;

impl World {
    /// The world of `shards` shards.
    #[must_use]
    pub fn new(settings: Settings, limits: AdmissionLimits, shards: u16, slot_key: SlotKey) -> Arc<Self> {
        Arc::new(Self {
            access: LiveAccess::new(settings.access.clone()),
            settings,
            slots: SlotTable::even(shards),
            slot_key,
            ledger: AdmissionLedger::new(limits),
            presence: Presence::default(),
            refusals: Refusals::default(),
            loads: (0..shards).map(|_| Load::default()).collect(),
            counters: (0..shards).map(|_| Counters::default()).collect(),
            drain: AtomicU8::new(SERVES),
            sessions_completed: AtomicU64::new(0),
        })
    }

    /// How many shards there are.
    #[must_use]
    pub fn shards(&self) -> u16 {
        self.loads.len() as u16
    }

    /// How many members the rooms of a shard have.
    #[must_use]
    pub fn load(&self, shard: ShardId) -> usize {
        self.loads[shard.index()].0.load(Ordering::Relaxed)
    }

    /// Publishes how many members the rooms of a shard have.
    pub(in crate::shard) fn publish_load(&self, shard: ShardId, members: usize) {
        self.loads[shard.index()].0.store(members, Ordering::Relaxed);
    }

    /// What a shard counts.
    #[must_use]
    pub fn counters(&self, shard: ShardId) -> &Counters {
        &self.counters[shard.index()]
    }

    /// The next number of a deleted room. Rooms are deleted seldom enough for one counter that all shards write.
    pub(in crate::shard) fn next_session_number(&self) -> u64 {
        self.sessions_completed.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The less loaded of two shards.
    #[must_use]
    pub fn less_loaded(&self, one: ShardId, other: ShardId) -> ShardId {
        if self.load(other) < self.load(one) { other } else { one }
    }

    /// Whether nobody new is taken in: the process is about to stop, or an operator wants it empty.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.drain.load(Ordering::Relaxed) != SERVES
    }

    /// Whether the process is about to stop.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.drain.load(Ordering::Relaxed) == STOPS
    }

    /// Says that the process is about to stop. There is no way back.
    pub fn begin_drain(&self) {
        self.drain.store(STOPS, Ordering::Relaxed);
    }

    /// Takes nobody new in, as at a stop, or does again: whoever is here goes on either way. Returns whether that changed
    /// anything; of a process that is about to stop nothing changes.
    pub fn drain_for_operator(&self, drains: bool) -> bool {
        let (from, to) = if drains { (SERVES, DRAINS) } else { (DRAINS, SERVES) };
        let changed = self
            .drain
            .compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed);
        changed.is_ok()
    }
}
