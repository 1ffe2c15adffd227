//! Bodies signed by `celery.security` (the serializer `auth`): RSA-PSS over SHA-256 with the longest salt, by a
//! certificate of the store.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rsa::pss::{Signature, VerifyingKey};
use rsa::sha2::Sha256;
use rsa::signature::Verifier as _;
use rsa::traits::PublicKeyParts as _;
use rsa::{BigUint, RsaPublicKey};
use x509_cert::Certificate;
use x509_cert::der::{DecodePem as _, Encode as _};

/// What stands between the five fields.
const BETWEEN: &[u8] = b"\x00\x01";

/// The certificates whose signatures are believed, by issuer and serial number as Celery names them.
pub(crate) struct CertStore {
    known: HashMap<String, Known>,
}

struct Known {
    key: RsaPublicKey,
    /// When it runs out.
    until: SystemTime,
}

/// A signed body, once its signature was found good.
pub(crate) struct Verified {
    pub(crate) content_type: String,
    pub(crate) body: Vec<u8>,
}

impl CertStore {
    /// Reads the certificates of a folder, of one file, or of a folder's files that a pattern covers.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let mut known = HashMap::new();
        for file in files(path)? {
            let wrong =
                |why: &dyn std::fmt::Display| format!("the certificate {} cannot be used: {why}", file.display());
            let pem = std::fs::read(&file).map_err(|error| wrong(&error))?;
            let certificate = Certificate::from_pem(&pem).map_err(|error| wrong(&error))?;
            let (id, one) = certificate_of(&certificate).map_err(|error| wrong(&error))?;
            known.insert(id, one);
        }
        if known.is_empty() {
            return Err(format!("security_cert_store {} holds no certificate", path.display()));
        }
        Ok(Self { known })
    }

    /// Takes a signed body apart, if its signature is good.
    pub(crate) fn open(&self, signed: &[u8], now: SystemTime) -> Result<Verified, String> {
        let odd = || "it is not signed as celery.security signs".to_owned();
        let decode = |bytes: &[u8]| STANDARD.decode(bytes.trim_ascii()).map_err(|_| odd());
        let fields = decode(signed)?;
        let mut left = fields.as_slice();
        let mut field = || {
            let end = left.windows(BETWEEN.len()).position(|bytes| bytes == BETWEEN).ok_or_else(odd)?;
            let (field, rest) = (&left[..end], &left[end + BETWEEN.len()..]);
            left = rest;
            Ok::<_, String>(field)
        };
        let (signer, signature) = (decode(field()?)?, decode(field()?)?);
        let (content_type, _encoding) = (field()?, field()?);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| odd());
        let (signer, content_type) = (text(&signer)?, text(content_type)?);
        let known = self
            .known
            .get(&signer)
            .ok_or_else(|| format!("it is signed by {signer:?}, whose certificate is not in security_cert_store"))?;
        if known.until <= now {
            return Err(format!("it is signed by {signer:?}, whose certificate has expired"));
        }
        let bad = || format!("its signature by {signer:?} is not good: it was changed, or signed by another");
        let signature = Signature::try_from(signature.as_slice()).map_err(|_| bad())?;
        let verifier = VerifyingKey::<Sha256>::new_with_salt_len(known.key.clone(), longest_salt(&known.key));
        verifier.verify(left, &signature).map_err(|_| bad())?;
        Ok(Verified { content_type, body: left.to_vec() })
    }
}

/// What is left of the signature beside the digest and two bytes.
fn longest_salt(key: &RsaPublicKey) -> usize {
    (key.n().bits() - 1).div_ceil(8).saturating_sub(32 + 2)
}

fn certificate_of(certificate: &Certificate) -> Result<(String, Known), String> {
    let told = &certificate.tbs_certificate;
    let key = told.subject_public_key_info.to_der().map_err(|error| error.to_string())?;
    let key = <RsaPublicKey as rsa::pkcs8::DecodePublicKey>::from_public_key_der(&key)
        .map_err(|_| "only certificates with RSA keys are read".to_owned())?;
    let mut id = String::new();
    for attribute in told.issuer.0.iter().flat_map(|names| names.0.iter()) {
        let value = std::str::from_utf8(attribute.value.value()).map_err(|_| "its issuer is no UTF-8".to_owned())?;
        id.push_str(value);
        id.push(' ');
    }
    id.push_str(&BigUint::from_bytes_be(told.serial_number.as_bytes()).to_string());
    Ok((id, Known { key, until: told.validity.not_after.to_system_time() }))
}

fn files(path: &Path) -> Result<Vec<PathBuf>, String> {
    let wrong = |error: std::io::Error| format!("security_cert_store {} cannot be read: {error}", path.display());
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let pattern = path.file_name().and_then(|name| name.to_str()).filter(|name| name.contains('*'));
    let (folder, pattern) = match (pattern, path.parent()) {
        (Some(pattern), Some(folder)) => (folder, pattern),
        _ => (path, "*"),
    };
    let (begin, end) = pattern.split_once('*').unwrap_or((pattern, ""));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(wrong)? {
        let entry = entry.map_err(wrong)?;
        let name = entry.file_name();
        let covered = name.to_str().is_some_and(|name| name.starts_with(begin) && name.ends_with(end));
        if covered && entry.path().is_file() {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}
