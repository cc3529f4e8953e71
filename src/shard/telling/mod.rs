//! What a room has to say, to whom, and when.
//!
//! Must never refuse, close or seat anybody.

pub(super) mod gallery_news;
pub(super) mod plans;
