//! Looks for what it should not have: what the host's process was started with, its files, its sockets, and what an
//! earlier call left in memory.

#![cfg(target_family = "wasm")]

use std::sync::atomic::{AtomicU32, Ordering};

use exports::hostile::curious::curious::Guest;
use wasip2::cli::{environment, stdin, terminal_stderr, terminal_stdin, terminal_stdout};
use wasip2::clocks::monotonic_clock;
use wasip2::filesystem::preopens;
use wasip2::sockets::network::IpAddressFamily;
use wasip2::sockets::{instance_network, ip_name_lookup, tcp_create_socket, udp_create_socket};

wit_bindgen::generate!({
    inline: "
        package hostile:curious@1.0.0;

        interface curious {
            /// Everything of the host's process that can be seen or opened, in words.
            look: func() -> list<string>;
            /// How many calls there were in this instance, this one included. It is told after a wait.
            count: func(milliseconds: u64) -> u32;
        }

        world plugin {
            export curious;
        }
    ",
});

tenon_plugin::embed! { manifest: "../plugin.json" }

struct Curious;

impl Guest for Curious {
    fn look() -> Vec<String> {
        let mut seen = Vec::new();
        seen.extend(environment::get_environment().into_iter().map(|(name, value)| format!("variable {name}={value}")));
        seen.extend(environment::get_arguments().into_iter().map(|argument| format!("argument {argument}")));
        seen.extend(environment::initial_cwd().map(|directory| format!("directory {directory}")));
        seen.extend(preopens::get_directories().into_iter().map(|(_, path)| format!("opened directory {path}")));
        seen.extend(std::fs::read_dir("/").map(|_| "the root directory".to_owned()));
        if let Ok(bytes) = stdin::get_stdin().blocking_read(64)
            && !bytes.is_empty()
        {
            seen.push(format!("input {bytes:?}"));
        }
        seen.extend(terminal_stdin::get_terminal_stdin().map(|_| "a terminal for input".to_owned()));
        seen.extend(terminal_stdout::get_terminal_stdout().map(|_| "a terminal for output".to_owned()));
        seen.extend(terminal_stderr::get_terminal_stderr().map(|_| "a terminal for errors".to_owned()));
        for family in [IpAddressFamily::Ipv4, IpAddressFamily::Ipv6] {
            seen.extend(tcp_create_socket::create_tcp_socket(family).map(|_| format!("a TCP socket, {family:?}")));
            seen.extend(udp_create_socket::create_udp_socket(family).map(|_| format!("a UDP socket, {family:?}")));
        }
        seen.extend(lookup("localhost").map(|addresses| format!("localhost is {addresses}")));
        seen
    }

    fn count(milliseconds: u64) -> u32 {
        static CALLS: AtomicU32 = AtomicU32::new(0);
        let calls = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
        monotonic_clock::subscribe_duration(milliseconds * 1_000_000).block();
        calls
    }
}

fn lookup(name: &str) -> Option<String> {
    let network = instance_network::instance_network();
    let found = ip_name_lookup::resolve_addresses(&network, name).ok()?;
    found.subscribe().block();
    found.resolve_next_address().ok()?.map(|address| format!("{address:?}"))
}

export!(Curious);
