//! A name server of the test's own.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::net::UdpSocket;

const TYPE_A: u16 = 1;
const TYPE_AAAA: u16 = 28;

/// Answers every name below `outbound.test`, and whatever else it is asked:
///
/// * `v4-7f000001.…` and `v6-<32 digits>.…` have the address that they name, in hexadecimal;
/// * of the others each has 127.0.0.1, or what [`NameServer::set`] says.
pub struct NameServer {
    pub address: SocketAddr,
    known: Arc<Mutex<HashMap<String, Entry>>>,
}

#[derive(Default)]
struct Entry {
    /// One answer after the other; the last goes on.
    answers: Vec<Vec<IpAddr>>,
    /// How often it was asked for an address of version 4.
    asked: usize,
}

impl NameServer {
    pub async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let server = Self { address: socket.local_addr().unwrap(), known: Arc::default() };
        let known = server.known.clone();
        tokio::spawn(async move {
            let mut message = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut message).await {
                if let Some(answer) = answer(&message[..length], &known) {
                    let _ = socket.send_to(&answer, from).await;
                }
            }
        });
        server
    }

    /// Lets a name have these addresses, one list after the other.
    pub fn set(&self, name: &str, answers: &[&[&str]]) {
        let parse = |list: &&[&str]| list.iter().map(|address| address.parse().unwrap()).collect();
        let entry = Entry { answers: answers.iter().map(parse).collect(), asked: 0 };
        self.known.lock().unwrap().insert(name.to_owned(), entry);
    }

    /// How often the name was asked for an address of version 4.
    pub fn asked(&self, name: &str) -> usize {
        self.known.lock().unwrap().get(name).map_or(0, |entry| entry.asked)
    }
}

fn answer(question: &[u8], known: &Mutex<HashMap<String, Entry>>) -> Option<Vec<u8>> {
    let (mut labels, mut at) = (Vec::new(), 12);
    while *question.get(at)? > 0 {
        let length = usize::from(question[at]);
        labels.push(String::from_utf8(question.get(at + 1..at + 1 + length)?.to_vec()).ok()?);
        at += 1 + length;
    }
    let kind = u16::from_be_bytes([*question.get(at + 1)?, *question.get(at + 2)?]);
    let addresses = addresses(&labels.join("."), kind, known);
    let mut answer = question[..at + 5].to_vec();
    answer[2..4].copy_from_slice(&0x8180_u16.to_be_bytes());
    answer[7] = addresses.len() as u8;
    for address in addresses {
        let (kind, bytes) = match address {
            IpAddr::V4(address) => (TYPE_A, address.octets().to_vec()),
            IpAddr::V6(address) => (TYPE_AAAA, address.octets().to_vec()),
        };
        answer.extend([0xc0, 12]);
        answer.extend(kind.to_be_bytes());
        // Class and time to live: none.
        answer.extend([0, 1, 0, 0, 0, 0, 0, bytes.len() as u8]);
        answer.extend(bytes);
    }
    Some(answer)
}

fn addresses(name: &str, kind: u16, known: &Mutex<HashMap<String, Entry>>) -> Vec<IpAddr> {
    let mut known = known.lock().unwrap();
    let entry = known.entry(name.to_owned()).or_default();
    entry.asked += usize::from(kind == TYPE_A);
    let first = name.split('.').next().unwrap_or_default();
    let all = if let Some(digits) = first.strip_prefix("v4-") {
        vec![Ipv4Addr::from_bits(u32::from_str_radix(digits, 16).unwrap()).into()]
    } else if let Some(digits) = first.strip_prefix("v6-") {
        vec![Ipv6Addr::from_bits(u128::from_str_radix(digits, 16).unwrap()).into()]
    } else {
        let at = entry.asked.saturating_sub(1).min(entry.answers.len().saturating_sub(1));
        entry.answers.get(at).cloned().unwrap_or_else(|| vec![Ipv4Addr::LOCALHOST.into()])
    };
    all.into_iter().filter(|address: &IpAddr| address.is_ipv4() == (kind == TYPE_A)).collect()
}
