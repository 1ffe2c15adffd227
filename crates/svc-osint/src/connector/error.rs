//! Why a fetch did not bring anything, as sentences for the person who asked for the scan.

use std::time::Duration;

use thiserror::Error;

use crate::model::SourceStatus;

/// Longest piece of a foreign text quoted in a sentence, in characters.
const QUOTED: usize = 120;

/// Why nothing was fetched. The sentences never quote a path or a query: they may hold keys.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FetchError {
    /// The text is not an address at all.
    #[error("La dirección no es válida: {why}.")]
    Address {
        /// What is wrong with it.
        why: String,
    },
    /// The address, or the way it is written, is refused by policy.
    #[error("No se consulta «{what}»: {why}.")]
    Forbidden {
        /// The host, the address it leads to, or the form of the text.
        what: String,
        /// Why it is refused.
        why: &'static str,
    },
    /// Another scheme than `http` and `https`.
    #[error("Solo se consultan direcciones http y https, no «{0}».")]
    Scheme(String),
    /// Another port than the ones of its protocol: 80 and 443 for the web.
    #[error("El puerto {0} no está permitido: solo se consultan los propios del protocolo.")]
    Port(u16),
    /// Too many redirects, a circle of them, or one that leads nowhere.
    #[error("La redirección no lleva a ninguna parte: {why}.")]
    Redirects {
        /// What is wrong with it.
        why: String,
    },
    /// The body, unpacked, is larger than allowed.
    #[error("La respuesta de «{host}» supera el máximo de {limit} bytes; no se ha leído entera.")]
    TooLarge {
        /// Who answered.
        host: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// The whole fetch, or one silence within it, took too long.
    #[error("«{host}» no ha terminado de responder en {} s.", limit.as_secs_f32())]
    Timeout {
        /// Who was asked.
        host: String,
        /// The limit that was reached.
        limit: Duration,
    },
    /// No trustworthy encrypted connection.
    #[error("No hay conexión segura con «{host}»: {why}.")]
    Tls {
        /// Who was asked.
        host: String,
        /// What failed.
        why: String,
    },
    /// The name has no address, or the resolver does not answer.
    #[error("El nombre «{host}» no se puede resolver: {why}.")]
    Dns {
        /// The name.
        host: String,
        /// What failed.
        why: String,
    },
    /// Nobody listens there, or the way is cut.
    #[error("No se puede conectar con «{host}»: {why}.")]
    Connect {
        /// Who was asked.
        host: String,
        /// What failed.
        why: String,
    },
    /// The answer is not proper HTTP, or broke off.
    #[error("«{host}» no ha respondido como un servidor web: {why}.")]
    Http {
        /// Who was asked.
        host: String,
        /// What failed.
        why: String,
    },
}

impl FetchError {
    /// How the source's row in the report calls this failure.
    pub fn status(&self) -> SourceStatus {
        match self {
            Self::Forbidden { .. } | Self::Scheme(_) | Self::Port(_) => SourceStatus::Blocked,
            Self::Timeout { .. } => SourceStatus::Timeout,
            Self::Address { .. }
            | Self::Redirects { .. }
            | Self::TooLarge { .. }
            | Self::Tls { .. }
            | Self::Dns { .. }
            | Self::Connect { .. }
            | Self::Http { .. } => SourceStatus::Failed,
        }
    }

    /// The word by which programs know it.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Address { .. } => "bad-address",
            Self::Forbidden { .. } => "forbidden-address",
            Self::Scheme(_) => "forbidden-scheme",
            Self::Port(_) => "forbidden-port",
            Self::Redirects { .. } => "redirects",
            Self::TooLarge { .. } => "too-large",
            Self::Timeout { .. } => "timeout",
            Self::Tls { .. } => "tls",
            Self::Dns { .. } => "dns",
            Self::Connect { .. } => "connect",
            Self::Http { .. } => "transport-error",
        }
    }

    /// Whether another try, another time, may do better.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Timeout { .. } | Self::Connect { .. } | Self::Http { .. } | Self::Dns { .. } => true,
            Self::Address { .. }
            | Self::Forbidden { .. }
            | Self::Scheme(_)
            | Self::Port(_)
            | Self::Redirects { .. }
            | Self::TooLarge { .. }
            | Self::Tls { .. } => false,
        }
    }

    /// Sorts what the HTTP client complains about; it hides the cause several layers down.
    pub(super) fn from_client(error: reqwest::Error, host: &str) -> Self {
        let (connecting, error) = (error.is_connect(), error.without_url());
        let host = host.to_owned();
        let mut why = error.to_string();
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        while let Some(link) = cause {
            if let Some(tls) = tls_cause(link) {
                return Self::Tls { host, why: quoted(&tls.to_string()) };
            }
            why = link.to_string();
            cause = link.source();
        }
        let why = quoted(&why);
        if connecting { Self::Connect { host, why } } else { Self::Http { host, why } }
    }
}

/// Foreign text fit for a sentence: no control characters, not long, no full stop at the end.
pub(super) fn quoted(text: &str) -> String {
    let clean: String = text.chars().filter(|c| !c.is_control()).take(QUOTED).collect();
    clean.trim().trim_end_matches('.').to_owned()
}

/// An I/O error hides what it wraps from `source`, and TLS comes wrapped in two of them.
fn tls_cause<'a>(link: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    let wrapped = || tls_cause(link.downcast_ref::<std::io::Error>()?.get_ref()?);
    link.downcast_ref::<rustls::Error>().or_else(wrapped)
}
