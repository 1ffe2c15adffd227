//! Contacts as RDAP writes them: jCard (RFC 7095), a vCard in nested lists, of which every part may be missing.

use serde_json::Value;

/// What is read of a card, in the words of the card.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Card<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) organisation: Option<&'a str>,
    pub(super) email: Option<&'a str>,
    pub(super) phone: Option<&'a str>,
    /// A code of two letters where there is one, else a name.
    pub(super) country: Option<&'a str>,
    pub(super) url: Option<&'a str>,
    /// `individual`, `org`, `group`.
    pub(super) kind: Option<&'a str>,
}

impl<'a> Card<'a> {
    /// The card of an entity; an empty one where it has none.
    pub(super) fn of(entity: &'a Value) -> Self {
        let mut card = Self::default();
        let properties = entity.pointer("/vcardArray/1").and_then(Value::as_array);
        for property in properties.into_iter().flatten() {
            card.take(property);
        }
        card
    }

    fn take(&mut self, property: &'a Value) {
        let (Some(name), value) = (property[0].as_str(), &property[3]) else { return };
        let place = match name.to_ascii_lowercase().as_str() {
            "fn" => &mut self.name,
            "org" => &mut self.organisation,
            "email" => &mut self.email,
            "tel" if !is_fax(&property[1]) => &mut self.phone,
            "url" => &mut self.url,
            "kind" => &mut self.kind,
            "adr" => {
                // RFC 8605 adds the code; the name stands last in the address.
                let country = property[1]["cc"].as_str().or_else(|| value[6].as_str());
                return keep(&mut self.country, country);
            }
            _ => return,
        };
        keep(place, text(value));
    }
}

/// A text, or the first of several.
fn text(value: &Value) -> Option<&str> {
    let text = value.as_str().or_else(|| value.as_array()?.iter().find_map(Value::as_str))?;
    Some(text.strip_prefix("tel:").or_else(|| text.strip_prefix("mailto:")).unwrap_or(text))
}

fn is_fax(parameters: &Value) -> bool {
    let is = |value: &Value| value.as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("fax"));
    let kind = &parameters["type"];
    is(kind) || kind.as_array().is_some_and(|kinds| kinds.iter().any(is))
}

fn keep<'a>(place: &mut Option<&'a str>, text: Option<&'a str>) {
    if place.is_none() {
        *place = text.map(str::trim).filter(|text| !text.is_empty());
    }
}
