//! What sources without a test of their own at the providers' fakes answer when all is well.
//!
//! `{base}` stands for the address of a server: of the one that answers, or, where a source names another, of that one.

/// IANA's list of registries.
pub(crate) const REGISTRIES: &str =
    r#"{"version":"1.0","publication":"2026-11-01T00:00:00Z","services":[[["com"],["{base}/"]]]}"#;
/// A registry's answer.
pub(crate) const REGISTERED: &str = r#"{"objectClassName":"domain","handle":"1_COM","ldhName":"EXAMPLE.COM"}"#;
/// A registry's answer of what nobody has.
pub(crate) const NOT_REGISTERED: &str = r#"{"errorCode":404,"title":"Object not found"}"#;

/// A site where statuses tell, as Sherlock lists it.
pub(crate) const BY_STATUS: &str = r#"{"Sitio":{"errorType":"status_code","url":"{base}/sitio/{}"}}"#;
/// A site where words tell.
pub(crate) const BY_WORDS: &str =
    r#"{"Foro":{"errorType":"message","errorMsg":"No hay nadie","url":"{base}/foro/{}"}}"#;
/// The page of an account.
pub(crate) const ACCOUNT: &str = "<!DOCTYPE html><title>analopez</title><p>Cuenta de analopez desde 2019</p>";
/// The page of a name that nobody has.
pub(crate) const NO_ACCOUNT: &str = "<!DOCTYPE html><title>Foro</title><p>No hay nadie con ese nombre</p>";

/// A user of GitHub.
pub(crate) const USER: &str = r#"{"login":"AnaLopez","id":7,"name":"Ana"}"#;
/// The users of GitHub that show an address.
pub(crate) const USERS: &str = r#"{"total_count":1,"incomplete_results":false,"items":[{"login":"analopez","id":7}]}"#;

/// The page of an account at Snapchat.
pub(crate) const FRIEND: &str = "<!DOCTYPE html><html lang=\"es\"><head><title>Ana en Snapchat</title>\
    <meta property=\"og:title\" content=\"Ana (@analopez) | Snapchat\"></head><body></body></html>";

/// What nobody looks into: that it is a picture is told by its header.
pub(crate) const PICTURE: &str = "GIF89a picture";
/// A profile of Gravatar.
pub(crate) const PROFILE: &str = r#"{"entry":[{"preferredUsername":"analopez","displayName":"Ana"}]}"#;
/// Gravatar's answer of who has none.
pub(crate) const NO_PROFILE: &str = r#""User not found""#;
/// An OpenPGP key with one name.
pub(crate) const ARMOURED: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n\
    mQADBAUGtBpBbmEgPGFuYWxvcGV6QGV4YW1wbGUuY29tPg==\n=AbCd\n-----END PGP PUBLIC KEY BLOCK-----\n";
/// The keyserver's answer of who has none.
pub(crate) const NO_KEY: &str = "No key found for email address analopez@example.com";

/// A document with an author.
pub(crate) const DOCUMENT: &str = "%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>endobj
4 0 obj<</Author(Ana)>>endobj
xref
0 5
0000000000 65535 f\x20
0000000009 00000 n\x20
0000000052 00000 n\x20
0000000101 00000 n\x20
0000000160 00000 n\x20
trailer<</Size 5/Root 1 0 R/Info 4 0 R>>
startxref
190
%%EOF
";
