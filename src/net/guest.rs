//! Sockets that ask for something else than a WebSocket, on their way to the control plane and back.
//!
//! Owns a socket, who is at its other end, and what was read from it. Must never show what was read: a request may hold
//! credentials.

use std::fmt;

use bytes::Bytes;

use super::channel::Channel;
use super::socket::Socket;
use crate::protocol::CertificateFingerprint;
use crate::session::{ClientAddress, NoVerdict};
use crate::shard::{SentQuestion, ShardId, Ticket};

/// A socket that goes over, whole: nothing that was read from it is left behind.
pub struct Guest<S = Socket> {
    /// Not watched by anybody at this moment. No handshake is under way on it.
    pub channel: Channel<S>,
    /// Who is at its other end, or whom a proxy there has named.
    pub address: ClientAddress,
    /// Whom its request comes from.
    pub client: ClientAddress,
    /// The certificate that it has shown.
    pub fingerprint: Option<CertificateFingerprint>,
    /// What was read and not answered, from the first byte of a request on.
    pub received: Bytes,
    /// The shard that accepted it, and that takes it back if it asks for a WebSocket after all.
    pub shard: ShardId,
}

impl<S> fmt::Debug for Guest<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guest")
            .field("address", &self.address)
            .field("received_bytes", &self.received.len())
            .field("shard", &self.shard)
            .finish_non_exhaustive()
    }
}

/// Where guests go, and questions for the game's backend. It is called on the shards' threads, and never waits.
pub trait FrontDesk<S = Socket>: fmt::Debug + Send + Sync {
    /// Takes a guest.
    ///
    /// # Errors
    ///
    /// The guest itself, when there is no place in the line: whoever brought it says so to it.
    fn take(&self, guest: Guest<S>) -> Result<(), Guest<S>>;

    /// Takes a question, whose answer comes by mail.
    ///
    /// # Errors
    ///
    /// Who asked, and why there is no answer, when there is no place for the question.
    fn ask(&self, question: SentQuestion) -> Result<(), (Ticket, NoVerdict)>;
}

/// The desk of a server without a control plane: nobody is taken.
#[derive(Debug, Clone, Copy)]
pub struct NoDesk;

impl<S> FrontDesk<S> for NoDesk {
    fn take(&self, guest: Guest<S>) -> Result<(), Guest<S>> {
        Err(guest)
    }

    fn ask(&self, question: SentQuestion) -> Result<(), (Ticket, NoVerdict)> {
        Err((question.ticket, NoVerdict::Unattended))
    }
}
