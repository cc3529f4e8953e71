//! How far a shard's goodbye is.

use crate::protocol::server_message::GoingAway;

/// How far a shard's goodbye is.
#[derive(Debug, Default)]
pub(in crate::shard) struct Drain {
    /// What everybody who reads version 3 is told, also those who arrive later.
    pub(in crate::shard) notice: Option<GoingAway>,
    /// When the last connections are closed, once the closing has begun.
    pub(in crate::shard) last_close_ms: Option<u64>,
    /// Whether those who leave now leave together with their room mates: nobody needs to be told.
    pub(in crate::shard) leaves_untold: bool,
}
