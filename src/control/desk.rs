//! The lines in which shards bring what is for the control plane: sockets, and questions for the game's backend.
//!
//! Owns the bounded queues between the shards' threads and the control plane. Promises that no shard waits, not even for a
//! lock that the control plane may hold while others have its CPU: what does not fit comes back to the shard, which says so
//! to whoever it is about. A source has a share of each line at most, so nobody keeps others out of it.

use std::sync::Arc;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::Instant;

use super::access::Silence;
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
    silence: Arc<Silence>,
}

impl Desk {
    /// Whether the game's backend is silent, as those see it who bring questions.
    pub(super) fn silence(&self) -> Arc<Silence> {
        Arc::clone(&self.silence)
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
        silence: Arc::new(Silence::new(Instant::now())),
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
        let Some(place) = self.unanswered.enter(question.question.address) else {
            return Err((ticket, self.silence.of_the_unasked(Instant::now())));
        };
        let asked = Asked { question, place };
        // There is room for whoever has a place: nobody is there to take it.
        self.questions
            .try_send(asked)
            .map_err(|_| (ticket, NoVerdict::Unattended))
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
    use std::time::Duration;

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
    fn a_control_plane_that_is_gone_is_no_silence_of_the_backends() {
        let (desk, _line, questions) = lines(SourceRule::DEFAULT);
        drop(questions);
        desk.silence().note_none(Duration::ZERO, Instant::now());
        let (_, why) = desk
            .ask(SentQuestion::of_nobody(ClientAddress::own([192, 0, 2, 1].into())))
            .expect_err("nobody is there");
        assert_eq!(why, NoVerdict::Unattended);
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
