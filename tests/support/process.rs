//! A server in a process of its own.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Read as _};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::DEADLINE;

/// The binary under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_signal-fish-relay");

/// The program in a directory of its own, with nothing of the tests' surroundings.
pub struct Program {
    directory: TempDir,
    command: Command,
}

impl Program {
    /// The program with these arguments.
    pub fn new(arguments: &[&str]) -> Self {
        Self::from_command(Command::new(PROGRAM), arguments, Stdio::null())
    }

    /// The program on a socket that is passed to it as systemd passes sockets.
    pub fn on_socket(socket: OwnedFd, arguments: &[&str]) -> Self {
        // The shell's id is the program's when it has taken the shell's place.
        let script = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\"";
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script, "sh", PROGRAM]);
        Self::from_command(command, arguments, socket.into())
    }

    /// The program as the first process of a container: with process ids, mounts and a root of its own, which is read-only, as
    /// a user without a name or a right.
    pub fn as_first_process(root: &Path, arguments: &[&str]) -> Self {
        let script = "set -e; root=$1; shift
            mount --make-rprivate /; mount --rbind / $root; mount -o remount,bind,ro $root; mount -t proc proc $root/proc
            exec chroot $root setpriv --reuid=65532 --regid=65532 --clear-groups --no-new-privs --bounding-set=-all \"$@\"";
        let mut command = Command::new("unshare");
        command.args([
            "--fork",
            "--kill-child",
            "--pid",
            "--mount",
            "/bin/sh",
            "-c",
            script,
            "sh",
        ]);
        command.arg(root).arg(PROGRAM);
        Self::from_command(command, arguments, Stdio::null())
    }

    /// The program where nothing is below `/sys`, in mounts of its own.
    pub fn without_sys(arguments: &[&str]) -> Self {
        let mut command = Command::new("unshare");
        command.args([
            "--mount",
            "/bin/sh",
            "-c",
            "mount -t tmpfs none /sys && exec \"$@\"",
            "sh",
            PROGRAM,
        ]);
        Self::from_command(command, arguments, Stdio::null())
    }

    /// The program of a user without a name or a right, who may lock so much memory over all programs.
    pub fn of_a_user(user: u32, memlock_bytes: u64, arguments: &[&str]) -> Self {
        let mut command = Command::new("setpriv");
        command.args(["--clear-groups", "--bounding-set=-all", "--inh-caps=-all"]);
        command.args([
            format!("--reuid={user}"),
            format!("--regid={user}"),
            "prlimit".to_owned(),
        ]);
        command.args([format!("--memlock={memlock_bytes}"), PROGRAM.to_owned()]);
        let program = Self::from_command(command, arguments, Stdio::null());
        let may_look = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(program.directory(), may_look).expect("a directory of ours");
        program
    }

    fn from_command(mut command: Command, arguments: &[&str], stdin: Stdio) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        command
            .args(arguments)
            .current_dir(directory.path())
            .env_clear()
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Self { directory, command }
    }

    /// Where it runs.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Sets a variable.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Gives it another standard output.
    pub fn stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.command.stdout(stdout);
        self
    }

    /// Starts it and waits for nothing.
    pub fn start(mut self) -> StartedProcess {
        let child = self.command.spawn().expect("the program runs");
        StartedProcess {
            child,
            directory: self.directory,
        }
    }

    /// Has `prepare` run in the new process before it becomes the program.
    ///
    /// # Safety
    ///
    /// As of [`CommandExt::pre_exec`]: it must do nothing but system calls.
    pub unsafe fn prepared(mut self, prepare: impl FnMut() -> io::Result<()> + Send + Sync + 'static) -> Self {
        // SAFETY: the caller's promise.
        unsafe { self.command.pre_exec(prepare) };
        self
    }

    /// Runs it to its end, which must come within the deadline.
    pub fn output(mut self) -> Output {
        let mut child = self.command.spawn().expect("the program runs");
        let deadline = Instant::now() + DEADLINE;
        while child.try_wait().expect("our child").is_none() {
            if Instant::now() > deadline {
                child.kill().expect("our child");
                panic!("the program still runs after {DEADLINE:?}");
            }
            thread::sleep(Duration::from_millis(2));
        }
        child.wait_with_output().expect("our child")
    }

    /// Starts it and waits until it serves.
    pub fn serve(mut self) -> ServerProcess {
        let mut child = self.command.spawn().expect("the program runs");
        let stdout = child.stdout.take().expect("it is piped");
        let (lines, logged) = channel();
        // Read for as long as it runs, so that it never waits for us.
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = lines.send(line);
            }
        });
        let mut process = ServerProcess {
            child,
            logged,
            passed_over: RefCell::default(),
            address: ([0, 0, 0, 0], 0).into(),
            directory: self.directory,
        };
        let line = process.wait_for_log("serving");
        let address = line["fields"]["address"].as_str().expect("the line tells the address");
        process.address = address.parse().expect("an address and a port");
        process
    }
}

/// A process of which nothing is known yet. It is killed at the end of its scope, if it still runs.
pub struct StartedProcess {
    child: Child,
    directory: TempDir,
}

impl StartedProcess {
    /// Where it runs.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has come as far as its first instruction.
    pub fn wait_for_beginning(&self) {
        let deadline = Instant::now() + DEADLINE;
        while !has_begun(self.id()) {
            assert!(Instant::now() < deadline, "it never began");
            thread::yield_now();
        }
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: libc::c_int) {
        send(&self.child, signal);
    }

    /// What it says on its standard error until its end, which must come within the deadline, and how it ended.
    pub fn end(mut self) -> (ExitStatus, String) {
        let status = wait_for(&mut self.child, DEADLINE);
        let mut said = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_string(&mut said).expect("text");
        }
        (status, said)
    }
}

impl Drop for StartedProcess {
    fn drop(&mut self) {
        // Both fail when it has ended and been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a process of ours has come as far as its first instruction: it keeps SIGTERM and SIGHUP waiting.
pub fn has_begun(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:"));
    let mask = blocked.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    let is_kept = |mask: u64| {
        [libc::SIGTERM, libc::SIGHUP]
            .iter()
            .all(|signal| mask >> (signal - 1) & 1 == 1)
    };
    mask.is_some_and(is_kept)
}

fn send(child: &Child, signal: libc::c_int) {
    send_to(child.id(), signal);
}

fn send_to(process: u32, signal: libc::c_int) {
    let pid = libc::pid_t::try_from(process).expect("a process id");
    // SAFETY: has no requirements; the process is our child, or its, and was not waited for: the id is its own.
    assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
}

fn wait_for(child: &mut Child, time: Duration) -> ExitStatus {
    let deadline = Instant::now() + time;
    loop {
        if let Some(status) = child.try_wait().expect("our child") {
            return status;
        }
        assert!(Instant::now() < deadline, "the process still runs after {time:?}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// A process that serves. It is killed at the end of its scope, if it still runs.
pub struct ServerProcess {
    child: Child,
    logged: Receiver<String>,
    /// Lines that came before those that were waited for.
    passed_over: RefCell<Vec<Value>>,
    address: SocketAddr,
    directory: TempDir,
}

impl ServerProcess {
    /// Where it runs.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The TCP ports of IPv4 that its sockets listen on.
    pub fn listening_ports(&self) -> BTreeSet<u16> {
        let descriptors = std::fs::read_dir(format!("/proc/{}/fd", self.id())).expect("our child");
        let sockets: Vec<_> = descriptors
            .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
            .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
            .collect();
        let table = std::fs::read_to_string(format!("/proc/{}/net/tcp", self.id())).expect("our child");
        let rows = table.lines().map(|row| row.split_whitespace().collect::<Vec<_>>());
        // Local address, state (0A: listening), inode.
        rows.filter(|row| {
            row.get(3) == Some(&"0A") && row.get(9).is_some_and(|inode| sockets.iter().any(|s| s == inode))
        })
        .filter_map(|row| u16::from_str_radix(row[1].rsplit(':').next()?, 16).ok())
        .collect()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: libc::c_int) {
        send(&self.child, signal);
    }

    /// Sends a signal to its only child, which is the program if this is what has put it into a container.
    pub fn signal_child(&self, signal: libc::c_int) {
        let children = format!("/proc/{0}/task/{0}/children", self.id());
        let children = std::fs::read_to_string(children).expect("our child");
        send_to(children.trim().parse().expect("one child"), signal);
    }

    /// Stops it where it is, as a frozen machine would, and returns when it stands still.
    pub fn freeze(&self) {
        self.signal(libc::SIGSTOP);
        let stat = format!("/proc/{}/stat", self.id());
        // The state follows the name, which ends with the last bracket.
        let stands_still = || {
            let stat = std::fs::read_to_string(&stat).expect("our child");
            stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
        };
        while !stands_still() {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal(libc::SIGCONT);
    }

    /// The next line of the log with this message, which must come within the deadline.
    pub fn wait_for_log(&self, message: &str) -> Value {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self
                .logged
                .recv_timeout(left)
                .unwrap_or_else(|error| panic!("{message:?} was never logged ({error})"));
            let line: Value = serde_json::from_str(&line).expect("without a terminal the log is JSON");
            if line["fields"]["message"] == message {
                return line;
            }
            self.passed_over.borrow_mut().push(line);
        }
    }

    /// The message of a line of the log that was passed over on the way to one that was waited for.
    pub fn find_log_of(&self, is_it: impl Fn(&str) -> bool) -> String {
        let lines = self.passed_over.borrow();
        let mut messages = lines.iter().filter_map(|line| line["fields"]["message"].as_str());
        let found = messages.find(|message| is_it(message));
        found.unwrap_or_else(|| panic!("not in {lines:?}")).to_owned()
    }

    /// Whether a line with this message was passed over on the way to one that was waited for.
    pub fn has_logged(&self, message: &str) -> bool {
        let lines = self.passed_over.borrow();
        lines.iter().any(|line| line["fields"]["message"] == message)
    }

    /// A line of the log with this message, whenever it came or comes within the deadline.
    pub fn find_log(&self, message: &str) -> Value {
        let is_it = |line: &&Value| line["fields"]["message"] == message;
        let found = self.passed_over.borrow().iter().find(is_it).cloned();
        found.unwrap_or_else(|| self.wait_for_log(message))
    }

    /// Waits for its end, which must come within `time`. Returns its exit code.
    pub fn wait(mut self, time: Duration) -> Option<i32> {
        wait_for(&mut self.child, time).code()
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // Both fail when it has ended and been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
