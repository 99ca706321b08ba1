//! [`TlsFiles`]: the PEM files of `[redis.tls]`, read at the start.

use std::fs::File;
use std::io::Read;

use redis::{ClientTlsConfig, TlsCertificates};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::model::Invalid;

/// No file of certificates is larger, in bytes. A wrong path (`/dev/zero`) must not fill the memory.
const MAX_FILE: u64 = 1024 * 1024;

/// Paths of PEM files; an empty one is none.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TlsFiles {
    /// The CAs to trust, instead of the system's roots.
    pub(crate) ca: String,
    /// The client certificate; only together with `key`.
    pub(crate) cert: String,
    pub(crate) key: String,
}

/// Whether connections are encrypted, and with which certificates.
#[derive(Clone)]
pub(crate) enum Tls {
    Off,
    On(TlsCertificates),
}

impl Tls {
    /// `wanted` is what the URL's scheme says.
    ///
    /// Fails with the key and path of a file that cannot be read or used, and if files are named without TLS.
    pub(crate) fn new(wanted: bool, files: &TlsFiles) -> Result<Self, Invalid> {
        if !wanted {
            return refuse_files(files);
        }
        // The crate uses the process's provider, which is undecided if several features are compiled in.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let root_cert = match files.ca.as_str() {
            "" => None,
            path => Some(read("tls.ca", path)?),
        };
        let roots = match &root_cert {
            Some(pem) => roots(pem, &files.ca)?,
            None => RootCertStore::empty(),
        };
        Ok(Self::On(TlsCertificates { client_tls: identity(files, roots)?, root_cert }))
    }
}

fn refuse_files(files: &TlsFiles) -> Result<Tls, Invalid> {
    for (key, path) in [("tls.ca", &files.ca), ("tls.cert", &files.cert), ("tls.key", &files.key)] {
        if !path.is_empty() {
            let expected = "nothing, since redis.url has no TLS: these files go with rediss://, rediss+sentinel:// \
                            and rediss+cluster://";
            return Err(Invalid::new(key, path, expected));
        }
    }
    Ok(Tls::Off)
}

fn roots(pem: &[u8], path: &str) -> Result<RootCertStore, Invalid> {
    let mut roots = RootCertStore::empty();
    for certificate in chain("tls.ca", pem, path)? {
        roots.add(certificate).map_err(|error| unusable("tls.ca", path, "certificates", &error))?;
    }
    Ok(roots)
}

/// Builds what rustls will use, so that a key that does not belong to the certificate fails the start.
fn identity(files: &TlsFiles, roots: RootCertStore) -> Result<Option<ClientTlsConfig>, Invalid> {
    match (files.cert.as_str(), files.key.as_str()) {
        ("", "") => return Ok(None),
        (_, "") => return Err(Invalid::new("tls.key", "", "the key of tls.cert")),
        ("", _) => return Err(Invalid::new("tls.cert", "", "the certificate of tls.key")),
        (_, _) => {}
    }
    let client_cert = read("tls.cert", &files.cert)?;
    let client_key = read("tls.key", &files.key)?;
    let chain = chain("tls.cert", &client_cert, &files.cert)?;
    let key = PrivateKeyDer::from_pem_slice(&client_key)
        .map_err(|error| unusable("tls.key", &files.key, "a private key", &error))?;
    rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .map_err(|error| unusable("tls.key", &files.key, "the private key of tls.cert", &error))?;
    Ok(Some(ClientTlsConfig { client_cert, client_key }))
}

fn chain(key: &'static str, pem: &[u8], path: &str) -> Result<Vec<CertificateDer<'static>>, Invalid> {
    let chain = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unusable(key, path, "certificates", &error))?;
    match chain.is_empty() {
        true => Err(unusable(key, path, "certificates", &"it holds none")),
        false => Ok(chain),
    }
}

fn read(key: &'static str, path: &str) -> Result<Vec<u8>, Invalid> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_FILE).read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(bytes),
        Err(error) => Err(Invalid::new(key, path, format!("a file that can be read ({error})"))),
    }
}

fn unusable(key: &'static str, path: &str, what: &str, error: &dyn std::fmt::Display) -> Invalid {
    Invalid::new(key, path, format!("a PEM file with {what} ({error})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(ca: &str, cert: &str, key: &str) -> TlsFiles {
        TlsFiles { ca: ca.to_owned(), cert: cert.to_owned(), key: key.to_owned() }
    }

    #[track_caller]
    fn assert_refused(wanted: bool, files: &TlsFiles, key: &str, said: &str) {
        let error = Tls::new(wanted, files).err().expect("it was taken");
        assert_eq!(error.key, key, "{error}");
        assert!(error.expected.contains(said), "{error}");
    }

    #[test]
    fn files_are_read_and_each_wrong_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name).to_str().unwrap().to_owned();
            std::fs::write(&path, text).unwrap();
            path
        };
        let made = rcgen::generate_simple_self_signed(["a".to_owned()]).unwrap();
        let other = rcgen::generate_simple_self_signed(["b".to_owned()]).unwrap();
        let cert = write("cert", &made.cert.pem());
        let key = write("key", &made.signing_key.serialize_pem());
        let foreign_key = write("foreign", &other.signing_key.serialize_pem());
        let junk = write("junk", "-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n");

        assert!(
            matches!(Tls::new(true, &files(&cert, &cert, &key)), Ok(Tls::On(on)) if on.client_tls.is_some())
        );
        assert!(matches!(Tls::new(true, &files("", "", "")), Ok(Tls::On(on)) if on.root_cert.is_none()));
        assert!(matches!(Tls::new(false, &files("", "", "")), Ok(Tls::Off)));

        assert_refused(true, &files("/nowhere.pem", "", ""), "tls.ca", "can be read");
        assert_refused(true, &files(&key, "", ""), "tls.ca", "it holds none");
        assert_refused(true, &files(&junk, "", ""), "tls.ca", "certificates");
        assert_refused(true, &files("", &cert, ""), "tls.key", "the key of tls.cert");
        assert_refused(true, &files("", "", &key), "tls.cert", "the certificate of tls.key");
        assert_refused(true, &files("", &cert, &cert), "tls.key", "a private key");
        assert_refused(true, &files("", &cert, &foreign_key), "tls.key", "the private key of tls.cert");
        assert_refused(false, &files(&cert, "", ""), "tls.ca", "rediss://");
        assert_refused(false, &files("", "", &key), "tls.key", "rediss://");
    }
}
