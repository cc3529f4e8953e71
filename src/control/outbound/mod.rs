//! Requests of the server to somebody else's: JSON that is posted to one address.
//!
//! Owns the connections to it and how many requests are under way. Promises that a request is over when its time is, looking
//! up the name and reading the answer included; that no answer is read beyond its bound, no redirect followed, no proxy of
//! the environment used; and that connections are used again. Must never show a credential: neither text nor `Debug` has one.

mod trust;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::response::Parts as Head;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error as AskError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use thiserror::Error;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

pub use self::trust::TrustError;

/// How long a connection may be idle before it is closed. Most servers close theirs after 60 s and more.
const IDLE: Duration = Duration::from_secs(30);

/// The most that the library may hold of an answer's head.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// What the system says when it has nothing left to connect with.
const EXHAUSTED: [i32; 6] = [
    libc::EMFILE,
    libc::ENFILE,
    libc::ENOBUFS,
    libc::ENOMEM,
    libc::EADDRNOTAVAIL,
    libc::EAGAIN,
];

/// What its requests say of who asks.
const USER_AGENT: &str = concat!("signal-fish-relay/", env!("CARGO_PKG_VERSION"));

/// Where requests go, and within which bounds.
#[derive(Clone, PartialEq, Eq)]
pub struct Destination {
    /// `http` or `https`. What is behind the host may be known to few, and is not shown.
    pub url: Uri,
    /// PEM file of the authorities that are trusted, in place of the system's.
    pub ca_path: Option<PathBuf>,
    /// How long a request may take, from its wait for a place to the end of its answer.
    pub timeout: Duration,
    /// Requests under way at a time. The others wait.
    pub requests: usize,
    /// The most bytes of an answer.
    pub answer_bytes: usize,
    /// What goes with each request, credentials for instance.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Destination")
            .field("host", &self.url.host())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// A way to one address.
pub struct Outbound {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    destination: Destination,
    places: Semaphore,
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound")
            .field("destination", &self.destination)
            .finish_non_exhaustive()
    }
}

/// What came back, whatever its status says.
#[derive(Debug)]
pub struct Answer {
    /// The status. One that leads elsewhere is not followed.
    pub status: StatusCode,
    /// The head.
    pub headers: HeaderMap,
    /// All of the body.
    pub body: Bytes,
}

/// Why nothing came back.
#[derive(Debug, Error)]
pub enum PostError {
    /// It took too long.
    #[error("no whole answer came in time")]
    Late,
    /// The answer is larger than what is read of one.
    #[error("the answer is too large")]
    TooLarge,
    /// This machine has nothing left to ask with: descriptors, ports, memory.
    #[error("nobody can be asked: {0}")]
    Exhausted(String),
    /// There was no connection, or it broke.
    #[error("there is no answer: {0}")]
    Unreachable(String),
}

impl Outbound {
    /// A way to there. Nothing is opened before the first request.
    ///
    /// # Errors
    ///
    /// When the authorities that would be trusted cannot be read.
    pub fn new(destination: Destination) -> Result<Self, TrustError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(trust::terms(&destination.url, destination.ca_path.as_deref())?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(destination.requests)
            .http1_max_buf_size(MAX_HEAD_BYTES)
            .build(connector);
        Ok(Self {
            client,
            places: Semaphore::new(destination.requests),
            destination,
        })
    }

    /// Posts JSON, with `headers` beside those that every request has, and waits for the whole answer. Call it on the control
    /// plane.
    ///
    /// # Errors
    ///
    /// Why there is no answer. It is tried again here only if the connection ends before one: once.
    pub async fn post(&self, json: Bytes, headers: &[(HeaderName, HeaderValue)]) -> Result<Answer, PostError> {
        let deadline = Instant::now() + self.destination.timeout;
        let exchange = async {
            let _place = self.places.acquire().await.expect("nobody closes it");
            let (head, body) = self.ask(json, headers).await?.into_parts();
            Ok(Answer {
                status: head.status,
                headers: head.headers,
                body: self.read(body).await?,
            })
        };
        timeout_at(deadline, exchange).await.unwrap_or(Err(PostError::Late))
    }

    /// The same for whoever only wants to know what the status says: that is known whatever becomes of the rest of the answer, which
    /// is read so that the connection can be used again.
    ///
    /// # Errors
    ///
    /// Why there is no status.
    pub async fn tell(&self, json: Bytes, headers: &[(HeaderName, HeaderValue)]) -> Result<Head, PostError> {
        let deadline = Instant::now() + self.destination.timeout;
        let asking = async {
            let place = self.places.acquire().await.expect("nobody closes it");
            Ok((place, self.ask(json, headers).await?))
        };
        let asked = timeout_at(deadline, asking).await;
        let (_place, response) = asked.unwrap_or(Err(PostError::Late))?;
        let (head, body) = response.into_parts();
        // What is in it does not matter, nor whether it comes.
        let _ = timeout_at(deadline, self.read(body)).await;
        Ok(head)
    }

    /// Asks, and once more when the other server has hung up: it may have closed a connection that it took for idle just when the
    /// request was on its way. Some do that after five seconds.
    async fn ask(&self, json: Bytes, headers: &[(HeaderName, HeaderValue)]) -> Result<Response<Incoming>, PostError> {
        let response = match self.send(json.clone(), headers).await {
            Err(error) if is_hang_up(&error) => self.send(json, headers).await,
            response => response,
        };
        response.map_err(|error| no_answer(&error))
    }

    async fn send(&self, json: Bytes, headers: &[(HeaderName, HeaderValue)]) -> Result<Response<Incoming>, AskError> {
        let mut request = Request::new(Full::new(json));
        *request.method_mut() = Method::POST;
        request.uri_mut().clone_from(&self.destination.url);
        let fields = request.headers_mut();
        fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        fields.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        fields.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        fields.extend(self.destination.headers.iter().chain(headers).cloned());
        self.client.request(request).await
    }

    async fn read(&self, body: Incoming) -> Result<Bytes, PostError> {
        let read = Limited::new(body, self.destination.answer_bytes).collect().await;
        let read = read.map_err(|error| {
            if error.is::<LengthLimitError>() {
                PostError::TooLarge
            } else {
                no_answer(&*error)
            }
        })?;
        Ok(read.to_bytes())
    }
}

/// Everything that an error is said to come from, itself first.
fn chain<'e>(
    error: &'e (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'e (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

/// Whether a connection was there, and ended before the answer began.
fn is_hang_up(error: &AskError) -> bool {
    let is_end = |kind| {
        matches!(
            kind,
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted
        )
    };
    !error.is_connect()
        && chain(error).any(|error| {
            let of_library = error.downcast_ref::<hyper::Error>();
            let of_system = error.downcast_ref::<io::Error>();
            of_library.is_some_and(hyper::Error::is_incomplete_message)
                || of_system.is_some_and(|error| is_end(error.kind()))
        })
}

/// What is at the bottom of an error: the library's own words say little.
fn no_answer(error: &(dyn std::error::Error + 'static)) -> PostError {
    let what = chain(error).last().unwrap_or(error).to_string();
    let mut codes = chain(error).filter_map(system_code);
    if codes.any(|code| EXHAUSTED.contains(&code)) {
        PostError::Exhausted(what)
    } else {
        PostError::Unreachable(what)
    }
}

/// What the system said, if it is that.
fn system_code(error: &(dyn std::error::Error + 'static)) -> Option<i32> {
    let error = error.downcast_ref::<io::Error>()?;
    error.raw_os_error().or_else(|| system_code(error.get_ref()?))
}

#[cfg(test)]
mod tests;
