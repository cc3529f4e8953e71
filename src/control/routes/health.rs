//! Whether the process lives, and whether it takes players in.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};

use super::known::Known;

/// `GET /health`: as long as the process serves.
pub(super) async fn liveness() -> &'static str {
    "OK"
}

/// `GET /readyz`: 200 while players are taken in; 503 while the server drains, and when a shard gives no sign of life,
/// which is then named.
pub(super) async fn readiness(State(known): State<Arc<Known>>) -> Response {
    let fresh = [(header::CACHE_CONTROL, "no-store")];
    if known.site.world.is_draining() {
        return (StatusCode::SERVICE_UNAVAILABLE, fresh).into_response();
    }
    let silent = known.shards.silent().await;
    if silent.is_empty() {
        return (StatusCode::OK, fresh).into_response();
    }
    let numbers: Vec<_> = silent.iter().map(ToString::to_string).collect();
    let text = format!("no sign of life from shard {}\n", numbers.join(", "));
    (StatusCode::SERVICE_UNAVAILABLE, fresh, text).into_response()
}
