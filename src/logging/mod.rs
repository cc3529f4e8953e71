//! Log lines: level, form and places.
//!
//! Owns the one subscriber of the process. Promises that writing a line never waits: lines go through bounded queues to
//! threads that write them, and when a queue is full the line is dropped and counted; and that whoever ends the process
//! waits a second at most for what is queued. Text on a terminal and JSON otherwise, unless the configuration says which.
//! Must never be used for values of secrets.

mod file;
mod level;
mod writer;

use std::env;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use thiserror::Error;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

use self::file::LogFile;
pub use self::level::{LevelRefused, level, set_level};
pub use self::writer::lost_lines;
use self::writer::{LineWriter, Sink};
use crate::config::{LogFormat, LogLevel, LoggingConfig};

/// How long the end of the process waits for lines that are queued.
const LAST_LINES: Duration = Duration::from_secs(1);

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
    /// There is no thread for a writer, or no standard output.
    #[error("logging has no thread or no standard output ({0}): raise the limits on tasks and open files")]
    NoWriter(#[from] io::Error),
}

/// The writers of the log. Dropping it writes what is queued, for a second at most: keep it until the process ends.
#[must_use = "lines are lost when the guard is dropped at once"]
#[derive(Debug)]
pub struct Guard {
    logs: Logs,
}

impl Guard {
    /// The writers, for others to ask something of.
    #[must_use]
    pub fn logs(&self) -> Logs {
        self.logs.clone()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.logs.flush();
    }
}

/// A way to the writers of the log.
#[derive(Debug, Clone)]
pub struct Logs {
    writers: Vec<LineWriter>,
}

impl Logs {
    /// Begins the files anew, under their names: whoever rotates them has moved the old ones.
    pub fn reopen(&self) {
        self.writers.iter().for_each(LineWriter::reopen);
    }

    /// Waits until what is queued was written, for a second at most.
    pub fn flush(&self) {
        let deadline = Instant::now() + LAST_LINES;
        // All are asked before any is waited for: one that is stuck must not cost the others their last lines.
        let asked: Vec<_> = self
            .writers
            .iter()
            .map(|writer| writer.flushed(Instant::now()))
            .collect();
        for (writer, asked) in self.writers.iter().zip(asked) {
            if let Some(written) = asked.or_else(|| writer.flushed(deadline)) {
                let _ = written.recv_deadline(deadline);
            }
        }
    }
}

/// The standard output, apart from the lock that the standard library holds while it writes.
struct Stdout(File);

impl Sink for Stdout {
    fn name(&self) -> &'static str {
        "stdout"
    }

    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        self.0.write_all(lines)
    }

    fn reopen(&mut self) {}
}

/// Starts logging to the standard output, and to a file when asked for. A file that cannot be written is warned of.
///
/// # Errors
///
/// A filter in `RUST_LOG` that cannot be parsed (it is not looked at when `logging.level` is set); a second start.
pub fn init(config: &LoggingConfig) -> Result<Guard, LoggingError> {
    let stdout = io::stdout();
    let terminal = stdout.is_terminal();
    let filter = filter(config.level, env::var(FILTER_VARIABLE).ok().as_deref())?;
    let format = format(config.format, terminal);

    let screen = LineWriter::start(Stdout(File::from(stdout.as_fd().try_clone_to_owned()?)))?;
    let mut writers = vec![screen.clone()];
    let screen = layer(format, screen, terminal && colours_wanted());
    let file = match config.enable_file_logging {
        false => None,
        true => {
            let file = LineWriter::start(LogFile::new(config))?;
            writers.push(file.clone());
            Some(layer(format, file, false))
        }
    };
    let (filter, changeable) = reload::Layer::new(filter);
    let registry = tracing_subscriber::registry().with(screen.and_then(file).with_filter(filter));
    registry.try_init().map_err(|_| LoggingError::AlreadyStarted)?;
    level::keep(changeable);
    Ok(Guard { logs: Logs { writers } })
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

fn layer<S>(format: LogFormat, writer: LineWriter, colours: bool) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    match format {
        LogFormat::Json => layer.json().with_current_span(false).with_span_list(false).boxed(),
        LogFormat::Text => layer.with_ansi(colours).boxed(),
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::Registry;

    use super::*;
    use crate::config::LogRotation;

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
            dir: dir.path().display().to_string(),
            rotation: LogRotation::Never,
            ..LoggingConfig::default()
        };
        let file = LineWriter::start(LogFile::new(&config)).expect("a thread");
        let subscriber = Registry::default().with(layer(format, file.clone(), false));
        tracing::subscriber::with_default(subscriber, || tracing::info!(room = 7, "a line"));
        let logs = Logs { writers: vec![file] };
        drop(Guard { logs });
        std::fs::read_to_string(dir.path().join("server.log")).expect("the file was written")
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
}
