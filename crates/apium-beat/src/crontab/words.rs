//! A crontab in plain words, such as "at 09:00 on Monday to Friday".

use std::fmt;

use super::Crontab;

const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// The most times of day that are told one by one.
const TIMES: usize = 6;

/// Tells a crontab in words.
pub(crate) struct InWords<'a>(pub(crate) &'a Crontab);

impl fmt::Display for InWords<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wall = &self.0.wall;
        f.write_str(&times(&numbers(wall.minutes), &numbers(wall.hours.into())))?;
        let weekdays = numbers(wall.weekdays.into());
        let days = numbers(wall.days.into());
        if weekdays.len() < 7 {
            write!(f, " on {}", among(&weekdays, 7, |day| WEEKDAYS[day].to_owned()))?;
        }
        if days.len() < 31 {
            let before = if weekdays.len() < 7 { "that is" } else { "on" };
            let plural = if days.len() == 1 { "day" } else { "days" };
            let plural = if weekdays.len() < 7 { "day" } else { plural };
            let joined = if weekdays.len() < 7 { "or" } else { "and" };
            write!(f, " {before} {plural} {} of the month", listed(&days, 32, joined, |day| day.to_string()))?;
        }
        let months = numbers(wall.months.into());
        if months.len() < 12 {
            write!(f, " in {}", among(&months, 13, |month| MONTHS[month - 1].to_owned()))?;
        }
        Ok(())
    }
}

fn times(minutes: &[usize], hours: &[usize]) -> String {
    let rhythm = rhythm(minutes);
    if hours.len() == 24 {
        return match (rhythm, minutes) {
            (Some(each), _) => each,
            (None, [0]) => "every hour".to_owned(),
            (None, _) => format!("every hour at {}", past(minutes)),
        };
    }
    if minutes.len() * hours.len() <= TIMES {
        let all = hours.iter().flat_map(|hour| minutes.iter().map(move |minute| clock(*hour, *minute)));
        return format!("at {}", join(&all.collect::<Vec<_>>(), "and"));
    }
    let (first, last) = (minutes.first().copied().unwrap_or(0), minutes.last().copied().unwrap_or(0));
    let spans = among(hours, 24, |hour| clock(hour, 0));
    match (rhythm, run(hours), minutes) {
        (Some(each), Some((from, to)), _) => format!("{each} from {} to {}", clock(from, first), clock(to, last)),
        (Some(each), None, _) => format!("{each} of the hours from {spans}"),
        (None, Some((from, to)), [minute]) => {
            format!("every hour from {} to {}", clock(from, *minute), clock(to, *minute))
        }
        (None, _, _) => format!("at {} of the hours from {spans}", past(minutes)),
    }
}

/// Minutes that come again and again in the same distance.
fn rhythm(minutes: &[usize]) -> Option<String> {
    let [first, second, ..] = minutes else { return None };
    let step = second - first;
    let even = minutes.windows(2).all(|pair| pair[1] - pair[0] == step) && minutes.len() * step == 60;
    let late = if *first == 0 { String::new() } else { format!(" from minute {first} on") };
    even.then(|| if step == 1 { "every minute".to_owned() } else { format!("every {step} minutes{late}") })
}

fn past(minutes: &[usize]) -> String {
    let plural = if minutes.len() == 1 { "minute" } else { "minutes" };
    format!("{plural} {}", among(minutes, 60, |minute| minute.to_string()))
}

fn clock(hour: usize, minute: usize) -> String {
    format!("{hour:02}:{minute:02}")
}

fn among(numbers: &[usize], around: usize, name: impl Fn(usize) -> String) -> String {
    listed(numbers, around, "and", name)
}

/// A list, or a span where three or more follow one another; the weekdays go on with Sunday after Saturday.
fn listed(numbers: &[usize], around: usize, and: &str, name: impl Fn(usize) -> String) -> String {
    if let Some((from, to)) = run(numbers).filter(|_| numbers.len() > 2) {
        return format!("{} to {}", name(from), name(to));
    }
    if around == 7 && numbers.len() > 2 {
        let gap: Vec<usize> = (0..around).filter(|number| !numbers.contains(number)).collect();
        if let Some((from, to)) = run(&gap) {
            return format!("{} to {}", name((to + 1) % around), name((from + around - 1) % around));
        }
    }
    join(&numbers.iter().map(|number| name(*number)).collect::<Vec<_>>(), and)
}

/// The first and the last, if nothing between them is left out.
fn run(numbers: &[usize]) -> Option<(usize, usize)> {
    let (first, last) = (*numbers.first()?, *numbers.last()?);
    (last - first + 1 == numbers.len()).then_some((first, last))
}

fn join(words: &[String], and: &str) -> String {
    match words {
        [] => String::new(),
        [only] => only.clone(),
        [most @ .., last] => format!("{} {and} {last}", most.join(", ")),
    }
}

fn numbers(bits: u64) -> Vec<usize> {
    (0..64).filter(|number| bits & (1 << number) != 0).collect()
}
