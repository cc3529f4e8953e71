//! The page itself: files that come with the server.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, StatusCode, Uri, header};

use super::access::Refusal;
use super::inside::Admin;
use crate::control::caller::Caller;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// A file: its name, what it is, and what is in it.
type File = (&'static str, &'static str, &'static [u8]);

macro_rules! files {
    ($($name:literal is $kind:ident,)+) => {
        &[$(($name, $kind, include_bytes!(concat!("page/", $name)).as_slice()),)+]
    };
}

const FILES: &[File] = files! {
    "style.css" is CSS,
    "icon.svg" is SVG,
    "page.js" is SCRIPT,
    "server.js" is SCRIPT,
    "overview.js" is SCRIPT,
    "rooms.js" is SCRIPT,
    "room.js" is SCRIPT,
    "figures.js" is SCRIPT,
    "plots.js" is SCRIPT,
    "uPlot.js" is SCRIPT,
    "uPlot.css" is CSS,
};

const INDEX: &[u8] = include_bytes!("page/index.html");

/// `/admin`: the page is one level below.
pub(super) async fn moved() -> Response {
    Redirect::permanent("/admin/").into_response()
}

/// `GET /admin/`: the page.
pub(super) async fn index(
    State(admin): State<Arc<Admin>>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
    fields: HeaderMap,
) -> Result<Response, Refusal> {
    admin.check_door(&uri, &fields, caller)?;
    Ok(([(header::CONTENT_TYPE, HTML)], INDEX).into_response())
}

/// `GET /admin/…`: what it is made of.
pub(super) async fn file(
    State(admin): State<Arc<Admin>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    uri: Uri,
    fields: HeaderMap,
) -> Result<Response, Refusal> {
    admin.check_door(&uri, &fields, caller)?;
    let file = FILES.iter().find(|(known, ..)| *known == name);
    Ok(match file {
        Some((_, kind, bytes)) => ([(header::CONTENT_TYPE, *kind)], *bytes).into_response(),
        None => (StatusCode::NOT_FOUND, "nothing is here\n").into_response(),
    })
}
