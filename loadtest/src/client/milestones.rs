//! How long connections take until they are of use, one by one and together.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::client::tls::Agreed;
use crate::histogram::latency_histogram;

/// When one connection came how far.
#[derive(Debug, Clone)]
pub(crate) struct Milestones {
    pub(crate) begun: Instant,
    pub(crate) connected: Option<Instant>,
    /// The end of the TLS handshake, and its result.
    pub(crate) secured: Option<(Instant, Agreed)>,
    pub(crate) upgraded: Option<Instant>,
}

impl Milestones {
    pub(super) fn begin() -> Self {
        Self {
            begun: Instant::now(),
            connected: None,
            secured: None,
            upgraded: None,
        }
    }

    /// The last step before anything of WebSocket is said.
    pub(crate) fn open(&self) -> Option<Instant> {
        self.secured.as_ref().map(|(at, _)| *at).or(self.connected)
    }
}

/// What many connections took to open.
#[derive(Debug)]
pub(crate) struct Openings {
    pub(crate) connect_ns: Histogram<u64>,
    /// Only TLS.
    pub(crate) handshake_ns: Histogram<u64>,
    /// From the first step to the end of the handshake, or of the connecting where there is no TLS.
    pub(crate) open_ns: Histogram<u64>,
    /// From then on to the server's agreement to speak WebSocket.
    pub(crate) upgrade_ns: Histogram<u64>,
    pub(crate) resumed: u64,
    /// Connections by version and cipher suite.
    pub(crate) suites: BTreeMap<String, u64>,
    /// When the first began, and the last was open.
    span: Option<(Instant, Instant)>,
}

impl Default for Openings {
    fn default() -> Self {
        Self {
            connect_ns: latency_histogram(),
            handshake_ns: latency_histogram(),
            open_ns: latency_histogram(),
            upgrade_ns: latency_histogram(),
            resumed: 0,
            suites: BTreeMap::new(),
            span: None,
        }
    }
}

impl Openings {
    /// Counts a connection, as far as it came.
    pub(crate) fn note(&mut self, of: &Milestones) {
        let record = |histogram: &mut Histogram<u64>, from: Instant, to: Instant| {
            histogram.saturating_record(to.saturating_duration_since(from).as_nanos() as u64);
        };
        let (Some(connected), Some(open)) = (of.connected, of.open()) else {
            return;
        };
        record(&mut self.connect_ns, of.begun, connected);
        if let Some((secured, agreed)) = &of.secured {
            record(&mut self.handshake_ns, connected, *secured);
            self.resumed += u64::from(agreed.resumed);
            *self.suites.entry(agreed.suite.clone()).or_default() += 1;
        }
        record(&mut self.open_ns, of.begun, open);
        if let Some(upgraded) = of.upgraded {
            record(&mut self.upgrade_ns, open, upgraded);
        }
        self.extend(of.begun, open);
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.connect_ns += &other.connect_ns;
        self.handshake_ns += &other.handshake_ns;
        self.open_ns += &other.open_ns;
        self.upgrade_ns += &other.upgrade_ns;
        self.resumed += other.resumed;
        for (suite, count) in &other.suites {
            *self.suites.entry(suite.clone()).or_default() += count;
        }
        if let Some((first, last)) = other.span {
            self.extend(first, last);
        }
    }

    fn extend(&mut self, first: Instant, last: Instant) {
        let (earliest, latest) = self.span.unwrap_or((first, last));
        self.span = Some((earliest.min(first), latest.max(last)));
    }

    /// The time that all took together means nothing.
    pub(super) fn forget_rate(&mut self) {
        self.span = None;
    }

    pub(crate) fn count(&self) -> u64 {
        self.open_ns.len()
    }

    /// From the first step of the first to the last of the last.
    pub(crate) fn length(&self) -> Duration {
        self.span
            .map_or(Duration::ZERO, |(first, last)| last.saturating_duration_since(first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_has_a_time_of_its_own() {
        let begun = Instant::now();
        let after = |ms| begun + Duration::from_millis(ms);
        let agreed = Agreed {
            suite: "a suite".to_owned(),
            resumed: true,
        };
        let mut openings = Openings::default();
        openings.note(&Milestones {
            begun,
            connected: Some(after(1)),
            secured: Some((after(5), agreed)),
            upgraded: Some(after(7)),
        });
        openings.note(&Milestones {
            begun: after(10),
            connected: None,
            secured: None,
            upgraded: None,
        });
        let mut all = Openings::default();
        all.add(&openings);
        let took_ms =
            [&all.connect_ns, &all.handshake_ns, &all.open_ns, &all.upgrade_ns].map(|all| all.max() / 1_000_000);
        assert_eq!(took_ms, [1, 4, 5, 2]);
        assert_eq!((all.count(), all.resumed, all.suites["a suite"]), (1, 1, 1));
        assert_eq!(all.length(), Duration::from_millis(5));
    }
}
