//! The check of one name at one site: the request, its judgement, and for an account the counter-proof.

use std::sync::Arc;
use std::time::Duration;

use super::asking::{Asking, Unaskable, asking, profile};
use super::impossible::impossible;
use super::judge::judge;
use super::site::Site;
use super::verdict::{Checked, Proof, Verdict};
use crate::connector::{Connector, FetchError, Limits};
use crate::enquiry::{asked_to_wait, whole_seconds};
use crate::turns::Turns;

/// Asks sites, never two things at once of the same host.
pub struct Checker<'a> {
    connector: &'a Connector,
    limits: &'a Limits,
    turns: Arc<Turns>,
}

/// How much is taken of one site's answer: 512 KiB, the rest left unread, in 10 s.
pub fn limits() -> Limits {
    let patience = Duration::from_secs(10);
    Limits { body: 512 << 10, total: patience, idle: patience, redirects: 5, cut: true }
}

impl<'a> Checker<'a> {
    /// One that asks through `connector`, taking of each answer what `limits` allow.
    pub fn new(connector: &'a Connector, limits: &'a Limits) -> Self {
        Self { connector, limits, turns: Arc::default() }
    }

    /// What is known of `name` at `site`.
    pub async fn check(&self, site: &Site, name: &str) -> Checked {
        let mut checked = self.once(site, name).await;
        if checked.verdict == Verdict::Claimed {
            self.counter_proof(site, &mut checked).await;
        }
        checked
    }

    /// A site that says the same of a name nobody has, says nothing.
    async fn counter_proof(&self, site: &Site, checked: &mut Checked) {
        let control = match impossible(site) {
            Some(name) => self.once(site, &name).await,
            None => Checked::unasked(Verdict::Unknown, "no-control", String::new()),
        };
        checked.requests += control.requests;
        let (reason, detail) = match (control.verdict, checked.proof) {
            (Verdict::Available, _) => return,
            (Verdict::Claimed, _) => {
                ("soft-404", "El sitio dice lo mismo de un nombre que nadie puede tener.".to_owned())
            }
            (_, Some(Proof::Words)) => {
                checked.proof = Some(Proof::WordsAlone);
                return;
            }
            (verdict, _) => {
                let why = control.reason.as_deref().unwrap_or(verdict.as_str());
                ("no-control", format!("No se ha podido comprobar con un nombre que nadie puede tener ({why})."))
            }
        };
        (checked.verdict, checked.proof) = (Verdict::Unknown, None);
        (checked.reason, checked.detail) = (Some(reason.to_owned()), Some(detail));
        (checked.passing, checked.retry_after) = (checked.passing || control.passing, control.retry_after);
    }

    async fn once(&self, site: &Site, name: &str) -> Checked {
        let asking = match asking(site, name, &self.turns) {
            Ok(asking) => asking,
            Err(unaskable) => return unasked(&unaskable, profile(site, name)),
        };
        let mut sent = 0;
        match self.connector.send_counting(asking.request.clone(), self.limits, &mut sent).await {
            Ok(answer) => {
                let judgement = judge(site, &asking, &answer);
                Checked {
                    verdict: judgement.verdict,
                    detail: judgement.reason.as_deref().map(|reason| sentence(reason, answer.status)),
                    passing: is_passing(answer.status, judgement.reason.as_deref()),
                    retry_after: asked_to_wait(&answer).map(whole_seconds),
                    reason: judgement.reason,
                    url: asking.profile,
                    http: Some(answer.status),
                    ms: u64::try_from(answer.took.as_millis()).unwrap_or(u64::MAX),
                    requests: sent,
                    proof: (judgement.verdict == Verdict::Claimed).then_some(if judgement.in_words {
                        Proof::Words
                    } else {
                        Proof::Contrast
                    }),
                }
            }
            Err(error) => Checked { requests: sent, ..unheard(&error, asking, self.limits) },
        }
    }
}

fn unasked(unaskable: &Unaskable, url: String) -> Checked {
    match unaskable {
        Unaskable::Illegal(reason) => Checked::unasked(Verdict::Illegal, reason, url),
        Unaskable::Undecided => Checked::unasked(Verdict::Unknown, "regex-limit", url),
        Unaskable::Unsendable(error) => {
            let detail = Some(error.to_string());
            Checked { detail, ..Checked::unasked(Verdict::Unknown, error.reason(), url) }
        }
    }
}

/// Nothing came, which says nothing.
fn unheard(error: &FetchError, asking: Asking, limits: &Limits) -> Checked {
    let waited = if matches!(error, FetchError::Timeout { .. }) { limits.total } else { Duration::ZERO };
    Checked {
        detail: Some(error.to_string()),
        ms: u64::try_from(waited.as_millis()).unwrap_or(u64::MAX),
        passing: error.is_passing(),
        ..Checked::unasked(Verdict::Unknown, error.reason(), asking.profile)
    }
}

fn is_passing(status: u16, reason: Option<&str>) -> bool {
    reason.is_some() && (matches!(status, 202 | 408 | 425 | 429 | 500..=599))
}

fn sentence(reason: &str, status: u16) -> String {
    let sentence = match reason {
        "login-wall" => "El sitio pide iniciar sesión.",
        "site-error" => "La página es un error que la lista conoce.",
        "contradiction" => "La página dice a la vez que hay cuenta y que no la hay.",
        "cut" => "La página no se ha podido leer entera.",
        "empty" => "La página está vacía.",
        "no-match" => "La página no es ninguna de las que la lista conoce.",
        "moved" => "El sitio lleva a otro dominio.",
        "redirect-elsewhere" | "redirect-nowhere" => "El sitio lleva a un lugar que la lista no conoce.",
        "http-429" => "El sitio pide menos consultas.",
        reason if reason.starts_with("challenge-") => "Un cortafuegos ha respondido en lugar del sitio.",
        _ => return format!("El sitio ha respondido con el código {status}."),
    };
    sentence.to_owned()
}
