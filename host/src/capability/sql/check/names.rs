//! The lists: functions, types and names that plugins may and may not use.

use super::SqlError;
use sqlparser::ast::{CharacterLength, DataType, ExactNumberInfo};

/// What kind of call a function may be used in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Scalar,
    /// Aggregate, and with OVER a window function; may take DISTINCT and FILTER.
    Aggregate,
    /// Only with OVER.
    Window,
}

/// Functions that exist in SQLite and PostgreSQL 15 with the same meaning: name, fewest and most arguments, use.
///
/// Each takes time in proportion to its arguments: SQLite stops a statement only between two calls. Those of which
/// SQLite's own take more are in `functions.rs`.
///
/// `min` and `max` of several arguments are SQLite's own; `substr` and `trim` come as expressions of their own as well.
const FUNCTIONS: &[(&str, usize, usize, Use)] = &[
    ("abs", 1, 1, Use::Scalar),
    ("coalesce", 2, 100, Use::Scalar),
    ("length", 1, 1, Use::Scalar),
    ("lower", 1, 1, Use::Scalar),
    ("ltrim", 1, 2, Use::Scalar),
    ("nullif", 2, 2, Use::Scalar),
    ("replace", 3, 3, Use::Scalar),
    ("round", 1, 2, Use::Scalar),
    ("rtrim", 1, 2, Use::Scalar),
    ("sign", 1, 1, Use::Scalar),
    ("upper", 1, 1, Use::Scalar),
    ("avg", 1, 1, Use::Aggregate),
    ("count", 1, 1, Use::Aggregate),
    ("max", 1, 1, Use::Aggregate),
    ("min", 1, 1, Use::Aggregate),
    ("string_agg", 2, 2, Use::Aggregate),
    ("sum", 1, 1, Use::Aggregate),
    ("cume_dist", 0, 0, Use::Window),
    ("dense_rank", 0, 0, Use::Window),
    ("first_value", 1, 1, Use::Window),
    ("lag", 1, 3, Use::Window),
    ("last_value", 1, 1, Use::Window),
    ("lead", 1, 3, Use::Window),
    ("nth_value", 2, 2, Use::Window),
    ("ntile", 1, 1, Use::Window),
    ("percent_rank", 0, 0, Use::Window),
    ("rank", 0, 0, Use::Window),
    ("row_number", 0, 0, Use::Window),
];

/// What the authorizer lets a printed statement call. `like` stands behind the LIKE operator; `like`, `replace`,
/// `trim`, `ltrim` and `rtrim` are the host's own.
pub(in super::super) const SQLITE_FUNCTIONS: &[&str] = &[
    "abs",
    "avg",
    "coalesce",
    "count",
    "cume_dist",
    "dense_rank",
    "first_value",
    "lag",
    "last_value",
    "lead",
    "length",
    "like",
    "lower",
    "ltrim",
    "max",
    "min",
    "nth_value",
    "ntile",
    "nullif",
    "percent_rank",
    "rank",
    "replace",
    "round",
    "row_number",
    "rtrim",
    "sign",
    "string_agg",
    "substr",
    "sum",
    "trim",
    "upper",
];

/// Finds an allowed function, or says why it is none.
pub(super) fn function(name: &str, arguments: usize) -> Result<Use, SqlError> {
    let Some(&(_, fewest, most, usage)) = FUNCTIONS.iter().find(|known| known.0 == name) else {
        return Err(SqlError::denied(
            format!("function {name}"),
            "it is not on the list of functions that SQLite and PostgreSQL share",
        ));
    };
    if arguments < fewest || arguments > most {
        return Err(SqlError::denied(
            format!("function {name} with {arguments} arguments"),
            format!("it takes {fewest} to {most}"),
        ));
    }
    Ok(usage)
}

/// Whether a table name belongs to SQLite, PostgreSQL or the host. Compared without case, quoted or not.
pub(in super::super) fn is_reserved(table: &str) -> bool {
    const PREFIXES: &[&str] = &["sqlite_", "pragma_", "pg_", "_tenon"];
    const TABLES: &[&str] = &["json_each", "json_tree", "dbstat", "information_schema"];
    let starts = |prefix: &&str| table.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    PREFIXES.iter().any(starts) || TABLES.iter().any(|name| table.eq_ignore_ascii_case(name))
}

/// Whether a column name means the row's place in the file, in either database.
pub(super) fn is_hidden_column(name: &str) -> bool {
    const HIDDEN: &[&str] = &["rowid", "oid", "_rowid_", "ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"];
    HIDDEN.iter().any(|hidden| name.eq_ignore_ascii_case(hidden))
}

/// An allowed column type.
pub(super) struct ColumnType {
    /// SQLite's spelling, which sets the affinity.
    pub sqlite: &'static str,
    /// Most characters, for VARCHAR(n).
    pub length: Option<u64>,
}

pub(super) fn column_type(data_type: &DataType) -> Result<ColumnType, SqlError> {
    let mut length = None;
    let sqlite = match data_type {
        DataType::Text => "TEXT",
        DataType::Varchar(limit) | DataType::CharacterVarying(limit) => {
            length = varchar(limit.as_ref())?;
            "TEXT"
        }
        DataType::SmallInt(None) => "SMALLINT",
        DataType::Integer(None) | DataType::Int(None) => "INTEGER",
        DataType::BigInt(None) => "BIGINT",
        DataType::Real => "REAL",
        DataType::DoublePrecision | DataType::Double(ExactNumberInfo::None) => "DOUBLE PRECISION",
        DataType::Boolean | DataType::Bool => "BOOLEAN",
        DataType::Blob(None) | DataType::Bytea => "BLOB",
        other => {
            return Err(SqlError::denied(
                format!("type {other}"),
                "use TEXT, VARCHAR(n), SMALLINT, INTEGER, BIGINT, REAL, DOUBLE PRECISION, BOOLEAN or BLOB; times as TEXT \
                 or BIGINT, money as BIGINT of the smallest unit",
            ));
        }
    };
    Ok(ColumnType { sqlite, length })
}

fn varchar(limit: Option<&CharacterLength>) -> Result<Option<u64>, SqlError> {
    match limit {
        None => Ok(None),
        Some(CharacterLength::IntegerLength { length, unit: None }) => Ok(Some(*length)),
        Some(other) => Err(SqlError::denied(format!("VARCHAR({other})"), "write VARCHAR(n)")),
    }
}
