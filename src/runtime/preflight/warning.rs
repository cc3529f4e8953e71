//! What the checks warn of.

use std::fmt;

/// What costs the operator something, but not the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Warning {
    /// The kernel will cut the listen backlog.
    BacklogCut {
        /// What the configuration wants.
        wanted: u32,
        /// `net.core.somaxconn`.
        most: u32,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BacklogCut { wanted, most } => write!(
                f,
                "the kernel cuts the listen backlog of {wanted} to {most}, so that a rush of connections may be refused: \
                 run `sysctl -w net.core.somaxconn={wanted}` (Docker `--sysctl net.core.somaxconn={wanted}`)"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_backlog_tells_the_cure() {
        let warning = Warning::BacklogCut {
            wanted: 4096,
            most: 128,
        };
        assert_eq!(
            warning.to_string(),
            "the kernel cuts the listen backlog of 4096 to 128, so that a rush of connections may be refused: run \
             `sysctl -w net.core.somaxconn=4096` (Docker `--sysctl net.core.somaxconn=4096`)"
        );
    }
}
