//! The key of an address on keys.openpgp.org: whether there is one, and whose names it carries.
//!
//! A key is a row of packets, of which only the user ids are of interest; nothing is verified, and no cryptography is
//! needed for it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::enquiry::{Enquiry, Question, Refusal, filled, is_page, text};
use crate::providers::KEYSERVER;

const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
const END: &str = "-----END PGP PUBLIC KEY BLOCK-----";
/// The packet that holds a user id (RFC 9580, 5.11).
const USER_ID: u8 = 13;
/// User ids that are told, and the longest of them, in characters.
const MOST: (usize, usize) = (20, 200);
/// The largest key taken, in bytes: those that were flooded with signatures have some ten million.
const KEY: usize = 1 << 20;

/// What is known of the key of an address.
pub(super) enum Key {
    /// Nobody said.
    Untold,
    /// There is none.
    Missing,
    /// There is one, with these user ids.
    Found(Vec<String>),
}

/// Asks for the key of `mail`; reported as the source `keyserver`.
pub(super) async fn look_up(enquiry: &Enquiry<'_>, mail: &str) -> Key {
    let question = Question::new("keyserver", &KEYSERVER, &["vks", "v1", "by-email", mail])
        .header("accept", "application/pgp-keys")
        .at_most(KEY);
    let asked = enquiry
        .ask_fully(&question, |answer| match answer.status {
            // A page says that the address is wrong, not that there is no such key.
            404 if !is_page(answer) => Ok(None),
            200 => {
                filled(answer)?;
                let wrong = || Refusal::unreadable("invalid-response", "La respuesta no es una clave OpenPGP.");
                user_ids(&text(answer)).ok_or_else(wrong).map(Some)
            }
            _ => Err(Refusal::by_status(&KEYSERVER, answer)),
        })
        .await;
    match asked.outcome {
        Ok(Some(user_ids)) => Key::Found(user_ids),
        Ok(None) => Key::Missing,
        Err(_) => Key::Untold,
    }
}

/// The user ids of an armoured public key, `None` for what is none. A key without any, as the server gives those whose
/// owners have not agreed to be named, has an empty list.
pub fn user_ids(armored: &str) -> Option<Vec<String>> {
    let (_, rest) = armored.split_once(BEGIN)?;
    let (block, _) = rest.split_once(END)?;
    // Headers come before the first empty line, the checksum begins with `=`.
    let mut lines = block.lines().map(str::trim).skip(1).skip_while(|line| line.contains(": "));
    let body: String = lines.by_ref().filter(|line| !line.starts_with('=')).collect();
    let packets = STANDARD.decode(body).ok().filter(|packets| !packets.is_empty())?;
    let mut rest = packets.as_slice();
    let mut found = Vec::new();
    let (most, letters) = MOST;
    while let Some((kind, content, next)) = packet(rest) {
        rest = next;
        if kind == USER_ID && found.len() < most {
            let name = String::from_utf8_lossy(content);
            found.push(name.chars().filter(|c| !c.is_control()).take(letters).collect());
        }
    }
    Some(found)
}

/// The first packet: its kind, its content, and what follows it. `None` at the end, and where there is none.
fn packet(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    if tag & 0x80 == 0 {
        return None;
    }
    let (kind, length, rest) = if tag & 0x40 != 0 {
        let (length, rest) = new_length(rest)?;
        (tag & 0x3f, length, rest)
    } else {
        let width = match tag & 3 {
            0 => 1,
            1 => 2,
            2 => 4,
            // Of unknown length: the rest of the file.
            _ => return Some((tag >> 2 & 0x0f, rest, &[])),
        };
        (tag >> 2 & 0x0f, number(rest.get(..width)?), rest.get(width..)?)
    };
    let content = rest.get(..length)?;
    Some((kind, content, rest.get(length..)?))
}

fn new_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    match first {
        0..=191 => Some((usize::from(first), rest)),
        192..=223 => {
            let (&second, rest) = rest.split_first()?;
            Some(((usize::from(first) - 192) * 256 + usize::from(second) + 192, rest))
        }
        255 => Some((number(rest.get(..4)?), rest.get(4..)?)),
        // In pieces, which is for data, not for keys.
        224..=254 => None,
    }
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
}
