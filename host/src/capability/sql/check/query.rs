//! SELECT: common table expressions, set operations, clauses.

use super::printer::{Printed, Printer, fold, refused, without};
use sqlparser::ast::{
    Cte, Distinct, GroupByExpr, LimitClause, NamedWindowDefinition, NamedWindowExpr, Offset, OffsetRows, OrderBy,
    OrderByExpr, OrderByKind, OrderByOptions, OrderBySort, Parens, Query, Select, SelectFlavor, SelectItem,
    SelectItemQualifiedWildcardKind, SelectModifiers, SetExpr, SetOperator, SetQuantifier, Statement, TableAlias,
    TableAliasColumnDef, Values, WildcardAdditionalOptions, With,
};

impl Printer {
    /// A statement that begins with WITH or SELECT; WITH may also lead an INSERT, UPDATE or DELETE.
    pub fn top_query(&mut self, query: &Query) -> Printed {
        let change = match &*query.body {
            SetExpr::Insert(change) | SetExpr::Update(change) | SetExpr::Delete(change) => change,
            _ => return self.query(query),
        };
        let Query {
            with,
            body: _,
            order_by,
            limit_clause,
            fetch,
            locks,
            for_clause,
            settings,
            format_clause,
            pipe_operators,
        } = query;
        without(order_by.is_some() || limit_clause.is_some(), "ORDER BY or LIMIT after a change")?;
        without(fetch.is_some() || !locks.is_empty() || for_clause.is_some(), "FETCH or FOR after a change")?;
        without(settings.is_some() || format_clause.is_some() || !pipe_operators.is_empty(), "clause after a change")?;
        self.returns_rows = false;
        let scope = self.ctes.len();
        if let Some(with) = with {
            self.with(with)?;
        }
        match change {
            Statement::Insert(insert) => self.insert(insert)?,
            Statement::Update(update) => self.update(update)?,
            Statement::Delete(delete) => self.delete(delete)?,
            other => return refused(other, "WITH leads SELECT, INSERT, UPDATE or DELETE"),
        }
        self.ctes.truncate(scope);
        Ok(())
    }

    pub fn query(&mut self, query: &Query) -> Printed {
        self.nested(|printer| printer.query_inside(query))
    }

    fn query_inside(&mut self, query: &Query) -> Printed {
        let Query {
            with,
            body,
            order_by,
            limit_clause,
            fetch,
            locks,
            for_clause,
            settings,
            format_clause,
            pipe_operators,
        } = query;
        without(fetch.is_some(), "FETCH; write LIMIT")?;
        without(!locks.is_empty(), "FOR UPDATE; a transaction holds the write lock anyway")?;
        without(for_clause.is_some(), "FOR XML or FOR JSON")?;
        without(settings.is_some() || format_clause.is_some(), "SETTINGS or FORMAT")?;
        without(!pipe_operators.is_empty(), "|>")?;
        let scope = self.ctes.len();
        if let Some(with) = with {
            self.with(with)?;
        }
        self.set_expr(body)?;
        if let Some(order_by) = order_by {
            self.order_by(order_by)?;
        }
        if let Some(limit) = limit_clause {
            self.limit(limit)?;
        }
        self.ctes.truncate(scope);
        Ok(())
    }

    fn with(&mut self, with: &With) -> Printed {
        let With { with_token: _, recursive, cte_tables } = with;
        self.push(if *recursive { "WITH RECURSIVE " } else { "WITH " });
        if *recursive {
            // Its working table can grow for long within one step.
            self.inline = false;
            for cte in cte_tables {
                self.ctes.push(fold(&cte.alias.name)?.to_ascii_lowercase());
            }
        }
        self.list(cte_tables, |printer, cte| {
            let Cte { alias, query, from, materialized, closing_paren_token: _ } = cte;
            without(from.is_some(), "FROM after a common table expression")?;
            without(materialized.is_some(), "MATERIALIZED")?;
            let TableAlias { explicit: _, name, columns, at } = alias;
            without(at.is_some(), "AT")?;
            let name = printer.table_name(name)?;
            if !columns.is_empty() {
                printer.push("(");
                printer.list(columns, |printer, TableAliasColumnDef { name, data_type }| {
                    without(data_type.is_some(), "a type in a column list")?;
                    printer.column(name)
                })?;
                printer.push(")");
            }
            printer.push(" AS (");
            printer.read(|printer| printer.query(query))?;
            printer.push(")");
            if !*recursive {
                printer.ctes.push(name.to_ascii_lowercase());
            }
            Ok(())
        })?;
        self.push(" ");
        Ok(())
    }

    fn set_expr(&mut self, body: &SetExpr) -> Printed {
        match body {
            SetExpr::Select(select) => self.nested(|printer| printer.select(select)),
            SetExpr::Values(values) => self.values(values),
            SetExpr::Query(query) => self.wrapped(|printer| printer.query(query)),
            SetExpr::SetOperation { left, op, set_quantifier, right } => self.nested(|printer| {
                printer.set_expr(left)?;
                printer.push(match (op, set_quantifier) {
                    (SetOperator::Union, SetQuantifier::All) => " UNION ALL ",
                    (SetOperator::Union, SetQuantifier::None | SetQuantifier::Distinct) => " UNION ",
                    (SetOperator::Intersect, SetQuantifier::None | SetQuantifier::Distinct) => " INTERSECT ",
                    (SetOperator::Except, SetQuantifier::None | SetQuantifier::Distinct) => " EXCEPT ",
                    (op, quantifier) => {
                        return refused(&format_args!("{op} {quantifier}"), "use UNION [ALL], INTERSECT or EXCEPT");
                    }
                });
                // SQLite reads a chain from the left, whatever the operators; the tree has the standard's order.
                match &**right {
                    SetExpr::SetOperation { .. } => printer.wrapped(|printer| printer.set_expr(right)),
                    _ => printer.set_expr(right),
                }
            }),
            other => refused(other, "a query is SELECT or VALUES"),
        }
    }

    /// SQLite takes no parentheses around an operand of UNION.
    fn wrapped(&mut self, inside: impl FnOnce(&mut Self) -> Printed) -> Printed {
        self.push("SELECT * FROM (");
        self.read(inside)?;
        self.push(") AS \"_operand\"");
        Ok(())
    }

    fn values(&mut self, values: &Values) -> Printed {
        let Values { explicit_row, value_keyword, rows } = values;
        without(*explicit_row || *value_keyword, "ROW in VALUES")?;
        self.push("VALUES ");
        self.list(rows, |printer, Parens { opening_token: _, content, closing_token: _ }| {
            without(content.is_empty(), "VALUES ()")?;
            printer.push("(");
            printer.exprs(content)?;
            printer.push(")");
            Ok(())
        })
    }

    fn select(&mut self, select: &Select) -> Printed {
        let Select {
            select_token: _,
            optimizer_hints,
            distinct,
            select_modifiers,
            top,
            top_before_distinct: _,
            projection,
            exclude,
            into,
            from,
            lateral_views,
            prewhere,
            selection,
            connect_by,
            group_by,
            cluster_by,
            distribute_by,
            sort_by,
            having,
            named_window,
            qualify,
            window_before_qualify: _,
            value_table_mode,
            flavor,
        } = select;
        without(!optimizer_hints.is_empty(), "optimizer hints")?;
        without(select_modifiers.as_ref().is_some_and(SelectModifiers::is_any_set), "select modifiers")?;
        without(top.is_some(), "TOP; write LIMIT")?;
        without(exclude.is_some(), "EXCLUDE")?;
        without(into.is_some(), "SELECT INTO")?;
        without(!lateral_views.is_empty(), "LATERAL VIEW")?;
        without(prewhere.is_some(), "PREWHERE")?;
        without(!connect_by.is_empty(), "CONNECT BY; use WITH RECURSIVE")?;
        without(!cluster_by.is_empty() || !distribute_by.is_empty() || !sort_by.is_empty(), "CLUSTER BY or SORT BY")?;
        without(qualify.is_some(), "QUALIFY")?;
        without(value_table_mode.is_some(), "AS VALUE or AS STRUCT")?;
        without(*flavor != SelectFlavor::Standard, "FROM before SELECT")?;
        without(projection.is_empty(), "an empty list of columns")?;
        self.push(match distinct {
            None | Some(Distinct::All) => "SELECT ",
            Some(Distinct::Distinct) => "SELECT DISTINCT ",
            Some(other @ Distinct::On(_)) => return refused(other, "use GROUP BY or a window function"),
        });
        let looks = std::mem::replace(&mut self.looks, self.is_read);
        self.list(projection, Self::select_item)?;
        self.looks = looks;
        if !from.is_empty() {
            self.push(" FROM ");
            self.tables(from)?;
        }
        self.optional(" WHERE ", selection.as_ref())?;
        self.group_by(group_by)?;
        self.optional(" HAVING ", having.as_ref())?;
        if !named_window.is_empty() {
            self.push(" WINDOW ");
            self.list(named_window, |printer, NamedWindowDefinition(name, window)| {
                printer.ident(name)?;
                printer.push(" AS ");
                match window {
                    NamedWindowExpr::WindowSpec(spec) => printer.window(spec),
                    NamedWindowExpr::NamedWindow(other) => refused(other, "a window is defined in parentheses"),
                }
            })?;
        }
        Ok(())
    }

    pub fn select_item(&mut self, item: &SelectItem) -> Printed {
        match item {
            SelectItem::UnnamedExpr(expr) => self.expr(expr),
            SelectItem::ExprWithAlias { expr, alias } => {
                self.expr(expr)?;
                self.push(" AS ");
                self.column(alias)
            }
            SelectItem::Wildcard(options) => {
                plain(options)?;
                self.push("*");
                Ok(())
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
                plain(options)?;
                self.object(name, "table")?;
                self.push(".*");
                Ok(())
            }
            other => refused(other, "select expressions, * or table.*"),
        }
    }

    fn group_by(&mut self, group_by: &GroupByExpr) -> Printed {
        match group_by {
            GroupByExpr::Expressions(exprs, modifiers) => {
                without(!modifiers.is_empty(), "a modifier of GROUP BY")?;
                if !exprs.is_empty() {
                    self.push(" GROUP BY ");
                    self.exprs(exprs)?;
                }
                Ok(())
            }
            GroupByExpr::All(_) => without(true, "GROUP BY ALL"),
        }
    }

    fn order_by(&mut self, order_by: &OrderBy) -> Printed {
        let OrderBy { kind, interpolate } = order_by;
        without(interpolate.is_some(), "INTERPOLATE")?;
        match kind {
            OrderByKind::Expressions(exprs) => {
                self.push(" ORDER BY ");
                self.list(exprs, Self::order)
            }
            OrderByKind::All(_) => without(true, "ORDER BY ALL"),
        }
    }

    pub fn order(&mut self, order: &OrderByExpr) -> Printed {
        let OrderByExpr { expr, options: OrderByOptions { sort, nulls_first }, with_fill } = order;
        without(with_fill.is_some(), "WITH FILL")?;
        self.expr(expr)?;
        self.push(match sort {
            None => "",
            Some(OrderBySort::Asc) => " ASC",
            Some(OrderBySort::Desc) => " DESC",
            Some(OrderBySort::Using(_)) => return without(true, "ORDER BY … USING"),
        });
        self.push(match nulls_first {
            None => "",
            Some(true) => " NULLS FIRST",
            Some(false) => " NULLS LAST",
        });
        Ok(())
    }

    fn limit(&mut self, clause: &LimitClause) -> Printed {
        let LimitClause::LimitOffset { limit, offset, limit_by } = clause else {
            return refused(clause, "write LIMIT … OFFSET …");
        };
        without(!limit_by.is_empty(), "LIMIT BY")?;
        match (limit, offset) {
            // SQLite has no OFFSET of its own.
            (None, Some(_)) => self.push(" LIMIT -1"),
            _ => self.optional(" LIMIT ", limit.as_ref())?,
        }
        if let Some(Offset { value, rows }) = offset {
            without(*rows != OffsetRows::None, "OFFSET … ROWS")?;
            self.optional(" OFFSET ", Some(value))?;
        }
        Ok(())
    }
}

fn plain(options: &WildcardAdditionalOptions) -> Printed {
    let WildcardAdditionalOptions {
        wildcard_token: _,
        opt_ilike,
        opt_exclude,
        opt_except,
        opt_replace,
        opt_rename,
        opt_alias,
    } = options;
    without(opt_ilike.is_some() || opt_exclude.is_some() || opt_except.is_some(), "an exception from *")?;
    without(opt_replace.is_some() || opt_rename.is_some() || opt_alias.is_some(), "a replacement in *")
}

/// Whether ON CONFLICT may follow the query without being taken for the ON of a join.
pub(super) fn is_values(query: &Query) -> bool {
    matches!(&*query.body, SetExpr::Values(_)) && query.order_by.is_none() && query.limit_clause.is_none()
}
