//! Whether a request may become a WebSocket: RFC 6455, section 4.2.1, to the letter.

use tungstenite::handshake::derive_accept_key;
use uuid::Uuid;

use super::origin;
use super::request::Head;
use super::response::{Response, Status};
use crate::auth::token_binding::{self, BindingPolicy, BindingTerms, HandshakeKey, OfferRefusal};
use crate::config::{OriginPolicy, PLAIN_SUBPROTOCOLS};
use crate::shard::admission::ConnectionRefused;
use crate::shard::refusals::RefusalReason;

/// Where a client that has no `Sec-WebSocket-Key` gives its handshake key; beside one it is one key too many.
const BINDING_KEY: &str = "x-signalfish-token-binding-key";

/// How an upgrade ended, as the answer's header names it.
const OUTCOME: &str = "x-signal-fish-upgrade-outcome";

/// What every answer of the upgrade handler carries, and what it decides by.
#[derive(Debug)]
pub(super) struct UpgradeFacts<'a> {
    pub(super) origins: &'a OriginPolicy,
    /// How connections are bound to their handshakes; `None`: offers of that are ignored.
    pub(super) token_binding: Option<&'a BindingPolicy>,
    /// The id that the answer and the server's log share.
    pub(super) request_id: Uuid,
    pub(super) max_outbound_bytes: usize,
    pub(super) is_draining: bool,
}

/// What becomes of a request for a WebSocket.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The answer is the upgrade, and perhaps the connection is bound to its handshake.
    Upgraded(Response, Option<BindingTerms>),
    /// There is no connection, for this reason.
    Refused(Response, RefusalReason),
}

/// Answers a request for a WebSocket.
pub(super) fn answer(head: &Head<'_>, facts: &UpgradeFacts<'_>) -> Outcome {
    let key = match check(head) {
        Ok(key) => key,
        Err(refused) => return Outcome::Refused(refused.into(), RefusalReason::Upgrade),
    };
    if let Err(refused) = origin::check(head, facts.origins) {
        let response = Response::text(Status::Forbidden, refused.to_string());
        return Outcome::Refused(marked(response, "rejected_origin", facts), RefusalReason::Origin);
    }
    if facts.is_draining {
        let text = "the server is about to stop; connect elsewhere";
        let response = Response::text(Status::ServiceUnavailable, text);
        return Outcome::Refused(marked(response, "rejected_draining", facts), RefusalReason::Draining);
    }
    let binding = match negotiate_binding(head, facts.token_binding) {
        Ok(binding) => binding,
        Err(refusal) => {
            let response = Response::text(Status::BadRequest, refusal.to_string());
            return Outcome::Refused(marked(response, refusal.outcome(), facts), reason_of(refusal));
        }
    };
    let bound_by = facts.token_binding.filter(|_| binding.is_some());
    let subprotocol = bound_by.map_or_else(|| plain_subprotocol(head), |policy| Some(policy.subprotocol.as_str()));
    let mut accepted = switch(key);
    if let Some(subprotocol) = subprotocol {
        accepted = accepted.field("Sec-WebSocket-Protocol", subprotocol);
    }
    Outcome::Upgraded(marked(accepted, "accepted", facts), binding)
}

/// Answers a request for a WebSocket by the standard alone. Who may connect, from where and to what is for the caller to
/// say.
///
/// # Errors
///
/// The refusal of a request that is no upgrade.
pub fn answer_by_the_standard(head: &Head<'_>) -> Result<Response, Response> {
    if head.method != "GET" {
        return Err(Response::new(Status::MethodNotAllowed).field("Allow", "GET"));
    }
    check(head).map(switch).map_err(Response::from)
}

/// The upgrade of the client that sent this key.
fn switch(key: &[u8]) -> Response {
    Response::new(Status::SwitchingProtocols)
        .field("Upgrade", "websocket")
        .field("Connection", "Upgrade")
        .field("Sec-WebSocket-Accept", derive_accept_key(key))
}

/// Refuses a request that could be an upgrade, if there were a place for the connection.
pub(super) fn refuse(refusal: &ConnectionRefused, facts: &UpgradeFacts<'_>) -> Response {
    let response = Response::text(Status::ServiceUnavailable, refusal.to_string());
    marked(response, "rejected_capacity", facts).field("Retry-After", 1)
}

const fn reason_of(refusal: OfferRefusal) -> RefusalReason {
    match refusal {
        OfferRefusal::Unsupported | OfferRefusal::Required => RefusalReason::BindingOffer,
        OfferRefusal::KeyMissing | OfferRefusal::KeyNotAlone | OfferRefusal::KeyMalformed => RefusalReason::BindingKey,
    }
}

fn negotiate_binding(head: &Head<'_>, policy: Option<&BindingPolicy>) -> Result<Option<BindingTerms>, OfferRefusal> {
    let Some(policy) = policy else { return Ok(None) };
    let keys = head.values("sec-websocket-key").chain(head.values(BINDING_KEY));
    token_binding::negotiate(policy, head.values("sec-websocket-protocol"), keys)
}

fn marked(response: Response, outcome: &str, facts: &UpgradeFacts<'_>) -> Response {
    response
        .field("x-signal-fish-request-id", facts.request_id)
        .field(OUTCOME, outcome)
        .field("x-signal-fish-max-outbound-message-size", facts.max_outbound_bytes)
}

/// The first subprotocol of the client's that means nothing here. It is echoed all the same: clients that must offer one
/// end the connection when it is not.
fn plain_subprotocol(head: &Head<'_>) -> Option<&'static str> {
    head.values("sec-websocket-protocol")
        .flat_map(|value| value.split(|byte| *byte == b','))
        .find_map(|offer| {
            let is_offered = |ours: &&str| ours.as_bytes() == offer.trim_ascii();
            PLAIN_SUBPROTOCOLS.into_iter().find(is_offered)
        })
}

/// Why a request is no upgrade.
enum Refused {
    Version,
    Malformed(&'static str),
}

impl From<Refused> for Response {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Version => Self::text(Status::BadRequest, "this server speaks WebSocket version 13")
                .field("Sec-WebSocket-Version", 13),
            Refused::Malformed(why) => Self::text(Status::BadRequest, why),
        }
    }
}

/// Checks everything that a client must send. Returns the key.
fn check<'a>(head: &Head<'a>) -> Result<&'a [u8], Refused> {
    let malformed = |why| Err(Refused::Malformed(why));
    if !head.ends_lines_fully {
        return malformed("every line of an upgrade request ends with CR LF");
    }
    if !head.is_http_1_1 || head.only("host").is_none() {
        return malformed("an upgrade is an HTTP/1.1 request with exactly one Host");
    }
    if head.values("content-length").any(|length| length != b"0") || head.values("transfer-encoding").next().is_some() {
        return malformed("an upgrade request has no body");
    }
    if !head.has_token("connection", "upgrade") || !head.has_token("upgrade", "websocket") {
        return malformed("this address serves WebSockets; send Connection: Upgrade and Upgrade: websocket");
    }
    if head.only("sec-websocket-version") != Some(b"13") {
        return Err(Refused::Version);
    }
    match head.only("sec-websocket-key") {
        Some(key) if HandshakeKey::parse(key).is_some() => Ok(key),
        _ => malformed("Sec-WebSocket-Key must be sixteen bytes in base64"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::request::read_head;
    use super::*;

    const GOOD: &str = "Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

    fn status_of(fields: &str, is_draining: bool) -> String {
        status_where(fields, is_draining, false)
    }

    fn status_where(fields: &str, is_draining: bool, is_binding_required: bool) -> String {
        let request = format!("GET /v2/ws HTTP/1.1\r\n{fields}\r\n");
        let (head, _) = read_head(request.as_bytes()).expect("well-formed").expect("whole");
        let origins = OriginPolicy::parse("http://game.example").expect("an origin");
        let policy = BindingPolicy {
            subprotocol: "signalfish.tokenbinding.v2".to_owned(),
            is_required: is_binding_required,
            demands_fingerprint: false,
        };
        let facts = UpgradeFacts {
            origins: &origins,
            token_binding: Some(&policy),
            request_id: Uuid::nil(),
            max_outbound_bytes: 8,
            is_draining,
        };
        let (response, is_upgrade) = match answer(&head, &facts) {
            Outcome::Upgraded(response, binding) => {
                assert_eq!(binding.is_some(), fields.contains("tokenbinding"));
                (response, true)
            }
            Outcome::Refused(response, _) => (response, false),
        };
        let text = String::from_utf8(response.into_bytes()).expect("text");
        assert_eq!(is_upgrade, text.starts_with("HTTP/1.1 101"));
        text
    }

    #[test]
    fn a_binding_is_chosen_by_name_or_refused_by_name() {
        let offering = |protocols: &str| status_of(&format!("{GOOD}Sec-WebSocket-Protocol: {protocols}\r\n"), false);
        let bound = offering("chat, signalfish.tokenbinding.v2");
        assert!(bound.contains("Sec-WebSocket-Protocol: signalfish.tokenbinding.v2\r\n"));
        let unbound = offering("chat");
        assert!(unbound.starts_with("HTTP/1.1 101") && !unbound.contains("Sec-WebSocket-Protocol"));
        let unknown = offering("signalfish.tokenbinding.v9");
        assert!(unknown.starts_with("HTTP/1.1 400") && unknown.contains("rejected_token_binding_offer"));
        let two_keys =
            offering("signalfish.tokenbinding.v2\r\nx-signalfish-token-binding-key: AAAAAAAAAAAAAAAAAAAAAA==");
        assert!(two_keys.starts_with("HTTP/1.1 400") && two_keys.contains("rejected_token_binding_negotiation"));
    }

    #[test]
    fn where_a_binding_is_required_nobody_connects_without_one() {
        for offers in ["", "Sec-WebSocket-Protocol: signal-fish.v3, chat\r\n"] {
            let text = status_where(&format!("{GOOD}{offers}"), false, true);
            assert!(
                text.starts_with("HTTP/1.1 400") && text.contains("rejected_token_binding_offer"),
                "{offers}: {text}"
            );
        }
        let offer = "Sec-WebSocket-Protocol: signal-fish.v3, signalfish.tokenbinding.v2\r\n";
        assert!(status_where(&format!("{GOOD}{offer}"), false, true).starts_with("HTTP/1.1 101"));
    }

    #[test]
    fn a_subprotocol_that_means_nothing_is_echoed_in_the_clients_order() {
        let chosen = |offers: &str| {
            let text = status_of(&format!("{GOOD}{offers}"), false);
            assert!(text.starts_with("HTTP/1.1 101"), "{offers}: {text}");
            let mut chosen = text
                .split("\r\n")
                .filter_map(|line| line.strip_prefix("Sec-WebSocket-Protocol: "));
            let first = chosen.next().map(str::to_owned);
            assert_eq!(chosen.next(), None, "at most one");
            first
        };
        for (offers, expected) in [
            ("", None),
            ("Sec-WebSocket-Protocol: signal-fish.v2\r\n", Some("signal-fish.v2")),
            ("Sec-WebSocket-Protocol: signal-fish.v3\r\n", Some("signal-fish.v3")),
            (
                "sec-websocket-protocol: chat,\tsignal-fish.v3 ,signal-fish.v2\r\n",
                Some("signal-fish.v3"),
            ),
            (
                "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: signal-fish.v2, signal-fish.v3\r\n",
                Some("signal-fish.v2"),
            ),
            ("Sec-WebSocket-Protocol: chat, superchat\r\n", None),
            (
                "Sec-WebSocket-Protocol: Signal-Fish.v2, signal-fish.v1, signal-fish.v22, \r\n",
                None,
            ),
            (
                "Sec-WebSocket-Protocol: signal-fish.v2, signalfish.tokenbinding.v2\r\n",
                Some("signalfish.tokenbinding.v2"),
            ),
        ] {
            assert_eq!(chosen(offers).as_deref(), expected, "{offers:?}");
        }
    }

    #[test]
    fn a_good_request_is_upgraded_with_the_sample_key_of_the_standard() {
        let text = status_of(GOOD, false);
        assert!(text.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
        assert!(text.contains("x-signal-fish-upgrade-outcome: accepted\r\n"));
        assert!(text.contains("x-signal-fish-max-outbound-message-size: 8\r\n"));
    }

    fn with_key(key: &str) -> String {
        GOOD.replace("dGhlIHNhbXBsZSBub25jZQ==", key)
    }

    /// The pad bits of the last digit mean nothing; the standard's own example does not clear them.
    #[test]
    fn any_key_of_sixteen_bytes_is_good() {
        let example = status_of(&with_key("AQIDBAUGBwgJCgsMDQ4PEC=="), false);
        assert!(
            example.contains("Sec-WebSocket-Accept: OfS0wDaT5NoxF2gqm7Zj2YtetzM=\r\n"),
            "{example}"
        );
        for last in data_encoding::BASE64.specification().symbols.chars() {
            let key = format!("dGhlIHNhbXBsZSBub25jZ{last}==");
            assert!(status_of(&with_key(&key), false).starts_with("HTTP/1.1 101"), "{key}");
        }
    }

    #[test]
    fn what_the_standard_forbids_is_refused() {
        let refused = [
            (GOOD.replace("Host: a\r\n", ""), "400"),
            (format!("{GOOD}Host: b\r\n"), "400"),
            (GOOD.replace("Connection: Upgrade", "Connection: close"), "400"),
            (GOOD.replace("Upgrade: websocket", "Upgrade: h2c"), "400"),
            (GOOD.replace("13", "8"), "400"),
            (GOOD.replace("Sec-WebSocket-Version: 13\r\n", ""), "400"),
            (with_key("c2hvcnQ="), "400"),
            (with_key("dGhlIHNhbXBsZSBub25jZQ"), "400"),
            (with_key("dGhlIHNhbXBsZSBub25jZQ=A"), "400"),
            (with_key("dGhlIHNhbXBsZSBub25jZQQ="), "400"),
            (with_key("dGhlIHNhbXBsZSBub25jZQAA"), "400"),
            (with_key("dGhlIHNhbXBs-SBub25jZQ=="), "400"),
            (with_key("AAA=AAA=AAAAAAAAAAAAAAAA"), "400"),
            (with_key(&"AA==".repeat(16)), "400"),
            (format!("{GOOD}Content-Length: 5\r\n"), "400"),
            (format!("{GOOD}Transfer-Encoding: chunked\r\n"), "400"),
        ];
        for (fields, status) in refused {
            assert!(
                status_of(&fields, false).starts_with(&format!("HTTP/1.1 {status}")),
                "{fields}"
            );
        }
        assert!(status_of(&GOOD.replace("13", "8"), false).contains("Sec-WebSocket-Version: 13\r\n"));
    }

    #[test]
    fn pages_of_other_origins_are_refused_and_native_clients_are_not() {
        assert!(status_of(&format!("{GOOD}Origin: http://game.example\r\n"), false).starts_with("HTTP/1.1 101"));
        for origin in [
            "Origin: http://evil.example\r\n",
            "Origin: null\r\n",
            "Origin: http://game.example\r\nOrigin: x\r\n",
        ] {
            let text = status_of(&format!("{GOOD}{origin}"), false);
            assert!(
                text.starts_with("HTTP/1.1 403") && text.contains("rejected_origin"),
                "{origin}"
            );
        }
    }

    #[test]
    fn a_draining_server_takes_nobody_in() {
        let text = status_of(GOOD, true);
        assert!(text.starts_with("HTTP/1.1 503") && text.contains("rejected_draining"));
    }
}
