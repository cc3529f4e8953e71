//! What a `DeliveryReport` says.

use serde_json::Value;

use crate::client::envelope::PlayerId;
use crate::ledger::Why;

/// A report to one receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeliveryReport {
    pub(crate) counters: Counters,
    pub(crate) gaps: Vec<ReportedGap>,
}

/// Messages of one sender in a row that the receiver will not get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReportedGap {
    pub(crate) from: PlayerId,
    pub(crate) epoch: u32,
    pub(crate) from_seq: u64,
    pub(crate) to_seq: u64,
    pub(crate) why: Why,
}

/// The counters of a connection since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    /// Delivered: reliable, latest, volatile; abandoned likewise.
    pub(crate) unchecked: [u64; 6],
    pub(crate) superseded: u64,
    pub(crate) dropped_full: u64,
    pub(crate) volatile_dropped: u64,
    /// Of all classes together.
    pub(crate) unsupported_format: u64,
}

impl DeliveryReport {
    /// Reads the message; an error says what it lacks.
    pub(crate) fn read(message: &Value) -> Result<Self, String> {
        let data = &message["data"];
        let mut gaps = Vec::new();
        for gap in data["gaps"].as_array().map(Vec::as_slice).unwrap_or_default() {
            gaps.push(ReportedGap::read(gap).ok_or_else(|| format!("a report with an unreadable gap: {gap}"))?);
        }
        let counters = Counters::read(&data["per_class"]).ok_or("a report without all counters of per_class")?;
        Ok(Self { counters, gaps })
    }
}

impl ReportedGap {
    fn read(gap: &Value) -> Option<Self> {
        let why = match gap["reason"].as_str()? {
            "latest_superseded" => Why::Superseded,
            "latest_dropped_full" => Why::DroppedFull,
            "volatile_dropped" => Why::VolatileDropped,
            "unsupported_format" => Why::UnsupportedFormat,
            _ => return None,
        };
        Some(Self {
            from: PlayerId::parse(gap["from_player"].as_str()?)?,
            epoch: u32::try_from(gap["epoch"].as_u64()?).ok()?,
            from_seq: gap["from_seq"].as_u64()?,
            to_seq: gap["to_seq"].as_u64()?,
            why,
        })
    }
}

impl Counters {
    fn read(per_class: &Value) -> Option<Self> {
        let count = |class: &str, name: &str| per_class[class][name].as_u64();
        let of_all = |name: &str| -> Option<[u64; 3]> {
            Some([
                count("reliable", name)?,
                count("latest", name)?,
                count("volatile", name)?,
            ])
        };
        let ([a, b, c], [d, e, f]) = (of_all("delivered")?, of_all("abandoned")?);
        Some(Self {
            unchecked: [a, b, c, d, e, f],
            superseded: count("latest", "superseded")?,
            dropped_full: count("latest", "dropped_full")?,
            volatile_dropped: count("volatile", "dropped")?,
            unsupported_format: of_all("unsupported_format")?.iter().sum(),
        })
    }

    /// What is wrong with these after `before`, when `gaps` were told with them.
    pub(crate) fn fault_after(&self, before: &Self, gaps: &[ReportedGap]) -> Option<String> {
        if self
            .unchecked
            .iter()
            .zip(&before.unchecked)
            .any(|(now, then)| now < then)
        {
            return Some("a report whose counters have gone down".to_owned());
        }
        let in_gaps = |why: Why| -> u64 {
            let ours = gaps.iter().filter(|gap| gap.why == why);
            ours.map(|gap| gap.to_seq.saturating_sub(gap.from_seq).saturating_add(1))
                .fold(0, u64::saturating_add)
        };
        for (why, name, now, then) in [
            (Why::Superseded, "superseded", self.superseded, before.superseded),
            (Why::DroppedFull, "dropped_full", self.dropped_full, before.dropped_full),
            (
                Why::VolatileDropped,
                "dropped",
                self.volatile_dropped,
                before.volatile_dropped,
            ),
            (
                Why::UnsupportedFormat,
                "unsupported_format",
                self.unsupported_format,
                before.unsupported_format,
            ),
        ] {
            let told = in_gaps(why);
            if then.checked_add(told) != Some(now) {
                return Some(format!(
                    "a report whose counter {name:?} went from {then} to {now} with gaps of {told}"
                ));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ID: &str = "3ee46824-d0bf-4517-a2e1-df9ee4ef41ee";

    fn report(superseded: u64, dropped: u64) -> Value {
        json!({"type": "DeliveryReport", "data": {
            "per_class": {
                "reliable": {"delivered": 1, "abandoned": 0, "unsupported_format": 0},
                "latest": {"delivered": 0, "superseded": superseded, "dropped_full": 0, "abandoned": 0, "unsupported_format": 0},
                "volatile": {"delivered": 4, "dropped": dropped, "abandoned": 0, "unsupported_format": 0}},
            "gaps": [
                {"from_player": ID, "epoch": 1, "from_seq": 6, "to_seq": 8, "reason": "volatile_dropped"},
                {"from_player": ID, "epoch": 1, "from_seq": 10, "to_seq": 11, "reason": "latest_superseded"}]}})
    }

    #[test]
    fn counters_must_grow_by_the_gaps() {
        let read = |superseded, dropped| DeliveryReport::read(&report(superseded, dropped)).expect("a whole report");
        let good = read(2, 3);
        assert_eq!(good.counters.fault_after(&Counters::default(), &good.gaps), None);
        assert!(
            good.counters.fault_after(&good.counters, &good.gaps).is_some(),
            "they did not grow"
        );
        assert_eq!(good.counters.fault_after(&good.counters, &[]), None);
        for bad in [read(1, 3), read(2, 4)] {
            assert!(bad.counters.fault_after(&Counters::default(), &bad.gaps).is_some());
        }
        let mut less = good.counters;
        less.unchecked[2] -= 1;
        assert!(less.fault_after(&good.counters, &[]).is_some());
    }

    #[test]
    fn what_is_not_whole_is_refused() {
        let mut lacking = report(2, 3);
        lacking["data"]["per_class"]["latest"]
            .as_object_mut()
            .expect("an object")
            .remove("superseded");
        assert!(DeliveryReport::read(&lacking).is_err());
        let mut unknown = report(2, 3);
        unknown["data"]["gaps"][0]["reason"] = "bad_weather".into();
        assert!(DeliveryReport::read(&unknown).is_err());
    }
}
