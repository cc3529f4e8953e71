//! The envelope of a bound binary frame: a MessagePack map of the proof and the payload, each once and nothing else.

use rmp::decode::{read_bin_len, read_int, read_map_len, read_nil, read_str_from_slice};

use super::proof::Proof;
use super::scheme::PROOF_MEMBER;

/// Takes an envelope apart: the proof, `None` inside if its form is wrong, and the payload. `None`: it is no envelope.
pub(super) fn open(frame: &[u8]) -> Option<(Option<Proof<'_>>, &[u8])> {
    let mut rest = frame;
    if read_map_len(&mut rest).ok()? != 2 {
        return None;
    }
    let (mut proof, mut payload) = (None, None);
    for _ in 0..2 {
        match take_str(&mut rest)? {
            PROOF_MEMBER if proof.is_none() => proof = Some(take_proof(&mut rest)?),
            "payload" if payload.is_none() => payload = Some(take_bin(&mut rest)?),
            _ => return None,
        }
    }
    rest.is_empty().then_some((proof?, payload?))
}

/// A map of a proof's members. `None`: it is none, so that nobody knows where it ends.
fn take_proof<'a>(rest: &mut &'a [u8]) -> Option<Option<Proof<'a>>> {
    let (mut version, mut scheme, mut sequence, mut signature) = (None, None, None, None);
    let mut fingerprint: Option<Option<&str>> = None;
    for _ in 0..read_map_len(rest).ok()? {
        match take_str(rest)? {
            "version" if version.is_none() => version = Some(read_int::<i64, _>(rest).ok()?),
            "scheme" if scheme.is_none() => scheme = Some(take_str(rest)?),
            "sequence" if sequence.is_none() => sequence = Some(read_int::<u64, _>(rest).ok()?),
            "signature" if signature.is_none() => signature = Some(take_str(rest)?),
            "fingerprint" if fingerprint.is_none() => fingerprint = Some(take_str_or_nil(rest)?),
            _ => return None,
        }
    }
    let members = || Some((version?, scheme?, sequence?, signature?));
    Some(members().and_then(|(version, scheme, sequence, signature)| {
        Proof::new(version, scheme, sequence, signature, fingerprint.flatten())
    }))
}

fn take_str<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let (text, after) = read_str_from_slice(*rest).ok()?;
    *rest = after;
    Some(text)
}

fn take_str_or_nil<'a>(rest: &mut &'a [u8]) -> Option<Option<&'a str>> {
    let mut ahead = *rest;
    if read_nil(&mut ahead).is_ok() {
        *rest = ahead;
        return Some(None);
    }
    take_str(rest).map(Some)
}

fn take_bin<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let bytes = read_bin_len(rest).ok()? as usize;
    let (bin, after) = rest.split_at_checked(bytes)?;
    *rest = after;
    Some(bin)
}
