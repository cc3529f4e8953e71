//! Why a configuration cannot be loaded.

use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

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
    #[error("{origin} is not valid JSON: {error}")]
    NotJson {
        /// The source.
        origin: Origin,
        /// Where and why.
        error: serde_json::Error,
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
        /// What is wrong and what to do.
        reason: &'static str,
    },
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

/// Every reason why a configuration cannot be loaded, one per line when shown.
#[derive(Debug, Error)]
#[error("{}", lines(.0))]
pub struct LoadErrors(pub Vec<LoadError>);

pub(super) fn lines<T: fmt::Display>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
