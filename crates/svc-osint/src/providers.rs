//! The parties outside that collectors ask: where each is, what key it wants, and how often it may be asked.

use std::collections::HashMap;
use std::fmt;

use apium_core::limits::Pace;
use url::Url;

/// The setting with other addresses of providers: `NAME=URL,…`.
pub const URLS: &str = "OSINT_PROVIDER_URLS";
/// The setting with other windows of providers: `NAME=RATE RATE,…`.
pub const WINDOWS: &str = "OSINT_PROVIDER_WINDOWS";

/// One party outside. Its address, key and windows are the operator's to change.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Provider {
    /// The word for it in reports, settings and metrics.
    pub name: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// Where it is, unless the operator says otherwise.
    pub base: &'static str,
    /// The environment variable with its key; `None`: it wants none.
    pub key_env: Option<&'static str>,
    /// How often it may be asked with one key, or from one address where there is none, as limits are written. All hold.
    pub windows: &'static [&'static str],
}

/// Certificates in public logs.
pub static CRTSH: Provider =
    Provider { name: "crtsh", title: "crt.sh", base: "https://crt.sh", key_env: None, windows: &["1/s"] };
/// Ports, services and names, of those who have an account.
pub static SHODAN: Provider = Provider {
    name: "shodan",
    title: "Shodan",
    base: "https://api.shodan.io",
    key_env: Some("SHODAN_API_KEY"),
    windows: &["1/s"],
};
/// The same in brief, for everybody.
pub static INTERNETDB: Provider = Provider {
    name: "internetdb",
    title: "InternetDB",
    base: "https://internetdb.shodan.io",
    key_env: None,
    windows: &["1/s"],
};
/// What many antivirus programs say; the windows are those of a public key.
pub static VIRUSTOTAL: Provider = Provider {
    name: "virustotal",
    title: "VirusTotal",
    base: "https://www.virustotal.com",
    key_env: Some("VIRUSTOTAL_API_KEY"),
    windows: &["4/m", "500/d", "15500/31d"],
};
/// Accounts in known breaches; the window is that of its smallest plan.
pub static HIBP: Provider = Provider {
    name: "haveibeenpwned",
    title: "Have I Been Pwned",
    base: "https://haveibeenpwned.com",
    key_env: Some("HIBP_API_KEY"),
    windows: &["10/m"],
};
/// The list of breaches, which needs no key.
pub static HIBP_BREACHES: Provider = Provider {
    name: "haveibeenpwned_breaches",
    title: "Have I Been Pwned (brechas)",
    base: "https://haveibeenpwned.com",
    key_env: None,
    windows: &["1/s"],
};
/// How often a password was seen in breaches, asked by five digits of its digest.
pub static PWNED_PASSWORDS: Provider = Provider {
    name: "pwnedpasswords",
    title: "Pwned Passwords",
    base: "https://api.pwnedpasswords.com",
    key_env: None,
    windows: &["10/s"],
};
/// Names and their history; the month is that of a free key.
pub static SECURITYTRAILS: Provider = Provider {
    name: "securitytrails",
    title: "SecurityTrails",
    base: "https://api.securitytrails.com",
    key_env: Some("SECURITYTRAILS_API_KEY"),
    windows: &["1/s", "50/31d"],
};
/// Pictures and profiles by e-mail address.
pub static GRAVATAR: Provider =
    Provider { name: "gravatar", title: "Gravatar", base: "https://gravatar.com", key_env: None, windows: &["100/h"] };
/// Accounts of programmers.
pub static GITHUB: Provider =
    Provider { name: "github", title: "GitHub", base: "https://api.github.com", key_env: None, windows: &["60/h"] };
/// Its search, which is counted apart.
pub static GITHUB_SEARCH: Provider = Provider {
    name: "github_search",
    title: "GitHub (búsqueda)",
    base: "https://api.github.com",
    key_env: None,
    windows: &["10/m"],
};
/// Accounts of a network of forums.
pub static REDDIT: Provider = keyless("reddit", "Reddit", "https://www.reddit.com", &["10/m"]);
/// Accounts of players.
pub static STEAM: Provider = keyless("steam", "Steam", "https://steamcommunity.com", &["1/s"]);
/// The public pages of a messenger.
pub static TELEGRAM: Provider = keyless("telegram", "Telegram", "https://t.me", &["1/s"]);
/// Channels of videos.
pub static YOUTUBE: Provider = keyless("youtube", "YouTube", "https://www.youtube.com", &["1/s"]);
/// Accounts of writers.
pub static MEDIUM: Provider = keyless("medium", "Medium", "https://medium.com", &["1/s"]);
/// Accounts of collectors of pictures.
pub static PINTEREST: Provider = keyless("pinterest", "Pinterest", "https://www.pinterest.com", &["1/s"]);
/// Channels of streams.
pub static TWITCH: Provider = keyless("twitch", "Twitch", "https://www.twitch.tv", &["1/s"]);
/// Accounts of short videos.
pub static TIKTOK: Provider = keyless("tiktok", "TikTok", "https://www.tiktok.com", &["1/s"]);
/// The public pages of another messenger.
pub static SNAPCHAT: Provider = keyless("snapchat", "Snapchat", "https://www.snapchat.com", &["1/s"]);
/// OpenPGP keys by e-mail address.
pub static KEYSERVER: Provider = Provider {
    name: "keyserver",
    title: "keys.openpgp.org",
    base: "https://keys.openpgp.org",
    key_env: None,
    windows: &["1/s"],
};
/// Who answers for which names and addresses by RDAP.
pub static IANA_RDAP: Provider = Provider {
    name: "iana_rdap",
    title: "IANA",
    base: "https://data.iana.org/rdap",
    key_env: None,
    windows: &["10/m"],
};
/// The registries themselves, which are many; the window is for all together.
pub static RDAP: Provider =
    Provider { name: "rdap", title: "RDAP", base: "https://rdap.org", key_env: None, windows: &["5/s"] };

/// Every provider.
pub static PROVIDERS: [&Provider; 23] = [
    &CRTSH,
    &SHODAN,
    &INTERNETDB,
    &VIRUSTOTAL,
    &HIBP,
    &HIBP_BREACHES,
    &PWNED_PASSWORDS,
    &SECURITYTRAILS,
    &GRAVATAR,
    &GITHUB,
    &GITHUB_SEARCH,
    &REDDIT,
    &STEAM,
    &TELEGRAM,
    &YOUTUBE,
    &MEDIUM,
    &PINTEREST,
    &TWITCH,
    &TIKTOK,
    &SNAPCHAT,
    &KEYSERVER,
    &IANA_RDAP,
    &RDAP,
];

/// A key of a provider. It can be sent, not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// What the operator says of providers.
#[derive(Debug, Clone, Default)]
pub struct ProviderSettings {
    chosen: HashMap<&'static str, Chosen>,
}

#[derive(Debug, Clone)]
struct Chosen {
    base: Url,
    key: Option<Secret>,
    windows: Vec<String>,
}

impl Secret {
    /// The text itself, to be sent.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl ProviderSettings {
    /// Reads what is set of providers: their keys, [`URLS`] and [`WINDOWS`]; `text` gives a setting by its environment
    /// name.
    ///
    /// # Errors
    /// A sentence for the operator that names the setting, and quotes no key.
    pub fn read(text: &impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let mut chosen = HashMap::new();
        for provider in PROVIDERS {
            let base = base_url(provider.base).map_err(|wrong| format!("{} {wrong}", provider.name))?;
            let key = provider.key_env.and_then(text).map(Secret);
            let windows = provider.windows.iter().map(|window| (*window).to_owned()).collect();
            chosen.insert(provider.name, Chosen { base, key, windows });
        }
        for (name, url) in named(&text(URLS).unwrap_or_default(), URLS)? {
            let base = base_url(&url).map_err(|wrong| format!("{URLS}: the address of {name} {wrong}"))?;
            if let Some(chosen) = chosen.get_mut(name) {
                chosen.base = base;
            }
        }
        for (name, list) in named(&text(WINDOWS).unwrap_or_default(), WINDOWS)? {
            let windows = windows(&list).map_err(|wrong| format!("{WINDOWS}: those of {name} {wrong}"))?;
            if let Some(chosen) = chosen.get_mut(name) {
                chosen.windows = windows;
            }
        }
        Ok(Self { chosen })
    }

    /// Where it is.
    pub fn base(&self, provider: &Provider) -> Option<&Url> {
        self.chosen.get(provider.name).map(|chosen| &chosen.base)
    }

    /// Its key, if one is set.
    pub fn key(&self, provider: &Provider) -> Option<&Secret> {
        self.chosen.get(provider.name)?.key.as_ref()
    }

    /// How often it may be asked.
    pub fn windows(&self, provider: &Provider) -> &[String] {
        self.chosen.get(provider.name).map_or(&[], |chosen| &chosen.windows)
    }

    /// Whether everything is there that it needs to be asked.
    pub fn is_configured(&self, provider: &Provider) -> bool {
        provider.key_env.is_none() || self.key(provider).is_some()
    }
}

/// A provider that wants no key.
const fn keyless(
    name: &'static str,
    title: &'static str,
    base: &'static str,
    windows: &'static [&'static str],
) -> Provider {
    Provider { name, title, base, key_env: None, windows }
}

fn base_url(text: &str) -> Result<Url, String> {
    let wrong = "must be an http or https URL without login, query or fragment".to_owned();
    let Ok(url) = Url::parse(text.trim_end_matches('/')) else { return Err(wrong) };
    let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    let fits = matches!(url.scheme(), "http" | "https") && url.has_host() && plain && url.fragment().is_none();
    if fits { Ok(url) } else { Err(wrong) }
}

fn windows(list: &str) -> Result<Vec<String>, String> {
    let read = |entry: &str| match entry.parse::<Pace>() {
        Ok(_) => Ok(entry.to_owned()),
        Err(wrong) => Err(format!("must be rates with spaces between: {wrong}")),
    };
    list.split_whitespace().map(read).collect()
}

/// `NAME=VALUE,…`, each name one of a provider.
fn named(list: &str, setting: &str) -> Result<Vec<(&'static str, String)>, String> {
    let entries = list.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let read = |entry: &str| {
        let (name, value) = entry.split_once('=').unwrap_or((entry, ""));
        let found = PROVIDERS.iter().find(|provider| provider.name == name.trim());
        found.map(|provider| (provider.name, value.trim().to_owned())).ok_or_else(|| {
            let names: Vec<_> = PROVIDERS.iter().map(|provider| provider.name).collect();
            format!("{setting} must be NAME=VALUE with commas between, the names among {}", names.join(", "))
        })
    };
    entries.map(read).collect()
}
