//! The last words of a panicking thread.
//!
//! A panic leaves the rooms of a shard in an unknown state, so the process never goes on after one: the hook prints
//! what happened and aborts, also in builds that would unwind. Of a shard, it then says what was decided last in the room that
//! was served.

use std::panic::PanicHookInfo;
use std::{backtrace, process, thread};

use super::{executors, last_words};

/// Makes every panic of the process print thread (or shard), place and message to standard error in one line, then
/// what the thread has [left to be said](last_words::leave_story), then a backtrace if the environment asks for one (`RUST_BACKTRACE=1`), and abort.
///
/// Call once, first thing in `main`.
pub fn install_panic_hook() {
    std::panic::set_hook(Box::new(|info| {
        let thread = thread::current();
        let line = last_words(thread.name(), info);
        last_words::say(&line);
        // A panic in there ends the process at once, with the line above said.
        if let Some(story) = last_words::story() {
            last_words::say(&format!("{}: {story}", who(thread.name())));
        }
        let backtrace = backtrace::Backtrace::capture();
        if backtrace.status() == backtrace::BacktraceStatus::Captured {
            last_words::say(&backtrace.to_string());
        }
        process::abort();
    }));
}

fn last_words(thread: Option<&str>, info: &PanicHookInfo<'_>) -> String {
    let place = info.location().map_or_else(
        || "an unknown place".to_owned(),
        |l| format!("{}:{}", l.file(), l.line()),
    );
    let message = info.payload_as_str().unwrap_or("no message");
    format!("{} panicked at {place}: {message}; the process aborts", who(thread))
}

fn who(thread: Option<&str>) -> String {
    let Some(name) = thread else {
        return "an unnamed thread".to_owned();
    };
    match name
        .strip_prefix(executors::THREAD_NAME_PREFIX)
        .and_then(|number| number.parse::<u16>().ok())
    {
        Some(shard) => format!("shard {shard}"),
        None => format!("thread {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thread_name_tells_the_shard() {
        assert_eq!(who(Some("shard-12")), "shard 12");
        assert_eq!(who(Some("signals")), "thread signals");
        assert_eq!(who(Some("shard-x")), "thread shard-x");
        assert_eq!(who(None), "an unnamed thread");
    }
}
