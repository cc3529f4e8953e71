//! The playground, the demo game and the protocol as data: files that come with the server.
//!
//! Owns which there are. What the playground and the demo are made of is under `clients/web` and `examples/web-game`.

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use http::header;

use super::known::Known;

/// What a page may load: what comes from here, and nothing else; and nobody may put it into a frame. Sockets are named by
/// their schemes because some browsers do not count them to `'self'`.
const POLICY: &str =
    "default-src 'self'; connect-src 'self' ws: wss:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// A file: where it is served, what it is, and what is in it.
type Page = (&'static str, &'static str, &'static [u8]);

macro_rules! pages {
    ($($path:literal => $kind:ident $file:literal,)+) => {
        &[$(($path, $kind, include_bytes!(concat!("../../../", $file)).as_slice()),)+]
    };
}

const PAGES: &[Page] = pages! {
    "/play/" => HTML "clients/web/playground/index.html",
    "/play/style.css" => CSS "clients/web/playground/style.css",
    "/play/icon.svg" => SVG "clients/web/playground/icon.svg",
    "/play/play.js" => SCRIPT "clients/web/playground/play.js",
    "/play/slow.js" => SCRIPT "clients/web/playground/slow.js",
    "/play/signal-fish.js" => SCRIPT "clients/web/bundle/signal-fish.js",
    "/play/message-pack.js" => SCRIPT "clients/web/bundle/message-pack.js",
    "/demo/" => HTML "examples/web-game/index.html",
    "/demo/style.css" => CSS "examples/web-game/style.css",
    "/demo/icon.svg" => SVG "examples/web-game/icon.svg",
    "/demo/game.js" => SCRIPT "examples/web-game/game.js",
    "/demo/signal-fish.js" => SCRIPT "clients/web/bundle/signal-fish.js",
};

/// Adds the playground and the demo game.
pub(super) fn with_playground(router: Router<Arc<Known>>) -> Router<Arc<Known>> {
    let router = router
        .route("/play", get(|| async { Redirect::permanent("/play/") }))
        .route("/demo", get(|| async { Redirect::permanent("/demo/") }));
    PAGES.iter().fold(router, |router, &(path, kind, bytes)| {
        router.route(path, get(move || async move { page(kind, bytes) }))
    })
}

/// `GET /protocol.schema.json`: every message, for programs.
pub(super) async fn schema() -> Response {
    let bytes = include_bytes!("../../../docs/protocol.schema.json");
    page("application/schema+json", bytes.as_slice())
}

fn page(kind: &'static str, bytes: &'static [u8]) -> Response {
    let fields = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Another server may answer at this address tomorrow.
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (fields, bytes).into_response()
}
