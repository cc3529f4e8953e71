//! What the process counts, for scrapers.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};

use super::accept;
use super::known::Known;
use crate::control::caller::Caller;
use crate::metrics::{self, TextFormat};
use crate::protocol::Secret;
use crate::shard::refusals::{RefusalReason, Refused};

/// The forms in which scrapers read the page; the first where they do not say.
const TEXT_OFFERS: [(&str, TextFormat); 2] = [
    ("text/plain", TextFormat::Prometheus),
    ("application/openmetrics-text", TextFormat::OpenMetrics),
];

/// `GET /metrics/prom`: the page for scrapers.
pub(super) async fn prometheus(
    State(known): State<Arc<Known>>,
    Extension(caller): Extension<Caller>,
    fields: HeaderMap,
) -> Response {
    if let Some(refusal) = refuse(&known, caller, &fields) {
        return refusal;
    }
    page(&known, accept::preferred(&fields, &TEXT_OFFERS)).await
}

async fn page(known: &Known, format: TextFormat) -> Response {
    let reading = known.reading().await;
    let page = metrics::write(&metrics::of(&reading), format);
    let fields = [(header::CONTENT_TYPE, format.content_type()), (header::VARY, "accept")];
    (fields, page).into_response()
}

/// The refusal of a request that does not show the token.
fn refuse(known: &Known, caller: Caller, fields: &HeaderMap) -> Option<Response> {
    if may_read(known, fields) {
        return None;
    }
    let who = Refused {
        address: Some(caller.0),
        ..Refused::default()
    };
    let refusals = &known.site.world.refusals;
    refusals.note(RefusalReason::MetricsToken, &who, known.now().mono_ms);
    let challenge = [(header::WWW_AUTHENTICATE, r#"Bearer realm="metrics""#)];
    Some((StatusCode::UNAUTHORIZED, challenge).into_response())
}

/// Whether the request shows the token that readers of the metrics must know.
fn may_read(known: &Known, fields: &HeaderMap) -> bool {
    let Some(token) = &known.site.metrics_token else {
        return true;
    };
    let mut given = fields.get_all(header::AUTHORIZATION).iter();
    let only = given.next().filter(|_| given.next().is_none());
    only.and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .is_some_and(|(_, given)| *token == Secret::new(given.trim_start()))
}
