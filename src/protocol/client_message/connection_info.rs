//! Where a player says it can be reached. Stored with the seat and shown to others in canonical form.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use super::envelope::object;
use super::malformed::MalformedMessage;
use super::payload::null_as_default;
use crate::protocol::tokens::RelayTransport;

/// A player's connection info. Its fields are never checked for plausibility; unknown ones are dropped.
///
/// Serialises to the canonical form: `type` first, `relay.transport` always present, `webrtc.sdp` null when absent.
/// `Debug` shows the kind alone, because the rest holds addresses and credentials.
#[allow(
    missing_docs,
    reason = "the fields carry the protocol's own names, and the relay gives them no meaning"
)]
#[derive(Clone, PartialEq, Eq, Serialize, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ConnectionInfo {
    /// An address of its own.
    Direct { host: String, port: u16 },
    /// A Unity Relay allocation.
    UnityRelay {
        allocation_id: String,
        connection_data: String,
        key: String,
    },
    /// A third-party relay.
    Relay {
        host: String,
        port: u16,
        transport: RelayTransport,
        allocation_id: String,
        token: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        client_id: Option<u16>,
    },
    /// A WebRTC peer.
    #[serde(rename = "webrtc")]
    WebRtc {
        sdp: Option<String>,
        ice_candidates: Vec<String>,
    },
    /// Anything that the game understands.
    Custom { data: JsonText },
}

/// JSON in canonical compact form: keys sorted, the last of equal keys kept, no white space.
#[derive(Clone, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct JsonText(String);

impl JsonText {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn canonical(raw: &RawValue) -> Result<Self, MalformedMessage> {
        let value: serde_json::Value = serde_json::from_str(raw.get()).map_err(|_| MalformedMessage)?;
        Ok(Self(value.to_string()))
    }
}

impl Serialize for JsonText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl ConnectionInfo {
    /// The value of `type`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Direct { .. } => "direct",
            Self::UnityRelay { .. } => "unity_relay",
            Self::Relay { .. } => "relay",
            Self::WebRtc { .. } => "webrtc",
            Self::Custom { .. } => "custom",
        }
    }

    /// The canonical form, whose length in bytes is what the protocol limits.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings, numbers and canonical JSON serialise")
    }

    /// Reads validated JSON.
    pub(super) fn read(raw: &str) -> Result<Self, MalformedMessage> {
        let Kind { kind } = object(raw)?;
        Ok(match &*kind {
            "direct" => {
                let Direct { host, port } = object(raw)?;
                Self::Direct { host, port }
            }
            "unity_relay" => {
                let UnityRelay {
                    allocation_id,
                    connection_data,
                    key,
                } = object(raw)?;
                Self::UnityRelay {
                    allocation_id,
                    connection_data,
                    key,
                }
            }
            "relay" => {
                let Relay {
                    host,
                    port,
                    transport,
                    allocation_id,
                    token,
                    client_id,
                } = object(raw)?;
                Self::Relay {
                    host,
                    port,
                    transport,
                    allocation_id,
                    token,
                    client_id,
                }
            }
            "webrtc" => {
                let WebRtc { sdp, ice_candidates } = object(raw)?;
                Self::WebRtc { sdp, ice_candidates }
            }
            "custom" => {
                let Custom { data } = object(raw)?;
                Self::Custom {
                    data: JsonText::canonical(data)?,
                }
            }
            _ => return Err(MalformedMessage),
        })
    }
}

impl fmt::Debug for ConnectionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnectionInfo({}, ..)", self.kind())
    }
}

// Each kind is decoded by its own struct, not by an internally tagged enum: that would buffer the value, take an array
// of the fields as well, and leave no raw text for `custom`.

#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Direct {
    host: String,
    port: u16,
}

#[derive(Deserialize)]
struct UnityRelay {
    allocation_id: String,
    connection_data: String,
    key: String,
}

#[derive(Deserialize)]
struct Relay {
    host: String,
    port: u16,
    #[serde(default, deserialize_with = "null_as_default")]
    transport: RelayTransport,
    allocation_id: String,
    token: String,
    client_id: Option<u16>,
}

#[derive(Deserialize)]
struct WebRtc {
    sdp: Option<String>,
    ice_candidates: Vec<String>,
}

#[derive(Deserialize)]
struct Custom<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
}
