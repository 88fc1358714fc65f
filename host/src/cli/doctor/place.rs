//! Where the host listens, and where its plugins lie.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;

use tokio::net::TcpSocket;

use super::finding::Findings;
use crate::config::Config;

pub(super) fn look(config: &Config, in_use: bool, findings: &mut Findings) {
    plugins(config, findings);
    // A host that runs has its address; whether it is this one, nobody needs to know.
    if !in_use {
        address(config, findings);
    }
}

fn plugins(config: &Config, findings: &mut Findings) {
    let (directory, shown) = (&config.plugins, config.plugins.display());
    if let Err(error) = fs::read_dir(directory) {
        let what = format!("the plugins directory {shown} cannot be read: {error}");
        let fix = "make it, let this user read it, or name another with --plugins".to_owned();
        return findings.fix("directory", what, Some(fix));
    }
    let mode = fs::metadata(directory).map(|directory| directory.mode() & 0o7777).unwrap_or_default();
    if mode & 0o002 != 0 {
        let what = format!("everybody can put plugins into {shown} ({mode:04o})");
        return findings.fix("directory", what, Some(format!("chmod o-w {shown}")));
    }
    if rustix::fs::access(directory, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK).is_err() {
        let what = format!("this user cannot write to {shown}: `tenon plugin install` and `uninstall` will fail");
        return findings.hint("directory", what, Some(format!("leave it so, or chmod u+w {shown}")));
    }
    findings.ok("directory", format!("plugins lie in {shown}, which can be read and written"));
}

/// Bound and let go at once: nobody is kept from it, and nobody is answered.
fn address(config: &Config, findings: &mut Findings) {
    let address = config.listen;
    let bound = match address.is_ipv4() {
        true => TcpSocket::new_v4(),
        false => TcpSocket::new_v6(),
    }
    .and_then(|socket| {
        socket.set_reuseaddr(true)?;
        socket.bind(address)
    });
    match bound {
        Ok(()) => findings.ok("address", format!("{address} is free to listen on")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let what = format!("another program listens on {address}");
            let fix = "stop it (`ss -ltnp` names it), or choose another address with --listen".to_owned();
            findings.fix("address", what, Some(fix));
        }
        Err(error) => {
            let what = format!("nobody can listen on {address}: {error}");
            let fix = "choose an address of this machine with --listen, and a port above 1023 without privileges";
            findings.fix("address", what, Some(fix.to_owned()));
        }
    }
}
