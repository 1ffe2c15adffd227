//! Every source that is asked by HTTP, and what it is asked and answers when all is well: the columns of the table of
//! faults. A further source is one more entry here.

use crate::{crtsh, haveibeenpwned, securitytrails, shodan, virustotal};

/// One source of one collector.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    /// The source, as reports call it.
    pub(crate) source: &'static str,
    /// The collector that asks it.
    pub(crate) collector: &'static str,
    /// What is scanned.
    pub(crate) target: &'static str,
    /// The options of that scan.
    pub(crate) options: &'static str,
    /// The provider, as settings call it.
    pub(crate) provider: &'static str,
    /// The path by which this source is asked, and its good answer.
    pub(crate) good: (&'static str, &'static str),
    /// The same of the other sources of the same scan; the first path that fits counts.
    pub(crate) others: &'static [(&'static str, &'static str)],
    /// Where the key goes.
    pub(crate) key: Key,
    /// Of what the good answer is made.
    pub(crate) shape: Shape,
    /// The body with which a 404 says that nothing is known; `None`: its 404 never means that.
    pub(crate) unknown: Option<&'static str>,
    /// How the report calls a 403.
    pub(crate) forbidden: &'static str,
    /// Whether another question goes to the same provider before it.
    pub(crate) later: bool,
}

/// Where the key goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    /// Nowhere: none is wanted.
    None,
    /// Into a header.
    Header,
    /// Into the address.
    Parameter,
}

/// Of what an answer is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A JSON object.
    Object,
    /// A JSON list.
    List,
    /// Lines of text.
    Lines,
}

/// What most have in common.
const PLAIN: Case = Case {
    source: "",
    collector: "",
    target: "example.com",
    options: "{}",
    provider: "",
    good: ("", ""),
    others: &[],
    key: Key::Header,
    shape: Shape::Object,
    unknown: None,
    forbidden: "blocked/plan",
    later: false,
};

/// What the types of a history have in common.
const HISTORY: Case = Case {
    collector: "securitytrails",
    provider: "securitytrails",
    options: r#"{"history":true}"#,
    others: HISTORY_OTHERS,
    unknown: Some(securitytrails::UNKNOWN),
    later: true,
    ..PLAIN
};

const HISTORY_OTHERS: &[(&str, &str)] = &[
    ("/v1/domain/example.com/subdomains", securitytrails::SUBDOMAINS),
    ("/v1/domain/example.com", securitytrails::DOMAIN),
    ("/v1/history/", securitytrails::HISTORY),
];

/// All of them.
pub(crate) const CASES: [Case; 14] = [
    Case {
        source: "crtsh",
        collector: "crtsh",
        provider: "crtsh",
        good: ("/?q=", crtsh::ROWS),
        key: Key::None,
        shape: Shape::List,
        forbidden: "blocked/http-403",
        ..PLAIN
    },
    Case {
        source: "shodan:host",
        collector: "shodan",
        target: "9.9.9.9",
        provider: "shodan",
        good: ("/shodan/host/", shodan::HOST),
        others: &[("/9.9.9.9", shodan::BRIEF)],
        key: Key::Parameter,
        unknown: Some(shodan::UNKNOWN),
        ..PLAIN
    },
    Case {
        source: "shodan:domain",
        collector: "shodan",
        provider: "shodan",
        good: ("/dns/domain/", shodan::DOMAIN),
        key: Key::Parameter,
        unknown: Some(shodan::UNKNOWN),
        ..PLAIN
    },
    Case {
        source: "internetdb",
        collector: "shodan",
        target: "9.9.9.9",
        provider: "internetdb",
        good: ("/9.9.9.9", shodan::BRIEF),
        others: &[("/shodan/host/", shodan::HOST)],
        key: Key::None,
        unknown: Some(shodan::UNKNOWN_BRIEF),
        forbidden: "blocked/http-403",
        ..PLAIN
    },
    Case {
        source: "virustotal",
        collector: "virustotal",
        provider: "virustotal",
        good: ("/api/v3/domains/", virustotal::DOMAIN),
        unknown: Some(virustotal::UNKNOWN),
        ..PLAIN
    },
    Case {
        source: "haveibeenpwned:account",
        collector: "haveibeenpwned",
        target: "ana@example.com",
        provider: "haveibeenpwned",
        good: ("/api/v3/breachedaccount/", haveibeenpwned::BREACHES),
        others: &[("/api/v3/pasteaccount/", haveibeenpwned::PASTES)],
        shape: Shape::List,
        unknown: Some(""),
        forbidden: "blocked/user-agent",
        ..PLAIN
    },
    Case {
        source: "haveibeenpwned:pastes",
        collector: "haveibeenpwned",
        target: "ana@example.com",
        provider: "haveibeenpwned",
        good: ("/api/v3/pasteaccount/", haveibeenpwned::PASTES),
        others: &[("/api/v3/breachedaccount/", haveibeenpwned::BREACHES)],
        shape: Shape::List,
        unknown: Some(""),
        forbidden: "blocked/user-agent",
        later: true,
        ..PLAIN
    },
    Case {
        source: "haveibeenpwned:domain",
        collector: "haveibeenpwned",
        target: "adobe.com",
        provider: "haveibeenpwned_breaches",
        good: ("/api/v3/breaches", haveibeenpwned::BREACHES),
        key: Key::None,
        shape: Shape::List,
        forbidden: "blocked/user-agent",
        ..PLAIN
    },
    Case {
        source: "haveibeenpwned:password",
        collector: "haveibeenpwned",
        target: haveibeenpwned::PASSWORD,
        provider: "pwnedpasswords",
        good: ("/range/", haveibeenpwned::RANGE),
        key: Key::None,
        shape: Shape::Lines,
        forbidden: "blocked/http-403",
        ..PLAIN
    },
    Case {
        source: "securitytrails:domain",
        collector: "securitytrails",
        provider: "securitytrails",
        good: ("/v1/domain/example.com", securitytrails::DOMAIN),
        others: &[("/v1/domain/example.com/subdomains", securitytrails::SUBDOMAINS)],
        unknown: Some(securitytrails::UNKNOWN),
        ..PLAIN
    },
    Case {
        source: "securitytrails:subdomains",
        collector: "securitytrails",
        provider: "securitytrails",
        good: ("/v1/domain/example.com/subdomains", securitytrails::SUBDOMAINS),
        others: &[("/v1/domain/example.com", securitytrails::DOMAIN)],
        unknown: Some(securitytrails::UNKNOWN),
        later: true,
        ..PLAIN
    },
    Case {
        source: "securitytrails:history:a",
        good: ("/v1/history/example.com/dns/a", securitytrails::HISTORY),
        ..HISTORY
    },
    Case {
        source: "securitytrails:history:txt",
        good: ("/v1/history/example.com/dns/txt", securitytrails::HISTORY),
        ..HISTORY
    },
    Case {
        source: "securitytrails:neighbours",
        collector: "securitytrails",
        target: "9.9.9.9",
        provider: "securitytrails",
        good: ("/v1/ips/nearby/", securitytrails::NEARBY),
        unknown: Some(securitytrails::UNKNOWN),
        ..PLAIN
    },
];

impl Case {
    /// Whether a request for this path asks this source. Paths are compared whole up to the query, or by their
    /// beginning where the good one ends with a slash or stands in the query.
    pub(crate) fn is_asked_by(&self, path: &str) -> bool {
        fits(path, self.good.0)
    }

    /// The good answer to a request of another source.
    pub(crate) fn other(&self, path: &str) -> Option<&'static str> {
        self.others.iter().find(|(other, _)| fits(path, other)).map(|(_, body)| *body)
    }
}

fn fits(path: &str, expected: &str) -> bool {
    let begins = expected.ends_with('/') || expected.contains('?');
    if begins { path.starts_with(expected) } else { path.split('?').next() == Some(expected) }
}
