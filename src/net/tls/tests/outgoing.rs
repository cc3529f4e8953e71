//! Our records against those of the library's own record layer, with the same keys: the same bytes. And what is done when a key
//! is used up.

use rustls::crypto::cipher::{MessageEncrypter, OutboundChunks, OutboundPlainMessage};
use rustls::{ConnectionTrafficSecrets, ContentType, ProtocolVersion, SupportedCipherSuite};

use super::super::half::{Content, Half, Version};
use super::records::{pair, suites};

fn version_of(suite: SupportedCipherSuite) -> Version {
    match suite {
        SupportedCipherSuite::Tls12(_) => Version::V1_2,
        SupportedCipherSuite::Tls13(_) => Version::V1_3,
    }
}

/// Whether a key is used up some day.
fn is_aes(suite: SupportedCipherSuite) -> bool {
    format!("{:?}", suite.suite()).contains("AES")
}

fn of_the_library(secrets: ConnectionTrafficSecrets, suite: SupportedCipherSuite) -> Box<dyn MessageEncrypter> {
    let (key, iv) = match secrets {
        ConnectionTrafficSecrets::Aes128Gcm { key, iv }
        | ConnectionTrafficSecrets::Aes256Gcm { key, iv }
        | ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (key, iv),
        _ => panic!("a cipher that is not offered"),
    };
    match suite {
        SupportedCipherSuite::Tls13(suite) => suite.aead_alg.encrypter(key, iv),
        SupportedCipherSuite::Tls12(suite) => {
            let shape = suite.aead_alg.key_block_shape();
            let (fixed, explicit) = iv.as_ref().split_at(shape.fixed_iv_len);
            suite.aead_alg.encrypter(key, fixed, explicit)
        }
    }
}

#[test]
fn every_record_has_the_bytes_that_the_library_would_write() {
    for suite in suites() {
        let (client, _) = pair(Some(suite));
        let version = version_of(suite);
        let (secrets, _) = client.tls.dangerous_into_kernel_connection().expect("it is over");
        let (next, secrets) = secrets.tx;
        let tx = (next, secrets);
        let mut ours = Half::new(version, &tx).expect("a cipher that is offered");
        let mut theirs = of_the_library(tx.1, suite);
        for (count, bytes) in [0, 1, 17, 1_000, 16_384].into_iter().enumerate() {
            let plain = vec![count as u8; bytes];
            let message = OutboundPlainMessage {
                typ: ContentType::ApplicationData,
                version: ProtocolVersion::TLSv1_2,
                payload: OutboundChunks::Single(&plain),
            };
            let expected = theirs.encrypt(message, next + count as u64).expect("sealed").encode();
            let mut sealed = Vec::new();
            ours.seal(Content::Data, &plain, &mut sealed);
            assert!(sealed == expected, "{suite:?}, {bytes} bytes");
        }
    }
}

#[test]
fn a_key_that_is_used_up_is_renewed_or_the_connection_ends() {
    for (version, is_renewed) in [(Version::V1_3, true), (Version::V1_2, false)] {
        let suite = suites()
            .into_iter()
            .find(|suite| version_of(*suite) == version && is_aes(*suite));
        let (client, mut records) = pair(suite);
        let (secrets, mut renewal) = client.tls.dangerous_into_kernel_connection().expect("it is over");
        let mut opening = Half::new(version, &secrets.rx).expect("a cipher that is offered");
        records.skip_to_the_last_record();
        opening.skip_to_the_last();
        let mut last = Vec::new();
        records.seal(b"last", &mut last).expect("one more");
        let (content, range) = opening.open(&mut last).expect("authentic");
        assert_eq!((content, &last[range]), (Content::Data, &b"last"[..]));
        let mut out = Vec::new();
        let sealed = records.seal(b"more", &mut out);
        assert_eq!(sealed.is_ok(), is_renewed, "{version:?}");
        if is_renewed {
            let first_bytes = 5 + usize::from(u16::from_be_bytes([out[3], out[4]]));
            let (notice, record) = out.split_at_mut(first_bytes);
            let (content, range) = opening.open(notice).expect("with the old key");
            assert_eq!((content, &notice[range]), (Content::Handshake, &[24, 0, 0, 1, 0][..]));
            let fresh = renewal.update_rx_secret().expect("version 1.3");
            let (content, range) = Half::new(version, &fresh)
                .expect("the same cipher")
                .open(record)
                .expect("with the new key");
            assert_eq!((content, &record[range]), (Content::Data, &b"more"[..]));
        }
    }
}
