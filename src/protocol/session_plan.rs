//! What the members of a room are told of how they reach each other (v3). Version 2 knows none of this.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

use super::{PlanId, PlayerId, Topology, Transport};

/// Whom one member connects to, and how. The server's relay stays usable beside every plan.
#[derive(Debug, Clone, Serialize)]
pub struct SessionPlan<'a> {
    /// New for every plan, the same in all members' copies of it.
    pub generation: PlanId,
    /// The shape of the session.
    pub topology: Topology,
    /// How peers are reached.
    pub transport: Transport,
    /// Through whom everybody is reached, if through one member.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<PlayerId>,
    /// Where that member is reached directly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direct_endpoint: Option<&'a DirectEndpoint>,
    /// Whom the receiver connects to.
    pub peers: Vec<PlanPeer<'a>>,
    /// What helps WebRTC through address translators. Left out when there is nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ice_servers: Vec<IceServer<'a>>,
}

/// Somebody whom the receiver of a plan connects to.
#[derive(Debug, Clone, Serialize)]
pub struct PlanPeer<'a> {
    /// The peer's id.
    pub player_id: PlayerId,
    /// The display name.
    pub player_name: &'a str,
    /// Among peers of a mesh: whether it leads the room. Where there is a host: whether this is it.
    pub is_authority: bool,
    /// Whether the receiver opens the connection; the other side waits for it.
    pub initiate: bool,
}

/// An address at which a member can be reached directly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct DirectEndpoint {
    /// An IP address or a DNS name.
    pub host: String,
    /// Not 0.
    pub port: u16,
}

/// A STUN or TURN server. `Debug` keeps the credential back.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct IceServer<'a> {
    /// Its addresses.
    pub urls: &'a [String],
    /// The user name of a TURN server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<Cow<'a, str>>,
    /// The password of a TURN server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<Cow<'a, str>>,
}

impl fmt::Debug for IceServer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceServer")
            .field("urls", &self.urls)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_goes_to_its_owner_and_is_not_printed() {
        let urls = ["turn:turn.example:3478".to_owned()];
        let server = IceServer {
            urls: &urls,
            username: Some("1800000000:al".into()),
            credential: Some("hunter2".into()),
        };
        let written = serde_json::to_string(&server).expect("plain values serialise");
        assert_eq!(
            written,
            r#"{"urls":["turn:turn.example:3478"],"username":"1800000000:al","credential":"hunter2"}"#
        );
        let printed = format!("{server:?}");
        assert!(
            printed.contains("turn.example") && !printed.contains("hunter2"),
            "{printed}"
        );
    }
}
