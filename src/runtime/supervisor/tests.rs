use std::thread;

use crossbeam_channel::bounded;

use super::*;

const LONG: Duration = Duration::from_secs(20);

/// Shards that are plain threads, each ending once its gate is dropped.
fn shards(count: u16) -> (Shards, Vec<Sender<()>>) {
    let (notify, events) = bounded(usize::from(count) + 2);
    let mut gates = Vec::new();
    let threads = (0..count).map(|number| {
        let (gate, opened) = bounded::<()>(0);
        gates.push(gate);
        let (shard, notify) = (ShardId(number), notify.clone());
        let thread = thread::spawn(move || {
            let _ = opened.recv();
            notify
                .send(Event::Ended {
                    shard,
                    panicked: false,
                    story: None,
                })
                .expect("the supervisor listens");
        });
        (shard, thread)
    });
    let threads = threads.collect();
    (
        Shards {
            threads,
            events,
            notify,
        },
        gates,
    )
}

#[test]
fn a_requested_stop_ends_well_once_all_shards_have_ended() {
    let (shards, gates) = shards(3);
    let supervisor = Supervisor::new(shards, LONG, LONG, LONG);
    let stop = supervisor.stop_handle();
    stop.request();
    stop.request();
    drop(gates);
    let outcome = supervisor.wait();
    assert_eq!((outcome.exit_code(), outcome), (0, Outcome::Stopped));
}

#[test]
fn a_shard_that_ends_unasked_ends_the_process() {
    let (shards, mut gates) = shards(3);
    let supervisor = Supervisor::new(shards, LONG, LONG, LONG);
    drop(gates.remove(1));
    let outcome = supervisor.wait();
    assert_eq!(outcome, Outcome::ShardEnded { shard: ShardId(1) });
    assert_eq!(outcome.exit_code(), 1);
    assert!(
        outcome
            .to_string()
            .starts_with("shard 1 ended without being told to stop"),
        "{outcome}"
    );
}

#[test]
fn a_panic_during_a_stop_is_no_good_end() {
    let (shards, _gates) = shards(2);
    let notify = shards.notify.clone();
    let supervisor = Supervisor::new(shards, LONG, LONG, LONG);
    supervisor.stop_handle().request();
    notify
        .send(Event::Ended {
            shard: ShardId(0),
            panicked: true,
            story: None,
        })
        .expect("the supervisor listens");
    assert_eq!(supervisor.wait(), Outcome::ShardEnded { shard: ShardId(0) });
}

#[test]
fn a_stop_that_hangs_is_given_up_and_names_the_shards() {
    let (shards, mut gates) = shards(4);
    let supervisor = Supervisor::new(
        shards,
        Duration::from_millis(40),
        Duration::ZERO,
        Duration::from_millis(10),
    );
    supervisor.stop_handle().request();
    drop(gates.remove(2));
    let outcome = supervisor.wait();
    let Outcome::StopTimedOut { shards, within } = &outcome else {
        panic!("{outcome}")
    };
    assert!(
        [0, 1, 3].iter().all(|&number| shards.contains(&ShardId(number))),
        "{outcome}"
    );
    assert_eq!((*within, outcome.exit_code()), (Duration::from_millis(50), 1));

    let outcome = Outcome::StopTimedOut {
        shards: vec![ShardId(0), ShardId(3)],
        within: *within,
    };
    let line = "shards 0, 3 are still running 50 ms after the stop was requested; the process ends";
    assert_eq!(outcome.to_string(), line);
}

#[test]
fn a_stop_that_is_hurried_is_given_up_sooner() {
    let (shards, _gates) = shards(1);
    let supervisor = Supervisor::new(shards, LONG, Duration::from_millis(20), Duration::from_millis(5));
    let stop = supervisor.stop_handle();
    stop.request();
    stop.hurry();
    stop.hurry();
    let Outcome::StopTimedOut { within, .. } = supervisor.wait() else {
        panic!("it hangs")
    };
    assert_eq!(within, Duration::from_millis(25));
}
