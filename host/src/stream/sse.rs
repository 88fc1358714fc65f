//! Server-sent events as they go over the wire: writing them, and reading them again.

/// A message, but for its id. Its data may have lines of any kind; a reader puts `\n` between them.
pub fn message(event: &str, data: &str) -> String {
    let mut text = format!("event: {event}\n");
    for line in lines(data) {
        text.push_str("data: ");
        text.push_str(line);
        text.push('\n');
    }
    text.push('\n');
    text
}

/// The first line of a message.
pub fn id_line(id: &str) -> String {
    format!("id: {id}\n")
}

/// An id alone, for the reader to keep. It is no message.
pub fn id(id: &str) -> String {
    format!("id: {id}\n\n")
}

/// What no reader hears of.
pub fn comment(text: &str) -> String {
    format!(": {text}\n\n")
}

/// When to come back after the end.
pub fn retry(milliseconds: u64) -> String {
    format!("retry: {milliseconds}\n\n")
}

/// A line ends with `\r\n`, `\n` or `\r`.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = text.find(['\n', '\r']) else { return rest.take() };
        let next = if text[end..].starts_with("\r\n") { end + 2 } else { end + 1 };
        rest = Some(&text[next..]);
        Some(&text[..end])
    })
}

/// What a reader finds in a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Message { id: Option<String>, event: String, data: String },
    Comment(String),
}

/// Reads a stream in whatever pieces it comes.
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    after_return: bool,
    event: String,
    data: Option<String>,
    id: Option<String>,
    last_id: Option<String>,
    retry_ms: Option<u64>,
}

impl Parser {
    /// The last id that was told: what to come back with.
    pub fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// When to come back after the end.
    pub fn retry_ms(&self) -> Option<u64> {
        self.retry_ms
    }

    /// Forgets what has begun and did not end; what was told stays.
    pub fn broken_off(&mut self) {
        let (last_id, retry_ms) = (self.last_id.take(), self.retry_ms);
        *self = Self { id: last_id.clone(), last_id, retry_ms, ..Self::default() };
    }

    /// Reads one more piece, and gives what is whole with it.
    pub fn read(&mut self, piece: &[u8]) -> Vec<Found> {
        let mut found = Vec::new();
        for &byte in piece {
            let is_second = byte == b'\n' && self.after_return;
            self.after_return = byte == b'\r';
            match byte {
                _ if is_second => {}
                b'\n' | b'\r' => {
                    let line = std::mem::take(&mut self.line);
                    found.extend(self.line(&String::from_utf8_lossy(&line)));
                }
                _ => self.line.push(byte),
            }
        }
        found
    }

    fn line(&mut self, line: &str) -> Option<Found> {
        if line.is_empty() {
            return self.end();
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "" => return Some(Found::Comment(value.to_owned())),
            "event" => self.event = value.to_owned(),
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            "id" => self.id = Some(value.to_owned()),
            "retry" => self.retry_ms = value.parse().ok().or(self.retry_ms),
            _ => {}
        }
        None
    }

    fn end(&mut self) -> Option<Found> {
        self.last_id.clone_from(&self.id);
        let event = std::mem::take(&mut self.event);
        self.data.take().map(|data| Found::Message { id: self.last_id.clone(), event, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(text: &str) -> (Vec<Found>, Parser) {
        let mut parser = Parser::default();
        (parser.read(text.as_bytes()), parser)
    }

    fn message_of(id: Option<&str>, event: &str, data: &str) -> Found {
        Found::Message { id: id.map(str::to_owned), event: event.to_owned(), data: data.to_owned() }
    }

    #[test]
    fn an_id_counts_when_its_message_is_whole() {
        let (messages, mut parser) = found("id: 1\nevent: a.b\ndata: x\n\nid: 2\ndata: y\n");
        assert_eq!(messages, [message_of(Some("1"), "a.b", "x")]);
        assert_eq!(parser.last_id(), Some("1"));
        parser.broken_off();
        assert_eq!(parser.read(b"data: z\n\n"), [message_of(Some("1"), "", "z")]);
        assert_eq!(parser.last_id(), Some("1"));
        let (none, parser) = found(&(retry(1500) + &id("7") + &comment("live")));
        assert_eq!(none, [Found::Comment("live".into())]);
        assert_eq!((parser.last_id(), parser.retry_ms()), (Some("7"), Some(1500)));
    }

    #[test]
    fn no_line_of_the_data_is_taken_for_a_field() {
        let (messages, parser) = found(&message("a.b", "{\r\"x\":\n1,\r\nid: 9\r\n\r\n}"));
        let data = "{\n\"x\":\n1,\nid: 9\n\n}";
        assert_eq!(messages, [message_of(None, "a.b", data)]);
        assert_eq!(parser.last_id(), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_in_any_pieces(data in "[a: \\r\\né]{0,20}", cut in 1_usize..5) {
            let text = id_line("1-2") + &message("x.y", &data);
            let mut parser = Parser::default();
            let read: Vec<Found> = text.as_bytes().chunks(cut).flat_map(|piece| parser.read(piece)).collect();
            let data = data.replace("\r\n", "\n").replace('\r', "\n");
            prop_assert_eq!(read, [message_of(Some("1-2"), "x.y", &data)]);
            prop_assert_eq!(parser.last_id(), Some("1-2"));
        }
    }
}
