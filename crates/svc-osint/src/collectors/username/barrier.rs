//! What stands between a scan and a site: refusals, challenges and login walls, none of which says anything about an
//! account.

use url::Url;

use super::page::Page;
use super::verdict::Verdict;
use crate::connector::Fetched;

/// Texts that only the pages of firewalls and captchas carry, and whose they are. Scripts that also stand in ordinary
/// pages behind the same firewall are not among them.
const CHALLENGES: [(&str, &str); 19] = [
    ("_cf_chl_opt", "cloudflare"),
    ("cf-browser-verification", "cloudflare"),
    ("challenge-error-text", "cloudflare"),
    ("<title>Just a moment...", "cloudflare"),
    ("Attention Required! | Cloudflare", "cloudflare"),
    ("captcha-delivery.com", "datadome"),
    ("px-captcha", "perimeterx"),
    ("Access to this page has been denied", "perimeterx"),
    ("perimeterxIdentifiers", "perimeterx"),
    ("AwsWafIntegration.", "aws-waf"),
    ("_Incapsula_Resource", "imperva"),
    ("Pardon Our Interruption", "imperva"),
    ("errors.edgesuite.net", "akamai"),
    ("sec-if-cpt-container", "akamai"),
    ("Sucuri WebSite Firewall", "sucuri"),
    ("<title>DDoS-Guard</title>", "ddos-guard"),
    ("/.well-known/ddos-guard/js-challenge", "ddos-guard"),
    ("<title>Vercel Security Checkpoint</title>", "vercel"),
    ("Making sure you&#39;re not a bot!", "anubis"),
];

/// Steps of an address that lead to a door instead of a page.
const DOORS: [&str; 18] = [
    "authwall",
    "captcha",
    "checkpoint",
    "consent",
    "log-in",
    "log_in",
    "login",
    "login.asp",
    "login.aspx",
    "login.html",
    "login.jsp",
    "login.php",
    "oauth",
    "sign-in",
    "sign_in",
    "signin",
    "sorry",
    "sso",
];
/// Hosts that are such doors.
const DOOR_HOSTS: [&str; 7] = ["accounts", "auth", "consent", "id", "login", "signin", "sso"];

/// Why this answer says nothing, if so. `asked` is where the name was asked for.
pub(crate) fn barrier(answer: &Fetched, page: &Page, asked: &Url) -> Option<(Verdict, String)> {
    if let Some(found) = by_status(answer.status) {
        return Some(found);
    }
    if let Some(whose) = challenge(answer, page) {
        return Some((Verdict::Blocked, format!("challenge-{whose}")));
    }
    let door = !answer.trail.is_empty() && Url::parse(&answer.url).is_ok_and(|end| is_door(asked, &end));
    door.then(|| (Verdict::Blocked, "login-wall".to_owned()))
}

/// Whether one who asked for `asked` and ended at `end` stands before a door.
pub(super) fn is_door(asked: &Url, end: &Url) -> bool {
    let steps =
        |url: &Url| -> Vec<String> { url.path_segments().into_iter().flatten().map(str::to_ascii_lowercase).collect() };
    let known = steps(asked);
    let stepped = steps(end).into_iter().any(|step| DOORS.contains(&step.as_str()) && !known.contains(&step));
    let label = |url: &Url| url.host_str().and_then(|host| host.split('.').next()).map(str::to_owned);
    let moved = label(asked) != label(end);
    stepped || (moved && label(end).is_some_and(|label| DOOR_HOSTS.contains(&label.as_str())))
}

/// Whose challenge this answer is, if it is one.
fn challenge(answer: &Fetched, page: &Page) -> Option<&'static str> {
    let mitigated = answer.headers.contains_key("cf-mitigated").then_some("cloudflare");
    mitigated.or_else(|| CHALLENGES.iter().find(|(text, _)| page.has(text)).map(|(_, whose)| *whose))
}

/// Statuses that are about the one who asks, or about the server, never about an account.
fn by_status(status: u16) -> Option<(Verdict, String)> {
    let verdict = match status {
        401 | 403 | 407 | 429 | 451 | 999 => Verdict::Blocked,
        202 | 408 | 425 | 500.. => Verdict::Unknown,
        _ => return None,
    };
    Some((verdict, format!("http-{status}")))
}
