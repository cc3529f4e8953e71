//! A stage that writes down what was said on it, in both directions.

use std::collections::BTreeMap;

use serde_json::Value;
use signal_fish_relay::protocol::ProtocolVersion;

use super::stage::Stage;
use crate::harness::{Frame, Opcode};

/// A text message, and who said it.
#[derive(Debug, Clone)]
pub enum Said {
    ByClient(String),
    /// In the version that its receiver speaks.
    ByServer(ProtocolVersion, String),
}

/// Another stage, and what was said there.
pub struct Recording<S> {
    stage: S,
    /// The newest version that is served.
    newest: ProtocolVersion,
    /// The version of each connection.
    versions: BTreeMap<String, ProtocolVersion>,
    pub said: Vec<Said>,
}

impl<S: Stage> Recording<S> {
    pub fn new(stage: S, newest: ProtocolVersion) -> Self {
        Self {
            stage,
            newest,
            versions: BTreeMap::new(),
            said: Vec::new(),
        }
    }

    fn note(&mut self, name: &str, frame: &Frame) {
        let Frame::Text(message) = frame else { return };
        let version = self.versions.entry(name.to_owned()).or_insert(ProtocolVersion::V2);
        // From here on it is known what was agreed upon; until then it does not matter.
        if message["type"] == "ProtocolInfo" {
            let is_newer = message["data"]["protocol_version"] != Value::Null;
            *version = if is_newer {
                ProtocolVersion::V3
            } else {
                ProtocolVersion::V2
            };
        }
        self.said.push(Said::ByServer(*version, message.text.clone()));
    }
}

impl<S: Stage> Stage for Recording<S> {
    fn connect(&mut self, name: &str, endpoint: ProtocolVersion) {
        self.versions.insert(name.to_owned(), endpoint.min(self.newest));
        self.stage.connect(name, endpoint);
    }

    fn request(&mut self, request: &str) -> String {
        self.stage.request(request)
    }

    fn send(&mut self, name: &str, opcode: Opcode, payload: &[u8]) {
        if let (Opcode::Text, Ok(text)) = (opcode, std::str::from_utf8(payload)) {
            self.said.push(Said::ByClient(text.to_owned()));
        }
        self.stage.send(name, opcode, payload);
    }

    fn send_bytes(&mut self, name: &str, bytes: &[u8]) {
        self.stage.send_bytes(name, bytes);
    }

    fn settle(&mut self, name: &str) {
        self.stage.settle(name);
    }

    fn next(&mut self, name: &str) -> Option<Frame> {
        let frame = self.stage.next(name)?;
        self.note(name, &frame);
        Some(frame)
    }

    fn rest(&mut self, name: &str) -> Vec<Frame> {
        let rest = self.stage.rest(name);
        for frame in &rest {
            self.note(name, frame);
        }
        rest
    }

    fn has_ended(&mut self, name: &str) -> bool {
        self.stage.has_ended(name)
    }

    fn vanish(&mut self, name: &str, loses_what_was_sent: bool) {
        self.stage.vanish(name, loses_what_was_sent);
    }

    fn set_reading(&mut self, name: &str, reads: bool) {
        self.stage.set_reading(name, reads);
    }

    fn set_answering(&mut self, name: &str, answers: bool) {
        self.stage.set_answering(name, answers);
    }

    fn wait(&mut self, wait_ms: u64) {
        self.stage.wait(wait_ms);
    }

    fn drain(&mut self) {
        self.stage.drain();
    }

    fn close_all(&mut self) {
        self.stage.close_all();
    }

    fn close_all_within(&mut self, span_ms: u64) {
        self.stage.close_all_within(span_ms);
    }

    fn report(&mut self) -> String {
        self.stage.report()
    }
}
