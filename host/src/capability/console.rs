//! `wasi:cli/stdout` and `stderr`: what a plugin prints becomes log lines.
//!
//! A call keeps at most a bounded number of bytes; what it prints beyond is dropped, and the log says so.
//! Control characters are escaped, so that no plugin can forge a line of another.

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

/// What one call has printed, on either stream.
#[derive(Clone)]
pub struct Console {
    printed: Arc<Mutex<Printed>>,
}

struct Printed {
    bytes: Vec<u8>,
    limit_bytes: usize,
    dropped_bytes: usize,
}

impl Console {
    pub fn new(limit_bytes: usize) -> Self {
        Self { printed: Arc::new(Mutex::new(Printed { bytes: Vec::new(), limit_bytes, dropped_bytes: 0 })) }
    }

    /// The lines printed so far, made safe to log. They are taken out.
    pub fn take_lines(&self) -> Vec<String> {
        let mut printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = std::mem::take(&mut printed.bytes);
        let text = String::from_utf8_lossy(&bytes);
        let mut lines: Vec<String> =
            text.lines().filter(|line| !line.trim().is_empty()).map(|line| line.escape_debug().to_string()).collect();
        let dropped = std::mem::take(&mut printed.dropped_bytes);
        if dropped > 0 {
            lines.push(format!("… and {dropped} bytes more, beyond limits.console_bytes"));
        }
        lines
    }

    fn print(&self, bytes: &[u8]) {
        let mut printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
        let room = printed.limit_bytes.saturating_sub(printed.bytes.len()).min(bytes.len());
        printed.bytes.extend_from_slice(&bytes[..room]);
        printed.dropped_bytes = printed.dropped_bytes.saturating_add(bytes.len() - room);
    }
}

impl IsTerminal for Console {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Console {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for Console {
    async fn ready(&mut self) {}
}

impl OutputStream for Console {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.print(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}

impl AsyncWrite for Console {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.print(bytes);
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

    #[test]
    fn what_is_printed_is_bounded_and_cannot_forge_a_line() {
        let console = Console::new(16);
        console.print(b"one\r\x1b[2Jtwo\n\nthree and more");
        let lines = console.take_lines();
        assert_eq!(lines[0], "one\\r\\u{1b}[2Jtwo");
        assert_eq!(lines[1], "thr");
        assert!(lines[2].contains("11 bytes more"), "{lines:?}");
        assert!(console.take_lines().is_empty());
    }
}
