//! Plays a script on a stage, line by line.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::script::{Expected, Line, Outgoing, Script, Step};
use super::stage::Stage;
use super::text::{Names, parse_hex};
use crate::harness::{Frame, Opcode, close_payload};

/// How much of a message a failure shows.
const SHOWN_CHARS: usize = 600;

/// Plays a script to its end, where nobody may have got anything that was not expected.
///
/// # Errors
///
/// The line that failed: what was expected, and what came.
pub fn play(script: &Script, stage: &mut dyn Stage) -> Result<(), String> {
    let mut play = Play {
        names: Names::default(),
        open: BTreeSet::new(),
        answers: BTreeMap::new(),
    };
    let mut last = 0;
    for line in &script.lines {
        last = line.number;
        play.step(line, stage)
            .map_err(|why| failure(script, line.number, &why, stage))?;
    }
    for name in play.open {
        let rest = stage.rest(&name);
        if !rest.is_empty() {
            let why = format!("{name} has got more than the script expects: {}", shown(&rest));
            return Err(failure(script, last, &why, stage));
        }
    }
    Ok(())
}

fn failure(script: &Script, number: usize, why: &str, stage: &mut dyn Stage) -> String {
    format!("tests/scripts/{}:{number}: {why}\n{}", script.file, stage.report())
}

fn shown(what: &impl std::fmt::Debug) -> String {
    format!("{what:?}").chars().take(SHOWN_CHARS).collect()
}

struct Play {
    names: Names,
    /// Whose connection has not ended.
    open: BTreeSet<String>,
    /// What requests were answered with and nobody has looked at.
    answers: BTreeMap<String, String>,
}

impl Play {
    fn step(&mut self, line: &Line, stage: &mut dyn Stage) -> Result<(), String> {
        if let Step::Send(name, ..) | Step::Expect(name, _) = &line.step
            && !self.open.contains(name)
        {
            return Err(format!("{name} is not connected"));
        }
        match &line.step {
            Step::Connect(name, endpoint) => {
                stage.connect(name, *endpoint);
                self.open.insert(name.clone());
            }
            Step::Send(name, outgoing, waits) => {
                self.send(name, outgoing, stage)?;
                if *waits {
                    stage.settle(name);
                }
            }
            Step::Expect(name, expected) => self.expect(name, expected, stage)?,
            Step::Ask(name, request) => {
                self.answers.insert(name.clone(), stage.request(request));
            }
            Step::Hear(name, status, fields, body) => {
                let answer = self
                    .answers
                    .remove(name)
                    .ok_or_else(|| format!("{name} has not asked"))?;
                self.hear(&answer, *status, fields, body.as_deref())
                    .map_err(|why| format!("{name}: {why}\n  got      {}", short(&answer)))?;
            }
            Step::Vanish(name, loses) => {
                stage.vanish(name, *loses);
                self.open.remove(name);
            }
            Step::Read(name, reads) => stage.set_reading(name, *reads),
            Step::Answer(name, answers) => stage.set_answering(name, *answers),
            Step::Wait(wait_ms) => stage.wait(*wait_ms),
            Step::Drain => stage.drain(),
            Step::CloseAll => stage.close_all(),
            Step::CloseAllWithin(span_ms) => stage.close_all_within(*span_ms),
        }
        Ok(())
    }

    fn send(&self, name: &str, outgoing: &Outgoing, stage: &mut dyn Stage) -> Result<(), String> {
        match outgoing {
            Outgoing::Text(text) => stage.send(name, Opcode::Text, self.names.fill_all(text)?.as_bytes()),
            Outgoing::Frame(opcode, hex) => stage.send(name, *opcode, &parse_hex(&self.names.fill_all(hex)?)?),
            Outgoing::Bytes(hex) => stage.send_bytes(name, &parse_hex(&self.names.fill_all(hex)?)?),
            Outgoing::Close(code, reason) => {
                let payload = code.map_or_else(Vec::new, |code| close_payload(code, reason));
                stage.send(name, Opcode::Close, &payload);
            }
        }
        Ok(())
    }

    fn expect(&mut self, name: &str, expected: &Expected, stage: &mut dyn Stage) -> Result<(), String> {
        match expected {
            Expected::Nothing => {
                let rest = stage.rest(name);
                return if rest.is_empty() {
                    Ok(())
                } else {
                    Err(format!("{name} expects nothing, got {}", shown(&rest)))
                };
            }
            Expected::End => return self.expect_end(name, stage),
            _ => {}
        }
        let mut frame = stage.next(name);
        // The server may ask at any time whether somebody is there.
        while matches!(frame, Some(Frame::Ping(_))) && !matches!(expected, Expected::Ping) {
            frame = stage.next(name);
        }
        let fits = match (expected, &frame) {
            (Expected::Message(pattern), Some(Frame::Text(message))) => {
                let filled = self.names.fill(pattern)?;
                let wanted: Value = serde_json::from_str(&filled).map_err(|error| error.to_string())?;
                self.names.compare(&wanted, message).map_err(|why| {
                    format!(
                        "{name}: {why}\n  expected {}\n  got      {}",
                        short(&filled),
                        short(&message.to_string())
                    )
                })?;
                true
            }
            (Expected::Verbatim(text), Some(Frame::Text(message))) => {
                let filled = self.names.fill_all(text)?;
                if filled != message.text {
                    return Err(format!(
                        "{name}\n  expected {}\n  got      {}",
                        short(&filled),
                        short(&message.text)
                    ));
                }
                true
            }
            (Expected::Binary(hex), Some(Frame::Binary(bytes))) => *bytes == parse_hex(&self.names.fill_all(hex)?)?,
            (Expected::Pong(hex), Some(Frame::Pong(bytes))) => *bytes == parse_hex(hex)?,
            (Expected::Ping, Some(Frame::Ping(_))) => true,
            (Expected::Close(code, reason), Some(Frame::Close(got_code, got_reason)))
                if (code, reason) == (got_code, got_reason) =>
            {
                self.expect_end(name, stage)?;
                true
            }
            _ => false,
        };
        if fits {
            return Ok(());
        }
        let got = frame.map_or_else(|| "nothing".to_owned(), |frame| shown(&frame));
        Err(format!("{name}\n  expected {}\n  got      {got}", shown(expected)))
    }

    fn hear(
        &mut self,
        answer: &str,
        status: u16,
        fields: &Map<String, Value>,
        body: Option<&str>,
    ) -> Result<(), String> {
        let (head, rest) = answer.split_once("\r\n\r\n").ok_or("no whole head")?;
        if head.split(' ').nth(1) != Some(&status.to_string()) {
            return Err(format!("expected status {status}"));
        }
        let named = |name: &str| {
            let line = |line: &str| {
                let (field, value) = line.split_once(": ")?;
                field.eq_ignore_ascii_case(name).then(|| json!(value))
            };
            head.lines().find_map(line).unwrap_or_default()
        };
        for (name, wanted) in fields {
            self.names
                .compare(wanted, &named(name))
                .map_err(|why| format!("{name}: {why}"))?;
        }
        match body {
            Some(body) if body != rest => Err(format!("expected the body {body:?}")),
            _ => Ok(()),
        }
    }

    fn expect_end(&mut self, name: &str, stage: &mut dyn Stage) -> Result<(), String> {
        let rest = stage.rest(name);
        if !rest.is_empty() {
            return Err(format!("{name} expects the end, got {}", shown(&rest)));
        }
        if !stage.has_ended(name) {
            return Err(format!("{name} expects the end and is still connected"));
        }
        self.open.remove(name);
        Ok(())
    }
}

fn short(text: &str) -> String {
    text.chars().take(SHOWN_CHARS).collect()
}
