//! The `dns` collector: everything the DNS says about a domain or an address, and for everything
//! it does not say, why not.
//!
//! What it writes into the gathering, key by key:
//!
//! - `exists`: `false` when the name is NXDOMAIN (then nothing else is asked), `true` when the zone
//!   said anything else, `null` when no resolver could tell.
//! - `zone`: the zone that holds the target.
//! - `records`: `{TYPE: [row]}`; a row has `name`, `value`, `ttl` (seconds) and the parts of its
//!   type: MX `preference`, `null_mx`; SRV `priority`, `weight`, `port`; SOA `mname`, `rname`,
//!   `serial`, `refresh`, `retry`, `expire`, `minimum`; CAA `flags`, `tag`, `property`; TXT `bytes`,
//!   `strings`; DS and DNSKEY `key_tag`, `algorithm`. Bytes that are no text are written `\ddd`.
//!   `CNAME` holds the whole chain of aliases.
//! - `status`: `{TYPE: verdict}`: `ok`; `empty` (the name exists, the record does not); `nxdomain`;
//!   `dangling_cname` (alias of a name that does not exist); `cname_loop`; `servfail`; `refused`;
//!   `formerr`, `notimp` or `rcode_N`; `timeout`; `unreachable`; `malformed`; `truncated` (cut, and
//!   TCP did not help); `not_asked`.
//! - `spf`: `verdict` (`ok`, `none`, `permerror`, `temperror`), `record`, `all` (its last word, e.g.
//!   `-all`), `lookups` (terms that need the DNS, worst case, of 10 allowed), `void_lookups` (of 2),
//!   `reasons`, `warnings`, `includes`, `networks`.
//! - `dmarc`: `verdict` as above, `name` where it was looked for last, `record`, `tags`, `inherited`
//!   (taken from the organisation's domain), `policy` in force, `enforced` (quarantine or reject).
//! - `dkim`: `verdict` (`found`, `none_found`, `incomplete`), `wildcard`, `tried` (selectors), `keys`
//!   with `selector`, `verdict` (`ok`, `weak`, `revoked`, `malformed`), `key_type`, `bits`, `testing`.
//! - `mta_sts`, `tls_rpt`: `verdict`, `record`, `tags`.
//! - `wildcard`: `present` (`null`: undecided), the `probe` asked for, its `addresses`, `aliases`.
//! - `dnssec`: `verdict`: `signed` (parent's DS names a key of the zone), `unsigned`, `island` (keys
//!   without DS), `mismatch` (DS without its key), `bogus` (fails validation at the resolver),
//!   `unknown`; the `ds` and `dnskey` rows; `validated_by_resolver`.
//! - `axfr`: `open`, and per server `status`: `refused`, `transferred` (with `records`, `names`,
//!   `truncated`), `failed`, `timeout`, `blocked` (its address may not be contacted), `not_asked`.
//! - `ptr`: per address `status`, `names` with `forward_confirmed`.
//! - `resolvers`: per resolver `address`, questions `asked` and `answered`.
//!
//! A key whose part was not reached is absent; its source then says `skipped`, `timeout` or
//! `failed`. Each type and each part is one source, `dns:MX`, `dns:SPF`, `dns:AXFR:ns1.example.com`.

mod asker;
mod axfr;
mod dkim;
mod dnssec;
mod domain;
mod ledger;
mod mail;
mod names;
mod probes;
mod rows;
mod settings;
mod spf;
mod verdict;
mod wire;

pub use settings::{DnsSettings, DnsSettingsError, MayContact};

use std::net::IpAddr;

use asker::Asker;
use hickory_proto::rr::{RData, RecordType};
use ledger::{Group, Ledger};
use names::{name_of, text_of};
use verdict::Verdict;

use crate::model::{Gathering, SourceStatus};
use crate::target::{Target, TargetKind};

/// The kinds of target this collector takes.
pub const ACCEPTS: [TargetKind; 2] = [TargetKind::Domain, TargetKind::Ip];

/// Gathers what the DNS knows about `target` into `out`. It never fails as a whole: each source
/// reports its own end. Dropping the future stops it at once.
pub async fn collect(settings: &DnsSettings, target: &Target, out: &Gathering) {
    let asker = Asker::new(settings);
    out.set("resolvers", asker.resolvers());
    match target {
        Target::Domain(domain) => domain::scan(&asker, domain, out).await,
        Target::Ip(address) => address_only(&asker, *address, out).await,
        Target::Url(_)
        | Target::Email(_)
        | Target::Username(_)
        | Target::Hash(_)
        | Target::File(_)
        | Target::Asn(_) => {
            let reason = format!("target-is-{}", target.kind().as_str());
            Ledger::new(out, "", 1).close_as(&Group::new("target"), SourceStatus::Skipped, Some(reason));
        }
    }
    out.set("resolvers", asker.resolvers());
    if asker.ran_out() {
        out.truncated();
    }
}

/// The servers that take the mail of `domain`, in lower-case ASCII, best first; reported as the source `dns:MX`. `None`:
/// no resolver could tell. A single `.` is the declaration that there is none.
pub(crate) async fn mail_servers(settings: &DnsSettings, domain: &str, out: &Gathering) -> Option<Vec<String>> {
    let asker = Asker::new(settings);
    let group = Group::new("MX");
    let name = name_of(domain)?;
    let found = asker.look_up(&group, &name, RecordType::MX).await;
    let verdict = found.verdict;
    let reason = (verdict != Verdict::Ok).then(|| verdict.to_string());
    Ledger::new(out, "", 1).extra_source(&group, verdict.source_status(), reason);
    let mut servers: Vec<_> = found
        .records
        .iter()
        .filter_map(|record| match &record.data {
            RData::MX(mx) => Some((mx.preference, text_of(&mx.exchange))),
            _ => None,
        })
        .collect();
    servers.sort_unstable();
    verdict.conclusive().then(|| servers.into_iter().map(|(_, server)| server).collect())
}

async fn address_only(asker: &Asker<'_>, address: IpAddr, out: &Gathering) {
    let ledger = Ledger::new(out, "", 1);
    probes::reverse(asker, &ledger, &[address]).await;
}
