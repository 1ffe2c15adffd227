//! The `metadata` collector: what documents and pictures give away about who made them, with what,
//! when and where.
//!
//! The files come from an upload, from one address, or from a domain's own pages; no search engine is
//! asked. Their bytes are only ever parsed in the [sandbox](crate::sandbox).

mod collect;
mod dates;
mod gather;
mod image;
mod links;
mod odf;
mod ooxml;
mod package;
mod parsed;
mod pdf;
mod png;
mod site;
mod sniff;
mod xmp;

pub(crate) use links::meta;

pub use collect::{Input, MetadataSettings, collect};
pub use parsed::{Camera, Gps, Parsed};
pub use sniff::{Format, sniff};

/// Reads what a file says about itself, by its content alone. Pure, but it trusts parsers with
/// hostile bytes: outside of tests it runs in the sandbox.
///
/// # Errors
/// A Spanish sentence when the format is unknown or the file is broken beyond reading.
pub fn parse(bytes: &[u8]) -> Result<Parsed, String> {
    match sniff(bytes) {
        Some(Format::Pdf) => pdf::read(bytes),
        Some(Format::Zip) => package::read(bytes),
        Some(format) => Ok(image::read(format, bytes)),
        None => Err("El formato del fichero no es ninguno de los que se analizan.".to_owned()),
    }
}
