//! Bytes to and from a host, without a client that knows better.

use std::time::Duration;

use reqwest::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::common::{Client, Host};

/// Longer than anything that should happen.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A connection, and what came from it that was not looked at yet.
pub struct Wire {
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
    came: Vec<u8>,
}

/// One answer as it came.
#[derive(Debug)]
pub struct Raw {
    pub status: u16,
    /// All header lines, in lower case.
    pub head: String,
    pub body: Vec<u8>,
}

/// Address and port of a host.
pub fn address(host: &Host) -> &str {
    host.address().strip_prefix("http://").unwrap()
}

impl Wire {
    pub async fn connect(address: &str) -> Self {
        let stream = timeout(PATIENCE, TcpStream::connect(address)).await.expect("nobody accepts").unwrap();
        stream.set_nodelay(true).unwrap();
        let (reader, writer) = stream.into_split();
        Self { reader, writer, came: Vec::new() }
    }

    /// As [`Self::connect`], for a host that may have gone.
    pub async fn try_connect(address: &str) -> Option<Self> {
        let stream = timeout(PATIENCE, TcpStream::connect(address)).await.expect("nobody accepts or refuses").ok()?;
        let (reader, writer) = stream.into_split();
        Some(Self { reader, writer, came: Vec::new() })
    }

    /// Bytes that came and are no whole answer.
    pub fn left(&self) -> usize {
        self.came.len()
    }

    /// Sends as much as the host takes. A host that closes before is no failure of the test.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        timeout(PATIENCE, self.writer.write_all(bytes.as_ref())).await.is_ok_and(|sent| sent.is_ok())
    }

    /// Sends and takes the next answer at the same time, as long as the host takes anything.
    pub async fn exchange(&mut self, head: &str, body: Vec<u8>) -> Option<Raw> {
        self.send(head).await;
        let Self { reader, writer, came } = self;
        let sending = async {
            // The host may close before it has all of it.
            let _ = timeout(PATIENCE, writer.write_all(&body)).await.expect("the host neither reads nor closes");
        };
        let ((), answer) = tokio::join!(sending, answer(reader, came));
        answer
    }

    /// The next answer; none when the connection was closed instead. Informational ones have no body.
    pub async fn answer(&mut self) -> Option<Raw> {
        answer(&mut self.reader, &mut self.came).await
    }

    /// Every answer up to the end of the connection.
    pub async fn answers(&mut self) -> Vec<Raw> {
        let mut answers = Vec::new();
        while let Some(answer) = self.answer().await {
            answers.push(answer);
        }
        answers
    }

    /// Waits for the host to close. What still comes is dropped.
    pub async fn closed(&mut self) {
        while more(&mut self.reader, &mut self.came).await {
            self.came.clear();
        }
    }

    /// This many bytes as they come; none when the connection ends before.
    pub async fn bytes(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.came.len() < count {
            if !more(&mut self.reader, &mut self.came).await {
                return None;
            }
        }
        Some(self.came.drain(..count).collect())
    }
}

async fn answer(reader: &mut OwnedReadHalf, came: &mut Vec<u8>) -> Option<Raw> {
    loop {
        if let Some(answer) = parse(came, false) {
            return Some(answer);
        }
        if !more(reader, came).await {
            return parse(came, true);
        }
    }
}

/// Reads once. False at the end, which a reset is too.
async fn more(reader: &mut OwnedReadHalf, came: &mut Vec<u8>) -> bool {
    let mut chunk = [0; 16 * 1024];
    let read = timeout(PATIENCE, reader.read(&mut chunk)).await;
    let read = read.unwrap_or_else(|_| panic!("neither more nor an end after {:?}", String::from_utf8_lossy(came)));
    match read {
        Ok(count @ 1..) => {
            came.extend_from_slice(&chunk[..count]);
            true
        }
        _ => false,
    }
}

fn parse(came: &mut Vec<u8>, ended: bool) -> Option<Raw> {
    let end = came.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&came[..end]).to_ascii_lowercase();
    let status: u16 = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line");
    let rest = &came[end..];
    let length = header(&head, "content-length").map(|length| length.parse::<usize>().unwrap());
    let (body, used) = if status < 200 || status == 204 || status == 304 {
        (Vec::new(), 0)
    } else if header(&head, "transfer-encoding").is_some() {
        unchunked(rest)?
    } else if let Some(length) = length {
        (rest.get(..length)?.to_vec(), length)
    } else if ended {
        (rest.to_vec(), rest.len())
    } else {
        return None;
    };
    came.drain(..end + used);
    Some(Raw { status, head, body })
}

impl Raw {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A header's value in the lines of an answer.
pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn unchunked(mut rest: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut body, all) = (Vec::new(), rest.len());
    loop {
        let line = rest.windows(2).position(|two| two == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).ok()?, 16).ok()?;
        let chunk = rest.get(line + 2..line + 2 + size)?;
        body.extend_from_slice(chunk);
        rest = rest.get(line + 2 + size + 2..)?;
        if size == 0 {
            return Some((body, all - rest.len()));
        }
    }
}

/// Somebody who means well, served all the while.
pub struct Neighbour {
    stop: oneshot::Sender<()>,
    task: JoinHandle<usize>,
}

impl Neighbour {
    /// Asks again and again, on a connection that is kept and on new ones.
    pub fn of(host: &Host) -> Self {
        let (stop, mut stopped) = oneshot::channel();
        let (kept, base) = (host.tenant("neighbour"), host.address().to_owned());
        let task = tokio::spawn(async move {
            let mut served = 0;
            while stopped.try_recv().is_err() {
                served_soon(&kept).await;
                served_soon(&Client::new(&base)).await;
                served += 2;
            }
            served
        });
        Self { stop, task }
    }

    /// Gives how many answers there were, all of them good and none late.
    pub async fn served(self) -> usize {
        let _ = self.stop.send(());
        let served = self.task.await.unwrap();
        assert!(served > 0, "nobody was served");
        served
    }
}

async fn served_soon(client: &Client) {
    let begun = Instant::now();
    let ask = || client.request(Method::GET, "/health/live").send();
    // A kept connection may be closed at the moment it is used again; such a request is repeated (RFC 9112, 9.3.1).
    let answer = match ask().await {
        Ok(answer) => answer,
        Err(_) => ask().await.expect("an answer to a well-behaved client"),
    };
    assert_eq!(answer.status(), 200);
    assert!(begun.elapsed() < PATIENCE / 3, "a neighbour waited for {:?}", begun.elapsed());
}
