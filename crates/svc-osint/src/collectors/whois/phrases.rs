//! Sentences in which servers say, each in its own words, that there is nothing, that it was too much, or that they
//! will not tell.

/// Lines looked at from the top; legal texts come below.
const LINES: usize = 80;
/// Longest line that can be such a sentence, in bytes.
const LONGEST: usize = 200;

/// A line that begins so says that the object does not exist.
const ABSENT_AT_START: [&str; 27] = [
    "no match",
    "not found",
    "no entries found",
    "no data found",
    "no data was found",
    "no object found",
    "no objects found",
    "no information available",
    "no information about",
    "no such domain",
    "no record found",
    "no records matching",
    "no found",
    "nothing found",
    "not registered",
    "object does not exist",
    "object not found",
    "domain not found",
    "domain not registered",
    "domain does not exist",
    "domain unknown",
    "domain name not known",
    "unallocated and unassigned",
    "status: free",
    "status: available",
    "status: not registered",
    "domain status: no object found",
];
/// A line that contains this does.
const ABSENT_ANYWHERE: [&str; 13] = [
    "no match for",
    "no entries found",
    "is not registered",
    "has not been registered",
    "is available for registration",
    "is available for purchase",
    "was not found",
    "not found in database",
    "does not exist in",
    "the queried object does not exist",
    "domain status: available",
    "domain status: free",
    "no se encuentra registrado",
];
/// A line that contains this asks for fewer questions.
const TOO_MANY: [&str; 18] = [
    "quota exceeded",
    "limit exceeded",
    "exceeded the limit",
    "exceeded your",
    "exceeded the maximum",
    "has exceeded",
    "have exceeded",
    "too many requests",
    "too many queries",
    "try again later",
    "try again after",
    "rate limit",
    "reached the limit",
    "passed the daily limit",
    "maximum daily",
    "excessive querying",
    "too many simultaneous",
    "slow down",
];
/// A line that contains this refuses to say anything.
const DENIED: [&str; 7] = [
    "access denied",
    "access to this service is denied",
    "blacklisted",
    "not authorized",
    "not authorised",
    "requests of this client are not permitted",
    "la dirección ip no está autorizada",
];
/// A value that contains this is no value.
const REDACTED: [&str; 14] = [
    "redacted",
    "not disclosed",
    "non-public data",
    "data protected",
    "withheld for privacy",
    "withheld by",
    "hidden upon user request",
    "statutory masking",
    "gdpr mask",
    "not shown, please visit",
    "ano nymous",
    "private person",
    "data restricted",
    "query the rdds service",
];

/// What an answer says in place of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// There is no such object.
    Absent,
    /// Too much was asked; its words.
    TooMany(String),
    /// It does not want to say; its words.
    Denied(String),
}

/// The first line of `text` that says such a thing. Only for answers in which nothing else was found: the legal texts
/// below a good answer speak of limits too.
pub(super) fn said(text: &str) -> Option<Said> {
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).take(LINES).collect();
    let (comments, plain): (Vec<&str>, Vec<&str>) = lines.into_iter().partition(|line| line.starts_with(['%', '#']));
    let mut said = plain.into_iter().chain(comments).filter_map(said_in);
    match said.next() {
        // RIPE calls it a denial first, and says below that it is for today.
        Some(Said::Denied(words)) => {
            Some(said.find(|more| matches!(more, Said::TooMany(_))).unwrap_or(Said::Denied(words)))
        }
        first => first,
    }
}

/// Whether `text` speaks of a limit to questions.
pub(super) fn speaks_of_limits(text: &str) -> bool {
    let text = text.to_lowercase();
    TOO_MANY.iter().any(|phrase| text.contains(phrase)) || text.contains("rate-limit")
}

/// Whether a value only says that it is kept back.
pub(super) fn is_redacted(value: &str) -> bool {
    let value = value.to_lowercase();
    // A name of a host or a mailbox may consist of any word.
    let is_name = value.contains('.') && !value.trim().contains(' ');
    !is_name && REDACTED.iter().any(|phrase| value.contains(phrase))
}

fn said_in(line: &str) -> Option<Said> {
    let words = line.trim_matches(|c: char| c.is_whitespace() || "%#>*-;\"'".contains(c));
    if words.is_empty() || words.len() > LONGEST {
        return None;
    }
    let lower: String = words.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    // `ERROR:101: no entries found`, `Error: not found`.
    let plain = lower.strip_prefix("error").map_or(lower.as_str(), |rest| {
        rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ':' || c == ' ' || c == '-')
    });
    let contains = |phrases: &[&str]| phrases.iter().any(|phrase| lower.contains(phrase));
    if contains(&TOO_MANY) {
        return Some(Said::TooMany(words.to_owned()));
    }
    if contains(&DENIED) {
        return Some(Said::Denied(words.to_owned()));
    }
    let absent = ABSENT_AT_START.iter().any(|phrase| plain.starts_with(phrase)) || contains(&ABSENT_ANYWHERE);
    // `example.nl is free`, `"example.at" not found`, `example.eu: AVAILABLE`; but `the server is not available`.
    let plain = plain.trim_end_matches('.');
    let ends = ["not found", "is free", "no match", "no existe", "does not exist", "available"]
        .iter()
        .any(|phrase| plain.ends_with(phrase));
    let of_a_name = plain.contains('.') && plain.split(' ').count() <= 6;
    let out_of_order = lower.contains("not available") || lower.contains("unavailable");
    (absent || (ends && of_a_name && !out_of_order)).then_some(Said::Absent)
}
