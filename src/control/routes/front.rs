//! What visitors and clients see first.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};

use super::known::Known;

const LINE: &str = "Signal Fish Relay: WebSockets for players at /v2/ws and /v3/ws, liveness at /health\n";

const PAGE: &str = include_str!("front.html");

/// Where the page tells of the playground, if there is one.
const PLACE: &str = "<!-- playground -->";
const PLAYGROUND: &str = r#"<p><a href="/play/">Open the playground</a>: two players, one room, every message.
<a href="/demo/">Play the demo</a>: a small game, written to be copied.</p>"#;

/// `GET /`: says what this is, to people as a page and to programs as a line.
pub(super) async fn page(State(known): State<Arc<Known>>, fields: HeaderMap) -> Response {
    let accepted = fields.get(header::ACCEPT).and_then(|accepted| accepted.to_str().ok());
    if accepted.is_some_and(|accepted| accepted.contains("text/html")) {
        let playground = if known.site.has_playground { PLAYGROUND } else { "" };
        Html(PAGE.replace(PLACE, playground)).into_response()
    } else {
        LINE.into_response()
    }
}

/// `GET /v2/client-config`: the largest frame that the server writes.
pub(super) async fn client_config(State(known): State<Arc<Known>>) -> Response {
    let bytes = known.site.world.settings.messages.max_outbound_bytes;
    let fields = [
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_TYPE, "application/json"),
    ];
    (fields, format!(r#"{{"max_outbound_message_size":{bytes}}}"#)).into_response()
}

/// What asks for a WebSocket with another method than GET.
pub(super) async fn only_upgrades() -> Response {
    (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET")]).into_response()
}
