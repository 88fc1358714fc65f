use super::*;
use crate::config::LogConfig;

fn kept(config: LogConfig) -> Kept {
    Kept::new(&config)
}

fn say(kept: &Kept, plugin: &str, tenant: &str, level: Level, text: &str) {
    let speaker = Speaker {
        plugin: PluginId::parse(plugin).unwrap(),
        version: Version::new(1, 0, 0),
        tenant: TenantId::parse(tenant).unwrap(),
        correlation: CorrelationId::new(),
    };
    kept.push(&speaker, Line { source: Source::Log(level), context: None, text });
}

fn asked(plugin: &str) -> Asked<'_> {
    Asked { plugin, tenant: None, level: Level::Trace, after: None, lines: 1_000 }
}

fn texts(found: &Found) -> Vec<&str> {
    found.lines.iter().map(|line| &*line.text).collect()
}

#[test]
fn the_last_lines_are_there_by_plugin_tenant_and_level() {
    let kept = kept(LogConfig::default());
    let acme = TenantId::parse("acme").unwrap();
    for (tenant, level, text) in [
        ("acme", Level::Info, "a"),
        ("beta", Level::Error, "b"),
        ("acme", Level::Warn, "c"),
        ("acme", Level::Info, "d"),
    ] {
        say(&kept, "crm", tenant, level, text);
    }
    say(&kept, "hello", "acme", Level::Info, "another plugin's");
    assert_eq!(texts(&kept.read(&asked("crm"))), ["a", "b", "c", "d"]);
    assert_eq!(texts(&kept.read(&Asked { tenant: Some(&acme), ..asked("crm") })), ["a", "c", "d"]);
    assert_eq!(texts(&kept.read(&Asked { level: Level::Warn, ..asked("crm") })), ["b", "c"]);
    assert_eq!(texts(&kept.read(&Asked { lines: 2, ..asked("crm") })), ["c", "d"]);
    assert!(kept.read(&asked("nobody")).lines.is_empty());
}

#[test]
fn whoever_follows_gets_every_line_once_or_is_told() {
    let kept = kept(LogConfig { kept_lines: 5, ..LogConfig::default() });
    let mut after = Some(kept.read(&asked("crm")).cursor);
    for round in 0..3 {
        for number in 0..5 {
            say(&kept, "crm", "acme", Level::Info, &format!("{round}.{number}"));
        }
        // Page by page.
        let mut seen = Vec::new();
        loop {
            let found = kept.read(&Asked { after, lines: 2, ..asked("crm") });
            assert!(!found.skipped);
            after = Some(found.cursor);
            match found.lines.is_empty() {
                true => break,
                false => seen.extend(found.lines.iter().map(|line| line.text.to_string())),
            }
        }
        assert_eq!(seen, (0..5).map(|number| format!("{round}.{number}")).collect::<Vec<_>>());
    }
    for number in 0..6 {
        say(&kept, "crm", "acme", Level::Info, &number.to_string());
    }
    let found = kept.read(&Asked { after, ..asked("crm") });
    assert_eq!((found.skipped, texts(&found)), (true, vec!["1", "2", "3", "4", "5"]));
}

#[test]
fn all_lines_together_are_bounded_and_the_quiet_go_first() {
    let config = LogConfig { kept_bytes: 4_000, kept_total_bytes: 20_000, ..LogConfig::default() };
    let kept = kept(config);
    let cursor = kept.read(&asked("crm")).cursor;
    for number in 0..1_000 {
        say(&kept, "crm", &format!("t{}", number % 10), Level::Info, &"x".repeat(100));
        say(&kept, "hello", "loud", Level::Info, &"x".repeat(1_000));
        let inner = kept.inner.lock().unwrap();
        assert!(inner.bytes <= 20_000, "{}", inner.bytes);
        let weighed: usize = inner.tails.values().flatten().map(|(_, tail)| tail.bytes).sum();
        let tails = inner.tails.values().flatten().count();
        assert_eq!((inner.bytes, tails), (weighed, inner.by_last.len()));
    }
    assert!(kept.read(&Asked { after: Some(cursor), ..asked("crm") }).skipped);
    assert!(!kept.read(&asked("hello")).lines.is_empty());
}

#[tokio::test]
async fn a_reader_waits_for_the_next_line_and_not_for_ever() {
    let config = LogConfig { follow_wait_ms: 60_000, followers: 1, ..LogConfig::default() };
    let kept = Arc::new(kept(config));
    let cursor = kept.read(&asked("crm")).cursor;
    let follow = |kept: Arc<Kept>| async move { kept.follow(Asked { after: Some(cursor), ..asked("crm") }).await };
    let waiting = tokio::spawn(follow(kept.clone()));
    while kept.followers.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    // There is one place: the second is answered at once.
    assert!(follow(kept.clone()).await.lines.is_empty());
    say(&kept, "hello", "acme", Level::Info, "of no interest");
    say(&kept, "crm", "acme", Level::Info, "here");
    assert_eq!(texts(&waiting.await.unwrap()), ["here"]);
    let waiting = tokio::spawn({
        let (kept, cursor) = (kept.clone(), kept.read(&asked("crm")).cursor);
        async move { kept.follow(Asked { after: Some(cursor), ..asked("crm") }).await.lines.len() }
    });
    while kept.followers.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    kept.stop();
    assert_eq!(waiting.await.unwrap(), 0);
}
