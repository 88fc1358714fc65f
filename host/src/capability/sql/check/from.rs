//! FROM: tables, joins, queries in place of tables.

use super::printer::{Printed, Printer, refused, without};
use sqlparser::ast::{Join, JoinConstraint, JoinOperator, TableAlias, TableFactor, TableWithJoins};

impl Printer {
    /// The tables of FROM. In the standard a JOIN binds closer than a comma, in SQLite it does not.
    pub fn tables(&mut self, from: &[TableWithJoins]) -> Printed {
        self.list(from, |printer, table| match from.len() > 1 && !table.joins.is_empty() {
            true => {
                printer.push("(");
                printer.joined(table)?;
                printer.push(")");
                Ok(())
            }
            false => printer.joined(table),
        })
    }

    fn joined(&mut self, table: &TableWithJoins) -> Printed {
        let TableWithJoins { relation, joins } = table;
        self.factor(relation)?;
        for Join { relation, global, join_operator } in joins {
            without(*global, "GLOBAL JOIN")?;
            let (words, constraint) = match join_operator {
                JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) => ("JOIN ", Some(constraint)),
                JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => {
                    ("LEFT JOIN ", Some(constraint))
                }
                JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => {
                    ("RIGHT JOIN ", Some(constraint))
                }
                JoinOperator::FullOuter(constraint) => ("FULL JOIN ", Some(constraint)),
                JoinOperator::CrossJoin(JoinConstraint::None) => ("CROSS JOIN ", None),
                _ => return without(true, "this kind of join"),
            };
            self.push(" ");
            without(constraint == Some(&JoinConstraint::None), "a JOIN without ON or USING; write CROSS JOIN")?;
            if constraint == Some(&JoinConstraint::Natural) {
                self.push("NATURAL ");
            }
            self.push(words);
            self.factor(relation)?;
            match constraint {
                Some(JoinConstraint::On(expr)) => self.optional(" ON ", Some(expr))?,
                Some(JoinConstraint::Using(columns)) => {
                    self.push(" USING (");
                    self.list(columns, Self::plain_column)?;
                    self.push(")");
                }
                Some(JoinConstraint::Natural | JoinConstraint::None) | None => {}
            }
        }
        Ok(())
    }

    /// One table of FROM, and nothing that only looks like one.
    pub fn factor(&mut self, factor: &TableFactor) -> Printed {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args,
                with_hints,
                version,
                with_ordinality,
                partitions,
                json_path,
                sample,
                index_hints,
            } => {
                if args.is_some() {
                    return refused(factor, "functions that return tables are not part of the SQL that plugins use");
                }
                without(!with_hints.is_empty() || !index_hints.is_empty(), "table hints")?;
                without(
                    version.is_some() || *with_ordinality || !partitions.is_empty(),
                    "a clause after a table's name",
                )?;
                without(json_path.is_some() || sample.is_some(), "a JSON path or sample of a table")?;
                self.table(name)?;
                self.alias(alias.as_ref())
            }
            TableFactor::Derived { lateral, subquery, alias, sample } => {
                without(*lateral, "LATERAL")?;
                without(sample.is_some(), "a sample of a query")?;
                without(alias.is_none(), "a query in FROM without a name")?;
                self.push("(");
                self.read(|printer| printer.query(subquery))?;
                self.push(")");
                self.alias(alias.as_ref())
            }
            TableFactor::NestedJoin { table_with_joins, alias: None } => self.nested(|printer| {
                printer.push("(");
                printer.joined(table_with_joins)?;
                printer.push(")");
                Ok(())
            }),
            other => refused(other, "FROM takes tables, queries and joins"),
        }
    }

    fn alias(&mut self, alias: Option<&TableAlias>) -> Printed {
        let Some(TableAlias { explicit: _, name, columns, at }) = alias else {
            return Ok(());
        };
        without(at.is_some(), "AT")?;
        without(!columns.is_empty(), "column names after a table's alias; name them inside, or in WITH")?;
        self.push(" AS ");
        self.table_name(name).map(drop)
    }
}
