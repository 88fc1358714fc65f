//! Function calls and windows.

use super::{
    names::{self, Use},
    printer::{Printed, Printer, refused, without},
};
use sqlparser::ast::{
    DuplicateTreatment, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments,
    ObjectNamePart, WindowFrame, WindowFrameBound, WindowFrameUnits, WindowSpec, WindowType,
};

impl Printer {
    pub fn function(&mut self, function: &Function) -> Printed {
        let Function { name, uses_odbc_syntax, parameters, args, within_group, filter, null_treatment, over } =
            function;
        let name = match name.0.as_slice() {
            [ObjectNamePart::Identifier(ident)] => ident.value.to_ascii_lowercase(),
            _ => return refused(name, "functions have no schema"),
        };
        without(*uses_odbc_syntax, "{fn …}")?;
        without(*parameters != FunctionArguments::None, "function parameters")?;
        without(!within_group.is_empty(), "WITHIN GROUP")?;
        without(null_treatment.is_some(), "IGNORE NULLS")?;
        let FunctionArguments::List(FunctionArgumentList { duplicate_treatment, args, clauses }) = args else {
            return refused(function, "a function is called with a list of arguments");
        };
        without(!clauses.is_empty(), "a clause among a function's arguments")?;
        let usage = names::function(&name, args.len())?;
        let distinct = *duplicate_treatment == Some(DuplicateTreatment::Distinct);
        without(distinct && (usage != Use::Aggregate || over.is_some()), "DISTINCT here")?;
        without(filter.is_some() && usage != Use::Aggregate, "FILTER on a function that is no aggregate")?;
        match (usage, over) {
            (Use::Scalar, Some(_)) => return refused(function, "this function takes no OVER"),
            (Use::Window, None) => return refused(function, "this function needs OVER"),
            _ => {}
        }
        if name == "replace" {
            self.inline = false;
        }
        if usage == Use::Scalar {
            return self.calculation(|printer| printer.scalar(&name, args));
        }
        self.push(&name);
        self.push(if distinct { "(DISTINCT " } else { "(" });
        self.list(args, |printer, arg| printer.argument(&name, arg))?;
        self.push(")");
        if let Some(filter) = filter {
            self.push(" FILTER (WHERE ");
            self.expr(filter)?;
            self.push(")");
        }
        match over {
            None => Ok(()),
            Some(WindowType::NamedWindow(window)) => {
                self.push(" OVER ");
                self.ident(window)
            }
            Some(WindowType::WindowSpec(spec)) => {
                self.push(" OVER ");
                self.window(spec)
            }
        }
    }

    fn scalar(&mut self, name: &str, args: &[FunctionArg]) -> Printed {
        self.push(name);
        self.push("(");
        self.list(args, |printer, arg| printer.argument(name, arg))?;
        self.push(")");
        Ok(())
    }

    fn argument(&mut self, function: &str, arg: &FunctionArg) -> Printed {
        match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => self.expr(expr),
            FunctionArg::Unnamed(FunctionArgExpr::Wildcard) if function == "count" => {
                self.push("*");
                Ok(())
            }
            other => refused(other, "arguments are plain expressions"),
        }
    }

    pub fn window(&mut self, spec: &WindowSpec) -> Printed {
        let WindowSpec { window_name, partition_by, order_by, window_frame } = spec;
        self.push("(");
        if let Some(window) = window_name {
            self.ident(window)?;
        }
        if !partition_by.is_empty() {
            self.push(" PARTITION BY ");
            self.exprs(partition_by)?;
        }
        if !order_by.is_empty() {
            self.push(" ORDER BY ");
            self.list(order_by, Self::order)?;
        }
        if let Some(WindowFrame { units, start_bound, end_bound }) = window_frame {
            self.push(match units {
                WindowFrameUnits::Rows => " ROWS ",
                WindowFrameUnits::Range => " RANGE ",
                WindowFrameUnits::Groups => " GROUPS ",
            });
            self.push("BETWEEN ");
            self.bound(start_bound)?;
            self.push(" AND ");
            self.bound(end_bound.as_ref().unwrap_or(&WindowFrameBound::CurrentRow))?;
        }
        self.push(")");
        Ok(())
    }

    fn bound(&mut self, bound: &WindowFrameBound) -> Printed {
        let (expr, side) = match bound {
            WindowFrameBound::CurrentRow => {
                self.push("CURRENT ROW");
                return Ok(());
            }
            WindowFrameBound::Preceding(expr) => (expr, " PRECEDING"),
            WindowFrameBound::Following(expr) => (expr, " FOLLOWING"),
        };
        match expr {
            None => self.push("UNBOUNDED"),
            Some(expr) => self.operand(expr)?,
        }
        self.push(side);
        Ok(())
    }
}
