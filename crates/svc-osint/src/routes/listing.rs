//! What a `GET /api/v1/scans` chooses by.

use apium_web::{ApiError, StatusCode};
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::scans::Caller;
use crate::shapes::{self, LISTED};
use crate::store::Filter;
use crate::target::{Target, TargetKind};

/// Scans on a page when nothing is said.
const PAGE: u32 = 50;
/// Scans on a page at the most.
const LARGEST: u32 = 500;
/// Digits of a moment in microseconds; they are enough until 2286.
const LONGEST: usize = 16;

/// Which scans are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// Solo los de este objetivo.
    #[param(pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$")]
    target: Option<String>,
    /// Solo los de este tipo, tal como se pidió.
    #[serde(rename = "type")]
    #[param(rename = "type", pattern = "^[a-z,]*$")]
    collector: Option<String>,
    /// Solo los que están en este estado.
    #[param(schema_with = shapes::listed_state)]
    status: Option<String>,
    /// Cuántos como máximo, de 1 a 500; 50 si no se dice.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// El `next` de la página anterior.
    #[param(pattern = r"^[0-9]{1,16}\.[^\u0000-\u001f\u007f-\u009f]+$")]
    before: Option<String>,
}

impl ListQuery {
    pub(super) fn filter(self, caller: &Caller) -> Result<Filter, ApiError> {
        let limit = self.limit.unwrap_or(PAGE);
        if !(1..=LARGEST).contains(&limit) {
            return Err(invalid("«limit» va de 1 a 500"));
        }
        let wrong = |c: char| !c.is_ascii_lowercase() && c != ',';
        if self.collector.as_ref().is_some_and(|text| text.contains(wrong)) {
            return Err(invalid("«type» es un tipo de escaneo, o varios con comas"));
        }
        if self.status.as_ref().is_some_and(|state| !LISTED.contains(&state.as_str())) {
            return Err(invalid(&format!("«status» es uno de {}", LISTED.join(", "))));
        }
        if self.target.as_ref().is_some_and(|text| text.contains(char::is_control)) {
            return Err(invalid("«target» contiene caracteres de control"));
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
    let counted = (1..=LONGEST).contains(&micros.len()) && micros.bytes().all(|byte| byte.is_ascii_digit());
    // A scan that a program sent to the queue has whatever id it was given.
    let named = !id.is_empty() && !id.contains(char::is_control);
    let micros: i64 = micros.parse().ok().filter(|_| counted && named)?;
    Some((Timestamp::from_microsecond(micros).ok()?, id.to_owned()))
}
