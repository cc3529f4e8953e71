//! The lines in which shards bring what is for the control plane: sockets, and questions for the game's backend.
//!
//! Owns the bounded queues between the shards' threads and the control plane. Promises that no shard waits, not even for a
//! lock that the control plane may hold while others have its CPU: what does not fit comes back to the shard, which says so
//! to whoever it is about. A source has a share of each line at most, so nobody keeps others out of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::crowds::{CrowdLimits, CrowdPlace, Crowds};
use crate::net::{FrontDesk, Guest};
use crate::session::NoVerdict;
use crate::shard::{SentQuestion, SourceRule, Ticket};

/// Guests that may stand in line. Each costs the control plane some 20 µs until it is out of it.
pub const LINE_LENGTH: usize = 256;

/// A source has half of the line.
const GUESTS: CrowdLimits = CrowdLimits {
    all: LINE_LENGTH,
    share: LINE_LENGTH / 2,
};

/// Questions that may be without an answer, those that are being asked included.
const QUESTIONS: CrowdLimits = CrowdLimits { all: 1_024, share: 256 };

/// The shards' end of the lines.
#[derive(Debug, Clone)]
pub struct Desk {
    guests: Sender<(Guest, CrowdPlace)>,
    in_line: Arc<Crowds>,
    questions: Sender<Asked>,
    unanswered: Arc<Crowds>,
    backend: Arc<BackendState>,
}

impl Desk {
    /// What is known of the game's backend wherever questions are brought.
    pub(super) fn backend(&self) -> Arc<BackendState> {
        Arc::clone(&self.backend)
    }
}

/// Whether the game's backend answers. One that does is no more silent because many ask: whoever is let in while it is silent
/// must not be able to bring that about.
#[derive(Debug, Default)]
pub(super) struct BackendState {
    is_silent: AtomicBool,
}

impl BackendState {
    /// Notes whether it has answered just now.
    pub(super) fn note(&self, has_answered: bool) {
        // Relaxed: whoever sees it late asks as it was a moment ago.
        self.is_silent.store(!has_answered, Ordering::Relaxed);
    }

    /// Why somebody has no verdict for whom there was no turn to ask.
    pub(super) fn silence_of_the_unasked(&self) -> NoVerdict {
        if self.is_silent.load(Ordering::Relaxed) {
            NoVerdict::Unreachable
        } else {
            NoVerdict::Crowded
        }
    }
}

/// A question that was brought. It has its place until it is dropped.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) question: SentQuestion,
    pub(super) place: CrowdPlace,
}

/// The control plane's end of the line of sockets.
#[derive(Debug)]
pub(super) struct Line {
    guests: Receiver<(Guest, CrowdPlace)>,
}

/// Both lines, and their ends.
pub(super) fn lines(sources: SourceRule) -> (Desk, Line, Receiver<Asked>) {
    let (guests, guests_end) = channel(GUESTS.all);
    let (questions, questions_end) = channel(QUESTIONS.all);
    let desk = Desk {
        guests,
        in_line: Crowds::new(sources, GUESTS),
        questions,
        unanswered: Crowds::new(sources, QUESTIONS),
        backend: Arc::default(),
    };
    (desk, Line { guests: guests_end }, questions_end)
}

impl FrontDesk for Desk {
    fn take(&self, guest: Guest) -> Result<(), Guest> {
        let Some(place) = self.in_line.enter(guest.client) else {
            return Err(guest);
        };
        self.guests.try_send((guest, place)).map_err(|refused| {
            let (TrySendError::Full((guest, _)) | TrySendError::Closed((guest, _))) = refused;
            guest
        })
    }

    fn ask(&self, question: SentQuestion) -> Result<(), (Ticket, NoVerdict)> {
        let ticket = question.ticket;
        let crowded = || (ticket, self.backend.silence_of_the_unasked());
        let place = self.unanswered.enter(question.question.address).ok_or_else(crowded)?;
        let asked = Asked { question, place };
        self.questions.try_send(asked).map_err(|_| crowded())
    }
}

impl Line {
    /// The next guest. `None`: there will be no more.
    pub(super) async fn next(&mut self) -> Option<Guest> {
        let (guest, _place) = self.guests.recv().await?;
        Some(guest)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};
    use std::os::fd::OwnedFd;

    use bytes::Bytes;

    use super::*;
    use crate::net::{Channel, Socket};
    use crate::session::ClientAddress;
    use crate::shard::ShardId;

    fn guest(address: [u8; 4]) -> Guest {
        let any = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        Guest {
            channel: Channel::plain(Socket::from(OwnedFd::from(any))),
            address: ClientAddress::own(address.into()),
            client: ClientAddress::own(address.into()),
            fingerprint: None,
            received: Bytes::new(),
            shard: ShardId(0),
        }
    }

    #[test]
    fn nobody_makes_a_backend_silent_by_asking_much() {
        let (desk, _line, questions) = lines(SourceRule::DEFAULT);
        drop(questions);
        let backend = desk.backend();
        for (has_answered, why) in [
            (true, NoVerdict::Crowded),
            (false, NoVerdict::Unreachable),
            (true, NoVerdict::Crowded),
        ] {
            backend.note(has_answered);
            assert_eq!(backend.silence_of_the_unasked(), why);
        }
    }

    #[test]
    fn a_source_has_half_of_the_line_and_gets_its_places_back() {
        let (desk, mut line, _questions) = lines(SourceRule::DEFAULT);
        for _ in 0..GUESTS.share {
            desk.take(guest([192, 0, 2, 1])).expect("its share");
        }
        desk.take(guest([192, 0, 2, 1])).expect_err("more than its share");
        for _ in 0..GUESTS.share {
            desk.take(guest([192, 0, 2, 2])).expect("another's share");
        }
        desk.take(guest([192, 0, 2, 3])).expect_err("the line is full");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        runtime.block_on(line.next()).expect("the first");
        desk.take(guest([192, 0, 2, 1])).expect("its place is free again");
        drop(line);
        desk.take(guest([192, 0, 2, 4])).expect_err("nobody is there");
    }
}
