//! All generator threads together: brings them up, gives the same orders to all, gathers what they found.

use std::io::{IsTerminal, Write};
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use hdrhistogram::Histogram;

use crate::clock::Clock;
use crate::crew::OutOfReach;
use crate::histogram::latency_histogram;
use crate::interruption::{self, Curfew};
use crate::progress::{Progress, Reading};
use crate::scenario::{Scenario, Traffic};
use crate::sys;
use crate::timeline::Timeline;
use crate::worker::meter::StepFigures;
use crate::worker::operations::OperationFigures;
use crate::worker::{self, Account, Order, Outcome, Reply};

/// Between the order and the first send, so that all threads are ready.
const LEAD_NS: u64 = 200_000_000;
/// Descriptors beyond those of the connections.
const SPARE_DESCRIPTORS: u64 = 64;
/// Between two lines of the display.
const DISPLAY: Duration = Duration::from_secs(1);
/// Between two looks at what has come meanwhile: replies, interruptions, the time.
const GLANCE_NS: u64 = 50_000_000;

/// The generator threads of a test, with all players joined.
pub(crate) struct Fleet {
    clock: Clock,
    orders: Vec<Sender<Order>>,
    replies: Receiver<Reply>,
    curfew: Arc<Curfew>,
    display: Display,
}

/// What all threads measured in one stretch of traffic. Counts are those of the measured window.
pub(crate) struct Findings {
    /// Of all groups together.
    pub(crate) latency_ns: Histogram<u64>,
    /// Of each.
    pub(crate) latency_by_group_ns: Vec<Histogram<u64>>,
    pub(crate) send_lag_ns: Histogram<u64>,
    pub(crate) sent: u64,
    pub(crate) delivered: u64,
    pub(crate) reads: u64,
    /// CPU time of each thread, polling in vain not counted.
    pub(crate) busy_ns: Vec<u64>,
    /// Time that all threads together were ready to run and got no CPU.
    pub(crate) cpu_wait_ns: u64,
    /// Length of the measured window: what was asked for, or what it came to.
    pub(crate) measured: Duration,
    pub(crate) timeline: Timeline,
    /// One for each step.
    pub(crate) steps: Vec<StepFigures>,
    /// What served the generator's sockets.
    pub(crate) port: &'static str,
    /// From the loss of a socket to the seat taken again, of the whole stretch.
    pub(crate) back_ns: Histogram<u64>,
    pub(crate) operations: OperationFigures,
}

/// A moment of the measured window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    Start,
    Within,
    End,
}

impl Fleet {
    /// Starts the threads and waits until every player has joined its room.
    pub(crate) fn assemble(scenario: &Scenario) -> Result<Self> {
        let needed = u64::from(scenario.connections()) + SPARE_DESCRIPTORS;
        let allowed = sys::raise_file_limit().context("cannot raise the limit of open files")?;
        ensure!(
            allowed >= needed,
            OutOfReach(format!(
                "{needed} open files are needed and {allowed} allowed; raise the hard limit (ulimit -Hn, LimitNOFILE)"
            ))
        );
        let clock = Clock::start();
        let scenario = Arc::new(scenario.clone());
        let (to_us, replies) = channel();
        let mut orders = Vec::new();
        let mut progress = Vec::new();
        for thread in 0..scenario.threads {
            let (order, of_worker) = channel();
            let shown = Arc::new(Progress::default());
            orders.push(order);
            progress.push(Arc::clone(&shown));
            let (scenario, to_us) = (Arc::clone(&scenario), to_us.clone());
            std::thread::Builder::new()
                .name(format!("generator-{thread}"))
                .spawn(move || worker::run(scenario, thread, clock, shown, &of_worker, &to_us))
                .context("cannot start a thread")?;
        }
        let mut fleet = Self {
            clock,
            orders,
            replies,
            curfew: Arc::default(),
            display: Display::new(progress),
        };
        // Whoever interrupts now need not wait for the rest to come in.
        fleet.gather(interruption::check, |reply| matches!(reply, Reply::Ready).then_some(()))?;
        Ok(fleet)
    }

    /// Lets all threads carry the same traffic; `look` is called on this thread at both ends of the measured window and
    /// many times within it, with the time since its start.
    pub(crate) fn carry(&mut self, traffic: &Traffic, mut look: impl FnMut(Moment, u64)) -> Result<Findings> {
        let start_ns = self.clock.now_ns() + LEAD_NS;
        self.order(|| Order::Carry(traffic.clone(), start_ns, Arc::clone(&self.curfew)))?;
        let window_start = start_ns + traffic.warmup.as_nanos() as u64;
        self.display.until(self.clock, window_start, |_| {});
        look(Moment::Start, 0);
        let window_end = window_start + traffic.measured.as_nanos() as u64;
        self.display.until(self.clock, window_end, |now_ns| {
            look(Moment::Within, now_ns.saturating_sub(window_start));
        });
        let now_ns = self.clock.now_ns();
        look(Moment::End, now_ns.saturating_sub(window_start));
        if interruption::asked() {
            self.curfew.set(now_ns);
        }
        // Not nothing, because rates are over it.
        let measured_ns = now_ns.min(window_end).saturating_sub(window_start).max(1_000_000);
        let outcomes = self.gather(
            || Ok(()),
            |reply| match reply {
                Reply::Carried(outcome) => Some(*outcome),
                _ => None,
            },
        )?;
        let mut findings = Findings::of(outcomes, window_start..window_end);
        findings.measured = Duration::from_nanos(measured_ns);
        Ok(findings)
    }

    /// Leaves the players alone for a while; they answer pings.
    pub(crate) fn rest(&mut self, length: Duration) {
        let until_ns = self.clock.now_ns() + length.as_nanos() as u64;
        self.display.until(self.clock, until_ns, |_| {});
    }

    /// Closes all accounts and connections.
    pub(crate) fn dismiss(mut self) -> Result<Account> {
        self.order(|| Order::Finish)?;
        let accounts = self.gather(
            || Ok(()),
            |reply| match reply {
                Reply::Finished(account) => Some(*account),
                _ => None,
            },
        )?;
        let mut all = Account::default();
        for account in accounts {
            all.closed.totals.add(&account.closed.totals);
            all.closed.examples.extend(account.closed.examples);
            all.closed.more_faults += account.closed.more_faults;
            let slots = account.lost_by_slot.len().max(all.lost_by_slot.len());
            all.lost_by_slot.resize(slots, 0);
            for (of_all, of_thread) in all.lost_by_slot.iter_mut().zip(account.lost_by_slot) {
                *of_all += of_thread;
            }
            all.ends.extend(account.ends);
            all.returns += account.returns;
            all.openings.add(&account.openings);
            all.version_3 |= account.version_3;
            for (how, count) in account.slow_ends {
                *all.slow_ends.entry(how).or_default() += count;
            }
            for (code, count) in account.server_errors {
                *all.server_errors.entry(code).or_default() += count;
            }
        }
        Ok(all)
    }

    fn order(&self, order: impl Fn() -> Order) -> Result<()> {
        for thread in &self.orders {
            thread
                .send(order())
                .map_err(|_| anyhow!("a generator thread has ended early"))?;
        }
        Ok(())
    }

    /// Waits for one reply of the expected kind from every thread, and as long as `meanwhile` has no objection.
    fn gather<T>(
        &mut self,
        meanwhile: impl Fn() -> Result<()>,
        expected: impl Fn(Reply) -> Option<T>,
    ) -> Result<Vec<T>> {
        let mut gathered = Vec::with_capacity(self.orders.len());
        while gathered.len() < self.orders.len() {
            match self.replies.recv_timeout(Duration::from_nanos(GLANCE_NS)) {
                Ok(Reply::Failed(error)) => return Err(error),
                Ok(reply) => gathered.push(expected(reply).context("a generator thread answered out of turn")?),
                Err(RecvTimeoutError::Timeout) => {
                    meanwhile()?;
                    self.display.show();
                }
                Err(RecvTimeoutError::Disconnected) => bail!("the generator threads have ended early"),
            }
        }
        Ok(gathered)
    }
}

impl Findings {
    fn of(outcomes: Vec<Outcome>, window_ns: Range<u64>) -> Self {
        let mut all = Self {
            latency_ns: latency_histogram(),
            latency_by_group_ns: Vec::new(),
            send_lag_ns: latency_histogram(),
            sent: 0,
            delivered: 0,
            reads: 0,
            busy_ns: Vec::new(),
            cpu_wait_ns: 0,
            measured: Duration::from_nanos(window_ns.end - window_ns.start),
            timeline: Timeline::new(window_ns, 0),
            steps: Vec::new(),
            port: "",
            back_ns: latency_histogram(),
            operations: OperationFigures::none(),
        };
        for outcome in outcomes {
            all.latency_by_group_ns.resize_with(
                outcome.latency_ns.len().max(all.latency_by_group_ns.len()),
                latency_histogram,
            );
            for (of_all, of_thread) in all.latency_by_group_ns.iter_mut().zip(outcome.latency_ns) {
                all.latency_ns += &of_thread;
                *of_all += of_thread;
            }
            all.send_lag_ns += outcome.send_lag_ns;
            all.sent += outcome.sent;
            all.delivered += outcome.delivered;
            all.reads += outcome.reads;
            all.timeline.add(&outcome.timeline);
            for (of_all, of_thread) in all.steps.iter_mut().zip(&outcome.steps) {
                of_all.add(of_thread);
            }
            if all.steps.is_empty() {
                all.steps = outcome.steps;
            }
            all.port = outcome.port;
            all.back_ns += outcome.back_ns;
            all.operations.add(&outcome.operations);
            all.cpu_wait_ns += outcome.cpu_wait_ns;
            all.busy_ns.push(outcome.cpu_ns.saturating_sub(outcome.idle_poll_ns));
        }
        all
    }
}

/// One line on a terminal, renewed every second; nothing when standard error is not a terminal.
struct Display {
    progress: Vec<Arc<Progress>>,
    enabled: bool,
    before: Reading,
    shown_at: Instant,
}

impl Display {
    fn new(progress: Vec<Arc<Progress>>) -> Self {
        Self {
            progress,
            enabled: std::io::stderr().is_terminal(),
            before: Reading::default(),
            shown_at: Instant::now(),
        }
    }

    /// Blocks until `until_ns`, or until the test is interrupted, showing progress.
    fn until(&mut self, clock: Clock, until_ns: u64, mut meanwhile: impl FnMut(u64)) {
        loop {
            let now_ns = clock.now_ns();
            if now_ns >= until_ns || interruption::asked() {
                return;
            }
            clock.sleep_until(until_ns.min(now_ns + GLANCE_NS));
            meanwhile(clock.now_ns());
            self.show();
        }
    }

    fn show(&mut self) {
        if !self.enabled || self.shown_at.elapsed() < DISPLAY {
            return;
        }
        let mut now = Reading::default();
        self.progress.iter().for_each(|thread| thread.add_to(&mut now));
        let seconds = self.shown_at.elapsed().as_secs_f64().max(1e-3);
        self.shown_at = Instant::now();
        let per_second = |count: u64| (count as f64 / seconds).round();
        let recent = now.recent_us.take();
        let latency = recent
            .filter(|recent| !recent.is_empty())
            .map_or_else(String::new, |recent| {
                format!(
                    "  p50 {} p99 {} max {} µs",
                    recent.value_at_quantile(0.5),
                    recent.value_at_quantile(0.99),
                    recent.max()
                )
            });
        let _ = write!(
            std::io::stderr(),
            "\r\x1b[K{} players  {} sent/s  {} delivered/s{latency}  {} on the way  {}",
            now.joined,
            per_second(now.sent - self.before.sent),
            per_second(now.received - self.before.received),
            now.outstanding,
            if now.faults == 0 {
                "no faults".to_owned()
            } else {
                format!("{} FAULTS", now.faults)
            }
        );
        self.before = now;
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        if self.enabled {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
