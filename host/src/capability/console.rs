//! `wasi:cli/stdout` and `stderr`: what a plugin prints becomes log lines, each when it ends.
//!
//! A call says at most a bounded number of bytes and of lines, those through [`super::logging`] included; what goes
//! beyond is dropped, and the log says so. The text is logged as a field and never as the message, so no plugin can
//! speak in the host's voice; the log escapes what is in it.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi_io::async_trait;
use wasmtime_wasi_io::poll::Pollable;
use wasmtime_wasi_io::streams::{OutputStream, StreamResult};

use crate::log::said::{Level, Line, Source};

/// Where the lines of one call go.
pub type Listener = Box<dyn Fn(Line<'_>) + Send + Sync>;

/// What one call says, on either stream and through `wasi:logging`.
pub struct Console {
    listener: Listener,
    said: Mutex<Said>,
}

struct Said {
    bytes_left: usize,
    lines_left: usize,
    dropped_bytes: usize,
    /// Begun and not ended, of stdout and stderr.
    open: [Vec<u8>; 2],
}

/// One of the two standard streams.
#[derive(Clone)]
pub struct Stream {
    console: Arc<Console>,
    source: Source,
}

impl Console {
    pub fn new(limit_bytes: usize, limit_lines: usize, listener: Listener) -> Arc<Self> {
        let (bytes_left, lines_left) = (limit_bytes, limit_lines);
        let said = Said { bytes_left, lines_left, dropped_bytes: 0, open: [Vec::new(), Vec::new()] };
        Arc::new(Self { listener, said: Mutex::new(said) })
    }

    pub fn stdout(self: &Arc<Self>) -> Stream {
        Stream { console: self.clone(), source: Source::Stdout }
    }

    pub fn stderr(self: &Arc<Self>) -> Stream {
        Stream { console: self.clone(), source: Source::Stderr }
    }

    /// Says one message as one line, whatever is in it. What does not fit is cut off.
    pub fn log(&self, level: Level, context: &str, message: &str) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let context = said.take_text(context);
        let text = said.take_text(message);
        if said.takes_line(context.len() + text.len()) {
            let context = Some(context).filter(|context| !context.is_empty());
            (self.listener)(Line { source: Source::Log(level), context, text });
        }
    }

    fn print(&self, source: Source, bytes: &[u8]) {
        crate::fault::point("wasi, its output");
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        for piece in said.take(bytes).split_inclusive(|byte| *byte == b'\n') {
            said.open[of(source)].extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                self.end_line(&mut said, source);
            }
        }
    }

    fn end_line(&self, said: &mut Said, source: Source) {
        let line = std::mem::take(&mut said.open[of(source)]);
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches(['\n', '\r']);
        if !text.trim().is_empty() && said.takes_line(text.len()) {
            (self.listener)(Line { source, context: None, text });
        }
    }

    /// Ends the lines that were begun, and tells how many bytes there was no room for.
    pub fn finish(&self) -> usize {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        self.end_line(&mut said, Source::Stdout);
        self.end_line(&mut said, Source::Stderr);
        std::mem::take(&mut said.dropped_bytes)
    }
}

fn of(source: Source) -> usize {
    usize::from(source == Source::Stderr)
}

impl Said {
    /// As much as there is room for.
    fn take<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let room = self.bytes_left.min(bytes.len());
        self.bytes_left -= room;
        self.dropped_bytes = self.dropped_bytes.saturating_add(bytes.len() - room);
        &bytes[..room]
    }

    fn take_text<'a>(&mut self, text: &'a str) -> &'a str {
        let room = text.floor_char_boundary(self.bytes_left);
        self.take(text.as_bytes().get(..room).unwrap_or_default());
        self.dropped_bytes = self.dropped_bytes.saturating_add(text.len() - room);
        &text[..room]
    }

    /// Whether there is room for one more line.
    fn takes_line(&mut self, bytes: usize) -> bool {
        let Some(left) = self.lines_left.checked_sub(1) else {
            self.dropped_bytes = self.dropped_bytes.saturating_add(bytes);
            return false;
        };
        self.lines_left = left;
        true
    }
}

impl IsTerminal for Stream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for Stream {
    async fn ready(&mut self) {}
}

impl OutputStream for Stream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.console.print(self.source, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.console.print(self.source, bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn console(bytes: usize, lines: usize) -> (Arc<Console>, Arc<Mutex<Vec<String>>>) {
        let heard = Arc::<Mutex<Vec<String>>>::default();
        let listener = {
            let heard = heard.clone();
            move |line: Line<'_>| {
                let context = line.context.map(|context| format!("[{context}]")).unwrap_or_default();
                heard.lock().unwrap().push(format!("{}{context}: {}", line.source.name(), line.text));
            }
        };
        (Console::new(bytes, lines, Box::new(listener)), heard)
    }

    #[test]
    fn what_is_printed_is_bounded_in_bytes() {
        let (console, heard) = console(16, 10);
        console.print(Source::Stdout, b"one\r\x1b[2Jtwo\n\nthree and more");
        assert_eq!(console.finish(), 11);
        assert_eq!(*heard.lock().unwrap(), ["stdout: one\r\x1b[2Jtwo", "stdout: thr"]);
        assert_eq!(console.finish(), 0);
    }

    #[test]
    fn what_is_printed_is_bounded_in_lines() {
        let (console, heard) = console(1_000, 2);
        console.print(Source::Stdout, b"one\ntwo\nthree\n\xff\n");
        assert_eq!(console.finish(), "three\u{fffd}".len());
        assert_eq!(*heard.lock().unwrap(), ["stdout: one", "stdout: two"]);
    }

    #[test]
    fn lines_are_whole_and_in_the_order_they_ended() {
        let (console, heard) = console(1_000, 10);
        console.print(Source::Stdout, b"be");
        console.print(Source::Stderr, b"wrong\r\nand ");
        console.print(Source::Stdout, b"gun\n");
        console.log(Level::Warn, "import", "two\nlines");
        console.log(Level::Info, "", "plain");
        console.finish();
        let expected = ["stderr: wrong", "stdout: begun", "log[import]: two\nlines", "log: plain", "stderr: and "];
        assert_eq!(*heard.lock().unwrap(), expected);
    }

    #[test]
    fn messages_are_cut_off_between_characters_and_count_with_what_is_printed() {
        let (console, heard) = console(10, 10);
        console.print(Source::Stderr, b"1234\n");
        console.log(Level::Error, "a", "ääääää");
        console.log(Level::Error, "b", "no room");
        assert_eq!(console.finish(), 8 + 8);
        assert_eq!(*heard.lock().unwrap(), ["stderr: 1234", "log[a]: ää", "log: "]);
    }
}
