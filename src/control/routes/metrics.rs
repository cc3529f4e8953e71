//! What the process counts, for scrapers.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Query, State};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use uuid::Uuid;

use super::accept;
use super::known::Known;
use crate::control::caller::Caller;
use crate::metrics::{self, RoomFound, SessionsAsked, TextFormat};
use crate::protocol::Secret;
use crate::shard::refusals::{RefusalReason, Refused};

/// The forms in which scrapers read the page; the first where they do not say.
const TEXT_OFFERS: [(&str, TextFormat); 2] = [
    ("text/plain", TextFormat::Prometheus),
    ("application/openmetrics-text", TextFormat::OpenMetrics),
];

/// `GET /metrics/prom`: the page for scrapers.
pub(super) async fn prometheus(State(known): State<Arc<Known>>, _: Reader, fields: HeaderMap) -> Response {
    page(&known, accept::preferred(&fields, &TEXT_OFFERS)).await
}

/// The forms of `/metrics`; the first where the reader does not say.
const OFFERS: [(&str, Option<TextFormat>); 3] = [
    ("application/json", None),
    ("application/openmetrics-text", Some(TextFormat::OpenMetrics)),
    ("text/plain", Some(TextFormat::Prometheus)),
];

const JSON: &str = "application/json";

/// What may be asked of `/metrics`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct DashboardAsked {
    include_snapshot: bool,
}

/// `GET /metrics`: what a dashboard shows; to scrapers their page.
pub(super) async fn dashboard(
    State(known): State<Arc<Known>>,
    Query(asked): Query<DashboardAsked>,
    _: Reader,
    fields: HeaderMap,
) -> Response {
    if let Some(format) = accept::preferred(&fields, &OFFERS) {
        return page(&known, format).await;
    }
    let reading = known.reading().await;
    let now = known.now().wall;
    let answer = known
        .dashboard
        .show(|cached| metrics::answer(&reading, cached, asked.include_snapshot, now));
    ([(header::CONTENT_TYPE, JSON), (header::VARY, "accept")], answer).into_response()
}

/// `GET /capacity`: how many more rooms like the present ones fit, and what gives out first.
pub(super) async fn capacity(State(known): State<Arc<Known>>, _: Reader) -> Response {
    json(StatusCode::OK, known.capacity().await.to_json())
}

/// What may be asked of `/metrics/sessions`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RecordsAsked {
    since: u64,
    application_id: Option<Uuid>,
}

/// `GET /metrics/sessions`: what has happened in rooms, one by one.
pub(super) async fn sessions(
    State(known): State<Arc<Known>>,
    Query(asked): Query<RecordsAsked>,
    _: Reader,
) -> Response {
    match known.sessions.read(asked.application_id).await {
        Ok(reading) => {
            let asked = SessionsAsked {
                since: asked.since,
                application: asked.application_id,
            };
            json(StatusCode::OK, metrics::sessions(&reading, asked, &known.region))
        }
        Err(silent) => unavailable(&silent.to_string()),
    }
}

/// What must be asked of `/metrics/rooms/lookup`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RoomAsked {
    application_id: Uuid,
    game_name: String,
    room_code: String,
}

/// `GET /metrics/rooms/lookup`: whether a room of that name lives here.
pub(super) async fn look_up(State(known): State<Arc<Known>>, Query(asked): Query<RoomAsked>, _: Reader) -> Response {
    let RoomAsked {
        application_id,
        game_name,
        room_code,
    } = asked;
    let world = &known.site.world;
    let code = match world.settings.read_name(&game_name, &room_code) {
        Ok(code) => code,
        Err(refusal) => return (StatusCode::BAD_REQUEST, refusal.text.into_owned()).into_response(),
    };
    match known.sessions.look_up(world, &game_name, &code).await {
        Ok(found) => {
            let owned = found.filter(|(_, application)| *application == Some(application_id));
            let answer = metrics::looked_up(owned.map(|(room_id, _)| RoomFound {
                room_id,
                application: application_id,
                game_name: &game_name,
                room_code: code.as_str(),
                region: &known.region,
            }));
            if answer.len() > MAX_LOOKUP_BYTES {
                return unavailable("the answer is too large");
            }
            json(StatusCode::OK, answer)
        }
        Err(silent) => unavailable(&silent.to_string()),
    }
}

/// The most bytes of the answer about one room.
const MAX_LOOKUP_BYTES: usize = 4_096;

fn json(status: StatusCode, answer: String) -> Response {
    (status, [(header::CONTENT_TYPE, JSON)], answer).into_response()
}

fn unavailable(reason: &str) -> Response {
    json(StatusCode::SERVICE_UNAVAILABLE, metrics::unavailable(reason))
}

async fn page(known: &Known, format: TextFormat) -> Response {
    let reading = known.reading().await;
    let page = metrics::write(&metrics::of(&reading), format);
    let fields = [(header::CONTENT_TYPE, format.content_type()), (header::VARY, "accept")];
    (fields, page).into_response()
}

/// Whoever may read the metrics.
pub(super) struct Reader;

impl FromRequestParts<Arc<Known>> for Reader {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, known: &Arc<Known>) -> Result<Self, Response> {
        if may_read(known, &parts.headers) {
            return Ok(Self);
        }
        let who = Refused {
            address: Some(Caller::of(parts).client),
            ..Refused::default()
        };
        let refusals = &known.site.world.refusals;
        refusals.note(RefusalReason::MetricsToken, &who, known.now().mono_ms);
        let challenge = [(header::WWW_AUTHENTICATE, r#"Bearer realm="metrics""#)];
        Err((StatusCode::UNAUTHORIZED, challenge).into_response())
    }
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
