//! Celery's `solar`: when the sun is somewhere, seen from a place.
//!
//! The moments are those of Celery (which asks PyEphem) to within seconds: sunrise and sunset when the upper limb stands
//! on a horizon that the air lifts by 34 minutes of arc, dawn and dusk when the centre is 6, 12 or 18 degrees below, noon
//! when it is highest. They are whole seconds, so that every machine computes the same. A day without the event (the sun
//! does not rise, or the night gets no darker) is passed over; where a year brings none, it is never due.

mod sun;

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::ScheduleError;
use sun::Place;

/// What the sun does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SolarEvent {
    /// It is 18 degrees below the horizon, and rises.
    DawnAstronomical,
    /// It is 12 degrees below the horizon, and rises.
    DawnNautical,
    /// It is 6 degrees below the horizon, and rises.
    DawnCivil,
    /// Its upper limb comes up.
    Sunrise,
    /// It is highest.
    SolarNoon,
    /// Its upper limb goes down.
    Sunset,
    /// It is 6 degrees below the horizon, and sinks.
    DuskCivil,
    /// It is 12 degrees below the horizon, and sinks.
    DuskNautical,
    /// It is 18 degrees below the horizon, and sinks.
    DuskAstronomical,
}

/// Due at each such event, seen from a place.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Form", into = "Form")]
pub struct Solar {
    event: SolarEvent,
    lat: f64,
    lon: f64,
}

/// How it is written.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    event: SolarEvent,
    lat: f64,
    lon: f64,
}

impl Solar {
    /// The event, seen from this latitude (−90 to 90, north is positive) and longitude (−180 to 180, east is positive).
    ///
    /// # Errors
    /// When there is no such place.
    pub fn new(event: SolarEvent, lat: f64, lon: f64) -> Result<Self, ScheduleError> {
        let within = |name: &str, degrees: f64, most: f64| {
            let reason = || format!("must be a number of degrees from -{most} to {most}, not {degrees}");
            if degrees.abs() <= most { Ok(()) } else { Err(ScheduleError::new(name, reason())) }
        };
        within("lat", lat, 90.0)?;
        within("lon", lon, 180.0)?;
        Ok(Self { event, lat, lon })
    }

    /// The event.
    pub fn event(&self) -> SolarEvent {
        self.event
    }

    /// Its latitude in degrees.
    pub fn lat(&self) -> f64 {
        self.lat
    }

    /// Its longitude in degrees.
    pub fn lon(&self) -> f64 {
        self.lon
    }

    /// The first such event after an instant; none when a year has none.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        Place { lat: self.lat.to_radians(), lon: self.lon }.next(self.event, after)
    }
}

impl fmt::Display for Solar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (north, east) = (if self.lat < 0.0 { "S" } else { "N" }, if self.lon < 0.0 { "W" } else { "E" });
        write!(f, "at {} at {}°{north} {}°{east}", self.event, self.lat.abs(), self.lon.abs())
    }
}

impl fmt::Display for SolarEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DawnAstronomical => "astronomical dawn",
            Self::DawnNautical => "nautical dawn",
            Self::DawnCivil => "civil dawn",
            Self::Sunrise => "sunrise",
            Self::SolarNoon => "solar noon",
            Self::Sunset => "sunset",
            Self::DuskCivil => "civil dusk",
            Self::DuskNautical => "nautical dusk",
            Self::DuskAstronomical => "astronomical dusk",
        })
    }
}

impl TryFrom<Form> for Solar {
    type Error = ScheduleError;

    fn try_from(form: Form) -> Result<Self, ScheduleError> {
        Self::new(form.event, form.lat, form.lon)
    }
}

impl From<Solar> for Form {
    fn from(solar: Solar) -> Self {
        Self { event: solar.event, lat: solar.lat, lon: solar.lon }
    }
}
