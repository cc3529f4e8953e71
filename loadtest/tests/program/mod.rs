//! The program under test, as a process.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

/// A yardstick server on a free port, killed when dropped.
pub(crate) struct Yardstick {
    child: Child,
    output: BufReader<ChildStdout>,
    pub(crate) address: String,
    pub(crate) backend: String,
}

impl Yardstick {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_signal-fish-loadtest"))
            .args(["yardstick", "--port", "0"])
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
