//! Expressions.

use super::{
    names,
    printer::{Printed, Printer, refused, without},
};
use sqlparser::ast::{BinaryOperator, CaseWhen, CastKind, DataType, Expr, TrimWhereField, UnaryOperator, Value};

const NOT_SHARED: &str = "SQLite and PostgreSQL do not share it";

impl Printer {
    pub fn expr(&mut self, expr: &Expr) -> Printed {
        self.nested(|printer| printer.expr_inside(expr))
    }

    pub fn exprs(&mut self, exprs: &[Expr]) -> Printed {
        self.list(exprs, Self::expr)
    }

    /// An operand: in parentheses unless it cannot be taken apart.
    pub fn operand(&mut self, expr: &Expr) -> Printed {
        if is_atom(expr) {
            return self.expr(expr);
        }
        self.push("(");
        self.expr(expr)?;
        self.push(")");
        Ok(())
    }

    fn postfix(&mut self, expr: &Expr, operator: &str) -> Printed {
        self.operand(expr)?;
        self.push(operator);
        Ok(())
    }

    fn infix(&mut self, left: &Expr, operator: &str, right: &Expr) -> Printed {
        self.operand(left)?;
        self.push(" ");
        self.push(operator);
        self.push(" ");
        self.operand(right)
    }

    fn expr_inside(&mut self, expr: &Expr) -> Printed {
        match expr {
            Expr::Nested(inner) => self.expr(inner),
            Expr::Identifier(ident) => self.column(ident),
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [table, column] => {
                    self.table_name(table)?;
                    self.push(".");
                    self.column(column)
                }
                _ => refused(expr, "a column has at most one qualifier, its table"),
            },
            Expr::Value(value) => self.value(&value.value),
            Expr::IsTrue(inner) => self.postfix(inner, " IS TRUE"),
            Expr::IsNotTrue(inner) => self.postfix(inner, " IS NOT TRUE"),
            Expr::IsFalse(inner) => self.postfix(inner, " IS FALSE"),
            Expr::IsNotFalse(inner) => self.postfix(inner, " IS NOT FALSE"),
            Expr::IsNull(inner) => self.postfix(inner, " IS NULL"),
            Expr::IsNotNull(inner) => self.postfix(inner, " IS NOT NULL"),
            Expr::IsDistinctFrom(left, right) => self.infix(left, "IS DISTINCT FROM", right),
            Expr::IsNotDistinctFrom(left, right) => self.infix(left, "IS NOT DISTINCT FROM", right),
            Expr::UnaryOp { op, expr: inner } => self.unary(op, inner),
            Expr::BinaryOp { left, op, right } => self.binary(left, op, right),
            Expr::Between { expr: inner, negated, low, high } => {
                self.operand(inner)?;
                self.push(if *negated { " NOT BETWEEN " } else { " BETWEEN " });
                self.infix(low, "AND", high)
            }
            Expr::InList { expr: inner, list, negated } => {
                without(list.is_empty(), "IN ()")?;
                self.is_in(inner, *negated)?;
                self.exprs(list)?;
                self.push(")");
                Ok(())
            }
            Expr::InSubquery { expr: inner, subquery, negated } => {
                self.is_in(inner, *negated)?;
                self.query(subquery)?;
                self.push(")");
                Ok(())
            }
            Expr::Like { negated, any: false, expr: inner, pattern, escape_char } => {
                self.like(*negated, inner, pattern, escape_char.as_deref(), ("(", ")"))
            }
            Expr::ILike { negated, any: false, expr: inner, pattern, escape_char } => {
                self.like(*negated, inner, pattern, escape_char.as_deref(), ("(lower(", "))"))
            }
            Expr::Exists { subquery, negated } => {
                self.push(if *negated { "NOT EXISTS (" } else { "EXISTS (" });
                self.query(subquery)?;
                self.push(")");
                Ok(())
            }
            Expr::Subquery(subquery) => {
                self.push("(");
                self.query(subquery)?;
                self.push(")");
                Ok(())
            }
            Expr::Tuple(items) if items.len() > 1 => {
                self.push("(");
                self.exprs(items)?;
                self.push(")");
                Ok(())
            }
            Expr::Case { case_token: _, end_token: _, operand, conditions, else_result } => {
                self.case(operand.as_deref(), conditions, else_result.as_deref())
            }
            Expr::Cast { kind: CastKind::Cast | CastKind::DoubleColon, expr: inner, data_type, format: None } => {
                self.cast(inner, data_type)
            }
            Expr::Substring { expr: inner, substring_from: Some(from), substring_for, special: _, shorthand: _ } => {
                self.calculation(|printer| {
                    printer.push("substr(");
                    printer.expr(inner)?;
                    printer.push(", ");
                    printer.expr(from)?;
                    printer.optional(", ", substring_for.as_deref())?;
                    printer.push(")");
                    Ok(())
                })
            }
            Expr::Trim { trim_where, trim_what, expr: inner, trim_characters: None } => self.calculation(|printer| {
                printer.push(match trim_where {
                    None | Some(TrimWhereField::Both) => "trim(",
                    Some(TrimWhereField::Leading) => "ltrim(",
                    Some(TrimWhereField::Trailing) => "rtrim(",
                });
                printer.expr(inner)?;
                printer.optional(", ", trim_what.as_deref())?;
                printer.push(")");
                Ok(())
            }),
            Expr::Function(function) => self.function(function),
            // Every other kind, those of later versions of the parser included.
            other => refused(other, NOT_SHARED),
        }
    }

    pub fn optional(&mut self, before: &str, expr: Option<&Expr>) -> Printed {
        match expr {
            None => Ok(()),
            Some(expr) => {
                self.push(before);
                self.expr(expr)
            }
        }
    }

    fn value(&mut self, value: &Value) -> Printed {
        match value {
            Value::Null => self.push("NULL"),
            Value::Boolean(true) => self.push("TRUE"),
            Value::Boolean(false) => self.push("FALSE"),
            Value::SingleQuotedString(text) => self.text(text),
            Value::Placeholder(name) => return self.parameter(name),
            Value::Number(digits, false) if is_number(digits) => self.push(digits),
            other => {
                return refused(other, "literals are numbers, 'text', TRUE, FALSE and NULL; pass others as parameters");
            }
        }
        Ok(())
    }

    fn unary(&mut self, op: &UnaryOperator, inner: &Expr) -> Printed {
        let operator = match op {
            UnaryOperator::Minus => "-",
            UnaryOperator::Plus => "+",
            UnaryOperator::Not => "NOT ",
            other => return refused(other, NOT_SHARED),
        };
        let print = |printer: &mut Self| {
            printer.push(operator);
            printer.operand(inner)
        };
        match (op, inner) {
            (UnaryOperator::Minus, Expr::Value(_)) | (UnaryOperator::Not, _) => print(self),
            _ => self.calculation(print),
        }
    }

    fn binary(&mut self, left: &Expr, op: &BinaryOperator, right: &Expr) -> Printed {
        let operator = match op {
            BinaryOperator::Plus => "+",
            BinaryOperator::Minus => "-",
            BinaryOperator::Multiply => "*",
            BinaryOperator::Divide => "/",
            BinaryOperator::Modulo => "%",
            BinaryOperator::StringConcat => "||",
            BinaryOperator::Gt => ">",
            BinaryOperator::Lt => "<",
            BinaryOperator::GtEq => ">=",
            BinaryOperator::LtEq => "<=",
            BinaryOperator::Eq => "=",
            BinaryOperator::NotEq => "<>",
            BinaryOperator::And => "AND",
            BinaryOperator::Or => "OR",
            other => return refused(other, NOT_SHARED),
        };
        match op {
            BinaryOperator::Plus
            | BinaryOperator::Minus
            | BinaryOperator::Multiply
            | BinaryOperator::Divide
            | BinaryOperator::Modulo
            | BinaryOperator::StringConcat => self.calculation(|printer| printer.infix(left, operator, right)),
            // A row of (a, b) compares with another; nothing else is done with one.
            _ => self.infix(left, operator, right),
        }
    }

    fn is_in(&mut self, inner: &Expr, negated: bool) -> Printed {
        self.operand(inner)?;
        self.push(if negated { " NOT IN (" } else { " IN (" });
        Ok(())
    }

    /// PostgreSQL escapes with a backslash unless told otherwise; SQLite is told so. Without ESCAPE it is SQLite's own
    /// LIKE, which finds a prefix in an index, and would take too long for anything else.
    fn like(
        &mut self,
        negated: bool,
        inner: &Expr,
        pattern: &Expr,
        escape: Option<&Expr>,
        fold: (&str, &str),
    ) -> Printed {
        // Matching long texts is work for a thread of its own.
        self.inline = false;
        let is_plain = fold.0 == "(" && is_prefix(pattern) && escape.is_none();
        for (part, before) in [(inner, ""), (pattern, if negated { " NOT LIKE " } else { " LIKE " })] {
            self.push(before);
            self.push(fold.0);
            self.expr(part)?;
            self.push(fold.1);
        }
        if is_plain {
            return Ok(());
        }
        self.push(" ESCAPE ");
        match escape {
            None => self.text("\\"),
            Some(Expr::Value(value)) => match &value.value {
                Value::SingleQuotedString(text) if text.chars().count() == 1 => self.text(text),
                other => return refused(other, "ESCAPE takes one character in quotes"),
            },
            Some(other) => return refused(other, "ESCAPE takes one character in quotes"),
        }
        Ok(())
    }

    fn case(&mut self, operand: Option<&Expr>, conditions: &[CaseWhen], otherwise: Option<&Expr>) -> Printed {
        if let (None, [CaseWhen { condition, result }], None) = (operand, conditions, otherwise)
            && is_one(condition)
        {
            // A look that stands there already.
            return self.look(|printer| {
                printer.looked = true;
                printer.expr(result)?;
                printer.looked = false;
                Ok(())
            });
        }
        self.push("CASE");
        self.optional(" ", operand)?;
        for CaseWhen { condition, result } in conditions {
            self.push(" WHEN ");
            self.expr(condition)?;
            self.push(" THEN ");
            self.expr(result)?;
        }
        self.optional(" ELSE ", otherwise)?;
        self.push(" END");
        Ok(())
    }

    fn cast(&mut self, inner: &Expr, data_type: &DataType) -> Printed {
        let target = names::column_type(data_type)?;
        if target.sqlite == "BOOLEAN" || target.length.is_some() {
            return refused(data_type, "cast to TEXT, an integer, REAL, DOUBLE PRECISION or BLOB");
        }
        self.push("CAST(");
        // Around what is cast, because a CASE has no type.
        self.looked = is_look(inner);
        self.calculation(|printer| printer.expr(inner))?;
        self.push(" AS ");
        self.push(target.sqlite);
        self.push(")");
        Ok(())
    }
}

/// Whether a look is all there is.
fn is_look(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) => is_look(inner),
        Expr::Case { operand: None, conditions, else_result: None, .. } => {
            matches!(conditions.as_slice(), [CaseWhen { condition, .. }] if is_one(condition))
        }
        _ => false,
    }
}

/// Whether a condition is the one of a look, [`Printer::calculation`].
fn is_one(condition: &Expr) -> bool {
    matches!(condition, Expr::Value(value) if matches!(&value.value, Value::Number(digits, false) if digits == "1"))
}

/// Whether a pattern asks for texts that begin with what it says, such as `abc%`, which takes no time to find out.
fn is_prefix(pattern: &Expr) -> bool {
    match pattern {
        Expr::Nested(inner) => is_prefix(inner),
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => {
                let prefix = text.strip_suffix('%').unwrap_or_default();
                !prefix.is_empty() && !prefix.contains(['%', '_', '\\', '\0'])
            }
            _ => false,
        },
        _ => false,
    }
}

/// Whether a printed expression ends where it begins: nothing beside it can bind to a part of it.
fn is_atom(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) => is_atom(inner),
        Expr::Identifier(_)
        | Expr::CompoundIdentifier(_)
        | Expr::Value(_)
        | Expr::Function(_)
        | Expr::Case { .. }
        | Expr::Cast { .. }
        | Expr::Subquery(_)
        | Expr::Tuple(_)
        | Expr::Substring { .. }
        | Expr::Trim { .. } => true,
        _ => false,
    }
}

/// `12`, `1.5`, `.5`, `1e-3`: not hexadecimal, and no integer that SQLite would quietly turn into a real.
fn is_number(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(exponent) = exponent {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if exponent.is_empty() || !digits(exponent) {
            return false;
        }
    }
    match mantissa.split_once('.') {
        Some((whole, part)) => digits(whole) && digits(part) && mantissa.len() > 1,
        None if exponent.is_some() => !mantissa.is_empty() && digits(mantissa),
        None => digits(mantissa) && mantissa.parse::<u64>().is_ok_and(|number| number <= 1 << 63),
    }
}

/// The literals a column may default to: constants, so that they mean the same at any time.
pub(super) fn is_constant(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) => is_constant(inner),
        Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } => {
            matches!(&**expr, Expr::Value(value) if matches!(value.value, Value::Number(..)))
        }
        Expr::Value(value) => !matches!(value.value, Value::Placeholder(_)),
        _ => false,
    }
}
