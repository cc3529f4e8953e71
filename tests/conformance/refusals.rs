//! Whatever is refused is counted and written: the scripts are played, and each code that one of them expects must be in the
//! counts of its world and in a line of the log.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use signal_fish_relay::protocol::ErrorCode;
use signal_fish_relay::shard::refusals::RefusalReason;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::play::play;
use crate::pure::PureStage;
use crate::{config_of, scripts};

/// The reasons of all lines about refusals.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<BTreeSet<String>>>);

impl<S: Subscriber> Layer<S> for Written {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut reason = Reason(None);
        event.record(&mut reason);
        self.0.lock().expect("not poisoned").extend(reason.0);
    }
}

struct Reason(Option<String>);

impl Visit for Reason {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "reason" {
            self.0 = Some(value.to_owned());
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

#[test]
fn every_refusal_that_a_script_expects_is_counted_and_written() {
    let written = Written::default();
    let (mut counted, mut expected) = (BTreeSet::new(), BTreeSet::new());
    tracing::subscriber::with_default(tracing_subscriber::registry().with(written.clone()), || {
        for script in scripts() {
            let mut stage = PureStage::new(&config_of(&script), 1, 1);
            play(&script, &mut stage).unwrap_or_else(|why| panic!("{why}"));
            let world = stage.world();
            let reasons = RefusalReason::all().filter(|reason| world.refusals.count(*reason) > 0);
            counted.extend(reasons.map(RefusalReason::name));
            let source =
                std::fs::read_to_string(format!("{}/tests/scripts/{}", env!("CARGO_MANIFEST_DIR"), script.file));
            for line in source.expect("a script is text").lines() {
                let words = line.split_once(" < ").map_or("", |(_, expectation)| expectation);
                let words = words.split(|c: char| !(c.is_ascii_uppercase() || c == '_'));
                let words: BTreeSet<_> = words.collect();
                expected.extend(
                    ErrorCode::ALL
                        .iter()
                        .map(|code| code.as_str())
                        .filter(|code| words.contains(code)),
                );
            }
        }
    });
    assert!(expected.len() > 40, "{expected:?}");
    // Told to whoever finds no place, for one of two reasons, which are counted apart.
    assert!(expected.remove(ErrorCode::TooManyConnections.as_str()));
    expected.extend(["server_full", "address_cap", "origin", "upgrade", "draining"]);
    let uncounted: Vec<_> = expected.difference(&counted).collect();
    assert!(
        uncounted.is_empty(),
        "expected by a script, and counted nowhere: {uncounted:?}"
    );
    let written = written.0.lock().expect("not poisoned");
    let unwritten: Vec<_> = counted.iter().filter(|reason| !written.contains(**reason)).collect();
    assert!(unwritten.is_empty(), "counted, and in no line: {unwritten:?}");
}
