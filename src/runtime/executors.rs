//! One thread, one pinned executor per shard, and the barrier they start behind.
//!
//! Promises that either all shards are set up within the deadline or none runs, and that the error names the shard and
//! the cure. A shard's future runs only after every other shard is set up. Must never be called before the checks of
//! [`preflight`](super::preflight): without io_uring glommio panics as it builds an executor.

use std::collections::BTreeSet;
use std::future::Future;
use std::panic::catch_unwind;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{error, io};

use crossbeam_channel::{Receiver, Sender, bounded};
use glommio::{GlommioError, LocalExecutor, LocalExecutorBuilder, PoolPlacement, ReactorErrorKind};

use super::cpus::{self, Placement};
use super::leftover::Leftover;
use super::{Tick, last_words, locked_memory};
use crate::clock::moment_after;
use crate::shard::ShardId;

/// The name of a shard's thread is this and its number.
pub(super) const THREAD_NAME_PREFIX: &str = "shard-";

/// Memory that an executor registers for file I/O, which a shard does none of: the least that glommio takes.
const IO_MEMORY_BYTES: usize = 64 * 1024;
/// Entries of each of the executor's rings: what a turn submits between two kernel entries.
const RING_DEPTH: usize = 128;
/// Practically never. glommio 0.9.0 parks with runnable tasks when this timer runs out between its being set and the first
/// task: with 5 ms, whenever other processes take the CPU from the shard for as long at that point. Shards need no
/// pre-emption: their one busy task bounds its own turns (`docs/adr/008-never-preempted.md`).
const PREEMPT_TIMER: Duration = Duration::from_secs(3_600);

/// What a shard's set-up failed with.
pub type SetUpError = Box<dyn error::Error + Send + Sync>;

/// Why the shards did not start. None of them has run its future.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The system has no thread for the shard.
    #[error(
        "shard {shard} got no thread ({source}): raise the limit on tasks (systemd TasksMax=, Docker --pids-limit) or \
         start fewer shards"
    )]
    Thread {
        /// The first shard without a thread.
        shard: ShardId,
        /// What the system answered.
        source: io::Error,
    },
    /// The limit on locked memory is too low for the executor.
    #[error(
        "shard {shard} may not lock the memory of its rings ({reason}): raise the limit (systemd LimitMEMLOCK=infinity, \
         Docker --ulimit memlock=-1) or start fewer shards"
    )]
    Memlock {
        /// The first shard that failed.
        shard: ShardId,
        /// What the executor reported.
        reason: String,
    },
    /// The executor could not be built for another reason.
    #[error(
        "shard {shard} cannot run on CPU {cpu} ({reason}): check that this CPU is online and in the process's cpuset \
         (systemd AllowedCPUs=, Docker --cpuset-cpus), and that open files are left"
    )]
    Executor {
        /// The first shard that failed.
        shard: ShardId,
        /// The CPU it was placed on.
        cpu: usize,
        /// What the executor reported.
        reason: String,
    },
    /// The shard's own set-up refused.
    #[error("shard {shard} cannot be set up: {source}")]
    SetUp {
        /// The first shard that failed.
        shard: ShardId,
        /// Its reason.
        source: SetUpError,
    },
    /// The shard's thread panicked while starting.
    #[error("shard {shard} panicked while starting: see the message above")]
    Panicked {
        /// The first shard that failed.
        shard: ShardId,
    },
    /// Some shards did not report in time.
    #[error(
        "{} not ready within {} ms: start again, and if that does not help, the machine is overloaded or a real-time \
         task holds these CPUs, so free them or start fewer shards",
        list(.shards), .deadline.as_millis()
    )]
    TimedOut {
        /// Those that did not report, ascending.
        shards: Vec<ShardId>,
        /// The time they had.
        deadline: Duration,
    },
}

/// The shards of this process, all running. Goes to the [`Supervisor`](super::supervisor::Supervisor).
#[derive(Debug)]
pub struct Shards {
    pub(super) threads: Vec<(ShardId, JoinHandle<()>)>,
    pub(super) events: Receiver<Event>,
    pub(super) notify: Sender<Event>,
}

/// What the supervisor hears. At most one [`Event::Ended`] per shard and one of each of the others, which is the capacity of
/// the channel: sending never blocks and drops nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    StopRequested,
    HurryRequested,
    Ended {
        shard: ShardId,
        panicked: bool,
        /// What the thread has left to be said of a panic.
        story: Option<String>,
    },
}

/// Starts one executor per entry of `placement`, each on a thread of its own pinned to its CPU, and waits until all are
/// set up.
///
/// `body_of` is called here, once per shard. The body that it gives runs on the shard: it sets up what the shard needs
/// and returns the future that *is* the shard, polled once all shards are set up. Returning from that future before a
/// stop was requested counts as the shard's death. The tick of `tick` (above zero) beats from before the body runs.
///
/// # Errors
/// [`StartError`] when a shard fails or when not all are ready after `deadline`. The shards that were ready have ended
/// then; one that did not answer may still hang in its set-up.
pub fn start<Body, Main>(
    placement: &Placement,
    tick: Duration,
    deadline: Duration,
    mut body_of: impl FnMut(ShardId) -> Body,
) -> Result<Shards, StartError>
where
    Body: FnOnce(Tick) -> Result<Main, SetUpError> + Send + 'static,
    Main: Future<Output = ()> + 'static,
{
    let give_up_at = moment_after(Instant::now(), deadline);
    let (notify, events) = bounded(placement.shards() + 2);
    let (report, reports) = bounded(placement.shards());
    let (release, released) = bounded::<()>(placement.shards());

    let mut threads = Vec::with_capacity(placement.shards());
    for (shard, cpu) in placement.iter() {
        let body = body_of(shard);
        let departure = Departure {
            shard,
            notify: notify.clone(),
        };
        let (report, released) = (report.clone(), released.clone());
        let thread = thread::Builder::new()
            .name(format!("{THREAD_NAME_PREFIX}{shard}"))
            .spawn(move || {
                // Declared first, so dropped last: whoever hears of the end finds the executor gone.
                let _departure = departure;
                run_shard(
                    shard,
                    cpu,
                    tick,
                    body,
                    StartReport {
                        shard,
                        report: Some(report),
                    },
                    &released,
                );
            });
        // On failure the threads before this one find `release` gone and leave.
        threads.push((shard, thread.map_err(|source| StartError::Thread { shard, source })?));
    }
    drop(report);

    match await_reports(&reports, placement, give_up_at, deadline) {
        Ok(()) => {
            for _ in 0..threads.len() {
                // A shard that died since its report is not there to be released; the supervisor hears of it.
                let _ = release.try_send(());
            }
            Ok(Shards {
                threads,
                events,
                notify,
            })
        }
        Err(error) => {
            drop(release);
            leave(threads, &events, give_up_at);
            Err(error)
        }
    }
}

fn await_reports(
    reports: &Receiver<(ShardId, Result<(), StartError>)>,
    placement: &Placement,
    give_up_at: Instant,
    deadline: Duration,
) -> Result<(), StartError> {
    let mut missing: BTreeSet<ShardId> = placement.iter().map(|(shard, _)| shard).collect();
    while !missing.is_empty() {
        match reports.recv_deadline(give_up_at) {
            Ok((shard, Ok(()))) => missing.remove(&shard),
            Ok((_, Err(error))) => return Err(error),
            Err(_) => {
                return Err(StartError::TimedOut {
                    shards: missing.into_iter().collect(),
                    deadline,
                });
            }
        };
    }
    Ok(())
}

/// Joins the shards that end before the deadline, so that a failed start leaves no descriptor behind.
fn leave(threads: Vec<(ShardId, JoinHandle<()>)>, events: &Receiver<Event>, give_up_at: Instant) {
    let mut ended = BTreeSet::new();
    while ended.len() < threads.len() {
        match events.recv_deadline(give_up_at) {
            Ok(Event::Ended { shard, .. }) => ended.insert(shard),
            Ok(Event::StopRequested | Event::HurryRequested) => false,
            Err(_) => break,
        };
    }
    for (shard, thread) in threads {
        if ended.contains(&shard) {
            // Its panic, if it had one, is in the error already.
            let _ = thread.join();
        }
    }
}

fn run_shard<Body, Main>(
    shard: ShardId,
    cpu: usize,
    tick: Duration,
    body: Body,
    report: StartReport,
    released: &Receiver<()>,
) where
    Body: FnOnce(Tick) -> Result<Main, SetUpError>,
    Main: Future<Output = ()> + 'static,
{
    // Not glommio's to do: it would look up the CPU under /sys, and panic where containers hide that.
    if let Err(error) = cpus::pin_to(cpu) {
        let reason = error.to_string();
        return report.send(Err(StartError::Executor { shard, cpu, reason }));
    }
    let executor = match locked_memory::wait_out(build_executor, is_no_memory) {
        Ok(executor) => executor,
        Err(error) => return report.send(Err(start_error(shard, cpu, &error))),
    };
    let leftover = executor.run(async {
        let (tick, beat) = Tick::start(tick);
        let leftover = Leftover::of_this_executor(PREEMPT_TIMER).await;
        match body(tick) {
            Ok(main) => {
                report.send(Ok(()));
                // Blocks the executor, which has nothing to do yet; ends at the deadline of `start` at the latest.
                if released.recv().is_ok() {
                    main.await;
                }
            }
            Err(source) => report.send(Err(StartError::SetUp { shard, source })),
        }
        beat.stop().await;
        leftover
    });
    drop(executor);
    if !leftover.is_some_and(Leftover::close) {
        tracing::debug!(%shard, "a descriptor stays open until the process ends");
    }
}

fn build_executor() -> Result<LocalExecutor, GlommioError<()>> {
    LocalExecutorBuilder::new(glommio::Placement::Unbound)
        .io_memory(IO_MEMORY_BYTES)
        .ring_depth(RING_DEPTH)
        .preempt_timer(PREEMPT_TIMER)
        .blocking_thread_pool_placement(PoolPlacement::Unbound(1))
        .make()
}

fn start_error(shard: ShardId, cpu: usize, error: &GlommioError<()>) -> StartError {
    let reason = error.to_string();
    let memlock =
        matches!(error, GlommioError::ReactorError(ReactorErrorKind::MemLockLimit(..))) || is_no_memory(error);
    if memlock {
        StartError::Memlock { shard, reason }
    } else {
        StartError::Executor { shard, cpu, reason }
    }
}

fn is_no_memory(error: &GlommioError<()>) -> bool {
    matches!(error, GlommioError::IoError(source) if source.raw_os_error() == Some(libc::ENOMEM))
}

/// A shard's one report to [`start`]; dropped unsent it reports a panic.
struct StartReport {
    shard: ShardId,
    report: Option<Sender<(ShardId, Result<(), StartError>)>>,
}

impl StartReport {
    fn send(mut self, outcome: Result<(), StartError>) {
        self.deliver(outcome);
    }

    fn deliver(&mut self, outcome: Result<(), StartError>) {
        if let Some(report) = self.report.take() {
            // Nobody listens any more once another shard has failed.
            let _ = report.try_send((self.shard, outcome));
        }
    }
}

impl Drop for StartReport {
    fn drop(&mut self) {
        self.deliver(Err(StartError::Panicked { shard: self.shard }));
    }
}

/// Tells the supervisor that a shard's thread is ending, however it ends.
struct Departure {
    shard: ShardId,
    notify: Sender<Event>,
}

impl Drop for Departure {
    fn drop(&mut self) {
        let panicked = thread::panicking();
        // A second panic would end a process that does not end by itself: whoever runs servers may go on after one has died.
        let story = panicked.then(|| catch_unwind(last_words::story).ok().flatten());
        let ended = Event::Ended {
            shard: self.shard,
            panicked,
            story: story.flatten(),
        };
        // Fails only when no supervisor is left to hear it.
        let _ = self.notify.try_send(ended);
    }
}

/// `shard 1 is` or `shards 1, 4 are`.
pub(super) fn list(shards: &[ShardId]) -> String {
    let numbers: Vec<_> = shards.iter().map(ShardId::to_string).collect();
    match numbers.as_slice() {
        [one] => format!("shard {one} is"),
        many => format!("shards {} are", many.join(", ")),
    }
}

#[cfg(test)]
mod tests;
