//! What limits of rates have refused.

use serde_json::{Map, Value};

use super::super::reading::Reading;
use crate::shard::CounterSet;

type Limit = (&'static str, fn(&CounterSet) -> u64);

const LIMITS: [Limit; 8] = [
    ("auth_rejections", |counters| counters.auth_limited.get()),
    ("room_creation_rejections", |counters| counters.creations_limited.get()),
    ("join_attempt_rejections", |counters| counters.joins_limited.get()),
    ("signal_rejections", |counters| counters.signals_limited.get()),
    ("signal_error_rejections", |counters| {
        counters.signal_errors_limited.get()
    }),
    ("relay_bandwidth_rejections", |counters| counters.relay_limited.get()),
    ("relay_room_bandwidth_rejections", |counters| {
        counters.room_relay_limited.get()
    }),
    ("inbound_error_reply_rejections", |counters| {
        counters.replies_limited.get()
    }),
];

/// Each limit under its name.
pub(in crate::metrics) fn by_name(reading: &Reading) -> Map<String, Value> {
    let limits = LIMITS.into_iter();
    limits
        .map(|(name, refused)| (name.to_owned(), reading.sum(refused).into()))
        .collect()
}

/// All of them together.
pub(in crate::metrics) fn total(reading: &Reading) -> u64 {
    LIMITS.into_iter().map(|(_, refused)| reading.sum(refused)).sum()
}
