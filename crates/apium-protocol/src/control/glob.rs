//! Shell patterns over node names, as Python's `fnmatch` reads them: `*`, `?`, `[seq]`, `[!seq]`, nothing escaped.

/// Whether `pattern` covers the whole of `name`. Upper and lower case differ.
pub fn glob(pattern: &str, name: &str) -> bool {
    let pieces = pieces(&pattern.chars().collect::<Vec<_>>());
    let name: Vec<char> = name.chars().collect();
    let (mut piece, mut at) = (0, 0);
    // Where to go on after the last star, with one character more left to it: no pattern takes more than
    // pieces × characters steps.
    let mut star = None;
    while at < name.len() {
        match pieces.get(piece) {
            Some(Piece::Any) => {
                star = Some((piece, at));
                piece += 1;
            }
            Some(Piece::One(set)) if set.holds(name[at]) => {
                piece += 1;
                at += 1;
            }
            _ => {
                let Some((star_piece, star_at)) = star else {
                    return false;
                };
                star = Some((star_piece, star_at + 1));
                piece = star_piece + 1;
                at = star_at + 1;
            }
        }
    }
    pieces[piece..].iter().all(|rest| matches!(rest, Piece::Any))
}

enum Piece {
    /// `*`
    Any,
    One(Set),
}

/// The characters that may stand in one place.
struct Set {
    ranges: Vec<(char, char)>,
    negated: bool,
}

impl Set {
    fn holds(&self, character: char) -> bool {
        self.ranges.iter().any(|(from, to)| (*from..=*to).contains(&character)) != self.negated
    }
}

fn pieces(pattern: &[char]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while let Some(&character) = pattern.get(at) {
        at += 1;
        pieces.push(match character {
            '*' => Piece::Any,
            '?' => Piece::One(Set { ranges: Vec::new(), negated: true }),
            '[' => match closing(pattern, at) {
                Some(end) => {
                    let set = set(&pattern[at..end]);
                    at = end + 1;
                    Piece::One(set)
                }
                None => Piece::One(literal('[')),
            },
            other => Piece::One(literal(other)),
        });
    }
    pieces
}

fn literal(character: char) -> Set {
    Set { ranges: vec![(character, character)], negated: false }
}

/// Where the bracket opened before `start` closes; a bracket that comes first in it is one of its characters.
fn closing(pattern: &[char], start: usize) -> Option<usize> {
    let mut from = start;
    from += usize::from(pattern.get(from) == Some(&'!'));
    from += usize::from(pattern.get(from) == Some(&']'));
    let length = pattern.get(from..)?.iter().position(|character| *character == ']')?;
    Some(from + length)
}

fn set(inside: &[char]) -> Set {
    let negated = inside.first() == Some(&'!');
    let mut rest = if negated { &inside[1..] } else { inside };
    let mut ranges = Vec::new();
    while let Some(&first) = rest.first() {
        if let [_, '-', last, ..] = rest {
            ranges.push((first, *last));
            rest = &rest[3..];
        } else {
            ranges.push((first, first));
            rest = &rest[1..];
        }
    }
    Set { ranges, negated }
}
