//! Gravatar: a picture and a profile by the digest of an address, or a profile by its name.

use serde_json::{Value, json};

use crate::connector::Fetched;
use crate::digest::sha256;
use crate::enquiry::{Enquiry, Question, Refusal, filled, is_page, json as read_json};
use crate::providers::GRAVATAR;

/// Accounts of a profile that are told.
const MOST_ACCOUNTS: usize = 50;
/// Longest text kept, in characters.
const MOST_LETTERS: usize = 200;
/// The largest picture taken, in bytes; whether there is one is all that matters.
const PICTURE: usize = 2 << 20;

/// What Gravatar knows; `None` where it did not say.
#[derive(Debug, Default, Clone)]
pub(super) struct Gravatar {
    pub(super) avatar: Option<bool>,
    pub(super) profile: Option<bool>,
    pub(super) display_name: Option<String>,
    pub(super) username: Option<String>,
    pub(super) profile_url: Option<String>,
    location: Option<String>,
    pub(super) accounts: Vec<Account>,
}

/// An account that the person has put into the profile.
#[derive(Debug, Clone)]
pub(super) struct Account {
    site: String,
    pub(super) url: String,
    username: Option<String>,
    /// Whether the person has shown to Gravatar that it is theirs.
    pub(super) verified: bool,
}

/// What is known of an address, which is asked for by its digest.
pub(super) async fn of_address(enquiry: &Enquiry<'_>, mail: &str) -> Gravatar {
    let digest = sha256(mail.trim().to_lowercase().as_bytes());
    let avatar = avatar(enquiry, &digest).await;
    let profile = profile(enquiry, &digest).await;
    Gravatar { avatar, ..profile }
}

/// What is known of a user name.
pub(super) async fn of_name(enquiry: &Enquiry<'_>, name: &str) -> Gravatar {
    profile(enquiry, name).await
}

impl Gravatar {
    /// As the collector tells it.
    pub(super) fn told(&self) -> Value {
        let accounts = self.accounts.iter().map(|account| {
            json!({
                "site": account.site,
                "url": account.url,
                "username": account.username,
                "verified": account.verified,
            })
        });
        json!({
            "avatar": self.avatar,
            "profile": self.profile,
            "display_name": self.display_name,
            "username": self.username,
            "profile_url": self.profile_url,
            "location": self.location,
            "accounts": accounts.collect::<Vec<_>>(),
        })
    }
}

async fn avatar(enquiry: &Enquiry<'_>, digest: &str) -> Option<bool> {
    // Without `d=404` there is a picture for everybody.
    let question = Question::new("gravatar:avatar", &GRAVATAR, &["avatar", digest])
        .with("d", "404")
        .header("accept", "image/*")
        .at_most(PICTURE);
    let asked = enquiry
        .ask_fully(&question, |answer| match answer.status {
            404 => Ok(None),
            200 => picture(answer).map(Some),
            _ => Err(Refusal::by_status(&GRAVATAR, answer)),
        })
        .await;
    asked.outcome.ok().map(|found| found.is_some())
}

async fn profile(enquiry: &Enquiry<'_>, whose: &str) -> Gravatar {
    let question = Question::new("gravatar:profile", &GRAVATAR, &[&format!("{whose}.json")]);
    let asked = enquiry
        .ask_fully(&question, |answer| match answer.status {
            // A page says that the address is wrong, not that there is no such profile.
            404 if !is_page(answer) => Ok(None),
            200 => read(&read_json(answer)?).map(Some),
            _ => Err(Refusal::by_status(&GRAVATAR, answer)),
        })
        .await;
    match asked.outcome {
        Ok(Some(profile)) => profile,
        Ok(None) => Gravatar { profile: Some(false), ..Gravatar::default() },
        Err(_) => Gravatar::default(),
    }
}

/// Holds an answer to being a picture.
fn picture(answer: &Fetched) -> Result<(), Refusal> {
    filled(answer)?;
    let is_one = answer.content_type.as_deref().is_some_and(|kind| kind.starts_with("image/"));
    if is_one { Ok(()) } else { Err(Refusal::unreadable("invalid-response", "Gravatar no ha enviado una imagen.")) }
}

fn read(answer: &Value) -> Result<Gravatar, Refusal> {
    let wrong = || Refusal::unreadable("invalid-response", "La respuesta no es un perfil de Gravatar.");
    let entry = answer.pointer("/entry/0").filter(|entry| entry.is_object()).ok_or_else(wrong)?;
    let words = |name: &str| text(entry, name);
    let accounts = entry.get("accounts").and_then(Value::as_array).into_iter().flatten().filter_map(account);
    Ok(Gravatar {
        avatar: None,
        profile: Some(true),
        display_name: words("displayName"),
        username: words("preferredUsername"),
        profile_url: words("profileUrl"),
        location: words("currentLocation"),
        accounts: accounts.take(MOST_ACCOUNTS).collect(),
    })
}

fn account(value: &Value) -> Option<Account> {
    let url = text(value, "url").filter(|url| url.starts_with("http://") || url.starts_with("https://"))?;
    let verified = match value.get("verified") {
        Some(Value::Bool(verified)) => *verified,
        Some(Value::String(verified)) => verified == "true",
        _ => false,
    };
    let site = text(value, "name").or_else(|| text(value, "shortname")).or_else(|| text(value, "domain"))?;
    Some(Account { site, url, username: text(value, "username"), verified })
}

fn text(value: &Value, name: &str) -> Option<String> {
    let text: String = value.get(name)?.as_str()?.trim().chars().take(MOST_LETTERS).collect();
    if text.is_empty() { None } else { Some(text) }
}
