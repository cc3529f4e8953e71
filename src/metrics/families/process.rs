//! The process: what was built, and what the system says of it.

use super::super::family::{Catalogue, Kind, Sample, Value, labelled};
use super::super::reading::Reading;

pub(super) fn add(catalogue: &mut Catalogue, reading: &Reading) {
    catalogue.chapter("The process");
    catalogue.add(
        Kind::Info,
        "build_info",
        "The version that runs.",
        &["version"],
        vec![labelled([env!("CARGO_PKG_VERSION")], 1)],
    );
    catalogue.gauge("shards", "Shards that run.", Some(u64::from(reading.world.shards())));
    catalogue.gauge(
        "draining",
        "1 while the server is about to stop, else 0.",
        Some(u64::from(reading.world.is_draining())),
    );
    catalogue.gauge(
        "tls_certificate_expiry_timestamp_seconds",
        "When the first of the certificates ends, in seconds since 1970. Only with TLS.",
        reading.certificate_ends_unix_secs.map(|secs| secs as f64),
    );
    catalogue.counter(
        "log_lines_lost_total",
        "Lines of the log that were lost because what takes them was too slow, full or gone.",
        reading.log_lines_lost,
    );
    let process = &reading.process;
    let mut everybodys = |kind, name: &str, help, value: Option<Value>| {
        let sample = value.map(|value| Sample {
            labels: Vec::new(),
            value,
        });
        let samples = sample.into_iter().collect();
        catalogue.add_named(kind, format!("process_{name}"), help, &[], samples);
    };
    everybodys(
        Kind::Counter,
        "cpu_seconds_total",
        "CPU time used, of programs and of the system for them.",
        process.cpu_secs.map(Value::from),
    );
    everybodys(
        Kind::Gauge,
        "resident_memory_bytes",
        "Memory in use.",
        process.resident_bytes.map(Value::from),
    );
    everybodys(
        Kind::Gauge,
        "virtual_memory_bytes",
        "Address space.",
        process.virtual_bytes.map(Value::from),
    );
    everybodys(
        Kind::Gauge,
        "open_fds",
        "Open descriptors.",
        process.open_descriptors.map(Value::from),
    );
    everybodys(
        Kind::Gauge,
        "max_fds",
        "Descriptors that may be open.",
        process.max_descriptors.map(Value::from),
    );
    everybodys(Kind::Gauge, "threads", "Threads.", process.threads.map(Value::from));
    everybodys(
        Kind::Gauge,
        "start_time_seconds",
        "When the process began, in seconds since 1970.",
        process.start_secs.map(Value::from),
    );
}
