//! Compression under kombu's names and content types; what is unpacked never grows beyond a limit.

use std::fmt;
use std::io::Read;

/// A compression of Celery's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// `gzip`, by which kombu means a zlib stream.
    Gzip,
    /// `bzip2`.
    Bzip2,
    /// `xz`, also called `lzma`.
    Xz,
    /// `zstd`.
    Zstd,
    /// `brotli`.
    Brotli,
}

impl Compression {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Gzip, Self::Bzip2, Self::Xz, Self::Zstd, Self::Brotli];

    /// The one that kombu knows by this name or content type.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "application/x-gzip" | "gzip" | "zlib" => Self::Gzip,
            "application/x-bz2" | "bzip2" | "bzip" => Self::Bzip2,
            "application/x-lzma" | "xz" | "lzma" => Self::Xz,
            "application/zstd" | "zstd" | "zstandard" => Self::Zstd,
            "application/x-brotli" | "brotli" => Self::Brotli,
            _ => return None,
        })
    }

    /// Its name in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
            Self::Brotli => "brotli",
        }
    }

    /// What stands in the header `compression`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Gzip => "application/x-gzip",
            Self::Bzip2 => "application/x-bz2",
            Self::Xz => "application/x-lzma",
            Self::Zstd => "application/zstd",
            Self::Brotli => "application/x-brotli",
        }
    }

    /// Whether it was compiled in, by the feature of its name.
    pub fn is_built_in(self) -> bool {
        match self {
            Self::Gzip => cfg!(feature = "gzip"),
            Self::Bzip2 => cfg!(feature = "bzip2"),
            Self::Xz => cfg!(feature = "xz"),
            Self::Zstd => cfg!(feature = "zstd"),
            Self::Brotli => cfg!(feature = "brotli"),
        }
    }

    /// Compresses.
    ///
    /// # Errors
    /// One sentence, when it was not compiled in.
    #[allow(unused, unreachable_code, reason = "with every feature off, all that is left is the refusal")]
    pub fn pack(self, plain: &[u8]) -> Result<Vec<u8>, String> {
        let packed: std::io::Result<Vec<u8>> = match self {
            #[cfg(feature = "gzip")]
            Self::Gzip => {
                let level = flate2::Compression::default();
                drained(&mut flate2::read::ZlibEncoder::new(plain, level))
            }
            #[cfg(feature = "bzip2")]
            Self::Bzip2 => drained(&mut bzip2::read::BzEncoder::new(plain, bzip2::Compression::best())),
            #[cfg(feature = "xz")]
            Self::Xz => xz(plain),
            #[cfg(feature = "zstd")]
            Self::Zstd => {
                let level = ruzstd::encoding::CompressionLevel::Fastest;
                Ok(ruzstd::encoding::compress_to_vec(plain, level))
            }
            #[cfg(feature = "brotli")]
            Self::Brotli => drained(&mut brotli::CompressorReader::new(plain, 4096, 5, 22)),
            #[allow(unreachable_patterns, reason = "with every feature on, all of them stand above")]
            _ => return Err(self.missing()),
        };
        packed.map_err(|error| format!("it cannot be compressed as {self}: {error}"))
    }

    /// Unpacks, and stops as soon as there is more than `most` bytes.
    ///
    /// # Errors
    /// One sentence: it is larger, is no such stream, ends too early, or its compression was not compiled in.
    #[allow(unused, unreachable_code, reason = "with every feature off, all that is left is the refusal")]
    pub fn unpack(self, packed: &[u8], most: usize) -> Result<Vec<u8>, String> {
        let mut reader: Box<dyn Read + '_> = match self {
            #[cfg(feature = "gzip")]
            Self::Gzip => Box::new(flate2::read::ZlibDecoder::new(packed)),
            #[cfg(feature = "bzip2")]
            Self::Bzip2 => Box::new(bzip2::read::MultiBzDecoder::new(packed)),
            #[cfg(feature = "xz")]
            Self::Xz => Box::new(lzma_rust2::XzReader::new_mem_limit(packed, true, window(most))),
            #[cfg(feature = "zstd")]
            Self::Zstd if zstd_window(packed).is_none_or(|size| size > most.max(8 << 20) as u64) => {
                return Err(self.broken(&format!("it has no frame, or one with a window of more than {most} bytes")));
            }
            #[cfg(feature = "zstd")]
            Self::Zstd => match ruzstd::decoding::StreamingDecoder::new(packed) {
                Ok(decoder) => Box::new(decoder),
                Err(error) => return Err(self.broken(&error)),
            },
            // The extension for windows of a gigabyte; its first bits are reserved in the standard.
            #[cfg(feature = "brotli")]
            Self::Brotli if packed.first().is_some_and(|first| first & 0x7f == 0x11) => {
                return Err(self.broken(&"its window is larger than brotli's standard allows"));
            }
            #[cfg(feature = "brotli")]
            Self::Brotli => Box::new(brotli::Decompressor::new(packed, 4096)),
            #[allow(unreachable_patterns, reason = "with every feature on, all of them stand above")]
            _ => return Err(self.missing()),
        };
        let mut plain = Vec::new();
        let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
        reader.by_ref().take(limit).read_to_end(&mut plain).map_err(|error| self.broken(&error))?;
        if plain.len() > most { Err(too_large(most)) } else { Ok(plain) }
    }

    fn missing(self) -> String {
        format!("it is compressed as {self}, which this program was built without (the feature {self} of apium-bodies)")
    }

    fn broken(self, error: &dyn fmt::Display) -> String {
        format!("it is no {self}: {error}")
    }
}

/// The name in settings.
impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The refusal of what is larger than it may be.
pub(crate) fn too_large(most: usize) -> String {
    format!("it is larger unpacked than largest_body allows, {most} bytes")
}

#[allow(dead_code, reason = "for those of the features that read in one go")]
fn drained(reader: &mut dyn Read) -> std::io::Result<Vec<u8>> {
    let mut packed = Vec::new();
    reader.read_to_end(&mut packed).map(|_| packed)
}

/// A dictionary no larger than what is compressed: xz would make room for 8 MiB each time.
#[cfg(feature = "xz")]
fn xz(plain: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut options = lzma_rust2::XzOptions::with_preset(6);
    let size = u32::try_from(plain.len()).unwrap_or(u32::MAX).clamp(4096, 8 << 20);
    options.lzma_options.dict_size = size.next_power_of_two();
    let mut writer = lzma_rust2::XzWriter::new(Vec::new(), options)?;
    std::io::Write::write_all(&mut writer, plain)?;
    writer.finish()
}

/// The most room a stream of xz may ask for, in KiB: its usual preset asks for 8 MiB, its largest for 64.
#[cfg(feature = "xz")]
fn window(most: usize) -> u32 {
    u32::try_from(most.clamp(8 << 20, 64 << 20) / 1024 + 1024).unwrap_or(u32::MAX)
}

/// The room a stream of zstd asks for before anything of it is read, as RFC 8878 has it in the first frame's header.
#[cfg(feature = "zstd")]
fn zstd_window(packed: &[u8]) -> Option<u64> {
    let header = packed.strip_prefix(&[0x28, 0xb5, 0x2f, 0xfd])?;
    let (descriptor, rest) = header.split_first()?;
    let (single, dictionary) = (descriptor & 0x20 != 0, [0, 1, 2, 4][usize::from(descriptor & 3)]);
    if !single {
        let (exponent, mantissa) = (rest.first()? >> 3, u64::from(rest.first()? & 7));
        let base = 1_u64 << (10 + exponent);
        return Some(base + base / 8 * mantissa);
    }
    // Without a window, the room is the size of the content, which is then told.
    let (size, more) = match descriptor >> 6 {
        0 => (1, 0),
        1 => (2, 256),
        2 => (4, 0),
        _ => (8, 0),
    };
    let size = rest.get(dictionary..dictionary + size)?;
    Some(size.iter().rev().fold(0, |size, byte| size << 8 | u64::from(*byte)) + more)
}
