//! What stands for the parameters of a route.

use super::tenants::{Kind, Tenant};

/// The plugins of the installation whose routes are visited.
const PLUGINS: [&str; 7] = ["phases", "shop", "spare", "staged", "crm", "importer", "hostile-keeper"];

/// Whose names are put into a path.
#[derive(Clone, Copy)]
pub enum Names<'a> {
    /// Those of the tenant that asks.
    Own(&'a Tenant),
    /// Those of another.
    Theirs(&'a Tenant),
}

impl Names<'_> {
    /// Every path that a route's template gives with these names.
    pub fn paths(self, template: &str) -> Vec<String> {
        let mut paths = vec![String::new()];
        let mut before = "";
        for segment in template.split('/').skip(1) {
            let choices = match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                Some(parameter) => self.choices(before, parameter),
                None => vec![segment.to_owned()],
            };
            let longer = paths.iter().flat_map(|path| choices.iter().map(move |choice| format!("{path}/{choice}")));
            paths = longer.collect();
            before = segment;
        }
        paths
    }

    /// # Panics
    ///
    /// For a parameter that is new. Say here what of a tenant's it names, so that the canary visits it too.
    fn choices(self, before: &str, parameter: &str) -> Vec<String> {
        let plugins = PLUGINS.map(str::to_owned).to_vec();
        let (Self::Own(tenant) | Self::Theirs(tenant)) = self;
        match (before, parameter) {
            ("plugins" | "catalogue", "id") | ("rollouts", "plugin") => match self {
                Self::Own(_) => plugins,
                Self::Theirs(_) => [plugins, vec![tenant.id.clone()]].concat(),
            },
            ("schedules", "plugin") => vec!["timer".to_owned()],
            ("{plugin}", "name") => vec!["note".to_owned()],
            ("tenants", "id") => tenant.ids(Kind::Tenant),
            ("keys", "id") => tenant.ids(Kind::Key),
            ("snapshots", "snapshot") => tenant.ids(Kind::Snapshot),
            ("notifications", "id") => tenant.ids(Kind::Notification),
            // Letters have numbers of the whole installation: these are of both tenants.
            ("dead", "letter") => (1..=12).map(|letter| letter.to_string()).collect(),
            ("versions" | "{id}", "version") => vec!["1.0.0".to_owned()],
            ("quotas", "quota") => vec!["calls".to_owned()],
            ("grants", "kind") => vec!["capability".to_owned()],
            ("{kind}", "value") | ("trust", "name") => vec![tenant.id.clone()],
            _ => panic!("{parameter} behind {before} is new: say here what of a tenant's it names"),
        }
    }
}
