//! Addresses on a host that hold what people typed.
//!
//! Invariant: a text stays in its place. Whatever stands in it, it is one segment of the path or one value of the query,
//! so the host judges the name that was typed, and no command asks for anything but what it says.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// All but what names on a host are made of, so that those look as they were typed.
const ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':').remove(b'*');

/// How much of a list, and from where on.
#[derive(clap::Args)]
pub(super) struct Paging {
    /// How many at most, up to 200
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// Go on where the last list ended
    #[arg(long)]
    cursor: Option<String>,
}

impl Paging {
    /// As values of a query.
    pub(super) fn values(self) -> [(&'static str, Option<String>); 2] {
        [("limit", Some(self.limit.to_string())), ("cursor", self.cursor)]
    }

    /// Whether it is another page than the first.
    pub(super) fn goes_on(&self) -> bool {
        self.cursor.is_some()
    }
}

/// A text as one segment of a path.
pub(super) fn segment(text: &str) -> String {
    match text {
        // However these two are encoded, clients take them for steps in the path. No name on a host is one of them, so it
        // may be any other that is none.
        "." | ".." => text.replace('.', "%252E"),
        text => utf8_percent_encode(text, ENCODED).to_string(),
    }
}

/// A path with a query of those values that there are.
pub(super) fn with_query<'a>(path: &str, values: impl IntoIterator<Item = (&'a str, Option<String>)>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in values {
        if let Some(value) = value {
            query.append_pair(name, &value);
        }
    }
    match query.finish() {
        none if none.is_empty() => path.to_owned(),
        query => format!("{path}?{query}"),
    }
}

/// A switch as a value of a query: left out unless it is given.
pub(super) fn switch(is_given: bool) -> Option<String> {
    is_given.then(|| "true".to_owned())
}

#[cfg(test)]
mod tests {
    use reqwest::Url;

    use super::*;

    #[test]
    fn a_text_is_one_segment_whatever_stands_in_it() {
        let texts =
            ["crm", "1.0.0+b", ".", "..", "../keys", "a/b", "a\\..\\b", "%2e%2e", "a?b=c", "a#b", "é ", "\t", "a;b"];
        for text in texts {
            let url: Url = format!("http://h/api/{}/end", segment(text)).parse().unwrap();
            let segments: Vec<_> = url.path_segments().unwrap().collect();
            assert_eq!((segments.len(), segments[0], segments[2]), (3, "api", "end"), "{text:?}: {url}");
            assert_eq!((url.query(), url.fragment()), (None, None), "{text:?}: {url}");
            let read = percent_encoding::percent_decode_str(segments[1]).decode_utf8().unwrap();
            assert_eq!(read == text, !matches!(text, "." | ".."), "{text:?}: {url}");
        }
        assert_eq!(segment("crm:deals_1.*"), "crm:deals_1.*");
    }

    #[test]
    fn a_text_is_one_value_of_a_query() {
        let values = [("force", switch(true)), ("to", Some("1.0.0+b&c=d#e é".to_owned())), ("not", switch(false))];
        let url: Url = format!("http://h{}", with_query("/a", values)).parse().unwrap();
        let read: Vec<_> = url.query_pairs().into_owned().collect();
        assert_eq!(read, [("force".into(), "true".into()), ("to".into(), "1.0.0+b&c=d#e é".into())]);
        assert_eq!(with_query("/a", [("not", None)]), "/a");
    }
}
