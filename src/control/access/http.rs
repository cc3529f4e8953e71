//! The game's backend over HTTP.

use http::StatusCode;

use super::super::outbound::{Destination, Outbound, PostError, TrustError};
use super::check::{AccessCheck, CheckFault, CheckFuture};
use super::wire;
use crate::session::AccessQuestion;

/// Posts each question to the backend's address.
#[derive(Debug)]
pub struct HttpCheck {
    outbound: Outbound,
}

impl HttpCheck {
    /// A check that asks there.
    ///
    /// # Errors
    ///
    /// When the authorities that would be trusted cannot be read.
    pub fn new(destination: Destination) -> Result<Self, TrustError> {
        Ok(Self {
            outbound: Outbound::new(destination)?,
        })
    }
}

impl AccessCheck for HttpCheck {
    fn check<'a>(&'a self, question: &'a AccessQuestion) -> CheckFuture<'a> {
        Box::pin(async move {
            let answer = self.outbound.post(wire::question(question), &[]).await;
            let answer = answer.map_err(|error| match error {
                PostError::Late => CheckFault::Late,
                PostError::Exhausted(_) => CheckFault::Unattended(error.to_string()),
                PostError::TooLarge => CheckFault::Unreadable(error.to_string()),
                PostError::Unreachable(_) => CheckFault::Unreachable(error.to_string()),
            })?;
            if answer.status != StatusCode::OK {
                return Err(CheckFault::Unreadable(format!(
                    "the answer has status {}",
                    answer.status
                )));
            }
            wire::answer(&answer.body)
        })
    }
}
