//! Section `logging`: what is logged, where and how.

use serde::{Deserialize, Serialize};

/// What is logged, where and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct LoggingConfig {
    /// Least important level written. Default null: the filter in `RUST_LOG`, else `info`.
    pub level: Option<LogLevel>,
    /// Form of a line. Default null: text on a terminal, JSON otherwise.
    pub format: Option<LogFormat>,
    /// Whether lines go to a file as well as to the standard output. Default false.
    pub enable_file_logging: bool,
    /// Directory of the files, created when missing. Default `logs`.
    pub dir: String,
    /// First part of a file's name; the date of the rotation is appended. Default `server.log`.
    pub filename: String,
    /// When a new file is begun. Default daily.
    pub rotation: LogRotation,
}

impl Default for LoggingConfig {
    fn default() -> Self {
        Self {
            level: None,
            format: None,
            enable_file_logging: false,
            dir: "logs".to_owned(),
            filename: "server.log".to_owned(),
            rotation: LogRotation::Daily,
        }
    }
}

/// Least important level written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum LogLevel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

/// Form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// One line for a person to read.
    Text,
}

/// When a new log file is begun. Read in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase", try_from = "String")]
#[schemars(extend("enum" = ["daily", "hourly", "never"]))]
pub enum LogRotation {
    /// At midnight UTC.
    Daily,
    /// At every full hour.
    Hourly,
    /// Never.
    Never,
}

impl TryFrom<String> for LogRotation {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "daily" => Ok(Self::Daily),
            "hourly" => Ok(Self::Hourly),
            "never" => Ok(Self::Never),
            _ => Err("unknown rotation, expected one of `daily`, `hourly`, `never`".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotation_is_read_in_any_case_and_written_in_lower_case() {
        let rotation: LogRotation = serde_json::from_str("\"HourLy\"").expect("any case");
        assert_eq!(rotation, LogRotation::Hourly);
        assert_eq!(serde_json::to_string(&rotation).expect("a string"), "\"hourly\"");
        assert!(serde_json::from_str::<LogRotation>("\"weekly\"").is_err());
    }
}
