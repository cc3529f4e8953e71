//! A scenario that would end or change its process, in a process of its own: this binary again, running one test.
//!
//! The test asks [`is_child`] first: in the child it plays the scenario, in the parent it judges what came of the child.

use std::env;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};

use signal_fish_relay::runtime::signals;

const IN_CHILD: &str = "SIGNAL_FISH_TEST_CHILD";

/// Whether this process was made for one scenario.
pub fn is_child() -> bool {
    env::var_os(IN_CHILD).is_some()
}

/// The command that runs a test, named with its module, in a child.
pub fn command(test: &str) -> Command {
    let mut command = Command::new(env::current_exe().expect("the path of this binary"));
    command
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(IN_CHILD, "1")
        .env_remove("RUST_BACKTRACE");
    // The thread that runs the tests is no thread of the scenario's, and would take the signals that are for it.
    // SAFETY: all that is called between fork and exec is `pthread_sigmask`, which may be.
    unsafe {
        command.pre_exec(|| {
            signals::hold();
            Ok(())
        });
    }
    command
}

/// Runs a test in a child to its end.
pub fn output(test: &str) -> Output {
    command(test).output().expect("the child runs")
}

/// Runs a whole test in a child, for the sake of what it changes there: it passes here as it passes there.
pub fn play(test: &str, scenario: impl FnOnce()) {
    if is_child() {
        return scenario();
    }
    let output = output(test);
    let (told, complained) = (lossy(&output.stdout), lossy(&output.stderr));
    assert!(
        output.status.success() && told.contains("1 passed"),
        "{}\n{told}\n{complained}",
        output.status
    );
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What a child complained of.
pub fn standard_error(output: &Output) -> String {
    lossy(&output.stderr)
}
