//! What the functions do, over bytes that are mostly UTF-8. Where they are not, it is what SQLite makes of them.

use super::{Pace, Stopped};
use memchr::memchr;

/// One character as SQLite reads it, and the rest. None at the end, which a NUL is too.
fn first(text: &[u8]) -> Option<(u32, &[u8])> {
    let (&lead, mut rest) = text.split_first()?;
    let mut character = match lead {
        0 => return None,
        1..0xc0 => return Some((lead.into(), rest)),
        0xc0..0xe0 => u32::from(lead & 0x1f),
        0xe0..0xf0 => u32::from(lead & 0x0f),
        0xf0..0xf8 => u32::from(lead & 0x07),
        0xf8..0xfc => u32::from(lead & 0x03),
        0xfc..0xfe => u32::from(lead & 0x01),
        _ => 0,
    };
    while let Some((&byte @ 0x80..0xc0, after)) = rest.split_first() {
        character = (character << 6) + u32::from(byte & 0x3f);
        rest = after;
    }
    let is_none = character < 0x80 || character & 0xffff_f800 == 0xd800 || character & 0xffff_fffe == 0xfffe;
    Some((if is_none { 0xfffd } else { character }, rest))
}

/// The character of a text that has one only.
pub(super) fn only(text: &[u8]) -> Option<u32> {
    let (character, rest) = first(text)?;
    first(rest).is_none().then_some(character)
}

/// A part of a LIKE pattern.
enum Part {
    /// `%`
    Any,
    /// `_`
    One,
    Character(u32),
    /// An escape character with nothing behind it, which nothing is like.
    Nothing,
}

fn part(pattern: &[u8], escape: u32) -> Option<(Part, &[u8])> {
    const ANY: u32 = '%' as u32;
    const ONE: u32 = '_' as u32;
    let (character, rest) = first(pattern)?;
    Some(match character {
        _ if character == escape => match first(rest) {
            Some((escaped, rest)) => (Part::Character(escaped), rest),
            None => (Part::Nothing, rest),
        },
        ANY => (Part::Any, rest),
        ONE => (Part::One, rest),
        character => (Part::Character(character), rest),
    })
}

/// LIKE, which minds case. It goes back to the last `%` alone: whatever could match further left also matches there.
pub(super) fn is_like(text: &[u8], pattern: &[u8], escape: u32, pace: &Pace) -> Result<bool, Stopped> {
    let text = &text[..memchr(0, text).unwrap_or(text.len())];
    let (mut here, mut wanted) = (text, pattern);
    // What follows the last %, and from where it was tried.
    let mut tried: Option<(&[u8], &[u8])> = None;
    loop {
        let matches = match part(wanted, escape) {
            Some((Part::Nothing, _)) => return Ok(false),
            Some((Part::Any, rest)) if part(rest, escape).is_none() => return Ok(true),
            Some((Part::Any, rest)) => {
                tried = Some((rest, here));
                wanted = rest;
                continue;
            }
            // From further right there is even less.
            Some(_) if here.is_empty() => return Ok(false),
            Some((part, rest)) => first(here)
                .filter(|(character, _)| match part {
                    Part::Character(wanted) => wanted == *character,
                    _ => true,
                })
                .map(|(_, after)| (after, rest)),
            None if here.is_empty() => return Ok(true),
            None => None,
        };
        if let Some((after, rest)) = matches {
            pace.go_on(here.len() - after.len())?;
            (here, wanted) = (after, rest);
            continue;
        }
        let Some((after_any, from)) = tried else { return Ok(false) };
        let Some(from) = next(from, after_any, escape, pace)? else { return Ok(false) };
        tried = Some((after_any, from));
        (here, wanted) = (from, after_any);
    }
}

/// The next place behind the first character of `text` where the pattern may begin.
fn next<'a>(text: &'a [u8], pattern: &[u8], escape: u32, pace: &Pace) -> Result<Option<&'a [u8]>, Stopped> {
    let Some((_, rest)) = first(text) else { return Ok(None) };
    let skipped = match part(pattern, escape) {
        Some((Part::Character(character @ ..0x80), _)) => match memchr(character as u8, rest) {
            Some(skipped) => skipped,
            None => return Ok(None),
        },
        _ => 0,
    };
    pace.go_on(text.len() - rest.len() + skipped)?;
    Ok(Some(&rest[skipped..]))
}

/// Where characters are taken away.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    pub left: bool,
    pub right: bool,
}

/// `trim`, `ltrim` and `rtrim`.
pub(super) fn trimmed<'a>(text: &'a [u8], set: &[u8], ends: Ends, pace: &Pace) -> Result<&'a [u8], Stopped> {
    let set = &set[..memchr(0, set).unwrap_or(set.len())];
    pace.go_on(set.len())?;
    match std::str::from_utf8(set) {
        Ok(set) => trimmed_by(text, &Set::new(set), ends, pace),
        Err(_) => trimmed_bytewise(text, set, ends, pace),
    }
}

fn trimmed_by<'a>(mut text: &'a [u8], set: &Set, ends: Ends, pace: &Pace) -> Result<&'a [u8], Stopped> {
    while ends.left
        && let Some(character) = at_start(text).filter(|character| set.has(*character))
    {
        pace.go_on(character.len_utf8())?;
        text = &text[character.len_utf8()..];
    }
    while ends.right
        && let Some(character) = at_end(text).filter(|character| set.has(*character))
    {
        pace.go_on(character.len_utf8())?;
        text = &text[..text.len() - character.len_utf8()];
    }
    Ok(text)
}

/// The character that a text begins with.
fn at_start(text: &[u8]) -> Option<char> {
    match *text.first()? {
        byte @ ..0x80 => Some(byte.into()),
        _ => (2..=text.len().min(4)).find_map(|length| alone(&text[..length])),
    }
}

/// The character that a text ends with.
fn at_end(text: &[u8]) -> Option<char> {
    match *text.last()? {
        byte @ ..0x80 => Some(byte.into()),
        _ => (2..=text.len().min(4)).find_map(|length| alone(&text[text.len() - length..])),
    }
}

/// The character that the shortest piece of UTF-8 at an end of a text is.
fn alone(bytes: &[u8]) -> Option<char> {
    std::str::from_utf8(bytes).ok()?.chars().next()
}

/// Characters: a bit for each, up to the last there is.
struct Set(Vec<u64>);

impl Set {
    fn new(characters: &str) -> Self {
        let mut bits = Vec::new();
        for character in characters.chars() {
            let (word, bit) = Self::place(character);
            if word >= bits.len() {
                bits.resize(word + 1, 0);
            }
            bits[word] |= bit;
        }
        Set(bits)
    }

    fn has(&self, character: char) -> bool {
        let (word, bit) = Self::place(character);
        self.0.get(word).is_some_and(|bits| bits & bit != 0)
    }

    fn place(character: char) -> (usize, u64) {
        (character as usize / 64, 1 << (character as u32 % 64))
    }
}

/// The same by a set that is no UTF-8: its characters are pieces of bytes, of which the first that fits counts. Each is
/// compared, as SQLite does, and the meter asked on the way.
fn trimmed_bytewise<'a>(mut text: &'a [u8], set: &[u8], ends: Ends, pace: &Pace) -> Result<&'a [u8], Stopped> {
    while ends.left
        && let Some(length) = fitting(set, pace, |piece| text.starts_with(piece))?
    {
        text = &text[length..];
    }
    while ends.right
        && let Some(length) = fitting(set, pace, |piece| text.ends_with(piece))?
    {
        text = &text[..text.len() - length];
    }
    Ok(text)
}

/// The length of the first character of the set that fits.
fn fitting(mut set: &[u8], pace: &Pace, fits: impl Fn(&[u8]) -> bool) -> Result<Option<usize>, Stopped> {
    while let Some((_, rest)) = first(set) {
        let piece = &set[..set.len() - rest.len()];
        pace.go_on(piece.len())?;
        if fits(piece) {
            return Ok(Some(piece.len()));
        }
        set = rest;
    }
    Ok(None)
}
