//! Nothing waits for the log: not a game, not the way out. What is lost is counted and told, a file is made good.

use std::fs::{self, File};
use std::io::{PipeWriter, Read, Write, pipe};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::DEADLINE;
use crate::support::process::{Program, ServerProcess};

const FILE_FAILS: &str = "the log file cannot be written: until it can, lines go to the standard output only";
const FILE_IS_BACK: &str = "the log file is written again";

fn program(settings: &[(&str, &str)]) -> Program {
    let program = Program::new(&["--port", "0", "--shards", "1"])
        .variable("SIGNAL_FISH__SERVER__DRAIN_GRACE_SECS", "0")
        .variable("SIGNAL_FISH__LOGGING__ENABLE_FILE_LOGGING", "true")
        .variable("SIGNAL_FISH__LOGGING__ROTATION", "never");
    settings.iter().fold(program, |program, (name, value)| {
        program.variable(&format!("SIGNAL_FISH__LOGGING__{name}"), value)
    })
}

/// Fills a pipe to the last byte.
fn fill(mut writer: &PipeWriter) {
    set_flags(writer, libc::O_NONBLOCK);
    for size in [4096, 1] {
        while writer.write(&vec![b'x'; size]).is_ok() {}
    }
    set_flags(writer, 0);
}

fn set_flags(writer: &PipeWriter, flags: libc::c_int) {
    // SAFETY: no pointers, and the descriptor is open.
    let set = unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETFL, flags) };
    assert_eq!(set, 0);
}

fn wait_for_line(log: &Path, words: &str) {
    let deadline = Instant::now() + DEADLINE;
    while !fs::read_to_string(log).is_ok_and(|log| log.contains(words)) {
        assert!(Instant::now() < deadline, "{words:?} is not in {}", log.display());
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_standard_output_that_nobody_reads_holds_up_neither_the_file_nor_the_stop() {
    let (mut reader, writer) = pipe().expect("a pipe");
    fill(&writer);
    let server = program(&[("LEVEL", "trace")]).stdout(writer).start();
    wait_for_line(&server.directory().join("logs/server.log"), "\"serving\"");
    let stopped = Instant::now();
    server.signal(libc::SIGTERM);
    let (status, said) = server.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(stopped.elapsed() < Duration::from_secs(5), "{:?}", stopped.elapsed());
    let mut rest = String::new();
    reader.read_to_string(&mut rest).expect("text");
    let whole = rest
        .trim_start_matches('x')
        .lines()
        .all(|line| serde_json::from_str::<Value>(line).is_ok());
    assert!(whole, "what is written is JSON: {rest}");
}

#[test]
fn a_file_that_cannot_be_made_is_told_once_and_made_as_soon_as_it_can() {
    let program = program(&[]);
    let in_the_way = program.directory().join("logs");
    fs::write(&in_the_way, "no directory").expect("a file of ours");
    let server = program.serve();
    server.find_log(FILE_FAILS);
    fs::remove_file(&in_the_way).expect("ours");
    // A second must pass between two attempts, and each reload says something.
    let deadline = Instant::now() + DEADLINE;
    while !in_the_way.join("server.log").exists() {
        assert!(Instant::now() < deadline, "the file was never made");
        server.signal(libc::SIGHUP);
        thread::sleep(Duration::from_millis(100));
    }
    server.wait_for_log(FILE_IS_BACK);
    server.signal(libc::SIGTERM);
    assert_eq!(server.wait(DEADLINE), Some(0));
}

#[test]
fn a_pipe_that_nobody_reads_is_told_like_a_file_that_cannot_be_written() {
    let program = program(&[]);
    let logs = program.directory().join("logs");
    fs::create_dir(&logs).expect("a directory of ours");
    make_fifo(&logs.join("server.log"));
    let server = program.serve();
    server.find_log(FILE_FAILS);
    let stopped = Instant::now();
    server.signal(libc::SIGTERM);
    assert_eq!(server.wait(DEADLINE), Some(0));
    assert!(stopped.elapsed() < Duration::from_secs(5), "{:?}", stopped.elapsed());
}

#[test]
fn a_full_disk_is_told_once_and_costs_the_file_its_lines() {
    let server = program(&[("DIR", "/dev"), ("FILENAME", "full")]).serve();
    server.find_log(FILE_FAILS);
    server.signal(libc::SIGHUP);
    server.wait_for_log("applications and the key of connect tokens were reloaded");
    server.signal(libc::SIGTERM);
    server.wait_for_log("stopping");
    assert_eq!(server.wait(DEADLINE), Some(0));
}

#[test]
fn sighup_begins_the_file_anew_and_a_directory_that_vanished_is_made_again() {
    let server = program(&[]).serve();
    let logs = server.directory().join("logs");
    let log = logs.join("server.log");
    wait_for_line(&log, "\"serving\"");
    fs::rename(&log, logs.join("server.log.1")).expect("ours");
    reload(&server);
    wait_for_line(&log, "were reloaded");
    let moved = fs::read_to_string(logs.join("server.log.1")).expect("it was moved");
    assert!(
        moved.contains("\"serving\"") && !moved.contains("were reloaded"),
        "{moved}"
    );
    fs::remove_dir_all(&logs).expect("ours");
    reload(&server);
    wait_for_line(&log, "were reloaded");
}

fn reload(server: &ServerProcess) {
    server.signal(libc::SIGHUP);
    server.wait_for_log("applications and the key of connect tokens were reloaded");
}

#[test]
fn a_standard_output_that_was_closed_is_no_harm() {
    let (reader, writer) = pipe().expect("a pipe");
    drop(reader);
    let server = program(&[]).stdout(writer).start();
    wait_for_line(&server.directory().join("logs/server.log"), "\"serving\"");
    server.signal(libc::SIGTERM);
    assert_eq!(server.end().0.code(), Some(0));
}

#[test]
fn a_source_that_does_not_answer_makes_nobody_deaf() {
    let program = Program::new(&["--config", "relay.json", "--port", "0", "--shards", "1"])
        .variable("SIGNAL_FISH__SERVER__DRAIN_GRACE_SECS", "0");
    let file = program.directory().join("relay.json");
    File::create(&file)
        .and_then(|mut file| file.write_all(b"{}"))
        .expect("ours");
    let server = program.serve();
    fs::remove_file(&file).expect("ours");
    make_fifo(&file);
    server.signal(libc::SIGHUP);
    server.signal(libc::SIGHUP);
    server.signal(libc::SIGTERM);
    server.wait_for_log("stopping");
    assert_eq!(server.wait(Duration::from_secs(5)), Some(0));
}

#[test]
fn a_start_that_waits_for_its_configuration_can_be_stopped() {
    let program = Program::new(&["--config", "relay.json", "--port", "0"]);
    make_fifo(&program.directory().join("relay.json"));
    let process = program.start();
    process.wait_for_beginning();
    process.signal(libc::SIGTERM);
    let (status, said) = process.end();
    assert_eq!(
        (status.code(), said.as_str()),
        (Some(0), "Stopped by SIGTERM before serving.\n")
    );
}

fn make_fifo(path: &Path) {
    let path = std::ffi::CString::new(path.as_os_str().as_encoded_bytes()).expect("no NUL in it");
    // SAFETY: the path is a string that ends with NUL and outlives the call.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
}
