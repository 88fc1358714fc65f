//! Which hosts a plugin asks for, and which of them it was granted.

use super::error::OutboundError;
use super::target::Target;
use crate::id::HostPattern;

/// Hosts that one version of a plugin asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedHost {
    pub host: HostPattern,
    pub ports: Vec<AskedPort>,
    /// Whether they are sent the trace context.
    pub trace: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AskedPort {
    pub port: u16,
    pub granted: bool,
}

/// The port of a host that is asked for without naming one.
pub const USUAL_PORT: u16 = 443;

/// How a grant of one port is written.
pub fn grant_value(host: &HostPattern, port: u16) -> String {
    if port == USUAL_PORT { host.to_string() } else { format!("{host}:{port}") }
}

/// What a plugin may do at a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowed {
    pub trace: bool,
}

/// Whether a request may go there. Where several entries cover a host, one that was granted is enough.
pub fn allows(asked: &[AskedHost], target: &Target) -> Result<Allowed, OutboundError> {
    let of_host = || asked.iter().filter(|asked| asked.host.matches(&target.host));
    let of_port = || of_host().filter_map(|asked| Some((asked, asked.ports.iter().find(|it| it.port == target.port)?)));
    if of_port().any(|(_, port)| port.granted) {
        let trace = of_port().any(|(asked, port)| port.granted && asked.trace);
        return Ok(Allowed { trace });
    }
    Err(match (of_port().next(), of_host().next()) {
        (Some((asked, port)), _) => OutboundError::NotGranted { grant: grant_value(&asked.host, port.port) },
        (None, Some(_)) => OutboundError::PortNotAsked { port: target.port },
        (None, None) => OutboundError::HostNotAsked,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(host: &str, ports: &[(u16, bool)], trace: bool) -> AskedHost {
        let ports = ports.iter().map(|&(port, granted)| AskedPort { port, granted }).collect();
        AskedHost { host: HostPattern::parse(host).unwrap(), ports, trace }
    }

    fn told(asked: &[AskedHost], url: &str) -> String {
        match allows(asked, &Target::of(&url.parse().unwrap()).unwrap()) {
            Ok(Allowed { trace }) => format!("yes, trace {trace}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_host_has_to_be_asked_for_with_its_port_and_granted() {
        let asked = [
            asked("api.example.com", &[(443, true), (8443, false)], true),
            asked("*.example.com", &[(443, true)], false),
            asked("mail.example.net", &[(443, false)], false),
        ];
        assert_eq!(told(&asked, "https://api.example.com/"), "yes, trace true");
        assert_eq!(told(&asked, "https://www.example.com/"), "yes, trace false");
        assert!(told(&asked, "https://api.example.com:8443/").contains("api.example.com:8443"));
        assert!(told(&asked, "https://mail.example.net/").contains("--host mail.example.net"));
        assert!(told(&asked, "http://api.example.com/").contains("port 80"));
        assert!(told(&asked, "https://example.com/").contains("does not ask for"));
    }
}
