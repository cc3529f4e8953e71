//! Rates and latency over time: the measured window in slots of equal length.

use hdrhistogram::Histogram;
use serde::Serialize;

const SLOTS: u64 = 60;
const MIN_SLOT_NS: u64 = 100_000_000;

/// A small histogram: 1 µs to a minute, two digits.
fn coarse_histogram() -> Histogram<u32> {
    Histogram::new_with_bounds(1, 60_000_000, 2).expect("the bounds are constants that the histogram allows")
}

/// What arrived in one slot.
#[derive(Clone)]
struct Slot {
    delivered: u64,
    latency_us: Histogram<u32>,
}

/// Deliveries by the time of their arrival.
#[derive(Clone)]
pub(crate) struct Timeline {
    start_ns: u64,
    end_ns: u64,
    slot_ns: u64,
    slots: Vec<Slot>,
    /// What has come since this was last taken, for the display.
    recent_us: Histogram<u32>,
}

/// One point of a plot.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Point {
    /// From the start of the window to the middle of the slot.
    pub(crate) seconds: f64,
    pub(crate) delivered_per_second: f64,
    /// Missing where nothing arrived.
    pub(crate) p50_us: Option<f64>,
    pub(crate) p99_us: Option<f64>,
    pub(crate) max_us: Option<f64>,
}

impl Timeline {
    /// Sixty slots, or fewer of at least 100 ms.
    pub(crate) fn new(window_ns: std::ops::Range<u64>) -> Self {
        let length_ns = window_ns.end - window_ns.start;
        let slot_ns = (length_ns / SLOTS).max(MIN_SLOT_NS);
        Self {
            start_ns: window_ns.start,
            end_ns: window_ns.end,
            slot_ns,
            slots: Vec::new(),
            recent_us: coarse_histogram(),
        }
    }

    /// Enters a delivery.
    pub(crate) fn delivered(&mut self, now_ns: u64, latency_ns: u64) {
        let latency_us = latency_ns / 1_000;
        self.recent_us.saturating_record(latency_us);
        if now_ns < self.start_ns || now_ns >= self.end_ns {
            return;
        }
        let at = ((now_ns - self.start_ns) / self.slot_ns) as usize;
        while self.slots.len() <= at {
            self.slots.push(Slot {
                delivered: 0,
                latency_us: coarse_histogram(),
            });
        }
        self.slots[at].delivered += 1;
        self.slots[at].latency_us.saturating_record(latency_us);
    }

    /// Moves what has come lately into `into`.
    pub(crate) fn drain_recent(&mut self, into: &mut Histogram<u32>) {
        *into += &self.recent_us;
        self.recent_us.reset();
    }

    /// Adds the deliveries of another thread over the same window.
    pub(crate) fn add(&mut self, other: &Self) {
        for (at, slot) in other.slots.iter().enumerate() {
            match self.slots.get_mut(at) {
                Some(ours) => {
                    ours.delivered += slot.delivered;
                    ours.latency_us += &slot.latency_us;
                }
                None => self.slots.push(slot.clone()),
            }
        }
    }

    /// The points of a plot, in order.
    pub(crate) fn points(&self) -> Vec<Point> {
        let seconds = |ns: u64| ns as f64 / 1e9;
        let slots = self.slots.iter().enumerate();
        slots
            .map(|(at, slot)| {
                let start_ns = at as u64 * self.slot_ns;
                // The last slot may be shorter.
                let length_ns = self.slot_ns.min(self.end_ns - self.start_ns - start_ns);
                let latency = |us: u64| (slot.delivered > 0).then_some(us as f64);
                Point {
                    seconds: seconds(start_ns + length_ns / 2),
                    delivered_per_second: slot.delivered as f64 / seconds(length_ns),
                    p50_us: latency(slot.latency_us.value_at_quantile(0.5)),
                    p99_us: latency(slot.latency_us.value_at_quantile(0.99)),
                    max_us: latency(slot.latency_us.max()),
                }
            })
            .collect()
    }
}

/// An empty histogram of what the display shows.
pub(crate) fn recent_histogram() -> Histogram<u32> {
    coarse_histogram()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deliveries_fall_into_their_slots_and_outside_into_none() {
        let mut timeline = Timeline::new(1_000_000_000..1_250_000_000);
        for (now_ns, latency_ns) in [
            (999_999_999, 1_000),
            (1_000_000_000, 5_000),
            (1_099_999_999, 7_000),
            (1_240_000_000, 90_000),
            (1_250_000_000, 1_000),
        ] {
            timeline.delivered(now_ns, latency_ns);
        }
        let mut other = Timeline::new(1_000_000_000..1_250_000_000);
        other.delivered(1_150_000_000, 40_000);
        timeline.add(&other);
        let points = timeline.points();
        let rates: Vec<f64> = points.iter().map(|point| point.delivered_per_second).collect();
        assert_eq!(rates, [20.0, 10.0, 20.0], "the last slot is half as long");
        assert_eq!((points[0].max_us, points[2].p50_us), (Some(7.0), Some(90.0)));
        let mut recent = recent_histogram();
        timeline.drain_recent(&mut recent);
        assert_eq!(recent.len(), 5, "the display sees warm-up and drain too");
    }

    #[test]
    fn a_slot_without_deliveries_has_no_latency() {
        let mut timeline = Timeline::new(0..300_000_000);
        timeline.delivered(250_000_000, 1_000);
        let points = timeline.points();
        assert_eq!((points[0].delivered_per_second, points[0].p99_us), (0.0, None));
    }
}
