//! MessagePack: the envelope of binary game data, and payloads turned into JSON for readers of another format.
//!
//! Owns the exact bytes of the envelope. Promises that the conversion is total and bounded: memory grows with the bytes
//! that are there, never with a length that the payload claims, and nesting ends at 128 levels.

use rmp::Marker;
use rmp::encode;
use serde::Serialize;

use super::ids::PlayerId;
use super::stamp::Stamp;
use super::tokens::GameDataFormat;

/// Containers that a payload may open at once and still have a JSON form.
const MAX_DEPTH: usize = 128;

/// The payload has no JSON form. Its readers in other formats cannot have it; tell them so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotJson {
    /// The payload ends in the middle of a value, or is empty.
    #[error("the MessagePack payload ends in the middle of a value")]
    Truncated,
    /// A bin value, an extension or a timestamp, or the marker that MessagePack reserves.
    #[error("the MessagePack payload holds a value that JSON has no form for")]
    NoJsonForm,
    /// A map key that is no string.
    #[error("the MessagePack payload holds a map key that is not a string")]
    KeyNotString,
    /// A string that is not UTF-8.
    #[error("the MessagePack payload holds a string that is not UTF-8")]
    NotUtf8,
    /// More than 128 open containers.
    #[error("the MessagePack payload nests deeper than {MAX_DEPTH} levels")]
    TooDeep,
}

/// Appends the binary frame of a payload: `from_player`, `encoding`, `payload`, and with a stamp (v3) `seq`, `epoch`.
///
/// `encoding` is the format of the payload, which is copied as it is and never looked into.
pub fn write_envelope(
    out: &mut Vec<u8>,
    sender: PlayerId,
    encoding: GameDataFormat,
    payload: &[u8],
    stamp: Option<Stamp>,
) {
    /// More than everything around the payload takes.
    const OVERHEAD_BYTES: usize = 96;
    const INFALLIBLE: &str = "a vector takes every write";
    out.reserve(OVERHEAD_BYTES + payload.len());
    encode::write_map_len(out, if stamp.is_some() { 5 } else { 3 }).expect(INFALLIBLE);
    encode::write_str(out, "from_player").expect(INFALLIBLE);
    encode::write_bin(out, sender.as_bytes()).expect(INFALLIBLE);
    encode::write_str(out, "encoding").expect(INFALLIBLE);
    encode::write_str(out, encoding.as_str()).expect(INFALLIBLE);
    encode::write_str(out, "payload").expect(INFALLIBLE);
    encode::write_bin(out, payload).expect(INFALLIBLE);
    if let Some(Stamp { epoch, seq }) = stamp {
        encode::write_str(out, "seq").expect(INFALLIBLE);
        encode::write_uint(out, seq).expect(INFALLIBLE);
        encode::write_str(out, "epoch").expect(INFALLIBLE);
        encode::write_uint(out, epoch.into()).expect(INFALLIBLE);
    }
}

/// Appends the JSON form of the payload's first value; what follows it is ignored.
///
/// Keys come out sorted, the last of equal keys is kept, what is no finite number becomes `null`.
///
/// # Errors
///
/// [`NotJson`] with the first reason found; `out` is then as it was.
pub fn to_json(payload: &[u8], out: &mut Vec<u8>) -> Result<(), NotJson> {
    let outline = Outline::read(payload)?;
    outline.write(0, out);
    Ok(())
}

/// One value of a payload, containers with the number of their members.
#[derive(Debug, Clone, Copy)]
enum Item<'a> {
    Nil,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Str(&'a str),
    Array(u32),
    Map(u32),
}

/// Reads the value at `at`, of a container only the header; also returns the place behind it.
fn item(payload: &[u8], at: usize) -> Result<(Item<'_>, usize), NotJson> {
    let marker = Marker::from_u8(*payload.get(at).ok_or(NotJson::Truncated)?);
    let body = &payload[at + 1..];
    // The item made of the next `N` bytes, which follow the marker.
    macro_rules! fixed {
        ($number:ty, $make:expr) => {{
            let bytes = body.first_chunk().ok_or(NotJson::Truncated)?;
            let make: fn($number) -> Item<'static> = $make;
            (make(<$number>::from_be_bytes(*bytes)), at + 1 + size_of::<$number>())
        }};
    }
    macro_rules! string {
        ($length:ty) => {{
            let bytes = body.first_chunk().ok_or(NotJson::Truncated)?;
            str_item(
                payload,
                at + 1 + size_of::<$length>(),
                <$length>::from_be_bytes(*bytes) as usize,
            )?
        }};
    }
    Ok(match marker {
        Marker::Null => (Item::Nil, at + 1),
        Marker::True => (Item::Bool(true), at + 1),
        Marker::False => (Item::Bool(false), at + 1),
        Marker::FixPos(number) => (Item::Unsigned(number.into()), at + 1),
        Marker::FixNeg(number) => (Item::Signed(number.into()), at + 1),
        Marker::U8 => fixed!(u8, |number| Item::Unsigned(number.into())),
        Marker::U16 => fixed!(u16, |number| Item::Unsigned(number.into())),
        Marker::U32 => fixed!(u32, |number| Item::Unsigned(number.into())),
        Marker::U64 => fixed!(u64, Item::Unsigned),
        Marker::I8 => fixed!(i8, |number| Item::Signed(number.into())),
        Marker::I16 => fixed!(i16, |number| Item::Signed(number.into())),
        Marker::I32 => fixed!(i32, |number| Item::Signed(number.into())),
        Marker::I64 => fixed!(i64, Item::Signed),
        Marker::F32 => fixed!(f32, |number| Item::Float(number.into())),
        Marker::F64 => fixed!(f64, Item::Float),
        Marker::FixStr(length) => str_item(payload, at + 1, length.into())?,
        Marker::Str8 => string!(u8),
        Marker::Str16 => string!(u16),
        Marker::Str32 => string!(u32),
        Marker::FixArray(length) => (Item::Array(length.into()), at + 1),
        Marker::Array16 => fixed!(u16, |length| Item::Array(length.into())),
        Marker::Array32 => fixed!(u32, Item::Array),
        Marker::FixMap(length) => (Item::Map(length.into()), at + 1),
        Marker::Map16 => fixed!(u16, |length| Item::Map(length.into())),
        Marker::Map32 => fixed!(u32, Item::Map),
        Marker::Reserved
        | Marker::Bin8
        | Marker::Bin16
        | Marker::Bin32
        | Marker::FixExt1
        | Marker::FixExt2
        | Marker::FixExt4
        | Marker::FixExt8
        | Marker::FixExt16
        | Marker::Ext8
        | Marker::Ext16
        | Marker::Ext32 => return Err(NotJson::NoJsonForm),
    })
}

fn str_item(payload: &[u8], start: usize, length: usize) -> Result<(Item<'_>, usize), NotJson> {
    let end = start.checked_add(length).ok_or(NotJson::Truncated)?;
    let bytes = payload.get(start..end).ok_or(NotJson::Truncated)?;
    let text = str::from_utf8(bytes).map_err(|_| NotJson::NotUtf8)?;
    Ok((Item::Str(text), end))
}

/// The values of a payload in the order they stand there, each with the way past its members.
///
/// It makes the sorting of keys cheap: a tree would take a multiple of the memory, sorting the written text would copy it
/// once per level.
struct Outline<'a> {
    payload: &'a [u8],
    nodes: Vec<Node>,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    /// Where the value's marker is.
    at: usize,
    /// The node behind the value and all its members.
    next: usize,
}

/// A container whose members are being read.
struct Open {
    node: usize,
    /// Values still to come, of a map its keys too.
    left: u64,
    is_map: bool,
}

impl<'a> Outline<'a> {
    /// Reads and validates the first value of the payload.
    fn read(payload: &'a [u8]) -> Result<Self, NotJson> {
        let mut nodes: Vec<Node> = Vec::new();
        let mut open: Vec<Open> = Vec::new();
        let mut at = 0;
        loop {
            let (item, end) = item(payload, at)?;
            let is_key = open
                .last()
                .is_some_and(|innermost| innermost.is_map && innermost.left.is_multiple_of(2));
            if is_key && !matches!(item, Item::Str(_)) {
                return Err(NotJson::KeyNotString);
            }
            let node = nodes.len();
            nodes.push(Node { at, next: node + 1 });
            at = end;
            let (left, is_map) = match item {
                Item::Array(length) => (u64::from(length), false),
                Item::Map(length) => (2 * u64::from(length), true),
                _ => (0, false),
            };
            if matches!(item, Item::Array(_) | Item::Map(_)) && open.len() == MAX_DEPTH {
                return Err(NotJson::TooDeep);
            }
            if left > 0 {
                open.push(Open { node, left, is_map });
                continue;
            }
            // A value is complete, and with it every container that it was the last member of.
            loop {
                let Some(innermost) = open.last_mut() else {
                    return Ok(Self { payload, nodes });
                };
                innermost.left -= 1;
                if innermost.left > 0 {
                    break;
                }
                nodes[innermost.node].next = nodes.len();
                open.pop();
            }
        }
    }

    fn item(&self, node: usize) -> Item<'a> {
        item(self.payload, self.nodes[node].at)
            .expect("the outline holds only values that were read")
            .0
    }

    /// Writes the value of a node. Recursion ends at [`MAX_DEPTH`].
    fn write(&self, node: usize, out: &mut Vec<u8>) {
        match self.item(node) {
            Item::Nil => out.extend_from_slice(b"null"),
            Item::Bool(value) => write_scalar(&value, out),
            Item::Unsigned(value) => write_scalar(&value, out),
            Item::Signed(value) => write_scalar(&value, out),
            Item::Float(value) => write_scalar(&value, out),
            Item::Str(value) => write_scalar(value, out),
            Item::Array(length) => {
                out.push(b'[');
                let mut element = node + 1;
                for index in 0..length {
                    if index > 0 {
                        out.push(b',');
                    }
                    self.write(element, out);
                    element = self.nodes[element].next;
                }
                out.push(b']');
            }
            Item::Map(length) => {
                out.push(b'{');
                for (index, (key, value)) in self.members(node, length).into_iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    write_scalar(key, out);
                    out.push(b':');
                    self.write(value, out);
                }
                out.push(b'}');
            }
        }
    }

    /// The members of a map, sorted by key, of equal keys the last: each key with the node of its value.
    fn members(&self, map: usize, length: u32) -> Vec<(&'a str, usize)> {
        let mut key = map + 1;
        let mut members: Vec<_> = (0..length)
            .map(|_| {
                let Item::Str(name) = self.item(key) else {
                    unreachable!("the outline holds only maps whose keys are strings");
                };
                let value = key + 1;
                key = self.nodes[value].next;
                (name, value)
            })
            .collect();
        // Later nodes first among equal keys, because the first of them is kept.
        members.sort_unstable_by(|(a, a_node), (b, b_node)| a.cmp(b).then(b_node.cmp(a_node)));
        members.dedup_by_key(|(name, _)| *name);
        members
    }
}

/// Writes a value as serde_json prints it, `null` for a number that is not finite.
fn write_scalar<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("a vector takes every write, and scalars serialise");
}

#[cfg(test)]
mod tests;
