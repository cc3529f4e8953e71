//! The beat of a shard.
//!
//! glommio 0.9.0 can park with runnable tasks; only a timer that is still to come wakes it then. So each shard has a timer
//! from its first moment, and the same timer drives all of its deadlines: there is no timer per connection. A second, slow
//! one is there for the moment at which the first has just gone off and its task is among those that were overlooked.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use glommio::Task;
use glommio::timer::Timer;

use crate::clock::moment_after;

type Hook = Box<dyn FnMut(Instant)>;

/// The longest that a shard could sleep with work waiting, should everything else that prevents it fail.
const RESCUE_INTERVAL: Duration = Duration::from_secs(1);

/// The tick of the shard that it was handed to. It beats from before the shard's set-up until the shard's end, whether
/// or not anything is attached.
pub struct Tick {
    interval: Duration,
    hook: Rc<RefCell<Option<Hook>>>,
}

/// The timers of a shard.
pub(super) struct Beat([Task<()>; 2]);

impl Beat {
    /// Ends them. Timers that sleep when their executor ends are never freed.
    pub(super) async fn stop(self) {
        for timer in self.0 {
            timer.cancel().await;
        }
    }
}

impl Tick {
    /// Starts the beat on the calling executor.
    pub(super) fn start(interval: Duration) -> (Self, Beat) {
        let hook = Rc::new(RefCell::new(None::<Hook>));
        let hooked = Rc::clone(&hook);
        let rescue = every(RESCUE_INTERVAL, |_| {});
        let beat = every(interval, move |now| {
            if let Some(hook) = hooked.borrow_mut().as_mut() {
                hook(now);
            }
        });
        (Self { interval, hook }, Beat([rescue, beat]))
    }

    /// Time between two beats of an idle shard. A busy one may skip beats; it never catches up in a burst.
    #[must_use]
    pub const fn interval(&self) -> Duration {
        self.interval
    }

    /// Calls `on_tick` with the time of each beat from now on. It must not block.
    pub fn attach(self, on_tick: impl FnMut(Instant) + 'static) {
        *self.hook.borrow_mut() = Some(Box::new(on_tick));
    }
}

/// Calls `on_beat` every `interval` with the time of the beat, on the calling executor, until the task is dropped.
/// Beats that were missed are left out. Must be called on a shard.
#[must_use = "dropping the task ends the beat"]
pub fn every(interval: Duration, mut on_beat: impl FnMut(Instant) + 'static) -> Task<()> {
    glommio::spawn_local(async move {
        let mut due = moment_after(Instant::now(), interval);
        loop {
            Timer::new(due.saturating_duration_since(Instant::now())).await;
            let now = Instant::now();
            on_beat(now);
            due = next_beat(due, now, interval);
        }
    })
}

/// On the grid of `due` where that is still ahead, else a whole interval from now.
fn next_beat(due: Instant, now: Instant, interval: Duration) -> Instant {
    let on_grid = moment_after(due, interval);
    if on_grid > now {
        on_grid
    } else {
        moment_after(now, interval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_beat_keeps_the_grid_and_a_missed_one_is_left_out() {
        let start = Instant::now();
        let ms = |count| Duration::from_millis(count);
        assert_eq!(next_beat(start, start, ms(5)), start + ms(5));
        assert_eq!(next_beat(start, start + ms(3), ms(5)), start + ms(5));
        assert_eq!(next_beat(start, start + ms(50), ms(5)), start + ms(55));
    }
}
