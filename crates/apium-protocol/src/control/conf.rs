//! The settings as a worker shows them to whoever asks: without passwords.

use crate::RawJson;

/// Shown in place of what is secret.
const MASK: &str = "********";

/// What marks a setting as secret when it is part of its name, in any case; the words are Celery's.
const SECRET: &[&str] = &["api", "token", "key", "secret", "pass", "profanities_list", "signature", "database"];

/// The reply to conf: the settings by name, secret ones masked, at any depth, and passwords cut out of addresses.
pub fn conf(settings: &[(String, RawJson)]) -> RawJson {
    let members: Vec<_> = settings.iter().map(|(name, value)| (name.clone(), shown(name, value))).collect();
    RawJson::object(&members)
}

fn shown(name: &str, value: &RawJson) -> RawJson {
    if value.is_object()
        && let Ok(members) = value.members()
    {
        return conf(&members);
    }
    let name = name.to_ascii_lowercase();
    // Our own name holds one of the words.
    let told = name.strip_prefix("apium_").unwrap_or(&name);
    if SECRET.iter().any(|word| told.contains(word)) && !value.is_null() {
        return RawJson::string(MASK);
    }
    if let Ok(elements) = value.elements() {
        let elements: Vec<_> = elements.iter().map(|element| shown("", element)).collect();
        return RawJson::array(&elements);
    }
    match value.to::<String>() {
        Ok(text) => RawJson::string(&without_password(&text)),
        Err(_) => value.clone(),
    }
}

/// `redis://user:secret@host` with the secret masked; several addresses may stand side by side, split by `;`.
fn without_password(text: &str) -> String {
    let masked: Vec<_> = text.split(';').map(mask_one).collect();
    masked.join(";")
}

fn mask_one(address: &str) -> String {
    let masked = || {
        let (scheme, rest) = address.split_once("://")?;
        // A password may hold anything, unescaped: all up to the last @ counts as credentials.
        let (credentials, host) = rest.rsplit_once('@')?;
        let (user, _) = credentials.split_once(':')?;
        Some(format!("{scheme}://{user}:{MASK}@{host}"))
    };
    masked().unwrap_or_else(|| address.to_owned())
}
