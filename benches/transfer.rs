//! What moving a connection costs the two shards, without sockets and threads: a join that finds its room on another shard,
//! the connection taken out here and in there, and the join done; beside a join that stays. Each leaves again.

use criterion::{Criterion, criterion_group, criterion_main};
use signal_fish_relay::protocol::{ProtocolVersion, RoomCode};
use signal_fish_relay::shard::{Flow, ShardId};

mod rig;

/// A code whose room lives on a shard.
fn code_on(world: &signal_fish_relay::shard::World, shard: ShardId) -> String {
    (0_u32..)
        .map(|number| format!("{:06}", number))
        .find(|code| {
            let code = RoomCode::parse(code, 6).expect("six digits");
            world.slots.owner(world.slot_key.slot_of("bench", &code)) == shard
        })
        .expect("every shard has codes")
}

fn bench(criterion: &mut Criterion) {
    let world = rig::world(2);
    let (mut here, mut there) = (rig::shard(&world, 0), rig::shard(&world, 1));
    let (near, far) = (code_on(&world, ShardId(0)), code_on(&world, ShardId(1)));
    let mut group = criterion.benchmark_group("join and leave");
    group.bench_function("stays", |bencher| {
        let at = rig::connect(&mut here, ProtocolVersion::V2);
        bencher.iter(|| {
            here.begin_turn();
            assert_eq!(here.on_text(at, &rig::join_request(1, &near), rig::NOW), Flow::Continue);
            assert_eq!(here.on_text(at, r#"{"type":"LeaveRoom"}"#, rig::NOW), Flow::Continue);
            rig::flush(&mut here)
        });
    });
    group.bench_function("moves", |bencher| {
        let mut at = rig::connect(&mut here, ProtocolVersion::V2);
        bencher.iter(|| {
            here.begin_turn();
            there.begin_turn();
            let (from, to, code) = if here.link(at).is_some() {
                (&mut here, &mut there, &far)
            } else {
                (&mut there, &mut here, &near)
            };
            assert_eq!(from.on_text(at, &rig::join_request(1, code), rig::NOW), Flow::Suspend);
            assert_eq!(from.take_departing(), [at]);
            let transfer = from.extract(at).expect("it is about to move");
            at = to.receive(transfer, rig::NOW);
            assert_eq!(to.on_text(at, r#"{"type":"LeaveRoom"}"#, rig::NOW), Flow::Continue);
            rig::flush(to)
        });
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
