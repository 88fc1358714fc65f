//! INSERT, UPDATE, DELETE.

use super::{
    printer::{Printed, Printer, refused, without},
    query::is_values,
};
use sqlparser::ast::{
    Assignment, AssignmentTarget, ConflictTarget, Delete, DoUpdate, FromTable, Insert, OnConflict, OnConflictAction,
    OnInsert, Query, SelectItem, TableFactor, TableObject, TableWithJoins, Update, UpdateTableFromKind,
};

impl Printer {
    pub fn insert(&mut self, insert: &Insert) -> Printed {
        let Insert {
            insert_token: _,
            optimizer_hints,
            or,
            ignore,
            into,
            table,
            table_alias,
            columns,
            overwrite,
            source,
            assignments,
            partitioned,
            after_columns,
            has_table_keyword,
            on,
            returning,
            output,
            replace_into,
            priority,
            insert_alias,
            settings,
            format_clause,
            multi_table_insert_type,
            multi_table_into_clauses,
            multi_table_when_clauses,
            multi_table_else_clause,
        } = insert;
        without(!optimizer_hints.is_empty(), "optimizer hints")?;
        without(or.is_some() || *ignore || *replace_into, "INSERT OR …, REPLACE; write ON CONFLICT")?;
        without(!*into || *overwrite || *has_table_keyword || priority.is_some(), "INSERT without a plain INTO")?;
        without(!assignments.is_empty(), "INSERT … SET")?;
        without(partitioned.is_some() || !after_columns.is_empty(), "PARTITION")?;
        without(output.is_some(), "OUTPUT; write RETURNING")?;
        without(insert_alias.is_some(), "an alias after VALUES; write excluded.column")?;
        without(settings.is_some() || format_clause.is_some(), "SETTINGS or FORMAT")?;
        without(
            multi_table_insert_type.is_some()
                || !multi_table_into_clauses.is_empty()
                || !multi_table_when_clauses.is_empty()
                || multi_table_else_clause.is_some(),
            "INSERT into several tables",
        )?;
        self.writes = true;
        self.push("INSERT INTO ");
        match table {
            TableObject::TableName(name) => self.table(name)?,
            other => return refused(other, "INSERT INTO takes a table"),
        }
        if let Some(alias) = table_alias {
            self.push(" AS ");
            self.table_name(&alias.alias)?;
        }
        if !columns.is_empty() {
            self.push(" (");
            self.list(columns, Self::plain_column)?;
            self.push(")");
        }
        match source {
            None => {
                without(!columns.is_empty() || on.is_some(), "an INSERT of nothing")?;
                self.push(" DEFAULT VALUES");
            }
            Some(source) => self.source(source, on.is_some())?,
        }
        if let Some(on) = on {
            self.on_insert(on)?;
        }
        self.returning(returning.as_deref())
    }

    fn source(&mut self, source: &Query, conflict: bool) -> Printed {
        self.push(" ");
        if !conflict || is_values(source) {
            return self.query(source);
        }
        // Without a WHERE, SQLite takes ON CONFLICT for the ON of a join.
        self.push("SELECT * FROM (");
        self.query(source)?;
        self.push(") AS \"_source\" WHERE TRUE");
        Ok(())
    }

    fn on_insert(&mut self, on: &OnInsert) -> Printed {
        let OnInsert::OnConflict(OnConflict { conflict_target, action }) = on else {
            return refused(on, "write ON CONFLICT (…) DO …");
        };
        self.push(" ON CONFLICT");
        match conflict_target {
            Some(ConflictTarget::Columns(columns)) => {
                self.push(" (");
                self.list(columns, Self::column)?;
                self.push(")");
            }
            Some(target @ ConflictTarget::OnConstraint(_)) => {
                return refused(target, "name the columns: ON CONFLICT (…)");
            }
            None => without(*action != OnConflictAction::DoNothing, "DO UPDATE without its columns")?,
        }
        match action {
            OnConflictAction::DoNothing => {
                self.push(" DO NOTHING");
                Ok(())
            }
            OnConflictAction::DoUpdate(DoUpdate { assignments, selection }) => {
                self.push(" DO UPDATE SET ");
                self.list(assignments, Self::assignment)?;
                self.optional(" WHERE ", selection.as_ref())
            }
        }
    }

    pub fn update(&mut self, update: &Update) -> Printed {
        let Update {
            update_token: _,
            optimizer_hints,
            table,
            assignments,
            from,
            selection,
            returning,
            output,
            or,
            order_by,
            limit,
        } = update;
        without(!optimizer_hints.is_empty(), "optimizer hints")?;
        without(or.is_some(), "UPDATE OR …")?;
        without(output.is_some(), "OUTPUT; write RETURNING")?;
        without(!order_by.is_empty() || limit.is_some(), "ORDER BY or LIMIT in UPDATE")?;
        self.writes = true;
        self.push("UPDATE ");
        self.target(table)?;
        self.push(" SET ");
        self.list(assignments, Self::assignment)?;
        match from {
            None => {}
            Some(UpdateTableFromKind::AfterSet(tables)) => {
                self.push(" FROM ");
                self.tables(tables)?;
            }
            Some(UpdateTableFromKind::BeforeSet(_)) => without(true, "FROM before SET")?,
        }
        self.optional(" WHERE ", selection.as_ref())?;
        self.returning(returning.as_deref())
    }

    pub fn delete(&mut self, delete: &Delete) -> Printed {
        let Delete {
            delete_token: _,
            optimizer_hints,
            tables,
            from,
            using,
            selection,
            returning,
            output,
            order_by,
            limit,
        } = delete;
        without(!optimizer_hints.is_empty(), "optimizer hints")?;
        without(!tables.is_empty() || using.is_some(), "DELETE from several tables; use a subquery")?;
        without(output.is_some(), "OUTPUT; write RETURNING")?;
        without(!order_by.is_empty() || limit.is_some(), "ORDER BY or LIMIT in DELETE")?;
        self.writes = true;
        self.push("DELETE FROM ");
        match from {
            FromTable::WithFromKeyword(tables) if tables.len() == 1 => self.target(&tables[0])?,
            FromTable::WithFromKeyword(_) | FromTable::WithoutKeyword(_) => {
                without(true, "DELETE without FROM one table")?;
            }
        }
        self.optional(" WHERE ", selection.as_ref())?;
        self.returning(returning.as_deref())
    }

    /// The one table that UPDATE or DELETE changes.
    fn target(&mut self, table: &TableWithJoins) -> Printed {
        without(!table.joins.is_empty(), "a join as what is changed")?;
        match &table.relation {
            factor @ TableFactor::Table { .. } => self.factor(factor),
            other => refused(other, "UPDATE and DELETE change a table"),
        }
    }

    fn assignment(&mut self, assignment: &Assignment) -> Printed {
        let Assignment { target, value } = assignment;
        match target {
            AssignmentTarget::ColumnName(name) => self.plain_column(name)?,
            AssignmentTarget::Tuple(names) => {
                self.push("(");
                self.list(names, Self::plain_column)?;
                self.push(")");
            }
        }
        self.optional(" = ", Some(value))
    }

    fn returning(&mut self, items: Option<&[SelectItem]>) -> Printed {
        let Some(items) = items else {
            return Ok(());
        };
        self.returns_rows = true;
        self.push(" RETURNING ");
        self.list(items, Self::select_item)
    }
}
