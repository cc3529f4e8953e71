//! A certificate authority of one test, and files with what it has signed.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::scratch::Scratch;

/// Signs certificates; its own is in a file.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    name: String,
    pub(crate) file: Scratch,
}

/// A certificate and its key, in files.
pub(crate) struct Identity {
    pub(crate) certificate: Scratch,
    pub(crate) key: Scratch,
}

impl Authority {
    /// `name` tells its files from those of other tests.
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        let file = Scratch::with(&format!("{name}-ca.pem"), &issuer.pem());
        Self {
            issuer,
            name: name.to_owned(),
            file,
        }
    }

    /// Somebody who may call himself by these names.
    pub(crate) fn sign(&self, names: &[&str]) -> Identity {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let file = |kind: &str| format!("{}-{}-{kind}.pem", self.name, names[0]);
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(names.clone()).expect("names");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Identity {
            certificate: Scratch::with(&file("certificate"), &certificate.pem()),
            key: Scratch::with(&file("key"), &key.serialize_pem()),
        }
    }
}
