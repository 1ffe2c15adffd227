//! One field of a crontab, as Celery reads it: `*`, numbers, names, ranges that may wrap, steps, lists.

use std::collections::BTreeSet;

use crate::error::ScheduleError;

/// One of the five fields: its name and what it may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    first: u8,
    last: u8,
}

pub(crate) const MINUTE: Field = Field { name: "minute", first: 0, last: 59 };
pub(crate) const HOUR: Field = Field { name: "hour", first: 0, last: 23 };
pub(crate) const DAY_OF_WEEK: Field = Field { name: "day_of_week", first: 0, last: 6 };
pub(crate) const DAY_OF_MONTH: Field = Field { name: "day_of_month", first: 1, last: 31 };
pub(crate) const MONTH_OF_YEAR: Field = Field { name: "month_of_year", first: 1, last: 12 };

const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// The longest text that is read as a field; every number of the widest one takes fewer.
const LONGEST: usize = 512;

/// What a field is said to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spec {
    /// In Celery's grammar, such as `*/15`, `8-18` or `mon-fri`.
    Text(String),
    /// These numbers (Celery's integers, lists and sets).
    Numbers(Vec<i64>),
}

impl Default for Spec {
    /// `*`
    fn default() -> Self {
        Self::Text("*".to_owned())
    }
}

impl From<&str> for Spec {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Spec {
    fn from(number: i64) -> Self {
        Self::Numbers(vec![number])
    }
}

impl<const N: usize> From<[i64; N]> for Spec {
    fn from(numbers: [i64; N]) -> Self {
        Self::Numbers(numbers.to_vec())
    }
}

/// A field that was read: as it stands in a line, and the numbers it holds, one bit each.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) text: String,
    pub(crate) bits: u64,
}

impl Read {
    /// Whether it is written as a rhythm, with a star or a step, and not as a list of numbers.
    pub(crate) fn is_stepped(&self) -> bool {
        self.text.contains(['*', '/'])
    }
}

impl Field {
    /// Reads what the field is said to be.
    pub(crate) fn read(self, spec: &Spec) -> Result<Read, ScheduleError> {
        match spec {
            Spec::Text(text) if text.len() > LONGEST => {
                Err(self.wrong(format!("must be shorter than {LONGEST} characters")))
            }
            Spec::Text(text) => {
                let text: String = text.split(',').map(str::trim).collect::<Vec<_>>().join(",");
                let numbers = self.list(&text)?;
                Ok(Read { bits: bits(&numbers), text })
            }
            Spec::Numbers(numbers) => {
                let numbers: BTreeSet<u8> =
                    numbers.iter().map(|number| self.within(*number, &number.to_string())).collect::<Result<_, _>>()?;
                if numbers.is_empty() {
                    return Err(self.wrong("must hold a number, and the list is empty".to_owned()));
                }
                let text = numbers.iter().map(u8::to_string).collect::<Vec<_>>().join(",");
                Ok(Read { bits: bits(&numbers.into_iter().collect::<Vec<_>>()), text })
            }
        }
    }

    /// Every number it may hold.
    pub(crate) fn all(self) -> u64 {
        bits(&(self.first..=self.last).collect::<Vec<_>>())
    }

    fn list(self, text: &str) -> Result<Vec<u8>, ScheduleError> {
        let mut numbers = Vec::new();
        for part in text.split(',') {
            numbers.extend(self.part(part)?);
        }
        Ok(numbers)
    }

    /// `*`, `a`, `a-b`, each of the first and the last with a step if wanted: Celery knows no `a/n`.
    fn part(self, part: &str) -> Result<Vec<u8>, ScheduleError> {
        if part.is_empty() {
            return Err(self.wrong("has an empty part; write `*` for every one".to_owned()));
        }
        let (span, step) = match part.split_once('/') {
            Some((span, step)) => (span, Some(step)),
            None => (part, None),
        };
        let all = match span.split_once('-') {
            _ if span == "*" => (self.first..=self.last).collect(),
            Some((from, to)) => self.range(self.number(from, part)?, self.number(to, part)?),
            None if step.is_some() => {
                let range = part.replacen('/', &format!("-{}/", self.last), 1);
                return Err(self.wrong(format!("cannot be `{part}`: a step follows `*` or a range, as in `{range}`")));
            }
            None => vec![self.number(span, part)?],
        };
        match step {
            None => Ok(all),
            Some(step) => Ok(all.into_iter().step_by(self.step(step, part)?).collect()),
        }
    }

    /// From the one to the other, through the end of the field where the other is less.
    fn range(self, from: u8, to: u8) -> Vec<u8> {
        if to < from { (from..=self.last).chain(self.first..=to).collect() } else { (from..=to).collect() }
    }

    /// A step is counted from the first number of what it follows.
    fn step(self, step: &str, part: &str) -> Result<usize, ScheduleError> {
        digits(step)
            .and_then(|step| usize::try_from(step).ok())
            .filter(|step| *step > 0)
            .ok_or_else(|| self.wrong(format!("cannot be `{part}`: the step must be a number from 1")))
    }

    fn number(self, word: &str, part: &str) -> Result<u8, ScheduleError> {
        let number = digits(word).or_else(|| named(word));
        let number = number.ok_or_else(|| {
            self.wrong(format!("cannot be `{part}`: `{word}` is neither a number nor the name of a month or weekday"))
        })?;
        self.within(number, part)
    }

    fn within(self, number: i64, part: &str) -> Result<u8, ScheduleError> {
        u8::try_from(number).ok().filter(|number| (self.first..=self.last).contains(number)).ok_or_else(|| {
            let sunday = if self == DAY_OF_WEEK { ", where Sunday is 0" } else { "" };
            self.wrong(format!("cannot be `{part}`: it goes from {} to {}{sunday}", self.first, self.last))
        })
    }

    fn wrong(self, reason: String) -> ScheduleError {
        ScheduleError::new(self.name, reason)
    }
}

/// Digits, with a plus before them if one likes, as Python's `int` takes it.
fn digits(word: &str) -> Option<i64> {
    let digits = word.strip_prefix('+').unwrap_or(word);
    (!digits.is_empty() && digits.bytes().all(|sign| sign.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// A month or weekday by its first three letters. As in Celery, a name may stand in any field for its number, and a
/// month's comes first.
fn named(word: &str) -> Option<i64> {
    if !word.bytes().all(|sign| sign.is_ascii_alphabetic()) {
        return None;
    }
    let start = word.get(..3)?.to_ascii_lowercase();
    let month = MONTHS.iter().zip(1..).find(|(name, _)| **name == start);
    let weekday = WEEKDAYS.iter().zip(0..).find(|(name, _)| **name == start);
    month.or(weekday).map(|(_, number)| number)
}

fn bits(numbers: &[u8]) -> u64 {
    numbers.iter().fold(0, |bits, number| bits | 1 << number)
}
