//! The program under test, as a process: run to its end, or serving as a yardstick.

#![allow(dead_code, reason = "each test program uses its own part")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use serde_json::Value;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_signal-fish-loadtest");

/// The program with these arguments, not yet started.
pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut program = Command::new(PROGRAM);
    program.args(arguments);
    program
}

/// Runs the program to its end; its report is null where it has printed none.
pub(crate) fn execute(arguments: &[&str]) -> (Output, Value) {
    let output = program(arguments).arg("--json").output().expect("the program starts");
    let report = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output, report)
}

/// A run of half a second with two rooms of three.
pub(crate) fn run_shortly(url: &str, more: &[&str]) -> (Output, Value) {
    let load = "run --rooms 2 --players 3 --seconds 0.5 --warmup-seconds 0 --rate 60 --url";
    let arguments: Vec<&str> = load.split(' ').chain([url]).chain(more.iter().copied()).collect();
    execute(&arguments)
}

/// Makes a test whose load is short, and, where something is missing that a machine busy with other things may have kept
/// from it, again with one so many times longer. The words of the last attempt are those of the failure.
pub(crate) fn given_time(mut test: impl FnMut(f64) -> Result<(), String>) {
    let mut missing = String::new();
    for longer in [1.0, 5.0, 25.0] {
        match test(longer) {
            Ok(()) => return,
            Err(what) => missing = what,
        }
    }
    panic!("{missing}");
}

/// A yardstick server on a free port, killed when dropped.
pub(crate) struct Yardstick {
    child: Child,
    output: BufReader<ChildStdout>,
    pub(crate) address: String,
    pub(crate) backend: String,
}

impl Yardstick {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut child = program(&["yardstick", "--port", "0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        output.read_line(&mut line).expect("a first line");
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["listening", "on", address, backend] = words[..] else {
            panic!("not the first line of a yardstick: {line:?}");
        };
        Self {
            child,
            output,
            address: address.to_owned(),
            backend: backend.to_owned(),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/v2/ws", self.address)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// One of its counters as it is now.
    pub(crate) fn counter(&self, name: &str) -> f64 {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        stream
            .write_all(b"GET /metrics/prom HTTP/1.0\r\n\r\n")
            .expect("a request");
        let mut page = String::new();
        stream.read_to_string(&mut page).expect("an answer");
        let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.expect("a counter of this name").parse().expect("a number")
    }

    /// Interrupts it and returns its last words.
    pub(crate) fn stop(mut self) -> String {
        let pid = self.pid().to_string();
        let interrupted = Command::new("kill").args(["-INT", &pid]).status().expect("kill");
        assert!(interrupted.success());
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).expect("its output");
        assert!(self.child.wait().expect("its end").success(), "{rest}");
        rest
    }
}

impl Drop for Yardstick {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
