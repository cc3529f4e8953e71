//! Connections whose every frame proves where it comes from.

use crate::auth::token_binding::{
    BindingViolation, FIRST_SEQUENCE, NONCE_BYTES, SCHEME, SCHEME_VERSION, TokenBinding, nonce_text,
};
use crate::protocol::{CloseCode, ServerMessage};
use crate::room::ConnectionKey;
use crate::shard::Shard;
use crate::shard::world::now::Now;

impl<L> Shard<L> {
    /// Tells a bound connection what its proofs are made of. Nothing may be told before.
    pub(in crate::shard) fn challenge(&mut self, at: ConnectionKey, nonce: &[u8; NONCE_BYTES], now: Now) {
        let challenge = ServerMessage::TokenBindingChallenge {
            version: SCHEME_VERSION,
            scheme: SCHEME,
            nonce: &nonce_text(nonce),
            first_sequence: FIRST_SEQUENCE,
        };
        self.tell(at, &challenge, now);
    }

    /// Checks a text message of a bound connection; says whether it is served. If not, that was answered.
    pub(in crate::shard) fn proves_text(&mut self, at: ConnectionKey, text: &str, now: Now) -> bool {
        match self.binding_of(at).map(|binding| binding.check_text(text)) {
            None | Some(Ok(())) => true,
            Some(Err(violation)) => {
                self.refuse_unproven(at, violation, now);
                false
            }
        }
    }

    /// Checks a binary message of a bound connection. Returns the payload that is served; if there is none, that was
    /// answered.
    pub(in crate::shard) fn proven_payload<'a>(
        &mut self,
        at: ConnectionKey,
        frame: &'a [u8],
        now: Now,
    ) -> Option<&'a [u8]> {
        match self.binding_of(at).map(|binding| binding.check_binary(frame)) {
            None => Some(frame),
            Some(Ok(payload)) => Some(payload),
            Some(Err(violation)) => {
                self.refuse_unproven(at, violation, now);
                None
            }
        }
    }

    fn binding_of(&mut self, at: ConnectionKey) -> Option<&mut TokenBinding> {
        self.post.connections.get_mut(at)?.session.binding_mut()
    }

    fn refuse_unproven(&mut self, at: ConnectionKey, violation: BindingViolation, now: Now) {
        if violation.is_final() {
            self.close(at, CloseCode::Unregistered, Some(violation.into()), now);
        } else {
            self.refuse(at, violation, now);
        }
    }
}
