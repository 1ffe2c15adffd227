//! The zone transfer: whoever may take the whole zone may read every name in it. Asked of each
//! name server separately, because usually it is the forgotten secondary that gives it away.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use futures_util::future::join_all;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::asker::Asker;
use super::ledger::{Group, Ledger};
use super::names::text_of;
use super::probes::address_in;
use super::verdict::Verdict;
use super::wire::{Question, Unheard, read_frame, request, write_frame};
use crate::model::SourceStatus;

/// Most names taken from one transfer; it proves the point and the rest would only fill the store.
const MAX_NAMES: usize = 1_000;
/// Most records read to get them.
const MAX_RECORDS: usize = 20_000;
/// Name servers tried.
const MAX_SERVERS: usize = 8;
/// A transfer may take this many times the patience of one question.
const PATIENCE: u32 = 4;

/// How one server took the request.
enum Transfer {
    Refused(String),
    Transferred { records: usize, names: BTreeSet<String>, cut: bool },
    Failed(&'static str),
    Timeout,
    Blocked(String),
    NotAsked,
}

/// Tries each server of the zone and reports `axfr`, one row a server.
pub(super) async fn examine(asker: &Asker<'_>, ledger: &Ledger<'_>, zone: &Name) {
    let group = Group::new("AXFR");
    let found = asker.look_up(&group, zone, RecordType::NS).await;
    let servers: Vec<_> = found
        .records
        .iter()
        .filter_map(|record| match &record.data {
            RData::NS(name) => Some(name.0.to_lowercase()),
            _ => None,
        })
        .collect();
    if servers.len() > MAX_SERVERS {
        ledger.out.truncated();
    }
    let tries = servers.iter().take(MAX_SERVERS).map(|server| try_server(asker, ledger, zone, server));
    let rows = join_all(tries).await;
    let open = rows.iter().any(|row| row["status"] == "transferred");
    ledger.out.set("axfr", json!({"zone": text_of(zone), "open": open, "servers": rows}));
    let asked = if found.verdict == Verdict::Ok && !open { Verdict::Empty } else { found.verdict };
    let reason = match (open, asked) {
        (true, _) => None,
        (false, Verdict::Empty) => Some("not-open".to_owned()),
        (false, other) => Some(other.to_string()),
    };
    ledger.close_as(&group, asked.source_status(), reason);
}

async fn try_server(asker: &Asker<'_>, ledger: &Ledger<'_>, zone: &Name, server: &Name) -> Value {
    let server_text = text_of(server);
    let group = Group::new(format!("AXFR:{server_text}"));
    let (transfer, address) = match address_of(asker, &group, server).await {
        Ok(address) => (transfer(asker, &group, zone, address).await, Some(address)),
        Err(transfer) => (transfer, None),
    };
    let mut row = json!({"server": server_text, "address": address.map(|address| address.ip().to_string())});
    let (word, status, reason) = match &transfer {
        Transfer::Refused(code) => ("refused", SourceStatus::Empty, Some(format!("refused ({code})"))),
        Transfer::Transferred { .. } => ("transferred", SourceStatus::Ok, None),
        Transfer::Failed(why) => ("failed", SourceStatus::Failed, Some((*why).to_owned())),
        Transfer::Timeout => ("timeout", SourceStatus::Timeout, Some("timeout".to_owned())),
        Transfer::Blocked(why) => ("blocked", SourceStatus::Blocked, Some(why.clone())),
        Transfer::NotAsked => ("not_asked", SourceStatus::Skipped, Some("not_asked".to_owned())),
    };
    row["status"] = word.into();
    row["reason"] = reason.clone().into();
    if let Transfer::Transferred { records, names, cut } = transfer {
        row["records"] = records.into();
        row["names"] = names.len().into();
        row["truncated"] = cut.into();
        if cut {
            ledger.out.truncated();
        }
        let source = format!("dns:AXFR:{server_text}");
        for name in &names {
            ledger.host(name, &source);
        }
    }
    ledger.extra_source(&group, status, reason);
    row
}

/// An address of the server that may be contacted, or why there is none.
async fn address_of(asker: &Asker<'_>, group: &Group, server: &Name) -> Result<SocketAddr, Transfer> {
    let v4 = asker.look_up(group, server, RecordType::A).await;
    let v6 = asker.look_up(group, server, RecordType::AAAA).await;
    let addresses: Vec<IpAddr> = v4.records.iter().chain(&v6.records).filter_map(address_in).collect();
    let Some(first) = addresses.first() else {
        return Err(Transfer::Failed("server-without-address"));
    };
    let allowed = addresses.iter().copied().find(|address| (asker.settings.may_contact)(*address));
    allowed
        .map(|address| SocketAddr::new(address, asker.settings.authority_port))
        .ok_or_else(|| Transfer::Blocked(format!("forbidden-address {first}")))
}

async fn transfer(asker: &Asker<'_>, group: &Group, zone: &Name, server: SocketAddr) -> Transfer {
    if !asker.take(group) {
        return Transfer::NotAsked;
    }
    let patience = asker.settings.timeout * PATIENCE;
    match timeout(patience, receive(zone, server)).await {
        Ok(Ok(transfer)) => transfer,
        Ok(Err(Unheard::Unreachable)) => Transfer::Failed("unreachable"),
        Ok(Err(_)) => Transfer::Failed("malformed"),
        Err(_) => Transfer::Timeout,
    }
}

/// Reads the transfer until the SOA comes for the second time, or a limit.
async fn receive(zone: &Name, server: SocketAddr) -> Result<Transfer, Unheard> {
    let mut stream = TcpStream::connect(server).await.map_err(|_| Unheard::Unreachable)?;
    let question = Question { name: zone.clone(), kind: RecordType::AXFR, unchecked: false };
    let mut message = request(&question, false);
    message.metadata.recursion_desired = false;
    write_frame(&mut stream, &message.to_vec().map_err(|_| Unheard::Malformed)?).await?;
    let (mut names, mut records, mut soas) = (BTreeSet::new(), 0, 0);
    loop {
        let Some(bytes) = read_frame(&mut stream).await else {
            return Ok(if records == 0 {
                Transfer::Refused("connection closed".to_owned())
            } else {
                Transfer::Transferred { records, names, cut: true }
            });
        };
        let part = Message::from_vec(&bytes).map_err(|_| Unheard::Malformed)?;
        if part.metadata.id != message.metadata.id {
            return Err(Unheard::Malformed);
        }
        if let Some(refusal) = refusal(&part, records) {
            return Ok(refusal);
        }
        for record in &part.answers {
            soas += usize::from(record.record_type() == RecordType::SOA);
            if soas == 2 {
                return Ok(Transfer::Transferred { records, names, cut: false });
            }
            records += 1;
            // A server may put anything into a transfer; only names of the zone are its to tell.
            if zone.zone_of(&record.name) {
                names.insert(text_of(&record.name));
            }
            if names.len() >= MAX_NAMES || records >= MAX_RECORDS {
                return Ok(Transfer::Transferred { records, names, cut: true });
            }
        }
    }
}

/// The refusal in a message, if it is one; the first must begin with the SOA.
fn refusal(part: &Message, records: usize) -> Option<Transfer> {
    let code = match part.metadata.response_code {
        ResponseCode::NoError if records > 0 => return None,
        ResponseCode::NoError => {
            let first = part.answers.first().map(hickory_proto::rr::Record::record_type);
            return (first != Some(RecordType::SOA)).then(|| Transfer::Refused("empty answer".to_owned()));
        }
        ResponseCode::Refused => Verdict::Refused.to_string(),
        ResponseCode::NotAuth => "notauth".to_owned(),
        ResponseCode::ServFail => return Some(Transfer::Failed("servfail")),
        other => Verdict::Rcode(other.into()).to_string(),
    };
    Some(Transfer::Refused(code))
}
