//! The program as an image has it: the first process of its own, on a root that nobody can write to, as a user that is only a
//! number. To such a process the kernel delivers no signal that it does not handle.

use std::time::Duration;

use crate::support::process::{Program, ServerProcess};
use crate::support::wire::Wire;

fn in_a_container(root: &tempfile::TempDir) -> ServerProcess {
    Program::as_first_process(root.path(), &["--port", "0", "--shards", "2"])
        .variable("SIGNAL_FISH__SERVER__DRAIN_GRACE_SECS", "0")
        .variable("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .serve()
}

#[test]
#[ignore = "needs root, unshare and setpriv: .ci/run has them and includes this test"]
fn it_serves_and_obeys_all_signals() {
    for stop in [libc::SIGTERM, libc::SIGINT] {
        let root = tempfile::tempdir().expect("a directory");
        let server = in_a_container(&root);
        Wire::upgraded_to(server.address()).expect_served();
        let url = format!("http://{}", server.address());
        assert_eq!(Program::new(&["--health", &url]).output().status.code(), Some(0));
        server.signal_child(libc::SIGHUP);
        server.wait_for_log("applications and the key of connect tokens were reloaded");
        server.signal_child(stop);
        assert_eq!(server.wait(Duration::from_secs(60)), Some(0));
    }
}
