//! What the process counts, for scrapers.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};

use super::known::Known;
use crate::control::caller::Caller;
use crate::metrics;
use crate::protocol::Secret;
use crate::shard::refusals::{RefusalReason, Refused};

const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `GET /metrics/prom`: the page for Prometheus.
pub(super) async fn prometheus(
    State(known): State<Arc<Known>>,
    Extension(Caller(address)): Extension<Caller>,
    fields: HeaderMap,
) -> Response {
    if !may_read(&known, &fields) {
        let who = Refused {
            address: Some(address),
            ..Refused::default()
        };
        let now_ms = known.now().mono_ms;
        known
            .site
            .world
            .refusals
            .note(RefusalReason::MetricsToken, &who, now_ms);
        return (
            StatusCode::UNAUTHORIZED,
            [(header::WWW_AUTHENTICATE, r#"Bearer realm="metrics""#)],
        )
            .into_response();
    }
    let page = metrics::prometheus_page(&known.site.world);
    ([(header::CONTENT_TYPE, PROMETHEUS_TEXT)], page).into_response()
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
