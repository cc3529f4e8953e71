//! The server's own counters of sends, kernel entries and deliveries, from its Prometheus text page.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::server_figures;

const SENDS: &str = "signal_fish_socket_sends_total";
const ENTRIES: &str = "signal_fish_kernel_entries_total";
const DELIVERIES: &str = "signal_fish_deliveries_total";
/// For a page that was asked for.
const PATIENCE: Duration = Duration::from_secs(2);
/// For one that may be there; a server that is too busy to answer is measured without it.
const SHORT_PATIENCE: Duration = Duration::from_millis(500);
/// Where servers have it.
const USUAL_PATH: &str = "/metrics/prom";
/// What is given in place of an address to do without.
const NONE: &str = "none";
const MAX_PAGE_BYTES: u64 = 4 << 20;

/// A reading of the counters; those that the server does not have are missing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Counters {
    sends: Option<f64>,
    entries: Option<f64>,
    deliveries: Option<f64>,
}

/// What the server did for each delivery, by its own count.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct PerDelivery {
    pub(crate) sends: Option<f64>,
    pub(crate) kernel_entries: Option<f64>,
}

/// A page of counters that could be read when the test began.
#[derive(Debug)]
pub(crate) struct Page {
    url: String,
    patience: Duration,
}

impl Page {
    /// The page that was asked for, which must be there; or, of a server on this machine, the usual one if it is.
    pub(crate) fn find(asked: Option<&str>, server: SocketAddr) -> Result<Option<Self>> {
        let page = match asked {
            Some(NONE) => return Ok(None),
            Some(url) => Self {
                url: url.to_owned(),
                patience: PATIENCE,
            },
            None if server_figures::is_local(server.ip()) => Self {
                url: format!("http://{server}{USUAL_PATH}"),
                patience: SHORT_PATIENCE,
            },
            None => return Ok(None),
        };
        match page.read() {
            Ok(_) => Ok(Some(page)),
            Err(error) if asked.is_some() => Err(error),
            Err(_) => Ok(None),
        }
    }

    /// Reads the counters as they are now.
    pub(crate) fn read(&self) -> Result<Counters> {
        let rest = self
            .url
            .strip_prefix("http://")
            .with_context(|| format!("--server-counters {}: expected http://… or none", self.url))?;
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let path = if path.is_empty() { "/" } else { path };
        let page =
            get(host, path, self.patience).with_context(|| format!("the counters at {} cannot be read", self.url))?;
        Ok(Counters::read(&page))
    }
}

impl Counters {
    fn read(page: &str) -> Self {
        Self {
            sends: sum(page, SENDS),
            entries: sum(page, ENTRIES),
            deliveries: sum(page, DELIVERIES),
        }
    }

    /// What each delivery since `earlier` took.
    pub(crate) fn since(&self, earlier: &Self) -> PerDelivery {
        let difference = |now: Option<f64>, then: Option<f64>| Some(now? - then?);
        let deliveries = difference(self.deliveries, earlier.deliveries).filter(|&count| count > 0.0);
        let per_delivery = |now, then| Some(difference(now, then)? / deliveries?);
        PerDelivery {
            sends: per_delivery(self.sends, earlier.sends),
            kernel_entries: per_delivery(self.entries, earlier.entries),
        }
    }
}

fn get(host: &str, path: &str, patience: Duration) -> Result<String> {
    let address = host.to_socket_addrs()?.next().context("the host has no address")?;
    let mut stream = TcpStream::connect_timeout(&address, patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    // HTTP/1.0: the body ends with the stream, so there is no chunked coding to undo.
    write!(
        stream,
        "GET {path} HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.take(MAX_PAGE_BYTES).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, page) = answer.split_once("\r\n\r\n").context("the answer is not HTTP")?;
    let status = head.lines().next().unwrap_or_default();
    ensure!(status.split(' ').nth(1) == Some("200"), "the server answered {status}");
    Ok(page.to_owned())
}

/// The sum of a metric over all its labels.
fn sum(page: &str, name: &str) -> Option<f64> {
    let values = page.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let value = match rest.strip_prefix('{') {
            Some(labelled) => labelled.rsplit_once('}')?.1,
            None => rest.strip_prefix(' ')?,
        };
        value.split_ascii_whitespace().next()?.parse::<f64>().ok()
    });
    values.fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_summed_and_longer_names_are_others() {
        let page = "# TYPE signal_fish_socket_sends_total counter\n\
            signal_fish_socket_sends_total{shard=\"0\"} 10\nsignal_fish_socket_sends_total{shard=\"1\"} 5\n\
            signal_fish_deliveries_total 60\nsignal_fish_deliveries_total_other 7\n";
        let counters = Counters::read(page);
        let zero = Counters {
            sends: Some(0.0),
            entries: Some(0.0),
            deliveries: Some(0.0),
        };
        let expected = PerDelivery {
            sends: Some(0.25),
            kernel_entries: None,
        };
        assert_eq!(counters.since(&zero), expected);
        assert_eq!(
            counters.since(&counters),
            PerDelivery::default(),
            "nothing was delivered"
        );
        assert_eq!(Counters::read("signal_fish_deliveries_total 60\n").sends, None);
    }
}
