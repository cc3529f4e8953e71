//! Our records against those of the library's own record layer, with the same keys: the same bytes. And what is done when a key
//! is used up.

use rustls::crypto::cipher::{MessageEncrypter, OutboundChunks, OutboundPlainMessage};
use rustls::{ConnectionTrafficSecrets, ContentType, ExtractedSecrets, ProtocolVersion, SupportedCipherSuite};

use super::super::half::{Content, Half, Version};
use super::{Authority, Client, ClientSetup, V1_2, V1_3, secured, terms};

/// The secrets of a client's end, and its suite.
fn secrets(version: Version) -> (ExtractedSecrets, SupportedCipherSuite) {
    let authority = Authority::new();
    let setup = ClientSetup {
        versions: match version {
            Version::V1_2 => &V1_2,
            Version::V1_3 => &V1_3,
        },
        ..ClientSetup::default()
    };
    let terms = terms(&authority, None);
    let mut client = Client::new(&setup.config(&authority).into());
    secured(&terms, &mut client);
    let suite = client.tls.negotiated_cipher_suite().expect("agreed");
    let (secrets, _) = client.tls.dangerous_into_kernel_connection().expect("it is over");
    (secrets, suite)
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
    for version in [Version::V1_2, Version::V1_3] {
        let (
            ExtractedSecrets {
                tx: (next, secrets), ..
            },
            suite,
        ) = secrets(version);
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
            assert!(sealed == expected, "{version:?}, {bytes} bytes");
        }
    }
}

#[test]
fn a_key_that_is_used_up_is_renewed_or_the_connection_ends() {
    for (version, is_renewed) in [(Version::V1_3, true), (Version::V1_2, false)] {
        let authority = Authority::new();
        let setup = ClientSetup {
            versions: match version {
                Version::V1_2 => &V1_2,
                Version::V1_3 => &V1_3,
            },
            ..ClientSetup::default()
        };
        let terms = terms(&authority, None);
        let mut client = Client::new(&setup.config(&authority).into());
        let mut records = secured(&terms, &mut client).records;
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
