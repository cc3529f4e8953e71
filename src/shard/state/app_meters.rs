//! How much the players of each listed application relay, on one shard.

use crate::protocol::AppId;

/// The place of an application among those of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::shard) struct AppMeter(u32);

/// Bytes relayed, by listed application. As many as were ever listed while the process ran, so the operator bounds them.
#[derive(Debug, Default)]
pub(in crate::shard) struct AppMeters(Vec<(AppId, u64)>);

impl AppMeters {
    /// The meter of an application. Looks through them all, so it is kept by whoever relays.
    pub(in crate::shard) fn meter_of(&mut self, app: &AppId) -> AppMeter {
        let known = self.0.iter().position(|(known, _)| known == app);
        let place = known.unwrap_or_else(|| {
            self.0.push((app.clone(), 0));
            self.0.len() - 1
        });
        AppMeter(place as u32)
    }

    /// Counts bytes.
    pub(in crate::shard) fn note(&mut self, meter: AppMeter, bytes: u64) {
        if let Some((_, total)) = self.0.get_mut(meter.0 as usize) {
            *total += bytes;
        }
    }

    /// All of them.
    pub(in crate::shard) fn all(&self) -> &[(AppId, u64)] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_application_has_its_own() {
        let mut meters = AppMeters::default();
        let (reef, kelp) = (AppId::new("reef"), AppId::new("kelp"));
        let (of_reef, of_kelp) = (meters.meter_of(&reef), meters.meter_of(&kelp));
        assert_eq!(meters.meter_of(&reef), of_reef);
        meters.note(of_reef, 5);
        meters.note(of_kelp, 7);
        meters.note(of_reef, 1);
        assert_eq!(meters.all(), [(reef, 6), (kelp, 7)]);
    }
}
