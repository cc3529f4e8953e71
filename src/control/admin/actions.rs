//! What operators do. Each leaves a line in the log, whatever comes of it.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::access::{Operator, Refusal, read};
use super::inside::Admin;
use super::one_room::NotShown;
use crate::control::shards::Silent;
use crate::logging::{self, LevelRefused};
use crate::protocol::{PlayerId, RoomId};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KickAsked {
    id: PlayerId,
}

/// `POST /admin/api/rooms/{id}/kick`: removes a player, with 4007, or a spectator.
pub(super) async fn kick(
    State(admin): State<Arc<Admin>>,
    operator: Operator,
    room: Result<Path<RoomId>, PathRejection>,
    fields: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let Path(room) = room.map_err(|_| Refusal::Unreadable)?;
    let KickAsked { id } = read(&fields, &body)?;
    let outcome = admin.operator.kick(room, id).await;
    admin.rooms.forget(room);
    let address = operator.caller.client;
    tracing::info!(action = "kick", %address, %room, player_id = %id, outcome = told(outcome), "an operator acted");
    Ok(answer(outcome))
}

/// `POST /admin/api/rooms/{id}/close`: deletes a room; its players are closed with 4005.
pub(super) async fn close(
    State(admin): State<Arc<Admin>>,
    operator: Operator,
    room: Result<Path<RoomId>, PathRejection>,
) -> Result<Response, Refusal> {
    let Path(room) = room.map_err(|_| Refusal::Unreadable)?;
    let outcome = admin.operator.close_room(room).await;
    admin.rooms.forget(room);
    let address = operator.caller.client;
    tracing::info!(action = "close", %address, %room, outcome = told(outcome), "an operator acted");
    Ok(answer(outcome))
}

/// `POST /admin/api/drain`: nobody new is taken in, and whoever is here goes on.
pub(super) async fn drain(State(admin): State<Arc<Admin>>, operator: Operator) -> Response {
    set_drain(&admin, operator, true)
}

/// `POST /admin/api/undrain`: everybody is taken in again.
pub(super) async fn undrain(State(admin): State<Arc<Admin>>, operator: Operator) -> Response {
    set_drain(&admin, operator, false)
}

fn set_drain(admin: &Admin, operator: Operator, drains: bool) -> Response {
    let world = &admin.known.site.world;
    let changed = world.drain_for_operator(drains);
    let action = if drains { "drain" } else { "undrain" };
    let outcome = match (changed, world.is_stopping()) {
        (true, _) => "done",
        (false, true) => "the server stops",
        (false, false) => "it was so",
    };
    tracing::info!(action, address = %operator.caller.client, outcome, "an operator acted");
    if world.is_stopping() {
        return failed(StatusCode::CONFLICT, "the server stops: there is no way back");
    }
    StatusCode::NO_CONTENT.into_response()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LevelAsked {
    level: String,
}

/// `POST /admin/api/log-level`: how much is logged, until the next restart.
pub(super) async fn set_log_level(operator: Operator, fields: HeaderMap, body: Bytes) -> Result<Response, Refusal> {
    let LevelAsked { level } = read(&fields, &body)?;
    let before = logging::level();
    let outcome = logging::set_level(&level);
    let address = operator.caller.client;
    match outcome {
        // At warn, so that it is written whatever the level is now, but for error alone.
        Ok(()) => tracing::warn!(action = "log-level", %address, level, before, outcome = "done", "an operator acted"),
        Err(why) => tracing::warn!(action = "log-level", %address, outcome = %why, "an operator acted"),
    }
    Ok(match outcome {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(why @ LevelRefused::Unknown) => failed(StatusCode::BAD_REQUEST, &why.to_string()),
        Err(why @ LevelRefused::NotOurs) => failed(StatusCode::CONFLICT, &why.to_string()),
    })
}

fn failed(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({ "error": error }))).into_response()
}

/// What became of an order, for the log.
const fn told(outcome: Result<bool, Silent>) -> &'static str {
    match outcome {
        Ok(true) => "done",
        Ok(false) => "not found",
        Err(Silent(_)) => "the shard did not answer",
    }
}

fn answer(outcome: Result<bool, Silent>) -> Response {
    match outcome {
        Ok(true) => StatusCode::NO_CONTENT.into_response(),
        Ok(false) => {
            let error = "there is no such room, or nobody of that id in it";
            failed(StatusCode::NOT_FOUND, error)
        }
        Err(silent) => NotShown::Silent(silent).into_response(),
    }
}
