//! Facts made one where they are one: the same thing told by several sources is one finding with all its evidence.

use std::collections::HashMap;

use crate::model::{Evidence, Finding};

/// The findings with each fact once, in the order in which they were first told. Its confidence is the highest of its
/// sources'; of attributes told differently, the first counts.
pub(crate) fn merged(findings: Vec<Finding>, digests: &HashMap<String, String>) -> Vec<Finding> {
    let mut all: Vec<Finding> = Vec::with_capacity(findings.len());
    let mut known: HashMap<(String, String), usize> = HashMap::new();
    for mut finding in findings {
        finding.value = normal(&finding.kind, &finding.value);
        if finding.evidence.is_empty() {
            let sha256 = digests.get(&finding.source).cloned();
            let (source, source_url) = (finding.source.clone(), finding.source_url.clone());
            finding.evidence.push(Evidence { source, source_url, sha256 });
        }
        let key = (finding.kind.clone(), finding.value.clone());
        if let Some(first) = known.get(&key).and_then(|at| all.get_mut(*at)) {
            add(first, finding);
        } else {
            known.insert(key, all.len());
            all.push(finding);
        }
    }
    all
}

fn add(first: &mut Finding, other: Finding) {
    first.confidence = first.confidence.max(other.confidence);
    for evidence in other.evidence {
        if !first.evidence.contains(&evidence) {
            first.evidence.push(evidence);
        }
    }
    for (key, value) in other.attributes {
        first.attributes.entry(key).or_insert(value);
    }
}

/// The one spelling of a value of this kind.
fn normal(kind: &str, value: &str) -> String {
    let value = value.trim();
    match kind {
        "domain" | "subdomain" => value.trim_end_matches('.').to_ascii_lowercase(),
        "ip" => value.parse::<std::net::IpAddr>().map_or_else(|_| value.to_owned(), |ip| ip.to_string()),
        // Only the server may fold the case of what stands before the @.
        "email" => match value.rsplit_once('@') {
            Some((local, domain)) => format!("{local}@{}", domain.trim_end_matches('.').to_ascii_lowercase()),
            None => value.to_owned(),
        },
        "vulnerability" | "asn" => value.to_ascii_uppercase(),
        _ => value.to_owned(),
    }
}
