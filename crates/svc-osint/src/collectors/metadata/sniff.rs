//! What a file is by its first bytes. Names and content types lie, so nobody here looks at them.

/// The formats that can be told apart by their first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JPEG image.
    Jpeg,
    /// PNG image.
    Png,
    /// TIFF image, and the raw formats of cameras built on it.
    Tiff,
    /// WebP image.
    Webp,
    /// HEIF image (HEIC, AVIF).
    Heif,
    /// PDF document.
    Pdf,
    /// A ZIP archive: Office Open XML, OpenDocument, or neither.
    Zip,
}

/// Bytes at the start in which `%PDF-` may hide behind rubbish, as readers accept it.
const PDF_SLACK: usize = 1_024;

impl Format {
    /// The word used for it in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::Png => "png",
            Self::Tiff => "tiff",
            Self::Webp => "webp",
            Self::Heif => "heif",
            Self::Pdf => "pdf",
            Self::Zip => "zip",
        }
    }
}

/// The format of `bytes`, or `None` for one nobody here can read.
pub fn sniff(bytes: &[u8]) -> Option<Format> {
    let at = |from: usize, len: usize| bytes.get(from..from + len).unwrap_or_default();
    match bytes {
        [0xff, 0xd8, 0xff, ..] => Some(Format::Jpeg),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Format::Png),
        [b'I', b'I', 0x2a, 0, ..] | [b'M', b'M', 0, 0x2a, ..] => Some(Format::Tiff),
        [b'P', b'K', 3, 4, ..] => Some(Format::Zip),
        _ if at(0, 4) == b"RIFF" && at(8, 4) == b"WEBP" => Some(Format::Webp),
        _ if at(4, 4) == b"ftyp" && is_still_image(at(8, 4)) => Some(Format::Heif),
        _ if bytes[..bytes.len().min(PDF_SLACK)].windows(5).any(|w| w == b"%PDF-") => Some(Format::Pdf),
        _ => None,
    }
}

fn is_still_image(brand: &[u8]) -> bool {
    matches!(brand, b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"mif1" | b"msf1" | b"avif" | b"avis")
}
