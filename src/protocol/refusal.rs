//! Refusals: what somebody is told who does not get what it asked for, or may not stay.

use std::borrow::Cow;
use std::fmt;

use super::ErrorCode;

/// The code for programs and the text for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What programs decide by.
    pub code: ErrorCode,
    /// What people read.
    pub text: Cow<'static, str>,
}

impl Refusal {
    /// A refusal in these words.
    pub fn new(code: ErrorCode, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            text: text.into(),
        }
    }
}

/// Why something is refused. Written out, it is the text for people.
pub trait Reason: fmt::Display {
    /// What programs decide by.
    fn code(&self) -> ErrorCode;
}

impl<R: Reason> From<R> for Refusal {
    fn from(reason: R) -> Self {
        Self::new(reason.code(), reason.to_string())
    }
}
