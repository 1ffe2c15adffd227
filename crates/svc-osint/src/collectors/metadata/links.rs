//! Where pages, `robots.txt` and sitemaps point to, read tolerantly and in one pass.
//!
//! Only the values of a few attributes matter, and a wrong guess costs one address that is judged
//! again before it is fetched; a parser for all of HTML would be more code facing hostile bytes, for
//! nothing.

use url::Url;

/// Most addresses taken from one text.
const MAX_LINKS: usize = 2_000;

/// What a sitemap lists.
pub(super) struct Sitemap {
    /// True for a list of further sitemaps.
    pub(super) is_index: bool,
    /// The addresses, as written.
    pub(super) addresses: Vec<String>,
}

/// Where in a tag a letter stands, as far as it decides what a quote means there.
#[derive(Clone, Copy)]
enum Place {
    /// In a name, or between two attributes.
    Between,
    /// After the `=`.
    BeforeValue,
    /// In a value without quotes.
    Value,
}

/// The addresses a page refers to by `href` or `src`, absolute, in order, without repetition.
pub(super) fn of_page(html: &str, page: &Url) -> Vec<Url> {
    let mut base = page.clone();
    let mut links = Vec::new();
    let mut rest = html;
    while let Some((_, after)) = rest.split_once('<') {
        let (tag, next) = split_tag(after);
        rest = next;
        let name = tag.split(|c: char| c.is_whitespace() || c == '/').next().unwrap_or_default();
        if name.eq_ignore_ascii_case("base") {
            base = attribute(tag, "href").and_then(|href| page.join(&href).ok()).unwrap_or(base);
            continue;
        }
        let values = ["href", "src"].into_iter().filter_map(|wanted| attribute(tag, wanted));
        for mut link in values.filter_map(|value| base.join(&value).ok()) {
            link.set_fragment(None);
            if !links.contains(&link) {
                links.push(link);
            }
        }
        if links.len() >= MAX_LINKS {
            break;
        }
    }
    links
}

/// What the head of a page says of itself under this `property` or `name`.
pub(crate) fn meta(html: &str, wanted: &str) -> Option<String> {
    let mut rest = html;
    while let Some((_, after)) = rest.split_once('<') {
        let (tag, next) = split_tag(after);
        rest = next;
        if !tag.get(..5).is_some_and(|name| name.eq_ignore_ascii_case("meta ")) {
            continue;
        }
        let called =
            ["property", "name"].into_iter().filter_map(|name| attribute(tag, name)).any(|name| name == wanted);
        if called {
            return attribute(tag, "content").filter(|content| !content.is_empty());
        }
    }
    None
}

/// The `Sitemap:` lines of a `robots.txt`.
pub(super) fn of_robots(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(key, _)| key.trim().eq_ignore_ascii_case("sitemap"))
        .map(|(_, value)| value.trim().to_owned())
        .take(MAX_LINKS)
        .collect()
}

/// The `<loc>` entries of a sitemap or an index of them, image ones included.
pub(super) fn of_sitemap(xml: &str) -> Sitemap {
    let mut addresses = Vec::new();
    let mut rest = xml;
    while let Some((_, after)) = rest.split_once("loc>") {
        let Some((value, next)) = after.split_once('<') else {
            break;
        };
        // The closing tag ends in `loc>` as well; what follows it is white space.
        let value = value.trim();
        if !value.is_empty() {
            addresses.push(unescape(value));
        }
        if addresses.len() >= MAX_LINKS {
            break;
        }
        rest = next;
    }
    Sitemap { is_index: xml.contains("<sitemapindex"), addresses }
}

/// A tag's text up to its `>`, quoted values respected, and what follows.
///
/// As in browsers, a quote begins a value only right after the `=`: that of `title=Don't` is a letter like any
/// other. So is one that is never closed, or it would swallow the rest of the page.
fn split_tag(text: &str) -> (&str, &str) {
    let mut place = Place::Between;
    let mut closed = 0;
    for (at, c) in text.char_indices() {
        if at < closed {
            continue;
        }
        place = match (place, c) {
            (_, '>') => return (&text[..at], &text[at + 1..]),
            (_, '<') => return (&text[..at], &text[at..]),
            (Place::BeforeValue, '"' | '\'') => match text[at + 1..].find(c) {
                Some(length) => {
                    closed = at + 1 + length + 1;
                    Place::Between
                }
                None => Place::Value,
            },
            (Place::Between, '=') => Place::BeforeValue,
            (Place::BeforeValue, c) if c.is_whitespace() => Place::BeforeValue,
            (Place::Value, c) if c.is_whitespace() => Place::Between,
            (Place::BeforeValue, _) => Place::Value,
            (same, _) => same,
        };
    }
    (text, "")
}

fn attribute(tag: &str, wanted: &str) -> Option<String> {
    let mut rest = tag;
    while let Some((before, after)) = rest.split_once('=') {
        let name = before.trim_end().rsplit(|c: char| c.is_whitespace() || c == '"' || c == '\'').next();
        let after = after.trim_start();
        let (value, next) = match after.chars().next() {
            Some(quote @ ('"' | '\'')) => after[1..].split_once(quote).unwrap_or((&after[1..], "")),
            _ => after.split_at(after.find(char::is_whitespace).unwrap_or(after.len())),
        };
        if name.is_some_and(|name| name.eq_ignore_ascii_case(wanted)) {
            return Some(unescape(value.trim()));
        }
        rest = next;
    }
    None
}

/// The five entities an address may need; anything rarer does not occur in one.
fn unescape(text: &str) -> String {
    if !text.contains('&') {
        return text.to_owned();
    }
    text.replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&#39;", "'")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&#38;", "&")
        .replace("&amp;", "&")
}
