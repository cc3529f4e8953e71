//! The SDK compatibility table: which client versions are let in, and what is said to them.

use std::collections::BTreeMap;

use semver::Version;
use thiserror::Error;

/// What is known of client platforms. Platform names are compared in lower case.
#[derive(Debug, Clone, Default)]
pub struct SdkTable {
    /// Whether a platform must be listed at all.
    pub enforce: bool,
    /// The least version that is let in.
    pub minimum_versions: BTreeMap<String, String>,
    /// The advised version.
    pub recommended_versions: BTreeMap<String, String>,
    /// What the server offers: `_default` to everybody, and more to some platforms.
    pub capabilities: BTreeMap<String, Vec<String>>,
    /// A remark for developers.
    pub notes: BTreeMap<String, String>,
}

/// Why a client's SDK is not let in. The client may try again with other facts.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SdkRefusal {
    /// The table is enforced and the platform is not in it.
    #[error("this server only admits listed platforms; name a supported platform")]
    UnlistedPlatform,
    /// The platform has a minimum, and no version was given, or one that is no semantic version.
    #[error("platform {platform} needs a semantic sdk_version of at least {minimum}")]
    NoVersion {
        /// The platform, in lower case.
        platform: String,
        /// Its least version.
        minimum: String,
    },
    /// The version is below the platform's minimum.
    #[error("the SDK of platform {platform} must be at least {minimum}; update it")]
    TooOld {
        /// The platform, in lower case.
        platform: String,
        /// Its least version.
        minimum: String,
    },
}

/// What the table says to one client.
#[derive(Debug, Default, Clone)]
pub struct SdkAdvice<'a> {
    /// The least version that is let in.
    pub minimum_version: Option<&'a str>,
    /// The advised version.
    pub recommended_version: Option<&'a str>,
    /// What the server offers, in order.
    pub capabilities: Vec<&'a str>,
    /// A remark for developers.
    pub notes: Option<&'a str>,
}

/// Spectators get the game's data: true for everybody on version 3.
pub(super) const SPECTATOR_RELAY: &str = "spectator_relay";

/// Room requests may carry ids that their answers repeat: for those who ask for it.
pub(super) const OPERATION_IDS: &str = "room_operation_ids";

/// rkyv game data comes in an envelope that is an archive: for those who read rkyv and ask for it. Ours, not the protocol's.
pub(super) const RKYV_ENVELOPE: &str = "rkyv_envelope";

/// Names that the server alone may put into the list of capabilities.
const RESERVED_CAPABILITIES: [&str; 3] = [SPECTATOR_RELAY, OPERATION_IDS, RKYV_ENVELOPE];

impl SdkTable {
    /// Checks a client against the table.
    ///
    /// # Errors
    ///
    /// When the table does not let it in.
    pub fn admit(&self, platform: Option<&str>, sdk_version: Option<&str>) -> Result<SdkAdvice<'_>, SdkRefusal> {
        let platform = platform.map(str::to_lowercase);
        let minimum = platform
            .as_ref()
            .and_then(|platform| self.minimum_versions.get(platform));
        match (&platform, minimum) {
            (Some(platform), Some(minimum)) => {
                let version = sdk_version.and_then(|version| Version::parse(version).ok());
                let facts = || (platform.clone(), minimum.clone());
                match (version, Version::parse(minimum)) {
                    (None, _) => {
                        let (platform, minimum) = facts();
                        return Err(SdkRefusal::NoVersion { platform, minimum });
                    }
                    (Some(version), Ok(least)) if version < least => {
                        let (platform, minimum) = facts();
                        return Err(SdkRefusal::TooOld { platform, minimum });
                    }
                    _ => {}
                }
            }
            _ if self.enforce => return Err(SdkRefusal::UnlistedPlatform),
            _ => {}
        }
        Ok(self.advice(platform.as_deref()))
    }

    fn advice(&self, platform: Option<&str>) -> SdkAdvice<'_> {
        fn of<'a>(table: &'a BTreeMap<String, String>, platform: Option<&str>) -> Option<&'a str> {
            platform.and_then(|platform| table.get(platform)).map(String::as_str)
        }
        let listed = |name: &str| self.capabilities.get(name).into_iter().flatten();
        SdkAdvice {
            minimum_version: of(&self.minimum_versions, platform),
            recommended_version: of(&self.recommended_versions, platform),
            capabilities: listed("_default")
                .chain(platform.into_iter().filter(|name| *name != "_default").flat_map(listed))
                .map(String::as_str)
                .filter(|name| !RESERVED_CAPABILITIES.contains(name))
                .collect(),
            notes: of(&self.notes, platform),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> SdkTable {
        let one = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
        SdkTable {
            enforce: false,
            minimum_versions: one("unity", "1.10.0"),
            recommended_versions: one("unity", "1.12.0"),
            capabilities: BTreeMap::from([
                (
                    "_default".to_owned(),
                    vec!["reconnection".to_owned(), "spectator_relay".to_owned()],
                ),
                ("unity".to_owned(), vec!["relay-mirror".to_owned()]),
            ]),
            notes: one("unity", "use 1.12"),
        }
    }

    #[test]
    fn a_listed_platform_is_checked_in_any_spelling() {
        let table = table();
        assert!(matches!(
            table.admit(Some("Unity"), None),
            Err(SdkRefusal::NoVersion { .. })
        ));
        assert!(matches!(
            table.admit(Some("UNITY"), Some("new")),
            Err(SdkRefusal::NoVersion { .. })
        ));
        assert!(matches!(
            table.admit(Some("unity"), Some("1.9.9")),
            Err(SdkRefusal::TooOld { .. })
        ));
        let advice = table.admit(Some("unity"), Some("1.10.0")).expect("new enough");
        assert_eq!(advice.recommended_version, Some("1.12.0"));
        assert_eq!(
            advice.capabilities,
            ["reconnection", "relay-mirror"],
            "reserved names are left out"
        );
        assert_eq!(advice.notes, Some("use 1.12"));
    }

    #[test]
    fn an_unlisted_platform_passes_unless_the_table_is_enforced() {
        let mut table = table();
        assert!(table.admit(Some("rust"), None).is_ok() && table.admit(None, None).is_ok());
        table.enforce = true;
        assert_eq!(
            table.admit(Some("rust"), Some("9.0.0")).err(),
            Some(SdkRefusal::UnlistedPlatform)
        );
        assert_eq!(table.admit(None, None).err(), Some(SdkRefusal::UnlistedPlatform));
    }
}
