//! Hosts outside, by their names.

use super::text_type;

text_type! {
    /// A host by its name. Its last label begins with a letter, so it can be read as no address, in whatever form: not
    /// as `127.1`, not as `0x7f000001`.
    HostName {
        what: "a host name",
        allowed: "labels of a-z, 0-9 and - joined by dots, the last beginning with a letter; no address, no port",
        example: "api.example.com",
        pattern: r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z]([a-z0-9-]{0,61}[a-z0-9])?$",
        max_length: 253,
        accepts: is_host_name,
    }
}

text_type! {
    /// Hosts: one by its name, or with `*.` all below a name, not that name itself.
    HostPattern {
        what: "a host",
        allowed: "labels of a-z, 0-9 and - joined by dots, the last beginning with a letter; with *. before two labels or more \
                  for all below them; no address, no port",
        example: "api.example.com",
        pattern: r"^(\*\.([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+|([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*)[a-z]([a-z0-9-]{0,61}[a-z0-9])?$",
        max_length: 255,
        accepts: is_host_pattern,
    }
}

impl HostPattern {
    pub fn matches(&self, host: &HostName) -> bool {
        match self.as_str().strip_prefix('*') {
            // With the dot before it, so that `*.example.com` is not `badexample.com`.
            Some(below) => host.as_str().ends_with(below),
            None => self.as_str() == host.as_str(),
        }
    }
}

fn is_host_name(text: &str) -> bool {
    let is_label = |label: &str| {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        (1..=63).contains(&label.len()) && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    let last = text.rsplit('.').next().unwrap_or_default();
    text.len() <= 253 && text.split('.').all(is_label) && last.starts_with(|first: char| first.is_ascii_lowercase())
}

fn is_host_pattern(text: &str) -> bool {
    match text.strip_prefix("*.") {
        Some(below) => below.contains('.') && is_host_name(below),
        None => is_host_name(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_and_cannot_be_read_as_an_address() {
        for text in ["localhost", "api.example.com", "xn--bcher-kva.example", "1and1.com", "a.b-c.d0"] {
            assert!(HostName::parse(text).is_ok() && HostPattern::parse(text).is_ok(), "{text}");
        }
        for text in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "-a.b",
            "a-.b",
            "A.b",
            "a_b.c",
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "1.2.3.0x4",
            "[::1]",
            "::1",
            "a b",
            "a:80",
            "a/b",
            "bücher.example",
            "*.example.com",
        ] {
            assert!(HostName::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_pattern_covers_what_is_below_a_name() {
        let covers =
            |pattern: &str, host: &str| HostPattern::parse(pattern).unwrap().matches(&HostName::parse(host).unwrap());
        assert!(covers("example.com", "example.com") && !covers("example.com", "a.example.com"));
        assert!(covers("*.example.com", "a.example.com") && covers("*.example.com", "a.b.example.com"));
        assert!(!covers("*.example.com", "example.com") && !covers("*.example.com", "badexample.com"));
        assert!(!covers("*.example.com", "a.example.com.evil.net"));
        for pattern in ["*", "*.", "*.com", "a.*.com", "*a.example.com", "**.example.com", "*.127.0.0.1"] {
            assert!(HostPattern::parse(pattern).is_err(), "{pattern}");
        }
    }
}
