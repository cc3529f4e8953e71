//! Connect tokens: what a game's own backend signs for a player, so that the player may connect.
//!
//! `sfct_v1.<payload>.<signature>`: both parts in URL-safe base64 without padding, the signature Ed25519 over the text
//! before it. Nothing of a token is kept, so it may be shown again until it expires.

use std::sync::LazyLock;

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, Encoding};
use ed25519_dalek::{PUBLIC_KEY_LENGTH, Signature, VerifyingKey};
use serde::Deserialize;
use thiserror::Error;

use crate::protocol::{AppId, ErrorCode, Reason};

/// The most bytes that a token may have.
pub const MAX_TOKEN_BYTES: usize = 2_048;

/// What every token begins with.
const VERSION: &str = "sfct_v1";

/// The most seconds for which a token may be made out.
const MAX_LIFETIME_SECS: u64 = 300;

/// How far the clock of whoever signs may be ahead of ours, in seconds.
const CLOCK_ALLOWANCE_SECS: u64 = 60;

/// The most bytes that a nonce may have.
const MAX_NONCE_BYTES: usize = 128;

/// What an Ed25519 public key begins with in its standard encoding (SubjectPublicKeyInfo), which PEM files hold.
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// The public key that tokens are checked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenKey(VerifyingKey);

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyFault {
    /// It is not the encoding of a key.
    #[error("must be an Ed25519 public key: 32 bytes in base64, or what `openssl pkey -pubout` writes")]
    NotAKey,
    /// It decodes to something else.
    #[error("must be an Ed25519 public key, which has 32 bytes, and decodes to {0}")]
    Length(usize),
    /// It is what tokens are signed with.
    #[error("must be the public key, and is the private one, which is for the game's backend alone")]
    Private,
    /// It is one of the few keys under which anybody can sign.
    #[error("must not be a weak key: anybody can make signatures that fit it")]
    Weak,
}

/// Why a connect token is not accepted. The client may try again with another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TokenRefusal {
    /// None was shown where one is required.
    #[error(
        "this server requires a connect token for this application; get one from the game's backend and send it as connect_token"
    )]
    Required,
    /// There is no key to check it with.
    #[error("connect token rejected: this server has no key to check it with; leave connect_token out")]
    NoKey,
    /// It is no token, or a part of it is missing or too long.
    #[error("connect token rejected: malformed; send it exactly as the game's backend made it")]
    Malformed,
    /// Somebody else signed it.
    #[error("connect token rejected: the signature does not fit this server's key")]
    Signature,
    /// It is too late.
    #[error("connect token rejected: expired; get a new one from the game's backend")]
    Expired,
    /// It was made out for too long.
    #[error(
        "connect token rejected: it is valid for longer than {MAX_LIFETIME_SECS} seconds and {CLOCK_ALLOWANCE_SECS} seconds of allowance for clocks"
    )]
    TooLongLived,
    /// It was made out for another application.
    #[error("connect token rejected: it was made for another app_id")]
    OtherApp,
}

impl Reason for TokenRefusal {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Required => ErrorCode::ConnectTokenRequired,
            _ => ErrorCode::ConnectTokenInvalid,
        }
    }
}

/// What a token says. Other members are of no concern to us.
#[derive(Deserialize)]
struct Claims {
    app_id: String,
    exp: i64,
    nonce: String,
}

impl TokenKey {
    /// Reads a key: 32 bytes in standard or URL-safe base64, padded or not, or the same in PEM.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, KeyFault> {
        if text.contains("PRIVATE KEY") {
            return Err(KeyFault::Private);
        }
        let bytes = match pem_body(text.trim()) {
            Some(body) => {
                let der = decode_base64(body).ok_or(KeyFault::NotAKey)?;
                der.strip_prefix(&SPKI_PREFIX).ok_or(KeyFault::NotAKey)?.to_vec()
            }
            None if text.contains("-----") => return Err(KeyFault::NotAKey),
            None => decode_base64(text)
                .filter(|bytes| !bytes.is_empty())
                .ok_or(KeyFault::NotAKey)?,
        };
        let length = bytes.len();
        let bytes: [u8; PUBLIC_KEY_LENGTH] = bytes.try_into().map_err(|_| KeyFault::Length(length))?;
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| KeyFault::NotAKey)?;
        if key.is_weak() {
            Err(KeyFault::Weak)
        } else {
            Ok(Self(key))
        }
    }

    /// Checks a token that was shown for an application.
    ///
    /// # Errors
    ///
    /// The first check that it fails. What it says is not looked at before its signature.
    pub fn check(&self, token: &str, app: &AppId, now_unix_secs: u64) -> Result<(), TokenRefusal> {
        let (signed, payload, signature) = take_apart(token).ok_or(TokenRefusal::Malformed)?;
        self.0
            .verify_strict(signed.as_bytes(), &signature)
            .map_err(|_| TokenRefusal::Signature)?;
        let claims: Claims = serde_json::from_slice(&payload).map_err(|_| TokenRefusal::Malformed)?;
        if !(1..=MAX_NONCE_BYTES).contains(&claims.nonce.len()) {
            return Err(TokenRefusal::Malformed);
        }
        let left_secs = u64::try_from(claims.exp).unwrap_or(0).saturating_sub(now_unix_secs);
        if left_secs == 0 {
            return Err(TokenRefusal::Expired);
        }
        if left_secs > MAX_LIFETIME_SECS + CLOCK_ALLOWANCE_SECS {
            return Err(TokenRefusal::TooLongLived);
        }
        if claims.app_id != app.as_str() {
            return Err(TokenRefusal::OtherApp);
        }
        Ok(())
    }
}

/// What is signed, the payload, and the signature.
fn take_apart(token: &str) -> Option<(&str, Vec<u8>, Signature)> {
    if token.len() > MAX_TOKEN_BYTES {
        return None;
    }
    let (signed, signature) = token.rsplit_once('.')?;
    let (version, payload) = signed.split_once('.')?;
    if version != VERSION {
        return None;
    }
    let payload = BASE64URL_NOPAD.decode(payload.as_bytes()).ok()?;
    let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).ok()?;
    Some((signed, payload, Signature::from_slice(&signature).ok()?))
}

/// Decodes base64 of either alphabet however it is padded, broken into lines, or ended: what counts is what comes of it.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=');
    let digits: Vec<u8> = digits
        .map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            other => other,
        })
        .collect();
    LOOSE_BASE64.decode(&digits).ok()
}

/// Base64 without padding whose last digit may have bits that mean nothing.
static LOOSE_BASE64: LazyLock<Encoding> = LazyLock::new(|| {
    let mut specification = BASE64_NOPAD.specification();
    specification.check_trailing_bits = false;
    specification.encoding().expect("less is checked than by the standard")
});

/// The base64 of a PEM text.
fn pem_body(text: &str) -> Option<&str> {
    text.strip_prefix("-----BEGIN PUBLIC KEY-----")?
        .strip_suffix("-----END PUBLIC KEY-----")
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64;
    use ed25519_dalek::{Signer, SigningKey};

    use super::*;

    const KEY: &str = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=";
    const TOKEN: &str = "sfct_v1.eyJhcHBfaWQiOiJzdHVkaW8tdCIsImV4cCI6MTgwMDAwMDAwMCwibm9uY2UiOiJuLTEifQ.Paw8BxQS_ysGsiLHf5WQ5WFfO-JknNH4eiM5CeVOOn2gPjudBvyCZR2pFzFk86QBoCpxY5oRA2NkNoRUZTaBDA";
    const EXPIRY: u64 = 1_800_000_000;

    fn signing_key() -> SigningKey {
        SigningKey::from_bytes(&std::array::from_fn(|index| index as u8))
    }

    /// A well-signed token with this payload.
    fn signed(payload: &str) -> String {
        let signed = format!("sfct_v1.{}", BASE64URL_NOPAD.encode(payload.as_bytes()));
        let signature = signing_key().sign(signed.as_bytes()).to_bytes();
        format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature))
    }

    fn check_at(token: &str, now_unix_secs: u64) -> Result<(), TokenRefusal> {
        let key = TokenKey::parse(KEY).expect("a key");
        key.check(token, &AppId::new("studio-t"), now_unix_secs)
    }

    fn check(token: &str) -> Result<(), TokenRefusal> {
        check_at(token, EXPIRY - 10)
    }

    #[test]
    fn the_protocols_own_token_is_accepted_again_and_again() {
        assert_eq!(signed(r#"{"app_id":"studio-t","exp":1800000000,"nonce":"n-1"}"#), TOKEN);
        assert_eq!(check(TOKEN), Ok(()));
        assert_eq!(check(TOKEN), Ok(()));
        let more = signed(r#"{"player":{"id":1},"app_id":"studio-t","exp":1800000000,"nonce":"n"}"#);
        assert_eq!(check(&more), Ok(()), "other members are ignored");
    }

    #[test]
    fn a_token_lives_until_its_last_second_and_never_longer_than_six_minutes() {
        for (now_unix_secs, outcome) in [
            (EXPIRY + 1, Err(TokenRefusal::Expired)),
            (EXPIRY, Err(TokenRefusal::Expired)),
            (EXPIRY - 1, Ok(())),
            (EXPIRY - 360, Ok(())),
            (EXPIRY - 361, Err(TokenRefusal::TooLongLived)),
        ] {
            assert_eq!(check_at(TOKEN, now_unix_secs), outcome, "{now_unix_secs}");
        }
        for exp in ["-1", "0"] {
            let token = signed(&format!(r#"{{"app_id":"studio-t","exp":{exp},"nonce":"n"}}"#));
            assert_eq!(check(&token), Err(TokenRefusal::Expired), "{exp}");
        }
    }

    #[test]
    fn what_is_no_token_is_malformed() {
        let (signed_part, signature) = TOKEN.rsplit_once('.').expect("three parts");
        let payloads = [
            r#"{"app_id":"studio-t","exp":1800000000,"nonce":""}"#.to_owned(),
            format!(
                r#"{{"app_id":"studio-t","exp":1800000000,"nonce":"{}"}}"#,
                "n".repeat(129)
            ),
            r#"{"app_id":"studio-t","exp":1800000000}"#.to_owned(),
            r#"{"app_id":"studio-t","exp":1800000000.5,"nonce":"n"}"#.to_owned(),
            r#"{"app_id":"studio-t","exp":"1800000000","nonce":"n"}"#.to_owned(),
            r#"{"app_id":"studio-t","app_id":"studio-t","exp":1800000000,"nonce":"n"}"#.to_owned(),
            r#"{"app_id":7,"exp":1800000000,"nonce":"n"}"#.to_owned(),
            r#"{"exp":1800000000,"nonce":"n"}"#.to_owned(),
            "[]".to_owned(),
            "{".to_owned(),
            String::new(),
        ];
        let shapes = [
            "hello".to_owned(),
            String::new(),
            "..".to_owned(),
            TOKEN.replace("sfct_v1", "sfct_v2"),
            TOKEN.replace("sfct_v1", "SFCT_V1"),
            format!("{TOKEN}=="),
            format!(" {TOKEN}"),
            format!("{TOKEN}."),
            signed_part.to_owned(),
            format!("{signed_part}.{}", &signature[..80]),
            format!("{signed_part}.AA.{signature}"),
            signed(&format!(
                r#"{{"app_id":"studio-t","exp":1800000000,"nonce":"n","x":"{}"}}"#,
                "y".repeat(1_500)
            )),
        ];
        for token in payloads.iter().map(|payload| signed(payload)).chain(shapes) {
            assert_eq!(check(&token), Err(TokenRefusal::Malformed), "{token}");
        }
    }

    #[test]
    fn a_signature_is_looked_at_before_what_it_signs() {
        let payload = BASE64URL_NOPAD.encode(br#"{"app_id":"other","exp":1}"#);
        let (_, signature) = TOKEN.rsplit_once('.').expect("three parts");
        let forged = format!("sfct_v1.{payload}.{signature}");
        assert_eq!(check(&forged), Err(TokenRefusal::Signature));
        let zeros = format!("sfct_v1.{payload}.{}", BASE64URL_NOPAD.encode(&[0; 64]));
        assert_eq!(check(&zeros), Err(TokenRefusal::Signature));
    }

    #[test]
    fn a_token_opens_one_application() {
        let other = signed(r#"{"app_id":"studio-a","exp":1800000000,"nonce":"n"}"#);
        assert_eq!(check(&other), Err(TokenRefusal::OtherApp));
        let stale = signed(r#"{"app_id":"studio-a","exp":1,"nonce":"n"}"#);
        assert_eq!(check(&stale), Err(TokenRefusal::Expired), "time comes before the name");
    }

    #[test]
    fn every_form_of_a_key_is_read() {
        let key = TokenKey::parse(KEY).expect("padded");
        let url_safe = KEY.replace('+', "-").replace('/', "_");
        let der = [&SPKI_PREFIX[..], signing_key().verifying_key().as_bytes()].concat();
        let pem = format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            BASE64.encode(&der)
        );
        let (first, second) = KEY.split_at(20);
        let in_lines = format!("{first}\r\n  {second}=");
        // The last digit has two bits that mean nothing.
        let stray = format!("{}h", KEY.trim_end_matches("g="));
        for form in [
            KEY.trim_end_matches('='),
            &url_safe,
            &format!("{KEY}\n"),
            &pem,
            &in_lines,
            &stray,
        ] {
            assert_eq!(TokenKey::parse(form), Ok(key.clone()), "{form}");
        }
    }

    #[test]
    fn what_is_no_key_and_what_is_a_weak_one_is_refused() {
        let short = BASE64.encode(&[7; 31]);
        for text in [
            "",
            "k",
            "key of mine!",
            &KEY.replace('/', "!"),
            "-----BEGIN PUBLIC KEY-----",
        ] {
            assert_eq!(TokenKey::parse(text), Err(KeyFault::NotAKey), "{text}");
        }
        for (text, length) in [(&*short, 31), (&format!("{KEY}{KEY}"), 64), ("key", 2)] {
            assert_eq!(TokenKey::parse(text), Err(KeyFault::Length(length)), "{text}");
        }
        let private = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----";
        assert_eq!(TokenKey::parse(private), Err(KeyFault::Private));
        // The neutral element: any signature of a certain form fits it.
        let mut neutral = [0; 32];
        neutral[0] = 1;
        assert_eq!(TokenKey::parse(&BASE64.encode(&neutral)), Err(KeyFault::Weak));
        assert_eq!(TokenKey::parse(&BASE64.encode(&[0; 32])), Err(KeyFault::Weak));
    }
}
