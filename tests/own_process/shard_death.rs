//! The end of a shard is the end of the process, loudly. Each scenario runs in a child.

use std::num::NonZeroU16;
use std::os::unix::process::ExitStatusExt;
use std::process;
use std::time::Duration;

use signal_fish_relay::runtime::cpus::{AllowedCpus, CgroupRoots, place};
use signal_fish_relay::runtime::signals::{self, Obeys, StopCause};
use signal_fish_relay::runtime::supervisor::{StopHandle, Supervisor};
use signal_fish_relay::runtime::{executors, install_panic_hook};
use signal_fish_relay::shard::ShardId;

use crate::child;

const SHARDS: u16 = 3;
const TICK: Duration = Duration::from_millis(5);
const START_DEADLINE: Duration = Duration::from_secs(20);

/// How the shard numbered 1 behaves; the others run for ever.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Panics,
    PanicsInATask,
    Returns,
    /// It sends the process a SIGTERM, and each shard then ends after being told.
    AsksForAStop,
    /// It sends the process a SIGTERM, and no shard heeds it.
    IgnoresAStop,
}

/// The main of a small server: start, supervise, exit as told.
fn live(fate: Fate) -> ! {
    signals::hold();
    install_panic_hook();
    let signals = signals::listen(|cause| panic!("{cause} came before it was sent")).expect("a thread");
    let allowed = AllowedCpus::of_this_process(&CgroupRoots::default()).expect("the kernel tells the mask");
    let placement = place(NonZeroU16::new(SHARDS), &allowed);
    let mut inboxes = Vec::new();
    let shards = executors::start(&placement, TICK, START_DEADLINE, |shard| {
        let (inbox, told) = crossbeam_channel::bounded::<()>(1);
        inboxes.push(inbox);
        move |_tick| {
            Ok(async move {
                if shard == ShardId(1) {
                    meet(fate).await;
                    if fate == Fate::Returns {
                        return;
                    }
                }
                while told.try_recv().is_err() {
                    glommio::timer::sleep(Duration::from_millis(2)).await;
                }
            })
        }
    });
    let shards = shards.unwrap_or_else(|error| panic!("{error}"));
    let (flush, grace) = match fate {
        Fate::IgnoresAStop => (Duration::from_millis(60), Duration::from_millis(40)),
        _ => (START_DEADLINE, START_DEADLINE),
    };
    let supervisor = Supervisor::new(shards, flush, flush, grace);
    let stop = supervisor.stop_handle();
    signals.obey(Inboxes { stop, fate, inboxes });
    READY.store(true, std::sync::atomic::Ordering::SeqCst);
    let outcome = supervisor.wait();
    eprintln!("{outcome}");
    process::exit(outcome.exit_code().into());
}

/// What a stop is told to.
struct Inboxes {
    stop: StopHandle,
    fate: Fate,
    inboxes: Vec<crossbeam_channel::Sender<()>>,
}

impl Obeys for Inboxes {
    fn stop(&mut self, cause: StopCause) {
        self.stop.request();
        eprintln!("stop by {cause}");
        if self.fate != Fate::IgnoresAStop {
            for inbox in &self.inboxes {
                inbox.send(()).expect("the shard lives");
            }
        }
    }

    fn explain(&mut self) {}

    fn hurry(&mut self) {}

    fn reload(&mut self) {}
}

/// Set once signals are obeyed.
static READY: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

async fn meet(fate: Fate) {
    while !READY.load(std::sync::atomic::Ordering::SeqCst) {
        glommio::timer::sleep(Duration::from_millis(2)).await;
    }
    match fate {
        Fate::Panics => panic!("the room is on fire"),
        Fate::PanicsInATask => glommio::spawn_local(async { panic!("the task is on fire") }).await,
        Fate::Returns => {}
        Fate::AsksForAStop | Fate::IgnoresAStop => {
            // SAFETY: a signal to this very process, which takes it.
            assert_eq!(unsafe { libc::kill(libc::getpid(), libc::SIGTERM) }, 0);
        }
    }
}

#[test]
fn a_panicking_shard_names_itself_and_aborts_the_process() {
    if child::is_child() {
        live(Fate::Panics);
    }
    let output = child::output("shard_death::a_panicking_shard_names_itself_and_aborts_the_process");
    let text = child::standard_error(&output);
    assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{text}");
    let line = text
        .lines()
        .find(|line| line.contains("on fire"))
        .unwrap_or_else(|| panic!("no last words in: {text}"));
    assert!(
        line.starts_with("shard 1 panicked at tests/own_process/shard_death.rs:"),
        "{line}"
    );
    assert!(line.ends_with(": the room is on fire; the process aborts"), "{line}");
}

#[test]
fn a_panicking_task_aborts_the_process_too() {
    if child::is_child() {
        live(Fate::PanicsInATask);
    }
    let output = child::output("shard_death::a_panicking_task_aborts_the_process_too");
    let text = child::standard_error(&output);
    assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{text}");
    assert!(
        text.contains("shard 1 panicked at tests/own_process/shard_death.rs:"),
        "{text}"
    );
}

#[test]
fn a_shard_that_returns_ends_the_process_with_an_error() {
    if child::is_child() {
        live(Fate::Returns);
    }
    let output = child::output("shard_death::a_shard_that_returns_ends_the_process_with_an_error");
    let text = child::standard_error(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("shard 1 ended without being told to stop"), "{text}");
}

#[test]
fn a_sigterm_ends_the_process_well() {
    if child::is_child() {
        live(Fate::AsksForAStop);
    }
    let output = child::output("shard_death::a_sigterm_ends_the_process_well");
    let text = child::standard_error(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(
        text.contains("stop by SIGTERM") && text.contains("all shards stopped"),
        "{text}"
    );
}

#[test]
fn a_stop_that_hangs_is_given_up() {
    if child::is_child() {
        live(Fate::IgnoresAStop);
    }
    let output = child::output("shard_death::a_stop_that_hangs_is_given_up");
    let text = child::standard_error(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("shards 0, 1, 2 are still running 100 ms after the stop was requested"),
        "{text}"
    );
}
