//! Path templates: `/contacts/{id}`.
//!
//! Invariant: two templates that fit the same request path are strictly ordered by
//! [`PathTemplate::precedence`], unless they have the same shape, and a manifest with two of those
//! on one method is refused. So which endpoint serves a request never depends on their order.
//!
//! A request path is cut at `/` before it is decoded. An encoded slash therefore never makes a
//! new segment: `%2F` is a slash inside the parameter's value. A percent sign without two
//! hexadecimal digits, and bytes that are not UTF-8 once decoded, fit no template.

mod lenient;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::InvalidText;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PathTemplate {
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Segment {
    Literal(String),
    Parameter(String),
}

impl PathTemplate {
    const EXAMPLE: &str = "/contacts/{id}";
    const PATTERN: &str = r"^/$|^(/([A-Za-z0-9._~-]+|\{[A-Za-z][A-Za-z0-9_-]*\}))+$";

    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        let invalid = |why: String| InvalidText::new("a path template", text, why, Self::EXAMPLE);
        let Some(rest) = text.strip_prefix('/') else {
            return Err(invalid("it begins with `/`".to_owned()));
        };
        let mut segments: Vec<Segment> = Vec::new();
        if rest.is_empty() {
            return Ok(PathTemplate { segments });
        }
        for part in rest.split('/') {
            let segment = Segment::parse(part).map_err(invalid)?;
            if matches!(segment, Segment::Parameter(_)) && segments.contains(&segment) {
                return Err(invalid(format!("each parameter has a name of its own, and `{segment}` appears twice")));
            }
            segments.push(segment);
        }
        Ok(PathTemplate { segments })
    }

    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The parameters' names, from left to right.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Parameter(name) => Some(name.as_str()),
            Segment::Literal(_) => None,
        })
    }

    /// The parameters of a request path (without its query) that fits this template. A path that
    /// does not fit costs no allocation, unless it carries percent signs.
    pub fn matches<'a>(&self, path: &'a str) -> Option<Vec<(&str, Cow<'a, str>)>> {
        if !self.fits_literally(path) {
            return None;
        }
        let mut found = Vec::with_capacity(self.parameters().count());
        for (segment, part) in self.segments.iter().zip(parts(path)?) {
            if let Segment::Parameter(name) = segment {
                found.push((name.as_str(), decode(part)?));
            }
        }
        Some(found)
    }

    /// Whether some request path fits both.
    pub fn overlaps(&self, other: &PathTemplate) -> bool {
        self.pairwise(other, |pair| match pair {
            (Segment::Literal(a), Segment::Literal(b)) => a == b,
            _ => true,
        })
    }

    /// Whether exactly the same request paths fit both: they differ in parameter names at most.
    pub fn same_shape(&self, other: &PathTemplate) -> bool {
        self.pairwise(other, |pair| match pair {
            (Segment::Literal(a), Segment::Literal(b)) => a == b,
            (Segment::Parameter(_), Segment::Parameter(_)) => true,
            _ => false,
        })
    }

    /// `Less` for the template to be tried first. From left to right a literal goes before a
    /// parameter: `/deals/pipeline` before `/deals/{id}`, `/a/b/{x}` before `/a/{y}/c`.
    pub fn precedence(&self, other: &PathTemplate) -> Ordering {
        for pair in self.segments.iter().zip(&other.segments) {
            let order = match pair {
                (Segment::Literal(a), Segment::Literal(b)) => a.cmp(b),
                (Segment::Literal(_), Segment::Parameter(_)) => Ordering::Less,
                (Segment::Parameter(_), Segment::Literal(_)) => Ordering::Greater,
                (Segment::Parameter(_), Segment::Parameter(_)) => Ordering::Equal,
            };
            if order.is_ne() {
                return order;
            }
        }
        self.segments.len().cmp(&other.segments.len())
    }

    fn pairwise(&self, other: &PathTemplate, agree: fn((&Segment, &Segment)) -> bool) -> bool {
        self.segments.len() == other.segments.len() && self.segments.iter().zip(&other.segments).all(agree)
    }

    fn fits_literally(&self, path: &str) -> bool {
        let Some(mut parts) = parts(path) else {
            return false;
        };
        let all_fit = self.segments.iter().all(|segment| match (segment, parts.next()) {
            (Segment::Literal(literal), Some(part)) => {
                part == literal || (part.contains('%') && decode(part).is_some_and(|p| p == *literal))
            }
            (Segment::Parameter(_), Some(part)) => !part.is_empty(),
            (_, None) => false,
        });
        all_fit && parts.next().is_none()
    }
}

impl Segment {
    fn parse(part: &str) -> Result<Self, String> {
        let name = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        if let Some(name) = name {
            let inner = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            if name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(inner) {
                return Ok(Segment::Parameter(name.to_owned()));
            }
            return Err(format!(
                "a parameter's name is letters, digits, _ and -, beginning with a letter, which `{part}` is not"
            ));
        }
        if let Some(name) = part.strip_prefix(':') {
            return Err(format!("a parameter stands in braces: write `{{{name}}}` for `{part}`"));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '~' | '-');
        match part {
            "" => Err("between two slashes, and after the last one, there is a name".to_owned()),
            "." | ".." => Err(format!("`{part}` would be resolved away by clients")),
            _ if part.chars().all(plain) => Ok(Segment::Literal(part.to_owned())),
            _ => Err(format!("a segment is letters, digits, - . _ ~ or one `{{parameter}}`, which `{part}` is not")),
        }
    }
}

/// The segments of a request path: none for `/`, and `None` where it does not begin with a slash.
fn parts(path: &str) -> Option<impl Iterator<Item = &str>> {
    let rest = path.strip_prefix('/')?;
    let count = if rest.is_empty() { 0 } else { usize::MAX };
    Some(rest.split('/').take(count))
}

fn decode(part: &str) -> Option<Cow<'_, str>> {
    if !part.contains('%') {
        return Some(Cow::Borrowed(part));
    }
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => hex_digit(rest.next()?)? << 4 | hex_digit(rest.next()?)?,
            other => other,
        });
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

fn hex_digit(byte: u8) -> Option<u8> {
    let digit = char::from(byte).to_digit(16)?;
    u8::try_from(digit).ok()
}

impl fmt::Display for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.segments.is_empty() {
            return f.write_str("/");
        }
        self.segments.iter().try_for_each(|segment| write!(f, "/{segment}"))
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Segment::Literal(text) => f.write_str(text),
            Segment::Parameter(name) => write!(f, "{{{name}}}"),
        }
    }
}

impl Serialize for PathTemplate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PathTemplate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for PathTemplate {
    fn schema_name() -> Cow<'static, str> {
        "PathTemplate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A path of literal segments and `{parameter}` segments.",
            "pattern": Self::PATTERN,
            "examples": [Self::EXAMPLE],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn template(text: &str) -> PathTemplate {
        PathTemplate::parse(text).unwrap()
    }

    fn values(text: &str, path: &str) -> Option<Vec<String>> {
        let template = template(text);
        let found = template.matches(path)?;
        Some(found.into_iter().map(|(name, value)| format!("{name}={value}")).collect())
    }

    #[test]
    fn a_template_reads_and_prints_the_same() {
        for text in ["/", "/contacts", "/contacts/{id}", "/a/{x}/b-c/{y_1}", "/v1.2/~me"] {
            assert_eq!(template(text).to_string(), text);
        }
    }

    #[test]
    fn a_malformed_template_says_why() {
        for (text, why) in [
            ("contacts", "begins with `/`"),
            ("/contacts/", "after the last one"),
            ("/a//b", "between two slashes"),
            ("/a/:id", "write `{id}` for `:id`"),
            ("/a/{}", "a parameter's name"),
            ("/a/{1d}", "a parameter's name"),
            ("/a/{id}/{id}", "`{id}` appears twice"),
            ("/a/../b", "resolved away"),
            ("/a b", "a segment is"),
            ("/a{id}", "a segment is"),
        ] {
            let error = PathTemplate::parse(text).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn parameters_are_decoded_after_the_path_is_cut() {
        assert_eq!(values("/", "/"), Some(vec![]));
        assert_eq!(values("/contacts", "/contacts"), Some(vec![]));
        assert_eq!(values("/contacts", "/cont%61cts"), Some(vec![]));
        assert_eq!(values("/c/{id}", "/c/a%2Fb"), Some(vec!["id=a/b".into()]));
        assert_eq!(values("/c/{id}/{x}", "/c/M%C3%BCller/2"), Some(vec!["id=Müller".into(), "x=2".into()]));
    }

    #[test]
    fn paths_that_do_not_fit_are_refused() {
        for path in ["", "c/1", "/c", "/c/", "/c/1/", "/c/1/2", "/d/1", "/c/%", "/c/%2", "/c/%zz", "/c/%ff", "//1"] {
            assert_eq!(values("/c/{id}", path), None, "{path}");
        }
        assert_eq!(values("/", "//"), None);
    }

    #[test]
    fn the_more_literal_template_goes_first() {
        let mut templates =
            ["/deals/{id}", "/deals/pipeline", "/{x}/pipeline", "/deals", "/deals/{id}/notes"].map(template);
        templates.sort_by(PathTemplate::precedence);
        assert_eq!(
            templates.map(|t| t.to_string()),
            ["/deals", "/deals/pipeline", "/deals/{id}", "/deals/{id}/notes", "/{x}/pipeline"]
        );
    }

    fn any_template() -> impl Strategy<Value = PathTemplate> {
        prop::collection::vec("[ab]|\\{[xy]\\}", 0..4)
            .prop_filter_map("names differ", |parts| PathTemplate::parse(&format!("/{}", parts.join("/"))).ok())
    }

    proptest! {
        #[test]
        fn overlapping_templates_are_ordered_or_of_one_shape(a in any_template(), b in any_template()) {
            prop_assert_eq!(a.precedence(&b), b.precedence(&a).reverse());
            prop_assert_eq!(a.overlaps(&b), b.overlaps(&a));
            prop_assert_eq!(a.precedence(&b).is_eq(), a.same_shape(&b));
        }

        #[test]
        fn a_path_that_fits_both_means_that_they_overlap(a in any_template(), b in any_template(), path in "(/[abc]){0,3}") {
            if a.matches(&path).is_some() && b.matches(&path).is_some() {
                prop_assert!(a.overlaps(&b));
            }
        }

        #[test]
        fn the_published_pattern_admits_what_parses(text in "[/a{}.:-]{0,8}") {
            if PathTemplate::parse(&text).is_ok() {
                prop_assert!(regex::Regex::new(PathTemplate::PATTERN).unwrap().is_match(&text), "{}", text);
            }
        }
    }
}
