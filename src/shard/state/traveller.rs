//! What goes with a connection wherever it goes: to another shard, into an archive and back.
//!
//! The link, the permit and the standing go too, in a form of their own each; see
//! [`Parts`](super::connection::Parts), which no field of a connection can escape in silence.

use crate::protocol::OperationId;
use crate::session::Session;
use crate::shard::outbox::Outbox;
use crate::shard::outbox::account::DeliveryAccount;
use crate::shard::state::free_rate::FreeRate;
use crate::shard::state::uptake::Uptake;

/// What is the peer's, and not the shard's that holds the connection.
#[derive(Debug, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(in crate::shard) struct Traveller {
    pub(in crate::shard) session: Session,
    /// A frame of which a part was sent goes on at its next byte.
    pub(in crate::shard) outbox: Outbox,
    /// Whether the link has taken bytes that the socket has not.
    pub(in crate::shard) link_keeps: bool,
    pub(in crate::shard) account: DeliveryAccount,
    /// Who does not read does not begin anew by moving.
    pub(in crate::shard) uptake: Uptake,
    pub(in crate::shard) free_rate: FreeRate,
    pub(in crate::shard) last_inbound_ms: u64,
    pub(in crate::shard) last_activity_ms: u64,
    /// The answer may come anywhere.
    pub(in crate::shard) probe: Option<Probe>,
    /// Its time is bounded wherever the rest of it arrives.
    pub(in crate::shard) unfinished: Option<Unfinished>,
    /// The time since then was not yet given back to the timers.
    pub(in crate::shard) paced_since_ms: Option<u64>,
    pub(in crate::shard) next_stats_ms: Option<u64>,
    /// What it asks for may be answered elsewhere.
    pub(in crate::shard) operation: Option<OperationId>,
}

impl Traveller {
    /// That of a connection which begins now.
    pub(in crate::shard) fn new(session: Session, now_ms: u64) -> Self {
        Self {
            session,
            outbox: Outbox::default(),
            link_keeps: false,
            account: DeliveryAccount::default(),
            uptake: Uptake::new(now_ms),
            free_rate: FreeRate::default(),
            last_inbound_ms: now_ms,
            last_activity_ms: now_ms,
            probe: None,
            unfinished: None,
            paced_since_ms: None,
            next_stats_ms: None,
            operation: None,
        }
    }
}

/// A WebSocket ping that the server sent. Any sign of life answers it.
#[derive(Debug, Clone, Copy, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(in crate::shard) struct Probe {
    pub(in crate::shard) sent_at_ms: u64,
}

/// The same as it is measured.
#[derive(Debug, Clone, Copy)]
pub(in crate::shard) struct Ping {
    pub(in crate::shard) payload: [u8; 8],
    /// Microseconds of the monotonic clock.
    pub(in crate::shard) sent_at_us: u64,
}

/// A message of which a part has arrived.
#[derive(Debug, Clone, Copy, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub(in crate::shard) struct Unfinished {
    pub(in crate::shard) since_ms: u64,
    /// How long it will be, as far as its frames have said.
    pub(in crate::shard) bytes: u64,
}

impl Unfinished {
    /// The time that any message has, however short.
    const GRACE_MS: u64 = 10_000;
    /// Bytes for each of which a further millisecond is granted: 4 kB a second, less than half of what a slow line with 10 kB/s gives.
    const BYTES_PER_MS: u64 = 4;

    /// When it must be complete. Until then its bytes are signs of life; a trickle is no way to live for ever.
    pub(in crate::shard) const fn deadline_ms(self) -> u64 {
        let granted_ms = Self::GRACE_MS + self.bytes / Self::BYTES_PER_MS;
        self.since_ms.saturating_add(granted_ms)
    }
}
