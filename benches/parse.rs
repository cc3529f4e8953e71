//! What it costs to find out what a client said: game data, whose payload is only located, and a message that is decoded.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use signal_fish_relay::protocol::parse;

fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse");
    for payload_bytes in [64, 1_024, 16_384] {
        let text = format!(
            r#"{{"type":"GameData","data":{{"data":"{}"}}}}"#,
            "x".repeat(payload_bytes)
        );
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_with_input(
            BenchmarkId::new("game data, a string", payload_bytes),
            &text,
            |bencher, text| {
                bencher.iter(|| parse(text).is_ok());
            },
        );
        let number = r#"{"x":12.5,"y":-3,"v":[1,2,3]},"#;
        let list = number.repeat(payload_bytes / number.len() + 1);
        let text = format!(
            r#"{{"type":"GameData","data":{{"data":[{}]}}}}"#,
            list.trim_end_matches(',')
        );
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_with_input(
            BenchmarkId::new("game data, a list", payload_bytes),
            &text,
            |bencher, text| {
                bencher.iter(|| parse(text).is_ok());
            },
        );
    }
    let join = r#"{"type":"JoinRoom","data":{"game_name":"tide-pool","player_name":"Mira","room_code":"K7QW2M"}}"#;
    group.throughput(Throughput::Bytes(join.len() as u64));
    group.bench_function("JoinRoom", |bencher| bencher.iter(|| parse(join).is_ok()));
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
