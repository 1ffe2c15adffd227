//! Identifiers of STIX objects. Nothing of them is drawn by chance, so that the same scan always gives the same bundle.

use std::collections::BTreeMap;

use serde_json::Value;
use uuid::{Uuid, uuid};

/// The namespace that section 2.9 of STIX 2.1 gives to observables, and forbids to everything else.
const OBSERVABLES: Uuid = uuid!("00abedb4-aa42-466c-9c01-fed23315a9b7");
/// Our own, for everything else.
const OWN: Uuid = uuid!("5d2f7a53-7c0e-4b0f-a1d8-2f4c9f3a6e1b");

/// The identifier of an observable of this type, of the properties the specification names for it: all who see the same
/// thing give it the same one.
pub(super) fn of_observable(kind: &str, properties: &[(&'static str, Value)]) -> String {
    // Canonical JSON (RFC 8785): keys in order, no blanks. Of texts and whole numbers the writer's form is the canonical one.
    let ordered: BTreeMap<_, _> = properties.iter().map(|(name, value)| (*name, value)).collect();
    let text = serde_json::to_string(&ordered).unwrap_or_default();
    format!("{kind}--{}", Uuid::new_v5(&OBSERVABLES, text.as_bytes()))
}

/// The identifier of any other object of this type, of what makes it this one.
pub(super) fn of_object(kind: &str, parts: &[&str]) -> String {
    let text = serde_json::to_string(&(kind, parts)).unwrap_or_default();
    format!("{kind}--{}", Uuid::new_v5(&OWN, text.as_bytes()))
}
