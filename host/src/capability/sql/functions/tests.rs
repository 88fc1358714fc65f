//! Each answer is the one that SQLite's own function gives.

use super::*;
use crate::capability::sql::guard::Stop;
use proptest::prelude::*;
use rusqlite::{Error, ToSql, limits::Limit, types::Value};
use std::time::{Duration, Instant};

/// A connection without them and one with them.
fn both() -> (Connection, Connection, Meter) {
    let open = || {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("PRAGMA case_sensitive_like = ON").unwrap();
        connection.set_limit(Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 24).unwrap();
        connection
    };
    let (plain, own, meter) = (open(), open(), Meter::new());
    install(&own, &meter).unwrap();
    (plain, own, meter)
}

/// Type and bytes of what comes of it, or the error.
fn told(connection: &Connection, call: &str, values: &[Value]) -> Result<(String, Value), String> {
    let values: Vec<&dyn ToSql> = values.iter().map(|value| value as _).collect();
    let sql = format!("SELECT typeof({call}), CAST({call} AS BLOB)");
    let row = connection.query_row(&sql, &*values, |row| Ok((row.get(0)?, row.get(1)?)));
    row.map_err(|error| error.to_string())
}

/// Texts of few characters, so that they are often found in each other; also such as are no UTF-8, and NULs.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let valid = prop::sample::select(vec!["a", "b", "%", "_", "\\", " ", "ä", "ö", "€", "🦀", "\u{fffd}", "\u{ffff}"]);
    let odd = prop::sample::select(vec![
        &b"\xc3"[..],
        b"\xa4",
        b"\xe2\x82",
        b"\xf0\x9f",
        b"\xff",
        b"\xc3\xa4\xa4",
        b"\xc1\xa1",
        b"\xed\xa0\x80",
        b"\0",
    ]);
    let clean = prop::collection::vec(valid.clone().prop_map(str::as_bytes), 0..12);
    let any = prop::collection::vec(prop_oneof![3 => valid.prop_map(str::as_bytes), 1 => odd], 0..30);
    prop_oneof![2 => clean, 1 => any].prop_map(|parts| parts.concat())
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        12 => bytes().prop_map(Value::Blob),
        1 => Just(Value::Null),
        1 => (-1000i64..1000).prop_map(Value::Integer),
        1 => any::<f64>().prop_map(Value::Real),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn they_answer_as_sqlites_own(a in value(), b in value(), c in value(), as_texts in any::<bool>()) {
        let (plain, own, _) = both();
        let values = [a, b, c];
        let of = |index: usize| match (as_texts, &values[index]) {
            (true, Value::Blob(_)) => format!("CAST(?{} AS TEXT)", index + 1),
            _ => format!("?{}", index + 1),
        };
        for call in ["trim(A)", "ltrim(A)", "rtrim(A)", "trim(A, B)", "ltrim(A, B)", "rtrim(A, B)", "replace(A, B, C)",
            "A LIKE B ESCAPE '\\'", "A LIKE B ESCAPE 'ä'", "A LIKE B ESCAPE '%'", "A LIKE B ESCAPE '_'",
            "A LIKE B ESCAPE C", "NOT like(A, B, 'a')"] {
            let parts = [("A", 0), ("B", 1), ("C", 2)];
            // LIKE and ESCAPE hold some of these letters.
            let words: Vec<String> = call.replace('(', "( ").replace(')', " )").replace(',', " ,").split(' ').map(|word| {
                parts.iter().find(|part| part.0 == word).map_or(word.to_owned(), |part| of(part.1))
            }).collect();
            let call = words.join(" ").replace("( ", "(");
            let used = match call.contains("?3") { true => 3, false => 2 - usize::from(!call.contains("?2")) };
            prop_assert_eq!(told(&own, &call, &values[..used]), told(&plain, &call, &values[..used]), "{} {:?}", call, values);
        }
    }

    #[test]
    fn a_pattern_of_few_characters_matches_what_it_does_in_sqlite(text in "[ab]{0,14}", pattern in "[ab%_]{0,9}") {
        let (plain, own, _) = both();
        let values = [Value::Text(text), Value::Text(pattern)];
        let call = "?1 LIKE ?2 ESCAPE '\\'";
        prop_assert_eq!(told(&own, call, &values), told(&plain, call, &values), "{:?}", values);
    }
}

#[test]
fn what_would_grow_too_large_is_refused_before_it_is_made() {
    let (plain, own, _) = both();
    for connection in [&plain, &own] {
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, 200).unwrap();
    }
    let parts = |text: usize, with: usize| ["a".repeat(text), "a".to_owned(), "b".repeat(with)].map(Value::Text);
    for (text, with) in [(100, 2), (100, 3), (67, 3), (66, 3), (40, 5), (41, 5), (199, 1), (199, 0)] {
        let (own, plain) = [&own, &plain].map(|it| told(it, "replace(?1, ?2, ?3)", &parts(text, with))).into();
        assert_eq!(own, plain, "{text} by {with}");
        assert_eq!(own.is_ok(), text * with <= 200, "{text} by {with}");
    }
}

#[test]
fn indexes_and_checks_work_with_them() {
    let (_, own, _) = both();
    own.execute_batch(
        "CREATE TABLE t (a TEXT CHECK (rtrim(a, 'x') LIKE '%a' ESCAPE '!')); CREATE INDEX i ON t (replace(trim(a), 'a', 'b'));
         INSERT INTO t VALUES ('aax'), ('cax')",
    )
    .unwrap();
    assert!(own.execute("INSERT INTO t VALUES ('b')", []).is_err());
    let found = "SELECT a FROM t WHERE replace(trim(a), 'a', 'b') = 'cbx'";
    assert_eq!(own.query_row(found, [], |row| row.get::<_, String>(0)).unwrap(), "cax");
    let plan = own.query_row(&format!("EXPLAIN QUERY PLAN {found}"), [], |row| row.get::<_, String>(3)).unwrap();
    assert!(plan.contains("USING INDEX i"), "{plan}");
}

/// The worst there is for each, with the meter over: they end by themselves or ask it.
#[test]
fn the_worst_there_is_for_them_takes_little_time_or_is_stopped() {
    let (_, own, meter) = both();
    own.set_limit(Limit::SQLITE_LIMIT_LENGTH, 4 << 20).unwrap();
    own.set_limit(Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 256).unwrap();
    let text = |part: &str| Value::Text(part.repeat((4 << 20) / part.len()));
    let half = |part: &str| Value::Text(part.repeat((2 << 20) / part.len()));
    let ending = |part: &str, end: &str| Value::Text(part.repeat((2 << 20) / part.len()) + end);
    let wild = |part: &str, end: &str| Value::Text(format!("%{}{end}", part.repeat(250 / part.len())));
    let invalid = Value::Blob([b"\xc3\xa4".repeat(1 << 20), vec![0xff]].concat());
    let cases = [
        ("length(rtrim(?1, ?2))", vec![text("a"), ending("b", "a")]),
        ("length(ltrim(?1, ?2))", vec![text("ä"), ending("ö", "ä")]),
        ("length(trim(?1, ?2))", vec![text("🦀"), text("🦀")]),
        ("length(trim(?1, CAST(?2 AS TEXT)))", vec![text("a"), invalid]),
        ("length(replace(?1, ?2, 'c'))", vec![text("a"), ending("a", "b")]),
        ("length(replace(?1, ?2, 'c'))", vec![text("ab"), half("a")]),
        ("length(replace(?1, 'a', 'b'))", vec![text("a")]),
        ("length(replace(?1, 'a', ''))", vec![text("a")]),
        ("?1 LIKE ?2 ESCAPE '\\'", vec![text("a"), wild("a", "b")]),
        ("?1 LIKE ?2 ESCAPE '\\'", vec![text("ä"), wild("ä", "b")]),
        ("?1 LIKE ?2 ESCAPE '\\'", vec![text("a"), wild("_", "b")]),
        ("?1 LIKE ?2 ESCAPE '\\'", vec![text("a"), wild("%a", "b")]),
        ("?1 LIKE ?2 ESCAPE '\\'", vec![text("ab"), wild("a_", "%b%c")]),
    ];
    for (call, values) in cases {
        let began = Instant::now();
        let values: Vec<&dyn ToSql> = values.iter().map(|value| value as _).collect();
        meter.arm(Stop::at(Instant::now() + Duration::from_millis(300)));
        let ended = own.query_row(&format!("SELECT {call}"), &*values, |row| row.get::<_, i64>(0));
        meter.end();
        let took = began.elapsed();
        println!("{call}: {ended:?} after {took:?}");
        let stopped =
            matches!(&ended, Err(Error::SqliteFailure(code, _)) if code.extended_code == ffi::SQLITE_INTERRUPT);
        assert!(ended.is_ok() || stopped, "{call}: {ended:?}");
        assert!(took < Duration::from_secs(2), "{call} took {took:?}");
    }
}
