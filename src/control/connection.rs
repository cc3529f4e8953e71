//! One connection of the control plane, from the moment at which it is given over to its end or its return to a shard.

use std::convert::Infallible;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use http::{HeaderValue, Request, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, sleep_until, timeout};

use super::caller::Caller;
use super::gate::{Gate, Passage, Rules, Signs};
use super::places::{Places, fresh_signs};
use super::standstill::is_our_delay;
use super::stream::ClientStream;
use crate::net::http::{MAX_FIELDS, MAX_HEAD_BYTES};
use crate::net::tls::{Handshake, Refusal};
use crate::net::{Guest, Mail, Peers};
use crate::protocol::CertificateFingerprint;
use crate::session::ClientAddress;
use crate::shard::{Priority, ShardId};

/// How long a connection may be without a request, or its peer without taking any of an answer.
const IDLE: Duration = Duration::from_secs(15);

/// How long a peer may take to read a last answer.
const GOODBYE: Duration = Duration::from_secs(2);

/// The most that is read away after a last answer, so that it is not lost to a reset.
const MAX_IGNORED_BYTES: u64 = 64 * 1024;

/// What the library may hold of a connection in either direction: a head and more.
const LIBRARY_BYTES: usize = 2 * MAX_HEAD_BYTES;

/// What all connections of one door share.
#[derive(Debug)]
pub(super) struct Door {
    /// What is answered.
    pub(super) routes: Router,
    /// What its gates let through.
    pub(super) rules: Rc<Rules>,
    /// Where upgrades go.
    pub(super) shards: Peers,
    pub(super) places: Places,
    /// Is dropped with the door, which every connection holds.
    pub(super) _open: Sender<Infallible>,
}

/// A connection as it comes in.
pub(super) struct Visit {
    pub(super) stream: ClientStream,
    pub(super) address: ClientAddress,
    /// Whom its first request comes from.
    pub(super) client: ClientAddress,
    /// The certificate that it has shown.
    pub(super) fingerprint: Option<CertificateFingerprint>,
    /// What has to be made on it before anything else.
    pub(super) handshake: Option<Handshake>,
    /// What was read of it before.
    pub(super) received: Bytes,
    /// The shard it came from.
    pub(super) shard: ShardId,
}

impl Visit {
    /// The visit of a guest that a shard has given over.
    pub(super) fn of(guest: Guest) -> io::Result<Self> {
        Ok(Self {
            stream: ClientStream::of(guest.channel)?,
            address: guest.address,
            client: guest.client,
            fingerprint: guest.fingerprint,
            handshake: None,
            received: guest.received,
            shard: guest.shard,
        })
    }
}

impl Door {
    /// Serves a connection until it ends, is idle for too long, has to make way, or goes to a shard.
    pub(super) async fn serve(self: Rc<Self>, visit: Visit) {
        let Visit {
            stream,
            address,
            client,
            fingerprint,
            handshake,
            received,
            shard,
        } = visit;
        let signs = fresh_signs(client);
        let Some(place) = self.places.take(&signs) else {
            let answer = self.rules.crowded_out(client);
            // Before a handshake there are no words for it.
            if handshake.is_none() {
                stream.send_at_once(&answer);
            }
            return;
        };
        let visit = async {
            let stream = match handshake {
                None => stream,
                Some(handshake) => {
                    let note = |why: &Refusal| self.rules.note_no_handshake(client, why);
                    match stream.greet(handshake, note).await {
                        Ok(stream) => stream,
                        Err(error) => return tracing::debug!(%error, "a TLS handshake with the control plane failed"),
                    }
                }
            };
            let gate = Gate::new(stream, address, received, Rc::clone(&self.rules), Rc::clone(&signs));
            let served = self.answer(gate, address, &signs).await;
            match served.passage() {
                Passage::ForShard => {
                    let client = signs.client.get();
                    self.send_back(served, [address, client], fingerprint, shard).await;
                }
                Passage::Refused => {
                    let (stream, answer) = served.into_parts();
                    say_goodbye(stream, &answer).await;
                }
                Passage::Closed | Passage::Open => say_goodbye(served.into_parts().0, &[]).await,
            }
        };
        tokio::select! {
            () = visit => {}
            () = place.dismissed() => {}
            () = stalls(&signs) => {}
        }
    }

    /// Lets the library answer one request after the other until it sees the end of the stream.
    async fn answer(&self, gate: Gate, address: ClientAddress, signs: &Rc<Signs>) -> Gate {
        let routes = TowerToHyperService::new(self.routes.clone());
        let service = service_fn(|mut request: Request<Incoming>| {
            request.extensions_mut().insert(Caller {
                client: signs.client.get(),
                peer: address,
            });
            let signs = Rc::clone(signs);
            let announces_body = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING]
                .iter()
                .any(|field| request.headers().contains_key(field));
            let answer = routes.call(request);
            Box::pin(async move {
                signs.is_being_answered.set(true);
                let Ok(mut answer) = answer.await;
                signs.is_being_answered.set(false);
                // What a proxy keeps open is nobody's until it passes on somebody's next request.
                signs.client.set(address);
                // Behind a body the gate looks for no further request.
                if announces_body {
                    answer
                        .headers_mut()
                        .insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(answer)
            })
        });
        let mut connection = http1::Builder::new()
            .half_close(true)
            .header_read_timeout(None)
            .max_headers(MAX_FIELDS)
            .max_buf_size(LIBRARY_BYTES)
            .serve_connection(TokioIo::new(gate), service);
        if let Err(error) = (&mut connection).await {
            tracing::debug!(%error, "a connection of the control plane ended early");
        }
        connection.into_parts().io.into_inner()
    }

    /// Gives a socket whose next request is an upgrade back to the shard that accepted it.
    async fn send_back(
        &self,
        gate: Gate,
        [address, client]: [ClientAddress; 2],
        fingerprint: Option<CertificateFingerprint>,
        shard: ShardId,
    ) {
        let (stream, received) = gate.into_parts();
        let Ok((channel, unread)) = stream.into_channel() else {
            return;
        };
        let guest = Guest {
            channel,
            address,
            client,
            fingerprint,
            received: joined(received, unread),
            shard,
        };
        let mail = Mail::Returned(Box::new(guest));
        if let Err(Mail::Returned(guest)) = self.shards[shard.index()].try_send(Priority::Bulk, mail)
            && let Ok(visit) = Visit::of(*guest)
        {
            say_goodbye(visit.stream, &self.rules.crowded_out(client)).await;
        }
    }
}

/// Waits until a connection has not got on for too long. Time in which we ourselves stood still is not its own: what it
/// sent meanwhile was not read.
async fn stalls(signs: &Signs) {
    loop {
        let deadline = signs.progress.get() + IDLE;
        sleep_until(deadline).await;
        if signs.progress.get() + IDLE > deadline {
            continue;
        }
        if !is_our_delay(deadline) {
            return;
        }
        signs.progress.set(Instant::now());
    }
}

/// What the gate has held, and behind it what it had not read.
fn joined(held: Bytes, unread: Bytes) -> Bytes {
    if unread.is_empty() {
        held
    } else {
        [held, unread].concat().into()
    }
}

/// Sends a last answer and lets the peer read it.
async fn say_goodbye(mut stream: ClientStream, answer: &[u8]) {
    let goodbye = async {
        stream.write_all(answer).await?;
        stream.shutdown().await?;
        tokio::io::copy(&mut (&mut stream).take(MAX_IGNORED_BYTES), &mut tokio::io::sink()).await
    };
    // A peer that is gone, or that does not read, need not know.
    let _ = timeout(GOODBYE, goodbye).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a connection that got on last so long ago is ended within `patience`.
    fn is_ended(since: Duration, patience: Duration) -> bool {
        let signs = fresh_signs(ClientAddress::own([192, 0, 2, 1].into()));
        signs.progress.set(Instant::now() - since);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let ended = runtime
            .expect("a runtime")
            .block_on(async { timeout(patience, stalls(&signs)).await });
        ended.is_ok()
    }

    #[test]
    fn whoever_is_idle_is_ended_and_nobody_is_charged_for_our_standstill() {
        assert!(is_ended(IDLE + Duration::from_millis(1), 4 * IDLE));
        let is_charged = is_ended(IDLE + Duration::from_secs(30), Duration::from_millis(100));
        assert!(!is_charged, "it was not read meanwhile");
    }
}
