//! Families that other servers of the protocol show and this one does not, with the reason.

/// A family that has no meaning here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Absent {
    /// Its name without the prefix.
    pub(super) name: &'static str,
    /// Why it has none.
    pub(super) why: &'static str,
}

const NO_LOCK: &str = "no lock is taken for a room: its shard alone changes it, and caps are counted without one";
const ALONE: &str = "no server knows another; the name is reserved, and always 0 elsewhere too";

/// All of them.
pub(super) const ABSENT: &[Absent] = &[
    absent(
        "websocket_slow_consumer_eviction_attributions_total",
        "a reader is judged by what it leaves unread and not by who sent it; a label with a player's id would be a series for each player",
    ),
    absent(
        "websocket_deliveries_canceled_total",
        "a message is queued in the moment in which it is decided; nothing is withdrawn later",
    ),
    absent("room_cap_lock_acquisitions_total", NO_LOCK),
    absent("room_cap_lock_failures_total", NO_LOCK),
    absent(
        "cleanup_pending_publications",
        "a room is made and seen in one step; none is ever half made",
    ),
    absent("distributed_lock_release_failures_total", NO_LOCK),
    absent("distributed_lock_renewal_failures_total", NO_LOCK),
    absent("distributed_lock_cleanup_runs_total", NO_LOCK),
    absent("distributed_lock_cleanup_removed_total", NO_LOCK),
    absent("cross_instance_messages_total", ALONE),
    absent("cross_instance_membership_updates_published_total", ALONE),
    absent("cross_instance_membership_updates_received_total", ALONE),
    absent("cross_instance_membership_known_broadcasts_total", ALONE),
    absent("cross_instance_membership_forced_broadcasts_total", ALONE),
    absent("cross_instance_membership_skipped_broadcasts_total", ALONE),
];

const fn absent(name: &'static str, why: &'static str) -> Absent {
    Absent { name, why }
}
