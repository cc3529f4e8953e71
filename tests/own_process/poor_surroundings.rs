//! Where little is to be had: the server starts without `/sys`, and with fewer shards where other programs of its user have
//! locked most of the memory that they all may lock together.

use std::thread::available_parallelism;

use crate::support::DEADLINE;
use crate::support::process::Program;
use crate::support::wire::Wire;

const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";
/// Nobody else's: what is locked is counted by user.
const USER: u32 = 65_531;

fn poor(program: Program) -> Program {
    program
        .variable("SIGNAL_FISH__SERVER__DRAIN_GRACE_SECS", "0")
        .variable("PATH", PATH)
}

#[test]
#[ignore = "needs root and unshare: .ci/run has them and includes this test"]
fn it_starts_where_sys_is_hidden() {
    let server = poor(Program::without_sys(&["--port", "0", "--shards", "2"])).serve();
    Wire::upgraded_to(server.address()).expect_served();
    server.signal(libc::SIGTERM);
    assert_eq!(server.wait(DEADLINE), Some(0));
}

#[test]
#[ignore = "needs root, setpriv and prlimit: .ci/run has them and includes this test"]
fn fewer_shards_start_where_another_program_has_locked_most() {
    let mib = 1 << 20;
    let other = poor(Program::of_a_user(USER, mib, &["--port", "0", "--shards", "3"])).serve();
    let server = poor(Program::of_a_user(USER, mib, &["--port", "0"])).serve();
    let cpus = available_parallelism().expect("the system tells").get();
    if cpus > 1 {
        let told = server.find_log_of(|message| message.starts_with("1 shard instead of "));
        assert!(told.contains("LimitMEMLOCK=infinity"), "{told}");
    }
    Wire::upgraded_to(server.address()).expect_served();
    Wire::upgraded_to(other.address()).expect_served();
    let output = poor(Program::of_a_user(USER, mib, &["--port", "0", "--shards", "2"])).output();
    let said = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("of which other programs of this user have "), "{said}");
}
