//! What is seen, as JSON.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;

use super::access::{Refusal, Viewer};
use super::inside::Admin;
use super::one_room::NotShown;
use super::room_list::RoomsAsked;
use crate::protocol::RoomId;

impl IntoResponse for NotShown {
    fn into_response(self) -> Response {
        let (status, error) = match self {
            Self::Unknown => (StatusCode::NOT_FOUND, "there is no such room".to_owned()),
            Self::Silent(silent) => (StatusCode::SERVICE_UNAVAILABLE, silent.to_string()),
        };
        (status, Json(json!({ "error": error }))).into_response()
    }
}

/// `GET /admin/api/overview`: the server and its shards.
pub(super) async fn overview(State(admin): State<Arc<Admin>>, _: Viewer) -> Response {
    Json(&*admin.watch.overview().await).into_response()
}

/// `GET /admin/api/rooms`: a page of rooms.
pub(super) async fn rooms(
    State(admin): State<Arc<Admin>>,
    _: Viewer,
    asked: Result<Query<RoomsAsked>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(asked) = asked.map_err(|_| Refusal::Unreadable)?;
    Ok(Json(admin.list.page(&asked).await).into_response())
}

/// `GET /admin/api/rooms/{id}`: one room, with everybody in it.
pub(super) async fn room(
    State(admin): State<Arc<Admin>>,
    _: Viewer,
    id: Result<Path<RoomId>, PathRejection>,
) -> Result<Response, Refusal> {
    let Path(id) = id.map_err(|_| Refusal::Unreadable)?;
    Ok(match admin.rooms.room(id, &admin.known.site.world).await {
        Ok(room) => Json(&*room).into_response(),
        Err(not_shown) => not_shown.into_response(),
    })
}
