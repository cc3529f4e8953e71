//! How much a thread gives way to others.

use std::io;

/// Makes the calling thread give way: at 10 it gets a ninth of what a thread of the usual niceness gets beside it.
///
/// # Errors
///
/// What the system says. The thread runs all the same.
pub fn give_way(niceness: i32) -> io::Result<()> {
    // SAFETY: no pointers. On Linux a thread of its own is meant by 0, not the whole process.
    let outcome = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, niceness) };
    if outcome < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_thread_that_asks_gives_way() {
        // SAFETY: no pointers.
        let niceness = || unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
        let before = niceness();
        const MOST: i32 = 19;
        let asked = (before + 5).min(MOST);
        let there = std::thread::spawn(move || {
            give_way(asked).expect("a thread may always give way");
            niceness()
        });
        assert_eq!(there.join().expect("no panic"), asked);
        assert_eq!(niceness(), before);
    }
}
