//! The game's backend, as a scenario plays it: questions wait until they are answered.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_fish_relay::net::{FrontDesk, Guest};
use signal_fish_relay::session::NoVerdict;
use signal_fish_relay::shard::{SentQuestion, Ticket};

use super::pipe::Plug;

/// Where shards bring their questions.
#[derive(Debug, Default)]
pub struct Backend {
    asked: Mutex<VecDeque<SentQuestion>>,
    is_crowded: AtomicBool,
    was_asked: AtomicBool,
}

impl Backend {
    /// Takes no question from now on.
    pub fn is_crowded(&self, is_crowded: bool) {
        self.is_crowded.store(is_crowded, Ordering::Relaxed);
    }

    /// Whether anybody may be waiting for an answer.
    pub fn was_asked(&self) -> bool {
        self.was_asked.load(Ordering::Relaxed)
    }

    /// The questions that nobody has taken yet.
    pub fn take(&self) -> Vec<SentQuestion> {
        self.asked.lock().expect("nobody panics with it").drain(..).collect()
    }
}

impl FrontDesk<Plug> for Backend {
    fn take(&self, guest: Guest<Plug>) -> Result<(), Guest<Plug>> {
        Err(guest)
    }

    fn ask(&self, question: SentQuestion) -> Result<(), (Ticket, NoVerdict)> {
        if self.is_crowded.load(Ordering::Relaxed) {
            return Err((question.ticket, NoVerdict::Crowded));
        }
        self.was_asked.store(true, Ordering::Relaxed);
        self.asked.lock().expect("nobody panics with it").push_back(question);
        Ok(())
    }
}
