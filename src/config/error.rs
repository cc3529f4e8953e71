//! Why a configuration cannot be loaded.

use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::violation::{Violation, lines};

/// Where a value was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A file.
    File(PathBuf),
    /// The standard input.
    Stdin,
    /// The JSON text in `SIGNAL_FISH_CONFIG_JSON`.
    JsonVariable,
    /// A variable for one key; holds its name.
    Variable(String),
    /// Flags on the command line.
    Flags,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Stdin => f.write_str("standard input"),
            Self::JsonVariable => f.write_str("SIGNAL_FISH_CONFIG_JSON"),
            Self::Variable(name) => f.write_str(name),
            Self::Flags => f.write_str("command line"),
        }
    }
}

/// One reason why a configuration cannot be loaded. The text says what to change.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A file that was named does not exist.
    #[error("{named_by} names {}, which does not exist: create it or correct the path", path.display())]
    MissingFile {
        /// What named it: a flag, a variable or a key.
        named_by: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// A source exists and cannot be read.
    #[error("cannot read {origin}: {error}")]
    Unreadable {
        /// The source.
        origin: Origin,
        /// What the system said.
        error: io::Error,
    },
    /// A source holds more than a configuration ever would.
    #[error("{origin} is larger than {limit_bytes} bytes: give the configuration, nothing else")]
    TooLarge {
        /// The source.
        origin: Origin,
        /// The most that is read, in bytes.
        limit_bytes: u64,
    },
    /// A source is not JSON.
    #[error("{origin} is not valid JSON: {fault}")]
    NotJson {
        /// The source.
        origin: Origin,
        /// Where and why. Never what is there: it may be a secret.
        fault: String,
    },
    /// A key that is given twice in one source.
    #[error("{origin}: `{path}` is given twice: remove one, or nobody knows which was meant")]
    Repeated {
        /// The source.
        origin: Origin,
        /// The key.
        path: String,
    },
    /// A key that has no counterpart here, with a value that asks for something.
    #[error("{origin}: `{path}` is not served here: {instead}")]
    Retired {
        /// The source.
        origin: Origin,
        /// The key.
        path: &'static str,
        /// What does the same, or why nothing has to.
        instead: &'static str,
    },
    /// A variable that begins like ours and is none.
    #[error("the variable {name} is not known{}", suggestion_of_variable(.nearest.as_deref()))]
    UnknownVariable {
        /// Its name.
        name: String,
        /// The most similar variable that exists.
        nearest: Option<String>,
    },
    /// A source is JSON, but not an object.
    #[error("{origin} must hold one JSON object, like {{\"port\": 3536}}")]
    NotAnObject {
        /// The source.
        origin: Origin,
    },
    /// A key that does not exist.
    #[error("{origin}: unknown key `{path}`{}", suggestion(.nearest.as_deref()))]
    UnknownKey {
        /// The source.
        origin: Origin,
        /// The key as given.
        path: String,
        /// The most similar key that exists.
        nearest: Option<String>,
    },
    /// A value of the wrong type.
    #[error("{origin}: `{path}`: {reason}")]
    WrongType {
        /// The source.
        origin: Origin,
        /// The key.
        path: String,
        /// What was found and what is expected.
        reason: String,
    },
    /// The old and the new spelling of one key in one source.
    #[error("{origin}: `{old}` is the old name of `{new}`, and both are given: remove `{old}`")]
    BothSpellings {
        /// The source.
        origin: Origin,
        /// The old spelling.
        old: &'static str,
        /// The new spelling.
        new: &'static str,
    },
    /// Two variables that differ only in case.
    #[error("the variables {first} and {second} set the same key: remove one")]
    AmbiguousVariables {
        /// One of them.
        first: String,
        /// The other.
        second: String,
    },
    /// A variable whose name or value cannot be understood.
    #[error("the variable {name} {reason}")]
    BadVariable {
        /// Its name.
        name: String,
        /// The key that it is for.
        path: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A value that is not allowed, whatever its source.
    #[error(transparent)]
    NotAllowed(#[from] Violation),
    /// The file named by `security.app_auth_path` holds no list of apps.
    #[error("{origin} must hold {{\"apps\": [...]}} with entries like those of security.allowed_apps")]
    NoApps {
        /// The file.
        origin: Origin,
    },
}

fn suggestion(nearest: Option<&str>) -> String {
    match nearest {
        Some(nearest) => format!(", did you mean `{nearest}`?"),
        None => "; --sample-config prints every key".to_owned(),
    }
}

fn suggestion_of_variable(nearest: Option<&str>) -> String {
    match nearest {
        Some(nearest) => format!(", did you mean {nearest}?"),
        None => ": one per key begins with SIGNAL_FISH__".to_owned(),
    }
}

impl LoadError {
    /// The keys of which the value is not known because of this; `None`: any, as a whole source is not.
    pub(super) fn unknown_paths(&self) -> Option<Vec<String>> {
        Some(match self {
            Self::UnknownKey { path, nearest, .. } => {
                [Some(path), nearest.as_ref()].into_iter().flatten().cloned().collect()
            }
            Self::WrongType { path, .. } | Self::Repeated { path, .. } | Self::BadVariable { path, .. } => {
                vec![path.clone()]
            }
            Self::Retired { path, .. } => vec![(*path).to_owned()],
            Self::BothSpellings { new, .. } => vec![(*new).to_owned()],
            Self::NoApps { .. } => vec!["security.allowed_apps".to_owned()],
            Self::UnknownVariable { nearest, .. } => {
                let key = |name: &String| Some(name.strip_prefix("SIGNAL_FISH__")?.replace("__", ".").to_lowercase());
                nearest.iter().filter_map(key).collect()
            }
            Self::NotAllowed(violation) => vec![violation.path.clone()],
            Self::MissingFile { .. }
            | Self::Unreadable { .. }
            | Self::TooLarge { .. }
            | Self::NotJson { .. }
            | Self::NotAnObject { .. }
            | Self::AmbiguousVariables { .. } => return None,
        })
    }
}

/// Every reason why a configuration cannot be loaded, one per line when shown.
#[derive(Debug, Error)]
#[error("{}", lines(.0))]
pub struct LoadErrors(pub Vec<LoadError>);
