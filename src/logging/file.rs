//! The file of the log: its name, when a new one is begun, and what happens when it cannot be written.
//!
//! Promises that every line in it is whole: what was written of a batch that failed is cut off again. A file that was
//! moved or removed is noticed within a second and made anew. A failure is told once, and its end once, and however often
//! it comes and goes, once a minute. Only the writer's own thread waits for the disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use time::OffsetDateTime;

use super::writer::Sink;
use crate::clock::whole_ms;
use crate::config::{LogRotation, LoggingConfig};
use crate::rare_line::RareLine;

/// How often it is looked whether the file is still where it was made, and tried again when it could not be.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The file of the log.
#[derive(Debug)]
pub(super) struct LogFile {
    dir: PathBuf,
    prefix: String,
    rotation: LogRotation,
    open: Option<Opened>,
    looked_at: Option<Instant>,
    is_failing: bool,
    is_told: bool,
    telling: RareLine,
    since: Instant,
}

#[derive(Debug)]
struct Opened {
    file: File,
    path: PathBuf,
}

impl LogFile {
    /// The file that is configured. Nothing is opened before there is a line.
    pub(super) fn new(config: &LoggingConfig) -> Self {
        Self {
            dir: PathBuf::from(&config.dir),
            prefix: config.filename.clone(),
            rotation: config.rotation,
            open: None,
            looked_at: None,
            is_failing: false,
            is_told: false,
            telling: RareLine::new(),
            since: Instant::now(),
        }
    }

    fn path_at(&self, now: OffsetDateTime) -> PathBuf {
        let (date, hour) = (now.date(), now.hour());
        let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
        self.dir.join(match self.rotation {
            LogRotation::Never => self.prefix.clone(),
            LogRotation::Daily => format!("{}.{year:04}-{month:02}-{day:02}", self.prefix),
            LogRotation::Hourly => format!("{}.{year:04}-{month:02}-{day:02}-{hour:02}", self.prefix),
        })
    }

    fn write_at(&mut self, lines: &[u8], now: OffsetDateTime) -> io::Result<()> {
        let path = self.path_at(now);
        let may_look = self.looked_at.is_none_or(|looked_at| looked_at.elapsed() >= LOOK_EVERY);
        let is_right = |open: &Opened| open.path == path && (!may_look || is_still_there(open));
        if !self.open.as_ref().is_some_and(is_right) {
            // A path that has changed is tried at once, one that failed a moment ago is not.
            if self.is_failing && !may_look {
                return Err(io::Error::other("tried a moment ago"));
            }
            self.open = None;
        }
        if may_look {
            self.looked_at = Some(Instant::now());
        }
        let open = match &mut self.open {
            Some(open) => open,
            closed => closed.insert(open(&self.dir, path)?),
        };
        append(&mut open.file, lines).inspect_err(|_| self.open = None)
    }
}

impl Sink for LogFile {
    fn name(&self) -> &'static str {
        "file"
    }

    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let written = self.write_at(lines, OffsetDateTime::now_utc());
        match &written {
            Ok(()) => {
                self.is_failing = false;
                if std::mem::take(&mut self.is_told) {
                    tracing::info!(dir = %self.dir.display(), "the log file is written again");
                }
            }
            Err(error) => {
                self.is_failing = true;
                let now_ms = whole_ms(self.since.elapsed());
                if !self.is_told && self.telling.may_say(now_ms).is_some() {
                    self.is_told = true;
                    tracing::warn!(
                        dir = %self.dir.display(),
                        %error,
                        "the log file cannot be written: until it can, lines go to the standard output only"
                    );
                }
            }
        }
        written
    }

    fn reopen(&mut self) {
        self.open = None;
        self.looked_at = None;
    }
}

fn open(dir: &Path, path: PathBuf) -> io::Result<Opened> {
    fs::create_dir_all(dir)?;
    // A pipe that nobody empties is a failure, not a wait; for a file it changes nothing.
    let mut options = OpenOptions::new();
    let file = options
        .append(true)
        .create(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(&path)?;
    Ok(Opened { file, path })
}

/// Whether the path still leads to the file.
fn is_still_there(open: &Opened) -> bool {
    let (Ok(ours), Ok(found)) = (open.file.metadata(), fs::metadata(&open.path)) else {
        return false;
    };
    (ours.dev(), ours.ino()) == (found.dev(), found.ino())
}

/// Writes all or nothing.
fn append(file: &mut File, lines: &[u8]) -> io::Result<()> {
    let before = file.metadata()?.len();
    file.write_all(lines).inspect_err(|_| {
        // A device has no length to cut, and nothing is left to do where it fails.
        let _ = file.set_len(before);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(dir: &Path, rotation: LogRotation) -> LogFile {
        LogFile::new(&LoggingConfig {
            dir: dir.display().to_string(),
            rotation,
            ..LoggingConfig::default()
        })
    }

    fn at(unix_secs: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(unix_secs).expect("a moment")
    }

    #[test]
    fn the_name_tells_the_period_and_a_new_one_begins_a_new_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut hourly = file(&dir.path().join("deep/er"), LogRotation::Hourly);
        hourly.write_at(b"one\n", at(1_700_000_000)).expect("written");
        hourly.write_at(b"two\n", at(1_700_003_600)).expect("written");
        let read = |name: &str| fs::read_to_string(dir.path().join("deep/er").join(name)).expect("a file");
        assert_eq!(read("server.log.2023-11-14-22"), "one\n");
        assert_eq!(read("server.log.2023-11-14-23"), "two\n");
        let daily = file(dir.path(), LogRotation::Daily);
        assert!(daily.path_at(at(1_700_000_000)).ends_with("server.log.2023-11-14"));
        let never = file(dir.path(), LogRotation::Never);
        assert!(never.path_at(at(1_700_000_000)).ends_with("server.log"));
    }

    #[test]
    fn a_file_that_was_moved_is_made_anew() {
        let dir = tempfile::tempdir().expect("a directory");
        let logs = dir.path().join("logs");
        let mut never = file(&logs, LogRotation::Never);
        never.write_at(b"one\n", at(0)).expect("written");
        fs::rename(logs.join("server.log"), dir.path().join("old")).expect("moved");
        fs::remove_dir(&logs).expect("removed");
        never
            .write_at(b"two\n", at(0))
            .expect("within a second it goes where it went");
        never.reopen();
        never.write_at(b"three\n", at(0)).expect("made anew");
        assert_eq!(
            fs::read_to_string(dir.path().join("old")).expect("a file"),
            "one\ntwo\n"
        );
        assert_eq!(fs::read_to_string(logs.join("server.log")).expect("a file"), "three\n");
        fs::remove_dir_all(&logs).expect("removed");
        never.looked_at = None;
        never.write_at(b"four\n", at(0)).expect("noticed");
        assert_eq!(fs::read_to_string(logs.join("server.log")).expect("a file"), "four\n");
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_an_error_until_it_can() {
        let dir = tempfile::tempdir().expect("a directory");
        let logs = dir.path().join("logs");
        fs::write(&logs, "in the way").expect("a file");
        let mut never = file(&logs, LogRotation::Never);
        assert!(never.write(b"lost\n").is_err());
        fs::remove_file(&logs).expect("removed");
        assert!(never.write(b"lost\n").is_err(), "not tried again at once");
        never.looked_at = None;
        never.write(b"kept\n").expect("written");
        assert_eq!(fs::read_to_string(logs.join("server.log")).expect("a file"), "kept\n");
    }

    #[test]
    fn a_full_disk_is_an_error() {
        let Ok(mut full) = OpenOptions::new().append(true).open("/dev/full") else {
            return;
        };
        assert_eq!(
            append(&mut full, b"x\n").map_err(|error| error.kind()),
            Err(io::ErrorKind::StorageFull)
        );
    }
}
