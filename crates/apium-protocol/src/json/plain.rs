//! How far a string goes on without anything special in it, eight bytes at a time: most of every message is the
//! inside of strings, so this is where reading and writing spend their time.

const ONES: u64 = u64::from_ne_bytes([1; 8]);
const HIGHS: u64 = ONES << 7;

/// The number of leading bytes that may stand in a string as they are: no quote, no backslash, no control character.
pub(crate) fn unescaped(bytes: &[u8]) -> usize {
    leading(bytes, specials, |byte| byte < b' ' || byte == b'"' || byte == b'\\')
}

/// The number of leading bytes that are also printable ASCII, and so are written as they are.
pub(crate) fn printable(bytes: &[u8]) -> usize {
    leading(
        bytes,
        |word| specials(word) | (word & HIGHS) | equal(word, 0x7f),
        |byte| !matches!(byte, b' '..=b'~') || byte == b'"' || byte == b'\\',
    )
}

/// Counts bytes up to the first one that `stops`; `marks` sets the high bit of the lowest such byte of a word, and
/// none if there is none (what it sets above the lowest does not matter).
fn leading(bytes: &[u8], marks: impl Fn(u64) -> u64, stops: impl Fn(u8) -> bool) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let marks = marks(u64::from_le_bytes(*word));
        if marks != 0 {
            return index * 8 + marks.trailing_zeros() as usize / 8;
        }
    }
    let tail = rest.iter().take_while(|byte| !stops(**byte)).count();
    words.len() * 8 + tail
}

fn specials(word: u64) -> u64 {
    below(word, b' ') | equal(word, b'"') | equal(word, b'\\')
}

/// Marks bytes below `limit` (at most 128): the subtraction borrows into the high bit, unless that was set before.
fn below(word: u64, limit: u8) -> u64 {
    word.wrapping_sub(ONES * u64::from(limit)) & !word & HIGHS
}

fn equal(word: u64, byte: u8) -> u64 {
    below(word ^ (ONES * u64::from(byte)), 1)
}
