//! What one step of SQLite's machine may take: nothing on the list of functions, and no operator, holds a statement for
//! long after it had to stop, whatever it is given.

use super::*;
use crate::capability::sql::account::{Account, Run, Spent, Work};
use futures::future::BoxFuture;

/// The largest value.
const MOST: usize = (4 << 20) - 16;

/// Text functions and operators over as much as there may be, as often in one statement as fits between looks.
fn candidates() -> Vec<(String, Vec<Value>)> {
    let text = |part: &str, bytes: usize| Value::Text(part.repeat(bytes / part.len()));
    let (digits, letters, wide) = (text("7", MOST), text("a", MOST), text("ä", MOST));
    let fraction = Value::Text(format!("0.{}e-{}", "0".repeat(MOST / 2), "9".repeat(MOST / 4)));
    let set = Value::Text("b".repeat(MOST / 2) + "a");
    let wild = |middle: &str, end: &str| Value::Text(format!("%{}{end}", middle.repeat(250 / middle.len())));
    // One expression as often as a list of columns may hold it, all of them for one row.
    let many = |expression: &str, values: Vec<Value>| {
        let columns: Vec<String> = (0..200).map(|n| format!("CASE WHEN {expression} = {n} THEN 1 END")).collect();
        (format!("SELECT {}", columns.join(", ")), values)
    };
    let rows = |expression: &str, values: Vec<Value>| {
        let c = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c)";
        (format!("{c} SELECT sum(length({expression})) FROM c"), values)
    };
    // Columns of a query that others read, each twice, and those again.
    let multiplied = |expression: &str, values: Vec<Value>| {
        let levels: Vec<String> = (1..12).map(|n| format!("q{n}(x) AS (SELECT x + x FROM q{})", n - 1)).collect();
        let first = format!("q0(x) AS (SELECT {expression} FROM n)");
        (format!("WITH {first}, {} SELECT x FROM q11", levels.join(", ")), values)
    };
    let mut all = vec![
        (
            "WITH RECURSIVE c(n, x, y) AS (SELECT 0, 'a', 'b' UNION ALL SELECT n + 1, x || x, y || y FROM c WHERE n < 17) \
             SELECT length(rtrim(x, y || 'a')) FROM c WHERE n = 17"
                .to_owned(),
            vec![],
        ),
        (
            "WITH RECURSIVE c(n, x) AS (SELECT 0, 'a' UNION ALL SELECT n + 1, x || x FROM c WHERE n < 19) \
             SELECT length(replace(x, substr(x, 1, 262144) || 'b', 'c')) FROM c WHERE n = 19"
                .to_owned(),
            vec![],
        ),
    ];
    for number in ["abs($1)", "round($1, 20)", "sign($1)", "CAST($1 AS REAL)", "CAST($1 AS BIGINT)", "($1 + 1)", "-$1"]
    {
        all.push(many(number, vec![digits.clone()]));
        all.push(many(number, vec![fraction.clone()]));
    }
    for one in ["length($1)", "upper($1)", "lower($1)", "substr($1, -3)", "substr($1, 3000000, 2)", "trim($1)"] {
        all.push(many(one, vec![wide.clone()]));
        all.push(rows(one, vec![letters.clone()]));
    }
    all.push(multiplied("length($1 || i)", vec![text("ä", MOST - 10)]));
    all.push(multiplied("abs($1 + i)", vec![digits.clone()]));
    for two in
        ["rtrim($1, $2)", "trim(BOTH $2 FROM $1)", "replace($1, $2, 'c')", "nullif($1, $2)", "substr($1, 2) || $2"]
    {
        all.push(many(two, vec![text("a", MOST), set.clone()]));
    }
    for pattern in [wild("a", "b"), wild("_", "b"), wild("%a", "b"), wild("a_", "%b%c"), wild("%_", "b")] {
        all.push(("SELECT 1 WHERE $1 LIKE $2".to_owned(), vec![letters.clone(), pattern.clone()]));
        all.push(("SELECT 1 WHERE $1 ILIKE $2 ESCAPE '!'".to_owned(), vec![wide.clone(), pattern.clone()]));
        all.push(rows("($1 LIKE $2)", vec![letters.clone(), pattern]));
    }
    all.push(many("coalesce(nullif($1, substr($1, 1)), $2)", vec![letters.clone(), letters.clone()]));
    all.push(many("($1, $1, $1, $1) < (substr($1, 1), $1, $1, 0)", vec![letters.clone()]));
    all.push(many("$1 IN ($1 || '', substr($1, 2), $1 || 'a')", vec![text("a", MOST - 1)]));
    let c = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 1000000)";
    for aggregate in [
        "string_agg(substr($1, 1, 4), 'x') FROM c",
        "sum($1) FROM c",
        "max(substr($1, 1 + n % 2)) FROM c",
        "max(length(s)) FROM (SELECT string_agg('aaaa', 'x') OVER (ORDER BY n ROWS BETWEEN 500000 PRECEDING AND \
         CURRENT ROW) AS s FROM c) AS w",
        "count(*) FROM (SELECT DISTINCT substr($1, 1, 1000000) || n FROM c) AS d",
        "count(*) FROM (SELECT lag(n, 400000, $1) OVER (ORDER BY substr($1, 1, 100000), n) FROM c) AS w",
    ] {
        let sql = format!("{c} SELECT {aggregate}");
        let values = if sql.contains("$1") { vec![letters.clone()] } else { vec![] };
        all.push((sql, values));
    }
    all.push(("UPDATE contact SET email = rtrim($1, $2)".to_owned(), vec![text("a", MOST), set]));
    all
}

#[test]
fn no_step_holds_a_statement_for_long_after_it_had_to_stop() {
    test(async {
        let world = World::new().await;
        world.execute("INSERT INTO contact (email) VALUES ('x')", vec![]).await.unwrap();
        world.execute("INSERT INTO n (i) VALUES (1), (2)", vec![]).await.unwrap();
        let mut worst = (Duration::ZERO, String::new());
        for (sql, values) in candidates() {
            let (checked, began) = (world.checked(&sql), Instant::now());
            let terms = free(within(200));
            let ended = match sql.starts_with("UPDATE") {
                true => world.database.execute(&checked, values, &terms).await.map(|_| ()),
                false => world.database.query(&checked, values, &terms).await.map(|_| ()),
            };
            let took = began.elapsed();
            let ended = ended.map_or_else(|error| error.to_string(), |()| "ran".to_owned());
            println!("{took:?} {ended:.60}: {sql:.150}");
            if took > worst.0 {
                worst = (took, sql);
            }
        }
        assert!(
            worst.0 < Duration::from_secs(2),
            "stopped after 200 ms, this held its thread for {:?}: {}",
            worst.0,
            worst.1
        );
        world.is_quiet().await;
    });
}

/// Never stops a statement, and finds in the end that it took too much.
#[derive(Debug)]
struct TooLate;

impl Account for TooLate {
    fn admit(&self, _work: Work) -> BoxFuture<'static, Result<Box<dyn Run>, Spent>> {
        Box::pin(async { Ok(Box::new(TooLate) as Box<dyn Run>) })
    }

    fn roll_back(&self) -> Box<dyn Run> {
        Box::new(TooLate)
    }
}

impl Run for TooLate {
    fn begin(&mut self) {}

    fn go_on(&mut self, _is_due: &dyn Fn() -> bool) -> Result<(), Spent> {
        Ok(())
    }

    fn pay(&mut self) -> Result<(), Spent> {
        Err(Spent { limit_ms: 7 })
    }

    fn waits(&mut self) {}
}

#[test]
fn what_took_too_much_before_it_could_be_stopped_is_refused_and_leaves_nothing() {
    test(async {
        let world = World::new().await;
        let terms = Terms::new(soon(), Arc::new(TooLate));
        let spent = || SqlError::from(Spent { limit_ms: 7 });
        // Not inline, where the call itself pays.
        let read = world.checked("WITH RECURSIVE c(x) AS (SELECT 1) SELECT x FROM c");
        assert_eq!(world.database.query(&read, vec![], &terms).await, Err(spent()));
        let insert = world.checked("INSERT INTO n (i) VALUES (1)");
        assert_eq!(world.database.execute(&insert, vec![], &terms).await, Err(spent()));
        let returning = world.checked("INSERT INTO n (i) VALUES (1) RETURNING i");
        assert_eq!(world.database.query(&returning, vec![], &terms).await, Err(spent()));
        let mut transaction = world.database.begin(&terms).await.unwrap();
        assert_eq!(transaction.execute(&insert, vec![], soon()).await, Err(spent()));
        assert_eq!(transaction.commit(soon()).await, Err(spent()));
        world.is_quiet().await;
        assert_eq!(world.one("SELECT count(*) FROM n").await, Value::Integer(0));
    });
}
