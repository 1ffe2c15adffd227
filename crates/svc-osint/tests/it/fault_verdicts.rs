//! What the report must say of each source with each fault, and how often it may be asked: declared here by what the
//! fault is, and by nothing that the service does.

use crate::fault_cases::{Case, Key, Shape, Site};
use crate::fault_servers::Fault;

/// The status and the word for why, and the requests that must arrive.
type Verdict = (&'static str, usize);

impl Fault {
    /// The cell: what is said of the account, where one is looked for; then of the source, and how often it is asked.
    pub(crate) fn verdict(self, case: &Case) -> String {
        let (told, arrived) =
            self.on_the_way(case).or_else(|| self.by_status(case)).unwrap_or_else(|| match (case.site, case.shape) {
                (Some(site), _) => self.at_site(&site),
                (None, Shape::File) => self.in_file(),
                (None, _) => self.in_answer(case),
            });
        let account = case.row.map(|_| format!("{}: ", of_account(told))).unwrap_or_default();
        format!("{account}{told} ×{arrived}")
    }

    /// Where no answer comes to be read.
    fn on_the_way(self, case: &Case) -> Option<Verdict> {
        Some(match self {
            Self::NoName => ("failed/dns", 0),
            Self::Refused => ("failed/connect", 0),
            Self::Reset => ("failed/transport-error", tries(case)),
            Self::Tls => ("failed/tls", 0),
            Self::Drip => ("timeout/timeout", 1),
            Self::RedirectLoop | Self::RedirectInside if case.key == Key::Parameter => ("failed/redirected", 1),
            // The address itself and both of the circle.
            Self::RedirectLoop => ("failed/redirects", 3),
            Self::RedirectInside => ("blocked/forbidden-address", 1),
            Self::RedirectElsewhere | Self::RedirectToNothing if case.key != Key::None => ("failed/redirected", 1),
            _ => return None,
        })
    }

    /// Where the status says it all.
    fn by_status(self, case: &Case) -> Option<Verdict> {
        let keyed = case.key != Key::None;
        let history = case.source.starts_with("securitytrails:history:");
        Some(match self {
            Self::Unauthorized if keyed => ("failed/key-rejected", 1),
            Self::Unauthorized => ("blocked/http-401", 1),
            // It is not the second question but a later one, and the provider is closed by then.
            Self::RevokedLater if history => ("skipped/key-rejected", 0),
            Self::RevokedLater => ("failed/key-rejected", 1),
            Self::Forbidden => (case.forbidden, 1),
            Self::RetryAfterSeconds | Self::RetryAfterDate => ("rate_limited/http-429", 1),
            Self::RetryAfterNegative | Self::RetryAfterGarbage | Self::TooManyForEver => {
                ("rate_limited/http-429", tries(case))
            }
            Self::ErrorForEver => ("failed/http-503", tries(case)),
            Self::ErrorOnce if case.is_asked_once() => ("failed/http-503", 1),
            Self::ErrorOnce => (well(case), 2),
            _ => return None,
        })
    }

    /// Where the answer of a provider tells.
    fn in_answer(self, case: &Case) -> Verdict {
        let (crtsh, network) = (case.source == "crtsh", case.row.is_some());
        match (self, case.shape) {
            (Self::None | Self::RedirectElsewhere, _) => (well(case), 1),
            // Registries send to one another, and each speaks for what is its own.
            (Self::Unknown | Self::RedirectToNothing, _) if case.source == "rdap:registry" => {
                ("empty/not-registered", 1)
            }
            // Where people are shown pages and pictures, a page is how they are told that there is none.
            (Self::Unknown, _) | (Self::NotFound, Shape::Page | Shape::Picture) => ("empty", 1),
            (Self::RedirectToNothing, _) if case.unknown.is_some() => ("failed/moved", 1),
            (Self::Empty, _) => ("failed/empty-answer", 3),
            (Self::Html, _) if network => ("blocked/challenge-cloudflare", 1),
            (Self::Html, _) => ("failed/html-instead-of-json", 3),
            // That there is a picture is all that is asked; and in the page the name can still be read.
            (Self::Truncated, Shape::Picture) | (Self::InvalidUtf8, Shape::Page) => ("ok", 1),
            (Self::Truncated, Shape::Object | Shape::List) => ("failed/truncated-json", 3),
            (Self::Truncated, Shape::Page) => ("failed/not-named", 1),
            (Self::WrongShape, _) if network => ("failed/not-named", 1),
            (Self::Truncated | Self::InvalidUtf8 | Self::WrongShape, _) => ("failed/invalid-response", 1),
            // Then the current certificates alone are asked for.
            (Self::HundredMegabytes | Self::GzipBomb, _) => ("failed/too-large", if crtsh { 2 } else { 1 }),
            (Self::NotFound | Self::RedirectToNothing, _) => ("failed/http-404", if crtsh { 3 } else { 1 }),
            (fault, _) => unreachable!("{fault:?} is told by its way or its status"),
        }
    }

    /// Where a site of a list tells, which is asked for a name that nobody has once it claims an account.
    fn at_site(self, site: &Site) -> Verdict {
        match self {
            Self::None => ("ok", 2),
            Self::Html => ("blocked/challenge-cloudflare", 1),
            Self::RedirectToNothing | Self::NotFound if site.in_words => ("failed/http-404", 1),
            Self::RedirectElsewhere | Self::RedirectToNothing => ("failed/moved", 1),
            Self::Unknown | Self::NotFound => ("empty", 1),
            Self::Empty if site.in_words => ("failed/empty", 1),
            // The words may stand in what was not read.
            Self::HundredMegabytes | Self::GzipBomb if site.in_words => ("failed/cut", 1),
            // It says the same of the other name.
            Self::Empty
            | Self::Truncated
            | Self::InvalidUtf8
            | Self::WrongShape
            | Self::HundredMegabytes
            | Self::GzipBomb => ("failed/soft-404", 2),
            fault => unreachable!("{fault:?} is told by its way or its status"),
        }
    }

    /// Where a file tells, which is read once it is here.
    fn in_file(self) -> Verdict {
        match self {
            Self::None | Self::RedirectElsewhere => ("ok", 1),
            Self::Empty => ("empty", 1),
            Self::NotFound | Self::RedirectToNothing => ("empty/http-404", 1),
            Self::HundredMegabytes | Self::GzipBomb => ("failed/too-large", 1),
            Self::Truncated => ("ok/partly-read", 1),
            Self::Html | Self::WrongShape => ("failed/unreadable", 1),
            fault => unreachable!("{fault:?} is told by its way or its status"),
        }
    }
}

/// How often it is asked where another try may do better.
fn tries(case: &Case) -> usize {
    if case.is_asked_once() { 1 } else { 3 }
}

/// What is said where all is well. IANA knows nothing itself, only whom to ask.
fn well(case: &Case) -> &'static str {
    if case.source == "rdap:bootstrap" { "ok/referral" } else { "ok" }
}

/// What is said of the account by a source that came to this.
fn of_account(told: &str) -> &'static str {
    match told.split('/').next() {
        Some("ok") => "claimed",
        Some("empty") => "available",
        // It is we who do not go there.
        Some("blocked") if told.ends_with("forbidden-address") => "unknown",
        Some("blocked" | "rate_limited") => "blocked",
        _ => "unknown",
    }
}
