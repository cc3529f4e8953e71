//! Who may look, and who may act.
//!
//! Without a token: whoever asks this machine by one of its own names from this machine itself, and only to look. With one:
//! whoever shows it with each request, or has signed in. A change of somebody who has signed in must come from the page
//! itself: by its `Origin`, and by a token that only the page knows.

use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, StatusCode, Uri, header};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::inside::Admin;
use super::signed_in::HOLDS;
use crate::control::caller::Caller;
use crate::net::http::{HostPolicy, is_site_of};
use crate::protocol::Secret;
use crate::shard::refusals::{RefusalReason, Refused};

/// The cookie of somebody who has signed in.
const COOKIE: &str = "signal_fish_admin";

/// The field in which the page shows what only it knows.
const CSRF_FIELD: &str = "x-csrf-token";

/// Fields that a proxy adds.
const PROXY_FIELDS: [&str; 6] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "via",
];

/// The most cookies of our name that are looked at: what else is on this host may have set some.
const MAX_COOKIES: usize = 8;

/// Somebody who may look.
#[derive(Debug)]
pub(super) enum Viewer {
    /// Somebody on this machine, where no token was set.
    OnThisMachine,
    /// Somebody who shows the token.
    Bearer,
    /// Somebody who has signed in.
    SignedIn { csrf: Secret },
}

/// Somebody who may act.
#[derive(Debug)]
pub(super) struct Operator {
    pub(super) caller: Caller,
}

/// Why not.
#[derive(Debug)]
pub(super) enum Refusal {
    /// There is no token, and this is not this machine.
    NotHere,
    /// Without a token nobody acts.
    ReadOnly,
    /// It has not signed in.
    SignIn,
    /// It has shown another token.
    WrongToken,
    /// It has tried too often.
    Later { secs: u64 },
    /// The request is not the page's own.
    Foreign(&'static str),
    /// The request cannot be read.
    Unreadable,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, text) = match &self {
            Self::NotHere => (
                StatusCode::FORBIDDEN,
                "set control.admin_token: without it this is shown on the server's own machine only, while it is bound to \
                 loopback and trusts no proxy",
            ),
            Self::ReadOnly => (
                StatusCode::FORBIDDEN,
                "set control.admin_token to act: without it one may only look",
            ),
            Self::SignIn => (StatusCode::UNAUTHORIZED, "sign in, or show the token as a bearer"),
            Self::WrongToken => (StatusCode::UNAUTHORIZED, "this is not the token"),
            Self::Later { .. } => (StatusCode::TOO_MANY_REQUESTS, "too many tries: wait a minute"),
            Self::Foreign(what) => (StatusCode::FORBIDDEN, *what),
            Self::Unreadable => (StatusCode::BAD_REQUEST, "the request is not what is expected here"),
        };
        let mut answer = (status, Json(serde_json::json!({ "error": text }))).into_response();
        let fields = answer.headers_mut();
        match self {
            Self::SignIn | Self::WrongToken => {
                fields.insert(
                    header::WWW_AUTHENTICATE,
                    http::HeaderValue::from_static(r#"Bearer realm="admin""#),
                );
            }
            Self::Later { secs } => {
                fields.insert(header::RETRY_AFTER, secs.into());
            }
            _ => {}
        }
        answer
    }
}

impl FromRequestParts<Arc<Admin>> for Viewer {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, admin: &Arc<Admin>) -> Result<Self, Refusal> {
        let caller = Caller::of(parts);
        admin.viewer(&parts.uri, &parts.headers, caller)
    }
}

impl FromRequestParts<Arc<Admin>> for Operator {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, admin: &Arc<Admin>) -> Result<Self, Refusal> {
        let caller = Caller::of(parts);
        match admin.viewer(&parts.uri, &parts.headers, caller)? {
            Viewer::OnThisMachine => Err(Refusal::ReadOnly),
            Viewer::Bearer => Ok(Self { caller }),
            Viewer::SignedIn { csrf } => {
                admin.check_own_page(&parts.uri, &parts.headers)?;
                let shown = only(&parts.headers, CSRF_FIELD).map(Secret::new);
                if shown != Some(csrf) {
                    return Err(Refusal::Foreign(
                        "the request does not show what only the page knows: load it anew",
                    ));
                }
                Ok(Self { caller })
            }
        }
    }
}

/// The value of a field that is there exactly once, as text.
fn only<'a>(fields: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = fields.get_all(name).iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    value.to_str().ok()
}

/// The token that is shown with a request, if one is; an empty one where it cannot be read.
fn shown_token(fields: &HeaderMap) -> Option<&str> {
    let value = fields.get(header::AUTHORIZATION)?;
    let bearer = only(fields, "authorization").and_then(|_| value.to_str().ok()?.split_once(' '));
    let given = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    Some(given.map_or("", |(_, token)| token.trim()))
}

/// The host that a request is for: the authority of an absolute target replaces `Host`.
fn host<'a>(uri: &'a Uri, fields: &'a HeaderMap) -> Option<&'a str> {
    uri.authority()
        .map(http::uri::Authority::as_str)
        .or_else(|| only(fields, "host"))
}

/// Whether a browser says that a page of another origin asks. It could not read the answer, but keep the server busy.
fn is_of_another_page(fields: &HeaderMap) -> bool {
    let said = fields.get("sec-fetch-site");
    said.is_some_and(|site| site != "same-origin" && site != "none")
}

fn cookies(fields: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = fields.get_all(header::COOKIE).iter();
    let pairs = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'));
    let named = pairs.filter_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='));
    named.take(MAX_COOKIES)
}

impl Admin {
    fn viewer(&self, uri: &Uri, fields: &HeaderMap, caller: Caller) -> Result<Viewer, Refusal> {
        if !self.parts.token.is_set() {
            return match self.is_this_machine(uri, fields, caller) && !is_of_another_page(fields) {
                true => Ok(Viewer::OnThisMachine),
                false => Err(self.refused(Refusal::NotHere, caller)),
            };
        }
        if let Some(token) = shown_token(fields) {
            self.check_token(token, caller)?;
            return Ok(Viewer::Bearer);
        }
        let (revision, now) = (self.parts.token.revision(), Instant::now());
        let csrf = cookies(fields).find_map(|cookie| self.signed_in.csrf(cookie, revision, now));
        csrf.map(|csrf| Viewer::SignedIn { csrf }).ok_or(Refusal::SignIn)
    }

    /// Whether somebody to whom something is being shown may go on looking. That is no try: whoever shows what has been the token
    /// does not guess, and what others at its address have guessed does not end what it sees.
    pub(super) fn may_still_look(&self, uri: &Uri, fields: &HeaderMap, caller: Caller) -> bool {
        match shown_token(fields).filter(|_| self.parts.token.is_set()) {
            Some(token) => self.parts.token.opens(token).is_some(),
            None => self.viewer(uri, fields, caller).is_ok(),
        }
    }

    /// Whether somebody may be served who can show nothing. The page itself holds nothing that is secret, and where there is a
    /// token everybody may see that there is one.
    pub(super) fn check_door(&self, uri: &Uri, fields: &HeaderMap, caller: Caller) -> Result<(), Refusal> {
        if self.parts.token.is_set() || self.is_this_machine(uri, fields, caller) {
            Ok(())
        } else {
            Err(self.refused(Refusal::NotHere, caller))
        }
    }

    /// Whether the request comes from this machine itself and not through a proxy on it, and names it as itself: a name that
    /// a page had resolved to this machine is none of its own.
    fn is_this_machine(&self, uri: &Uri, fields: &HeaderMap, caller: Caller) -> bool {
        let is_own = caller.peer.ip().is_loopback() && caller.client == caller.peer && !caller.peer.is_shared();
        let is_passed_on = PROXY_FIELDS.iter().any(|field| fields.contains_key(*field));
        let host = host(uri, fields);
        let is_named = host.is_some_and(|host| HostPolicy::this_machine().allows(host.as_bytes()));
        self.parts.is_private && is_own && !is_passed_on && is_named
    }

    /// Whether the request comes from the page itself: its `Origin` is this host, under the scheme that is spoken here.
    fn check_own_page(&self, uri: &Uri, fields: &HeaderMap) -> Result<(), Refusal> {
        let (origin, host) = (only(fields, "origin"), host(uri, fields));
        let is_own = origin.zip(host).is_some_and(|(origin, host)| {
            // In front of a server without TLS somebody else may speak it.
            let is_spoken = origin.starts_with("https://") || self.known.acceptor.is_none();
            is_spoken && is_site_of(origin, host.as_bytes())
        });
        if is_own {
            Ok(())
        } else {
            let text = "the request does not come from this page: its Origin is not the Host that it asks; a proxy in between \
                        must pass both on";
            Err(Refusal::Foreign(text))
        }
    }

    /// Checks a token; whoever tries too often is not listened to any more. Returns the token's revision.
    fn check_token(&self, given: &str, caller: Caller) -> Result<u64, Refusal> {
        let now = Instant::now();
        if let Err(wait) = self.tries.may_try(caller.client, now) {
            let secs = wait.as_secs() + 1;
            return Err(self.refused(Refusal::Later { secs }, caller));
        }
        let Some(revision) = self.parts.token.opens(given) else {
            self.tries.note_wrong(caller.client, now);
            return Err(self.refused(Refusal::WrongToken, caller));
        };
        Ok(revision)
    }

    fn refused(&self, refusal: Refusal, caller: Caller) -> Refusal {
        let who = Refused {
            address: Some(caller.client),
            ..Refused::default()
        };
        let refusals = &self.known.site.world.refusals;
        refusals.note(RefusalReason::AdminToken, &who, self.known.now().mono_ms);
        refusal
    }
}

/// What the page may do.
#[derive(Debug, Serialize)]
struct SessionAnswer<'a> {
    /// Whether it must be signed in to see anything.
    needs_token: bool,
    may_look: bool,
    may_act: bool,
    csrf: Option<&'a str>,
}

/// `GET /admin/api/session`: what whoever asks may do.
pub(super) async fn session(
    State(admin): State<Arc<Admin>>,
    viewer: Result<Viewer, Refusal>,
) -> Result<Response, Refusal> {
    let viewer = match viewer {
        Err(Refusal::SignIn) => None,
        viewer => Some(viewer?),
    };
    Ok(Json(SessionAnswer {
        needs_token: admin.parts.token.is_set(),
        may_look: viewer.is_some(),
        may_act: matches!(viewer, Some(Viewer::Bearer | Viewer::SignedIn { .. })),
        csrf: match &viewer {
            Some(Viewer::SignedIn { csrf }) => Some(csrf.expose()),
            _ => None,
        },
    })
    .into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignInAsked {
    token: Secret,
}

/// `POST /admin/api/sign-in`: a cookie for whoever knows the token.
pub(super) async fn sign_in(
    State(admin): State<Arc<Admin>>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
    fields: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    if !admin.parts.token.is_set() {
        return Err(Refusal::ReadOnly);
    }
    admin.check_own_page(&uri, &fields)?;
    let asked: SignInAsked = read(&fields, &body)?;
    let revision = admin.check_token(asked.token.expose(), caller)?;
    let random = || (admin.parts.random)().map_err(|_| Refusal::Later { secs: 1 });
    let fresh = admin.signed_in.add([random()?, random()?], revision, Instant::now());
    tracing::info!(address = %caller.client, "an operator signed in");
    let is_secure = only(&fields, "origin").is_some_and(|origin| origin.starts_with("https://"));
    let cookie = cookie(fresh.cookie.expose(), HOLDS.as_secs(), is_secure);
    let answer = Json(serde_json::json!({ "csrf": fresh.csrf.expose() }));
    Ok(([(header::SET_COOKIE, cookie)], answer).into_response())
}

/// `POST /admin/api/sign-out`: the cookie opens nothing any more.
pub(super) async fn sign_out(
    State(admin): State<Arc<Admin>>,
    operator: Operator,
    fields: HeaderMap,
) -> Result<Response, Refusal> {
    cookies(&fields).for_each(|cookie| admin.signed_in.remove(cookie));
    tracing::info!(address = %operator.caller.client, "an operator signed out");
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie("", 0, false))]).into_response())
}

fn cookie(value: &str, max_age_secs: u64, is_secure: bool) -> String {
    let secure = if is_secure { "; Secure" } else { "" };
    format!("{COOKIE}={value}; Path=/admin/; Max-Age={max_age_secs}; HttpOnly; SameSite=Strict{secure}")
}

/// What a body says that is JSON, and says so: no form of another page can.
pub(super) fn read<'a, T: Deserialize<'a>>(fields: &HeaderMap, body: &'a [u8]) -> Result<T, Refusal> {
    let kind = only(fields, "content-type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        return Err(Refusal::Unreadable);
    }
    serde_json::from_slice(body).map_err(|_| Refusal::Unreadable)
}
