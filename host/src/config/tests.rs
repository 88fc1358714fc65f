use super::*;

fn load(text: &str) -> Result<Config, ConfigError> {
    load_with(text, Overrides::default())
}

fn load_with(text: &str, overrides: Overrides) -> Result<Config, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tenon.toml");
    std::fs::write(&file, text).unwrap();
    Config::load(Some(&file), overrides)
}

fn refused(text: &str) -> String {
    load(text).unwrap_err().to_string()
}

#[track_caller]
fn assert_says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "`{part}` is missing in: {message}");
    }
}

#[test]
fn without_a_file_the_defaults_hold() {
    let config = Config::load(None, Overrides::default()).unwrap();
    assert_eq!(config, Config::default());
    assert_eq!(config.listen.to_string(), "127.0.0.1:4000");
    assert_eq!(config.limits.hostcall_bytes, 8 << 20);
}

#[test]
fn the_example_file_is_complete_and_says_the_defaults() {
    let example = Config::example_toml();
    assert_eq!(load(&example).unwrap(), Config::default());
    let written: toml::Table = example.parse().unwrap();
    assert_eq!(written, toml::Table::try_from(Config::default()).unwrap());
    assert_says(
        &example,
        &["\n[limits]\n", "# The body of one request, after decompression.\nbody_bytes = 2097152 # 2 MiB\n"],
    );
}

#[test]
fn the_page_on_configuration_shows_the_example_file() {
    let page = include_str!("../../../docs/configuration.md");
    let shown = page.split_once("```toml\n").and_then(|(_, rest)| rest.split_once("```")).map(|(block, _)| block);
    let example = Config::example_toml();
    assert!(shown == Some(&*example), "the TOML block of docs/configuration.md is not the example file:\n\n{example}");
}

#[test]
fn overrides_win_over_the_file_and_the_file_over_the_defaults() {
    let text = "plugins = \"a\"\ndata = \"b\"\n[log]\nformat = \"json\"\n[limits]\ncpu_budget_ms = 70";
    let overrides = Overrides {
        listen: Some("127.0.0.1:0".parse().unwrap()),
        dev: Some(true),
        data: Some("c".into()),
        ..Overrides::default()
    };
    let config = load_with(text, overrides).unwrap();
    assert_eq!((config.plugins, config.data), (PathBuf::from("a"), PathBuf::from("c")));
    assert_eq!((config.listen.port(), config.dev), (0, true));
    assert_eq!((config.log.format, config.log.filter.as_str()), (LogFormat::Json, "info"));
    assert_eq!((config.limits.cpu_budget_ms, config.limits.wall_deadline_ms), (70, 10_000));
}

#[test]
fn a_missing_file_is_named_with_the_fix() {
    let error = Config::load(Some(Path::new("/nowhere/tenon.toml")), Overrides::default()).unwrap_err();
    assert_says(&error.to_string(), &["/nowhere/tenon.toml", "--config"]);
}

#[test]
fn a_wrong_type_names_file_line_key_found_expected_and_fix() {
    let message = refused("dev = true\n\n[limits]\nmemory_bytes = \"64 MiB\"");
    assert_says(&message, &["tenon.toml, line 4", "`limits.memory_bytes` is \"64 MiB\"", "expected "]);
    assert_says(&message, &["`memory_bytes = 67108864`"]);

    let message = refused("listen = \"localhost\"");
    assert_says(&message, &["line 1", "`listen` is \"localhost\"", "socket address", "`listen = \"127.0.0.1:4000\"`"]);

    let message = refused("[http]\nconnections_max = -1");
    assert_says(&message, &["line 2", "`http.connections_max` is -1", "expected ", "`connections_max = 10000`"]);

    let message = refused("[log]\nformat = \"xml\"");
    assert_says(&message, &["`log.format` is \"xml\"", "`text` or `json`", "`format = \"text\"`"]);
}

#[test]
fn an_unknown_key_is_named_with_those_there_are() {
    let message = refused("[http]\nbody_byte = 1");
    assert_says(&message, &["line 2", "`http.body_byte` is not a setting", "`body_bytes`", "take it out"]);
    let message = refused("port = 4000");
    assert_says(&message, &["line 1", "`port` is not a setting", "`listen`"]);
    let message = refused("[limit]\nmemory_bytes = 1");
    assert_says(&message, &["line 1", "`limit` is not a setting", "`limits`"]);
}

#[test]
fn broken_toml_names_the_line() {
    assert_says(&refused("dev = true\nlisten = 127.0.0.1:4000"), &["tenon.toml, line 2", "double quotes"]);
}

#[test]
fn dev_binds_loopback_only_and_says_why() {
    let everywhere = "listen = \"0.0.0.0:4000\"";
    assert!(load(everywhere).is_ok());
    let dev = Overrides { dev: Some(true), ..Overrides::default() };
    let message = load_with(everywhere, dev.clone()).unwrap_err().to_string();
    assert_says(&message, &["`listen` is 0.0.0.0:4000", "loopback", "tenant", "127.0.0.1:4000", "leave dev off"]);
    assert!(load_with("listen = \"[::1]:4000\"", dev).is_ok());
}

#[test]
fn limits_that_do_not_fit_together_are_refused() {
    let cases = [
        ("[limits]\nasync_stack_bytes = 1048576", "limits.async_stack_bytes"),
        ("[limits]\nwasm_stack_bytes = 2097152", "limits.async_stack_bytes"),
        ("[limits]\nhop_reserve_percent = 100", "limits.hop_reserve_percent"),
        ("[limits]\ncpu_budget_ms = 1", "limits.cpu_budget_ms"),
        ("[limits]\nwall_deadline_ms = 49", "limits.wall_deadline_ms"),
        ("[limits]\nmemory_bytes = 4294967297", "limits.memory_bytes"),
        ("[pool]\ninstances = 8", "pool.instances"),
        ("[http]\nheader_bytes = 8191", "http.header_bytes"),
        ("[http]\nbodies_bytes = 2097151", "http.bodies_bytes"),
        ("[http]\nanswers_bytes = 33554431", "http.answers_bytes"),
        ("[log]\ntenant_burst_bytes = 16383", "log.tenant_burst_bytes"),
        ("[sql]\nlog_bytes = 1048575", "sql.log_bytes"),
        ("[tenant]\nconfig_depth = 101", "tenant.config_depth"),
        ("[http]\nconnections_max = 4611686018427387904", "http.connections_max"),
    ];
    for (text, key) in cases {
        assert_says(&refused(text), &["tenon.toml", &format!("`{key}` is "), ", expected "]);
    }
}

#[test]
fn zero_is_refused_where_it_would_mean_nothing() {
    for text in ["[sql]\nresult_rows = 0", "[loader]\nfile_bytes = 0", "[limits]\nepoch_tick_ms = 0"] {
        assert_says(&refused(text), &[" is 0, expected at least 1", "for its default"]);
    }
    assert!(load("[pool]\nunused_warm_slots = 0\n[limits]\nhop_reserve_percent = 0").is_ok());
}
