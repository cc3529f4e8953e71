//! Who says whether clients may play: the backend that the configuration names, or the program that the server is a part of.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, header};

use crate::config::Config;
use crate::control::{ANSWER_BYTES, AccessCheck, Destination, HttpCheck, LiveCheck, TURNS, TrustError};
use crate::session::CheckRules;

/// Who is asked.
#[derive(Debug, Clone)]
pub(super) struct Checking {
    live: LiveCheck,
    /// The program's own check, in place of a backend.
    own: Option<Arc<dyn AccessCheck>>,
}

impl Checking {
    /// Has whoever is to be asked asked from the start.
    pub(super) fn start(config: &Config, own: Option<Arc<dyn AccessCheck>>) -> Result<Self, TrustError> {
        let checking = Self {
            live: LiveCheck::default(),
            own,
        };
        let check = checking.of(config)?;
        checking.take_over(check, config);
        Ok(checking)
    }

    /// What the control plane asks by.
    pub(super) fn live(&self) -> LiveCheck {
        self.live.clone()
    }

    /// What is asked, if anything is.
    pub(super) fn rules(&self, config: &Config) -> Option<CheckRules> {
        let is_on = self.own.is_some() || config.access_check.url.is_some();
        is_on.then(|| check_rules(config))
    }

    /// Who is asked under a configuration.
    pub(super) fn of(&self, config: &Config) -> Result<Option<Arc<dyn AccessCheck>>, TrustError> {
        if let Some(own) = &self.own {
            return Ok(Some(Arc::clone(own)));
        }
        let asked = backend(config).map(HttpCheck::new).transpose()?;
        Ok(asked.map(|asked| Arc::new(asked) as Arc<dyn AccessCheck>))
    }

    /// Has it asked from now on. Whatever was answered before is forgotten.
    pub(super) fn take_over(&self, check: Option<Arc<dyn AccessCheck>>, config: &Config) {
        if let Some(check) = check {
            self.live
                .install(check, Duration::from_millis(config.access_check.timeout_ms));
        }
    }
}

/// What the game's backend is asked.
pub(super) const fn check_rules(config: &Config) -> CheckRules {
    let access = &config.access_check;
    CheckRules {
        creates: access.ask_on_create,
        joins: access.ask_on_join,
        fails_open: access.fail_open,
        timeout_ms: access.timeout_ms,
    }
}

/// Where the game's backend is, if it is asked.
fn backend(config: &Config) -> Option<Destination> {
    let access = &config.access_check;
    let bearer = access.secret.as_ref().and_then(|secret| {
        let mut value = HeaderValue::try_from(format!("Bearer {}", secret.expose())).ok()?;
        value.set_sensitive(true);
        Some((header::AUTHORIZATION, value))
    });
    Some(Destination {
        url: access.backend()?,
        ca_path: access.ca_cert_path.clone(),
        // The control plane ends it before: by the time in which it would have seen an answer.
        timeout: 2 * Duration::from_millis(access.timeout_ms),
        requests: TURNS,
        answer_bytes: ANSWER_BYTES,
        headers: bearer.into_iter().collect(),
    })
}
