//! The table of networks: which names each takes, where it is asked, and by what it proves an account.
//!
//! Where a network has an address made for programs, that is asked instead of its page. The hosts are providers, so an
//! operator may change them all by `OSINT_PROVIDER_URLS`.

use super::proof;
use crate::connector::Fetched;
use crate::enquiry::Refusal;
use crate::providers::{
    GITHUB, MEDIUM, PINTEREST, Provider, REDDIT, SNAPCHAT, STEAM, TELEGRAM, TIKTOK, TWITCH, YOUTUBE,
};

/// One network.
#[derive(Debug)]
pub struct Network {
    /// The word for it in reports.
    pub name: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// What it is about.
    pub tags: &'static [&'static str],
    /// Where people see the account; `{}` is the name.
    profile: &'static str,
    pub(super) names: Names,
    pub(super) way: Way,
}

/// The names a network takes.
#[derive(Debug)]
pub(super) struct Names {
    /// Fewest and most characters.
    length: (usize, usize),
    /// Characters besides letters and digits.
    others: &'static str,
    /// Whether letters beyond ASCII are taken.
    unicode: bool,
    /// Whether the first must be a letter.
    letter_first: bool,
}

/// How it is asked.
#[derive(Debug)]
pub(super) enum Way {
    /// Through the enquiry.
    Asked(Asking),
    /// Not at all, for this reason.
    Untold { reason: &'static str, detail: &'static str },
}

/// The account with what it calls itself; none; or why it cannot be told.
pub(super) type Reading = Result<Option<Option<String>>, Refusal>;

/// One question and the reading of its answer.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) provider: &'static Provider,
    pub(super) path: fn(&str) -> Vec<String>,
    pub(super) parameters: fn(&str) -> Vec<(&'static str, String)>,
    pub(super) accept: &'static str,
    /// Reads a successful answer: the account with what it calls itself, or none.
    pub(super) read: fn(&Fetched, &str) -> Reading,
    how: &'static str,
}

const JSON: &str = "application/json";
const HTML: &str = "text/html";
const XML: &str = "text/xml";

/// Why four networks are not asked.
const NO_PROOF: Way = Way::Untold {
    reason: "no-public-proof",
    detail: "La red muestra al público una página de inicio de sesión, exista o no la cuenta: no hay prueba posible.",
};
const NO_LOOKUP: Way = Way::Untold {
    reason: "no-public-lookup",
    detail: "La red no tiene ninguna consulta pública de nombres de usuario.",
};

/// Every network.
pub static NETWORKS: [Network; 15] = [
    Network {
        name: "github",
        title: "GitHub",
        tags: &["coding"],
        profile: "https://github.com/{}",
        names: names((1, 39), "-"),
        way: Way::Asked(Asking { read: proof::github, ..api(&GITHUB, |name| steps(&["users", name])) }),
    },
    Network {
        name: "twitter",
        title: "Twitter/X",
        tags: &["social"],
        profile: "https://x.com/{}",
        names: names((1, 15), "_"),
        way: NO_PROOF,
    },
    Network {
        name: "instagram",
        title: "Instagram",
        tags: &["photo", "social"],
        profile: "https://www.instagram.com/{}/",
        names: names((1, 30), "._"),
        way: NO_PROOF,
    },
    Network {
        name: "reddit",
        title: "Reddit",
        tags: &["social"],
        profile: "https://www.reddit.com/user/{}",
        names: names((3, 20), "_-"),
        way: Way::Asked(Asking { read: proof::reddit, ..api(&REDDIT, |name| steps(&["user", name, "about.json"])) }),
    },
    Network {
        name: "twitch",
        title: "Twitch",
        tags: &["streaming"],
        profile: "https://www.twitch.tv/{}",
        names: names((3, 25), "_"),
        way: Way::Asked(Asking { read: proof::twitch, ..page(&TWITCH, |name| steps(&[name])) }),
    },
    Network {
        name: "linkedin",
        title: "LinkedIn",
        tags: &["career"],
        profile: "https://www.linkedin.com/in/{}",
        names: Names { unicode: true, ..names((3, 100), "-") },
        way: NO_PROOF,
    },
    Network {
        name: "facebook",
        title: "Facebook",
        tags: &["social"],
        profile: "https://www.facebook.com/{}",
        names: names((5, 50), "."),
        way: NO_PROOF,
    },
    Network {
        name: "tiktok",
        title: "TikTok",
        tags: &["social", "video"],
        profile: "https://www.tiktok.com/@{}",
        names: names((2, 24), "._"),
        way: Way::Asked(Asking { read: proof::tiktok, ..page(&TIKTOK, |name| vec![format!("@{name}")]) }),
    },
    Network {
        name: "youtube",
        title: "YouTube",
        tags: &["video"],
        profile: "https://www.youtube.com/@{}",
        names: Names { unicode: true, ..names((3, 30), "._-") },
        way: Way::Asked(Asking { read: proof::youtube, ..page(&YOUTUBE, |name| vec![format!("@{name}")]) }),
    },
    Network {
        name: "medium",
        title: "Medium",
        tags: &["blog"],
        profile: "https://medium.com/@{}",
        names: names((1, 50), "._-"),
        way: Way::Asked(Asking { read: proof::medium, ..page(&MEDIUM, |name| vec![format!("@{name}")]) }),
    },
    Network {
        name: "pinterest",
        title: "Pinterest",
        tags: &["photo", "social"],
        profile: "https://www.pinterest.com/{}/",
        names: names((3, 30), "_"),
        way: Way::Asked(Asking {
            parameters: |name| vec![("url", format!("https://www.pinterest.com/{name}/"))],
            read: proof::pinterest,
            ..api(&PINTEREST, |_| steps(&["oembed.json"]))
        }),
    },
    Network {
        name: "snapchat",
        title: "Snapchat",
        tags: &["messaging"],
        profile: "https://www.snapchat.com/add/{}",
        names: Names { letter_first: true, ..names((3, 15), "._-") },
        way: Way::Asked(Asking { read: proof::snapchat, ..page(&SNAPCHAT, |name| steps(&["add", name])) }),
    },
    Network {
        name: "telegram",
        title: "Telegram",
        tags: &["messaging"],
        profile: "https://t.me/{}",
        names: Names { letter_first: true, ..names((4, 32), "_") },
        way: Way::Asked(Asking { read: proof::telegram, ..page(&TELEGRAM, |name| steps(&[name])) }),
    },
    Network {
        name: "discord",
        title: "Discord",
        tags: &["messaging"],
        profile: "https://discord.com",
        names: names((2, 32), "._"),
        way: NO_LOOKUP,
    },
    Network {
        name: "steam",
        title: "Steam",
        tags: &["gaming"],
        profile: "https://steamcommunity.com/id/{}",
        names: names((3, 32), "_-"),
        way: Way::Asked(Asking {
            parameters: |_| vec![("xml", "1".to_owned())],
            accept: XML,
            read: proof::steam,
            ..api(&STEAM, |name| steps(&["id", name]))
        }),
    },
];

impl Network {
    /// The network of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        NETWORKS.iter().find(|network| network.name == name)
    }

    /// By what it is told that there is an account.
    pub fn how(&self) -> &'static str {
        match &self.way {
            Way::Asked(asking) => asking.how,
            Way::Untold { .. } => "unsupported",
        }
    }

    pub(super) fn profile(&self, name: &str) -> String {
        crate::collectors::username::Template::new(self.profile, "{}").encoded(name)
    }
}

impl Asking {
    /// Whether its answer is a page for people, also where there is no account.
    pub(super) fn wants_page(&self) -> bool {
        self.accept == HTML
    }
}

impl Names {
    /// Whether `name` is one of them.
    pub(super) fn admit(&self, name: &str) -> bool {
        let (fewest, most) = self.length;
        let letter = |c: char| c.is_ascii_alphabetic() || (self.unicode && c.is_alphabetic());
        let digit = |c: char| c.is_ascii_digit() || (self.unicode && c.is_numeric());
        (fewest..=most).contains(&name.chars().count())
            && name.chars().all(|c| letter(c) || digit(c) || self.others.contains(c))
            && name.chars().any(char::is_alphanumeric)
            && (!self.letter_first || name.starts_with(letter))
    }
}

const fn names(length: (usize, usize), others: &'static str) -> Names {
    Names { length, others, unicode: false, letter_first: false }
}

const fn api(provider: &'static Provider, path: fn(&str) -> Vec<String>) -> Asking {
    Asking { provider, path, parameters: |_| Vec::new(), accept: JSON, read: proof::nothing, how: "api" }
}

const fn page(provider: &'static Provider, path: fn(&str) -> Vec<String>) -> Asking {
    Asking { provider, path, parameters: |_| Vec::new(), accept: HTML, read: proof::nothing, how: "page" }
}

fn steps(path: &[&str]) -> Vec<String> {
    path.iter().map(|step| (*step).to_owned()).collect()
}
