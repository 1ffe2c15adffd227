//! The numbers of autonomous systems (RFC 6793), and which of them nobody can have.

use super::shown;

/// Numbers IANA keeps back, by its registries: first, last, and what they are.
const KEPT: [(u32, u32, &str); 8] = [
    (0, 0, "no existe: los números empiezan en el 1"),
    (23_456, 23_456, "es un número de transición (AS_TRANS), no un sistema"),
    (64_496, 64_511, "está reservado para documentación"),
    (64_512, 65_534, "es de uso privado"),
    (65_535, 65_535, "está reservado"),
    (65_536, 65_551, "está reservado para documentación"),
    (65_552, 131_071, "está reservado"),
    (4_200_000_000, 4_294_967_295, "es de uso privado o está reservado"),
];

/// True for `AS` and digits, in range or not.
pub(super) fn is_shaped(text: &str) -> bool {
    digits(text).is_some()
}

/// Reads `AS3333` or `as3333`, from 1 to 4294967295.
pub(super) fn read(text: &str) -> Result<u32, String> {
    let Some(digits) = digits(text) else {
        return Err(format!("«{}» no es un sistema autónomo: se escribe AS y el número, sin espacios", shown(text)));
    };
    if digits.len() > 1 && digits.starts_with('0') {
        return Err(format!("«{}» no es un sistema autónomo: su número va sin ceros delante", shown(text)));
    }
    let Ok(number) = digits.parse::<u32>() else {
        return Err(format!("«{}» no es un sistema autónomo: su número va del 1 al 4294967295", shown(text)));
    };
    match KEPT.iter().find(|(first, last, _)| (*first..=*last).contains(&number)) {
        Some((_, _, what)) => Err(format!("«{}» {what}", shown(text))),
        None => Ok(number),
    }
}

fn digits(text: &str) -> Option<&str> {
    let prefix = text.get(..2).filter(|prefix| prefix.eq_ignore_ascii_case("as"))?;
    let digits = text.strip_prefix(prefix)?;
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(digits)
}
