//! HTTP/1.1 before the upgrade: which requests a shard answers itself, and with what.
//!
//! Owns the type of a request's head, who is answered at all, and the strictness of the upgrade. Sans-I/O: a request is bytes, an answer is bytes.
//! Every answer but the upgrade closes the connection; whatever asks for something else goes to the control plane. Must
//! never hold more than one bounded request.

mod doors;
mod host;
mod origin;
mod request;
mod response;
mod routes;
mod upgrade;

pub use doors::Doors;
pub use host::{HostName, HostPolicy};
pub use origin::is_site_of;
pub use request::{Head, MAX_FIELDS, MAX_HEAD_BYTES, RequestRefusal, read_head};
pub use response::{Response, Status};
pub use routes::{Answer, Site, endpoint, wanted_endpoint};
pub use upgrade::answer_by_the_standard;
