//! The rooms at a moment, as a dashboard shows them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::protocol::WallTime;

/// Games that are told by name: the first in the alphabet.
const MAX_GAMES: usize = 256;

/// Which quantiles are told, under which names.
const QUANTILES: [(&str, f64); 6] = [
    ("p50", 0.5),
    ("p90", 0.9),
    ("p99", 0.99),
    ("p99_5", 0.995),
    ("p99_9", 0.999),
    ("p100", 1.0),
];

/// How the snapshot behind `/metrics` is kept.
#[derive(Debug, Clone, Copy)]
pub struct DashboardSettings {
    /// Between two snapshots.
    pub refresh: Duration,
    /// The age from which one is stale.
    pub stale_after: Duration,
    /// For how long earlier ones are kept.
    pub window: Duration,
    /// What is kept of them.
    pub parts: HistoryParts,
}

/// What is kept of an earlier snapshot beside its moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a part that is there or not")]
pub struct HistoryParts {
    /// How many rooms there were.
    pub active_rooms: bool,
    /// Of which games.
    pub rooms_by_game: bool,
    /// How many players sat in a room.
    pub player_percentiles: bool,
    /// The same by game.
    pub game_percentiles: bool,
}

type Percentiles = BTreeMap<&'static str, f64>;

/// Rooms and players at a moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RoomFigures {
    active_rooms: u64,
    rooms_by_game: BTreeMap<Box<str>, u64>,
    players: Percentiles,
    players_by_game: BTreeMap<Box<str>, Percentiles>,
    /// Whether there were more games than are told.
    is_truncated: bool,
}

impl RoomFigures {
    /// Those of rooms of which each is given with its game and its players.
    #[must_use]
    pub fn of<'a>(rooms: impl Iterator<Item = (&'a str, u16)>) -> Self {
        let mut all = Vec::new();
        let mut by_game: BTreeMap<&str, Vec<u16>> = BTreeMap::new();
        for (game, players) in rooms {
            all.push(players);
            by_game.entry(game).or_default().push(players);
        }
        let mut figures = Self {
            active_rooms: all.len() as u64,
            players: percentiles(&mut all),
            is_truncated: by_game.len() > MAX_GAMES,
            ..Self::default()
        };
        for (game, mut players) in by_game.into_iter().take(MAX_GAMES) {
            figures.rooms_by_game.insert(game.into(), players.len() as u64);
            figures.players_by_game.insert(game.into(), percentiles(&mut players));
        }
        figures
    }

    /// What is kept of it when it is an earlier one.
    #[must_use]
    pub fn sample(&self, fetched_at: WallTime, parts: HistoryParts) -> Box<RawValue> {
        let sample = HistorySample {
            fetched_at,
            active_rooms: parts.active_rooms.then_some(self.active_rooms),
            rooms_by_game: parts.rooms_by_game.then_some(&self.rooms_by_game),
            player_percentiles: parts.player_percentiles.then_some(&self.players),
            game_percentiles: parts.game_percentiles.then_some(&self.players_by_game),
        };
        serde_json::value::to_raw_value(&sample).expect("names and numbers are JSON")
    }

    /// The same as members of the answer.
    pub(super) fn members(&self) -> RoomMembers<'_> {
        RoomMembers {
            active_rooms: self.active_rooms,
            rooms_by_game: &self.rooms_by_game,
            rooms_by_game_truncated: self.is_truncated.then_some(true),
            player_percentiles: &self.players,
            game_percentiles: &self.players_by_game,
            game_percentiles_truncated: self.is_truncated.then_some(true),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct HistorySample<'a> {
    fetched_at: WallTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    active_rooms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rooms_by_game: Option<&'a BTreeMap<Box<str>, u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    player_percentiles: Option<&'a Percentiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    game_percentiles: Option<&'a BTreeMap<Box<str>, Percentiles>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RoomMembers<'a> {
    active_rooms: u64,
    rooms_by_game: &'a BTreeMap<Box<str>, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rooms_by_game_truncated: Option<bool>,
    player_percentiles: &'a Percentiles,
    game_percentiles: &'a BTreeMap<Box<str>, Percentiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    game_percentiles_truncated: Option<bool>,
}

/// The least number of players that so much of the rooms do not exceed. Nothing of no rooms.
fn percentiles(players: &mut [u16]) -> Percentiles {
    players.sort_unstable();
    let rank = |quantile: f64| (quantile * players.len() as f64).ceil() as usize;
    let at = |quantile| players.get(rank(quantile).saturating_sub(1)).copied();
    QUANTILES
        .into_iter()
        .filter_map(|(name, quantile)| Some((name, f64::from(at(quantile)?))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_of_the_rooms() {
        let rooms = (1..=100).map(|players| (if players <= 10 { "chess" } else { "reef" }, players));
        let figures = RoomFigures::of(rooms);
        assert_eq!(figures.active_rooms, 100);
        assert_eq!(
            figures.rooms_by_game,
            BTreeMap::from([("chess".into(), 10), ("reef".into(), 90)])
        );
        let expected = [50.0, 90.0, 99.0, 100.0, 100.0, 100.0];
        assert_eq!(QUANTILES.map(|(name, _)| figures.players[name]), expected);
        assert_eq!(figures.players_by_game["chess"]["p50"], 5.0);
        assert_eq!(figures.players_by_game["chess"]["p100"], 10.0);
        let none = RoomFigures::of(std::iter::empty());
        assert_eq!(none, RoomFigures::default());
    }

    #[test]
    fn of_many_games_the_first_are_told_and_that_there_are_more() {
        let names: Vec<_> = (0..300).rev().map(|number| format!("game-{number:03}")).collect();
        let figures = RoomFigures::of(names.iter().map(|name| (name.as_str(), 1)));
        assert_eq!((figures.active_rooms, figures.rooms_by_game.len()), (300, MAX_GAMES));
        assert_eq!(
            figures.rooms_by_game.keys().next_back().map(|name| &**name),
            Some("game-255")
        );
        let members = serde_json::to_value(figures.members()).expect("JSON");
        assert_eq!(members["roomsByGameTruncated"], true);
        assert_eq!(members["gamePercentilesTruncated"], true);
    }

    #[test]
    fn a_sample_has_the_parts_that_are_kept() {
        let figures = RoomFigures::of([("reef", 2)].into_iter());
        let parts = HistoryParts {
            active_rooms: true,
            rooms_by_game: false,
            player_percentiles: false,
            game_percentiles: false,
        };
        let sample = figures.sample(WallTime { unix_nanos: 0 }, parts);
        assert_eq!(
            sample.get(),
            r#"{"fetchedAt":"1970-01-01T00:00:00.000000000Z","activeRooms":1}"#
        );
    }
}
