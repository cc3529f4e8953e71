//! Steps over time: rates that change within a run, to the message.

mod program;
mod relay;
mod scratch;

use std::process::Output;

use program::{Yardstick, execute, given_time};
use relay::Fault;
use scratch::Scratch;
use serde_json::{Value, json};

fn run(yardstick: &Yardstick, more: &[&str]) -> (Output, Value) {
    let (url, pid) = (yardstick.url(), yardstick.pid().to_string());
    let load = ["run", "--url", &url, "--server-pid", &pid, "--warmup-seconds", "0"];
    execute(&[&load[..], &["--rooms", "2", "--players", "2"], more].concat())
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn a_ramp_doubles_the_sends_to_the_message() {
    let yardstick = Yardstick::start(&["--backend", "epoll"]);
    let (output, report) = run(
        &yardstick,
        &[
            "--seconds",
            "2",
            "--rate",
            "100",
            "--step",
            "at 0.5s ramp to 2x over 1s",
            "--step",
            "at 1.6s spike to 4x for 0.1s",
        ],
    );
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    // 0.5 s at once the rate, 1 s at one and a half, 0.4 s at twice, 0.1 s at four times: 3.2 s' worth of each player.
    assert_eq!(report["ledger"]["sent"], 4 * 320, "{report}");
    let steps = &report["traffic"]["steps"];
    assert_eq!(steps[0]["words"], "ramp to 2x over 1 s");
    assert_eq!(
        (number(&steps[0]["seconds"]), number(&steps[0]["until_seconds"])),
        (0.5, 1.5)
    );
    assert_eq!(number(&steps[0]["owed_per_second"]), 600.0, "{report}");
    assert_eq!(number(&steps[1]["owed_per_second"]), 1600.0, "{report}");
    assert!(number(&steps[1]["p99_us"]) > 0.0, "{report}");
    yardstick.stop();
}

#[test]
fn nobody_sends_in_a_pause_in_either_loop() {
    let yardstick = Yardstick::start(&["--backend", "epoll"]);
    for load in [["--rate", "100"], ["--closed-loop", "2"]] {
        given_time(|longer| {
            let (half, seconds) = (0.5 * longer, (1.5 * longer).to_string());
            let step = format!("at {half}s pause for {half}s");
            let (output, report) = run(
                &yardstick,
                &[&load[..], &["--seconds", &seconds, "--step", &step]].concat(),
            );
            assert_eq!(output.status.code(), Some(0), "{output:?}");
            let pause = &report["traffic"]["steps"][0];
            assert_eq!(number(&pause["owed_per_second"]), 0.0, "{report}");
            assert_eq!(pause["p99_us"], Value::Null, "{report}");
            let points = report["traffic"]["timeline"].as_array().expect("points");
            let delivered = |from: f64, to: f64| {
                let within = points
                    .iter()
                    .filter(|point| (from * longer..to * longer).contains(&number(&point["seconds"])));
                within.map(|point| number(&point["delivered_per_second"])).sum::<f64>()
            };
            // What was sent before may come late, and nothing may come at all for a while.
            match [delivered(0.0, 0.5), delivered(0.7, 1.0), delivered(1.0, 1.5)] {
                [before, 0.0, afterwards] if before > 0.0 && afterwards > 0.0 => Ok(()),
                delivered => Err(format!("before, meanwhile, afterwards: {delivered:?}: {report}")),
            }
        });
    }
    yardstick.stop();
}

/// Players of two groups, and a step.
fn scenario(name: &str, step: &Value) -> Scratch {
    let groups = json!([
        {"name": "A", "rooms": 2, "players": 3, "version": 3, "rate": 50},
        {"name": "B", "rooms": 1, "players": 2, "rate": 50}]);
    let scenario = json!({"seconds": 1.5, "warmup_seconds": 0.1, "groups": groups, "steps": [step]});
    Scratch::with(name, &scenario)
}

fn run_at_relay(more: &[&str]) -> (Output, Value) {
    let url = format!("ws://{}/v2/ws", relay::start(Fault::None));
    execute(&[&["run", "--url", &url], more].concat())
}

#[test]
fn a_storm_takes_a_whole_group_and_all_come_back() {
    for threads in ["1", "2"] {
        let step = json!({"at": 0.5, "drop": {"group": "A", "within": 0.2}});
        let scenario = scenario(&format!("storm-{threads}.json"), &step);
        let expect = "back<30s,back_max<30s,lost=0,faults=0,ended=0";
        let (output, report) = run_at_relay(&["--scenario", scenario.path(), "--threads", threads, "--expect", expect]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let storm = &report["traffic"]["steps"][0];
        assert_eq!(storm["words"], "drop of A within 0.2 s");
        assert_eq!(
            (&storm["dropped"], &storm["not_back"]),
            (&json!(6), &json!(0)),
            "{report}"
        );
        assert_eq!(report["ledger"]["returns"], 6, "{report}");
        assert!(number(&storm["all_back_seconds"]) > 0.0, "{report}");
        assert!(number(&storm["until_seconds"]) >= 0.7, "{report}");
    }
}

#[test]
fn a_closed_loop_goes_on_after_a_storm() {
    let load = [
        "--protocol-version",
        "3",
        "--closed-loop",
        "2",
        "--rooms",
        "3",
        "--players",
        "3",
    ];
    let steps = [
        "--seconds",
        "2",
        "--warmup-seconds",
        "0.1",
        "--step",
        "at 0.3s drop",
        "--step",
        "at 0.8s drop within 100ms",
    ];
    let (output, report) = run_at_relay(&[&load[..], &steps].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(report["ledger"]["returns"], 2 * 9, "{report}");
    let all_back = number(&report["traffic"]["steps"][1]["until_seconds"]);
    let points = report["traffic"]["timeline"].as_array().expect("points");
    let later = points.iter().filter(|point| number(&point["seconds"]) > all_back + 0.1);
    let delivered: f64 = later.map(|point| number(&point["delivered_per_second"])).sum();
    assert!(delivered > 0.0, "nobody waits for ever: {report}");
}

#[test]
fn who_has_no_token_cannot_be_dropped() {
    let scenario = scenario("b.json", &json!({"at": 0.5, "drop": {"group": "B"}}));
    let (output, _) = run_at_relay(&["--scenario", scenario.path()]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(
        error.contains("the drop of B within 0 s at 0.5 s") && error.contains("version 3"),
        "{error}"
    );
}

#[test]
fn steps_that_make_no_sense_are_refused_with_words() {
    let yardstick = Yardstick::start(&["--backend", "epoll"]);
    for (more, why) in [
        (&["--step", "at 1s jump"][..], "a step is written as"),
        (&["--step", "at 9s pause for 2s"], "ends at 11 s"),
        (
            &["--closed-loop", "2", "--step", "at 1s ramp to 2x over 1s"],
            "a closed loop has no rate",
        ),
        (&["--step", "at 1s drop within 200ms"], "version 3"),
    ] {
        let (output, _) = run(&yardstick, more);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(why), "{error}");
    }
    yardstick.stop();
}
