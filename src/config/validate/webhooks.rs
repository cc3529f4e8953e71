//! Rules of the section `webhooks`.

use super::check::Check;
use super::security::existing_file;
use crate::auth::webhook::WebhookKey;
use crate::config::{Config, Secret};

pub(super) fn check(config: &Config, check: &mut Check) {
    let webhooks = &config.webhooks;
    if let Some(url) = &webhooks.url {
        let uri = url.parse::<http::Uri>().ok();
        let is_whole = uri.is_some_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
        });
        check.rule(
            "webhooks.url",
            format_args!("{:?}", shown(url)),
            is_whole && !url.contains('@'),
            "must be a whole URL of http or https, without a name and password",
            "write it like https://game.example/webhooks; requests are signed with webhooks.secret",
        );
    }
    check.rule(
        "webhooks.secret",
        "absent",
        webhooks.url.is_none() || webhooks.secret.is_some(),
        "is needed with webhooks.url: nobody could tell webhooks from forgeries",
        "make one: echo \"whsec_$(head -c 32 /dev/urandom | base64)\"",
    );
    check.rule(
        "webhooks.previous_secret",
        Secret::REDACTED,
        webhooks.previous_secret.is_none() || webhooks.secret.is_some(),
        "needs webhooks.secret",
        "name it webhooks.secret",
    );
    for (path, secret) in [
        ("webhooks.secret", &webhooks.secret),
        ("webhooks.previous_secret", &webhooks.previous_secret),
    ] {
        let Some(secret) = secret else { continue };
        if secret.expose().trim() == Secret::REDACTED {
            check.not_redacted(path, secret);
            continue;
        }
        check.rule(
            path,
            Secret::REDACTED,
            WebhookKey::parse(secret.expose()).is_ok(),
            "must be whsec_ and 24 to 64 random bytes in base64",
            "make one: echo \"whsec_$(head -c 32 /dev/urandom | base64)\"",
        );
    }
    check.rule(
        "webhooks.events",
        "[]",
        !webhooks.events.is_empty(),
        "must name an event",
        "name some, or leave it out for all; without webhooks.url nothing is posted",
    );
    if let Some(path) = &webhooks.ca_path {
        existing_file("webhooks.ca_path", path, check);
    }
    if let Some(path) = &webhooks.dead_letter_path {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        check.rule(
            "webhooks.dead_letter_path",
            path.display(),
            path.file_name().is_some() && !path.is_dir() && folder.is_none_or(|folder| folder.is_dir()),
            "must be a file in a directory that is there",
            "make the directory, or name another",
        );
    }
}

/// A URL without what may be a password in it.
fn shown(url: &str) -> &str {
    if url.contains('@') { "<with credentials>" } else { url }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::WebhooksConfig;

    /// The keys that are named when webhooks are so.
    fn faults(change: impl FnOnce(&mut WebhooksConfig)) -> Vec<String> {
        let mut config = Config::default();
        config.webhooks.url = Some("https://game.example/webhooks".to_owned());
        config.webhooks.secret = Some(Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
        change(&mut config.webhooks);
        let faults = config
            .validate()
            .err()
            .map(|violations| violations.0)
            .unwrap_or_default();
        assert!(
            faults.iter().all(|fault| !fault.to_string().contains("sesame")),
            "{faults:?}"
        );
        faults.into_iter().map(|fault| fault.path).collect()
    }

    #[test]
    fn what_cannot_be_signed_or_reached_is_refused() {
        assert_eq!(faults(|_| {}), [""; 0]);
        assert_eq!(faults(|webhooks| webhooks.secret = None), ["webhooks.secret"]);
        for url in [
            "game.example",
            "ftp://game.example/",
            "https://",
            "https://me:sesame@game.example/",
        ] {
            assert_eq!(
                faults(|webhooks| webhooks.url = Some(url.to_owned())),
                ["webhooks.url"],
                "{url}"
            );
        }
        for secret in ["sesame", "whsec_sesame", Secret::REDACTED] {
            let given = Some(Secret::new(secret));
            assert_eq!(
                faults(|webhooks| webhooks.previous_secret = given),
                ["webhooks.previous_secret"]
            );
        }
        assert_eq!(faults(|webhooks| webhooks.events.clear()), ["webhooks.events"]);
        assert_eq!(
            faults(|webhooks| webhooks.dead_letter_path = Some("/nowhere/dead.jsonl".into())),
            ["webhooks.dead_letter_path"]
        );
        assert_eq!(faults(|webhooks| webhooks.batch_size = 0), ["webhooks.batch_size"]);
    }
}
