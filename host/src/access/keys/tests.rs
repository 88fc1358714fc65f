//! Keys against a real control plane.

use jiff::ToSpan;

use super::*;
use crate::db::{CONTROL_PLANE_FILE, SqliteControlPlane, TenantOrigin};

struct Installation {
    config: Config,
    control: Arc<dyn ControlPlane>,
    _directory: tempfile::TempDir,
}

impl Installation {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut config = Config { data: directory.path().to_owned(), ..Config::default() };
        // What this process changes itself it hears of again, which would only forget what a test has put in.
        config.auth.keys_refresh_ms = 600_000;
        let file = directory.path().join(CONTROL_PLANE_FILE);
        let control: Arc<dyn ControlPlane> = Arc::new(SqliteControlPlane::open(&file, &config.db).await.unwrap());
        control.tenant_create("acme", TenantOrigin::Operator).await.unwrap();
        Self { config, control, _directory: directory }
    }

    async fn open(&self) -> Arc<Keys> {
        Keys::open(self.control.clone(), &self.config).await.unwrap()
    }
}

fn order(role: &str) -> Order {
    let tenant = (role != "operator").then(|| TenantId::parse("acme").unwrap());
    Order {
        tenant,
        name: String::new(),
        role: RoleName::parse(role).unwrap(),
        permissions: Vec::new(),
        expires_at: None,
    }
}

fn of(role: &str) -> PermissionSet {
    RolesConfig::default().permissions(&[RoleName::parse(role).unwrap()])
}

async fn make(keys: &Keys, order: Order) -> (KeyId, String) {
    match keys.make(order, &of("operator"), "local").await.unwrap() {
        Made::Key { id, text } => (KeyId::parse(&id).unwrap(), text),
        other => panic!("{other:?}"),
    }
}

async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while !holds().await {
        assert!(std::time::Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_key_is_found_then_known_and_says_who_its_bearer_is() {
    let installation = Installation::new().await;
    let keys = installation.open().await;
    let crm = PermissionPattern::parse("plugin.crm.*").unwrap();
    let (id, text) = make(&keys, Order { permissions: vec![crm], ..order("member") }).await;
    assert!(keys.known(&text).is_none());
    let found = keys.find(&text).await.unwrap();
    let known = keys.known(&text).unwrap().unwrap();
    for principal in [found, known] {
        assert_eq!(principal.name, format!("key:{id}"));
        assert_eq!(principal.user.unwrap().as_str(), principal.name);
        assert_eq!(principal.reach, Reach::Only(vec![TenantId::parse("acme").unwrap()]));
        let covers = |name: &str| principal.permissions.covers_operation(name);
        assert!(covers("plugin.crm.deals.update") && covers("plugins:read"));
        assert!(!covers("plugin.analytics.reports.run") && !covers("keys:manage"));
    }
    let (_, text) = make(&keys, order("operator")).await;
    assert_eq!(keys.find(&text).await.unwrap().reach, Reach::Every);
}

#[tokio::test]
async fn one_wrong_digit_is_no_key_and_the_database_alone_lets_nobody_in() {
    let installation = Installation::new().await;
    let keys = installation.open().await;
    let (_, text) = make(&keys, order("owner")).await;
    for round in ["before it is known", "after"] {
        for at in 6..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
            let altered = String::from_utf8(bytes).unwrap();
            let refused = match keys.known(&altered) {
                Some(refused) => refused,
                None => keys.find(&altered).await,
            };
            assert!(matches!(refused, Err(Refused::NoSuchKey)), "{round}, {at}");
        }
        keys.find(&text).await.unwrap();
    }
    // The same database with another installation's key file.
    std::fs::remove_file(key_path(&installation.config)).unwrap();
    let other = installation.open().await;
    assert!(matches!(other.find(&text).await, Err(Refused::NoSuchKey)));
    // A damaged file is not replaced in silence, which would end all keys.
    std::fs::write(key_path(&installation.config), "short").unwrap();
    let error = Keys::open(installation.control.clone(), &installation.config).await.err().unwrap();
    assert!(error.to_string().contains("api-keys.key"), "{error}");
}

#[tokio::test]
async fn keys_end_by_time_and_by_order() {
    let installation = Installation::new().await;
    let keys = installation.open().await;
    let soon = Timestamp::now() + 150.milliseconds();
    let (_, text) = make(&keys, Order { expires_at: Some(soon), ..order("member") }).await;
    keys.find(&text).await.unwrap();
    eventually("the key never ends", async || matches!(keys.known(&text), Some(Err(Refused::Expired)))).await;
    assert!(matches!(keys.find(&text).await, Err(Refused::Expired)));

    let (id, text) = make(&keys, order("member")).await;
    keys.find(&text).await.unwrap();
    assert!(keys.revoke(&id).await.unwrap() && !keys.revoke(&id).await.unwrap());
    assert!(keys.known(&text).is_none(), "it is forgotten at once");
    assert!(matches!(keys.find(&text).await, Err(Refused::Revoked)));
    assert!(keys.known(&text).is_none(), "what is no good is not kept");
}

#[tokio::test]
async fn another_process_hears_of_a_change() {
    let mut installation = Installation::new().await;
    installation.config.auth.keys_refresh_ms = 20;
    let (here, there) = (installation.open().await, installation.open().await);
    let (id, text) = make(&here, order("member")).await;
    there.find(&text).await.unwrap();
    here.revoke(&id).await.unwrap();
    eventually("the other never heard", async || there.known(&text).is_none()).await;
    assert!(matches!(there.find(&text).await, Err(Refused::Revoked)));
}

#[tokio::test]
async fn a_key_that_is_revoked_while_it_is_read_is_not_kept() {
    let installation = Installation::new().await;
    let keys = installation.open().await;
    let (id, text) = make(&keys, order("member")).await;
    let reading = keys.cache.reading();
    let row = installation.control.key_fetch(id.as_str()).await.unwrap().unwrap();
    keys.revoke(&id).await.unwrap();
    keys.cache.put(id, Arc::new(keys.cached(row).unwrap()), reading);
    assert!(keys.known(&text).is_none());
}

#[tokio::test]
async fn the_last_use_is_noted_once_a_minute() {
    let installation = Installation::new().await;
    let keys = installation.open().await;
    let (id, text) = make(&keys, order("member")).await;
    let used = async || installation.control.key_fetch(id.as_str()).await.unwrap().unwrap().used_at;
    assert_eq!(used().await, None);
    keys.find(&text).await.unwrap();
    eventually("the use is never noted", async || used().await.is_some()).await;
    let noted = used().await;
    let begun = std::time::Instant::now();
    for _ in 0..1_000 {
        keys.known(&text).unwrap().unwrap();
    }
    println!("a known key takes {:?}", begun.elapsed() / 1_000);
    let key = keys.cache.get(&id).unwrap();
    let minute = Duration::from_secs(60);
    assert!(!key.is_use_due(Timestamp::now(), minute));
    assert_eq!(used().await, noted);
    let later = Timestamp::now() + 61.seconds();
    assert!(key.is_use_due(later, minute) && !key.is_use_due(later, minute), "of several at once only one");
}

#[tokio::test]
async fn nobody_makes_a_key_that_may_do_more_than_they() {
    let installation = Installation::new().await;
    let keys = installation.open().await;
    let made = async |maker: &str, role: &str, more: &[&str]| {
        let permissions = more.iter().map(|text| PermissionPattern::parse(text).unwrap()).collect();
        match keys.make(Order { permissions, ..order(role) }, &of(maker), "x").await.unwrap() {
            Made::Key { .. } => "made".to_owned(),
            Made::Beyond { permission } => format!("beyond {permission}"),
            Made::Wrong { field, .. } => format!("wrong {field}"),
            Made::TooMany { .. } => "too many".to_owned(),
        }
    };
    for (maker, role, more, outcome) in [
        ("owner", "owner", &[][..], "made"),
        ("owner", "member", &["plugin.crm.*", "plugin.*.*.write"], "made"),
        ("operator", "owner", &["plugin.*"], "made"),
        ("operator", "operator", &[], "made"),
        ("owner", "operator", &[], "beyond *"),
        ("admin", "owner", &[], "beyond keys:*"),
        ("member", "member", &["plugin.crm.deals.update"], "beyond plugin.crm.deals.update"),
        ("member", "member", &["plugin.crm.*"], "beyond plugin.crm.*"),
        ("member", "member", &["plugin.crm.*.read"], "made"),
        ("member", "admin", &[], "beyond plugin.*"),
        ("operator", "member", &["admin:system:keys"], "wrong permissions"),
        ("operator", "member", &["*"], "wrong permissions"),
        ("operator", "member", &["plugins:*"], "wrong permissions"),
        ("operator", "nobody", &[], "wrong role"),
    ] {
        assert_eq!(made(maker, role, more).await, outcome, "{maker} makes {role} with {more:?}");
    }
    let of_a_tenant = Order { tenant: Some(TenantId::parse("acme").unwrap()), ..order("operator") };
    let of_none = Order { tenant: None, ..order("owner") };
    let past = Order { expires_at: Some(Timestamp::now() - 1.seconds()), ..order("member") };
    let name = Order { name: "a\u{1b}[2J".into(), ..order("member") };
    for wrong in [of_a_tenant, of_none, past, name] {
        assert!(
            matches!(keys.make(wrong.clone(), &of("operator"), "x").await.unwrap(), Made::Wrong { .. }),
            "{wrong:?}"
        );
    }
}

#[tokio::test]
async fn no_more_keys_are_kept_in_memory_than_said() {
    let mut installation = Installation::new().await;
    installation.config.auth.cached_keys = 3;
    let keys = installation.open().await;
    for _ in 0..8 {
        let (_, text) = make(&keys, order("member")).await;
        keys.find(&text).await.unwrap();
        assert!(keys.known(&text).is_some());
    }
    assert_eq!(keys.cache.len(), 3);
}
