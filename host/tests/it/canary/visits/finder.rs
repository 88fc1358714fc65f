//! Canaries, and finding them in whatever was answered.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use regex::bytes::Regex;

/// A text that belongs to one tenant and is like no other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canary {
    pub text: String,
    /// Where it was put, for whoever reads of a leak.
    pub place: &'static str,
    /// Others may learn of it and say it, as an id. An answer may repeat it to whoever said it.
    pub is_name: bool,
    /// The tenant itself can read it back.
    pub is_shown: bool,
}

/// All canaries of one tenant.
#[derive(Debug, Default)]
pub struct Canaries(Vec<Canary>);

impl Canaries {
    /// A new text that the tenant reads back and nobody else ever says.
    pub fn text(&mut self, place: &'static str) -> String {
        self.add(random(), place, false, true)
    }

    /// A new text that is told to nobody, not even to its tenant.
    pub fn hidden(&mut self, place: &'static str) -> String {
        self.add(random(), place, false, false)
    }

    /// A new text that others may say.
    pub fn name(&mut self, place: &'static str) -> String {
        self.add(random(), place, true, true)
    }

    /// A name that the host gave.
    pub fn given(&mut self, place: &'static str, text: &str) {
        self.add(text.to_owned(), place, true, true);
    }

    /// A text that the host gave, and tells nobody again.
    pub fn given_hidden(&mut self, place: &'static str, text: &str) {
        self.add(text.to_owned(), place, false, false);
    }

    fn add(&mut self, text: String, place: &'static str, is_name: bool, is_shown: bool) -> String {
        assert!(text.len() >= 12, "{text} is too short to be like no other");
        self.0.push(Canary { text: text.clone(), place, is_name, is_shown });
        text
    }

    pub fn all(&self) -> &[Canary] {
        &self.0
    }
}

/// Letters and digits alone, which no escape of a path, a header or JSON changes.
fn random() -> String {
    format!("k{}", &uuid::Uuid::new_v4().simple().to_string()[..19])
}

/// Looks for the canaries of one tenant.
pub struct Finder {
    canaries: Vec<Canary>,
    any: Regex,
}

impl Finder {
    pub fn new(canaries: &Canaries) -> Self {
        let plain = canaries.0.iter().flat_map(|canary| [canary.text.clone(), hex(&canary.text)]);
        let plain: Vec<String> = plain.map(|text| regex::escape(&text)).collect();
        let coded: Vec<String> = canaries.0.iter().flat_map(|canary| base64(&canary.text)).collect();
        let any = Regex::new(&format!("(?i:{})|{}", plain.join("|"), coded.join("|"))).unwrap();
        Self { canaries: canaries.0.clone(), any }
    }

    /// Every canary in these bytes: in any case, in hexadecimal or in base64.
    pub fn found(&self, bytes: &[u8]) -> Vec<&Canary> {
        if !self.any.is_match(bytes) {
            return Vec::new();
        }
        let lower = bytes.to_ascii_lowercase();
        let is_in = |text: &str, bytes: &[u8]| bytes.windows(text.len()).any(|part| part == text.as_bytes());
        let is_found = |canary: &&Canary| {
            is_in(&canary.text.to_ascii_lowercase(), &lower)
                || is_in(&hex(&canary.text), &lower)
                || base64(&canary.text).iter().any(|coded| is_in(coded, bytes))
        };
        self.canaries.iter().filter(is_found).collect()
    }

    /// Those that the answer to a request must not have: all but the names that the request said.
    pub fn foreign(&self, answer: &[u8], said: &str) -> Vec<&Canary> {
        let mut found = self.found(answer);
        found.retain(|canary| !(canary.is_name && said.contains(&canary.text)));
        found
    }
}

fn hex(text: &str) -> String {
    text.bytes().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

/// What is surely there of a text in base64, wherever it begins in what was encoded.
fn base64(text: &str) -> [String; 3] {
    [0, 1, 2].map(|before| {
        let coded = BASE64.encode([&vec![0; before], text.as_bytes()].concat());
        // The first and the last letters depend on the neighbours. `-` and `_` stand for no letter of a canary.
        let (begin, end) = ((before * 8).div_ceil(6), (before + text.len()) * 8 / 6);
        coded[begin..end].to_owned()
    })
}

/// The test is worth something only if it sees what it looks for.
#[test]
fn a_canary_is_found_wherever_it_is_planted_and_nowhere_else() {
    let (mut canaries, mut others) = (Canaries::default(), Canaries::default());
    let (secret, name) = (canaries.text("a text"), canaries.name("a name"));
    let (foreign, finder) = (others.text("of another"), Finder::new(&canaries));
    let places = |text: &str| {
        [
            text.to_owned(),
            format!("\"note\":\"{text}\""),
            text.to_uppercase(),
            format!("/plugins/{text}?x=%20{text}"),
            hex(text),
            BASE64.encode(text),
            BASE64.encode(format!("1{text}!")),
            BASE64.encode(format!("ab{text}z")),
        ]
    };
    for planted in places(&secret) {
        let found = finder.found(format!("before {planted} behind").as_bytes());
        assert_eq!(found.iter().map(|canary| &canary.text).collect::<Vec<_>>(), [&secret], "{planted}");
        assert_eq!(finder.foreign(planted.as_bytes(), &secret).len(), 1, "nobody else may say a text: {planted}");
    }
    for planted in places(&foreign) {
        assert_eq!(finder.found(planted.as_bytes()), Vec::<&Canary>::new(), "{planted}");
    }
    let told = format!("there is no key `{name}`");
    assert_eq!(finder.foreign(told.as_bytes(), &format!("GET /api/v1/keys/{name}")).len(), 0);
    assert_eq!(finder.foreign(told.as_bytes(), "GET /api/v1/keys").len(), 1);
    assert_eq!(finder.found(&secret.as_bytes()[1..]).len(), 0);
}
