//! Answering a handshake.

use super::{Now, Shard};
use crate::protocol::server_message::ProtocolInfo;
use crate::protocol::{Authenticate, CloseCode, ErrorCode, ServerMessage};
use crate::room::MemberRef;
use crate::session::HandshakeRefusal;

impl<L> Shard<L> {
    /// Serves `Authenticate`: on success the optional remark about the format, `Authenticated` and `ProtocolInfo`, in
    /// this order.
    pub(super) fn authenticate(&mut self, at: MemberRef, request: &Authenticate, now: Now) {
        let world = std::sync::Arc::clone(&self.world);
        let policy = &world.settings.handshake;
        let Some(connection) = self.post.connections.get_mut(at) else {
            return;
        };
        let address = connection.session.address();
        let admit = |app: &_, per_minute| world.ledger.admit_handshake(app, address, per_minute, now.mono_ms);
        let accepted = match connection.session.authenticate(request, policy, admit) {
            Ok(accepted) => accepted,
            Err(refusal) => return self.refuse_handshake(at, &refusal, now),
        };
        if let Some(format) = accepted.unsupported_format {
            let names: Vec<_> = policy.formats.iter().map(|format| format.as_str()).collect();
            let message = format!(
                "{format} game data is not enabled here ({} are); using json",
                names.join(", ")
            );
            let error_code = ErrorCode::UnsupportedGameDataFormat;
            self.tell(
                at,
                &ServerMessage::Error {
                    message: &message,
                    error_code,
                },
                now,
            );
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
        };
        self.tell(at, &ServerMessage::ProtocolInfo(info), now);
        self.plan_check(at);
    }

    fn refuse_handshake(&mut self, at: MemberRef, refusal: &HandshakeRefusal, now: Now) {
        let (error, error_code) = (refusal.to_string(), refusal.code());
        if *refusal == HandshakeRefusal::TooLate {
            return self.refuse_input(at, &error, now);
        }
        let message = ServerMessage::AuthenticationError {
            error: &error,
            error_code,
        };
        if refusal.is_final(&self.world.settings.handshake.apps) {
            self.tell(at, &message, now);
            self.close(at, CloseCode::Unregistered, None, now);
        } else {
            self.reply(at, &message, now);
        }
    }
}
