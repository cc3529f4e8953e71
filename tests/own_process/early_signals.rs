//! Signals are safe from the first instruction on: none is lost, none is deadly, as process 1 neither.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use libc::{SIGHUP, SIGINT, SIGTERM};

use crate::support::DEADLINE;
use crate::support::process::{Program, has_begun};

/// Starts of each kind. A run over more: `SIGNAL_FISH_STARTS=500`.
fn starts() -> u32 {
    let asked = std::env::var("SIGNAL_FISH_STARTS").ok();
    asked.and_then(|asked| asked.parse().ok()).unwrap_or(15)
}

/// Moments spread over a start, which takes some 30 ms.
fn moment(round: u32) -> Duration {
    Duration::from_micros(u64::from(round * 7_919 % 40_000))
}

fn program() -> Program {
    Program::new(&["--port", "0", "--shards", "1"]).variable("SIGNAL_FISH__SERVER__DRAIN_GRACE_SECS", "0")
}

#[test]
fn a_stop_ends_every_start_in_order() {
    for signal in [SIGTERM, SIGINT] {
        for round in 0..starts() {
            let process = program().stdout(Stdio::null()).start();
            process.wait_for_beginning();
            thread::sleep(moment(round));
            process.signal(signal);
            let (status, said) = process.end();
            assert_eq!(
                (status.code(), status.signal()),
                (Some(0), None),
                "round {round}: {said}"
            );
        }
    }
}

fn wait_for_reload(directory: &Path, round: u32) {
    let log = directory.join("logs/server.log");
    let deadline = Instant::now() + DEADLINE;
    while !fs::read_to_string(&log).is_ok_and(|log| log.contains("were reloaded")) {
        assert!(Instant::now() < deadline, "round {round}: the reload was lost");
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_reload_is_made_good_when_the_server_serves() {
    for round in 0..starts() {
        let process = program()
            .variable("SIGNAL_FISH__LOGGING__ENABLE_FILE_LOGGING", "true")
            .variable("SIGNAL_FISH__LOGGING__ROTATION", "never")
            .stdout(Stdio::null())
            .start();
        process.wait_for_beginning();
        thread::sleep(moment(round));
        process.signal(SIGHUP);
        wait_for_reload(process.directory(), round);
        process.signal(SIGTERM);
        let (status, said) = process.end();
        assert_eq!(status.code(), Some(0), "round {round}: {said}");
    }
}

/// The only child of a process, by its id here.
fn child_of(pid: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

fn kill(pid: u32, signal: libc::c_int) {
    // SAFETY: has no requirements; the process is a child of our child, which waits for it, so the id is its own.
    unsafe { libc::kill(libc::pid_t::try_from(pid).expect("a process id"), signal) };
}

/// The server as process 1 of a namespace of its own, below a process that waits for it.
fn as_process_one(directory: &Path) -> Child {
    Command::new("unshare")
        .args(["--user", "--map-root-user", "--pid", "--fork", "--kill-child"])
        .arg(env!("CARGO_BIN_EXE_signal-fish-relay"))
        .args(["--port", "0", "--shards", "1"])
        .current_dir(directory)
        .env("SIGNAL_FISH__SERVER__DRAIN_GRACE_SECS", "0")
        .env("SIGNAL_FISH__LOGGING__ENABLE_FILE_LOGGING", "true")
        .env("SIGNAL_FISH__LOGGING__ROTATION", "never")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("util-linux is there")
}

/// The id of the server below a process, as soon as it has begun. `None`: there is no namespace to be process 1 of, as not
/// everybody may make one on every machine.
fn server_below(above: &mut Child) -> Option<u32> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(child) = child_of(above.id()).filter(|child| has_begun(*child)) {
            return Some(child);
        }
        if above.try_wait().expect("our child").is_some() {
            eprintln!("there is no namespace to be process 1 of");
            return None;
        }
        assert!(Instant::now() < deadline, "it never began");
    }
}

fn expect_clean_end(above: &mut Child, round: u32) {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(status) = above.try_wait().expect("our child") {
            return assert_eq!(status.code(), Some(0), "round {round}");
        }
        assert!(Instant::now() < deadline, "round {round}: the signal was lost");
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn process_one_hears_a_stop_too() {
    let directory = tempfile::tempdir().expect("a directory");
    for signal in [SIGTERM, SIGINT] {
        for round in 0..starts() {
            let mut above = as_process_one(directory.path());
            let Some(server) = server_below(&mut above) else { return };
            thread::sleep(moment(round));
            kill(server, signal);
            expect_clean_end(&mut above, round);
        }
    }
}

#[test]
fn process_one_makes_a_reload_good_too() {
    for round in 0..starts() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut above = as_process_one(directory.path());
        let Some(server) = server_below(&mut above) else { return };
        thread::sleep(moment(round));
        kill(server, SIGHUP);
        wait_for_reload(directory.path(), round);
        kill(server, SIGTERM);
        expect_clean_end(&mut above, round);
    }
}
