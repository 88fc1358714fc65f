//! Strings as JSON writes them.

const EIGHT: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = EIGHT * 0x80;

/// Appends `text` in quotes, with what JSON wants escaped.
pub(super) fn write(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    out.reserve(rest.len() + 2);
    out.push(b'"');
    while let Some(at) = next_special(rest) {
        out.extend_from_slice(&rest[..at]);
        write_escape(out, rest[at]);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// How many bytes [`write`] would append.
pub(super) fn written_bytes(text: &str) -> usize {
    let escape = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..0x20 => 6,
        _ => 1,
    };
    text.bytes().map(escape).sum::<usize>() + 2
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
    let short = match byte {
        b'"' => b'"',
        b'\\' => b'\\',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        _ => {
            out.extend_from_slice(b"\\u00");
            out.push(HEX[usize::from(byte >> 4)]);
            return out.push(HEX[usize::from(byte & 15)]);
        }
    };
    out.extend_from_slice(&[b'\\', short]);
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
