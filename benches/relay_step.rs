//! What a message costs a shard without its sockets: parsed, charged, numbered, encoded, and put into the outboxes of rooms
//! of 4, 16 and 100, which are emptied again. The figure is per message; its deliveries are one less than the members.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use signal_fish_relay::protocol::ProtocolVersion;
use signal_fish_relay::shard::Flow;

mod rig;

fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("relay step");
    let text = format!(r#"{{"type":"GameData","data":{{"data":"{}"}}}}"#, "x".repeat(62));
    for version in [ProtocolVersion::V2, ProtocolVersion::V3] {
        for members in [4, 16, 100] {
            let mut shard = rig::shard(&rig::world(1), 0);
            let seats = rig::room_of(&mut shard, members, version);
            group.throughput(Throughput::Elements(members as u64 - 1));
            let name = format!("{members} members, version {}", version.number());
            group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
                let mut sender = 0;
                bencher.iter(|| {
                    sender = (sender + 1) % members;
                    shard.begin_turn();
                    assert_eq!(shard.on_text(seats[sender], &text, rig::NOW), Flow::Continue);
                    rig::flush(&mut shard)
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
