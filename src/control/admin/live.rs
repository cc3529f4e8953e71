//! What is seen, kept up to date: server-sent events, once a second.
//!
//! Promises that a reader who is slow holds up nobody: the next event is made when the last one was taken, and no earlier
//! than a second after it. A stream ends when whoever reads it may no longer look.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, HttpBody};
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, Uri, header};
use hyper::body::Frame;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::sleep;

use super::access::{Refusal, Viewer};
use super::inside::Admin;
use super::one_room::NotShown;
use super::room_list::RoomsAsked;
use crate::control::caller::Caller;
use crate::protocol::RoomId;

/// The time between two events.
const PACE: Duration = Duration::from_secs(1);

/// What somebody wants to see.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct LiveAsked {
    /// The room.
    room: Option<RoomId>,
    /// Whether the list of rooms is not wanted.
    without_rooms: bool,
}

/// A body of events.
struct Events(Receiver<Bytes>);

impl HttpBody for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let event = self.get_mut().0.poll_recv(cx);
        event.map(|event| event.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// `GET /admin/api/live`: events `overview`, `rooms` and `room`.
pub(super) async fn stream(
    State(admin): State<Arc<Admin>>,
    Extension(caller): Extension<Caller>,
    _: Viewer,
    uri: Uri,
    fields: HeaderMap,
) -> Result<Response, Refusal> {
    let Query(asked) = Query::<LiveAsked>::try_from_uri(&uri).map_err(|_| Refusal::Unreadable)?;
    let Query(rooms) = Query::<RoomsAsked>::try_from_uri(&uri).map_err(|_| Refusal::Unreadable)?;
    let Ok(place) = Arc::clone(&admin.streams).try_acquire_owned() else {
        let error = "too many pages are open; close one";
        let answer = axum::Json(serde_json::json!({ "error": error }));
        return Ok((StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "5")], answer).into_response());
    };
    let (events, body) = channel(1);
    tokio::spawn(async move {
        let _place = place;
        loop {
            let bytes = admin.events(&asked, &rooms).await;
            if events.send(bytes).await.is_err() {
                return; // its reader is gone
            }
            tokio::select! {
                () = events.closed() => return,
                () = sleep(PACE) => {}
            }
            if !admin.may_still_look(&uri, &fields, caller) {
                return;
            }
        }
    });
    let kind = [(header::CONTENT_TYPE, "text/event-stream")];
    Ok((kind, Body::new(Events(body))).into_response())
}

impl Admin {
    /// One event for each thing that is wanted.
    async fn events(&self, asked: &LiveAsked, rooms: &RoomsAsked) -> Bytes {
        let mut text = event("overview", &*self.watch.overview().await);
        if !asked.without_rooms {
            text.push_str(&event("rooms", &self.list.page(rooms).await));
        }
        if let Some(id) = asked.room {
            text.push_str(&match self.rooms.room(id, &self.known.site.world).await {
                Ok(room) => event("room", &*room),
                Err(NotShown::Unknown) => event("gone", &id),
                Err(NotShown::Silent(silent)) => event("silent", &silent.0),
            });
        }
        text.into()
    }
}

/// An event. JSON has no line breaks but those that it escapes.
fn event(name: &str, data: &impl Serialize) -> String {
    let data = serde_json::to_string(data).expect("what is shown has string keys only");
    format!("event: {name}\ndata: {data}\n\n")
}
