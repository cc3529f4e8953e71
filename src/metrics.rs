//! What the process counts, as a page for Prometheus.

use std::fmt::Write;

use crate::shard::{ShardId, World};

/// What every exported name begins with.
const PREFIX: &str = "signal_fish_";

/// The page, in the text format 0.0.4. Counters are summed over the shards.
#[must_use]
pub fn prometheus_page(world: &World) -> String {
    let mut page = String::new();
    let shards = || (0..world.shards()).map(ShardId);
    let mut totals: Vec<(&str, &str, u64)> = Vec::new();
    for (index, shard) in shards().enumerate() {
        for (place, (name, help, count)) in world.counters(shard).each().enumerate() {
            if index == 0 {
                totals.push((name, help, count));
            } else {
                totals[place].2 += count;
            }
        }
    }
    for (name, help, count) in totals {
        write_metric(&mut page, name, "counter", help, [(String::new(), count)]);
    }
    let admitted = world.ledger.admitted();
    let connections = admitted.connections as u64;
    write_metric(
        &mut page,
        "connections_active",
        "gauge",
        "Sockets open now.",
        [(String::new(), connections)],
    );
    write_metric(
        &mut page,
        "rooms_live",
        "gauge",
        "Rooms, empty ones too.",
        [(String::new(), admitted.rooms as u64)],
    );
    let members = shards().map(|shard| (format!("{{shard=\"{shard}\"}}"), world.load(shard) as u64));
    write_metric(
        &mut page,
        "shard_members",
        "gauge",
        "Members of the rooms of each shard.",
        members,
    );
    page
}

fn write_metric(
    page: &mut String,
    name: &str,
    kind: &str,
    help: &str,
    samples: impl IntoIterator<Item = (String, u64)>,
) {
    const IN_MEMORY: &str = "writing to memory cannot fail";
    writeln!(page, "# HELP {PREFIX}{name} {help}\n# TYPE {PREFIX}{name} {kind}").expect(IN_MEMORY);
    for (labels, value) in samples {
        writeln!(page, "{PREFIX}{name}{labels} {value}").expect(IN_MEMORY);
    }
}
