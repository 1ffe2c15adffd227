//! Where the sun stands, to about half a minute of arc (Meeus, Astronomical Algorithms, chapters 12, 25 and 28), and
//! when it crosses a height.

use jiff::Timestamp;

use super::SolarEvent;

/// Days that are looked through for an event: a year, and what the search begins too early.
const DAYS: u32 = 370;

/// A day, in seconds.
const DAY: f64 = 86_400.0;

/// J2000.0: noon on 1 January 2000, as a Unix time.
const J2000: f64 = 946_728_000.0;

/// By so much the earth's rotation is behind the clock of the planets, in seconds; a few more or less do not matter.
const BEHIND: f64 = 70.0;

/// By so many degrees the sun stands lower on the horizon for somebody on the earth's surface than from its centre.
const PARALLAX: f64 = 0.002_443;

/// A place on earth.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Its latitude in radians.
    pub(super) lat: f64,
    /// Its longitude in degrees, east is positive.
    pub(super) lon: f64,
}

/// Where the sun stands among the stars, and how large it is.
struct Sun {
    /// Right ascension, in degrees.
    ascension: f64,
    /// Declination, in radians.
    declination: f64,
    /// Half its width, in radians.
    radius: f64,
}

impl Place {
    /// The first event after an instant.
    pub(super) fn next(self, event: SolarEvent, after: Timestamp) -> Option<Timestamp> {
        let after = after.as_duration().as_secs_f64();
        // From the noon before last on, so that no event of the day before is missed.
        let first = self.culmination(after - 1.5 * DAY, 0.0);
        for day in 0..DAYS {
            let noon = self.culmination(first + f64::from(day) * DAY, 0.0);
            let due = match event {
                SolarEvent::SolarNoon => Some(noon),
                _ if is_morning(event) => self.crossing(event, self.culmination(noon - DAY / 2.0, 180.0), noon),
                _ => self.crossing(event, self.culmination(noon + DAY / 2.0, 180.0), noon),
            };
            if let Some(due) = due.map(f64::round).filter(|due| *due > after) {
                return whole_seconds(due);
            }
        }
        None
    }

    /// When the sun passes south (or north) of the place, near this moment: its hour angle is 0, or 180 at its lowest.
    fn culmination(self, near: f64, angle: f64) -> f64 {
        let mut moment = near;
        for _ in 0..4 {
            let off = (self.hour_angle(moment, &sun(moment)) - angle + 540.0).rem_euclid(360.0) - 180.0;
            moment -= off / 360.0 * DAY;
        }
        moment
    }

    /// When the sun crosses the height of the event between its lowest and its highest; nothing if it does not.
    fn crossing(self, event: SolarEvent, lowest: f64, highest: f64) -> Option<f64> {
        let (mut below, mut above) = (lowest, highest);
        if self.over(event, below) >= 0.0 || self.over(event, above) < 0.0 {
            return None;
        }
        // Half a day, halved until a thousandth of a second is left.
        for _ in 0..26 {
            let middle = f64::midpoint(below, above);
            if self.over(event, middle) < 0.0 { below = middle } else { above = middle }
        }
        Some(above)
    }

    /// By how much the sun is higher than at the event.
    fn over(self, event: SolarEvent, moment: f64) -> f64 {
        let sun = sun(moment);
        let angle = self.hour_angle(moment, &sun).to_radians();
        let sine = self.lat.sin() * sun.declination.sin() + self.lat.cos() * sun.declination.cos() * angle.cos();
        let height = match event {
            SolarEvent::Sunrise | SolarEvent::Sunset => -(34.0_f64 / 60.0).to_radians() - sun.radius,
            SolarEvent::DawnCivil | SolarEvent::DuskCivil => -6.0_f64.to_radians(),
            SolarEvent::DawnNautical | SolarEvent::DuskNautical => -12.0_f64.to_radians(),
            SolarEvent::DawnAstronomical | SolarEvent::DuskAstronomical => -18.0_f64.to_radians(),
            SolarEvent::SolarNoon => 0.0,
        };
        let seen = sine.clamp(-1.0, 1.0).asin();
        seen - PARALLAX.to_radians() * seen.cos() - height
    }

    /// By how much the sky has turned since the sun was highest, in degrees.
    fn hour_angle(self, moment: f64, sun: &Sun) -> f64 {
        let days = (moment - J2000) / DAY;
        280.460_618_37 + 360.985_647_366_29 * days + self.lon - sun.ascension
    }
}

fn sun(moment: f64) -> Sun {
    let centuries = (moment + BEHIND - J2000) / DAY / 36_525.0;
    let anomaly = (357.529_11 + 35_999.050_29 * centuries).to_radians();
    let centre = (1.914_602 - 0.004_817 * centuries) * anomaly.sin()
        + (0.019_993 - 0.000_101 * centuries) * (2.0 * anomaly).sin()
        + 0.000_289 * (3.0 * anomaly).sin();
    let node = (125.04 - 1_934.136 * centuries).to_radians();
    let mean = 280.466_46 + 36_000.769_83 * centuries + 0.000_303_2 * centuries * centuries;
    let longitude = (mean + centre - 0.005_69 - 0.004_78 * node.sin()).to_radians();
    let tilt = (23.439_291 - 0.013_004_2 * centuries + 0.002_56 * node.cos()).to_radians();
    let distance = 1.000_14 - 0.016_71 * anomaly.cos() - 0.000_14 * (2.0 * anomaly).cos();
    Sun {
        ascension: (tilt.cos() * longitude.sin()).atan2(longitude.cos()).to_degrees(),
        declination: (tilt.sin() * longitude.sin()).asin(),
        radius: (0.266_56_f64 / distance).to_radians(),
    }
}

fn is_morning(event: SolarEvent) -> bool {
    matches!(
        event,
        SolarEvent::DawnAstronomical | SolarEvent::DawnNautical | SolarEvent::DawnCivil | SolarEvent::Sunrise
    )
}

fn whole_seconds(moment: f64) -> Option<Timestamp> {
    jiff::SignedDuration::try_from_secs_f64(moment).ok().and_then(|since| Timestamp::from_duration(since).ok())
}
