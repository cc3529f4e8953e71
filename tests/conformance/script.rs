//! The scripts' language, read. Its grammar is in `tests/scripts/README.md`.
//!
//! Reading a script checks all that can be checked without playing it: every line, every message, and that the script
//! expects something at all. Lines that stand for several (`enters`, `creates`, …) are written out here.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use signal_fish_relay::protocol::ProtocolVersion;

use super::text::{parse_hex, repeated};
use crate::harness::Opcode;

/// The game of every room that `creates` makes.
const GAME: &str = "tide-pool";

/// The longest wait on a real server: enough to tell two moments apart, never to wait for something.
const MAX_REAL_WAIT_MS: u64 = 10;

/// One flow.
#[derive(Debug)]
pub struct Script {
    pub file: String,
    /// Why it cannot be played on a real server, if so.
    pub pure_only: Option<String>,
    /// Keys of the server's configuration, and what they are set to.
    pub config: Vec<(String, Value)>,
    /// How many rows of the protocol's tables it covers.
    pub rows: usize,
    pub lines: Vec<Line>,
    /// Who speaks version 3.
    v3: BTreeSet<String>,
    /// Under which id each of them asked for its newest room operation.
    asked: BTreeMap<String, String>,
}

/// One thing that happens.
#[derive(Debug, Clone)]
pub struct Line {
    pub number: usize,
    pub step: Step,
}

/// What happens. Texts keep their `$names`, which have a value only when the script is played.
#[derive(Debug, Clone)]
pub enum Step {
    /// To the path of a version.
    Connect(String, ProtocolVersion),
    /// A frame; the flag says whether to go on only when it has been served.
    Send(String, Outgoing, bool),
    Expect(String, Expected),
    /// A request, whole, on a connection of its own.
    Ask(String, String),
    /// What was answered: the status, fields (`null`: there is none), the body.
    Hear(String, u16, Map<String, Value>, Option<String>),
    /// Ends the connection without a word; the flag says whether what was sent before is lost.
    Vanish(String, bool),
    Read(String, bool),
    Answer(String, bool),
    Wait(u64),
    Drain,
    CloseAll,
    /// As `CloseAll`, spread over so many milliseconds.
    CloseAllWithin(u64),
}

/// What a client sends.
#[derive(Debug, Clone)]
pub enum Outgoing {
    Text(String),
    /// Opcode, and the payload in hexadecimal.
    Frame(Opcode, String),
    Close(Option<u16>, String),
    /// Bytes as they are.
    Bytes(String),
}

/// What a client must get next.
#[derive(Debug, Clone)]
pub enum Expected {
    /// A message by its pattern, as text.
    Message(String),
    /// A message exactly as it is written, its spaces and the spelling of its numbers included.
    Verbatim(String),
    /// Bytes in hexadecimal.
    Binary(String),
    Pong(String),
    Ping,
    Close(Option<u16>, String),
    /// The connection ends without a close frame.
    End,
    Nothing,
}

/// Reads a script.
///
/// # Errors
///
/// The first line that is no line, and why.
pub fn parse(file: &str, source: &str) -> Result<Script, String> {
    let mut script = Script {
        file: file.to_owned(),
        pure_only: None,
        config: Vec::new(),
        rows: 0,
        lines: Vec::new(),
        v3: BTreeSet::new(),
        asked: BTreeMap::new(),
    };
    for (index, line) in source.lines().enumerate() {
        let number = index + 1;
        parse_line(&mut script, number, line.trim()).map_err(|why| format!("{file}:{number}: {why}\n  {line}"))?;
    }
    let expectations = script
        .lines
        .iter()
        .filter(|line| matches!(line.step, Step::Expect(..) | Step::Hear(..)));
    if expectations.count() == 0 {
        return Err(format!("{file}: the script expects nothing"));
    }
    if script.rows == 0 {
        return Err(format!(
            "{file}: no line beginning with ## names what the script covers"
        ));
    }
    Ok(script)
}

fn parse_line(script: &mut Script, number: usize, line: &str) -> Result<(), String> {
    if line.starts_with("## ") {
        script.rows += 1;
        return Ok(());
    }
    if line.is_empty() || line.starts_with('#') {
        return Ok(());
    }
    if let Some(reason) = line.strip_prefix("pure only: ") {
        script.pure_only = Some(reason.to_owned());
        return Ok(());
    }
    if let Some(setting) = line.strip_prefix("config ") {
        let (key, value) = setting.split_once(" = ").ok_or("config KEY = JSON")?;
        let value = serde_json::from_str(value).map_err(|error| error.to_string())?;
        script.config.push((key.to_owned(), value));
        return Ok(());
    }
    let mut push = |step| script.lines.push(Line { number, step });
    if let Some(time) = line.strip_prefix("wait ") {
        let wait_ms = parse_duration_ms(time)?;
        if wait_ms > MAX_REAL_WAIT_MS && script.pure_only.is_none() {
            return Err("a script that waits for long must be marked `pure only: reason` above".to_owned());
        }
        push(Step::Wait(wait_ms));
        return Ok(());
    }
    if let Some(time) = line.strip_prefix("close all within ") {
        push(Step::CloseAllWithin(parse_duration_ms(time)?));
        return Ok(());
    }
    match line {
        "drain" => {
            push(Step::Drain);
            return Ok(());
        }
        "close all" => {
            push(Step::CloseAll);
            return Ok(());
        }
        _ => {}
    }
    let (names, rest) = line.split_once(' ').ok_or("a line says who does what")?;
    let (verb, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    for name in names.split(',') {
        if !is_name(name) {
            return Err(format!("{name:?} is no name: lower-case letters and digits"));
        }
        let (verb, rest) = (verb, rest.trim());
        if matches!(verb, "connects" | "enters") && rest.split(' ').next() == Some("v3") {
            script.v3.insert(name.to_owned());
        }
        let version = if script.v3.contains(name) {
            ProtocolVersion::V3
        } else {
            ProtocolVersion::V2
        };
        let rest = if matches!(verb, "connects" | "enters") {
            rest.strip_prefix("v3").unwrap_or(rest).trim()
        } else {
            rest
        };
        if let Some(step) = parse_operation(&mut script.asked, number, name, verb, rest)? {
            script.lines.push(Line { number, step });
            continue;
        }
        for step in parse_deed(name, version, verb, rest)? {
            script.lines.push(Line { number, step });
        }
    }
    Ok(())
}

/// A room operation under an id of its own, or the result of the newest one.
fn parse_operation(
    asked: &mut BTreeMap<String, String>,
    number: usize,
    name: &str,
    verb: &str,
    rest: &str,
) -> Result<Option<Step>, String> {
    let (tag, data) = rest.split_once(' ').unwrap_or((rest, ""));
    match verb {
        "asks" if is_tag(tag) => {
            let id = format!("00000000-0000-4000-8000-{number:012}");
            let Outgoing::Text(operation) = parse_outgoing(rest)? else {
                return Err("an operation is a message".to_owned());
            };
            let text =
                format!(r#"{{"type":"RoomOperation","data":{{"operation_id":"{id}","operation":{operation}}}}}"#);
            asked.insert(name.to_owned(), id);
            Ok(Some(Step::Send(name.to_owned(), Outgoing::Text(text), true)))
        }
        "learns" if is_tag(tag) => {
            let id = asked.get(name).ok_or("nobody learns what was not asked")?;
            let result = message_pattern(tag, data)?;
            let pattern = format!(r#"RoomOperationResult {{"operation_id":"{id}","result":{result}}}"#);
            Ok(Some(expect_step(name, &pattern)?))
        }
        _ => Ok(None),
    }
}

fn parse_duration_ms(text: &str) -> Result<u64, String> {
    let (number, unit) = text.split_once(' ').ok_or("wait NUMBER ms|s")?;
    let number: u64 = number.parse().map_err(|_| "a duration is a whole number".to_owned())?;
    match unit {
        "ms" => Ok(number),
        "s" => Ok(number * 1_000),
        _ => Err("a duration is in ms or s".to_owned()),
    }
}

fn parse_deed(name: &str, version: ProtocolVersion, verb: &str, rest: &str) -> Result<Vec<Step>, String> {
    let who = name.to_owned();
    Ok(match (verb, rest) {
        (">", content) => vec![Step::Send(who, parse_outgoing(content)?, true)],
        // Several requests in one go.
        (">>", content) => vec![Step::Send(who, parse_outgoing(content)?, false)],
        ("<", expected) => vec![Step::Expect(who, parse_expected(expected)?)],
        ("requests", request) => vec![Step::Ask(who, parse_request(request)?)],
        ("hears", answer) => vec![parse_answer(who, answer)?],
        ("connects", "") => vec![Step::Connect(who, version)],
        ("vanishes", "") => vec![Step::Vanish(who, true)],
        ("finishes", "") => vec![Step::Vanish(who, false)],
        ("stops", "reading") => vec![Step::Read(who, false)],
        ("resumes", "reading") => vec![Step::Read(who, true)],
        ("stops", "answering") => vec![Step::Answer(who, false)],
        ("enters", extra) => {
            let request = with_extra(json!({"app_id": "reef-racer"}), extra)?;
            vec![
                Step::Connect(who.clone(), version),
                request_step(name, "Authenticate", &request),
                expect_step(name, r#"Authenticated ..."#)?,
                expect_step(name, r#"ProtocolInfo ..."#)?,
            ]
        }
        ("creates", rest) => {
            let (room, extra) = rest.split_once(' ').unwrap_or((rest, ""));
            let request = with_extra(json!({"game_name": GAME, "player_name": title(name)}), extra)?;
            vec![
                request_step(name, "JoinRoom", &request),
                expect_step(name, &seat_pattern(name, version, room, true))?,
                expect_step(
                    name,
                    r#"LobbyStateChanged {"lobby_state": "lobby", "ready_players": [], "all_ready": false}"#,
                )?,
            ]
        }
        ("joins", rest) => {
            let (room, extra) = rest.split_once(' ').unwrap_or((rest, ""));
            let request = json!({"game_name": GAME, "player_name": title(name), "room_code": format!("${room}")});
            vec![
                request_step(name, "JoinRoom", &with_extra(request, extra)?),
                expect_step(name, &seat_pattern(name, version, room, false))?,
            ]
        }
        ("watches", rest) => {
            let (room, extra) = rest.split_once(' ').unwrap_or((rest, ""));
            let request = json!({"game_name": GAME, "spectator_name": title(name), "room_code": format!("${room}")});
            let pattern = format!(
                r#"SpectatorJoined {{"room_id": "$uuid:{room}_id", "room_code": "$text:{room}", "game_name": "$text",
                "spectator_id": "$uuid:{name}", "current_players": "$any", "current_spectators": "$any",
                "lobby_state": "$text", "reason": "joined"}}"#
            );
            vec![
                request_step(name, "JoinAsSpectator", &with_extra(request, extra)?),
                expect_step(name, &pattern)?,
            ]
        }
        _ => return Err(format!("nobody can \"{verb} {rest}\"")),
    })
}

/// A seat, with the codes and ids of the room and the player, and the token of one on version 3, kept under their names.
fn seat_pattern(name: &str, version: ProtocolVersion, room: &str, is_new: bool) -> String {
    let state = if is_new { "waiting" } else { "$text" };
    let token = if version >= ProtocolVersion::V3 {
        format!(r#", "reconnection_token": "$text:{name}_token!""#)
    } else {
        String::new()
    };
    format!(
        r#"RoomJoined {{"room_id": "$uuid:{room}_id", "room_code": "$text:{room}", "player_id": "$uuid:{name}",
        "game_name": "$text", "max_players": "$any", "supports_authority": "$any", "current_players": "$any",
        "is_authority": "$any", "lobby_state": "{state}", "ready_players": "$any", "relay_type": "$text",
        "current_spectators": "$any"{token}}}"#
    )
}

fn title(name: &str) -> String {
    let mut shard_messages = name.chars();
    shard_messages.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(shard_messages).collect()
    })
}

fn with_extra(request: Value, extra: &str) -> Result<Value, String> {
    let Value::Object(mut request) = request else {
        return Err("a request is an object".to_owned());
    };
    if !extra.is_empty() {
        let extra: Map<String, Value> = serde_json::from_str(extra).map_err(|error| error.to_string())?;
        request.extend(extra);
    }
    Ok(Value::Object(request))
}

fn request_step(name: &str, tag: &str, data: &Value) -> Step {
    let text = json!({"type": tag, "data": data}).to_string();
    Step::Send(name.to_owned(), Outgoing::Text(text), true)
}

fn expect_step(name: &str, pattern: &str) -> Result<Step, String> {
    Ok(Step::Expect(name.to_owned(), parse_expected(pattern)?))
}

/// `GET /path {"Field": "value"}`; `upgrade /path {…}` begins with the fields of an upgrade. `null` leaves a field out, a
/// list gives it several times.
fn parse_request(text: &str) -> Result<String, String> {
    let (method, rest) = text.split_once(' ').ok_or("requests METHOD PATH {fields}")?;
    let (path, fields) = rest.split_once(' ').unwrap_or((rest, ""));
    let mut head = json!({"Host": "localhost"});
    let method = if method == "upgrade" {
        head = json!({
            "Host": "localhost", "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        });
        "GET"
    } else {
        method
    };
    let mut request = format!("{method} {path} HTTP/1.1\r\n");
    let Value::Object(fields) = with_extra(head, fields)? else {
        return Err("fields are an object".to_owned());
    };
    for (name, value) in fields {
        let values = match value {
            Value::Null => Vec::new(),
            Value::Array(values) => values,
            value => vec![value],
        };
        for value in values {
            let value = value.as_str().ok_or("a field is a text")?;
            request.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    Ok(request + "\r\n")
}

/// `404 {"Field": "pattern"} "body"`.
fn parse_answer(who: String, text: &str) -> Result<Step, String> {
    let (status, rest) = text.split_once(' ').unwrap_or((text, ""));
    let status = status.parse().map_err(|_| "hears STATUS {fields} \"body\"")?;
    let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
    let mut next = || values.next().transpose().map_err(|error| error.to_string());
    let fields = match next()? {
        None => Map::new(),
        Some(Value::Object(fields)) => fields,
        Some(_) => return Err("fields are an object".to_owned()),
    };
    let body = match next()? {
        None => None,
        Some(Value::String(body)) => Some(body),
        Some(_) => return Err("a body is a text".to_owned()),
    };
    Ok(Step::Hear(who, status, fields, body))
}

fn parse_outgoing(content: &str) -> Result<Outgoing, String> {
    let (word, rest) = content.split_once(' ').unwrap_or((content, ""));
    Ok(match word {
        "raw" => Outgoing::Text(rest.to_owned()),
        "binary" => Outgoing::Frame(Opcode::Binary, hex(rest)?),
        "ping" => Outgoing::Frame(Opcode::Ping, hex(rest)?),
        "pong" => Outgoing::Frame(Opcode::Pong, hex(rest)?),
        "close" => {
            let (code, reason) = parse_close(rest)?;
            Outgoing::Close(code, reason)
        }
        "bytes" => Outgoing::Bytes(hex(rest)?),
        tag if is_tag(tag) && rest.is_empty() => Outgoing::Text(format!(r#"{{"type":"{tag}"}}"#)),
        tag if is_tag(tag) => Outgoing::Text(format!(r#"{{"type":"{tag}","data":{rest}}}"#)),
        _ if content.starts_with('{') => Outgoing::Text(content.to_owned()),
        _ => {
            return Err(
                "a client sends Tag, Tag {data}, {message}, raw, binary, ping, pong, close or bytes".to_owned(),
            );
        }
    })
}

fn parse_expected(content: &str) -> Result<Expected, String> {
    let (word, rest) = content.split_once(' ').unwrap_or((content, ""));
    Ok(match word {
        "text" => Expected::Verbatim(rest.to_owned()),
        "binary" => Expected::Binary(hex(rest)?),
        "pong" => Expected::Pong(hex(rest)?),
        "ping" => Expected::Ping,
        "end" => Expected::End,
        "nothing" => Expected::Nothing,
        "close" => {
            let (code, reason) = parse_close(rest)?;
            Expected::Close(code, reason)
        }
        tag if is_tag(tag) => {
            let pattern = message_pattern(tag, rest)?;
            serde_json::from_str::<Value>(&repeated(&pattern)?).map_err(|error| error.to_string())?;
            Expected::Message(pattern)
        }
        _ => {
            return Err(
                "a client gets Tag, Tag CODE, Tag {pattern}, Tag ..., binary, pong, ping, close, end or nothing"
                    .to_owned(),
            );
        }
    })
}

/// The pattern of a message: without payload, with any payload, with a code and a text for people, or as written.
fn message_pattern(tag: &str, rest: &str) -> Result<String, String> {
    Ok(match rest {
        "" => format!(r#"{{"type":"{tag}"}}"#),
        "..." => format!(r#"{{"type":"{tag}","data":"$any"}}"#),
        code if code.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_') => {
            let data = match tag {
                "Error" => json!({"message": "$text", "error_code": code}),
                "AuthenticationError" => json!({"error": "$text", "error_code": code}),
                "RoomJoinFailed" | "SpectatorJoinFailed" | "ReconnectionFailed" | "OperationFailed" => {
                    json!({"reason": "$text", "error_code": code})
                }
                "AuthorityResponse" => json!({"granted": false, "reason": "$text", "error_code": code}),
                _ => return Err(format!("{tag} carries no code")),
            };
            json!({"type": tag, "data": data}).to_string()
        }
        data => format!(r#"{{"type":"{tag}","data":{data}}}"#),
    })
}

fn parse_close(rest: &str) -> Result<(Option<u16>, String), String> {
    let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    let code = match code {
        "none" => None,
        number => Some(
            number
                .parse()
                .map_err(|_| "close CODE reason, or close none".to_owned())?,
        ),
    };
    Ok((code, reason.to_owned()))
}

fn is_tag(word: &str) -> bool {
    word.starts_with(|first: char| first.is_ascii_uppercase()) && word.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn hex(text: &str) -> Result<String, String> {
    // Names have their value only when the script is played.
    if !repeated(text)?.contains('$') {
        parse_hex(&repeated(text)?)?;
    }
    Ok(text.to_owned())
}
