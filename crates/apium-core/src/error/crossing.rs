//! An error on its way from a child process to its worker, whole: what is to be done about it crosses too.

use std::time::Duration;

use apium_protocol::canvas::{self, CanvasError};
use apium_protocol::{ExceptionRecord, JsonError, RawJson};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Extra, Remedy, TaskError};
use crate::retry::{Moment, Retry};

#[derive(Serialize, Deserialize)]
struct Crossing {
    exc_type: String,
    exc_message: RawJson,
    exc_module: Option<String>,
    remedy: Remedy,
    traceback: Option<String>,
    replacement: Option<RawJson>,
    retry: Option<Again>,
    bare: bool,
}

#[derive(Serialize, Deserialize)]
struct Again {
    when: Option<When>,
    args: Option<Vec<RawJson>>,
    kwargs: Option<Vec<(String, RawJson)>>,
    expires: Option<When>,
    max_retries: Option<u32>,
}

#[derive(Serialize, Deserialize)]
enum When {
    In(Duration),
    At(Timestamp),
}

impl TaskError {
    /// The whole error as JSON, for [`TaskError::from_crossing`] in another process of the same program.
    ///
    /// # Errors
    /// When the canvas that is to take the task's place nests too deep to be written.
    pub fn to_crossing(&self) -> Result<RawJson, JsonError> {
        let none = Extra::default();
        let extra = self.extra.as_deref().unwrap_or(&none);
        let ExceptionRecord { exc_type, exc_message, exc_module } = self.exception.clone();
        RawJson::from(&Crossing {
            exc_type,
            exc_message,
            exc_module,
            remedy: self.remedy,
            traceback: extra.traceback.clone(),
            replacement: extra.replacement.as_ref().map(canvas::Signature::to_json).transpose()?,
            retry: extra.retry.as_ref().map(Again::of),
            bare: extra.bare,
        })
    }

    /// The error that was written.
    ///
    /// # Errors
    /// When it was not written by [`TaskError::to_crossing`].
    pub fn from_crossing(json: &RawJson) -> Result<Self, CanvasError> {
        let crossing: Crossing = json.to().map_err(CanvasError::from)?;
        let Crossing { exc_type, exc_message, exc_module, remedy, traceback, replacement, retry, bare } = crossing;
        let extra = Extra {
            traceback,
            replacement: replacement.as_ref().map(canvas::Signature::decode).transpose()?,
            retry: retry.map(Again::back),
            bare,
        };
        let plain = extra.traceback.is_none() && extra.replacement.is_none() && extra.retry.is_none() && !bare;
        let exception = ExceptionRecord { exc_type, exc_message, exc_module };
        Ok(Self { exception, remedy, extra: (!plain).then(|| Box::new(extra)) })
    }
}

impl Again {
    fn of(retry: &Retry) -> Self {
        Self {
            when: retry.when.map(When::of),
            args: retry.args.clone(),
            kwargs: retry.kwargs.clone(),
            expires: retry.expires.map(When::of),
            max_retries: retry.max_retries,
        }
    }

    fn back(self) -> Retry {
        Retry {
            when: self.when.map(When::back),
            args: self.args,
            kwargs: self.kwargs,
            expires: self.expires.map(When::back),
            max_retries: self.max_retries,
            broken: None,
        }
    }
}

impl When {
    fn of(moment: Moment) -> Self {
        match moment {
            Moment::In(span) => Self::In(span),
            Moment::At(at) => Self::At(at),
        }
    }

    fn back(self) -> Moment {
        match self {
            Self::In(span) => Moment::In(span),
            Self::At(at) => Moment::At(at),
        }
    }
}
