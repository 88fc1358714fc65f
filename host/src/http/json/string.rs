//! Strings as JSON writes them.

const EIGHT: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = EIGHT * 0x80;

/// Appends `text` in quotes, with what JSON wants escaped.
pub(super) fn write(out: &mut Vec<u8>, text: &str) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some((plain, special, behind)) = split_at_special(rest) {
        out.extend_from_slice(plain);
        write_escape(out, special);
        rest = behind;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// How many bytes [`write`] would append.
pub(super) fn written_bytes(text: &str) -> usize {
    let mut bytes = text.len() + 2;
    let mut rest = text.as_bytes();
    while let Some((_, special, behind)) = split_at_special(rest) {
        bytes += short_escape(special).map_or(6, |_| 2) - 1;
        rest = behind;
    }
    bytes
}

/// What comes before the first byte that must be escaped, that byte, and what comes behind it.
fn split_at_special(bytes: &[u8]) -> Option<(&[u8], u8, &[u8])> {
    let at = next_special(bytes)?;
    Some((&bytes[..at], bytes[at], &bytes[at + 1..]))
}

/// The first byte that must be escaped, looked for eight at a time.
fn next_special(bytes: &[u8]) -> Option<usize> {
    let (words, tail) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let marks = special_bytes(u64::from_le_bytes(*word));
        if marks != 0 {
            return Some(index * 8 + (marks.trailing_zeros() / 8) as usize);
        }
    }
    let done = words.len() * 8;
    tail.iter().position(|byte| matches!(byte, 0..0x20 | b'"' | b'\\')).map(|at| done + at)
}

/// Marks bytes by their highest bit. A borrow can mark a byte behind a special one wrongly, never one
/// before it, so the lowest mark is right.
fn special_bytes(word: u64) -> u64 {
    let is_zero = |word: u64| word.wrapping_sub(EIGHT) & !word;
    let control = word.wrapping_sub(EIGHT * 0x20) & !word;
    let quote = is_zero(word ^ (EIGHT * u64::from(b'"')));
    let backslash = is_zero(word ^ (EIGHT * u64::from(b'\\')));
    (control | quote | backslash) & HIGH_BITS
}

fn write_escape(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    match short_escape(byte) {
        Some(letter) => out.extend_from_slice(&[b'\\', letter]),
        None => {
            out.extend_from_slice(b"\\u00");
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 15)]);
        }
    }
}

/// The letter behind the backslash, where JSON has a short form.
fn short_escape(byte: u8) -> Option<u8> {
    match byte {
        b'"' | b'\\' => Some(byte),
        b'\n' => Some(b'n'),
        b'\r' => Some(b'r'),
        b'\t' => Some(b't'),
        0x08 => Some(b'b'),
        0x0c => Some(b'f'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        write(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_json_wants_escaped_is_escaped() {
        assert_eq!(written("say \"hi\"\\\n\r\t\u{8}\u{c}\u{1}\u{1f}"), r#""say \"hi\"\\\n\r\t\b\f\u0001\u001f""#);
        assert_eq!(written("Grüße, 世界 \u{7f}\u{2028}"), "\"Grüße, 世界 \u{7f}\u{2028}\"");
        assert_eq!(written(""), "\"\"");
    }

    #[test]
    fn every_byte_at_every_place_is_written_as_serde_json_does() {
        for special in 0..=0x82u8 {
            for place in 0..20 {
                let mut text: Vec<char> = "abcdefghijklmnopqrst".chars().collect();
                text[place] = char::from(special);
                text[19 - place] = char::from(special);
                let text: String = text.into_iter().collect();
                assert_eq!(written(&text), serde_json::to_string(&text).unwrap());
                assert_eq!(written(&text).len(), written_bytes(&text));
            }
        }
    }
}
