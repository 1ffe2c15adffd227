//! Reads an address in exactly one way. A text that a browser would repair (odd numbers, back
//! slashes, credentials before the host) is refused: whoever writes it so wants two programs to
//! disagree about where it leads.

use std::net::Ipv6Addr;

use url::{Host, Url};

use super::FetchError;
use super::error::quoted;
use crate::target::{ARPA, below, inside_a_network};

/// Longest address, in bytes.
const MAX_LENGTH: usize = 4_096;

/// Reads the address a fetch begins with.
pub(super) fn first(text: &str) -> Result<Url, FetchError> {
    plain(text)?;
    let url = Url::parse(text).map_err(|e| FetchError::Address { why: e.to_string() })?;
    // Before anything else is said about it: `file:` and `gopher:` have no host to complain about.
    scheme(&url)?;
    let written =
        authority(text).ok_or_else(|| FetchError::Address { why: "falta «//» tras el esquema".to_owned() })?;
    settle(url, written)
}

/// Reads the name or address of a server, with nothing around it.
pub(super) fn host(text: &str) -> Result<Host<String>, FetchError> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if let Ok(ip) = bare.parse::<Ipv6Addr>() {
        return Ok(Host::Ipv6(ip));
    }
    let wrong = || FetchError::Forbidden { what: quoted(text), why: "no es el nombre de un servidor" };
    if text.contains(['/', '?', '#', '@', ':', '[', ']', '%']) {
        return Err(wrong());
    }
    let url = first(&format!("http://{text}/"))?;
    url.host().map(|host| host.to_owned()).ok_or_else(wrong)
}

/// Reads where a redirect leads, as seen from `base`.
pub(super) fn next(base: &Url, location: &str) -> Result<Url, FetchError> {
    plain(location)?;
    let url = base.join(location).map_err(|e| FetchError::Redirects { why: e.to_string() })?;
    scheme(&url)?;
    match authority(location) {
        Some(written) => settle(url, written),
        // A relative location keeps a host that has been judged; anything else is a trick like
        // `http:127.1`, which changes the host without the two slashes.
        None if url.host() == base.host() && url.port_or_known_default() == base.port_or_known_default() => {
            settle(url, base.host_str().unwrap_or_default())
        }
        None => Err(FetchError::Address { why: "la redirección no dice claramente a dónde va".to_owned() }),
    }
}

fn plain(text: &str) -> Result<(), FetchError> {
    let why = if text.len() > MAX_LENGTH {
        "es demasiado larga"
    } else if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        "contiene espacios o caracteres de control"
    } else if text.contains('\\') {
        "contiene una barra invertida"
    } else {
        return Ok(());
    };
    // Not quoted: where a path or a password begins in such a text cannot be told.
    Err(FetchError::Forbidden { what: "esta dirección".to_owned(), why })
}

fn scheme(url: &Url) -> Result<(), FetchError> {
    if matches!(url.scheme(), "http" | "https") {
        return Ok(());
    }
    Err(FetchError::Scheme(quoted(url.scheme())))
}

/// `written` is the host and port as they stand in the text `url` was read from.
fn settle(mut url: Url, written: &str) -> Result<Url, FetchError> {
    if written.contains('@') {
        // Not quoted: it may be a real password.
        return Err(FetchError::Forbidden { what: "usuario@".to_owned(), why: "lleva usuario o contraseña" });
    }
    // The colon of a port comes after the bracket of an IPv6 address.
    let written = match written.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => host,
        _ => written,
    };
    let refuse = |why| Err(FetchError::Forbidden { what: quoted(written), why });
    match url.host() {
        None => return Err(FetchError::Address { why: "no tiene servidor".to_owned() }),
        Some(Host::Ipv4(ip)) if ip.to_string() != written => {
            return refuse("la dirección IPv4 no está escrita como cuatro números decimales");
        }
        Some(Host::Ipv4(_) | Host::Ipv6(_)) => {}
        Some(Host::Domain(name)) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            if name.is_empty() || name.ends_with('.') {
                return refuse("el nombre tiene puntos de más");
            }
            // One label alone is looked up inside the network too.
            if !name.contains('.') || inside_a_network(name) || below(name, ARPA) {
                return refuse("es un nombre de red interna");
            }
            let name = name.to_owned();
            if url.set_host(Some(&name)).is_err() {
                return refuse("el nombre no es válido");
            }
        }
    }
    url.set_fragment(None);
    Ok(url)
}

/// Host and port as they stand in the text, after `//`, credentials included.
fn authority(text: &str) -> Option<&str> {
    let (before, rest) = text.split_once("//")?;
    if !before.is_empty() && (!before.ends_with(':') || before.contains(['/', '?', '#'])) {
        return None;
    }
    rest.split(['/', '?', '#']).next().filter(|authority| !authority.is_empty())
}
