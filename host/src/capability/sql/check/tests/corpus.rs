//! The corpus of escapes, and generated statements, against the checker's promise.

#[path = "../../../../../tests/corpus/escapes.rs"]
mod escapes;

use super::super::super::soundness::soundness;
use super::*;
use escapes::attempts;
use proptest::prelude::*;

fn kind(error: &SqlError) -> &'static str {
    match error {
        SqlError::Denied { .. } => "denied",
        SqlError::Syntax { .. } => "syntax",
        SqlError::Quota(_) => "quota",
        SqlError::Invalid(_) => "invalid",
        _ => "another",
    }
}

#[test]
fn every_escape_of_the_corpus_is_refused_or_printed_as_one_statement_over_the_plugins_own_tables() {
    let attempts = attempts();
    assert!(attempts.len() >= 200, "only {} attempts", attempts.len());
    let mut wrong = Vec::new();
    for attempt in &attempts {
        match check(&attempt.statement, Purpose::Plugin) {
            Err(error) if !attempt.expected.contains(&kind(&error)) => {
                wrong.push(format!("{}: {:?} came out as {error}", attempt.what, attempt.expected));
            }
            Ok(checked) if attempt.expected.iter().all(|kind| matches!(*kind, "denied" | "syntax")) => {
                wrong.push(format!("{}: let through as {:.200}", attempt.what, checked.sql()));
            }
            _ => {}
        }
        if let Err(why) = soundness(&attempt.statement) {
            wrong.push(format!("{}: {why:.400}", attempt.what));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), attempts.len(), wrong.join("\n"));
}

/// How many generated texts: more where there is time.
fn cases() -> u32 {
    if std::env::var_os("TENON_SOAK").is_some() { 50_000 } else { 150 }
}

/// Pieces that make statements when put together the right way, and attempts when put together the wrong way.
const PIECES: &[&str] = &[
    "SELECT",
    "FROM",
    "note",
    "t",
    "a",
    "text",
    "WHERE",
    "(",
    ")",
    ",",
    ";",
    "*",
    "1",
    "'x'",
    "\"a\"",
    "UNION",
    "ALL",
    "WITH",
    "RECURSIVE",
    "AS",
    "INSERT INTO",
    "VALUES",
    "ON CONFLICT",
    "DO NOTHING",
    "DO UPDATE SET",
    "UPDATE",
    "SET",
    "=",
    "DELETE FROM",
    "RETURNING",
    "JOIN",
    "LEFT",
    "USING",
    "ON",
    "ORDER BY",
    "LIMIT",
    "OFFSET",
    "GROUP BY",
    "HAVING",
    "NOT",
    "IN",
    "EXISTS",
    "NULL",
    "--",
    "/*",
    "*/",
    "\n",
    "sqlite_master",
    "_tenon_migration",
    "main",
    ".",
    "END",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "count",
    "lower",
    "sum",
    "OVER",
    "PARTITION BY",
    "ROWS",
    "RANGE",
    "BETWEEN",
    "AND",
    "UNBOUNDED PRECEDING",
    "CURRENT ROW",
    "WINDOW",
    "FILTER",
    "ATTACH",
    "PRAGMA",
    "$1",
    "$2",
    "IS",
    "LIKE",
    "ESCAPE",
    "CAST",
    "TEXT",
    "load_extension",
    "randomblob",
    "pragma_database_list",
    "CREATE TABLE",
    "CREATE INDEX",
    "INTEGER",
    "PRIMARY KEY",
    "CHECK",
    "DEFAULT",
    "REFERENCES",
    "GENERATED",
    "ALTER TABLE",
    "ADD COLUMN",
    "RENAME TO",
    "DROP TABLE",
    "`a`",
    "[a]",
    "x'00'",
    "0x1",
    "-",
    "+",
    "||",
    "::",
    "COLLATE",
    "nocase",
    "INTO",
    "\r",
    "\u{0}",
    "\u{200b}",
];

/// A query that is mostly well formed: queries within queries, with names and functions of all kinds.
fn query() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "note",
        "t",
        "a",
        "b",
        "id",
        "text",
        "\"T\"",
        "\"sqlite_master\"",
        "sqlite_master",
        "_tenon_migration",
        "x",
        "main.note",
        "\"a b\"",
        "\"\"\"\"",
        "rowid",
        "pragma_table_info",
        "json_each",
    ]);
    let function = prop::sample::select(vec![
        "lower",
        "upper",
        "count",
        "max",
        "string_agg",
        "row_number",
        "load_extension",
        "randomblob",
        "replace",
        "abs",
    ]);
    let leaf = prop_oneof![
        name.clone().prop_map(str::to_owned),
        any::<i64>().prop_map(|n| n.to_string()),
        "[ -~]{0,6}".prop_map(|text| format!("'{}'", text.replace('\'', "''"))),
        "[ -~]{0,6}".prop_map(|text| format!("'{text}'")),
        (0_u32..4).prop_map(|n| format!("${n}")),
    ];
    let expression = leaf.prop_recursive(3, 16, 3, move |inner| {
        let operator = prop::sample::select(vec!["+", "||", "=", "AND", "OR", "LIKE", "IN", "IS", "->", "GLOB", "<>"]);
        let over = prop::sample::select(vec!["", " OVER ()", " OVER w", " FILTER (WHERE 1)"]);
        prop_oneof![
            (inner.clone(), operator, inner.clone()).prop_map(|(a, op, b)| format!("{a} {op} ({b})")),
            (function.clone(), inner.clone(), over).prop_map(|(f, a, over)| format!("{f}({a}){over}")),
            inner.clone().prop_map(|a| format!("({a})")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("(SELECT {a} FROM note WHERE {b})")),
        ]
    });
    let from = name.prop_recursive(2, 6, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} JOIN {b} ON 1")),
            inner.clone().prop_map(|a| format!("(SELECT * FROM {a}) AS s")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("{a} AS {b}")),
        ]
        .prop_map(|text: String| &*text.leak())
    });
    let tail = prop::sample::select(vec![
        "",
        " ORDER BY 1",
        " LIMIT 1",
        "; SELECT 1",
        " -- x",
        " /* x */",
        " UNION SELECT 1",
        " FOR UPDATE",
        ";",
    ]);
    (expression.clone(), from, expression, tail)
        .prop_map(|(a, from, b, tail)| format!("SELECT {a} FROM {from} WHERE {b}{tail}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_the_checker_lets_through_is_sound(
        words in prop::collection::vec(prop::sample::select(PIECES), 1..24), query in query(),
    ) {
        for text in [words.join(" "), query.clone(), format!("INSERT INTO note (text) {query}"),
            format!("UPDATE note SET text = ({query})"), format!("WITH x AS ({query}) DELETE FROM t WHERE a IN x")] {
            if let Err(why) = soundness(&text) {
                return Err(TestCaseError::fail(why));
            }
        }
    }
}
