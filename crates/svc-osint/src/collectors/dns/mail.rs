//! The mail policies a domain publishes beside SPF: DMARC, MTA-STS and TLS reporting.

use hickory_proto::rr::Name;
use serde_json::{Map, Value, json};

use super::asker::Asker;
use super::ledger::{Group, Ledger};
use super::names::{below, name_of, readable, text_of};
use super::verdict::Verdict;
use crate::target::DomainName;

/// Reports `dmarc`: the policy at `_dmarc` of the name, or else of its organisation's domain.
pub(super) async fn dmarc(asker: &Asker<'_>, ledger: &Ledger<'_>, domain: &DomainName, name: &Name) {
    let group = Group::new("DMARC");
    let mut report = policy_at(asker, &group, "_dmarc", name, "v=DMARC1").await;
    let organisation = domain.organisation();
    let mut inherited = false;
    if report.verdict == "none"
        && organisation != domain.ascii
        && let Some(above) = name_of(organisation)
    {
        report = policy_at(asker, &group, "_dmarc", &above, "v=DMARC1").await;
        inherited = true;
    }
    let wanted = if inherited && report.tags.contains_key("sp") { "sp" } else { "p" };
    let policy = report.tag(wanted).map(str::to_ascii_lowercase);
    let known = matches!(policy.as_deref(), Some("none" | "quarantine" | "reject"));
    if report.verdict == "ok" && !known {
        // Without a readable `p` a receiver treats the record as absent, or as p=none.
        report.verdict = "permerror";
        report.reason = Some("no-valid-p");
    }
    let enforced = report.verdict == "ok" && matches!(policy.as_deref(), Some("quarantine" | "reject"));
    let asked = report.asked;
    let mut value = report.into_value();
    value.insert("inherited".to_owned(), inherited.into());
    value.insert("policy".to_owned(), policy.into());
    value.insert("enforced".to_owned(), enforced.into());
    ledger.out.set("dmarc", Value::Object(value));
    ledger.close(&group, asked);
}

/// Reports `mta_sts`: whether mail to the domain announces that it must come encrypted.
pub(super) async fn mta_sts(asker: &Asker<'_>, ledger: &Ledger<'_>, name: &Name) {
    single(asker, ledger, ("MTA-STS", "mta_sts"), ("_mta-sts", "v=STSv1", "id"), name).await;
}

/// Reports `tls_rpt`: where failures of encrypted delivery are to be told.
pub(super) async fn tls_rpt(asker: &Asker<'_>, ledger: &Ledger<'_>, name: &Name) {
    single(asker, ledger, ("TLS-RPT", "tls_rpt"), ("_smtp._tls", "v=TLSRPTv1", "rua"), name).await;
}

/// The `tag=value;` list all of these records and DKIM keys are written in, in order; tags are
/// lower-cased, and a part without `=` is left out.
pub(super) fn tags_of(text: &str) -> Map<String, Value> {
    let parts = text.split(';').filter_map(|part| part.split_once('='));
    parts.map(|(tag, value)| (shown(tag.trim()).to_ascii_lowercase(), shown(value.trim()).into())).collect()
}

/// What was found of one policy.
struct Report {
    asked: Verdict,
    verdict: &'static str,
    reason: Option<&'static str>,
    at: String,
    records: Vec<String>,
    tags: Map<String, Value>,
}

impl Report {
    fn tag(&self, name: &str) -> Option<&str> {
        self.tags.get(name).and_then(Value::as_str)
    }

    fn into_value(self) -> Map<String, Value> {
        let mut value = Map::new();
        value.insert("verdict".to_owned(), self.verdict.into());
        value.insert("name".to_owned(), self.at.into());
        value.insert("status".to_owned(), self.asked.to_string().into());
        match self.records.as_slice() {
            [] => {}
            [record] => {
                value.insert("record".to_owned(), record.as_str().into());
                value.insert("tags".to_owned(), Value::Object(self.tags));
            }
            several => {
                value.insert("records".to_owned(), json!(several));
            }
        }
        if let Some(reason) = self.reason {
            value.insert("reasons".to_owned(), json!([reason]));
        }
        value
    }
}

async fn single(
    asker: &Asker<'_>,
    ledger: &Ledger<'_>,
    (source, key): (&str, &str),
    (label, version, needed): (&str, &str, &str),
    name: &Name,
) {
    let group = Group::new(source);
    let mut report = policy_at(asker, &group, label, name, version).await;
    if report.verdict == "ok" && report.tag(needed).is_none_or(str::is_empty) {
        report.verdict = "permerror";
        report.reason = Some("missing-tag");
    }
    let asked = report.asked;
    ledger.out.set(key, Value::Object(report.into_value()));
    ledger.close(&group, asked);
}

/// The records at `label` below `name` that begin with `version`.
async fn policy_at(asker: &Asker<'_>, group: &Group, label: &str, name: &Name, version: &str) -> Report {
    let Some(at) = below(label, name) else {
        return Report::of(Verdict::NxDomain, String::new(), &[]);
    };
    let (asked, texts) = asker.texts(group, &at).await;
    let records: Vec<_> = texts.into_iter().filter(|text| begins_with(text, version)).collect();
    Report::of(asked, text_of(&at), &records)
}

impl Report {
    fn of(asked: Verdict, at: String, records: &[String]) -> Self {
        let (verdict, reason) = match (records.len(), asked) {
            (0, asked) if asked.conclusive() => ("none", None),
            (0, _) => ("temperror", None),
            (1, _) => ("ok", None),
            _ => ("permerror", Some("several-records")),
        };
        let tags = records.first().map(|text| tags_of(text)).unwrap_or_default();
        // TXT records that are something else do not make this source "ok".
        let asked = if records.is_empty() && asked == Verdict::Ok { Verdict::Empty } else { asked };
        let records = records.iter().map(|text| shown(text)).collect();
        Self { asked, verdict, reason, at, records, tags }
    }
}

/// The version tag must come first, alone in its part.
fn begins_with(text: &str, version: &str) -> bool {
    let first: String = text.split(';').next().unwrap_or_default().split_whitespace().collect();
    first == version
}

/// Text of a stranger's record, readable and of bounded length.
fn shown(text: &str) -> String {
    readable(text.as_bytes()).chars().take(2_048).collect()
}
