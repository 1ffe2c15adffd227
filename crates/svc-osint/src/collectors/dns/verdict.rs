//! How one question ended, told apart finely enough that an analyst never has to guess whether
//! "no records" means "there are none", "nobody answered" or "the zone is broken".

use std::fmt;

use crate::model::SourceStatus;

/// The end of one question, or of a group of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Answered with records of the type asked for.
    Ok,
    /// The name exists and has no such record (NOERROR without answer).
    Empty,
    /// The name does not exist.
    NxDomain,
    /// The name is an alias of one that does not exist: whoever registers that one takes this one.
    DanglingCname,
    /// The alias leads back to itself, or through too many others.
    CnameLoop,
    /// The resolver could not get an answer from the zone's own servers, or it failed validation.
    ServFail,
    /// The resolver does not want to answer this question.
    Refused,
    /// Another code of refusal; the number is the RCODE.
    Rcode(u16),
    /// No answer in time, from any resolver.
    Timeout,
    /// No resolver could be reached at all.
    Unreachable,
    /// An answer came and could not be read.
    Malformed,
    /// The answer was cut to fit a datagram and could not be had over TCP.
    Truncated,
    /// Not asked: the scan's limit of questions was spent, or asking was pointless.
    NotAsked,
}

impl Verdict {
    /// True when the zone itself spoke: the absence of a record is then a fact.
    pub(super) fn conclusive(self) -> bool {
        match self {
            Self::Ok | Self::Empty | Self::NxDomain | Self::DanglingCname | Self::CnameLoop => true,
            Self::ServFail
            | Self::Refused
            | Self::Rcode(_)
            | Self::Timeout
            | Self::Unreachable
            | Self::Malformed
            | Self::Truncated
            | Self::NotAsked => false,
        }
    }

    /// True when it is certain that no such record exists.
    pub(super) fn absent(self) -> bool {
        self.conclusive() && self != Self::Ok
    }

    /// True when nothing at all came back.
    pub(super) fn silent(self) -> bool {
        matches!(self, Self::Timeout | Self::Unreachable)
    }

    /// How a source report words it.
    pub(super) fn source_status(self) -> SourceStatus {
        match self {
            Self::Ok => SourceStatus::Ok,
            Self::Empty | Self::NxDomain | Self::DanglingCname | Self::CnameLoop => SourceStatus::Empty,
            Self::ServFail | Self::Refused | Self::Rcode(_) | Self::Unreachable | Self::Malformed | Self::Truncated => {
                SourceStatus::Failed
            }
            Self::Timeout => SourceStatus::Timeout,
            Self::NotAsked => SourceStatus::Skipped,
        }
    }

    /// The verdict on a group of questions: one that found something makes it `ok`; otherwise the
    /// first that could not be settled is what the reader must know.
    pub(super) fn of_group(members: impl IntoIterator<Item = Self>) -> Self {
        let members: Vec<_> = members.into_iter().collect();
        if members.contains(&Self::Ok) {
            return Self::Ok;
        }
        members.into_iter().find(|verdict| !verdict.conclusive()).unwrap_or(Self::Empty)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::Empty => "empty",
            Self::NxDomain => "nxdomain",
            Self::DanglingCname => "dangling_cname",
            Self::CnameLoop => "cname_loop",
            Self::ServFail => "servfail",
            Self::Refused => "refused",
            Self::Rcode(1) => "formerr",
            Self::Rcode(4) => "notimp",
            Self::Rcode(code) => return write!(f, "rcode_{code}"),
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
            Self::Malformed => "malformed",
            Self::Truncated => "truncated",
            Self::NotAsked => "not_asked",
        })
    }
}
