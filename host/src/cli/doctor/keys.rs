//! Keys that what is written down needs: those that open secrets, and the one that API keys are checked with.

use super::finding::Findings;
use crate::config::Config;
use crate::db::{ApiKeyFilter, ControlPlane, DbError};
use crate::registry::settings::{Unreadable, unreadable};
use crate::seal::{SECRET_KEY, Seals};

/// Secrets that are named one by one.
const NAMED_MAX: usize = 10;

/// Makes no key: where one is missing, that is the finding.
pub(super) async fn look(config: &Config, control: &dyn ControlPlane, findings: &mut Findings) -> Result<(), DbError> {
    let directory = config.data.join("keys");
    let missing = |name: &str| Some(directory.join(name)).filter(|path| !path.exists());
    if let Some(path) = missing("api-keys.key")
        && !control.key_list(ApiKeyFilter::default(), 1).await?.is_empty()
    {
        let what = format!("there are API keys, and {} is gone, without which none of them fits", path.display());
        findings.fix("keys", what, Some("put the copy back, or make all keys anew with `tenon key create`".into()));
    }
    let rows = control.config_list().await?;
    let sealed = rows.iter().any(|row| row.entries.contains("\"sealed\""));
    if !sealed {
        return Ok(());
    }
    if let Some(path) = missing("secrets.key").filter(|_| std::env::var_os(SECRET_KEY).is_none()) {
        let what = format!("tenants have set secrets, and {} is gone, which opens them", path.display());
        let fix = format!("put the copy back, or run this with the host's {SECRET_KEY}");
        findings.fix("keys", what, Some(fix));
        return Ok(());
    }
    match Seals::open(&config.data) {
        Ok(seals) => secrets(&unreadable(&rows, &seals), findings),
        Err(error) => findings.fix("keys", error.to_string(), None),
    }
    Ok(())
}

fn secrets(lost: &[Unreadable], findings: &mut Findings) {
    for Unreadable { tenant, plugin, field, problem } in lost.iter().take(NAMED_MAX) {
        let field = field.as_deref().unwrap_or("all fields");
        let what = format!("what {tenant} has set for {plugin}, {field}, does not count: {problem}");
        let fix = format!(
            "bring the key back (TENON_SECRET_KEY_PREVIOUS), or set it anew with `tenon config set {plugin} --tenant {tenant}`"
        );
        findings.fix("secrets", what, Some(fix));
    }
    if lost.len() > NAMED_MAX {
        let what = format!("{} more do not count", lost.len() - NAMED_MAX);
        findings.fix("secrets", what, Some("`tenon secret rotate` names all of them".into()));
    }
    if lost.is_empty() {
        findings.ok("secrets", "all that tenants have set in secret opens");
    }
}
