//! Connections that move from shard to shard, again and again, under traffic both ways and with bytes pipelined behind
//! every move: no message is lost, repeated or reordered, and the server counts every hop. `cargo bench --bench hop` runs
//! the same for as long as one likes and measures it.

use crate::support::hopping::{Plan, run};

#[test]
fn moving_connections_lose_repeat_and_reorder_nothing() {
    let plan = Plan {
        hoppers: 4,
        stayers: 2,
        moves: 100,
    };
    let report = run(plan);
    assert_eq!(
        report.hops,
        plan.hoppers * plan.moves,
        "stayers never hop, hoppers always do"
    );
    assert!(report.messages > report.hops, "{report:?}");
}
