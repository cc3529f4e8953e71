//! The answers about rooms one by one: what has happened in each, and which one has a name. JSON in the shape that
//! readers of the protocol know.

use std::sync::Arc;

use serde_json::value::RawValue;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::protocol::RoomId;
use crate::shard::{MAX_COMPLETED, SessionEnd, SessionRecord};

/// Rooms that live which one answer tells.
pub const MAX_ACTIVE: usize = 512;

/// The most bytes of an answer.
const MAX_ANSWER_BYTES: usize = 3 << 19;

/// What the rest of an answer takes at most.
const FRAME_BYTES: usize = 1_024;

/// What all shards have said.
#[derive(Debug, Clone, Default)]
pub struct SessionsReading {
    /// Rooms that live, as many as one answer tells at most.
    pub active: Vec<SessionRecord>,
    /// How many there are.
    pub active_count: u64,
    /// Rooms that were deleted.
    pub completed: Vec<Arc<SessionRecord>>,
    /// How many of these were forgotten.
    pub dropped: u64,
}

impl SessionsReading {
    /// Puts together what is told of deleted rooms: the newest of all shards, oldest first.
    pub fn settle(&mut self) {
        let number = |record: &Arc<SessionRecord>| record.completed.map(|(number, ..)| number);
        self.completed.sort_unstable_by_key(number);
        let more = self.completed.len().saturating_sub(MAX_COMPLETED);
        self.completed.drain(..more);
        self.dropped += more as u64;
    }
}

/// Which of them are asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct SessionsAsked {
    /// Of the deleted ones only those behind this one.
    pub since: u64,
    /// Those of one application.
    pub application: Option<Uuid>,
}

/// Writes the answer. Of deleted rooms that do not fit in, the newest are left out: whoever asks again for what comes behind
/// the last one gets them.
#[must_use]
pub fn sessions(reading: &SessionsReading, asked: SessionsAsked, region: &str) -> String {
    sessions_within(MAX_ANSWER_BYTES, reading, asked, region)
}

fn sessions_within(cap_bytes: usize, reading: &SessionsReading, asked: SessionsAsked, region: &str) -> String {
    let mut left_bytes = cap_bytes.saturating_sub(FRAME_BYTES);
    let mut fitting = |records: &mut dyn Iterator<Item = &SessionRecord>| {
        let mut told = Vec::new();
        for record in records {
            let text = written(record, region);
            let bytes = text.get().len() + 1;
            if bytes > left_bytes {
                break;
            }
            left_bytes -= bytes;
            told.push(text);
        }
        told
    };
    let active = fitting(&mut reading.active.iter().take(MAX_ACTIVE));
    let is_asked = |record: &&SessionRecord| {
        let is_newer = record.completed.is_some_and(|(number, ..)| number > asked.since);
        is_newer
            && asked
                .application
                .is_none_or(|application| record.application() == Some(application))
    };
    let matching = || reading.completed.iter().map(|record| &**record).filter(is_asked);
    let completed = fitting(&mut matching());
    let (active_omitted, completed_count) = (reading.active_count - active.len() as u64, matching().count());
    let completed_omitted = completed_count - completed.len();
    let mut answer = json!({
        "available": true,
        "active": active,
        "activeCount": reading.active_count,
        "completed": completed,
        "completedCount": completed_count,
        "completedCap": MAX_COMPLETED,
        "completedDroppedTotal": reading.dropped,
        // A room is seen in the moment in which it is made.
        "unpublishedDroppedTotal": 0,
    });
    if active_omitted > 0 {
        answer["activeTruncated"] = true.into();
        answer["activeOmitted"] = active_omitted.into();
    }
    if completed_omitted > 0 {
        answer["completedTruncated"] = true.into();
        answer["completedOmitted"] = completed_omitted.into();
    }
    answer.to_string()
}

fn written(session: &SessionRecord, region: &str) -> Box<RawValue> {
    let record = &session.record;
    let (number, ended_at, end) = session.completed.map_or((None, None, None), |(number, at, end)| {
        (Some(number), Some(at.unix_ms()), Some(end))
    });
    let close_reason = end.map(|end| match end {
        SessionEnd::Empty => "empty",
        SessionEnd::Expired => "expired",
        SessionEnd::Closed => "closed",
    });
    let versions: Vec<_> = record.versions().collect();
    let formats: Vec<_> = record.formats().map(|format| format.as_str()).collect();
    let value = json!({
        "roomId": session.room_id,
        "roomCode": session.room_code.as_str(),
        "gameName": session.game_name,
        "applicationId": session.application(),
        "regionId": region,
        "maxPlayers": session.max_players,
        "createdAtMs": record.created_at.unix_ms(),
        "endedAtMs": ended_at,
        "closeReason": close_reason,
        "published": true,
        "playersJoined": record.players_joined,
        "playersLeft": record.players_left,
        "spectatorsJoined": record.spectators_joined,
        "spectatorsLeft": record.spectators_left,
        "protocolVersions": versions,
        "gameDataEncodings": formats,
        "gameDataMessages": record.game_data_messages,
        "relayBytes": record.relay_bytes,
        "authorityTransfers": record.authority_transfers,
        "p2pEstablished": record.p2p_established,
        "relayFallback": record.relay_fallback,
        "turnCredentialsIssued": record.turn_credentials,
        "seq": number,
    });
    serde_json::value::to_raw_value(&value).expect("names and numbers are JSON")
}

/// The room that was looked up.
#[derive(Debug, Clone, Copy)]
pub struct RoomFound<'a> {
    /// Its id.
    pub room_id: RoomId,
    /// The application that it belongs to.
    pub application: Uuid,
    /// Its game.
    pub game_name: &'a str,
    /// Its code.
    pub room_code: &'a str,
    /// Where it lives.
    pub region: &'a str,
}

/// Writes the answer about a room that was looked up, or was not found.
#[must_use]
pub fn looked_up(found: Option<RoomFound<'_>>) -> String {
    let room = found.map(|found| {
        json!({
            "roomId": found.room_id,
            "applicationId": found.application,
            "gameName": found.game_name,
            "roomCode": found.room_code,
            "regionId": found.region,
        })
    });
    json!({"available": true, "room": room}).to_string()
}

/// Writes that nothing can be told now.
#[must_use]
pub fn unavailable(reason: &str) -> String {
    let answer: Value = json!({"available": false, "reason": reason});
    answer.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{RoomCode, WallTime};
    use crate::room::RoomRecord;

    const APPLICATION: Uuid = Uuid::from_bytes([7; 16]);

    fn record(number: Option<u64>, application: Option<Uuid>) -> SessionRecord {
        let mut record = RoomRecord::default();
        record.application = application.map(Uuid::into_bytes);
        SessionRecord {
            room_id: RoomId::in_slot(1, [3; 16]),
            room_code: RoomCode::parse("ABC234", 6).expect("a code"),
            game_name: "reef".into(),
            max_players: 4,
            record,
            completed: number.map(|number| (number, WallTime { unix_nanos: 5_000_000 }, SessionEnd::Empty)),
        }
    }

    fn read(answer: &str) -> Value {
        serde_json::from_str(answer).expect("JSON")
    }

    #[test]
    fn whoever_asks_for_what_is_new_gets_it_in_order_however_small_the_answers_are() {
        let mut reading = SessionsReading {
            completed: (1..=40)
                .rev()
                .map(|number| Arc::new(record(Some(number), None)))
                .collect(),
            ..SessionsReading::default()
        };
        reading.settle();
        let (mut since, mut told) = (0, Vec::new());
        loop {
            let asked = SessionsAsked {
                since,
                application: None,
            };
            let answer = read(&sessions_within(FRAME_BYTES + 4_000, &reading, asked, "north"));
            let page = answer["completed"].as_array().expect("a list");
            assert_eq!(answer["completedCount"], 40 - since);
            if page.is_empty() {
                break;
            }
            told.extend(page.iter().map(|record| record["seq"].as_u64().expect("a number")));
            since = *told.last().expect("one");
            assert_eq!(answer.get("completedTruncated").is_some(), since < 40);
        }
        assert_eq!(told, (1..=40).collect::<Vec<_>>());
    }

    #[test]
    fn the_newest_of_all_shards_are_kept() {
        let mut reading = SessionsReading {
            completed: (1..=MAX_COMPLETED as u64 + 5)
                .map(|number| Arc::new(record(Some(number), None)))
                .collect(),
            dropped: 2,
            ..SessionsReading::default()
        };
        reading.settle();
        assert_eq!((reading.completed.len(), reading.dropped), (MAX_COMPLETED, 7));
        assert_eq!(reading.completed[0].completed.map(|(number, ..)| number), Some(6));
    }

    #[test]
    fn one_application_sees_its_own() {
        let reading = SessionsReading {
            completed: vec![
                Arc::new(record(Some(1), None)),
                Arc::new(record(Some(2), Some(APPLICATION))),
            ],
            ..SessionsReading::default()
        };
        let asked = SessionsAsked {
            since: 0,
            application: Some(APPLICATION),
        };
        let answer = read(&sessions(&reading, asked, "north"));
        let told = answer["completed"].as_array().expect("a list");
        assert_eq!((told.len(), &told[0]["seq"]), (1, &json!(2)));
        assert_eq!(told[0]["applicationId"], APPLICATION.to_string());
        assert_eq!(
            (&told[0]["closeReason"], &told[0]["endedAtMs"]),
            (&json!("empty"), &json!(5))
        );
    }

    #[test]
    fn what_was_left_out_is_said() {
        let reading = SessionsReading {
            active: vec![record(None, None); MAX_ACTIVE],
            active_count: 600,
            ..SessionsReading::default()
        };
        let answer = read(&sessions(&reading, SessionsAsked::default(), "north"));
        assert_eq!(answer["active"].as_array().map(Vec::len), Some(MAX_ACTIVE));
        assert_eq!(
            (&answer["activeCount"], &answer["activeOmitted"]),
            (&json!(600), &json!(88))
        );
        assert_eq!(answer["active"][0]["seq"], Value::Null);
    }
}
