//! What a shard keeps: connections, rooms, what moves between shards, and what is remembered of a turn.
//!
//! Data and its own rules only; must never send, and must know nothing of requests.

pub(super) mod access_wait;
pub(super) mod app_meters;
pub(super) mod code_search;
pub(super) mod connection;
pub(super) mod deadlines;
pub(super) mod drain;
pub(super) mod flight;
pub(super) mod free_rate;
pub(super) mod gallery_news;
pub(super) mod last_decisions;
pub(super) mod load;
pub(super) mod room_event;
pub(super) mod room_key;
pub(super) mod rooms;
pub(super) mod sessions;
pub(super) mod share;
pub(super) mod standing;
pub(super) mod sweep;
pub(super) mod table;
pub(super) mod tail;
pub(super) mod transfer;
pub(super) mod traveller;
pub(super) mod uptake;
