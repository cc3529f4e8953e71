//! The Signal Fish wire: message types, error codes, ids, names, room codes, game-data envelopes, encoded frames.
//!
//! Owns every byte shape that clients see. Promises that decoding is total (any bytes give a message or an error) and
//! that a value is encoded the same way for every receiver of one version. Must never hold state, read a clock, or know
//! that sockets exist.

mod error_code;
mod ids;

pub use error_code::ErrorCode;
pub use ids::{PlayerId, RoomId};
