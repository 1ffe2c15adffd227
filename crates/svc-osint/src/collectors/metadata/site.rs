//! Which documents a domain offers by itself: its home page, its `robots.txt` and its sitemaps.

use url::Url;

use super::collect::{MetadataSettings, Visit};
use super::links;

/// Endings that promise a document, the telling ones first: a scan of five files should not spend
/// them on pictures while there are texts.
const ENDINGS: [&str; 15] =
    ["pdf", "docx", "xlsx", "pptx", "odt", "ods", "odp", "docm", "xlsm", "jpg", "jpeg", "tif", "tiff", "heic", "webp"];
/// Weaker still: logos and icons.
const WEAK_ENDINGS: [&str; 1] = ["png"];

/// The documents a domain points to, best first, not more than asked for.
pub(super) async fn documents(domain: &str, settings: &MetadataSettings, visit: &Visit<'_>) -> Vec<Url> {
    let mut found = Vec::new();
    let Some((home, html)) = home(domain, settings, visit).await else {
        return found;
    };
    let scope = registrable(domain);
    let mut add = |url: Url| {
        if rank(&url).is_some() && in_scope(&url, domain, &scope) && !found.contains(&url) {
            found.push(url);
        }
    };
    links::of_page(&html, &home).into_iter().for_each(&mut add);

    let mut waiting = Vec::new();
    if let Ok(robots) = home.join("/robots.txt")
        && let Some((_, text)) = visit.text(robots.as_str()).await
    {
        waiting = links::of_robots(&text);
    }
    if waiting.is_empty() {
        waiting = home.join("/sitemap.xml").map(|url| url.to_string()).into_iter().collect();
    }
    waiting.reverse();
    let mut left = settings.sitemaps;
    while let Some(next) = waiting.pop() {
        // An index may name sitemaps anywhere; only the domain's own are its word.
        let own = Url::parse(&next).ok().filter(|url| in_scope(url, domain, &scope));
        let Some(own) = own else { continue };
        if left == 0 {
            visit.out.truncated();
            break;
        }
        left -= 1;
        let Some((_, xml)) = visit.text(own.as_str()).await else { continue };
        let sitemap = links::of_sitemap(&xml);
        if sitemap.is_index {
            waiting.extend(sitemap.addresses.into_iter().rev());
        } else {
            sitemap.addresses.iter().filter_map(|text| Url::parse(text).ok()).for_each(&mut add);
        }
    }
    found.sort_by_key(rank);
    if found.len() > settings.files {
        visit.out.truncated();
        found.truncate(settings.files);
    }
    found
}

/// The home page and where it was found in the end.
async fn home(domain: &str, settings: &MetadataSettings, visit: &Visit<'_>) -> Option<(Url, String)> {
    for (scheme, port) in &settings.origins {
        let address = Url::parse(&format!("{scheme}://{domain}:{port}/")).ok()?;
        if let Some((url, html)) = visit.text(address.as_str()).await {
            return Some((Url::parse(&url).ok()?, html));
        }
    }
    None
}

/// The part of a domain somebody registered: `example.co.uk` of `www.example.co.uk`.
fn registrable(domain: &str) -> String {
    psl::domain_str(domain).unwrap_or(domain).to_owned()
}

fn in_scope(url: &Url, domain: &str, scope: &str) -> bool {
    let Some(host) = url.host_str() else {
        return false;
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    host == domain || host == scope || host.strip_suffix(scope).is_some_and(|rest| rest.ends_with('.'))
}

fn rank(url: &Url) -> Option<usize> {
    let (_, ending) = url.path().rsplit_once('.')?;
    let ending = ending.to_ascii_lowercase();
    ENDINGS.iter().chain(&WEAK_ENDINGS).position(|known| *known == ending)
}
