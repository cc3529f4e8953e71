//! What an outbox costs beside the send: frames appended, the bytes handed out, and everything let go.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use signal_fish_relay::shard::{FrameMark, Outbox, OutboxPool};

fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("flush");
    for frame_bytes in [148, 2_048] {
        for frames in [1, 8, 32] {
            let frame = vec![0x5a; frame_bytes];
            let (mut outbox, mut pool) = (Outbox::default(), OutboxPool::default());
            group.throughput(Throughput::Elements(frames));
            group.bench_function(BenchmarkId::new(format!("{frame_bytes} bytes"), frames), |bencher| {
                bencher.iter(|| {
                    for _ in 0..frames {
                        outbox.push(&mut pool, &FrameMark::in_order(1), &frame);
                    }
                    let count = outbox.unsent().len();
                    outbox.advance(&mut pool, count);
                    count
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
