use std::cell::Cell;
use std::num::NonZeroU16;
use std::rc::Rc;
use std::sync::mpsc;

use super::*;
use crate::runtime::cpus::{AllowedCpus, CgroupRoots, place};
use crate::runtime::supervisor::{Outcome, Supervisor};

const TICK: Duration = Duration::from_millis(5);
const DEADLINE: Duration = Duration::from_secs(20);

fn placement(shards: u16) -> Placement {
    let allowed = AllowedCpus::of_this_process(&CgroupRoots::default()).expect("the kernel tells the mask");
    place(NonZeroU16::new(shards), &allowed)
}

#[test]
fn each_shard_runs_on_its_own_pinned_and_named_thread() {
    let placement = placement(3);
    let (told, heard) = mpsc::channel();
    let shards = start(&placement, TICK, DEADLINE, |shard| {
        let told = told.clone();
        move |_tick| {
            Ok(async move {
                // SAFETY: takes no arguments.
                let cpu = unsafe { libc::sched_getcpu() };
                let name = thread::current().name().map(str::to_owned);
                told.send((shard, usize::try_from(cpu).expect("a CPU"), name))
                    .expect("the test listens");
            })
        }
    })
    .expect("the shards start");
    let mut seen: Vec<_> = (0..3)
        .map(|_| heard.recv_timeout(DEADLINE).expect("a shard reports"))
        .collect();
    seen.sort();
    let expected: Vec<_> = placement
        .iter()
        .map(|(shard, cpu)| (shard, cpu, Some(format!("shard-{shard}"))))
        .collect();
    assert_eq!(seen, expected);
    drop(shards);
}

#[test]
fn no_shard_runs_before_all_are_set_up() {
    let (told, heard) = mpsc::channel();
    let shards = start(&placement(3), TICK, DEADLINE, |_| {
        let told = told.clone();
        move |_tick| {
            told.send("set up").expect("the test listens");
            Ok(async move { told.send("runs").expect("the test listens") })
        }
    })
    .expect("the shards start");
    let seen: Vec<_> = (0..6)
        .map(|_| heard.recv_timeout(DEADLINE).expect("a shard reports"))
        .collect();
    assert_eq!(seen, ["set up", "set up", "set up", "runs", "runs", "runs"]);
    drop(shards);
}

#[test]
fn the_tick_beats_with_the_time_and_stops_with_the_shard() {
    let (told, heard) = mpsc::channel();
    let shards = start(&placement(1), TICK, DEADLINE, |_| {
        let told = told.clone();
        move |tick: Tick| {
            let (done, beats) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(0)));
            let (set_done, count) = (Rc::clone(&done), Rc::clone(&beats));
            let mut last = Instant::now();
            tick.attach(move |now| {
                assert!(now > last, "time goes on");
                last = now;
                count.set(count.get() + 1);
                set_done.set(count.get() == 3);
            });
            Ok(async move {
                while !done.get() {
                    glommio::timer::sleep(Duration::from_millis(1)).await;
                }
                told.send(beats.get()).expect("the test listens");
            })
        }
    })
    .expect("the shard starts");
    assert_eq!(heard.recv_timeout(DEADLINE), Ok(3));
    drop(shards);
}

#[test]
fn a_failing_set_up_names_its_shard_and_ends_the_others() {
    let (told, heard) = mpsc::channel::<()>();
    let error = start(&placement(3), TICK, DEADLINE, |shard| {
        let told = told.clone();
        move |_tick| match shard {
            ShardId(1) => Err("no ring for it".into()),
            _ => Ok(async move { told.send(()).expect("the test listens") }),
        }
    })
    .expect_err("shard 1 refuses");
    assert_eq!(error.to_string(), "shard 1 cannot be set up: no ring for it");
    drop(told);
    assert_eq!(
        heard.recv_timeout(DEADLINE),
        Err(mpsc::RecvTimeoutError::Disconnected),
        "no shard ran, and all ended"
    );
}

#[test]
fn a_shard_that_is_not_set_up_in_time_is_named() {
    let (release, stuck) = mpsc::channel::<()>();
    let mut stuck = Some(stuck);
    let error = start(&placement(2), TICK, Duration::from_millis(200), |shard| {
        let stuck = if shard == ShardId(1) { stuck.take() } else { None };
        move |_tick| {
            if let Some(stuck) = stuck {
                let _ = stuck.recv();
            }
            Ok(async {})
        }
    })
    .expect_err("shard 1 hangs");
    let StartError::TimedOut { shards, .. } = &error else {
        panic!("{error}")
    };
    assert!(shards.contains(&ShardId(1)), "{error}");
    drop(release);
}

#[test]
fn a_cpu_that_is_not_there_is_named() {
    let error = StartError::Executor {
        shard: ShardId(4),
        cpu: 77,
        reason: cpus::pin_to(60_000).expect_err("no machine has this CPU").to_string(),
    };
    let text = error.to_string();
    assert!(text.starts_with("shard 4 cannot run on CPU 77 ("), "{text}");
    assert!(text.contains("--cpuset-cpus"), "{text}");
}

#[test]
fn a_refused_memory_lock_tells_the_cure() {
    let too_low = GlommioError::ReactorError(ReactorErrorKind::MemLockLimit(65_536, 524_288));
    let no_memory = GlommioError::IoError(io::Error::from_raw_os_error(libc::ENOMEM));
    for error in [too_low, no_memory] {
        let text = start_error(ShardId(2), 0, &error).to_string();
        assert!(
            text.starts_with("shard 2 may not lock the memory of its rings ("),
            "{text}"
        );
        assert!(
            text.contains("LimitMEMLOCK=infinity") && text.contains("--ulimit memlock=-1"),
            "{text}"
        );
    }
}

#[test]
fn more_shards_than_cpus_start_and_stop() {
    let mut gates = Vec::new();
    let shards = start(&placement(8), TICK, DEADLINE, |_| {
        let (gate, opened) = mpsc::channel::<()>();
        gates.push(gate);
        move |_tick| {
            Ok(async move {
                while opened.try_recv() == Err(mpsc::TryRecvError::Empty) {
                    glommio::timer::sleep(Duration::from_millis(1)).await;
                }
            })
        }
    })
    .expect("the shards start");
    let supervisor = Supervisor::new(shards, DEADLINE, DEADLINE, DEADLINE);
    supervisor.stop_handle().request();
    drop(gates);
    assert_eq!(supervisor.wait(), Outcome::Stopped);
}
