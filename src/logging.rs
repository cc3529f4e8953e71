//! Log lines: level, form and places.
//!
//! Owns the one subscriber of the process. Promises that writing a line never waits: lines go through bounded queues to
//! threads that write them, and when a queue is full the line is dropped and counted. Text on a terminal and JSON
//! otherwise, unless the configuration says which. Must never be used for values of secrets.

use std::env;
use std::io::{self, IsTerminal};

use thiserror::Error;
use tracing::Subscriber;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{LogFormat, LogLevel, LogRotation, LoggingConfig};

/// Lines that may wait for one writer; a line beyond that is dropped and counted.
const QUEUED_LINES: usize = 16_384;

/// The variable with the filter that counts when `logging.level` is not set.
const FILTER_VARIABLE: &str = "RUST_LOG";

/// Why logging cannot start.
#[derive(Debug, Error)]
pub enum LoggingError {
    /// The process has a subscriber already.
    #[error("logging was started twice: start it once, at the beginning of the process")]
    AlreadyStarted,
    /// The filter in the environment cannot be parsed.
    #[error("RUST_LOG is not a filter ({0}): write it like `info` or `info,signal_fish_relay=debug`, or unset it")]
    BadFilter(String),
}

/// Keeps the writers alive. Dropping it writes what is queued, so keep it until the process ends.
#[must_use = "lines are lost when the guard is dropped at once"]
#[derive(Debug)]
pub struct Guard {
    writers: Vec<WorkerGuard>,
    dropped: Vec<ErrorCounter>,
}

impl Guard {
    /// Lines dropped so far because a writer was too slow.
    #[must_use]
    pub fn dropped_lines(&self) -> usize {
        self.dropped.iter().map(ErrorCounter::dropped_lines).sum()
    }

    fn writer(&mut self, target: impl io::Write + Send + 'static, name: &str) -> NonBlocking {
        let builder = NonBlockingBuilder::default()
            .lossy(true)
            .buffered_lines_limit(QUEUED_LINES)
            .thread_name(name);
        let (writer, guard) = builder.finish(target);
        self.dropped.push(writer.error_counter());
        self.writers.push(guard);
        writer
    }
}

/// Starts logging to the standard output, and to a file when asked for. A file that cannot be opened is warned of and
/// left out.
///
/// # Errors
///
/// A filter in `RUST_LOG` that cannot be parsed (it is not looked at when `logging.level` is set); a second start.
pub fn init(config: &LoggingConfig) -> Result<Guard, LoggingError> {
    let stdout = io::stdout();
    let terminal = stdout.is_terminal();
    let filter = filter(config.level, env::var(FILTER_VARIABLE).ok().as_deref())?;
    let format = format(config.format, terminal);

    let mut guard = Guard {
        writers: Vec::new(),
        dropped: Vec::new(),
    };
    let screen = layer(format, guard.writer(stdout, "log-stdout"), terminal && colours_wanted());
    let (file, failure) = match config.enable_file_logging.then(|| open(config)) {
        None => (None, None),
        Some(Ok(appender)) => (Some(layer(format, guard.writer(appender, "log-file"), false)), None),
        Some(Err(error)) => (None, Some(error)),
    };
    let registry = tracing_subscriber::registry().with(screen.and_then(file).with_filter(filter));
    registry.try_init().map_err(|_| LoggingError::AlreadyStarted)?;
    if let Some(error) = failure {
        tracing::warn!(dir = config.dir, %error, "cannot open the log file, so lines go to the standard output only");
    }
    Ok(guard)
}

/// Whether the variable that asks every program for plain text is absent.
fn colours_wanted() -> bool {
    env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn filter(level: Option<LogLevel>, variable: Option<&str>) -> Result<EnvFilter, LoggingError> {
    let builder = EnvFilter::builder();
    let at = |level: LevelFilter| builder.clone().with_default_directive(level.into()).parse_lossy("");
    Ok(match (level, variable.map(str::trim)) {
        (Some(level), _) => at(match level {
            LogLevel::Trace => LevelFilter::TRACE,
            LogLevel::Debug => LevelFilter::DEBUG,
            LogLevel::Info => LevelFilter::INFO,
            LogLevel::Warn => LevelFilter::WARN,
            LogLevel::Error => LevelFilter::ERROR,
        }),
        (None, None | Some("")) => at(LevelFilter::INFO),
        (None, Some(text)) => EnvFilter::builder()
            .parse(text)
            .map_err(|error| LoggingError::BadFilter(error.to_string()))?,
    })
}

fn format(set: Option<LogFormat>, terminal: bool) -> LogFormat {
    set.unwrap_or(if terminal { LogFormat::Text } else { LogFormat::Json })
}

fn layer<S>(format: LogFormat, writer: NonBlocking, colours: bool) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    match format {
        LogFormat::Json => layer.json().with_current_span(false).with_span_list(false).boxed(),
        LogFormat::Text => layer.with_ansi(colours).boxed(),
    }
}

fn open(config: &LoggingConfig) -> Result<RollingFileAppender, Box<dyn std::error::Error>> {
    let rotation = match config.rotation {
        LogRotation::Daily => Rotation::DAILY,
        LogRotation::Hourly => Rotation::HOURLY,
        LogRotation::Never => Rotation::NEVER,
    };
    // The directory is made here: the appender would panic at the first rotation into one that it could not make.
    std::fs::create_dir_all(&config.dir)?;
    Ok(RollingFileAppender::builder()
        .rotation(rotation)
        .filename_prefix(&config.filename)
        .build(&config.dir)?)
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::Registry;

    use super::*;

    #[test]
    fn the_configured_level_wins_over_the_variable() {
        let shown = |level, variable| filter(level, variable).expect("a filter").to_string();
        assert_eq!(shown(Some(LogLevel::Warn), Some("trace")), "warn");
        assert_eq!(shown(None, Some("debug")), "debug");
        assert_eq!(shown(None, Some("")), "info");
        assert_eq!(shown(None, None), "info");
    }

    #[test]
    fn a_filter_that_cannot_be_parsed_is_refused() {
        assert!(matches!(filter(None, Some("a=b=c")), Err(LoggingError::BadFilter(_))));
        assert!(
            filter(Some(LogLevel::Info), Some("a=b=c")).is_ok(),
            "it is not looked at"
        );
    }

    #[test]
    fn a_terminal_gets_text_unless_told_otherwise() {
        assert_eq!(format(None, true), LogFormat::Text);
        assert_eq!(format(None, false), LogFormat::Json);
        assert_eq!(format(Some(LogFormat::Json), true), LogFormat::Json);
    }

    fn write_one_line(format: LogFormat) -> String {
        let dir = tempfile::tempdir().expect("a directory");
        let config = LoggingConfig {
            dir: dir.path().join("deep/er").display().to_string(),
            rotation: LogRotation::Never,
            ..LoggingConfig::default()
        };
        let mut guard = Guard {
            writers: Vec::new(),
            dropped: Vec::new(),
        };
        let file = guard.writer(open(&config).expect("a file"), "log-test");
        let subscriber = Registry::default().with(layer(format, file, false));
        tracing::subscriber::with_default(subscriber, || tracing::info!(room = 7, "a line"));
        assert_eq!(guard.dropped_lines(), 0);
        drop(guard);
        std::fs::read_to_string(dir.path().join("deep/er/server.log")).expect("the file was written")
    }

    #[test]
    fn a_json_line_has_the_published_members() {
        let line: serde_json::Value = serde_json::from_str(&write_one_line(LogFormat::Json)).expect("one JSON object");
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["fields"], serde_json::json!({"message": "a line", "room": 7}));
        assert_eq!(line["target"], "signal_fish_relay::logging::tests");
        assert!(line["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')));
    }

    #[test]
    fn a_text_line_has_no_colours_in_a_file() {
        let line = write_one_line(LogFormat::Text);
        assert!(line.contains("a line room=7") && !line.contains('\u{1b}'), "{line:?}");
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_an_error_not_a_panic() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let config = LoggingConfig {
            dir: file.path().display().to_string(),
            ..LoggingConfig::default()
        };
        assert!(open(&config).is_err());
    }
}
