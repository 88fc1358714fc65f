//! Public ids, `contact-7` and `deal-12`, over the numbers the tables hold.

use std::fmt;

use crate::sql::{self, Executor, Transaction, params};

/// The ids of one kind of row.
///
/// ```
/// use tenon_plugin::Ids;
///
/// const CONTACTS: Ids = Ids::of("contact");
/// assert_eq!(CONTACTS.write(7), "contact-7");
/// assert_eq!(CONTACTS.read("contact-7"), Ok(7));
/// assert_eq!(CONTACTS.read("deal-7").unwrap_err().to_string(), r#"there is no contact "deal-7""#);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Ids {
    kind: &'static str,
}

/// There is no row of this id.
#[derive(Debug, PartialEq, Eq)]
pub struct Unknown {
    kind: &'static str,
    id: String,
}

impl Ids {
    /// The ids that begin with this word, which is also what an error calls the row.
    pub const fn of(kind: &'static str) -> Self {
        Self { kind }
    }

    /// The public id of a number.
    pub fn write(self, number: i64) -> String {
        format!("{}-{number}", self.kind)
    }

    /// The number of a public id, if it is one: `contact-07` is not another name of `contact-7`.
    pub fn read(self, id: &str) -> Result<i64, Unknown> {
        self.number(id).ok_or_else(|| Unknown { kind: self.kind, id: id.to_owned() })
    }

    /// The error that says there is no row of this number.
    pub fn unknown(self, number: i64) -> Unknown {
        Unknown { kind: self.kind, id: self.write(number) }
    }

    /// The next number of this kind. A number is never given twice, even after its row is deleted, because the
    /// counter only rises; an insert that fails takes its number back with the transaction.
    ///
    /// The counters of all kinds are in one table, which a migration makes:
    ///
    /// ```sql
    /// CREATE TABLE counter (kind TEXT NOT NULL PRIMARY KEY, used INTEGER NOT NULL);
    /// ```
    pub fn next(self, tx: &Transaction) -> sql::Result<i64> {
        tx.query_one(
            "INSERT INTO counter (kind, used) VALUES ($1, 1)
             ON CONFLICT (kind) DO UPDATE SET used = counter.used + 1
             RETURNING used",
            params![self.kind],
        )
    }

    fn number(self, id: &str) -> Option<i64> {
        let digits = id.strip_prefix(self.kind)?.strip_prefix('-')?;
        let canonical = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
        // Numbers are counted within 32 bits, the range of an INTEGER column on every database.
        digits.parse::<i32>().ok().filter(|_| canonical).map(i64::from)
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no {} {:?}", self.kind, self.id)
    }
}

impl std::error::Error for Unknown {}

#[cfg(test)]
mod tests {
    use super::*;

    const DEALS: Ids = Ids::of("deal");

    #[test]
    fn an_id_is_read_as_the_number_it_was_written_from() {
        for number in [1, 12, i64::from(i32::MAX)] {
            assert_eq!(DEALS.read(&DEALS.write(number)), Ok(number));
        }
    }

    #[test]
    fn a_row_has_one_id_only() {
        for id in ["", "deal", "deal-", "deal-0", "deal-07", "deal-+7", "deal--7", "deal-7 ", "deal-2147483648", "7"] {
            assert!(DEALS.read(id).is_err(), "{id}");
        }
    }

    #[test]
    fn an_id_that_is_not_one_and_one_without_a_row_are_unknown_alike() {
        assert_eq!(DEALS.unknown(7).to_string(), r#"there is no deal "deal-7""#);
        assert_eq!(DEALS.read("\"").unwrap_err().to_string(), r#"there is no deal "\"""#);
    }
}
