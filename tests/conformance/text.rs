//! What stands for something else in a script: `$name`, `$(text*number)`, and bytes in hexadecimal.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::mismatch;

/// Placeholders that keep nothing.
const KINDS: &[&str] = &["uuid", "time", "text", "code", "any", "unordered"];

/// What names stand for, since their first use.
#[derive(Debug, Clone, Default)]
pub struct Names(BTreeMap<String, String>);

impl Names {
    /// The text with every known name replaced.
    ///
    /// # Errors
    ///
    /// When a repetition makes no sense.
    pub fn fill(&self, text: &str) -> Result<String, String> {
        let text = repeated(text)?;
        let mut filled = String::with_capacity(text.len());
        let mut rest = &text[..];
        while let Some(at) = rest.find('$') {
            let (before, from) = rest.split_at(at);
            filled.push_str(before);
            let name = leading_name(&from[1..]);
            let after = &from[1 + name.len()..];
            match self.0.get(name) {
                Some(value) if !after.starts_with(':') => filled.push_str(value),
                _ => filled.push_str(&from[..=name.len()]),
            }
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    /// The same, for what is sent: no name may be left.
    ///
    /// # Errors
    ///
    /// When a name has no value yet.
    pub fn fill_all(&self, text: &str) -> Result<String, String> {
        let filled = self.fill(text)?;
        match filled.split_once('$') {
            Some((_, after)) if !leading_name(after).is_empty() => {
                Err(format!("${} has no value yet", leading_name(after)))
            }
            _ => Ok(filled),
        }
    }

    /// Compares; `$kind:name` takes its value at first, and must have it later; `$kind:name!` takes it anew. Known names
    /// are already replaced.
    ///
    /// # Errors
    ///
    /// What differs, and where.
    pub fn compare(&mut self, pattern: &Value, actual: &Value) -> Result<(), String> {
        self.compare_at("message", pattern, actual)
    }

    fn compare_at(&mut self, path: &str, pattern: &Value, actual: &Value) -> Result<(), String> {
        match (pattern, actual) {
            (Value::String(text), _) if text.starts_with('$') => self.compare_placeholder(path, &text[1..], actual),
            (Value::Object(wanted), Value::Object(found)) => {
                let is_open = wanted.contains_key("...");
                if let Some(extra) = found.keys().find(|key| !wanted.contains_key(*key) && !is_open) {
                    return Err(format!("{path}.{extra} is not expected"));
                }
                for (key, value) in wanted.iter().filter(|(key, _)| *key != "...") {
                    let found = found.get(key).ok_or_else(|| format!("{path}.{key} is missing"))?;
                    self.compare_at(&format!("{path}.{key}"), value, found)?;
                }
                Ok(())
            }
            (Value::Array(wanted), Value::Array(found)) if wanted.first() == Some(&json!("$unordered")) => {
                self.compare_unordered(path, &wanted[1..], found)
            }
            (Value::Array(wanted), Value::Array(found)) if wanted.len() == found.len() => {
                for (index, (wanted, found)) in wanted.iter().zip(found).enumerate() {
                    self.compare_at(&format!("{path}[{index}]"), wanted, found)?;
                }
                Ok(())
            }
            (wanted, found) if wanted == found => Ok(()),
            (wanted, found) => Err(format!("{path}: expected {wanted}, got {found}")),
        }
    }

    fn compare_placeholder(&mut self, path: &str, placeholder: &str, actual: &Value) -> Result<(), String> {
        let (kind, name) = match placeholder.split_once(':') {
            Some((kind, name)) => (kind, Some(name)),
            None => (placeholder, None),
        };
        // A name that got its value from this very message.
        if let (None, Some(known)) = (name, self.0.get(kind)) {
            return if actual == known.as_str() {
                Ok(())
            } else {
                Err(format!("{path}: ${kind} is {known}, got {actual}"))
            };
        }
        if !KINDS.contains(&kind) {
            return Err(format!(
                "{path}: ${kind} is neither a placeholder nor a name that has a value"
            ));
        }
        if let Some(why) = mismatch(&json!(format!("${kind}")), actual) {
            return Err(format!("{path}: {why}"));
        }
        let Some(name) = name else { return Ok(()) };
        let text = actual.as_str().ok_or("only texts are kept under a name")?;
        if let Some(name) = name.strip_suffix('!') {
            self.0.insert(name.to_owned(), text.to_owned());
            return Ok(());
        }
        let known = self.0.entry(name.to_owned()).or_insert_with(|| text.to_owned());
        if known == text {
            Ok(())
        } else {
            Err(format!("{path}: ${name} is {known}, got {text}"))
        }
    }

    fn compare_unordered(&mut self, path: &str, wanted: &[Value], found: &[Value]) -> Result<(), String> {
        let mut left: Vec<_> = found.iter().collect();
        for wanted in wanted {
            let position = left.iter().position(|found| {
                let mut names = self.clone();
                let fits = names.compare_at(path, wanted, found).is_ok();
                if fits {
                    *self = names;
                }
                fits
            });
            match position {
                Some(index) => drop(left.remove(index)),
                None => return Err(format!("{path}: no element is {wanted}, left are {left:?}")),
            }
        }
        if left.is_empty() {
            Ok(())
        } else {
            Err(format!("{path}: not expected are {left:?}"))
        }
    }
}

fn leading_name(text: &str) -> &str {
    let end = text.find(|shard_message: char| {
        !shard_message.is_ascii_lowercase() && !shard_message.is_ascii_digit() && shard_message != '_'
    });
    &text[..end.unwrap_or(text.len())]
}

/// The text with every `$(text*number)` written out.
///
/// # Errors
///
/// When one has no end or no number.
pub fn repeated(text: &str) -> Result<String, String> {
    let mut written = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, from)) = rest.split_once("$(") {
        let (inside, after) = from.split_once(')').ok_or("a $( has no )")?;
        let (unit, count) = inside.rsplit_once('*').ok_or("$(text*number)")?;
        let count: usize = count.parse().map_err(|_| "$(text*number)".to_owned())?;
        written.push_str(before);
        written.push_str(&unit.repeat(count));
        rest = after;
    }
    written.push_str(rest);
    Ok(written)
}

/// Bytes: hexadecimal digits, with spaces and hyphens anywhere, and texts in quotation marks.
///
/// # Errors
///
/// When something is neither.
pub fn parse_hex(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len() / 2);
    for (index, part) in text.split('"').enumerate() {
        if index % 2 == 1 {
            bytes.extend_from_slice(part.as_bytes());
            continue;
        }
        let digits: Vec<u8> = part
            .bytes()
            .filter(|byte| !matches!(byte, b' ' | b'-'))
            .map(|byte| (byte as char).to_digit(16).map(|digit| digit as u8))
            .collect::<Option<_>>()
            .ok_or_else(|| format!("{part:?} is not hexadecimal"))?;
        if digits.len() % 2 == 1 {
            return Err(format!("{part:?} has half a byte"));
        }
        bytes.extend(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]));
    }
    Ok(bytes)
}
