//! Lists, page by page.

use std::iter::Peekable;

use super::row::read_all;
use super::{Filter, FromRow, Result, Rows, query, query_one};
use crate::fields::Page;

/// One page of the rows of `table` that the filter lets through, and how many those are in all.
///
/// `statement` is given the WHERE clause, a subquery that counts, and the LIMIT clause. It puts them into a
/// SELECT whose column `total` is the subquery: so both come from one statement, and agree. Only a page past the
/// end, which has no row to carry the total, costs a second one.
pub fn page(
    table: &str,
    mut filter: Filter,
    page: Page,
    statement: impl FnOnce(&str, &str, &str) -> String,
) -> Result<(Peekable<Rows>, u64)> {
    let conditions = filter.parameters().len();
    let limit = format!("LIMIT {} OFFSET {}", filter.bind(page.take), filter.bind(page.skip));
    let count = format!("SELECT count(*) FROM {table} {}", filter.clause());
    let statement = statement(filter.clause(), &format!("({count})"), &limit);

    let mut rows = query(&statement, filter.parameters())?.peekable();
    let total = match rows.peek_mut() {
        Some(row) => row.get("total")?,
        None if page.skip == 0 => 0,
        None => query_one(&count, &filter.parameters()[..conditions])?,
    };
    Ok((rows, total))
}

/// What [`page`] gives, with each row as a `T`.
pub fn page_as<T: FromRow>(
    table: &str,
    filter: Filter,
    page: Page,
    statement: impl FnOnce(&str, &str, &str) -> String,
) -> Result<(Vec<T>, u64)> {
    let (rows, total) = self::page(table, filter, page, statement)?;
    Ok((read_all(rows)?, total))
}
