//! Public ids, `contact-7` and `deal-12`, over the numbers the tables hold.

use tenon_plugin::sql::{self, Executor, Transaction, params};

pub const CONTACT: &str = "contact";
pub const DEAL: &str = "deal";

/// The public id of a number.
pub fn write(kind: &str, number: i64) -> String {
    format!("{kind}-{number}")
}

/// The number of a public id, if it is one: `contact-07` is not another name of `contact-7`.
pub fn read(kind: &str, id: &str) -> Option<i64> {
    let digits = id.strip_prefix(kind)?.strip_prefix('-')?;
    let canonical = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    // Numbers are counted within 32 bits, the range of an INTEGER column on every database.
    digits.parse::<i32>().ok().filter(|_| canonical).map(i64::from)
}

/// The next number of this kind. A number is never given twice, even after its row is deleted, because the
/// counter only rises; an insert that fails takes its number back with the transaction.
pub fn next(tx: &Transaction, kind: &str) -> sql::Result<i64> {
    tx.query_one(
        "INSERT INTO counter (kind, used) VALUES ($1, 1)
         ON CONFLICT (kind) DO UPDATE SET used = counter.used + 1
         RETURNING used",
        params![kind],
    )
}
