//! Whom TLS trusts, what a server's certificate says, and why a handshake failed, in words. Knows nothing of requests.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use domain::time::Timestamp;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};
use x509_cert::Certificate as X509;
use x509_cert::der::Decode;

/// The certificate that the server has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// None: the connection has no TLS.
    Absent,
    /// One that is valid until then (`notAfter`, RFC 5280 §4.1.2.5).
    ValidUntil(Timestamp),
    /// One whose end could not be read, and why.
    Unreadable(String),
}

impl Certificate {
    pub(crate) fn of(extensions: &http::Extensions) -> Self {
        match extensions.get::<reqwest::tls::TlsInfo>() {
            None => Certificate::Absent,
            Some(info) => match info.peer_certificate().map(X509::from_der) {
                Some(Ok(certificate)) => {
                    let end = certificate.tbs_certificate().validity().not_after.to_unix_duration();
                    Certificate::ValidUntil(Timestamp(0).plus(end))
                }
                Some(Err(error)) => Certificate::Unreadable(error.to_string()),
                None => Certificate::Unreadable("the server has shown none".to_owned()),
            },
        }
    }
}

/// The authorities that sign for servers: the bundled public ones and those of a file.
#[derive(Debug)]
pub(crate) struct Authorities {
    pub(crate) roots: Arc<RootCertStore>,
    /// Why the file adds nothing. It is told where it matters, at a certificate that nobody trusted has signed: a hook that could not
    /// connect to AWS for the sake of a file that it does not need there would be silent.
    pub(crate) problem: Option<String>,
}

impl Authorities {
    /// The bundled ones, and those in the PEM file at `path`.
    pub(crate) fn read(path: Option<&str>) -> Self {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let problem = path.and_then(|path| {
            let why = add(&mut roots, path).err()?;
            Some(format!("the authorities in `{path}` (`SSL_CERT_FILE`) could not be read: {why}"))
        });
        Self { roots: Arc::new(roots), problem }
    }

    /// TLS that trusts them. `alpn` names the application protocol that is asked for; without it the server speaks HTTP/1.1.
    pub(crate) fn tls(&self, alpn: Option<&[u8]>) -> Result<ClientConfig, rustls::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(Arc::clone(&self.roots))
            .with_no_client_auth();
        tls.alpn_protocols = alpn.into_iter().map(<[u8]>::to_vec).collect();
        Ok(tls)
    }

    /// Why the handshake failed, when the innermost cause of `error` is one of TLS.
    pub(crate) fn why(&self, error: &(dyn Error + 'static)) -> Option<String> {
        let error = tls_error(error)?;
        let why = spoken(error);
        let nobody = matches!(error, rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer));
        Some(match self.problem.as_ref().filter(|_| nobody) {
            Some(problem) => format!("{why}; {problem}"),
            None if nobody => format!("{why}; `SSL_CERT_FILE` can name a file with the certificate of a private one"),
            None => why,
        })
    }
}

fn add(roots: &mut RootCertStore, path: &str) -> Result<(), String> {
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| pem_problem(&error))?;
    let mut added = 0;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| pem_problem(&error))?;
        roots.add(certificate).map_err(|error| error.to_string())?;
        added += 1;
    }
    if added == 0 { Err("there is no certificate in it (`-----BEGIN CERTIFICATE-----`)".to_owned()) } else { Ok(()) }
}

fn pem_problem(error: &rustls::pki_types::pem::Error) -> String {
    match error {
        rustls::pki_types::pem::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}

/// The error of rustls somewhere below. What an [`std::io::Error`] holds is not its source but itself, so it is looked at by hand.
fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        let held = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        cause = match held {
            Some(held) => Some(held),
            None => error.source(),
        };
    }
    None
}

fn spoken(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(refused) => spoken_refusal(refused),
        rustls::Error::InvalidMessage(_) => {
            "what answers there does not speak TLS; is it meant to be `http://`?".to_owned()
        }
        rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol) => {
            "the server does not speak HTTP/2 over TLS".to_owned()
        }
        rustls::Error::AlertReceived(alert) => format!("the server ended the TLS handshake ({alert:?})"),
        other => format!("the TLS handshake failed: {other}"),
    }
}

fn spoken_refusal(refused: &CertificateError) -> String {
    let on = |time: &UnixTime| Timestamp(0).plus(Duration::from_secs(time.as_secs())).day_and_time();
    match refused {
        CertificateError::Expired => "the server's certificate has expired".to_owned(),
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("the server's certificate expired on {}", on(not_after))
        }
        CertificateError::NotValidYet => "the server's certificate is not valid yet".to_owned(),
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("the server's certificate is not valid before {}", on(not_before))
        }
        CertificateError::NotValidForName => "the server's certificate is for another host".to_owned(),
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names: Vec<String> = presented.iter().map(|name| format!("`{}`", bare(name))).collect();
            let names = if names.is_empty() { "no host at all".to_owned() } else { names.join(", ") };
            format!("the server's certificate is for {names}, not for `{}`", expected.to_str())
        }
        CertificateError::UnknownIssuer => "nobody that is trusted has signed the server's certificate".to_owned(),
        CertificateError::Revoked => "the server's certificate has been revoked".to_owned(),
        CertificateError::BadSignature => "the signature of the server's certificate is wrong".to_owned(),
        // An authority's own certificate in a server's place: what `openssl req -x509` makes.
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            "the server's certificate is that of an authority (self-signed, as for a test), not of a server".to_owned()
        }
        other => format!("the server's certificate is refused: {other}"),
    }
}

/// A name as the certificate has it: rustls shows it as `DnsName("example.com")` or `IpAddress(127.0.0.1)`.
fn bare(name: &str) -> &str {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
    inner.trim_matches('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_authorities_that_adds_nothing_says_why_and_leaves_the_public_ones() {
        let folder = std::env::temp_dir().join(format!("greenlight-authorities-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (empty, broken) = (folder.join("empty.pem"), folder.join("broken.pem"));
        std::fs::write(&empty, "nothing\n").unwrap();
        std::fs::write(&broken, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        let of = |path: &std::path::Path| Authorities::read(path.to_str());
        let cases = [(folder.join("none.pem"), "No such file"), (empty, "there is no certificate in it"), (broken, "")];
        for (path, expected) in cases {
            let authorities = of(&path);
            let problem = authorities.problem.unwrap();
            assert!(problem.contains("`SSL_CERT_FILE`") && problem.contains(expected), "{problem}");
            assert_eq!(authorities.roots.roots.len(), webpki_roots::TLS_SERVER_ROOTS.len());
        }
        assert_eq!(Authorities::read(None).problem, None);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn names_are_told_as_the_certificate_has_them() {
        let expected = rustls::pki_types::ServerName::try_from("chat.example.com").unwrap();
        let presented = vec!["DnsName(\"*.other.example\")".to_owned(), "IpAddress(127.0.0.1)".to_owned()];
        assert_eq!(
            spoken_refusal(&CertificateError::NotValidForNameContext { expected, presented }),
            "the server's certificate is for `*.other.example`, `127.0.0.1`, not for `chat.example.com`"
        );
    }
}
