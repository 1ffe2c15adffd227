//! Every source that is asked by HTTP, and what it is asked and answers when all is well: the columns of the table of
//! faults. A further source is one more entry here.

use crate::{crtsh, fault_answers as answers, haveibeenpwned, securitytrails, shodan, virustotal};

/// One source of one collector.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    /// The source, as reports call it; `{base}` is the address of the provider.
    pub(crate) source: &'static str,
    /// The collector that asks it.
    pub(crate) collector: &'static str,
    /// What is scanned; `{base}` is the address of the provider.
    pub(crate) target: &'static str,
    /// The options of that scan.
    pub(crate) options: &'static str,
    /// The provider, as settings call it; empty where it is no setting that leads to it.
    pub(crate) provider: &'static str,
    /// The path by which this source is asked, and its good answer.
    pub(crate) good: (&'static str, &'static str),
    /// The same of the other sources of the same scan; the first path that fits counts, and of others nothing is known.
    pub(crate) others: &'static [(&'static str, &'static str)],
    /// Where the key goes.
    pub(crate) key: Key,
    /// Of what the good answer is made.
    pub(crate) shape: Shape,
    /// What its header says that it is.
    pub(crate) content_type: &'static str,
    /// The body with which a 404 says that nothing is known; `None`: its 404 never means that.
    pub(crate) unknown: Option<&'static str>,
    /// How the report calls a 403.
    pub(crate) forbidden: &'static str,
    /// Whether another question goes to the same provider before it.
    pub(crate) later: bool,
    /// How rows call it, where its collector tells of accounts.
    pub(crate) row: Option<&'static str>,
    /// The site, where it is one of a list.
    pub(crate) site: Option<Site>,
}

/// A site of a list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Site {
    /// The list, of this site alone.
    pub(crate) list: &'static str,
    /// What it says of a name that nobody has.
    pub(crate) nobody: (u16, &'static str),
    /// Whether its words tell, and not its status.
    pub(crate) in_words: bool,
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
    /// A page for people.
    Page,
    /// A picture.
    Picture,
    /// A file to be read by itself.
    File,
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
    content_type: "application/json",
    row: None,
    site: None,
};

/// What those have in common that want no key.
const KEYLESS: Case = Case { key: Key::None, forbidden: "blocked/http-403", ..PLAIN };

/// What the registries' sources have in common.
const WHOIS: Case = Case { collector: "whois", ..KEYLESS };

/// What sites have in common.
const SITE: Case =
    Case { collector: "username", target: "analopez", shape: Shape::Page, content_type: "text/html", ..KEYLESS };

/// What networks have in common.
const NETWORK: Case = Case { collector: "social", target: "analopez", ..KEYLESS };

/// What sources about an address have in common.
const IDENTITY: Case = Case { collector: "identity", target: "analopez@example.com", ..KEYLESS };

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
pub(crate) const CASES: [Case; 25] = [
    Case {
        source: "crtsh",
        collector: "crtsh",
        provider: "crtsh",
        good: ("/?q=", crtsh::ROWS),
        shape: Shape::List,
        ..KEYLESS
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
        unknown: Some(shodan::UNKNOWN_BRIEF),
        ..KEYLESS
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
        shape: Shape::List,
        forbidden: "blocked/user-agent",
        ..KEYLESS
    },
    Case {
        source: "haveibeenpwned:password",
        collector: "haveibeenpwned",
        target: haveibeenpwned::PASSWORD,
        provider: "pwnedpasswords",
        good: ("/range/", haveibeenpwned::RANGE),
        shape: Shape::Lines,
        ..KEYLESS
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
    Case {
        source: "rdap:bootstrap",
        provider: "iana_rdap",
        good: ("/dns.json", answers::REGISTRIES),
        others: &[("/domain/example.com", answers::REGISTERED)],
        ..WHOIS
    },
    Case {
        source: "rdap:registry",
        good: ("/domain/example.com", answers::REGISTERED),
        others: &[("/dns.json", answers::REGISTRIES)],
        unknown: Some(answers::NOT_REGISTERED),
        ..WHOIS
    },
    Case {
        source: "username:sherlock:Sitio",
        good: ("/sitio/", answers::ACCOUNT),
        unknown: Some(answers::NO_ACCOUNT),
        row: Some("Sitio"),
        site: Some(Site { list: answers::BY_STATUS, nobody: (404, answers::NO_ACCOUNT), in_words: false }),
        ..SITE
    },
    Case {
        source: "username:sherlock:Foro",
        good: ("/foro/", answers::ACCOUNT),
        row: Some("Foro"),
        site: Some(Site { list: answers::BY_WORDS, nobody: (200, answers::NO_ACCOUNT), in_words: true }),
        ..SITE
    },
    Case {
        source: "social:github",
        provider: "github",
        good: ("/users/analopez", answers::USER),
        unknown: Some("{}"),
        row: Some("GitHub"),
        ..NETWORK
    },
    Case {
        source: "social:snapchat",
        provider: "snapchat",
        good: ("/add/analopez", answers::FRIEND),
        shape: Shape::Page,
        content_type: "text/html",
        unknown: Some(""),
        row: Some("Snapchat"),
        ..NETWORK
    },
    Case {
        source: "gravatar:avatar",
        provider: "gravatar",
        good: ("/avatar/", answers::PICTURE),
        shape: Shape::Picture,
        content_type: "image/gif",
        unknown: Some(""),
        ..IDENTITY
    },
    Case {
        source: "gravatar:profile",
        provider: "gravatar",
        good: ("/b8661ec4e968c021b96d48aa9e7d6258bdf5c98a818bd6de2f0c9412eacb6057.json", answers::PROFILE),
        unknown: Some(answers::NO_PROFILE),
        ..IDENTITY
    },
    Case { source: "github:email", provider: "github_search", good: ("/search/users", answers::USERS), ..IDENTITY },
    Case {
        source: "keyserver",
        provider: "keyserver",
        good: ("/vks/v1/by-email/", answers::ARMOURED),
        shape: Shape::Lines,
        content_type: "application/pgp-keys",
        unknown: Some(answers::NO_KEY),
        ..IDENTITY
    },
    Case {
        source: "{base}/acta.pdf",
        collector: "metadata",
        target: "{base}/acta.pdf",
        good: ("/acta.pdf", answers::DOCUMENT),
        shape: Shape::File,
        content_type: "application/pdf",
        ..KEYLESS
    },
];

impl Case {
    /// Whether it is asked no second time, whatever came of the first.
    pub(crate) fn is_asked_once(&self) -> bool {
        self.site.is_some() || self.shape == Shape::File
    }

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
