//! The host of the test, its tenants, and everybody who asks.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};

use super::finder::{Canaries, Finder};
use super::watch::Watch;
use crate::common::{Client, Host, Scratch, ask, eventually};
use crate::identity::issuer::Issuer;
use crate::identity::operator;
use crate::lifecycle::Version;
use crate::loader::component;
use crate::outbound::names::NameServer;
use crate::outbound::server::Outside;
use crate::outbound::world::manifest as outbound_manifest;

/// Nobody is let in without a credential, and everything that is written down later is written down soon.
const CONFIG: &str = "
trust.unsigned = \"allow\"
grants.automatic = \"always\"
limits.cpu_budget_ms = 10000
limits.wall_deadline_ms = 25000
loader.rescan_ms = 50
lifecycle.flush_ms = 50
sql.snapshots = 50
log.format = \"json\"
log.filter = \"info,tenon=debug\"
roles.guest = []
[auth]
failures_per_minute = 100000
[auth.jwt]
issuer = \"https://id.example.com\"
audience = \"tenon\"
algorithm = \"ES256\"
jwks = \"jwks.json\"
";

/// The user who is in both tenants. What is refused to them in one is in that tenant's audit log.
pub const GUEST: &str = "sam";

/// What a tenant's things are called in a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Tenant,
    Key,
    Snapshot,
    Notification,
    /// A row of a plugin's. These are no canaries: tenants have rows of the same name.
    Row,
    /// Whatever else others may say: users, correlation ids.
    Other,
}

/// The host, and who runs it.
pub struct Installation {
    pub host: Host,
    pub operator: Client,
    pub issuer: Issuer,
    /// What plugins may ask outside.
    pub outside: Outside,
    _names: NameServer,
}

/// One tenant with all it has planted.
pub struct Tenant {
    pub id: String,
    /// With an owner's key.
    pub owner: Client,
    /// The same key as a command takes it.
    pub key: String,
    /// With a token, under a name of its own.
    pub user: Client,
    pub canaries: Canaries,
    /// The address of the server that its plugins have asked.
    pub outside: String,
    /// What its things are called.
    pub ids: BTreeMap<Kind, Vec<String>>,
}

/// Somebody who asks.
pub struct Asker {
    pub name: &'static str,
    pub client: Client,
    /// Let into the other tenant too, where nothing is allowed.
    pub is_in_theirs: bool,
}

impl Installation {
    pub async fn new() -> Self {
        let scratch = Scratch::with_plugins(&[
            "phases",
            "crm",
            "analytics",
            "hello",
            "example-endpoint-rules",
            "crier",
            "notifier",
            "example-keyvalue",
            "example-logging",
            "example-shared-data",
            "hostile-keeper",
        ]);
        // `phases` lies aside, so that its versions come one after the other.
        std::fs::rename(scratch.plugins().join("phases.wasm"), scratch.path("phases.built")).unwrap();
        Version::new("1.0.0").put(&scratch);
        for (id, config) in [("shop", shop_config()), ("spare", json!([])), ("staged", json!([]))] {
            let manifest = json!({"id": id, "name": id, "version": "1.0.0", "config": config});
            let bytes = component(&[("tenon:manifest", &manifest.to_string())]);
            std::fs::write(scratch.plugins().join(format!("{id}.wasm")), bytes).unwrap();
        }
        // Once in a year, so that what a tenant has asked for is all there is.
        let schedules = json!([{"name": "note", "cron": "0 0 1 1 *"}]);
        let timer = json!({"id": "timer", "name": "Timer", "version": "1.0.0", "schedules": schedules});
        scratch.add_plugin_as("timer", "timer", &timer);
        let issuer = Issuer::new("k1");
        scratch.file("jwks.json", &issuer.set());
        let (names, outside) = (NameServer::start().await, Outside::start().await);
        scratch.add_plugin_as("fetcher", "fetcher", &outbound_manifest(&[outside.port()]));
        let open = [outside.address.to_string()];
        let outbound =
            format!("outbound.resolver = \"{}\"\noutbound.allow_private_networks = {open:?}\n", names.address);
        let file = scratch.file("tenon.toml", &format!("{outbound}{CONFIG}"));
        let host = Host::start(scratch, &["--config", file.to_str().unwrap()]).await;
        let operator = operator(&host).await;
        Self { host, operator, issuer, outside, _names: names }
    }

    /// Puts one more version of `phases` there, and waits for it.
    pub async fn add(&self, version: Version) {
        version.put(self.host.scratch());
        eventually("the version is loaded", async || {
            let plugins = self.operator.get("/api/v1/plugins").await;
            plugins.rows().iter().any(|plugin| plugin["version"] == version.version).then_some(())
        })
        .await;
    }

    /// A new tenant with an owner and a user.
    pub async fn tenant(&self) -> Tenant {
        let mut canaries = Canaries::default();
        let id = canaries.name("the tenant's id");
        self.operator.post("/api/v1/tenants", json!({ "id": id })).await.data(201);
        let (_, key) = self.key(&id, "owner").await;
        let name = canaries.name("a user's name");
        let claims = json!({"sub": name, "tenant": id, "roles": ["owner"]});
        let user = self.host.key(&self.issuer.token(claims));
        let ids = BTreeMap::from([(Kind::Tenant, vec![id.clone()]), (Kind::Other, vec![name])]);
        Tenant { id, owner: self.host.key(&key), key, user, canaries, outside: String::new(), ids }
    }

    /// A new key of a tenant: its id and its text.
    pub async fn key(&self, tenant: &str, role: &str) -> (String, String) {
        let made = self.operator.tenant(tenant).post("/api/v1/keys", json!({"role": role, "name": role})).await;
        let text = |field: &str| made.data(201)[field].as_str().unwrap().to_owned();
        (text("id"), text("key"))
    }

    /// Everybody who could be in `own`, and some who are in `theirs` or elsewhere too.
    pub async fn askers(&self, own: &Tenant, theirs: &Tenant) -> Vec<Asker> {
        let mut askers = vec![Asker { name: "owner", client: own.owner.clone(), is_in_theirs: false }];
        for role in ["admin", "member"] {
            let (_, key) = self.key(&own.id, role).await;
            askers.push(Asker { name: role, client: self.host.key(&key), is_in_theirs: false });
        }
        let elsewhere = self.tenant().await;
        // Whoever is in both tenants sees nothing of the one within the other.
        let of_two = |name, user, there: &str, role| {
            let roles = json!({own.id.clone(): ["owner"], there: [role]});
            let claims = json!({"sub": user, "tenant": [own.id, there], "roles": roles});
            let client = self.host.key(&self.issuer.token(claims)).tenant(&own.id);
            Asker { name, client, is_in_theirs: there == theirs.id }
        };
        askers.push(of_two("owner here and in a third tenant", "jo", &elsewhere.id, "owner"));
        askers.push(of_two("owner here and guest there", GUEST, &theirs.id, "guest"));
        askers.push(Asker { name: "nobody", client: (*self.host).clone(), is_in_theirs: false });
        askers
    }
}

impl Tenant {
    /// Notes a name that is no canary.
    pub fn named(&mut self, kind: Kind, id: &str) {
        self.ids.entry(kind).or_default().push(id.to_owned());
    }

    /// Notes a name that the host gave and that is like no other.
    pub fn given(&mut self, kind: Kind, place: &'static str, id: &str) {
        self.canaries.given(place, id);
        self.named(kind, id);
    }

    pub fn ids(&self, kind: Kind) -> Vec<String> {
        self.ids.get(&kind).cloned().unwrap_or_default()
    }

    pub fn watch(&self) -> Watch {
        Watch::new(Finder::new(&self.canaries))
    }

    /// Asks as the user, with canaries in all that identifies a request.
    pub async fn ask_marked(&mut self, method: Method, path: &str, body: Value) -> crate::common::Answer {
        let correlation = self.canaries.name("a correlation id");
        self.named(Kind::Other, &correlation);
        let workspace = self.canaries.hidden("a workspace");
        let request = self.user.request(method, path).header("X-Correlation-ID", correlation);
        ask(request.header("X-Workspace-ID", workspace).json(&body)).await
    }
}

fn shop_config() -> Value {
    json!([
        {"key": "note", "type": "string", "label": "Note", "validation": {"maxLength": 40}},
        {"key": "apiKey", "type": "string", "label": "Key", "required": true, "secret": true},
    ])
}
