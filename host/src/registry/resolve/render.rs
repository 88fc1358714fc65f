//! A resolution in words, as `tenon explain` prints it.

use std::fmt;

use super::candidate::{ACTIVATING, not_rolled_out, stays_on, unconfigured};
use super::{Denied, InactiveReason, Link, Outcome, PluginResolution, Provider, Resolution, Status};
use crate::id::PluginId;

/// One paragraph for each plugin: its status, where each import leads, and who was passed over.
pub fn render(resolution: &Resolution) -> String {
    let paragraphs: Vec<String> = resolution.plugins.iter().map(PluginResolution::to_string).collect();
    paragraphs.join("\n")
}

impl fmt::Display for PluginResolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told_as(&self.status))
    }
}

impl PluginResolution {
    /// The version, how it is, and its links; for whoever knows more of how it is than its links tell.
    pub fn told_as(&self, status: &dyn fmt::Display) -> String {
        let links: String = self.links.iter().map(ToString::to_string).collect();
        format!("{} {} — {status}\n{links}", self.id, self.version)
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let import = &self.import;
        let optional = if import.required { "" } else { " (optional)" };
        write!(f, "  {} {}{optional}  ->  ", import.interface, import.requirement)?;
        match &self.outcome {
            Outcome::Linked { provider } => writeln!(f, "{provider}")?,
            Outcome::Missing { required: true } => writeln!(f, "no provider")?,
            Outcome::Missing { required: false } => writeln!(f, "no provider; calls answer `unavailable`")?,
        }
        for Denied { function, missing } in &self.denied {
            let missing: Vec<&str> = missing.iter().map(|permission| permission.as_str()).collect();
            writeln!(f, "      denied: {function} — not granted {}", missing.join(", "))?;
        }
        for refusal in &self.passed_over {
            writeln!(
                f,
                "      passed over: {} {} — {}",
                refusal.provider.id, refusal.provider.version, refusal.reason
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} (exports {})", self.id, self.version, self.export)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Status::Active => f.write_str("active"),
            Status::Inactive { reason } => write!(f, "inactive: {reason}"),
        }
    }
}

impl fmt::Display for InactiveReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InactiveReason::NotEnabled => f.write_str("not enabled for the tenant"),
            InactiveReason::Pinned { pin } => write!(f, "the tenant is pinned to {pin}"),
            InactiveReason::RolledOut { version } => write!(f, "its rollout gives {version} instead"),
            InactiveReason::NotRolledOut { version } => f.write_str(&not_rolled_out(version)),
            InactiveReason::StaysOn { version } => f.write_str(&stays_on(version)),
            InactiveReason::Unconfigured { fields } => f.write_str(&unconfigured(fields)),
            InactiveReason::Failed { reason } => write!(f, "the tenant could not be moved to it: {reason}"),
            InactiveReason::Activating => f.write_str(ACTIVATING),
            InactiveReason::NotGranted { interface, reason } => {
                write!(f, "it is not granted {}", interface.service())?;
                match reason {
                    Some(reason) => write!(f, ", needed for: {reason}"),
                    None => Ok(()),
                }
            }
            InactiveReason::ProviderMissing { interface, requirement, reason } => {
                write!(f, "nothing provides {interface} {requirement}")?;
                match reason {
                    Some(reason) => write!(f, ", needed for: {reason}"),
                    None => Ok(()),
                }
            }
            InactiveReason::ProviderInactive { interface, provider } => {
                write!(f, "{interface} would come from {} {}, which is not active", provider.id, provider.version)
            }
            InactiveReason::Cycle { through } => write!(f, "required dependencies form a cycle: {}", Way(through)),
        }
    }
}

struct Way<'a>(&'a [PluginId]);

impl fmt::Display for Way<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, id) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" -> ")?;
            }
            f.write_str(id.as_str())?;
        }
        Ok(())
    }
}
