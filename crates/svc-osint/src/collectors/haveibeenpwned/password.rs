//! How often a password was seen in breaches, by the digest of it: five of its digits are sent, and the answer is about
//! all digests that begin so. That of ours is looked for here.

use serde_json::json;

use crate::collectors::facts::{Facts, Origin};
use crate::connector::Fetched;
use crate::enquiry::{Enquiry, Question, Refusal, plain};
use crate::model::SourceStatus;
use crate::providers::PWNED_PASSWORDS;

const SOURCE: &str = "haveibeenpwned:password";
/// Largest answer, in bytes: 1 MiB. Real ones are some tens of thousands.
const LARGEST: usize = 1 << 20;
/// Digits of a digest that are sent.
const PREFIX: usize = 5;
/// Digits of a SHA-1 digest.
const DIGITS: usize = 40;

/// Asks about a digest in lower-case hexadecimal.
pub(super) async fn ask(enquiry: &Enquiry<'_>, digest: &str) {
    if digest.len() != DIGITS {
        let detail = "Pwned Passwords solo conoce resúmenes SHA-1 (40 cifras hexadecimales).";
        enquiry.leave_out(SOURCE, &Refusal::new(SourceStatus::Skipped, "not-sha1", detail));
        return;
    }
    let out = enquiry.out;
    out.progress(0, 1);
    let digest = digest.to_ascii_uppercase();
    let (prefix, suffix) = digest.split_at(PREFIX);
    // With padding, answers are of one size, so that who sees their sizes learns nothing.
    let question = Question::new(SOURCE, &PWNED_PASSWORDS, &["range", prefix])
        .header("accept", "text/plain")
        .header("add-padding", "true")
        .unkept()
        .at_most(LARGEST);
    if let Ok(seen) = enquiry.try_asking(&question, |answer| read(answer, suffix)).await {
        out.set("password_seen", json!(seen.unwrap_or(0)));
        if let Some(seen) = seen {
            let url = Some("https://haveibeenpwned.com/Passwords".to_owned());
            let origin = Origin { source: SOURCE, url, confidence: 1.0 };
            Facts::new(out).add(&origin, "breach", "Pwned Passwords", json!({ "seen": seen }));
        }
    }
    out.progress(1, 1);
}

/// How often; `None` for never. Lines are `SUFFIX:COUNT`; padding has a count of 0.
fn read(answer: &Fetched, suffix: &str) -> Result<Option<u64>, Refusal> {
    if answer.status != 200 {
        return Err(Refusal::by_status(&PWNED_PASSWORDS, answer));
    }
    let mut seen = 0;
    for line in plain(answer)?.lines() {
        let (found, count) = line.trim().split_once(':').ok_or_else(Refusal::misshapen)?;
        let hexadecimal = found.len() == DIGITS - PREFIX && found.bytes().all(|byte| byte.is_ascii_hexdigit());
        let count: u64 = count.parse().map_err(|_| Refusal::misshapen())?;
        if !hexadecimal {
            return Err(Refusal::misshapen());
        }
        if found.eq_ignore_ascii_case(suffix) {
            seen = count;
        }
    }
    Ok((seen > 0).then_some(seen))
}
