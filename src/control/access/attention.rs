//! Waiting for somebody for so much time in which one would have noticed the answer.
//!
//! A thread that has much to do comes late to its clock and to its sockets alike: what it finds when its time is over says
//! nothing of whoever was to answer. So the time is taken in slices, and by how much each was overrun is not the other's.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

const SLICES: u32 = 8;

/// Whose time it was that is over.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lapse {
    /// That of whoever was to answer.
    Theirs,
    /// This thread's own, for the most part.
    Ours,
}

/// Waits for `answer` for so long.
pub(super) async fn attend<F: Future>(span: Duration, answer: F) -> Result<F::Output, Lapse> {
    let mut answer = pin!(answer);
    let mut overrun = Duration::ZERO;
    for _ in 0..SLICES {
        let end = Instant::now() + span / SLICES;
        if let Ok(output) = timeout_at(end, &mut answer).await {
            return Ok(output);
        }
        overrun += end.elapsed();
        if overrun > span / 2 {
            return Err(Lapse::Ours);
        }
    }
    Err(Lapse::Theirs)
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::thread;

    use tokio::task::yield_now;
    use tokio::time::sleep;

    use super::*;

    fn run<T>(doing: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.expect("a runtime").block_on(doing)
    }

    #[test]
    fn an_answer_in_time_is_had_and_one_too_late_is_not() {
        let waited = run(attend(Duration::from_secs(60), async {
            sleep(Duration::from_millis(20)).await;
            7
        }));
        assert_eq!(waited, Ok(7));
        assert_eq!(
            run(attend(Duration::from_millis(800), pending::<()>())),
            Err(Lapse::Theirs)
        );
    }

    #[test]
    fn time_that_the_thread_spends_elsewhere_is_not_the_others() {
        let span = Duration::from_millis(1_600);
        let answer = async {
            sleep(span / 4).await;
            thread::sleep(span * 3 / 8);
            sleep(span / 2).await;
        };
        assert_eq!(run(attend(span, answer)), Ok(()));
        let busy = async {
            loop {
                thread::sleep(span / 4);
                yield_now().await;
            }
        };
        assert_eq!(run(attend(span, busy)), Err::<(), _>(Lapse::Ours));
    }
}
