//! The live page at `/admin/`, and the same as JSON.
//!
//! Owns who may look and who may act, and what they see. Promises that shards are asked once a second at most for each thing
//! that is shown, however many look, and not at all while nobody does; that nobody acts without the operators' token; and
//! that every action and every failed try to sign in leaves a line in the log. No page of another origin reads an answer, and
//! below `/admin/api/` every error is JSON.
//! Must never show a password or a token.

mod access;
mod actions;
mod answers;
mod inside;
mod live;
mod one_room;
mod overview;
mod page;
mod rates;
mod room_list;
mod signed_in;
mod token;
mod tries;

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use http::{HeaderName, HeaderValue, StatusCode, Uri, header};

use self::inside::Admin;
pub use self::inside::AdminParts;
pub use self::token::AdminToken;
use super::routes::Known;

/// The most bytes of a request's body.
const MAX_BODY_BYTES: usize = 4_096;

/// The routes of the page.
pub(super) fn routes(known: &Arc<Known>, parts: AdminParts) -> Router {
    let admin = Arc::new(Admin::new(known, parts));
    let router = Router::new()
        .route("/admin", any(page::moved))
        .route("/admin/", get(page::index))
        .route("/admin/api/session", get(access::session))
        .route("/admin/api/sign-in", post(access::sign_in))
        .route("/admin/api/sign-out", post(access::sign_out))
        .route("/admin/api/overview", get(answers::overview))
        .route("/admin/api/rooms", get(answers::rooms))
        .route("/admin/api/rooms/{room}", get(answers::room))
        .route("/admin/api/live", get(live::stream))
        .route("/admin/api/rooms/{room}/kick", post(actions::kick))
        .route("/admin/api/rooms/{room}/close", post(actions::close))
        .route("/admin/api/drain", post(actions::drain))
        .route("/admin/api/undrain", post(actions::undrain))
        .route("/admin/api/log-level", post(actions::set_log_level))
        .route("/admin/api/{*nothing}", any(StatusCode::NOT_FOUND))
        .route("/admin/{*file}", get(page::file));
    router
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(map_response(in_json))
        .layer(map_response(guarded))
        .with_state(admin)
}

/// What holds for every answer: nothing from elsewhere is loaded, nobody puts it into a frame, and nobody keeps it.
async fn guarded(mut answer: Response) -> Response {
    const FIELDS: [(HeaderName, &str); 6] = [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in FIELDS {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}

/// Says in JSON what else were plain text or nothing: errors that no handler has made.
async fn in_json(uri: Uri, answer: Response) -> Response {
    let status = answer.status();
    let is_json = answer
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind == "application/json");
    if !uri.path().starts_with("/admin/api/") || is_json || !(status.is_client_error() || status.is_server_error()) {
        return answer;
    }
    let error = match status {
        StatusCode::NOT_FOUND => "nothing is here".to_owned(),
        StatusCode::METHOD_NOT_ALLOWED => "this is asked with another method".to_owned(),
        StatusCode::PAYLOAD_TOO_LARGE => format!("the body is longer than {MAX_BODY_BYTES} bytes"),
        _ => "the request is not what is expected here".to_owned(),
    };
    let mut told = (status, Json(serde_json::json!({ "error": error }))).into_response();
    // Which method it is.
    if let Some(allowed) = answer.headers().get(header::ALLOW) {
        told.headers_mut().insert(header::ALLOW, allowed.clone());
    }
    told
}
