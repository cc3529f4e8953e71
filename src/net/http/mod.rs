//! HTTP/1.1 before the upgrade: which requests are answered with what.
//!
//! Owns the routes and the strictness of the upgrade. Sans-I/O: a request is bytes, an answer is bytes. Every answer but
//! the upgrade closes the connection. Must never hold more than one bounded request.

mod request;
mod response;
mod routes;
mod upgrade;

pub use request::{Head, MAX_HEAD_BYTES, RequestRefusal, read_head};
pub use response::{Response, Status};
pub use routes::{Answer, Site};
pub use upgrade::answer_by_the_standard;
