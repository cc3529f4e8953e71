//! What it costs to write a frame: game data spliced into each of its envelopes.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use signal_fish_relay::protocol::game_data::{Content, OutgoingGameData, Shape};
use signal_fish_relay::protocol::{FrameBuffer, GameDataFormat, PlayerId, ProtocolVersion, Stamp};

fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode");
    let sender = PlayerId::from_bytes([0x5b; 16]);
    let stamp = Stamp { epoch: 1, seq: 123_456 };
    for payload_bytes in [64, 1_024] {
        let json = format!("\"{}\"", "x".repeat(payload_bytes));
        let text = OutgoingGameData {
            sender,
            stamp,
            content: Content::Json {
                payload: &json,
                class: None,
                key: None,
            },
        };
        let packed = [&[0xd9, 62][..], &vec![b'x'; payload_bytes - 2]].concat();
        let binary = OutgoingGameData {
            sender,
            stamp,
            content: Content::Binary {
                format: GameDataFormat::MessagePack,
                payload: &packed,
            },
        };
        let cases = [
            ("JSON, version 2", text, Shape::Text(ProtocolVersion::V2)),
            ("JSON, version 3", text, Shape::Text(ProtocolVersion::V3)),
            ("MessagePack, version 2", binary, Shape::Binary(ProtocolVersion::V2)),
            ("MessagePack, version 3", binary, Shape::Binary(ProtocolVersion::V3)),
            ("MessagePack to JSON", binary, Shape::Text(ProtocolVersion::V2)),
        ];
        for (name, message, shape) in cases {
            let mut frames = FrameBuffer::default();
            group.bench_function(BenchmarkId::new(name, payload_bytes), |bencher| {
                bencher.iter(|| {
                    frames.clear();
                    message.encode(shape, &mut frames).is_ok()
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
