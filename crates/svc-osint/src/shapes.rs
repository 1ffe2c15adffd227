//! Which words a member of a request takes, for the document of the API: from the table of collectors, so that a new
//! collector is in it at once.

use serde_json::Value;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};

use crate::collectors::{COLLECTORS, Collector};
use crate::contract::ALL;
use crate::export::Format;

/// States in which the history can have a scan.
pub(crate) const LISTED: [&str; 4] = ["PENDING", "SUCCESS", "FAILURE", "REVOKED"];

/// The name and the id of a stream's last event. Who comes back with it has heard all there is.
pub(crate) const END: &str = "end";
/// The name of the others.
pub(crate) const PROGRESS: &str = "progress";
const EVENTS: [&str; 2] = [PROGRESS, END];

/// One collector, or `all`; null where there are several.
pub(crate) fn one_type() -> RefOr<Schema> {
    let words = types().into_iter().map(Value::from).chain([Value::Null]);
    let text = ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::String, Type::Null]));
    let text = text.enum_values(Some(words)).examples(["dns"]);
    text.description(Some("El tipo, uno de `GET /api/v1/collectors`; o `all`, todos los que admiten el objetivo."))
        .into()
}

/// Several collectors: a list of them, or a text with commas between; null where there is one.
pub(crate) fn several_types() -> RefOr<Schema> {
    let word = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(types()));
    let list = ArrayBuilder::new().items(word).min_items(Some(1));
    let words = types().join("|");
    let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some(format!("^({words})( *, *({words}))*$")));
    let nothing = ObjectBuilder::new().schema_type(Type::Null);
    let any = OneOfBuilder::new().item(list).item(text).item(nothing).examples([Value::from(vec!["dns", "whois"])]);
    any.description(Some("Varios tipos, en lugar de `type`: una lista, o un texto con comas.")).into()
}

/// The collectors that take files.
pub(crate) fn file_type() -> RefOr<Schema> {
    let takes_files = COLLECTORS.iter().filter(|collector| collector.takes_files());
    let words = takes_files.map(|collector| collector.name);
    let text = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words));
    text.description(Some("El tipo, si se quiere decir; es el único que admite ficheros.")).into()
}

/// A state in which the history can have a scan.
pub(crate) fn listed_state() -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(LISTED)).into()
}

/// A form of a result to take along.
pub(crate) fn export_format() -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(Format::ALL.map(Format::as_str))).into()
}

/// One event of a stream, with the fields that WHATWG's HTML standard gives it.
pub(crate) fn scan_event() -> RefOr<Schema> {
    let word =
        |words: &[&'static str]| ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words.to_vec()));
    let data = ObjectBuilder::new().schema_type(Type::String).content_media_type("application/json");
    let data = data.description(Some("Lo que da la consulta del escaneo, sin `result`."));
    let event = ObjectBuilder::new().property("event", word(&EVENTS)).required("event");
    let event = event.property("id", word(&[END]).description(Some("Solo lo tiene el último.")));
    event.property("data", data).required("data").into()
}

fn types() -> Vec<&'static str> {
    Collector::names().into_iter().chain([ALL]).collect()
}
