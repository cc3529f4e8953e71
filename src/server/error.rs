//! Why a server did not start.

use std::io;
use std::net::SocketAddr;

use thiserror::Error;

use super::certificates::CertificateError;
use crate::config::{AdminTokenError, TokenKeyError, Violations};
use crate::control::{Refused, Silent, TrustError};
use crate::runtime::executors::StartError;
use crate::runtime::preflight::PreflightError;

/// Why a server that runs did not do, or tell, what it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AskError {
    /// Too much is being asked of it at the same time. Ask again.
    #[error("too much is being asked of the server at this moment")]
    Busy,
    /// A shard did not answer in time. What was to be done may still be done.
    #[error(transparent)]
    Silent(#[from] Silent),
    /// The server has ended.
    #[error("the server has ended")]
    Ended,
}

impl From<Refused> for AskError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Full => Self::Busy,
            Refused::Gone => Self::Ended,
        }
    }
}

/// Why a server did not start. Each message says what to do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The configuration is not valid.
    #[error(transparent)]
    Config(#[from] Violations),
    /// The machine, container or service unit cannot carry it.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Preflight(Vec<PreflightError>),
    /// The CPUs of the process cannot be read.
    #[error("the CPUs of this process cannot be read ({0}); is /proc mounted?")]
    Cpus(#[source] io::Error),
    /// The address cannot be listened on.
    #[error("cannot listen on {address} ({source}); choose another address or port")]
    Listen {
        /// What was configured.
        address: SocketAddr,
        /// What the kernel says.
        source: io::Error,
    },
    /// A socket that the process was passed is not the one that was configured.
    #[error(
        "a socket was passed that listens at {passed}, and `bind` and `port` say {wanted}: make them the same, since what may stay \
         undecided depends on them (systemd ListenStream=)"
    )]
    Passed {
        /// Where the socket listens.
        passed: SocketAddr,
        /// What was configured.
        wanted: SocketAddr,
    },
    /// A socket that the process was passed cannot be listened on.
    #[error("a socket that was passed cannot be used ({0}); see systemd.socket(5), ListenStream=")]
    Unusable(#[source] io::Error),
    /// The process has no descriptor left, or no randomness.
    #[error("a system resource is missing ({0}); raise the limit of open files")]
    Resource(#[source] io::Error),
    /// The key of connect tokens was there when the configuration was checked, and is not any more.
    #[error(transparent)]
    TokenKey(#[from] TokenKeyError),
    /// The operators' token was there when the configuration was checked, and is not any more.
    #[error(transparent)]
    AdminToken(#[from] AdminTokenError),
    /// There is nothing to make TLS handshakes with.
    #[error(transparent)]
    Certificates(#[from] CertificateError),
    /// The game's backend cannot be asked.
    #[error("the game's backend cannot be asked: {0}")]
    AccessCheck(#[from] TrustError),
    /// Nobody could vouch for the server that webhooks go to.
    #[error("webhooks cannot be posted: {0}")]
    Webhooks(#[source] TrustError),
    /// A shard did not come up.
    #[error(transparent)]
    Start(#[from] StartError),
}
