//! Which files hold the certificates, and what is in them.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

use crate::config::{ClientAuth, TlsConfig};
use crate::net::tls::{Certificate, ClientRule, Terms, TermsError, tickets};
use crate::server::patience::Late;

/// The most that is read of a file. The largest bundle of authorities in use has a quarter of that.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Why certificates cannot be served. No text shows what is in a file.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("{} cannot be read ({source}); correct the path, or let this user read it", .path.display())]
    File {
        /// Its name.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// What is in a file is of no use.
    #[error("{} cannot be used: {why}", .path.display())]
    Content {
        /// Its name.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// All together are of no use.
    #[error("the certificates cannot be used: {0}")]
    Terms(#[from] TermsError),
    /// They do not answer.
    #[error(transparent)]
    Late(#[from] Late),
    /// There is no thread to watch them.
    #[error("the certificates cannot be watched ({0}); raise the limit of threads")]
    Thread(#[source] io::Error),
}

/// Which files there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CertificateFiles {
    /// Chain and key of each certificate.
    pairs: Vec<(PathBuf, PathBuf)>,
    /// The authorities of client certificates, and whether every client must show one.
    clients: Option<(PathBuf, bool)>,
}

/// What files look like from outside: they are read again when it changes.
pub(super) type Marks = Vec<Option<(i64, i64, u64, u64)>>;

/// What was seen of the files.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) marks: Marks,
    /// What is in them; `None`: they look as they did.
    pub(super) fresh: Option<Result<Terms, CertificateError>>,
}

impl CertificateFiles {
    /// The files that a configuration names. `None`: TLS is off.
    pub(super) fn of(config: &TlsConfig) -> Option<Self> {
        let clients = match config.client_auth {
            ClientAuth::None => None,
            ClientAuth::Optional => Some(false),
            ClientAuth::Require => Some(true),
        };
        config.enabled.then(|| Self {
            pairs: config
                .pairs()
                .map(|(chain, key)| (chain.to_owned(), key.to_owned()))
                .collect(),
            clients: clients.and_then(|required| Some((config.client_ca_cert_path.clone()?, required))),
        })
    }

    /// What they look like now and what is in them, if that is not what they looked `like`. `before`: what was served, whose tickets
    /// stay good if the same clients may come.
    pub(super) fn look(&self, like: Option<&Marks>, before: Option<&Terms>) -> Look {
        let marks = self.marks();
        let fresh = (Some(&marks) != like).then(|| self.read(before));
        Look { marks, fresh }
    }

    /// What they look like now.
    fn marks(&self) -> Marks {
        let pairs = self.pairs.iter().flat_map(|(chain, key)| [chain, key]);
        pairs
            .chain(self.clients.iter().map(|(path, _)| path))
            .map(|path| {
                let seen = fs::metadata(path).ok()?;
                Some((seen.mtime(), seen.mtime_nsec(), seen.ino(), seen.size()))
            })
            .collect()
    }

    fn read(&self, before: Option<&Terms>) -> Result<Terms, CertificateError> {
        let certificates = self.pairs.iter().map(|(chain_path, key_path)| {
            let chain = certificates(chain_path)?;
            let key = private_key(key_path)?;
            Certificate::new(chain, key).map_err(|error| CertificateError::Content {
                path: chain_path.clone(),
                why: format!("with {}: {error}", key_path.display()),
            })
        });
        let certificates = certificates.collect::<Result<Vec<_>, _>>()?;
        let clients = self.clients.as_ref().map(|(path, is_required)| {
            Ok::<_, CertificateError>(ClientRule {
                authorities: self::certificates(path)?,
                is_required: *is_required,
            })
        });
        let clients = clients.transpose()?;
        let kept = before.filter(|terms| terms.admits_like(clients.as_ref()));
        let tickets = match kept {
            Some(terms) => Arc::clone(terms.tickets()),
            None => tickets()?,
        };
        Ok(Terms::new(certificates, clients, tickets)?)
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let text = contents(path)?;
    let content = |why: String| CertificateError::Content {
        path: path.to_owned(),
        why,
    };
    let all = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    let all = all.map_err(|error| content(format!("it is not in PEM ({error})")))?;
    if all.is_empty() {
        return Err(content(
            "there is no certificate in it; give the chain in PEM".to_owned(),
        ));
    }
    Ok(all)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, CertificateError> {
    let text = zeroize::Zeroizing::new(contents(path)?);
    // The library's reason may quote what it found.
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| CertificateError::Content {
        path: path.to_owned(),
        why: "there is no private key in it that can be read; give one in PEM, without a passphrase".to_owned(),
    })
}

fn contents(path: &Path) -> Result<Vec<u8>, CertificateError> {
    let read = || {
        // Asked before it is opened: to open a pipe may wait for ever.
        if !fs::metadata(path)?.is_file() {
            return Err(io::Error::other("it is no file"));
        }
        let mut bytes = Vec::new();
        File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(io::Error::other("it is longer than 1 MiB"));
        }
        Ok(bytes)
    };
    read().map_err(|source| CertificateError::File {
        path: path.to_owned(),
        source,
    })
}
