//! What server and generator use over time: read now and then by the thread that waits for the others, with a system call
//! and one small file, cheaply enough not to be seen in any figure.

use std::time::Duration;

use serde::Serialize;

use crate::server_figures::{Gauge, ServerProcess};
use crate::sys;

const PACE_NS: u64 = 250_000_000;
/// Long tests are looked at less often.
const MOST_READINGS: u64 = 240;

/// Looks at both sides, from the beginning of the measured window on.
pub(crate) struct Watch {
    process: Option<ServerProcess>,
    pace_ns: u64,
    readings: Vec<Reading>,
    /// When the server's process was first missed.
    gone_ns: Option<u64>,
}

/// CPU time used so far, and memory.
struct Reading {
    at_ns: u64,
    generator_cpu_ns: u64,
    server: Option<Gauge>,
}

/// Use between two readings.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Use {
    /// From the start of the window to the middle between the readings.
    pub(crate) seconds: f64,
    /// Cores that were busy; missing where the server's process cannot be read.
    pub(crate) server_cores: Option<f64>,
    pub(crate) server_resident_bytes: Option<u64>,
    /// Polling in vain included.
    pub(crate) generator_cores: f64,
}

impl Watch {
    pub(crate) fn new(process: Option<ServerProcess>, measured: Duration) -> Self {
        Self {
            process,
            pace_ns: PACE_NS.max(measured.as_nanos() as u64 / MOST_READINGS),
            readings: Vec::new(),
            gone_ns: None,
        }
    }

    /// Reads, if the last reading was long enough ago; `at_ns` counts from the start of the window.
    pub(crate) fn glance(&mut self, at_ns: u64) {
        if self
            .readings
            .last()
            .is_none_or(|last| at_ns >= last.at_ns + self.pace_ns)
        {
            self.look(at_ns);
        }
    }

    /// Reads.
    pub(crate) fn look(&mut self, at_ns: u64) {
        let server = self.process.and_then(ServerProcess::gauge);
        if server.is_none() && self.process.is_some() {
            self.gone_ns.get_or_insert(at_ns);
        }
        self.readings.push(Reading {
            at_ns,
            generator_cpu_ns: sys::process_cpu_ns(),
            server,
        });
    }

    /// When the server's process was found gone.
    pub(crate) fn gone_ns(&self) -> Option<u64> {
        self.gone_ns
    }

    /// Over time.
    pub(crate) fn uses(&self) -> Vec<Use> {
        let pairs = self.readings.windows(2).filter(|pair| pair[1].at_ns > pair[0].at_ns);
        let uses = pairs.map(|pair| {
            let (before, after) = (&pair[0], &pair[1]);
            let length_ns = after.at_ns - before.at_ns;
            let cores = |then: u64, now: u64| rounded(now.saturating_sub(then) as f64 / length_ns as f64);
            let server = before.server.zip(after.server);
            Use {
                seconds: rounded((before.at_ns + length_ns / 2) as f64 / 1e9),
                server_cores: server.map(|(then, now)| cores(then.cpu_ns, now.cpu_ns)),
                server_resident_bytes: server.map(|(_, now)| now.resident_bytes),
                generator_cores: cores(before.generator_cpu_ns, after.generator_cpu_ns),
            }
        });
        uses.collect()
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_process_is_watched_until_it_is_gone() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().expect("cat");
        let process = ServerProcess { pid: child.id() };
        let mut watch = Watch::new(Some(process), Duration::from_secs(2));
        watch.look(0);
        watch.glance(PACE_NS - 1);
        watch.glance(PACE_NS);
        child.kill().expect("killed");
        child.wait().expect("its end");
        watch.look(2 * PACE_NS);
        watch.look(3 * PACE_NS);
        assert_eq!(watch.gone_ns(), Some(2 * PACE_NS));
        let uses = watch.uses();
        assert_eq!(uses.len(), 3, "{uses:?}");
        assert!(
            uses[0].server_resident_bytes > Some(0) && uses[0].server_cores < Some(2.0),
            "{uses:?}"
        );
        assert!(
            uses[1].server_cores.is_none() && uses[1].generator_cores >= 0.0,
            "{uses:?}"
        );
    }

    #[test]
    fn a_server_elsewhere_is_not_missed() {
        let mut watch = Watch::new(None, Duration::from_secs(3600));
        watch.look(0);
        watch.glance(PACE_NS);
        assert_eq!(watch.readings.len(), 1, "an hour is looked at every 15 s");
        assert_eq!(watch.gone_ns(), None);
    }
}
