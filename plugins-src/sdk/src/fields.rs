//! Checking what came in, field by field.
//!
//! A check that fails is noted and the checking goes on, so that the caller is told of every wrong field at
//! once. Fields are named as JSON clients see them: `firstName`, not `first_name`.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::vec;

use crate::time::is_calendar_day;

/// How many rows a page holds when the caller names no number.
pub const DEFAULT_TAKE: u32 = 50;
/// The most rows one page may hold.
pub const MAX_TAKE: u32 = 200;

/// The longest text, in characters, that may have been meant as a day. One that is right has ten.
const MAX_DAY: usize = 50;

/// Collects what is wrong with the fields of one request.
#[derive(Debug, Default)]
pub struct Fields {
    problems: Vec<(String, String)>,
}

/// At least one field is wrong: each with its name and the reason.
#[derive(Debug, PartialEq, Eq)]
pub struct Invalid(Vec<(String, String)>);

/// Which part of a list is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// How many rows to leave out at the start.
    pub skip: u32,
    /// How many rows to return: 1 to [`MAX_TAKE`].
    pub take: u32,
}

impl Fields {
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes that the field cannot be accepted. The message says what the field must be.
    pub fn reject(&mut self, field: &str, message: impl Into<String>) {
        self.problems.push((field.to_owned(), message.into()));
    }

    /// A text that must say something, at most `max` characters. White space around it is removed.
    pub fn required(&mut self, field: &str, text: &mut String, max: usize) {
        self.trim(field, text, max);
        if text.is_empty() {
            self.reject(field, "must not be blank");
        }
    }

    /// A text that may be missing, at most `max` characters. White space around it is removed; a blank text
    /// becomes a missing one.
    pub fn optional(&mut self, field: &str, text: &mut Option<String>, max: usize) {
        if let Some(present) = text {
            self.trim(field, present, max);
            if present.is_empty() {
                *text = None;
            }
        }
    }

    /// An address that mail could reach, at most 254 characters. Whether somebody reads it, only a message
    /// can tell.
    pub fn email(&mut self, field: &str, text: &mut String) {
        self.required(field, text, 254);
        if !text.is_empty() && !is_plausible_email(text) {
            self.reject(field, "must be an email address such as name@example.com");
        }
    }

    /// Labels: at most `max` of at most `max_length` characters each, none of them blank. They are trimmed, put
    /// into alphabetical order and rid of duplicates.
    pub fn labels(&mut self, field: &str, labels: &mut Vec<String>, max: usize, max_length: usize) {
        for label in labels.iter_mut() {
            self.required(field, label, max_length);
        }
        labels.sort_unstable();
        labels.dedup();
        if labels.len() > max {
            self.reject(field, format!("must hold at most {max} different entries, not {}", labels.len()));
        }
    }

    /// A day of the calendar that may be missing, written `YYYY-MM-DD`. White space around it is removed; a blank
    /// text becomes a missing day.
    pub fn optional_day(&mut self, field: &str, day: &mut Option<String>) {
        self.optional(field, day, MAX_DAY);
        if day.as_deref().is_some_and(|day| !is_calendar_day(day)) {
            self.reject(field, "must be a day of the calendar, written YYYY-MM-DD");
        }
    }

    /// A number within these bounds.
    pub fn within<T: PartialOrd + Display>(&mut self, field: &str, number: T, bounds: RangeInclusive<T>) {
        if !bounds.contains(&number) {
            self.reject(field, format!("must be {} to {}, not {number}", bounds.start(), bounds.end()));
        }
    }

    /// The part of a list that `skip` and `take` ask for: from the start and [`DEFAULT_TAKE`] rows by default.
    pub fn page(&mut self, skip: Option<u32>, take: Option<u32>) -> Page {
        let take = take.unwrap_or(DEFAULT_TAKE);
        self.within("take", take, 1..=MAX_TAKE);
        Page { skip: skip.unwrap_or(0), take }
    }

    /// Ends the checking: an error if anything was wrong.
    pub fn finish(self) -> Result<(), Invalid> {
        if self.problems.is_empty() { Ok(()) } else { Err(Invalid(self.problems)) }
    }

    fn trim(&mut self, field: &str, text: &mut String, max: usize) {
        let trimmed = text.trim();
        if trimmed.len() < text.len() {
            *text = trimmed.to_owned();
        }
        // Bytes are never fewer than characters, so most texts need no counting.
        if text.len() > max && text.chars().count() > max {
            self.reject(field, format!("must be at most {max} characters long"));
        }
        if text.contains('\0') {
            self.reject(field, "must not contain the character U+0000");
        }
    }
}

impl Invalid {
    /// Only this field is wrong. The message says what it must be.
    pub fn field(field: &str, message: impl Into<String>) -> Self {
        Self(vec![(field.to_owned(), message.into())])
    }
}

impl IntoIterator for Invalid {
    type Item = (String, String);
    type IntoIter = vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

fn is_plausible_email(text: &str) -> bool {
    let Some((name, domain)) = text.split_once('@') else { return false };
    let labels_are_filled = domain.split('.').all(|label| !label.is_empty());
    let odd = |c: char| c.is_whitespace() || c.is_control() || c == '@';
    !name.is_empty() && domain.contains('.') && labels_are_filled && !name.contains(odd) && !domain.contains(odd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wrong_field_is_named() {
        let mut fields = Fields::new();
        fields.required("firstName", &mut "  ".into(), 10);
        fields.email("email", &mut "nobody".into());
        fields.page(None, Some(201));
        let names: Vec<_> = fields.finish().unwrap_err().into_iter().map(|(field, _)| field).collect();
        assert_eq!(names, ["firstName", "email", "take"]);
    }

    #[test]
    fn texts_are_trimmed_and_blank_ones_become_missing() {
        let (mut title, mut phone) = (" a b ".to_owned(), Some("  ".to_owned()));
        let mut tags = ["b", " a", "b "].map(str::to_owned).to_vec();
        let mut fields = Fields::new();
        fields.required("title", &mut title, 3);
        fields.optional("phone", &mut phone, 3);
        fields.labels("tags", &mut tags, 2, 5);
        assert_eq!((title.as_str(), phone), ("a b", None));
        assert_eq!(tags, ["a", "b"]);
        assert_eq!(fields.page(None, None), Page { skip: 0, take: 50 });
        assert_eq!(fields.finish(), Ok(()));
    }

    #[test]
    fn a_day_may_be_missing_but_not_wrong() {
        let mut days = [None, Some(" ".to_owned()), Some(" 2028-02-29 ".to_owned())];
        let mut fields = Fields::new();
        days.iter_mut().for_each(|day| fields.optional_day("due", day));
        assert_eq!(fields.finish(), Ok(()));
        assert_eq!(days, [None, None, Some("2028-02-29".to_owned())]);

        let mut fields = Fields::new();
        fields.optional_day("due", &mut Some("29.2.2028".to_owned()));
        let wrong = Invalid::field("due", "must be a day of the calendar, written YYYY-MM-DD");
        assert_eq!(fields.finish(), Err(wrong));
    }

    #[test]
    fn a_number_out_of_bounds_is_told_the_bounds() {
        let mut fields = Fields::new();
        fields.within("probability", 100, 0..=100);
        fields.within("probability", 101, 0..=100);
        assert_eq!(fields.finish(), Err(Invalid::field("probability", "must be 0 to 100, not 101")));
    }

    #[test]
    fn length_counts_characters_not_bytes() {
        let mut fields = Fields::new();
        fields.required("title", &mut "äöü".into(), 3);
        assert_eq!(fields.finish(), Ok(()));
        let mut fields = Fields::new();
        fields.required("title", &mut "äöüß".into(), 3);
        assert!(fields.finish().is_err());
    }

    #[test]
    fn emails_need_a_name_and_a_domain() {
        for email in ["a@b.co", "john.doe+crm@mail.acme.com", "jörg@müller.de"] {
            assert!(is_plausible_email(email), "{email}");
        }
        for email in ["", "a", "@b.co", "a@", "a@b", "a@b.", "a@.co", "a@b..co", "a b@c.de", "a@b@c.de"] {
            assert!(!is_plausible_email(email), "{email}");
        }
    }
}
