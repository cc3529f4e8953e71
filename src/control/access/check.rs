//! Whoever says whether clients may do what they want.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use thiserror::Error;

use crate::session::{AccessQuestion, NoVerdict, Verdict};

/// Says whether clients may do what they want: a game's backend over HTTP, or the program that the server is a part of.
///
/// It is asked on the control plane's one thread and must not block it. Whoever waits for its answer waits for
/// `access_check.timeout_ms` at most, and for what the thread is late itself: then what it returned is dropped.
pub trait AccessCheck: fmt::Debug + Send + Sync {
    /// Answers a question.
    fn check<'a>(&'a self, question: &'a AccessQuestion) -> CheckFuture<'a>;
}

/// An answer that takes its time.
pub type CheckFuture<'a> = Pin<Box<dyn Future<Output = Result<AccessAnswer, CheckFault>> + Send + 'a>>;

/// A verdict, and for how long the same question has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessAnswer {
    /// Whether the client may.
    pub verdict: Verdict,
    /// For how long whoever asks exactly the same is told it again; at most an hour, and zero: never.
    pub valid_for: Duration,
}

/// Why there is no answer. The text is for the operator's log; no client sees it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CheckFault {
    /// It took too long.
    #[error("no answer came in time")]
    Late,
    /// Nobody could be asked.
    #[error("{0}")]
    Unreachable(String),
    /// This server had not what it needs to ask. It says nothing of whoever was to be asked, so `access_check.fail_open` lets
    /// nobody in by it.
    #[error("{0}")]
    Unattended(String),
    /// What came back is no answer.
    #[error("{0}")]
    Unreadable(String),
}

impl CheckFault {
    /// What the client is told.
    pub(super) const fn silence(&self) -> NoVerdict {
        match self {
            Self::Late => NoVerdict::Late,
            Self::Unreachable(_) => NoVerdict::Unreachable,
            Self::Unreadable(_) => NoVerdict::Unreadable,
            Self::Unattended(_) => NoVerdict::Unattended,
        }
    }
}
