//! How long things take.

use super::super::distribution::Distribution;
use super::super::family::Catalogue;
use super::super::reading::Reading;
use crate::shard::Timing;

pub(super) fn add(catalogue: &mut Catalogue, reading: &Reading) {
    catalogue.chapter("How long things take");
    let timings = reading.timings();
    catalogue.histogram(
        "relay_latency_seconds",
        "Inside the server, one for each accepted game-data message: from the begin of the turn that read it, or of the wait \
         for more messages before that, to the end of the turn's sends.",
        Distribution::of(&timings.relay),
    );
    catalogue.histogram(
        "outbox_sojourn_seconds",
        "One for each frame: from the moment at which it was queued, or the begin of that turn, to that at which its client's \
         socket had taken all of it.",
        Distribution::of(&timings.sojourn),
    );
    catalogue.histogram(
        "join_latency_seconds",
        "One for each seat that was given: from the begin of the turn that read the request to the end of the turn that \
         answered it, a move to another shard included.",
        Distribution::of(&timings.join),
    );
    catalogue.histogram(
        "ping_rtt_seconds",
        "From a ping of the server to its pong.",
        Distribution::of(&timings.ping),
    );
    add_ping_gauges(catalogue, &timings.ping);
}

/// The same as it was always shown.
fn add_ping_gauges(catalogue: &mut Catalogue, ping: &Timing) {
    let rtt = RoundTrips::of(ping);
    let mut gauge = |name: &str, help, value: fn(&RoundTrips) -> f64| {
        catalogue.gauge(&format!("websocket_ping_rtt_{name}"), help, rtt.as_ref().map(value));
    };
    gauge(
        "average_ms",
        "Mean time from a ping to its pong; nothing before the first.",
        |rtt| rtt.average_ms,
    );
    gauge("p50_ms", "Median of it.", |rtt| rtt.p50_ms);
    gauge("p95_ms", "Its 95th percentile.", |rtt| rtt.p95_ms);
    gauge("p99_ms", "Its 99th percentile.", |rtt| rtt.p99_ms);
    gauge("min_ms", "The least.", |rtt| rtt.min_ms);
    gauge("max_ms", "The most.", |rtt| rtt.max_ms);
    catalogue.counter(
        "websocket_ping_rtt_samples_total",
        "Pongs behind these.",
        ping.spans().len(),
    );
}

/// Times from pings to their pongs, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::metrics) struct RoundTrips {
    pub(in crate::metrics) average_ms: f64,
    pub(in crate::metrics) p50_ms: f64,
    pub(in crate::metrics) p95_ms: f64,
    pub(in crate::metrics) p99_ms: f64,
    pub(in crate::metrics) min_ms: f64,
    pub(in crate::metrics) max_ms: f64,
}

impl RoundTrips {
    /// `None`: there was no pong yet.
    pub(in crate::metrics) fn of(ping: &Timing) -> Option<Self> {
        let spans = ping.spans();
        let ms = |span_us: u64| span_us as f64 / 1e3;
        (!spans.is_empty()).then(|| Self {
            average_ms: ms(ping.sum_us()) / spans.len() as f64,
            p50_ms: ms(spans.value_at_quantile(0.5)),
            p95_ms: ms(spans.value_at_quantile(0.95)),
            p99_ms: ms(spans.value_at_quantile(0.99)),
            min_ms: ms(spans.min()),
            max_ms: ms(spans.max()),
        })
    }
}
