//! Answering a handshake.

use crate::protocol::server_message::{GameDataLimit, ProtocolInfo, ServerFacts};
use crate::protocol::{AppId, Authenticate, CloseCode, ErrorCode, ProtocolVersion, Refusal, ServerMessage};
use crate::room::ConnectionKey;
use crate::session::{AccessPolicy, ClientAddress, Grant, HandshakeRefusal};
use crate::shard::Shard;
use crate::shard::state::access_wait::HeldRequest;
use crate::shard::world::now::Now;
use crate::shard::world::refusals::RefusalReason;
use crate::shard::world::settings::Settings;

impl<L> Shard<L> {
    /// Who is let in now.
    pub fn access(&mut self) -> &AccessPolicy {
        self.renew_access();
        &self.access
    }

    /// Takes over the newest word on who is let in, if there is one that the shard has not heard.
    pub(in crate::shard) fn renew_access(&mut self) {
        if self.world.access.revision() != self.access_revision {
            (self.access_revision, self.access) = self.world.access.newest();
        }
    }

    /// Serves `Authenticate`: at once, or when the game's backend has said yes.
    pub(in crate::shard) fn authenticate(&mut self, at: ConnectionKey, request: &Authenticate, now: Now) {
        let world = std::sync::Arc::clone(&self.world);
        let admit = |app: &_, address, per_minute| world.ledger.admit_handshake(app, address, per_minute, now.mono_ms);
        self.renew_access();
        if self.access.check.is_none() {
            return self.accept_handshake(at, request, admit, Grant::default(), now);
        }
        let policy = &world.settings.handshake;
        let Some(connection) = self.post.connections.get(at) else {
            return;
        };
        match connection
            .session
            .question_of_handshake(request, policy, &self.access, now.wall, admit)
        {
            Ok(question) => self.ask_backend(at, question, HeldRequest::Handshake(request.clone()), now),
            Err(refusal) => self.refuse_handshake(at, refusal, now),
        }
    }

    /// Goes on with a handshake to which the game's backend has said yes. It was counted when the backend was asked.
    pub(in crate::shard) fn finish_handshake(
        &mut self,
        at: ConnectionKey,
        request: &Authenticate,
        grant: Grant,
        now: Now,
    ) {
        self.renew_access();
        self.accept_handshake(at, request, |_, _, _| true, grant, now);
    }

    /// Accepts a handshake that is good: the optional remark about the format, `Authenticated` and `ProtocolInfo`, in this
    /// order.
    fn accept_handshake(
        &mut self,
        at: ConnectionKey,
        request: &Authenticate,
        admit: impl FnOnce(&AppId, ClientAddress, u32) -> bool,
        grant: Grant,
        now: Now,
    ) {
        let world = std::sync::Arc::clone(&self.world);
        let policy = &world.settings.handshake;
        let access = std::sync::Arc::clone(&self.access);
        let Some(connection) = self.post.connections.get_mut(at) else {
            return;
        };
        let accepted = match connection
            .session
            .authenticate(request, policy, &access, now.wall, admit)
        {
            Ok(accepted) => accepted,
            Err(refusal) => return self.refuse_handshake(at, refusal, now),
        };
        connection.session.note_grant(grant);
        if connection.session.address().is_shared()
            && let Some(permit) = &mut connection.permit
        {
            permit.leave_source();
        }
        if let Some(format) = accepted.unsupported_format {
            let names: Vec<_> = policy.formats.iter().map(|format| format.as_str()).collect();
            let text = format!(
                "{format} game data is not enabled here ({} are); using json",
                names.join(", ")
            );
            let remark = Refusal::new(ErrorCode::UnsupportedGameDataFormat, text);
            self.note_refusal(at, RefusalReason::Error(remark.code), &remark.text, now);
            self.tell(at, &remark.to_error(), now);
        }
        self.tell(
            at,
            &ServerMessage::Authenticated {
                app_name: accepted.app_name,
                rate_limits: accepted.rates,
            },
            now,
        );
        let info = ProtocolInfo {
            platform: request.platform.as_deref(),
            sdk_version: request.sdk_version.as_deref(),
            minimum_version: accepted.advice.minimum_version,
            recommended_version: accepted.advice.recommended_version,
            capabilities: accepted.advice.capabilities,
            notes: accepted.advice.notes,
            game_data_formats: &policy.formats,
            player_name_rules: &policy.name_rules,
            server: world.settings.server_facts(),
        };
        self.tell(at, &ServerMessage::ProtocolInfo(info), now);
        if self.version_of(at) == Some(ProtocolVersion::V3)
            && let Some(connection) = self.post.connections.get_mut(at)
        {
            let interval_ms = world.settings.delivery.stats_interval_ms;
            connection.next_stats_ms = interval_ms.map(|interval| now.mono_ms.saturating_add(interval));
        }
        self.tell_of_drain(at, now);
        self.plan_check(at);
    }

    /// Where no handshake is required, a connection speaks its path's version at once: one that is not served ends it.
    pub(in crate::shard) fn refuse_old_endpoint(&mut self, at: ConnectionKey, now: Now) {
        let policy = &self.world.settings.handshake;
        let Some(connection) = self.post.connections.get(at) else {
            return;
        };
        let (spoken, least) = (connection.session.dialect().version, policy.versions.oldest);
        if self.access.requires_handshake() || spoken >= least {
            return;
        }
        let refusal = HandshakeRefusal::Version {
            asked: spoken.number(),
            least: least.number(),
        };
        self.refuse_handshake(at, refusal, now);
    }

    fn refuse_handshake(&mut self, at: ConnectionKey, refusal: HandshakeRefusal, now: Now) {
        if refusal == HandshakeRefusal::TooLate {
            return self.refuse(at, refusal, now);
        }
        let is_final = refusal.is_final(&self.access);
        let why = Refusal::from(refusal);
        if why.code == ErrorCode::RateLimitExceeded {
            self.post.counters.auth_limited.add(1);
        }
        let message = ServerMessage::AuthenticationError {
            error: &why.text,
            error_code: why.code,
        };
        if is_final {
            self.note_refusal(at, RefusalReason::Error(why.code), &why.text, now);
            self.tell(at, &message, now);
            self.close(at, CloseCode::Unregistered, None, now);
        } else {
            self.reply(at, &message, now);
        }
    }
}

impl Settings {
    fn server_facts(&self) -> ServerFacts {
        let limit = |(encoding, max_bytes): &_| GameDataLimit {
            encoding: *encoding,
            max_bytes: *max_bytes,
        };
        ServerFacts {
            oldest: self.handshake.versions.oldest,
            newest: self.handshake.versions.newest,
            max_outbound_bytes: self.messages.max_outbound_bytes,
            implementation_version: env!("CARGO_PKG_VERSION"),
            game_data_limits: self
                .messages
                .max_game_data_bytes
                .iter()
                .map(limit)
                .filter(|limit| self.handshake.formats.contains(&limit.encoding))
                .collect(),
        }
    }
}
