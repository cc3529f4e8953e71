//! What every route knows.

use std::sync::Arc;

use crate::control::shards::Shards;
use crate::net::http::Site;

/// What every route knows.
#[derive(Debug)]
pub(in crate::control) struct Known {
    pub(in crate::control) site: Arc<Site>,
    pub(in crate::control) shards: Shards,
}
