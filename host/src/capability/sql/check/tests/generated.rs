//! Generated statements: printing keeps the tree, and nothing slips through.

use super::super::super::guard::ModeSwitch;
use super::*;
use proptest::prelude::*;

fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("a".to_owned()),
        Just("t.b".to_owned()),
        Just("\"Odd \"\" name\"".to_owned()),
        Just("NULL".to_owned()),
        Just("TRUE".to_owned()),
        (1_u32..9).prop_map(|n| format!("${n}")),
        any::<u32>().prop_map(|n| n.to_string()),
        "[ -~é]{0,8}".prop_map(|text| format!("'{}'", text.replace('\'', "''"))),
    ];
    leaf.prop_recursive(5, 48, 4, |inner| {
        let operator = prop::sample::select(vec![
            "+",
            "-",
            "*",
            "/",
            "%",
            "||",
            "=",
            "<>",
            "<",
            ">=",
            "AND",
            "OR",
            "IS DISTINCT FROM",
            "LIKE",
            "NOT LIKE",
        ]);
        let postfix = prop::sample::select(vec!["IS NULL", "IS NOT NULL", "IS TRUE", "IS NOT FALSE"]);
        prop_oneof![
            (inner.clone(), operator, inner.clone()).prop_map(|(l, op, r)| format!("{l} {op} {r}")),
            (inner.clone(), postfix).prop_map(|(e, op)| format!("({e}) {op}")),
            inner.clone().prop_map(|e| format!("({e})")),
            inner.clone().prop_map(|e| format!("NOT {e}")),
            inner.clone().prop_map(|e| format!("- {e}")),
            inner.clone().prop_map(|e| format!("lower({e})")),
            inner.clone().prop_map(|e| format!("CAST({e} AS TEXT)")),
            inner.clone().prop_map(|e| format!("(SELECT max(a) FROM t WHERE {e})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("CASE WHEN {a} THEN {b} END")),
            (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("({a}) IN (0, {b}, {c})")),
        ]
    })
}

/// Takes out what printing may change: parentheses that say nothing, quotes around names, the spelling of LIKE, and looks.
fn normal(sql: &str) -> Vec<sqlparser::ast::Statement> {
    use sqlparser::ast::{Expr, Ident, Statement, visit_expressions_mut};
    use std::ops::ControlFlow;
    let quote = |ident: &mut Ident| *ident = Ident::with_quote('"', printer::fold(ident).unwrap());
    let parsed = parse::statements(sql, Purpose::Plugin).unwrap();
    let mut statements: Vec<Statement> = parsed.into_iter().map(|parsed| parsed.statement).collect();
    let _: ControlFlow<()> = visit_expressions_mut(&mut statements, |expr| {
        loop {
            match expr {
                Expr::Nested(inner) => *expr = std::mem::replace(inner, Expr::Tuple(Vec::new())),
                Expr::Case { operand: None, conditions, else_result: None, .. }
                    if conditions.len() == 1 && conditions[0].condition.to_string() == "1" =>
                {
                    *expr = conditions.remove(0).result;
                }
                _ => break,
            }
        }
        match expr {
            Expr::Identifier(ident) => quote(ident),
            Expr::CompoundIdentifier(parts) => parts.iter_mut().for_each(quote),
            Expr::Like { escape_char, .. } => *escape_char = None,
            _ => {}
        }
        ControlFlow::Continue(())
    });
    statements
}

/// The same by text: what remains differs in the quotes of tables only.
fn same(sql: &str, again: &str) {
    let plain = |sql: &str| normal(sql)[0].to_string().replace("\"t\"", "t").replace("\"out\"", "out");
    assert_eq!(plain(sql), plain(again), "{sql}\n{again}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn printing_keeps_the_tree(e in expression(), f in expression(), desc in any::<bool>()) {
        let order = if desc { "DESC" } else { "ASC" };
        let sql = format!("SELECT {e} AS out FROM t WHERE {f} ORDER BY lower({f}) {order} LIMIT 5");
        // What nests too deep is refused; nothing else may be.
        let checked = match check(&sql, Purpose::Plugin) {
            Ok(checked) => checked,
            Err(SqlError::Denied { what, .. }) if what == "nesting" => return Ok(()),
            Err(error) => panic!("{sql}: {error}"),
        };
        let again = reprinted(&sql);
        same(&sql, &again);
        prop_assert_eq!(&reprinted(&again), &again);
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (a, b, \"Odd \"\" name\")").unwrap();
        // One statement, read to its end.
        let statement = connection.prepare(checked.sql()).unwrap_or_else(|error| panic!("{}: {error}", checked.sql()));
        prop_assert_eq!(statement.parameter_count(), checked.parameters());
    }

    #[test]
    fn no_text_makes_the_checker_panic(sql in "[ -~\\n]{0,200}") {
        let _ = check(&sql, Purpose::Plugin);
        let _ = check(&format!("SELECT {sql}"), Purpose::Plugin);
    }

    #[test]
    fn words_in_any_order_never_pass_what_sqlite_reads_as_something_else(
        words in prop::collection::vec(prop::sample::select(vec![
            "SELECT", "FROM", "t", "a", "WHERE", "(", ")", ",", ";", "*", "1", "'x'", "\"a\"", "UNION", "ALL", "WITH", "AS",
            "INSERT", "INTO", "VALUES", "ON", "CONFLICT", "DO", "NOTHING", "UPDATE", "SET", "=", "DELETE", "RETURNING",
            "JOIN", "LEFT", "USING", "ORDER", "BY", "LIMIT", "GROUP", "NOT", "IN", "EXISTS", "NULL", "--", "/*", "*/", "\n",
            "sqlite_master", "END", "CASE", "WHEN", "THEN", "count", "OVER", "ATTACH", "PRAGMA", "$1", ".", "IS",
        ]), 1..20)
    ) {
        let sql = words.join(" ");
        if let Ok(checked) = check(&sql, Purpose::Plugin) {
            prop_assert!(!checked.sql().contains("--") && !checked.sql().contains(';'));
            prop_assert!(!checked.tables().contains("sqlite_master"));
            // SQLite may know no such column, but neither finds a syntax it knows otherwise nor asks for more rights.
            let connection = Connection::open_in_memory().unwrap();
            connection.execute_batch("CREATE TABLE t (a); CREATE TABLE x (a)").unwrap();
            let guard = ModeSwitch::new();
            connection.authorizer(Some(move |context: rusqlite::hooks::AuthContext<'_>| guard.authorize(context))).unwrap();
            if let Err(error) = connection.prepare(checked.sql()) {
                let error = error.to_string();
                prop_assert!(!error.contains("syntax") && !error.contains("auth") && !error.contains("prohibited"),
                    "{}: {}", checked.sql(), error);
            }
        }
    }
}
