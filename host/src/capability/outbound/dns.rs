//! Messages of the domain name system (RFC 1035), as far as a question for addresses needs them.
//!
//! An answer counts when it has the number and the question of what was asked. Its names are passed over, never
//! followed: whose address is whose, the name server has put together already, and every address is checked whatever
//! name it stands behind. At most [`ADDRESSES`] are taken of one answer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::error::LookupError;
use crate::id::HostName;

/// Addresses taken of one answer.
pub const ADDRESSES: usize = 32;

const HEADER: usize = 12;
const CLASS_IN: u16 = 1;
const WANT_RECURSION: u16 = 0x0100;
const IS_ANSWER: u16 = 0x8000;
const IS_TRUNCATED: u16 = 0x0200;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record {
    A = 1,
    Aaaa = 28,
}

/// What an answer says.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    Addresses(Vec<IpAddr>),
    /// It did not fit, and is to be asked for over TCP.
    Truncated,
}

/// A question with its number.
#[derive(Debug, Clone)]
pub struct Question {
    id: u16,
    message: Vec<u8>,
}

impl Question {
    pub fn new(id: u16, host: &HostName, record: Record) -> Self {
        let mut message = Vec::with_capacity(HEADER + host.as_str().len() + 6);
        for word in [id, WANT_RECURSION, 1, 0, 0, 0] {
            message.extend(word.to_be_bytes());
        }
        for label in host.as_str().split('.') {
            // A host name's labels are 63 bytes long at most.
            message.push(label.len() as u8);
            message.extend(label.as_bytes());
        }
        message.push(0);
        message.extend((record as u16).to_be_bytes());
        message.extend(CLASS_IN.to_be_bytes());
        Self { id, message }
    }

    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// Reads a message that came from the name server. None when it answers another question.
    pub fn answer(&self, message: &[u8]) -> Option<Result<Answer, LookupError>> {
        let word = |index: usize| Some(u16::from_be_bytes([*message.get(2 * index)?, *message.get(2 * index + 1)?]));
        let (id, flags, questions, answers) = (word(0)?, word(1)?, word(2)?, word(3)?);
        let asked = &self.message[HEADER..];
        let repeated = message.get(HEADER..HEADER + asked.len())?;
        // Some servers write the name as it was asked, some in lower case.
        if id != self.id || flags & IS_ANSWER == 0 || questions != 1 || !repeated.eq_ignore_ascii_case(asked) {
            return None;
        }
        Some(match (flags & IS_TRUNCATED != 0, flags & 0xf) {
            (true, _) => Ok(Answer::Truncated),
            (false, 0) => match addresses(message, HEADER + asked.len(), answers) {
                Some(addresses) => Ok(Answer::Addresses(addresses)),
                None => Err(LookupError::Unreadable),
            },
            (false, code) => Err(LookupError::Code(code as u8)),
        })
    }
}

/// The addresses among so many records from here on.
fn addresses(message: &[u8], mut at: usize, records: u16) -> Option<Vec<IpAddr>> {
    let mut found = Vec::new();
    for _ in 0..records {
        at = after_name(message, at)?;
        let fixed: &[u8; 10] = message.get(at..at + 10)?.try_into().ok()?;
        let [kind_high, kind_low, class_high, class_low, _, _, _, _, length_high, length_low] = *fixed;
        let length = usize::from(u16::from_be_bytes([length_high, length_low]));
        let data = message.get(at + 10..at + 10 + length)?;
        at += 10 + length;
        if u16::from_be_bytes([class_high, class_low]) != CLASS_IN || found.len() == ADDRESSES {
            continue;
        }
        match u16::from_be_bytes([kind_high, kind_low]) {
            1 => found.push(Ipv4Addr::from(<[u8; 4]>::try_from(data).ok()?).into()),
            28 => found.push(Ipv6Addr::from(<[u8; 16]>::try_from(data).ok()?).into()),
            _ => {}
        }
    }
    Some(found)
}

/// Where the name that begins here is over. A reference to an earlier one ends it.
fn after_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            length @ 1..=63 => at += 1 + usize::from(length),
            0xc0..=0xff => return Some(at + 2),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn question() -> Question {
        Question::new(7, &HostName::parse("api.example.com").unwrap(), Record::A)
    }

    /// An answer with these records: type, class and data.
    fn answer(flags: u16, records: &[(u16, u16, &[u8])]) -> Vec<u8> {
        let mut message = question().message;
        message[2..4].copy_from_slice(&flags.to_be_bytes());
        message[7] = records.len() as u8;
        for (kind, class, data) in records {
            message.extend([0xc0, HEADER as u8]);
            message.extend(kind.to_be_bytes());
            message.extend(class.to_be_bytes());
            message.extend(60_u32.to_be_bytes());
            message.extend((data.len() as u16).to_be_bytes());
            message.extend(*data);
        }
        message
    }

    #[test]
    fn addresses_are_read_and_aliases_passed_over() {
        let alias = [3, b'w', b'w', b'w', 0xc0, 12];
        let v6 = Ipv6Addr::LOCALHOST.octets();
        let message = answer(0x8180, &[(5, 1, &alias), (1, 1, &[192, 0, 2, 7]), (28, 1, &v6), (1, 3, &[1, 2, 3, 4])]);
        let expected = vec!["192.0.2.7".parse().unwrap(), "::1".parse().unwrap()];
        assert_eq!(question().answer(&message).unwrap().unwrap(), Answer::Addresses(expected));
    }

    #[test]
    fn what_answers_another_question_is_passed_over() {
        let good = answer(0x8180, &[(1, 1, &[192, 0, 2, 7])]);
        for at in [1, 2, 5, 14] {
            let mut other = good.clone();
            other[at] ^= 0x81;
            assert!(question().answer(&other).is_none(), "byte {at}");
        }
        assert!(question().answer(&good[..20]).is_none());
    }

    #[test]
    fn refusals_and_broken_answers_are_errors() {
        assert_eq!(question().answer(&answer(0x8380, &[])).unwrap().unwrap(), Answer::Truncated);
        assert!(matches!(question().answer(&answer(0x8183, &[])), Some(Err(LookupError::Code(3)))));
        let short = answer(0x8180, &[(1, 1, &[192, 0, 2])]);
        assert!(matches!(question().answer(&short), Some(Err(LookupError::Unreadable))));
        let mut cut = answer(0x8180, &[(1, 1, &[192, 0, 2, 7])]);
        cut.pop();
        assert!(matches!(question().answer(&cut), Some(Err(LookupError::Unreadable))));
    }

    #[test]
    fn of_many_addresses_only_so_many_are_taken() {
        let many: Vec<(u16, u16, &[u8])> = vec![(1, 1, &[192, 0, 2, 7]); 200];
        let Answer::Addresses(found) = question().answer(&answer(0x8180, &many)).unwrap().unwrap() else { panic!() };
        assert_eq!(found.len(), ADDRESSES);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(tail in prop::collection::vec(any::<u8>(), 0..200), flags: u16, count: u8) {
            let mut message = answer(flags | IS_ANSWER, &[]);
            message[7] = count;
            message.extend(tail);
            let _ = question().answer(&message);
        }
    }
}
