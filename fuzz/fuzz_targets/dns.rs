#![no_main]
//! Answers of a name server: whatever the bytes are, they are passed over, refused, or addresses that stand in them.
//!
//! An input is a line with a host's name and behind it what comes after the question of an answer: flags, number of
//! records, records. So every input is an answer to what was asked. Its bytes are read as a whole message too.

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use tenon::fuzzing::capability::{ADDRESSES, Answer, Question, Record};
use tenon::id::HostName;

const HEADER_BYTES: usize = 12;
/// What one name and what is asked of it take at most.
const QUESTION_BYTES_MAX: usize = 255 + 4;
const ID: u16 = 0x1234;

fuzz_target!(|bytes: &[u8]| {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let name = std::str::from_utf8(&bytes[..end]).ok().and_then(|name| HostName::parse(name).ok());
    let host = name.unwrap_or_else(|| HostName::parse("api.example.com").expect("a host's name"));
    for record in [Record::A, Record::Aaaa] {
        let question = Question::new(ID, &host, record);
        assert!(question.message().len() <= HEADER_BYTES + QUESTION_BYTES_MAX);
        assert!(question.answer(question.message()).is_none(), "a question is no answer");
        is_read(&question, bytes);
        if let Some([flag, flags, high, low, records @ ..]) = bytes.get(end + 1..) {
            let mut message = [question.message(), records].concat();
            (message[2], message[3], message[6], message[7]) = (flag | 0x80, *flags, *high, *low);
            assert!(question.answer(&message).is_some(), "an answer was passed over");
            is_read(&question, &message);
            is_passed_over_with_a_change(&question, message);
        }
    }
});

fn is_read(question: &Question, message: &[u8]) {
    match question.answer(message) {
        None => {}
        Some(Err(error)) => assert!(!error.to_string().is_empty()),
        Some(Ok(Answer::Truncated)) => assert!(message[2] & 0x02 != 0),
        Some(Ok(Answer::Addresses(found))) => {
            let records = usize::from(u16::from_be_bytes([message[6], message[7]]));
            assert!(found.len() <= records.min(ADDRESSES), "{} of {records} records", found.len());
            for address in found {
                assert!(stands_in(message, address), "{address} stands in no record");
            }
        }
    }
}

/// Whether there is a record of the address's type and length with it.
fn stands_in(message: &[u8], address: IpAddr) -> bool {
    let (kind, octets) = match address {
        IpAddr::V4(address) => (1, address.octets().to_vec()),
        IpAddr::V6(address) => (28, address.octets().to_vec()),
    };
    let length = octets.len() as u8;
    message[HEADER_BYTES..]
        .windows(10 + octets.len())
        .any(|record| record[..4] == [0, kind, 0, 1] && record[8..10] == [0, length] && record[10..] == octets[..])
}

/// With another number, or another name in the question, it answers somebody else.
fn is_passed_over_with_a_change(question: &Question, message: Vec<u8>) {
    for at in [0, 1, HEADER_BYTES + 1] {
        let mut other = message.clone();
        // No letter becomes the same letter in another case.
        other[at] ^= 0x11;
        assert!(question.answer(&other).is_none(), "byte {at} of another");
    }
}
