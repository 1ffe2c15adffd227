//! What a file says about itself, in one shape whatever its format.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Longest text kept of any one field, in characters.
const MAX_TEXT: usize = 1_000;
/// Most further fields kept of one file.
const MAX_EXTRA: usize = 100;

/// What one file says about itself. Absent means the file does not say, not that it is false;
/// present means only that somebody wrote it there.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Parsed {
    /// The format by its content: `jpeg`, `pdf`, `docx` …
    #[serde(rename = "type")]
    pub kind: String,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Who saved it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified_by: Option<String>,
    /// The organisation its program was registered to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub company: Option<String>,
    /// Its title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The program it was made with, version included where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software: Option<String>,
    /// The program that wrote the file itself, where that is another one (PDF).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub producer: Option<String>,
    /// When it was made: ISO 8601, without offset where the file gives none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// When it was saved last: ISO 8601.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<String>,
    /// Where it was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gps: Option<Gps>,
    /// What it was taken with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub camera: Option<Camera>,
    /// Whatever else it says, by name.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
    /// What could not be read, in Spanish.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A place on earth (WGS 84).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Gps {
    /// Latitude in degrees, north positive.
    pub lat: f64,
    /// Longitude in degrees, east positive.
    pub lon: f64,
    /// Metres above sea level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alt: Option<f64>,
}

/// A camera or phone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Camera {
    /// Its maker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub make: Option<String>,
    /// Its model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The serial number of its body: the same one in two files is the same device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Its lens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lens: Option<String>,
    /// Who it is registered to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

impl Parsed {
    /// An empty answer for a file of this format.
    pub(super) fn of(kind: &str) -> Self {
        Self { kind: kind.to_owned(), ..Self::default() }
    }

    /// The people named, each with what they did.
    pub fn people(&self) -> impl Iterator<Item = (&str, &'static str)> {
        let owner = self.camera.as_ref().and_then(|camera| camera.owner.as_deref());
        [
            (self.author.as_deref(), "author"),
            (self.last_modified_by.as_deref(), "last_modified_by"),
            (owner, "camera_owner"),
        ]
        .into_iter()
        .filter_map(|(name, role)| Some((name?, role)))
    }

    /// The programs named.
    pub fn programs(&self) -> impl Iterator<Item = &str> {
        let twice = self.software == self.producer;
        let producer = self.producer.as_deref().filter(|_| !twice);
        self.software.as_deref().into_iter().chain(producer)
    }

    /// Keeps a further field, if it says anything and there is room.
    pub(super) fn keep(&mut self, name: &str, value: Option<String>) {
        if let Some(value) = value
            && self.extra.len() < MAX_EXTRA
        {
            self.extra.insert(name.to_owned(), Value::String(value));
        }
    }

    pub(super) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }
}

impl Gps {
    /// A place, if the numbers are one.
    pub(super) fn new(lat: f64, lon: f64, alt: Option<f64>) -> Option<Self> {
        // A centimetre; beyond it stands only the noise of adding up minutes and seconds.
        let [lat, lon] = [lat, lon].map(|degrees| (degrees * 1e7).round() / 1e7);
        let alt = alt.filter(|alt| alt.is_finite());
        ((-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon)).then_some(Self { lat, lon, alt })
    }
}

impl Camera {
    /// The camera, if anything is known about it.
    pub(super) fn known(self) -> Option<Self> {
        (self != Self::default()).then_some(self)
    }
}

/// The text as fit to keep: trimmed, no control characters, not long; `None` when nothing is left.
pub(super) fn clean(text: &str) -> Option<String> {
    let text: String = text
        .chars()
        .map(|c| if matches!(c, '\n' | '\r' | '\t') { ' ' } else { c })
        .filter(|c| !c.is_control() && *c != '\u{feff}')
        .take(MAX_TEXT)
        .collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Fills a field that nothing more reliable has filled yet.
pub(super) fn fill(field: &mut Option<String>, value: Option<String>) {
    if field.is_none() {
        *field = value;
    }
}
