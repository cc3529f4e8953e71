//! How far a shard's loop is on its way to the end.

/// How far a pump is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Connections are taken in.
    Serving,
    /// Nobody is taken in; those who are here go on until this moment.
    Draining { until_ms: u64 },
    /// Everybody is being closed, one after the other, until this moment.
    Dismissing { until_ms: u64 },
    /// Everybody has been told; what is queued is sent until this moment at the latest.
    Flushing { until_ms: u64 },
}
