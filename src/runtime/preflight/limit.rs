//! How much of something a process may have.

use std::fmt;

/// A resource limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// None.
    Unlimited,
    /// That many bytes or descriptors.
    Of(u64),
}

impl Limit {
    /// Whether `amount` is within the limit.
    #[must_use]
    pub const fn allows(self, amount: u64) -> bool {
        match self {
            Self::Unlimited => true,
            Self::Of(most) => amount <= most,
        }
    }

    pub(super) fn in_kib(self) -> String {
        match self {
            Self::Unlimited => self.to_string(),
            Self::Of(bytes) => format!("{} KiB", bytes / 1024),
        }
    }

    pub(super) const fn from_raw(raw: libc::rlim_t) -> Self {
        if raw == libc::RLIM_INFINITY {
            Self::Unlimited
        } else {
            Self::Of(raw)
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlimited => f.write_str("any amount"),
            Self::Of(amount) => amount.fmt(f),
        }
    }
}
