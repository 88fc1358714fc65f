use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use super::*;

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zlib(text: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// Pushed in pieces of every size up to 7.
fn unpacked(coding: Coding, packed: &[u8], limit: usize) -> Result<Bytes, Broken> {
    let outcomes = (1..8).map(|size| {
        let mut unpacker = Unpacker::new(coding, limit);
        packed.chunks(size).try_for_each(|piece| unpacker.push(piece))?;
        unpacker.finish()
    });
    let mut outcomes: Vec<_> = outcomes.collect();
    assert!(outcomes.windows(2).all(|two| two[0] == two[1]), "it depends on the pieces: {outcomes:?}");
    outcomes.remove(0)
}

#[test]
fn what_was_packed_comes_back_up_to_the_limit() {
    let text = b"Ada Lovelace, Ada Lovelace, Ada Lovelace".repeat(10);
    for (coding, packed) in [(Coding::Gzip, gzip(&text)), (Coding::Deflate, zlib(&text))] {
        assert_eq!(unpacked(coding, &packed, text.len()).unwrap(), text);
        assert_eq!(unpacked(coding, &packed, text.len() - 1), Err(Broken::TooLarge));
    }
    let twice = [gzip(&text), gzip(b"!")].concat();
    assert_eq!(unpacked(Coding::Gzip, &twice, 1000).unwrap(), [&text[..], b"!"].concat());
}

#[test]
fn a_body_cut_off_altered_or_continued_is_refused() {
    let text = b"Ada Lovelace, Ada Lovelace, Ada Lovelace";
    for (coding, packed) in [(Coding::Gzip, gzip(text)), (Coding::Deflate, zlib(text))] {
        for cut in 0..packed.len() {
            let outcome = unpacked(coding, &packed[..cut], 1000);
            assert_eq!(outcome, Err(Broken::Malformed), "{coding:?} cut at {cut} of {}", packed.len());
        }
        let mut altered = packed.clone();
        *altered.last_mut().unwrap() ^= 1;
        assert_eq!(unpacked(coding, &altered, 1000), Err(Broken::Malformed), "{coding:?}");
        let continued = [packed, b"GET / HTTP/1.1".to_vec()].concat();
        assert_eq!(unpacked(coding, &continued, 1000), Err(Broken::Malformed), "{coding:?}");
        assert_eq!(unpacked(coding, text, 1000), Err(Broken::Malformed), "{coding:?}");
    }
}

#[test]
fn one_coding_is_taken_and_named_when_it_is_not() {
    let with = |values: &[&'static str]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(CONTENT_ENCODING, HeaderValue::from_static(value));
        }
        coding(&headers).map_err(|error| (error.status.as_u16(), error.code))
    };
    assert_eq!(with(&[]), Ok(None));
    assert_eq!(with(&["identity"]), Ok(None));
    assert_eq!(with(&["GZip"]), Ok(Some(Coding::Gzip)));
    assert_eq!(with(&["deflate"]), Ok(Some(Coding::Deflate)));
    for refused in
        [&["br"][..], &["zstd"], &["gzip, gzip"], &["gzip", "gzip"], &["gzip", "identity"], &[""], &["compress"]]
    {
        assert_eq!(with(refused), Err((415, "unsupported_encoding".into())), "{refused:?}");
    }
}
