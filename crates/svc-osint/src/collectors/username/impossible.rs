//! Names that nobody has: what a site answers to one of them, it would answer to any name without account.

use uuid::Uuid;

use super::asking::legal;
use super::site::Site;

/// A name that a site takes and nobody has; another one each time, so that no site can know it. The names a list gives
/// as free come last: a list is public, and some day somebody takes them.
pub(super) fn impossible(site: &Site) -> Option<String> {
    let seed = Uuid::new_v4();
    // Half bytes as letters from `b` on: no word of any language comes out of sixteen of them.
    let letters: String = seed.as_bytes().iter().map(|byte| char::from(b'b' + (byte & 0x0f))).collect();
    let digits = format!("{:018}", seed.as_u128() % 1_000_000_000_000_000_000);
    let (short, head) = (&letters[..10], &letters[..6]);
    let shapes = [
        letters[..14].to_owned(),
        format!("{short}{}", &digits[..3]),
        letters[..8].to_owned(),
        head.to_owned(),
        head[..5].to_owned(),
        format!("{}{}", short[..1].to_ascii_uppercase(), &short[1..]),
        short.to_ascii_uppercase(),
        format!("{head}-{}", &letters[6..12]),
        format!("{head}_{}", &letters[6..12]),
        format!("{head}.{}", &letters[6..12]),
        digits.clone(),
        format!("9{}", &digits[..9]),
        format!("9{}", &digits[..6]),
        format!("{short}@example.com"),
        format!("{head}.bsky.social"),
        format!("{}#{}", short, &digits[..4]),
        letters.clone() + &letters,
    ];
    let fits = |name: &String| legal(site, name).is_ok();
    shapes.into_iter().chain(site.unclaimed.iter().cloned()).find(fits)
}
