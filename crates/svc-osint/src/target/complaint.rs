//! What is said of a text that is no target here: what it is, or how it should have been written.

use std::net::{IpAddr, Ipv6Addr};

use super::{TargetKind, asn, looks_numeric, shown};

/// Digits of the largest port, 65535.
const MAX_PORT_DIGITS: usize = 5;

/// How much is taken off a text in search of a target: a port, brackets, a wildcard; nobody adds more by mistake.
const REPAIRS: usize = 3;

/// The complaint that helps most, without the list of what is accepted.
pub(super) fn about(text: &str, accepted: &[TargetKind]) -> String {
    let fits = |text: &str| accepted.iter().any(|kind| kind.read(text).is_ok());
    let mut text = text.to_owned();
    for _ in 0..REPAIRS {
        match repaired(&text, accepted) {
            Some((wrong, better)) if fits(&better) => {
                return format!("«{}» {wrong} «{}»", shown(&text), shown(&better));
            }
            // Something else is wrong with it too, and weighs more.
            Some((_, better)) => text = better,
            None => break,
        }
    }
    let kind = looks_like(&text, accepted);
    match kind.read(&text) {
        Ok(_) => format!("«{}» es {}, y aquí no sirve", shown(&text), kind.in_spanish()),
        Err(wrong) if accepted.contains(&kind) => wrong,
        Err(_) => format!("«{}» parece {}, y aquí no sirve", shown(&text), name(kind)),
    }
}

/// What is too much or missing around a target, and the text without it or with it.
fn repaired(text: &str, accepted: &[TargetKind]) -> Option<(&'static str, String)> {
    if text.contains("://") || text.contains('@') {
        return None;
    }
    if is_digits(text) && accepted.contains(&TargetKind::Asn) {
        return Some(("es solo un número: para un sistema autónomo escriba", format!("AS{text}")));
    }
    if let Some(inside) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return Some(("lleva corchetes: escriba solo", inside.to_owned()));
    }
    if let Some(rest) = text.strip_prefix("*.") {
        return Some(("lleva un comodín: escriba solo", rest.to_owned()));
    }
    if let Some((host, _)) = text.split_once('%').filter(|(host, _)| host.parse::<Ipv6Addr>().is_ok()) {
        return Some(("lleva el nombre de una interfaz: escriba solo", host.to_owned()));
    }
    if let Some((host, tail)) = text.split_once('/') {
        if host.parse::<IpAddr>().is_ok() && is_digits(tail) {
            return Some(("es un rango de direcciones, no una sola: escriba una, como", host.to_owned()));
        }
        let url = format!("https://{text}");
        if accepted.contains(&TargetKind::Url) && TargetKind::Url.read(&url).is_ok() {
            return Some(("no es una URL completa: escriba", url));
        }
        return (!host.is_empty()).then(|| ("lleva una ruta: escriba solo", host.to_owned()));
    }
    let (host, port) = text.rsplit_once(':')?;
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let host = bare.unwrap_or(host);
    let one_colon = bare.is_some() || !host.contains(':');
    let fits = one_colon && !host.is_empty() && port.len() <= MAX_PORT_DIGITS && is_digits(port);
    fits.then(|| ("lleva un puerto: escriba solo", host.to_owned()))
}

/// What a text looks like, whether or not it is right: the kind whose complaint helps most.
fn looks_like(text: &str, accepted: &[TargetKind]) -> TargetKind {
    let colons = text.matches(':').count();
    if text.contains("://") {
        TargetKind::Url
    } else if text.starts_with("file:") {
        TargetKind::File
    } else if colons > 1 && text.chars().all(|c| c.is_ascii_hexdigit() || c == ':' || c == '.') {
        TargetKind::Ip
    } else if has_scheme(text) {
        TargetKind::Url
    } else if text.starts_with('@') {
        TargetKind::Username
    } else if text.contains('@') {
        TargetKind::Email
    } else if looks_numeric(text) {
        TargetKind::Ip
    } else if asn::is_shaped(text) {
        TargetKind::Asn
    } else if text.contains('.') || accepted.contains(&TargetKind::Domain) {
        TargetKind::Domain
    } else {
        TargetKind::Username
    }
}

/// `mailto:…`, `javascript:…`: a word, a colon and more.
fn has_scheme(text: &str) -> bool {
    let word = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphabetic());
    text.split_once(':').is_some_and(|(scheme, rest)| word(scheme) && !rest.is_empty())
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_digit())
}

/// A kind without its examples.
fn name(kind: TargetKind) -> &'static str {
    match kind {
        TargetKind::Domain => "un dominio",
        TargetKind::Ip => "una dirección IP",
        TargetKind::Url => "una URL",
        TargetKind::Email => "un correo electrónico",
        TargetKind::Username => "un nombre de usuario",
        TargetKind::Hash => "un resumen",
        TargetKind::File => "un fichero subido",
        TargetKind::Asn => "un sistema autónomo",
    }
}
