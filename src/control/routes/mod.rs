//! What is answered over HTTP, and where.
//!
//! Owns the routes. Promises that pages of allowed origins may read every answer, and that nobody else's may.

mod accept;
mod front;
mod health;
mod known;
mod metrics;
mod pages;

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use http::{HeaderName, HeaderValue, StatusCode, header};
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer};

pub(super) use self::known::Known;

/// Which routes a door has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// All: there is one door.
    Everything,
    /// Those for players, where operators have a door of their own.
    Players,
    /// Those for operators.
    Operators,
}

/// The routes of a door.
pub(super) fn routes(known: &Arc<Known>, scope: Scope) -> Router {
    let mut router = Router::new()
        .route("/", get(front::page))
        .route("/health", get(health::liveness))
        .route("/v2/health", get(health::liveness))
        .route("/readyz", get(health::readiness))
        .route("/v2/readyz", get(health::readiness));
    if scope != Scope::Operators {
        router = router
            .route("/v2/client-config", get(front::client_config))
            .route("/v3/client-config", get(front::client_config))
            .route("/protocol.schema.json", get(pages::schema))
            .route("/v2/ws", any(front::only_upgrades))
            .route("/v3/ws", any(front::only_upgrades));
    }
    if scope != Scope::Operators && known.site.has_playground {
        router = pages::with_playground(router);
    }
    if scope != Scope::Players {
        router = router.route("/capacity", get(metrics::capacity));
        for version in ["", "/v1", "/v2"] {
            router = router
                .route(&format!("{version}/metrics"), get(metrics::dashboard))
                .route(&format!("{version}/metrics/prom"), get(metrics::prometheus))
                .route(&format!("{version}/metrics/sessions"), get(metrics::sessions))
                .route(&format!("{version}/metrics/rooms/lookup"), get(metrics::look_up));
        }
    }
    router
        .fallback(nothing_here)
        .layer(sharing(known))
        .with_state(Arc::clone(known))
}

/// Which pages may read the answers: those that may connect.
fn sharing(known: &Arc<Known>) -> CorsLayer {
    const STAR: HeaderName = HeaderName::from_static("*");
    let site = Arc::clone(&known.site);
    let allowed = move |origin: &HeaderValue, _: &http::request::Parts| {
        origin.to_str().is_ok_and(|origin| site.origins.allows(origin))
    };
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(allowed))
        .allow_methods(AllowMethods::any())
        // A star does not stand for this one field, which readers of the metrics need.
        .allow_headers(AllowHeaders::list([STAR, header::AUTHORIZATION]))
        .vary([header::ORIGIN])
}

async fn nothing_here() -> Response {
    let text = "nothing is here; WebSockets are at /v2/ws and /v3/ws, liveness at /health\n";
    (StatusCode::NOT_FOUND, text).into_response()
}
