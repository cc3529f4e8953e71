//! The closed sets of lower-case words on the wire: formats, classes, transports, topologies.
//!
//! Owns their spelling. A word outside its set makes the whole message unreadable, by the protocol's rule.

use std::fmt;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Declares a set of words: the enum, its spelling, and both directions of serde. Only a JSON string is read.
macro_rules! wire_tokens {
    ($(#[$meta:meta])* $name:ident, $expected:literal { $($(#[$note:meta])* $variant:ident => $wire:literal,)+ }) => {
        $(#[$meta])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord,
            rkyv::Archive, rkyv::Serialize, rkyv::Deserialize,
        )]
        pub enum $name {
            $($(#[$note])* $variant,)+
        }

        impl $name {
            /// Every member of the set, in the protocol's order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $wire,)+
                }
            }

            /// The member spelt `token`, exactly.
            #[must_use]
            pub fn from_token(token: &str) -> Option<Self> {
                match token {
                    $($wire => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Token;

                impl Visitor<'_> for Token {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expected)
                    }

                    fn visit_str<E: Error>(self, token: &str) -> Result<$name, E> {
                        $name::from_token(token).ok_or_else(|| E::invalid_value(Unexpected::Str(token), &self))
                    }
                }

                deserializer.deserialize_str(Token)
            }
        }
    };
}

wire_tokens! {
    /// Encoding of a connection's binary game data.
    #[derive(Default)]
    GameDataFormat, "one of `json`, `message_pack`, `rkyv`, `protobuf`" {
        /// No binary frames: game data is JSON text.
        #[default]
        Json => "json",
        /// MessagePack, which the relay can turn into JSON for other readers.
        MessagePack => "message_pack",
        /// rkyv archives, opaque to the relay.
        Rkyv => "rkyv",
        /// Protocol Buffers, opaque to the relay.
        Protobuf => "protobuf",
    }
}

wire_tokens! {
    /// What may happen to game data when its receiver falls behind.
    #[derive(Default)]
    DeliveryClass, "one of `reliable`, `latest`, `volatile`" {
        /// Never dropped; a receiver that cannot keep up is closed.
        #[default]
        Reliable => "reliable",
        /// An unsent message is replaced by a later one under the same key.
        Latest => "latest",
        /// May be dropped, and is then reported.
        Volatile => "volatile",
    }
}

wire_tokens! {
    /// A way for game traffic to reach a peer.
    Transport, "one of `relay`, `direct`, `webrtc`" {
        /// Through this server.
        Relay => "relay",
        /// To an address that the peer made known.
        Direct => "direct",
        /// Over a WebRTC data channel.
        WebRtc => "webrtc",
    }
}

wire_tokens! {
    /// The shape of a session.
    Topology, "one of `relay`, `host`, `mesh`" {
        /// Everybody through this server.
        Relay => "relay",
        /// Everybody through one member.
        Host => "host",
        /// Everybody with everybody.
        Mesh => "mesh",
    }
}

wire_tokens! {
    /// Transport of a third-party relay that a client names in its connection info.
    #[derive(Default)]
    RelayTransport, "one of `tcp`, `udp`, `websocket`, `auto`" {
        /// TCP.
        Tcp => "tcp",
        /// UDP.
        Udp => "udp",
        /// WebSocket.
        WebSocket => "websocket",
        /// Left to the client.
        #[default]
        Auto => "auto",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_written_and_nothing_else_is() {
        for &format in GameDataFormat::ALL {
            let json = serde_json::to_string(&format).expect("a word serialises");
            assert_eq!(
                serde_json::from_str::<GameDataFormat>(&json).expect("a word is read back"),
                format
            );
        }
        for refused in [
            "\"Json\"",
            "\"msgpack\"",
            "\"\"",
            "null",
            "0",
            "{\"json\":null}",
            "[\"json\"]",
        ] {
            assert!(serde_json::from_str::<GameDataFormat>(refused).is_err(), "{refused}");
        }
    }
}
