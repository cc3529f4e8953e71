//! The server's own counters of sends and deliveries, from its Prometheus text page.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

const SENDS: &str = "signal_fish_socket_sends_total";
const DELIVERIES: &str = "signal_fish_deliveries_total";
const TIMEOUT: Duration = Duration::from_secs(2);
const MAX_PAGE_BYTES: u64 = 4 << 20;

/// A reading of the two counters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Counters {
    sends: f64,
    deliveries: f64,
}

impl Counters {
    /// Fetches the page; `None` when it does not have both counters.
    pub(crate) fn fetch(url: &str) -> Result<Option<Self>> {
        let rest = url
            .strip_prefix("http://")
            .with_context(|| format!("--server-counters {url}: expected http://…"))?;
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let path = if path.is_empty() { "/" } else { path };
        let page = get(host, path).with_context(|| format!("--server-counters {url}"))?;
        Ok(Self::read(&page))
    }

    fn read(page: &str) -> Option<Self> {
        Some(Self {
            sends: sum(page, SENDS)?,
            deliveries: sum(page, DELIVERIES)?,
        })
    }

    /// Socket sends per delivered message since `earlier`.
    pub(crate) fn sends_per_delivery_since(self, earlier: Self) -> Option<f64> {
        let deliveries = self.deliveries - earlier.deliveries;
        (deliveries > 0.0).then(|| (self.sends - earlier.sends) / deliveries)
    }
}

fn get(host: &str, path: &str) -> Result<String> {
    let address = host.to_socket_addrs()?.next().context("the host has no address")?;
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
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
        let counters = Counters::read(page).expect("both counters");
        let zero = Counters {
            sends: 0.0,
            deliveries: 0.0,
        };
        assert_eq!(counters.sends_per_delivery_since(zero), Some(0.25));
        assert_eq!(counters.sends_per_delivery_since(counters), None);
        assert_eq!(Counters::read("signal_fish_deliveries_total 60\n"), None);
    }
}
