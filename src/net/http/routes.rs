//! Who answers a request: the shard that read it, or the control plane.
//!
//! A shard answers upgrades and what is no request at all. Both roads on which a request may come, a fresh socket and one
//! that the control plane has kept, end in [`Site::answer`]: an upgrade is judged in one place only.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use uuid::Uuid;

use super::doors::Doors;
use super::request::{Head, RequestRefusal, read_head};
use super::response::{Response, Status};
use super::upgrade::{self, Outcome, UpgradeFacts};
use crate::auth::token_binding::{BindingPolicy, BindingTerms};
use crate::config::OriginPolicy;
use crate::net::proxies::ProxyPolicy;
use crate::net::tls::{NO_TLS_HERE, Refusal};
use crate::protocol::{ProtocolVersion, Secret, WallTime};
use crate::session::{AccessPolicy, ClientAddress};
use crate::shard::admission::ConnectionRefused;
use crate::shard::refusals::{RefusalReason, Refused};
use crate::shard::{Now, World};

/// What is known of the server wherever requests are answered.
#[derive(Debug)]
pub struct Site {
    /// The shards' shared part.
    pub world: Arc<World>,
    /// Under which names it is asked.
    pub doors: Doors,
    /// Who is believed about whom it speaks for.
    pub proxies: ProxyPolicy,
    /// Which pages may connect.
    pub origins: OriginPolicy,
    /// How connections are bound to their handshakes; `None`: not at all.
    pub token_binding: Option<BindingPolicy>,
    /// What a reader of the metrics must know; `None`: they are open.
    pub metrics_token: Option<Secret>,
    /// Whether the playground and the demo game are served.
    pub has_playground: bool,
}

/// What to do with a connection that sent a request.
#[derive(Debug)]
pub enum Answer {
    /// The request is not complete; wait for more.
    Wait,
    /// Send this and close.
    Close(Vec<u8>),
    /// It asks for no WebSocket: the control plane answers it.
    Elsewhere {
        /// Whom it comes from.
        client: ClientAddress,
    },
    /// Send this; what follows the head is WebSocket.
    Upgrade {
        /// The answer.
        response: Vec<u8>,
        /// Where the bytes after the head begin.
        head_bytes: usize,
        /// The id that the answer and the log share.
        request_id: Uuid,
        /// Whom it comes from.
        client: ClientAddress,
        /// The version that the path stands for.
        endpoint: ProtocolVersion,
        /// On what terms the connection is bound to its handshake, if it is.
        binding: Option<BindingTerms>,
    },
}

/// The version that a path stands for, if WebSockets are served there.
#[must_use]
pub fn endpoint(path: &str) -> Option<ProtocolVersion> {
    match path {
        "/v2/ws" => Some(ProtocolVersion::V2),
        "/v3/ws" => Some(ProtocolVersion::V3),
        _ => None,
    }
}

/// The version of the WebSocket that a request asks for, well or badly: a shard has to say. Everything else is for the
/// control plane.
#[must_use]
pub fn wanted_endpoint(head: &Head<'_>) -> Option<ProtocolVersion> {
    endpoint(head.path).filter(|_| head.method == "GET")
}

/// A request for a WebSocket.
struct Asked<'a> {
    head: Head<'a>,
    head_bytes: usize,
    client: ClientAddress,
    endpoint: ProtocolVersion,
}

impl Site {
    /// Answers the bytes of a request of this peer, at this moment. `random` becomes the request's id, if it needs one.
    #[must_use]
    pub fn answer(
        &self,
        bytes: &[u8],
        peer: ClientAddress,
        access: &AccessPolicy,
        random: [u8; 16],
        now: Now,
    ) -> Answer {
        let (head, head_bytes) = match read_head(bytes) {
            Ok(None) => return Answer::Wait,
            Ok(Some(whole)) => whole,
            Err(refusal) => return Answer::Close(self.refused(refusal, peer, now)),
        };
        let client = self.client(&head, peer);
        let Some(endpoint) = wanted_endpoint(&head) else {
            return Answer::Elsewhere { client };
        };
        if let Some(refusal) = self.turned_away(&head, &self.doors, client, access, now) {
            return Answer::Close(refusal);
        }
        let asked = Asked {
            head,
            head_bytes,
            client,
            endpoint,
        };
        self.upgrade(&asked, random, now)
    }

    /// Whom a request of this peer comes from: each says it for itself, whatever the others on its connection say.
    #[must_use]
    pub fn client(&self, head: &Head<'_>, peer: ClientAddress) -> ClientAddress {
        self.proxies.client(peer, |field| head.values(field))
    }

    /// The answer to a request of a client that is kept out, or that names a host which is not this server's. Health checks may
    /// ask for any.
    #[must_use]
    pub fn turned_away(
        &self,
        head: &Head<'_>,
        doors: &Doors,
        client: ClientAddress,
        access: &AccessPolicy,
        now: Now,
    ) -> Option<Vec<u8>> {
        if access.keeps_out(client) {
            self.note_blocked(client, now);
            // Not by an end alone: a proxy would ask elsewhere, or take the server for dead.
            let refusal = Response::text(Status::Forbidden, "your network is kept out");
            return Some(dated(refusal, now.wall).into_bytes());
        }
        if matches!(head.path, "/health" | "/v2/health" | "/readyz" | "/v2/readyz") {
            return None;
        }
        let refusal = doors.refuse(head, now.mono_ms)?;
        let who = Refused {
            address: Some(client),
            origin: head.values("origin").next(),
            ..Refused::default()
        };
        self.world.refusals.note(RefusalReason::Host, &who, now.mono_ms);
        Some(dated(refusal, now.wall).into_bytes())
    }

    /// Notes that a client is refused because its network is kept out.
    pub fn note_blocked(&self, client: ClientAddress, now: Now) {
        let who = Refused {
            address: Some(client),
            ..Refused::default()
        };
        self.world.refusals.note(RefusalReason::Blocked, &who, now.mono_ms);
    }

    /// The answer to what is no request that can be served.
    #[must_use]
    pub fn refused(&self, refusal: RequestRefusal, address: ClientAddress, now: Now) -> Vec<u8> {
        let reason = match refusal {
            RequestRefusal::Malformed => RefusalReason::NotHttp,
            RequestRefusal::Http2 => RefusalReason::Http2,
            RequestRefusal::Tls => RefusalReason::Tls,
            RequestRefusal::ProxyHeader => RefusalReason::ProxyHeader,
            RequestRefusal::TooLarge => RefusalReason::HeadTooLarge,
        };
        let who = Refused {
            address: Some(address),
            ..Refused::default()
        };
        self.world.refusals.note(reason, &who, now.mono_ms);
        match refusal {
            RequestRefusal::Tls => NO_TLS_HERE.to_vec(),
            _ => dated(Response::from(refusal), now.wall).into_bytes(),
        }
    }

    /// Notes that a client is told by an alert that its TLS handshake has failed.
    pub fn note_no_handshake(&self, client: ClientAddress, why: &Refusal, now: Now) {
        let why = why.to_string();
        let who = Refused {
            address: Some(client),
            told: &why,
            ..Refused::default()
        };
        self.world.refusals.note(RefusalReason::TlsHandshake, &who, now.mono_ms);
    }

    /// The answer to a request for which the control plane has no place.
    #[must_use]
    pub fn crowded_out(&self, address: ClientAddress, now: Now) -> Vec<u8> {
        let response = Response::text(
            Status::ServiceUnavailable,
            "too many requests are being answered; ask again in a moment",
        );
        let who = Refused {
            address: Some(address),
            ..Refused::default()
        };
        self.world.refusals.note(RefusalReason::ControlFull, &who, now.mono_ms);
        dated(response.field("Retry-After", 1), now.wall).into_bytes()
    }

    /// Answers an upgrade for which there is no place, when too many that were told so after theirs are still there.
    #[must_use]
    pub fn refuse(&self, refusal: ConnectionRefused, request_id: Uuid, address: ClientAddress, now: Now) -> Vec<u8> {
        let who = Refused {
            address: Some(address),
            request_id: Some(request_id),
            ..Refused::default()
        };
        self.world.refusals.note(refusal.into(), &who, now.mono_ms);
        dated(upgrade::refuse(&refusal, &self.facts(request_id)), now.wall).into_bytes()
    }

    fn facts(&self, request_id: Uuid) -> UpgradeFacts<'_> {
        UpgradeFacts {
            origins: &self.origins,
            token_binding: self.token_binding.as_ref(),
            request_id,
            max_outbound_bytes: self.world.settings.messages.max_outbound_bytes,
            is_draining: self.world.is_draining(),
        }
    }

    fn upgrade(&self, asked: &Asked<'_>, random: [u8; 16], now: Now) -> Answer {
        let request_id = uuid::Builder::from_random_bytes(random).into_uuid();
        let head = &asked.head;
        match upgrade::answer(head, &self.facts(request_id)) {
            Outcome::Upgraded(response, binding) => Answer::Upgrade {
                response: dated(self.shared(response, head), now.wall).into_bytes(),
                head_bytes: asked.head_bytes,
                request_id,
                client: asked.client,
                endpoint: asked.endpoint,
                binding,
            },
            Outcome::Refused(response, reason) => {
                let who = Refused {
                    address: Some(asked.client),
                    request_id: Some(request_id),
                    origin: head.values("origin").next(),
                    ..Refused::default()
                };
                self.world.refusals.note(reason, &who, now.mono_ms);
                Answer::Close(dated(self.shared(response, head), now.wall).into_bytes())
            }
        }
    }

    /// The answer, which a page of an allowed origin may read.
    fn shared(&self, response: Response, head: &Head<'_>) -> Response {
        let response = response.field("Vary", "origin");
        let origin = head.only("origin").and_then(|origin| std::str::from_utf8(origin).ok());
        match origin.filter(|origin| self.origins.allows(origin)) {
            Some(origin) => response.field("Access-Control-Allow-Origin", origin),
            None => response,
        }
    }
}

fn dated(response: Response, now: WallTime) -> Response {
    let moment = SystemTime::UNIX_EPOCH + Duration::from_secs(now.unix_secs());
    response.field("Date", httpdate::fmt_http_date(moment))
}
