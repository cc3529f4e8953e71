//! A server that is compared: one that runs already, or one that is started for each run and stopped after it.

use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};

use crate::sys::{self, CpuSet};

const START_PATIENCE: Duration = Duration::from_secs(20);
/// After SIGTERM; servers that drain for longer are killed, nobody is connected any more.
const STOP_PATIENCE: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(20);
const PORT_MARK: &str = "{port}";
/// Last lines of a failed server's output that are shown.
const SHOWN_LINES: usize = 5;

/// How a server is reached or started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Contestant {
    pub(crate) name: String,
    source: Source,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Running {
        url: String,
        pid: Option<u32>,
        counters: Option<String>,
    },
    Started {
        variables: Vec<(String, String)>,
        command: Vec<String>,
    },
}

/// A server that can be driven; a started one ends when this is dropped.
pub(crate) struct Opponent {
    pub(crate) url: String,
    pub(crate) pid: Option<u32>,
    /// Where its counters are said to be.
    pub(crate) counters: Option<String>,
    process: Option<Process>,
}

struct Process {
    child: Child,
    log: PathBuf,
}

impl Contestant {
    /// Reads `NAME=ws://… [pid=PID] [counters=http://…]` or `NAME=[VARIABLE=VALUE …] PROGRAM …`.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let (name, rest) = text
            .split_once('=')
            .filter(|(name, _)| !name.is_empty() && !name.contains(char::is_whitespace))
            .context("expected NAME=ws://… or NAME=PROGRAM …")?;
        let words = split_words(rest)?;
        let first = words.first().context("nothing behind the name")?;
        let source = if first.starts_with("ws://") || first.starts_with("wss://") {
            let mut source = (None, None);
            for word in &words[1..] {
                match word.split_once('=') {
                    Some(("pid", pid)) => source.0 = Some(pid.parse().context("pid= wants a number")?),
                    Some(("counters", page)) => source.1 = Some(page.to_owned()),
                    _ => bail!("{word:?}: only pid=… and counters=… may follow an address"),
                }
            }
            Source::Running {
                url: first.clone(),
                pid: source.0,
                counters: source.1,
            }
        } else {
            let is_variable = |word: &String| {
                word.split_once('=').is_some_and(|(key, _)| {
                    !key.is_empty() && key.chars().all(|char| char.is_ascii_alphanumeric() || char == '_')
                })
            };
            let split = words.iter().take_while(|word| is_variable(word)).count();
            let variables = words[..split]
                .iter()
                .filter_map(|word| word.split_once('='))
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect();
            let command = words[split..].to_vec();
            ensure!(!command.is_empty(), "no program to start");
            ensure!(
                words.iter().any(|word| word.contains(PORT_MARK)),
                "a program that is started must be told its port: write {PORT_MARK} where it goes"
            );
            Source::Started { variables, command }
        };
        Ok(Self {
            name: name.to_owned(),
            source,
        })
    }

    /// Starts the server if need be, on these CPUs, and waits until it listens.
    pub(crate) fn bring_up(&self, cpus: Option<&CpuSet>) -> Result<Opponent> {
        match &self.source {
            Source::Running { url, pid, counters } => Ok(Opponent {
                url: url.clone(),
                pid: *pid,
                counters: counters.clone(),
                process: None,
            }),
            Source::Started { variables, command } => {
                start(&self.name, variables, command, cpus).with_context(|| format!("server {:?}", self.name))
            }
        }
    }
}

fn start(name: &str, variables: &[(String, String)], command: &[String], cpus: Option<&CpuSet>) -> Result<Opponent> {
    // The port is free now; that nobody else takes it until the server has it is likely, not certain.
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let filled = |word: &str| word.replace(PORT_MARK, &port.to_string());
    let log = std::env::temp_dir().join(format!("signal-fish-loadtest-{}-{name}.log", std::process::id()));
    let output = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut program = Command::new(filled(&command[0]));
    program
        .args(command[1..].iter().map(|word| filled(word)))
        .envs(variables.iter().map(|(key, value)| (key, filled(value))))
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        // Of its own, so that Ctrl-C in the terminal interrupts the test and not the server under it.
        .process_group(0);
    let child = match cpus {
        Some(cpus) => cpus.while_bound(|| program.spawn())?,
        None => program.spawn(),
    }
    .with_context(|| format!("cannot start {}", command[0]))?;
    let mut process = Process { child, log };
    process.wait_for(SocketAddr::from(([127, 0, 0, 1], port)))?;
    Ok(Opponent {
        url: format!("ws://127.0.0.1:{port}/v2/ws"),
        pid: Some(process.child.id()),
        counters: None,
        process: Some(process),
    })
}

impl Opponent {
    /// Stops a started server.
    pub(crate) fn dismiss(mut self) -> Result<()> {
        self.process.take().map_or(Ok(()), Process::stop)
    }
}

impl Process {
    fn wait_for(&mut self, address: SocketAddr) -> Result<()> {
        let deadline = Instant::now() + START_PATIENCE;
        while TcpStream::connect_timeout(&address, START_PATIENCE).is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended ({status}) before it listened: {}", self.last_lines());
            }
            ensure!(
                Instant::now() < deadline,
                "it does not listen on {address} after {} s: {}",
                START_PATIENCE.as_secs(),
                self.last_lines()
            );
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    fn stop(mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("the server ended by itself ({status}): {}", self.last_lines());
        }
        sys::terminate(self.child.id())?;
        let deadline = Instant::now() + STOP_PATIENCE;
        while self.child.try_wait()?.is_none() && Instant::now() < deadline {
            std::thread::sleep(POLL);
        }
        // Dropping kills what is left.
        Ok(())
    }

    fn last_lines(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(SHOWN_LINES)..].join(" | ")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.log);
    }
}

/// Words as a shell would split them, with single and double quotes and nothing else.
fn split_words(text: &str) -> Result<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for char in text.chars() {
        match (quote, char) {
            (Some(open), _) if char == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(char);
                word.get_or_insert_default();
            }
            (None, _) if char.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(char),
        }
    }
    if quote.is_some() {
        return Err(anyhow!("a quote is not closed"));
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_servers_are_addresses_with_extras() {
        let parsed =
            Contestant::parse("ours=ws://127.0.0.1:3536/v2/ws pid=12 counters=http://127.0.0.1:3536/metrics/prom");
        let Source::Running { url, pid, counters } = parsed.expect("a server").source else {
            panic!("it runs already");
        };
        assert_eq!((url.as_str(), pid), ("ws://127.0.0.1:3536/v2/ws", Some(12)));
        assert_eq!(counters.as_deref(), Some("http://127.0.0.1:3536/metrics/prom"));
    }

    #[test]
    fn command_lines_have_variables_quotes_and_a_port() {
        let parsed = Contestant::parse("old=PORT={port} JSON='{\"a\": 1}' ./server --name \"two words\"");
        let Source::Started { variables, command } = parsed.expect("a server").source else {
            panic!("it is started");
        };
        assert_eq!(
            variables,
            [
                ("PORT".to_owned(), "{port}".to_owned()),
                ("JSON".to_owned(), "{\"a\": 1}".to_owned())
            ]
        );
        assert_eq!(command, ["./server", "--name", "two words"]);
    }

    #[test]
    fn what_cannot_work_is_refused() {
        for bad in [
            "ws://127.0.0.1:1/",
            "name=",
            "name=server --port 1",
            "name=A={port}",
            "name=ws://h:1/ port=2",
            "name=server '{port}",
        ] {
            assert!(Contestant::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_program_that_ends_at_once_is_told_with_its_last_words() {
        let contestant = Contestant::parse("bad=sh -c 'echo no such luck {port}; exit 3'").expect("a server");
        let error = contestant.bring_up(None).err().expect("it does not listen");
        assert!(format!("{error:#}").contains("no such luck"), "{error:#}");
    }
}
