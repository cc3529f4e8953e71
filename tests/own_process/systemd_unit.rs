//! The unit and the socket of `deploy/`, as systemd reads them.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// What systemd may think of the unit's exposure, in tenths of ten: what is relaxed says why in the unit.
const EXPOSURE: &str = "12";

fn analyze(arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } = Command::new("systemd-analyze")
        .args(arguments)
        .output()
        .expect("systemd-analyze in PATH");
    let told = String::from_utf8([stdout, stderr].concat()).expect("text");
    assert!(status.success(), "{arguments:?}: {told}");
    told
}

#[test]
#[ignore = "needs systemd-analyze: .ci/run installs it and includes this test"]
fn both_are_understood_and_little_is_exposed() {
    let directory = tempfile::tempdir().expect("a directory");
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    let named = |name: &str| {
        let text = fs::read_to_string(deploy.join(name)).expect("a file of deploy");
        // It has to exist where it is started from.
        let installed = text.replace(
            "/usr/local/bin/signal-fish-relay",
            env!("CARGO_BIN_EXE_signal-fish-relay"),
        );
        let path = directory.path().join(name);
        fs::write(&path, installed).expect("written");
        path.to_str().expect("text").to_owned()
    };
    let (service, socket) = (named("signal-fish-relay.service"), named("signal-fish-relay.socket"));
    let told = analyze(&["verify", "--man=no", &service, &socket]);
    let ours = told
        .lines()
        .filter(|line| line.contains("signal-fish-relay"))
        .collect::<Vec<_>>();
    assert!(ours.is_empty(), "{ours:?}");
    analyze(&[
        "security",
        "--offline=true",
        "--no-pager",
        "--threshold",
        EXPOSURE,
        &service,
    ]);
}
