//! The handshake: who the client says it is, and what both will speak.

use thiserror::Error;

use super::access::{AccessPolicy, AppPolicy, AppTerms};
use super::access_check::{AccessQuestion, Wish};
use super::sdk::{OPERATION_IDS, RKYV_ENVELOPE, SPECTATOR_RELAY, SdkAdvice, SdkRefusal, SdkTable};
use super::versions::VersionRange;
use super::{ClientAddress, Session, Stage};
use crate::auth::connect_token::TokenRefusal;
use crate::protocol::server_message::AdvisoryRates;
use crate::protocol::{
    Abilities, AppId, Authenticate, Dialect, ErrorCode, GameDataFormat, NameRules, ProtocolVersion, Reason, Secret,
    WallTime,
};

/// What the server demands of a handshake.
#[derive(Debug, Clone)]
pub struct HandshakePolicy {
    /// Which versions are spoken.
    pub versions: VersionRange,
    /// Enabled game-data formats, in the protocol's order.
    pub formats: Vec<GameDataFormat>,
    /// Names that players may have; also advertised.
    pub name_rules: NameRules,
    /// Which client versions are let in.
    pub sdk: SdkTable,
    /// How long a required handshake may take, from the upgrade, in milliseconds.
    pub timeout_ms: u64,
}

/// Why a handshake was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HandshakeRefusal {
    /// It is not the first message, or not the first handshake.
    #[error("Authenticate must be the first message of a connection, and only once")]
    TooLate,
    /// The id is unknown, too long, or has control characters.
    #[error("unknown application id; check app_id")]
    UnknownApp,
    /// The application's handshakes of this minute are used up.
    #[error("this application connects too often; wait a minute")]
    TooOften,
    /// The connect token is missing or not good.
    #[error(transparent)]
    ConnectToken(#[from] TokenRefusal),
    /// The client's SDK is not let in.
    #[error(transparent)]
    Sdk(#[from] SdkRefusal),
    /// The asked version is below what the server speaks.
    #[error("protocol version {asked} is not spoken here; ask for at least {least}")]
    Version {
        /// What the client asked for.
        asked: u16,
        /// The least that the server speaks.
        least: u16,
    },
}

impl Reason for HandshakeRefusal {
    fn code(&self) -> ErrorCode {
        match self {
            Self::TooLate => ErrorCode::InvalidInput,
            Self::UnknownApp => ErrorCode::InvalidAppId,
            Self::TooOften => ErrorCode::RateLimitExceeded,
            Self::ConnectToken(refusal) => refusal.code(),
            Self::Sdk(_) => ErrorCode::SdkVersionUnsupported,
            Self::Version { .. } => ErrorCode::UnsupportedProtocolVersion,
        }
    }
}

impl HandshakeRefusal {
    /// Whether the connection ends with it, rather than being free to try again.
    #[must_use]
    pub const fn is_final(&self, access: &AccessPolicy) -> bool {
        match self {
            Self::UnknownApp | Self::TooOften => true,
            Self::Version { .. } => !access.requires_handshake(),
            Self::TooLate | Self::ConnectToken(_) | Self::Sdk(_) => false,
        }
    }
}

/// What a successful handshake is answered with.
#[derive(Debug)]
pub struct Accepted<'a> {
    /// A known format that was asked for and is not enabled: the client is told, and speaks JSON.
    pub unsupported_format: Option<GameDataFormat>,
    /// The application's registered name.
    pub app_name: &'a str,
    /// Advisory rates.
    pub rates: AdvisoryRates,
    /// What the SDK table says.
    pub advice: SdkAdvice<'a>,
}

/// What is known of a handshake that may be accepted.
struct Examined<'p> {
    app: AppId,
    terms: Option<&'p AppTerms>,
    address: ClientAddress,
    version: ProtocolVersion,
    advice: SdkAdvice<'p>,
}

impl Session {
    /// Takes the client's handshake. `admit` consults the process-wide ledger: application, where the client comes from, and
    /// the application's handshakes per minute; it is asked last, so it counts no handshake that fails otherwise.
    ///
    /// # Errors
    ///
    /// The first demand that the client fails; the session is unchanged.
    pub fn authenticate<'p>(
        &mut self,
        request: &Authenticate,
        policy: &'p HandshakePolicy,
        access: &'p AccessPolicy,
        now: WallTime,
        admit: impl FnOnce(&AppId, ClientAddress, u32) -> bool,
    ) -> Result<Accepted<'p>, HandshakeRefusal> {
        let Examined {
            app,
            terms,
            address,
            version,
            mut advice,
        } = self.examine(request, policy, access, now, admit)?;
        let asked = request.game_data_format;
        let is_enabled = policy.formats.contains(&asked);
        self.dialect = Dialect {
            version,
            format: if is_enabled { asked } else { GameDataFormat::Json },
            reads_archives: false,
        };
        if version >= ProtocolVersion::V3 {
            self.abilities = Abilities::of(&request.supported_transports, &request.supported_topologies);
            let wants = |word: &str| request.requested_capabilities.iter().any(|name| name == word);
            let wants_ids = wants(OPERATION_IDS);
            self.dialect.reads_archives = self.dialect.format == GameDataFormat::Rkyv && wants(RKYV_ENVELOPE);
            self.has_operation_ids = wants_ids;
            advice.capabilities.push(SPECTATOR_RELAY);
            advice.capabilities.extend(wants_ids.then_some(OPERATION_IDS));
            advice
                .capabilities
                .extend(self.dialect.reads_archives.then_some(RKYV_ENVELOPE));
        }
        self.app = Some(app);
        self.address = address;
        self.stage = Stage::Authenticated;
        Ok(Accepted {
            unsupported_format: (!is_enabled).then_some(asked),
            app_name: terms.map_or("default", |terms| &terms.name),
            rates: advisory_rates(terms),
            advice,
        })
    }

    /// What the game's backend is asked about a handshake which is one that would be accepted. `admit` is as above; what it
    /// counts is not counted again when the backend has said yes.
    ///
    /// # Errors
    ///
    /// The first demand that the client fails; the session is unchanged.
    pub fn question_of_handshake(
        &self,
        request: &Authenticate,
        policy: &HandshakePolicy,
        access: &AccessPolicy,
        now: WallTime,
        admit: impl FnOnce(&AppId, ClientAddress, u32) -> bool,
    ) -> Result<AccessQuestion, HandshakeRefusal> {
        let examined = self.examine(request, policy, access, now, admit)?;
        Ok(AccessQuestion {
            address: examined.address,
            app: Some(examined.app),
            user: None,
            wish: Wish::Handshake {
                connect_token: request.connect_token.clone(),
                platform: request.platform.clone(),
                sdk_version: request.sdk_version.clone(),
                protocol_version: examined.version.number(),
            },
        })
    }

    fn examine<'p>(
        &self,
        request: &Authenticate,
        policy: &'p HandshakePolicy,
        access: &'p AccessPolicy,
        now: WallTime,
        admit: impl FnOnce(&AppId, ClientAddress, u32) -> bool,
    ) -> Result<Examined<'p>, HandshakeRefusal> {
        if self.stage != Stage::Fresh {
            return Err(HandshakeRefusal::TooLate);
        }
        let app = AppId::parse(&request.app_id).ok_or(HandshakeRefusal::UnknownApp)?;
        let terms = match &access.apps {
            AppPolicy::Open => None,
            AppPolicy::Listed(apps) => Some(apps.get(&app).ok_or(HandshakeRefusal::UnknownApp)?),
        };
        let token = request.connect_token.as_ref().map(Secret::expose);
        access.check_token(&app, terms, token, now.unix_secs())?;
        let advice = policy
            .sdk
            .admit(request.platform.as_deref(), request.sdk_version.as_deref())?;
        let endpoint = self.dialect.version.number();
        let asked = request.protocol_version.unwrap_or(endpoint);
        let version = policy.versions.negotiate(asked).ok_or(HandshakeRefusal::Version {
            asked,
            least: policy.versions.oldest.number(),
        })?;
        let shares_address = terms.is_some_and(|terms| terms.shares_addresses);
        let address = if shares_address {
            self.address.among_others()
        } else {
            self.address
        };
        // The rate comes last: whoever fails the rest must not use up what is the application's.
        if let Some(per_minute) = terms.and_then(|terms| terms.handshakes_per_minute)
            && !admit(&app, address, per_minute)
        {
            return Err(HandshakeRefusal::TooOften);
        }
        Ok(Examined {
            app,
            terms,
            address,
            version,
            advice,
        })
    }
}

fn advisory_rates(terms: Option<&AppTerms>) -> AdvisoryRates {
    match terms {
        None => AdvisoryRates {
            per_minute: 1_000,
            per_hour: 10_000,
            per_day: 100_000,
        },
        Some(terms) => {
            let per_minute = u64::from(terms.handshakes_per_minute.unwrap_or(1_000));
            AdvisoryRates {
                per_minute,
                per_hour: per_minute * 60,
                per_day: per_minute * 60 * 24,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Arrival, ConnectTokenPolicy};
    use super::*;
    use crate::protocol::{ClientMessage, PlayerId, Topology, Transport, parse};
    use crate::session::ClientAddress;

    const NOW: WallTime = WallTime { unix_nanos: 0 };

    fn session() -> Session {
        session_at(ProtocolVersion::V2)
    }

    fn session_at(endpoint: ProtocolVersion) -> Session {
        let arrival = Arrival {
            request_id: uuid::Uuid::nil(),
            address: ClientAddress::own(std::net::Ipv4Addr::LOCALHOST.into()),
            endpoint,
            binding: None,
            certificate: None,
        };
        Session::new(PlayerId::from_bytes([1; 16]), arrival, VersionRange::ALL, 0)
    }

    fn policy() -> HandshakePolicy {
        HandshakePolicy {
            versions: VersionRange::ALL,
            formats: vec![GameDataFormat::Json, GameDataFormat::MessagePack],
            name_rules: NameRules::default(),
            sdk: SdkTable::default(),
            timeout_ms: 10_000,
        }
    }

    fn open() -> AccessPolicy {
        AccessPolicy::new(AppPolicy::Open, ConnectTokenPolicy::default())
    }

    fn listed() -> AccessPolicy {
        let terms = AppTerms {
            name: "Reef Racer".into(),
            handshakes_per_minute: Some(40),
            ..AppTerms::default()
        };
        let apps = [(AppId::new("reef"), terms)].into_iter().collect();
        AccessPolicy::new(AppPolicy::Listed(apps), ConnectTokenPolicy::default())
    }

    fn request(data: &str) -> Authenticate {
        match parse(&format!(r#"{{"type":"Authenticate","data":{data}}}"#)) {
            Ok(ClientMessage::Authenticate(request)) => request,
            other => panic!("not a handshake: {other:?}"),
        }
    }

    #[test]
    fn the_open_policy_takes_any_label() {
        let access = open();
        let (mut session, policy) = (session(), policy());
        let accepted = session
            .authenticate(
                &request(r#"{"app_id":"x","game_data_format":"message_pack"}"#),
                &policy,
                &access,
                NOW,
                |_, _, _| false,
            )
            .expect("accepted");
        assert_eq!(accepted.app_name, "default");
        assert_eq!(accepted.rates.per_hour, 10_000);
        assert_eq!(session.dialect().format, GameDataFormat::MessagePack);
        assert_eq!(session.stage(), Stage::Authenticated);
        let again = session.authenticate(&request(r#"{"app_id":"x"}"#), &policy, &access, NOW, |_, _, _| true);
        assert_eq!(again.err(), Some(HandshakeRefusal::TooLate));
    }

    #[test]
    fn a_listed_application_is_known_by_name_and_rate() {
        let (mut session, policy, access) = (session(), policy(), listed());
        let unknown = session
            .authenticate(&request(r#"{"app_id":"other"}"#), &policy, &access, NOW, |_, _, _| true)
            .expect_err("unknown");
        assert_eq!(unknown, HandshakeRefusal::UnknownApp);
        assert!(unknown.is_final(&access));
        let often = session.authenticate(&request(r#"{"app_id":"reef"}"#), &policy, &access, NOW, |_, _, rate| {
            rate != 40
        });
        assert_eq!(often.err(), Some(HandshakeRefusal::TooOften));
        let accepted = session
            .authenticate(&request(r#"{"app_id":"reef"}"#), &policy, &access, NOW, |_, _, _| true)
            .expect("accepted");
        assert_eq!((accepted.app_name, accepted.rates.per_day), ("Reef Racer", 57_600));
    }

    #[test]
    fn clients_of_a_platform_that_hides_them_share_its_address_from_their_handshake_on() {
        let (policy, app) = (policy(), AppId::new("reef"));
        for shares_addresses in [false, true] {
            let terms = AppTerms {
                handshakes_per_minute: Some(40),
                shares_addresses,
                ..AppTerms::default()
            };
            let apps = AppPolicy::Listed([(app.clone(), terms)].into_iter().collect());
            let access = AccessPolicy::new(apps, ConnectTokenPolicy::default());
            let mut session = session();
            let mut asked = None;
            let mut authenticate = |session: &mut Session, is_admitted| {
                let admit = |_: &AppId, address: ClientAddress, _| {
                    asked = Some(address.is_shared());
                    is_admitted
                };
                session
                    .authenticate(&request(r#"{"app_id":"reef"}"#), &policy, &access, NOW, admit)
                    .is_ok()
            };
            assert!(!authenticate(&mut session, false) && !session.address().is_shared());
            assert!(authenticate(&mut session, true));
            assert_eq!(session.address().is_shared(), shares_addresses);
            assert_eq!(asked, Some(shares_addresses), "its share of the app's rate, too");
        }
    }

    #[test]
    fn a_disabled_format_falls_back_to_json() {
        let access = open();
        let (mut session, policy) = (session(), policy());
        let accepted = session
            .authenticate(
                &request(r#"{"app_id":"x","game_data_format":"rkyv"}"#),
                &policy,
                &access,
                NOW,
                |_, _, _| true,
            )
            .expect("accepted");
        assert_eq!(accepted.unsupported_format, Some(GameDataFormat::Rkyv));
        assert_eq!(session.dialect(), Dialect::FLOOR);
    }

    #[test]
    fn refusals_that_leave_the_door_open_change_nothing() {
        let access = open();
        let (mut session, policy) = (session(), policy());
        let token = session.authenticate(
            &request(r#"{"app_id":"x","connect_token":"t"}"#),
            &policy,
            &access,
            NOW,
            |_, _, _| true,
        );
        assert_eq!(token.err(), Some(HandshakeRefusal::ConnectToken(TokenRefusal::NoKey)));
        let old = session
            .authenticate(
                &request(r#"{"app_id":"x","protocol_version":1}"#),
                &policy,
                &access,
                NOW,
                |_, _, _| true,
            )
            .expect_err("too old");
        assert!(
            old.is_final(&access),
            "under the open policy an old version ends the connection"
        );
        assert!(!old.is_final(&listed()));
        assert_eq!(session.stage(), Stage::Fresh);
        session.skip_handshake();
        let late = session.authenticate(&request(r#"{"app_id":"x"}"#), &policy, &access, NOW, |_, _, _| true);
        assert_eq!(late.err(), Some(HandshakeRefusal::TooLate));
    }

    #[test]
    fn a_handshake_that_fails_otherwise_costs_the_application_nothing() {
        let (mut session, mut policy, access) = (session(), policy(), listed());
        policy.sdk.minimum_versions.insert("unity".into(), "1.0.0".into());
        for data in [
            r#"{"app_id":"reef","connect_token":"t"}"#,
            r#"{"app_id":"reef","platform":"unity","sdk_version":"new"}"#,
            r#"{"app_id":"reef","protocol_version":1}"#,
        ] {
            let refusal = session
                .authenticate(&request(data), &policy, &access, NOW, |_, _, _| {
                    panic!("{data} was charged")
                })
                .expect_err("it fails a demand");
            assert_ne!(refusal, HandshakeRefusal::TooOften);
        }
    }

    #[test]
    fn the_version_is_the_newest_that_both_speak() {
        let access = open();
        let cases = [
            (ProtocolVersion::V2, "", 2),
            (ProtocolVersion::V3, "", 3),
            (ProtocolVersion::V3, r#","protocol_version":2"#, 2),
            (ProtocolVersion::V2, r#","protocol_version":3"#, 3),
            (ProtocolVersion::V2, r#","protocol_version":9"#, 3),
        ];
        for (endpoint, asked, expected) in cases {
            let (mut session, policy) = (session_at(endpoint), policy());
            let request = request(&format!(r#"{{"app_id":"x"{asked}}}"#));
            session
                .authenticate(&request, &policy, &access, NOW, |_, _, _| true)
                .expect("accepted");
            assert_eq!(session.dialect().version.number(), expected, "{endpoint:?} {asked}");
        }
    }

    #[test]
    fn the_servers_own_range_decides() {
        let access = open();
        let mut policy = policy();
        policy.versions.oldest = ProtocolVersion::V3;
        let old = session().authenticate(&request(r#"{"app_id":"x"}"#), &policy, &access, NOW, |_, _, _| true);
        assert_eq!(old.err(), Some(HandshakeRefusal::Version { asked: 2, least: 3 }));
        policy.versions = VersionRange {
            oldest: ProtocolVersion::V2,
            newest: ProtocolVersion::V2,
        };
        let mut session = session();
        let asked = request(r#"{"app_id":"x","protocol_version":3,"supported_transports":["webrtc"]}"#);
        session
            .authenticate(&asked, &policy, &access, NOW, |_, _, _| true)
            .expect("accepted");
        assert_eq!(session.dialect(), Dialect::FLOOR);
        assert_eq!(session.abilities(), Abilities::RELAY_ONLY, "version 2 is relayed to");
    }

    #[test]
    fn version_3_negotiates_abilities_and_ids() {
        let access = open();
        let (mut session, policy) = (session(), policy());
        let asked = r#"{"app_id":"x","protocol_version":3,"supported_transports":["webrtc"],
            "supported_topologies":["mesh"],"requested_capabilities":["teleport","room_operation_ids"]}"#;
        let accepted = session
            .authenticate(&request(asked), &policy, &access, NOW, |_, _, _| true)
            .expect("accepted");
        assert_eq!(accepted.advice.capabilities, ["spectator_relay", "room_operation_ids"]);
        let abilities = session.abilities();
        assert!(abilities.can_use(Transport::WebRtc) && abilities.can_join(Topology::Mesh));
        assert!(session.has_operation_ids());
    }
}
