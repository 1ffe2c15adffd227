//! What a `GET /api/v1/scans` chooses by.

use apium_web::{ApiError, StatusCode};
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::scans::Caller;
use crate::store::Filter;
use crate::target::{Target, TargetKind};

/// Scans on a page when nothing is said.
const PAGE: u32 = 50;
/// Scans on a page at the most.
const LARGEST: u32 = 500;

/// Which scans are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// Solo los de este objetivo.
    target: Option<String>,
    /// Solo los de este tipo, tal como se pidió.
    #[serde(rename = "type")]
    #[param(rename = "type")]
    collector: Option<String>,
    /// Solo los que están en este estado: PENDING, SUCCESS, FAILURE o REVOKED.
    status: Option<String>,
    /// Cuántos como máximo, de 1 a 500; 50 si no se dice.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// El `next` de la página anterior.
    before: Option<String>,
}

impl ListQuery {
    pub(super) fn filter(self, caller: &Caller) -> Result<Filter, ApiError> {
        let limit = self.limit.unwrap_or(PAGE);
        if !(1..=LARGEST).contains(&limit) {
            return Err(invalid("«limit» va de 1 a 500"));
        }
        let before =
            self.before.map(|text| before(&text).ok_or_else(|| invalid("«before» no es el «next» de una página")));
        let kinds: Vec<_> = TargetKind::ALL.into_iter().filter(|kind| *kind != TargetKind::File).collect();
        // A file's name is no target that could be read; it stands as it is.
        let spelt = |text: String| Target::parse_for(&text, &kinds).map_or(text, |target| target.to_string());
        Ok(Filter {
            owner: caller.name.clone(),
            target_key: self.target.map(spelt).unwrap_or_default(),
            collector: self.collector.unwrap_or_default(),
            state: self.status.unwrap_or_default(),
            before: before.transpose()?,
            limit,
        })
    }
}

/// 422: a parameter that means nothing.
pub(super) fn invalid(why: &str) -> ApiError {
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_query", format!("La consulta no vale: {why}."))
}

fn before(text: &str) -> Option<(Timestamp, String)> {
    let (micros, id) = text.split_once('.')?;
    Some((Timestamp::from_microsecond(micros.parse().ok()?).ok()?, id.to_owned()))
}
