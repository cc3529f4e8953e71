//! The cursor over a text: validates what it passes and hands out slices of it.

use std::borrow::Cow;

use super::{InvalidJson, JsonString, MAX_DEPTH, number, string};

/// A cursor over JSON text. Everything behind it has been validated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The first byte of the next token, after any white space; the byte is not consumed.
    #[inline]
    pub(crate) fn peek(&mut self) -> Result<u8, InvalidJson> {
        let bytes = self.text.as_bytes();
        while let Some(&byte) = bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Ok(byte);
            }
            self.at += 1;
        }
        Err(InvalidJson)
    }

    /// Consumes the next token, which must be `punctuation`.
    #[inline]
    fn expect(&mut self, punctuation: u8) -> Result<(), InvalidJson> {
        if self.peek()? != punctuation {
            return Err(InvalidJson);
        }
        self.at += 1;
        Ok(())
    }

    /// Consumes `start`, if the text goes on with exactly these characters.
    #[inline]
    pub(crate) fn skip(&mut self, start: &str) -> bool {
        let found = self.text.as_bytes()[self.at..].starts_with(start.as_bytes());
        if found {
            self.at += start.len();
        }
        found
    }

    /// Consumes a string.
    #[inline]
    pub(crate) fn string(&mut self) -> Result<JsonString<'a>, InvalidJson> {
        self.expect(b'"')?;
        let start = self.at - 1;
        let (end, escaped) = string::end(self.text.as_bytes(), self.at)?;
        self.at = end;
        Ok(JsonString::new(&self.text[start..end], escaped))
    }

    /// Consumes the opening brace of an object and its first key with the colon, or the whole of an empty object.
    #[inline]
    pub(crate) fn first_key(&mut self) -> Result<Option<Cow<'a, str>>, InvalidJson> {
        self.expect(b'{')?;
        if self.peek()? == b'}' {
            self.at += 1;
            return Ok(None);
        }
        self.key().map(Some)
    }

    /// After a member's value: consumes the comma, the next key and its colon, or the closing brace.
    #[inline]
    pub(crate) fn next_key(&mut self) -> Result<Option<Cow<'a, str>>, InvalidJson> {
        let separator = self.peek()?;
        self.at += 1;
        match separator {
            b',' => self.key().map(Some),
            b'}' => Ok(None),
            _ => Err(InvalidJson),
        }
    }

    #[inline]
    fn key(&mut self) -> Result<Cow<'a, str>, InvalidJson> {
        let key = self.string()?;
        self.expect(b':')?;
        Ok(key.decode())
    }

    /// Consumes the end of the text: only white space may be left.
    pub(crate) fn end(&mut self) -> Result<(), InvalidJson> {
        match self.peek() {
            Ok(_) => Err(InvalidJson),
            Err(InvalidJson) => Ok(()),
        }
    }

    /// Consumes one value that stands inside `open` containers, and returns its text without the white space around it.
    pub(crate) fn value(&mut self, open: u32) -> Result<&'a str, InvalidJson> {
        self.peek()?;
        let start = self.at;
        self.at = self.value_end(MAX_DEPTH.saturating_sub(open))?;
        Ok(&self.text[start..self.at])
    }

    /// The place behind the next value, which may open at most `limit` containers at once.
    ///
    /// Takes a copy of the cursor, so that its place is kept in a register.
    fn value_end(mut self, limit: u32) -> Result<usize, InvalidJson> {
        let bytes = self.text.as_bytes();
        // One bit for each open container, the innermost lowest: set for an object. `MAX_DEPTH` bits fit.
        let mut objects = 0_u128;
        let mut depth = 0;
        loop {
            match self.peek()? {
                b'"' => self.at = string::end(bytes, self.at + 1)?.0,
                b'-' | b'0'..=b'9' => self.at = number::end(self.text, self.at)?,
                b't' => self.literal("true")?,
                b'f' => self.literal("false")?,
                b'n' => self.literal("null")?,
                opening @ (b'{' | b'[') => {
                    if depth == limit {
                        return Err(InvalidJson);
                    }
                    self.at += 1;
                    let is_object = opening == b'{';
                    // The closing byte is two above the opening one in ASCII.
                    if self.peek()? == opening + 2 {
                        self.at += 1;
                    } else {
                        depth += 1;
                        objects = (objects << 1) | u128::from(is_object);
                        if is_object {
                            self.skip_key()?;
                        }
                        continue;
                    }
                }
                _ => return Err(InvalidJson),
            }
            // A value has just ended: close containers up to the next value.
            loop {
                if depth == 0 {
                    return Ok(self.at);
                }
                let in_object = objects & 1 == 1;
                let separator = self.peek()?;
                self.at += 1;
                match separator {
                    b',' => {
                        if in_object {
                            self.skip_key()?;
                        }
                        break;
                    }
                    b'}' if in_object => {}
                    b']' if !in_object => {}
                    _ => return Err(InvalidJson),
                }
                depth -= 1;
                objects >>= 1;
            }
        }
    }

    #[inline]
    fn skip_key(&mut self) -> Result<(), InvalidJson> {
        self.expect(b'"')?;
        self.at = string::end(self.text.as_bytes(), self.at)?.0;
        self.expect(b':')
    }

    #[inline]
    fn literal(&mut self, word: &str) -> Result<(), InvalidJson> {
        if self.skip(word) { Ok(()) } else { Err(InvalidJson) }
    }
}
