//! DKIM keys under the selectors that mail systems commonly use. Selectors cannot be listed, only
//! guessed, so "none found" never means "the domain does not sign".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use hickory_proto::rr::Name;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::asker::Asker;
use super::ledger::{Group, Ledger};
use super::mail::tags_of;
use super::names::{below, readable};
use super::verdict::Verdict;

/// Selectors of the big senders and of common software.
const SELECTORS: [&str; 28] = [
    "default",
    "google",
    "selector1",
    "selector2",
    "k1",
    "k2",
    "k3",
    "s1",
    "s2",
    "mail",
    "dkim",
    "smtp",
    "mandrill",
    "mailjet",
    "mx",
    "email",
    "key1",
    "key2",
    "sig1",
    "fm1",
    "fm2",
    "fm3",
    "zoho",
    "zmail",
    "amazonses",
    "sendgrid",
    "protonmail",
    "everlytickey1",
];
/// RSA keys below this size are not accepted by receivers (RFC 8301).
const MIN_RSA_BITS: usize = 1_024;

/// Reports `dkim`.
pub(super) async fn examine(asker: &Asker<'_>, ledger: &Ledger<'_>, name: &Name) {
    let group = Group::new("DKIM");
    // A wildcard under _domainkey answers for every selector; it is reported once instead.
    let random = Uuid::new_v4().simple().to_string();
    let (_, wildcard) = keys_at(asker, &group, &random, name).await;
    if let Some(mut key) = wildcard.into_iter().next() {
        key.insert("selector".to_owned(), "*".into());
        ledger.out.set("dkim", json!({"verdict": "found", "wildcard": true, "tried": 1, "keys": [key]}));
        return ledger.close(&group, Verdict::Ok);
    }
    let tries = SELECTORS.iter().map(|selector| keys_at(asker, &group, selector, name));
    let (verdicts, keys): (Vec<_>, Vec<_>) = join_all(tries).await.into_iter().unzip();
    let keys: Vec<_> = keys.into_iter().flatten().map(Value::Object).collect();
    let asked = match Verdict::of_group(verdicts) {
        Verdict::Ok if keys.is_empty() => Verdict::Empty,
        asked => asked,
    };
    let verdict = match asked {
        Verdict::Ok => "found",
        asked if asked.conclusive() => "none_found",
        _ => "incomplete",
    };
    ledger.out.set("dkim", json!({"verdict": verdict, "wildcard": false, "tried": SELECTORS.len(), "keys": keys}));
    ledger.close(&group, asked);
}

async fn keys_at(asker: &Asker<'_>, group: &Group, selector: &str, name: &Name) -> (Verdict, Vec<Map<String, Value>>) {
    let Some(at) = below(&format!("{selector}._domainkey"), name) else {
        return (Verdict::NxDomain, vec![]);
    };
    let (verdict, texts) = asker.texts(group, &at).await;
    let keys = texts.iter().filter_map(|text| key_of(selector, text));
    (verdict, keys.collect())
}

/// The key in a record; `None` when the record is something else.
fn key_of(selector: &str, text: &str) -> Option<Map<String, Value>> {
    let tags = tags_of(text);
    let tag = |name: &str| tags.get(name).and_then(Value::as_str);
    if tag("v").is_some_and(|version| version != "DKIM1") || tag("v").is_none() && tag("p").is_none() {
        return None;
    }
    // The tags above are escaped for people; the key is taken from the text itself.
    let public: String = text
        .split(';')
        .filter_map(|part| part.split_once('='))
        .find(|(tag, _)| tag.trim() == "p")
        .map(|(_, value)| value.split_whitespace().collect())
        .unwrap_or_default();
    let kind = tag("k").unwrap_or("rsa").to_ascii_lowercase();
    let bits = STANDARD.decode(&public).ok().and_then(|der| bits_of(&kind, &der));
    let verdict = match (public.is_empty(), bits) {
        (true, _) if tag("p").is_some() => "revoked",
        (_, None) => "malformed",
        (_, Some(bits)) if kind == "rsa" && bits < MIN_RSA_BITS => "weak",
        _ => "ok",
    };
    let testing = tag("t").is_some_and(|flags| flags.split(':').any(|flag| flag.trim() == "y"));
    let row = json!({
        "selector": selector,
        "verdict": verdict,
        "key_type": kind,
        "bits": bits,
        "testing": testing,
        "record": readable(text.as_bytes()).chars().take(1_024).collect::<String>(),
    });
    match row {
        Value::Object(row) => Some(row),
        _ => None,
    }
}

fn bits_of(kind: &str, der: &[u8]) -> Option<usize> {
    match kind {
        "ed25519" => (der.len() == 32).then_some(256),
        "rsa" => modulus_bits(der),
        _ => None,
    }
}

/// The size of an RSA modulus, from a SubjectPublicKeyInfo or a bare RSAPublicKey.
fn modulus_bits(der: &[u8]) -> Option<usize> {
    let (0x30, body, _) = element(der)? else { return None };
    let numbers = match element(body)? {
        // SubjectPublicKeyInfo: the algorithm, then the key wrapped in a bit string.
        (0x30, _, rest) => {
            let (0x03, bits, _) = element(rest)? else { return None };
            let (0x30, numbers, _) = element(bits.get(1..)?)? else { return None };
            numbers
        }
        (0x02, ..) => body,
        _ => return None,
    };
    let (0x02, modulus, _) = element(numbers)? else { return None };
    let at = modulus.iter().position(|byte| *byte != 0)?;
    let digits = modulus.get(at..)?;
    let leading = usize::try_from(digits.first()?.leading_zeros()).ok()?;
    Some(digits.len() * 8 - leading)
}

/// One DER element: its tag, its content, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x82 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, after) = rest.split_at_checked(length)?;
    Some((*tag, content, after))
}
