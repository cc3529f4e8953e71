//! What a running server takes over from a changed configuration: who is let in and who is asked about it, certificates, where
//! webhooks go, and the operators' token.
//! Everything else waits for a restart.
//!
//! Promises that files which do not answer are waited for ten seconds at most, twice: the certificates apart, which then stay as
//! they are, and the others, without which nothing is taken over.

use std::sync::Arc;

use serde_json::Value;
use thiserror::Error;

use super::access_check::Checking;
use super::certificates::{CertificateError, FreshCertificates, LiveCertificates};
use super::patience::{Late, Patience, READING};
use super::settings;
use super::webhooks::Posting;
use crate::config::{AdminTokenError, Config, TlsConfig, TokenKeyError, Violations};
use crate::control::{AccessCheck, AdminToken, AgreedTerms, TrustError};
use crate::protocol::Secret;
use crate::session::AccessPolicy;
use crate::shard::World;

/// What is taken over.
const RELOADED: [&str; 27] = [
    "control.admin_token",
    "control.admin_token_path",
    "security.blocked_networks",
    "security.allowed_apps",
    "security.app_auth_path",
    "security.connect_token.public_key",
    "security.connect_token.public_key_path",
    "security.transport.tls.certificate_path",
    "security.transport.tls.private_key_path",
    "security.transport.tls.certificates",
    "security.transport.tls.client_ca_cert_path",
    "security.transport.tls.client_auth",
    "access_check.url",
    "access_check.secret",
    "access_check.ca_cert_path",
    "access_check.timeout_ms",
    "access_check.fail_open",
    "access_check.ask_on_create",
    "access_check.ask_on_join",
    "webhooks.url",
    "webhooks.secret",
    "webhooks.previous_secret",
    "webhooks.events",
    "webhooks.ca_path",
    "webhooks.timeout_ms",
    "webhooks.batch_size",
    "webhooks.give_up_secs",
];

/// Takes over what may change while the server runs.
#[derive(Debug)]
pub(super) struct Reloader {
    world: Arc<World>,
    /// `None`: TLS is off.
    certificates: Option<LiveCertificates>,
    checking: Checking,
    posting: Posting,
    admin_token: AdminToken,
    /// What the server was started with.
    serving: Arc<Config>,
    reading: Patience<Result<Fresh, ReloadError>>,
}

/// What can be taken over.
#[derive(Debug)]
struct Fresh {
    policy: AccessPolicy,
    admin_token: Option<Secret>,
    check: Option<Arc<dyn AccessCheck>>,
    posting: Option<AgreedTerms>,
}

/// What was taken over, and what was not.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reloaded {
    /// How many applications are listed now.
    pub apps: usize,
    /// How many networks are kept out now.
    pub blocked_networks: usize,
    /// Keys that differ from those that the server was started with, and wait for a restart. Secrets are not compared.
    pub waiting: Vec<String>,
}

/// Why nothing was taken over.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// The configuration is not valid.
    #[error(transparent)]
    Config(#[from] Violations),
    /// Whether only listed applications are let in, or only with tokens, is decided for connections that are there, too.
    #[error("{rule} ({keys}) has changed, and only a restart can change it; restart, or set it back")]
    NeedsRestart {
        /// What has changed.
        rule: &'static str,
        /// The keys that decide it.
        keys: &'static str,
    },
    /// The key of connect tokens cannot be had.
    #[error(transparent)]
    TokenKey(#[from] TokenKeyError),
    /// The operators' token cannot be had.
    #[error(transparent)]
    AdminToken(#[from] AdminTokenError),
    /// The certificates are of no use.
    #[error(transparent)]
    Certificates(#[from] CertificateError),
    /// Files that the configuration names do not answer.
    #[error(transparent)]
    Late(#[from] Late),
    /// The game's backend cannot be asked.
    #[error("the game's backend cannot be asked: {0}")]
    AccessCheck(#[from] TrustError),
    /// Nobody could vouch for the server that webhooks go to.
    #[error("webhooks cannot be posted: {0}")]
    Webhooks(#[source] TrustError),
}

impl Reloader {
    pub(super) fn new(
        world: Arc<World>,
        certificates: Option<LiveCertificates>,
        checking: Checking,
        posting: Posting,
        admin_token: AdminToken,
        serving: Config,
    ) -> Self {
        Self {
            world,
            certificates,
            checking,
            posting,
            admin_token,
            serving: Arc::new(serving),
            reading: Patience::new("what the configuration names"),
        }
    }

    /// Lets in whoever `fresh` lets in, from the next handshake on.
    ///
    /// # Errors
    ///
    /// Why nothing was changed.
    pub(super) fn reload(&self, fresh: &Config) -> Result<Reloaded, ReloadError> {
        let (serving, checking, config) = (Arc::clone(&self.serving), self.checking.clone(), fresh.clone());
        let Fresh {
            policy,
            admin_token,
            check,
            posting,
        } = self
            .reading
            .wait(READING, move || Fresh::read(&config, &serving, &checking))??;
        let certificates = self.certificates(&fresh.security.transport.tls)?;
        self.world.access.replace(policy);
        self.admin_token.replace(admin_token);
        if let (Some(live), Some(fresh)) = (&self.certificates, certificates) {
            live.take_over(fresh);
        }
        self.checking.take_over(check, fresh);
        self.posting.take_over(posting);
        Ok(Reloaded {
            apps: fresh.security.allowed_apps.len(),
            blocked_networks: fresh.security.blocked_networks.len(),
            waiting: self.waiting(fresh),
        })
    }

    /// Certificates to be taken over. Those that do not answer hold up nothing else.
    fn certificates(&self, tls: &TlsConfig) -> Result<Option<FreshCertificates>, CertificateError> {
        let Some(live) = &self.certificates else {
            return Ok(None);
        };
        match live.read(tls) {
            Err(CertificateError::Late(late)) => {
                tracing::error!(error = %late, "certificates were not reloaded; the old ones stay");
                Ok(None)
            }
            read => read,
        }
    }

    fn waiting(&self, fresh: &Config) -> Vec<String> {
        let json = |config: &Config| serde_json::to_value(config).expect("a config has string keys only");
        let mut found = Vec::new();
        differences("", &json(&self.serving), &json(fresh), &mut found);
        found.retain(|path| !is_reloaded(path));
        found
    }
}

impl Fresh {
    /// Reads what `fresh` names, for a server that was started with `serving`.
    fn read(fresh: &Config, serving: &Config, checking: &Checking) -> Result<Self, ReloadError> {
        fresh.validate()?;
        for (rule, keys, is_the_same) in [
            (
                "whether only listed apps may connect",
                "security.enforce_app_id_allowlist, or the first or last app of security.allowed_apps",
                fresh.allowlist_enforced() == serving.allowlist_enforced(),
            ),
            (
                "whether connect tokens are required",
                "security.connect_token.required, or security.connect_token itself",
                fresh.connect_token_required() == serving.connect_token_required(),
            ),
            (
                "whether the game's backend is asked",
                "access_check.url, given or taken away",
                checking.rules(fresh).is_some() == checking.rules(serving).is_some(),
            ),
            (
                "whether webhooks are posted",
                "webhooks.url, given or taken away",
                fresh.webhooks.url.is_some() == serving.webhooks.url.is_some(),
            ),
        ] {
            if !is_the_same {
                return Err(ReloadError::NeedsRestart { rule, keys });
            }
        }
        Ok(Self {
            admin_token: admin_token(fresh)?,
            check: checking.of(fresh)?,
            posting: Posting::of(fresh).map_err(ReloadError::Webhooks)?,
            policy: settings::access_policy(fresh)?.checked(checking.rules(fresh)),
        })
    }
}

/// What operators must show.
///
/// # Errors
///
/// When it cannot be read; every other fault is found by [`Config::validate`].
pub(super) fn admin_token(config: &Config) -> Result<Option<Secret>, AdminTokenError> {
    let token = config.admin_token()?;
    Ok(token.map(|token| Secret::new(token.expose())))
}

fn is_reloaded(path: &str) -> bool {
    // A section that appears or disappears differs as a whole; `required` was compared before.
    path == "security.connect_token" || RELOADED.contains(&path)
}

/// The paths of all members that differ.
fn differences(path: &str, ours: &Value, theirs: &Value, found: &mut Vec<String>) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            for key in ours.keys().chain(theirs.keys().filter(|key| !ours.contains_key(*key))) {
                let below = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                let of = |members: &serde_json::Map<String, Value>| members.get(key).cloned().unwrap_or_default();
                differences(&below, &of(ours), &of(theirs), found);
            }
        }
        _ if ours == theirs => {}
        _ => found.push(path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use super::*;
    use crate::config::{AllowedApp, ConnectTokenConfig};
    use crate::protocol::AppId;
    use crate::shard::SlotKey;

    const KEY: &str = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=";

    fn reloader(serving: Config) -> Reloader {
        let world = World::new(
            settings::shard_settings(&serving).expect("valid"),
            settings::admission_limits(&serving),
            NonZeroU16::MIN.get(),
            SlotKey::new([0; 16]),
        );
        let checking = Checking::start(&serving, None).expect("valid");
        let posting = Posting::start(&serving).expect("valid");
        Reloader::new(world, None, checking, posting, AdminToken::default(), serving)
    }

    fn listing(app: &str) -> Config {
        let mut config = Config::default();
        config.security.allowed_apps = vec![AllowedApp {
            app_id: app.to_owned(),
            app_name: app.to_owned(),
            max_rooms: None,
            max_players_per_room: None,
            rate_limit_per_minute: None,
            max_relay_bytes: None,
            require_connect_token: None,
            per_address_limits: true,
        }];
        config
    }

    fn newest(reloader: &Reloader) -> Arc<crate::session::AccessPolicy> {
        reloader.world.access.newest().1
    }

    #[test]
    fn applications_and_the_key_are_taken_over_and_the_rest_is_named() {
        let reloader = reloader(listing("reef"));
        let mut fresh = listing("kelp");
        fresh.security.connect_token = Some(ConnectTokenConfig {
            public_key: Some(KEY.to_owned()),
            required: Some(false),
            ..ConnectTokenConfig::default()
        });
        fresh.security.blocked_networks = vec!["192.0.2.0/24".parse().expect("a network")];
        fresh.server.max_rooms = 7;
        fresh.port = 9;
        let reloaded = reloader.reload(&fresh).expect("reloaded");
        assert_eq!(reloaded.apps, 1);
        assert_eq!(reloaded.waiting, ["port", "server.max_rooms"]);
        let access = newest(&reloader);
        assert!(access.terms(Some(&AppId::new("kelp"))).is_some());
        assert!(access.connect_tokens.key.is_some());
        assert!(access.blocked.contain([192, 0, 2, 7].into()));
        fresh.security.connect_token = None;
        reloader.reload(&fresh).expect("reloaded");
        assert!(newest(&reloader).connect_tokens.key.is_none());
    }

    #[test]
    fn what_decides_about_connections_that_are_there_needs_a_restart() {
        let reloader = reloader(listing("reef"));
        let mut open = listing("kelp");
        open.security.enforce_app_id_allowlist = Some(false);
        let mut demanding = listing("kelp");
        demanding.security.connect_token = Some(ConnectTokenConfig {
            public_key: Some(KEY.to_owned()),
            ..ConnectTokenConfig::default()
        });
        let mut keyless = listing("kelp");
        keyless.security.connect_token = Some(ConnectTokenConfig {
            public_key_path: Some("/nowhere/key".into()),
            required: Some(false),
            ..ConnectTokenConfig::default()
        });
        let unlisted = Config::default();
        for fresh in [open, demanding, unlisted] {
            let error = reloader.reload(&fresh).expect_err("refused");
            assert!(matches!(error, ReloadError::NeedsRestart { .. }), "{error}");
        }
        let error = reloader.reload(&keyless).expect_err("refused");
        assert!(matches!(error, ReloadError::Config(_)), "{error}");
        assert!(
            newest(&reloader).terms(Some(&AppId::new("kelp"))).is_none(),
            "nothing changed"
        );
    }
}
