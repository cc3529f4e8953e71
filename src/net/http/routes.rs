//! Which path is answered with what.

use std::sync::Arc;

use uuid::Uuid;

use super::request::{Head, read_head};
use super::response::{Response, Status};
use super::upgrade::{self, Outcome, UpgradeFacts};
use crate::auth::token_binding::{BindingPolicy, HandshakeKey};
use crate::config::OriginPolicy;
use crate::metrics;
use crate::protocol::{ProtocolVersion, Secret};
use crate::shard::World;
use crate::shard::admission::ConnectionRefused;

/// What the routes know of the server.
#[derive(Debug)]
pub struct Site {
    /// The shards' shared part.
    pub world: Arc<World>,
    /// Which pages may connect.
    pub origins: OriginPolicy,
    /// How connections are bound to their handshakes; `None`: not at all.
    pub token_binding: Option<BindingPolicy>,
    /// What a reader of the metrics must know; `None`: they are open.
    pub metrics_token: Option<Secret>,
}

/// What to do with a connection that sent a request.
#[derive(Debug)]
pub enum Answer {
    /// The request is not complete; wait for more.
    Wait,
    /// Send this and close.
    Close(Vec<u8>),
    /// Send this; what follows the head is WebSocket.
    Upgrade {
        /// The answer.
        response: Vec<u8>,
        /// Where the bytes after the head begin.
        head_bytes: usize,
        /// The id that the answer and the log share.
        request_id: Uuid,
        /// The version that the path stands for.
        endpoint: ProtocolVersion,
        /// The key of the handshake, if the connection is bound to it.
        binding: Option<HandshakeKey>,
    },
}

impl Site {
    /// Answers the bytes of a request. `random` becomes the request's id, if it needs one.
    #[must_use]
    pub fn answer(&self, bytes: &[u8], random: [u8; 16]) -> Answer {
        match read_head(bytes) {
            Ok(None) => Answer::Wait,
            Ok(Some((head, head_bytes))) => self.route(&head, head_bytes, random),
            Err(refusal) => Answer::Close(Response::from(refusal).into_bytes(false)),
        }
    }

    /// Answers an upgrade for which there is no place, when too many that were told so after theirs are still there.
    #[must_use]
    pub fn refuse(&self, refusal: &ConnectionRefused, request_id: Uuid) -> Vec<u8> {
        upgrade::refuse(refusal, &self.facts(request_id)).into_bytes(false)
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

    fn route(&self, head: &Head<'_>, head_bytes: usize, random: [u8; 16]) -> Answer {
        let route = Route::of(head.path);
        let response = match (route, head.method) {
            (Route::WebSocket(endpoint), "GET") => return self.upgrade(head, head_bytes, endpoint, random),
            (Route::WebSocket(_), _) => Response::new(Status::MethodNotAllowed).field("Allow", "GET"),
            (Route::Unknown, _) => nothing_here(),
            (Route::Health, "GET" | "HEAD") => Response::text(Status::Ok, "OK"),
            (Route::Readiness, "GET" | "HEAD") => self.readiness(),
            (Route::ClientConfig, "GET" | "HEAD") => self.client_config(),
            (Route::Prometheus, "GET" | "HEAD") => self.prometheus(head),
            _ => Response::new(Status::MethodNotAllowed).field("Allow", "GET, HEAD"),
        };
        Answer::Close(response.into_bytes(head.method == "HEAD"))
    }

    fn upgrade(&self, head: &Head<'_>, head_bytes: usize, endpoint: ProtocolVersion, random: [u8; 16]) -> Answer {
        let request_id = uuid::Builder::from_random_bytes(random).into_uuid();
        match upgrade::answer(head, &self.facts(request_id)) {
            Outcome::Upgraded(response, binding) => Answer::Upgrade {
                response: response.into_bytes(false),
                head_bytes,
                request_id,
                endpoint,
                binding,
            },
            Outcome::Refused(response) => Answer::Close(response.into_bytes(false)),
        }
    }

    fn readiness(&self) -> Response {
        let status = if self.world.is_draining() {
            Status::ServiceUnavailable
        } else {
            Status::Ok
        };
        Response::new(status).field("Cache-Control", "no-store")
    }

    fn client_config(&self) -> Response {
        let bytes = self.world.settings.messages.max_outbound_bytes;
        Response::new(Status::Ok).field("Cache-Control", "no-store").with_body(
            "application/json",
            format!(r#"{{"max_outbound_message_size":{bytes}}}"#),
        )
    }

    fn prometheus(&self, head: &Head<'_>) -> Response {
        if !self.may_read_metrics(head) {
            return Response::new(Status::Unauthorized);
        }
        Response::new(Status::Ok).with_body(
            "text/plain; version=0.0.4; charset=utf-8",
            metrics::prometheus_page(&self.world),
        )
    }

    fn may_read_metrics(&self, head: &Head<'_>) -> bool {
        let Some(token) = &self.metrics_token else { return true };
        head.only("authorization")
            .and_then(|value| value.strip_prefix(b"Bearer "))
            .and_then(|given| std::str::from_utf8(given).ok())
            .is_some_and(|given| *token == Secret::new(given))
    }
}

/// What is behind a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    /// A WebSocket, and the version that the path stands for.
    WebSocket(ProtocolVersion),
    Health,
    Readiness,
    ClientConfig,
    Prometheus,
    Unknown,
}

impl Route {
    fn of(path: &str) -> Self {
        match path {
            "/v2/ws" => Self::WebSocket(ProtocolVersion::V2),
            "/v3/ws" => Self::WebSocket(ProtocolVersion::V3),
            "/health" | "/v2/health" => Self::Health,
            "/readyz" | "/v2/readyz" => Self::Readiness,
            "/v2/client-config" | "/v3/client-config" => Self::ClientConfig,
            "/metrics/prom" | "/v1/metrics/prom" | "/v2/metrics/prom" => Self::Prometheus,
            _ => Self::Unknown,
        }
    }
}

fn nothing_here() -> Response {
    Response::text(
        Status::NotFound,
        "nothing is here; WebSockets are at /v2/ws and /v3/ws, liveness at /health",
    )
}
