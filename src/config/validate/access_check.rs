//! Section `access_check`.

use super::check::Check;
use super::security::existing_file;
use crate::config::Config;

pub(super) fn check(config: &Config, check: &mut Check) {
    let access = &config.access_check;
    if access.url.is_some() {
        check.rule(
            "access_check.url",
            "set (not shown)",
            access.backend().is_some(),
            "must be an http or https URL with a host and without credentials",
            "give one like https://backend.example/check, and what it knows this server by in access_check.secret",
        );
    }
    let needs_url = [
        ("access_check.secret", access.secret.is_some()),
        ("access_check.ca_cert_path", access.ca_cert_path.is_some()),
    ];
    for (key, is_set) in needs_url {
        check.rule(
            key,
            "set",
            !is_set || access.url.is_some(),
            "has no effect without access_check.url",
            "set access_check.url, or leave it out",
        );
    }
    if let Some(secret) = &access.secret {
        check.rule(
            "access_check.secret",
            "set (not shown)",
            !secret.expose().is_empty() && secret.expose().bytes().all(|byte| byte.is_ascii_graphic()),
            "must be printable ASCII without blanks, as it goes into a header",
            "choose 16 random characters or more",
        );
        check.not_redacted("access_check.secret", secret);
    }
    if let Some(path) = &access.ca_cert_path {
        existing_file("access_check.ca_cert_path", path, check);
    }
}
