//! What servers gave us to resume sessions by.
//!
//! The cache that comes with the TLS library keeps eight tickets, which is enough for one client; here hundreds connect at
//! the same time and each needs a ticket of its own, because none is used twice.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;

/// The oldest are forgotten beyond that.
const MOST_TICKETS: usize = 10_000;

/// The tickets of one server; a test knows no other.
#[derive(Debug, Default)]
pub(super) struct Tickets(Mutex<Stock>);

#[derive(Default)]
struct Stock {
    key_exchange: Option<NamedGroup>,
    /// Of TLS 1.2; it may be used as often as one likes.
    session: Option<Tls12ClientSessionValue>,
    /// Of TLS 1.3; each is used once.
    tickets: VecDeque<Tls13ClientSessionValue>,
}

impl std::fmt::Debug for Stock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stock")
            .field("tickets", &self.tickets.len())
            .finish_non_exhaustive()
    }
}

impl Tickets {
    fn stock(&self) -> MutexGuard<'_, Stock> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientSessionStore for Tickets {
    fn set_kx_hint(&self, _: ServerName<'static>, group: NamedGroup) {
        self.stock().key_exchange = Some(group);
    }

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        self.stock().key_exchange
    }

    fn set_tls12_session(&self, _: ServerName<'static>, session: Tls12ClientSessionValue) {
        self.stock().session = Some(session);
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.stock().session.clone()
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {
        self.stock().session = None;
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, ticket: Tls13ClientSessionValue) {
        let tickets = &mut self.stock().tickets;
        if tickets.len() == MOST_TICKETS {
            tickets.pop_front();
        }
        tickets.push_back(ticket);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.stock().tickets.pop_back()
    }
}
