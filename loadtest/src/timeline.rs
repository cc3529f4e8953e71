//! Rates and latency over time: the whole measured window in slots of equal length, whether anything comes or not.

use std::ops::Range;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::outage::{Gap, TICK_NS, Ticks};

const SLOTS: u64 = 120;
/// Ten ticks.
const MIN_SLOT_NS: u64 = 10 * TICK_NS;

/// A small histogram: 1 µs to a minute, two digits.
fn coarse_histogram() -> Histogram<u32> {
    Histogram::new_with_bounds(1, 60_000_000, 2).expect("the bounds are constants that the histogram allows")
}

/// The window in slots, whole ticks each.
#[derive(Debug, Clone, Copy)]
struct Slots {
    start_ns: u64,
    end_ns: u64,
    slot_ns: u64,
}

/// What happened in one slot.
#[derive(Clone, Default)]
struct Slot {
    /// Deliveries owed for messages due in it.
    owed: u64,
    /// Deliveries received in it.
    delivered: u64,
    /// Of those, by group; empty while nothing has come.
    latency_us: Vec<Histogram<u32>>,
}

/// Where something fell last. Times mostly come in order, so most are found where the last one was.
#[derive(Clone, Default)]
struct Cursor {
    tick_ns: Range<u64>,
    slot: usize,
}

/// Deliveries by the time of their arrival, and what was owed by the time it was due.
#[derive(Clone)]
pub(crate) struct Timeline {
    slots: Slots,
    cells: Vec<Slot>,
    groups: usize,
    arrivals: Ticks,
    arrival: Cursor,
    dues: Ticks,
    due: Cursor,
    /// In which ticks a thread listened; silence while none did is not the server's.
    heeded: Ticks,
    /// What has come since this was last taken, for the display.
    recent_us: Histogram<u32>,
}

/// One point of a plot.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Point {
    /// From the start of the window to the middle of the slot.
    pub(crate) seconds: f64,
    pub(crate) delivered_per_second: f64,
    /// By the time at which the messages were due.
    pub(crate) owed_per_second: f64,
    /// Deliveries of messages due in this slot that never came.
    pub(crate) lost: u64,
    /// Missing where nothing arrived.
    pub(crate) p50_us: Option<f64>,
    pub(crate) p99_us: Option<f64>,
    pub(crate) max_us: Option<f64>,
    /// Of each group, where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) p99_by_group_us: Vec<Option<f64>>,
}

impl Slots {
    /// 120 of them, or fewer of at least 100 ms.
    fn new(window_ns: &Range<u64>) -> Self {
        let length_ns = window_ns.end - window_ns.start;
        let slot_ns = (length_ns.div_ceil(SLOTS)).next_multiple_of(TICK_NS).max(MIN_SLOT_NS);
        Self {
            start_ns: window_ns.start,
            end_ns: window_ns.end,
            slot_ns,
        }
    }

    fn count(self) -> usize {
        (self.end_ns - self.start_ns).div_ceil(self.slot_ns) as usize
    }

    /// Start and length of a slot from the start of the window. The last slot may be shorter.
    fn span_ns(self, at: usize) -> (u64, u64) {
        let start_ns = at as u64 * self.slot_ns;
        (start_ns, self.slot_ns.min(self.end_ns - self.start_ns - start_ns))
    }

    fn contains(self, ns: u64) -> bool {
        (self.start_ns..self.end_ns).contains(&ns)
    }
}

impl Cursor {
    /// Goes to a time within the window.
    fn go_to(&mut self, ns: u64, slots: Slots, ticks: &mut Ticks) {
        if self.tick_ns.contains(&ns) {
            return;
        }
        let since_ns = ns - slots.start_ns;
        let tick = since_ns / TICK_NS;
        ticks.mark(tick as usize);
        let tick_start_ns = slots.start_ns + tick * TICK_NS;
        self.tick_ns = tick_start_ns..tick_start_ns + TICK_NS;
        self.slot = (since_ns / slots.slot_ns) as usize;
    }
}

impl Timeline {
    pub(crate) fn new(window_ns: Range<u64>, groups: usize) -> Self {
        let slots = Slots::new(&window_ns);
        let ticks = Ticks::new((window_ns.end - window_ns.start).div_ceil(TICK_NS) as usize);
        Self {
            slots,
            cells: vec![Slot::default(); slots.count()],
            groups,
            arrivals: ticks.clone(),
            arrival: Cursor::default(),
            heeded: ticks.clone(),
            dues: ticks,
            due: Cursor::default(),
            recent_us: coarse_histogram(),
        }
    }

    /// How many slots there are.
    pub(crate) fn slots(&self) -> usize {
        self.cells.len()
    }

    /// Deliveries are owed for a message that was due at some time; tells its slot, if it has one.
    pub(crate) fn owed(&mut self, due_ns: u64, deliveries: u64) -> Option<usize> {
        if !self.slots.contains(due_ns) {
            return None;
        }
        self.due.go_to(due_ns, self.slots, &mut self.dues);
        self.cells[self.due.slot].owed += deliveries;
        Some(self.due.slot)
    }

    /// Enters a delivery.
    pub(crate) fn delivered(&mut self, now_ns: u64) {
        if self.slots.contains(now_ns) {
            self.arrival.go_to(now_ns, self.slots, &mut self.arrivals);
            self.cells[self.arrival.slot].delivered += 1;
        }
    }

    /// The delivery that was just entered took so long, and not by its receiver's doing.
    pub(crate) fn timed(&mut self, group: usize, now_ns: u64, latency_ns: u64) {
        let latency_us = latency_ns / 1_000;
        self.recent_us.saturating_record(latency_us);
        if !self.slots.contains(now_ns) {
            return;
        }
        let cell = &mut self.cells[self.arrival.slot];
        if cell.latency_us.is_empty() {
            cell.latency_us = vec![coarse_histogram(); self.groups];
        }
        cell.latency_us[group].saturating_record(latency_us);
    }

    /// The thread has listened through the window but for these times, which are in order.
    pub(crate) fn heeded_but(&mut self, absences: &[Range<u64>]) {
        let tick_ns = |tick: usize| self.slots.start_ns + tick as u64 * TICK_NS;
        for tick in 0..self.heeded.count() {
            let next = absences.partition_point(|absence| absence.end <= tick_ns(tick));
            if absences
                .get(next)
                .is_none_or(|absence| !absence.contains(&tick_ns(tick)))
            {
                self.heeded.mark(tick);
            }
        }
    }

    /// Moves what has come lately into `into`.
    pub(crate) fn drain_recent(&mut self, into: &mut Histogram<u32>) {
        *into += &self.recent_us;
        self.recent_us.reset();
    }

    /// Adds what another thread saw over the same window.
    pub(crate) fn add(&mut self, other: &Self) {
        self.groups = self.groups.max(other.groups);
        self.arrivals.add(&other.arrivals);
        self.dues.add(&other.dues);
        self.heeded.add(&other.heeded);
        for (ours, theirs) in self.cells.iter_mut().zip(&other.cells) {
            ours.owed += theirs.owed;
            ours.delivered += theirs.delivered;
            if ours.latency_us.len() < theirs.latency_us.len() {
                ours.latency_us.resize_with(theirs.latency_us.len(), coarse_histogram);
            }
            for (ours, theirs) in ours.latency_us.iter_mut().zip(&theirs.latency_us) {
                *ours += theirs;
            }
        }
    }

    /// When nothing came although something was owed, in the first `length` of the window. In a closed loop something
    /// always is.
    pub(crate) fn gaps(&self, length: Duration, always_owed: bool) -> Vec<Gap> {
        let until = (length.as_nanos() as u64).div_ceil(TICK_NS) as usize;
        let mut no_silence = self.arrivals.clone();
        let unheeded = (0..no_silence.count()).filter(|&tick| !self.heeded.is_marked(tick));
        unheeded.for_each(|tick| no_silence.mark(tick));
        no_silence.gaps(until, |tick| always_owed || self.dues.is_marked(tick))
    }

    /// The points of a plot, in order, given what was lost by slot.
    pub(crate) fn points(&self, lost: &[u64]) -> Vec<Point> {
        let seconds = |ns: u64| ns as f64 / 1e9;
        let points = self.cells.iter().enumerate().map(|(at, cell)| {
            let (start_ns, length_ns) = self.slots.span_ns(at);
            let mut all_us = coarse_histogram();
            cell.latency_us.iter().for_each(|of_group| all_us += of_group);
            let told = |us: u64, of: &Histogram<u32>| (!of.is_empty()).then_some(us as f64);
            let p99_us = |of: &Histogram<u32>| told(of.value_at_quantile(0.99), of);
            let groups = if self.groups > 1 { self.groups } else { 0 };
            Point {
                seconds: seconds(start_ns + length_ns / 2),
                delivered_per_second: cell.delivered as f64 / seconds(length_ns),
                owed_per_second: cell.owed as f64 / seconds(length_ns),
                lost: lost.get(at).copied().unwrap_or(0),
                p50_us: told(all_us.value_at_quantile(0.5), &all_us),
                p99_us: p99_us(&all_us),
                max_us: told(all_us.max(), &all_us),
                p99_by_group_us: (0..groups)
                    .map(|group| cell.latency_us.get(group).and_then(p99_us))
                    .collect(),
            }
        });
        points.collect()
    }
}

/// An empty histogram of what the display shows.
pub(crate) fn recent_histogram() -> Histogram<u32> {
    coarse_histogram()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deliver(timeline: &mut Timeline, group: usize, now_ns: u64, latency_ns: u64) {
        timeline.delivered(now_ns);
        timeline.timed(group, now_ns, latency_ns);
    }

    #[test]
    fn deliveries_fall_into_their_slots_and_outside_into_none() {
        let window_ns = 1_000_000_000..1_250_000_000;
        let mut timeline = Timeline::new(window_ns.clone(), 1);
        for (now_ns, latency_ns) in [
            (999_999_999, 1_000),
            (1_000_000_000, 5_000),
            (1_099_999_999, 7_000),
            (1_240_000_000, 90_000),
            (1_250_000_000, 1_000),
        ] {
            deliver(&mut timeline, 0, now_ns, latency_ns);
        }
        let mut other = Timeline::new(window_ns, 1);
        deliver(&mut other, 0, 1_150_000_000, 40_000);
        timeline.add(&other);
        let points = timeline.points(&[]);
        let rates: Vec<f64> = points.iter().map(|point| point.delivered_per_second).collect();
        assert_eq!(rates, [20.0, 10.0, 20.0], "the last slot is half as long");
        assert_eq!((points[0].max_us, points[2].p50_us), (Some(7.0), Some(90.0)));
        let mut recent = recent_histogram();
        timeline.drain_recent(&mut recent);
        assert_eq!(recent.len(), 5, "the display sees warm-up and drain too");
    }

    #[test]
    fn the_points_go_to_the_end_of_the_window_whatever_comes() {
        let mut timeline = Timeline::new(0..10_000_000_000, 1);
        assert_eq!(timeline.owed(50_000_000, 3), Some(0));
        assert_eq!(timeline.owed(9_950_000_000, 3), Some(99));
        assert_eq!(timeline.owed(10_000_000_000, 3), None);
        deliver(&mut timeline, 0, 60_000_000, 1_000);
        let points = timeline.points(&[0, 4]);
        assert_eq!((points.len(), points[99].seconds), (100, 9.95));
        assert_eq!(
            (points[99].owed_per_second, points[99].delivered_per_second),
            (30.0, 0.0)
        );
        assert_eq!((points[1].lost, points[1].p99_us, points[2].lost), (4, None, 0));
    }

    #[test]
    fn groups_have_latencies_of_their_own() {
        let mut timeline = Timeline::new(0..100_000_000, 2);
        deliver(&mut timeline, 1, 1_000, 40_000);
        let points = timeline.points(&[]);
        assert_eq!(points[0].p99_by_group_us, [None, Some(40.0)]);
        assert_eq!(points[0].p99_us, Some(40.0));
    }

    #[test]
    fn a_message_owed_and_not_delivered_for_long_is_a_gap() {
        let mut timeline = Timeline::new(0..2_000_000_000, 1);
        timeline.owed(0, 1);
        timeline.delivered(1_000_000);
        timeline.owed(500_000_000, 1);
        timeline.delivered(1_300_000_000);
        let mut absent = timeline.clone();
        timeline.heeded_but(&[]);
        let gaps = timeline.gaps(Duration::from_secs(2), false);
        assert_eq!(
            gaps,
            [Gap {
                stopped_ns: 500_000_000,
                back_ns: Some(1_300_000_000)
            }]
        );
        absent.heeded_but(std::slice::from_ref(&(510_000_000..1_300_000_000)));
        assert_eq!(absent.gaps(Duration::from_secs(2), false), [], "nobody listened");
        absent.add(&timeline);
        assert_eq!(absent.gaps(Duration::from_secs(2), false), gaps, "another thread did");
    }
}
