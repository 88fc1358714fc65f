//! From text to trees.
//!
//! Bound: the parser's recursion is limited, and it runs on a stack of its own. A host function runs on the small stack
//! of a wasm fiber, and sqlparser's and its trees' destructors recurse; the stack's size here is known and enough for
//! the longest chain of operators that [`TOKENS`] allows.

use super::{Purpose, SqlError};
use sqlparser::{
    ast::Statement,
    dialect::Dialect,
    parser::{Parser, ParserError},
    tokenizer::{Token, TokenWithSpan, Tokenizer},
};
use std::collections::BTreeSet;

/// Memory of the parsing thread. Only the pages touched are ever backed.
const STACK_BYTES: usize = 32 << 20;
/// Most tokens of one statement: bounds the depth of a left-leaning tree, and with it the stack.
const TOKENS: usize = 20_000;
/// Nesting of expressions and queries in the parser.
const RECURSION: usize = 48;

/// SQL that both databases read alike. All of the trait's extras are left off, except the two named here.
#[derive(Debug)]
struct Portable;

impl Dialect for Portable {
    fn is_identifier_start(&self, ch: char) -> bool {
        ch.is_ascii_alphabetic() || ch == '_'
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        ch.is_ascii_alphanumeric() || ch == '_'
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        ch == '"'
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }

    fn supports_dollar_placeholder(&self) -> bool {
        true
    }
}

pub(super) fn on_own_stack<T: Send>(work: impl FnOnce() -> Result<T, SqlError> + Send) -> Result<T, SqlError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("sql-check".into())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, work)
            .map_err(|_| SqlError::unavailable("no thread to read the statement; try again"))?;
        thread.join().unwrap_or_else(|_| Err(SqlError::unavailable("the statement could not be read")))
    })
}

/// A statement's tree, and the words it was written with.
#[derive(Debug)]
pub(super) struct Parsed {
    pub statement: Statement,
    words: BTreeSet<String>,
}

/// Parses every statement of `sql`.
pub(super) fn statements(sql: &str, purpose: Purpose) -> Result<Vec<Parsed>, SqlError> {
    if sql.contains('\0') {
        return Err(syntax("a NUL character in the statement"));
    }
    let tokens = Tokenizer::new(&Portable, sql)
        .tokenize_with_location()
        .map_err(|error| at(&error.message, error.location.line, error.location.column))?;
    let mut statements = Vec::new();
    for tokens in tokens.split(|token| token.token == Token::SemiColon) {
        let Some(first) = tokens.iter().find(|token| !matches!(token.token, Token::Whitespace(_))) else {
            continue;
        };
        known_verb(&first.token, purpose)?;
        statements.push(Parsed { statement: one(tokens)?, words: words(tokens.iter().map(|token| &token.token)) });
    }
    Ok(statements)
}

fn one(tokens: &[TokenWithSpan]) -> Result<Statement, SqlError> {
    if tokens.len() > TOKENS {
        return Err(SqlError::Quota(format!("statement tokens: at most {TOKENS}; split the statement")));
    }
    if let Some([number, word]) = tokens.array_windows().find(|pair| is_number_and_word(pair)) {
        let start = number.span.start;
        return Err(at(&format!("{} directly after a number", word.token), start.line, start.column));
    }
    let mut parser = Parser::new(&Portable).with_recursion_limit(RECURSION).with_tokens_with_locations(tokens.to_vec());
    let statement = parser.parse_statement().map_err(from_parser)?;
    match &parser.peek_token_ref().token {
        Token::EOF => Ok(statement),
        other => {
            let start = parser.peek_token_ref().span.start;
            Err(at(&format!("expected the end of the statement, found {other}"), start.line, start.column))
        }
    }
}

/// `1_000` and `1a`, which would read as a number and its alias.
fn is_number_and_word(pair: &[TokenWithSpan; 2]) -> bool {
    matches!((&pair[0].token, &pair[1].token), (Token::Number(..), Token::Word(_)))
}

fn words<'a>(tokens: impl Iterator<Item = &'a Token>) -> BTreeSet<String> {
    tokens
        .filter_map(|token| match token {
            Token::Word(word) => Some(word.value.to_ascii_lowercase()),
            _ => None,
        })
        .collect()
}

impl Parsed {
    /// Refuses a statement of which a word got lost.
    ///
    /// sqlparser swallows some clauses of other dialects without a trace in the tree (AUTOINCREMENT, SRID, IDENTITY …).
    /// That is no way out, for only the tree is printed, but it would change a statement's meaning silently.
    pub fn nothing_lost(&self, printed: &str) -> Result<(), SqlError> {
        const NOISE: &[&str] = &[
            "all",
            "as",
            "asc",
            "column",
            "distinct",
            "inner",
            "null",
            "outer", // say what holds anyway
            "bool",
            "bytea",
            "character",
            "int",
            "varchar",
            "varying", // types by another name
            "both",
            "for",
            "from",
            "ilike",
            "leading",
            "substring",
            "trailing",
            "trim", // functions by another name
        ];
        const IDENTITY: &[&str] = &["bigint", "by", "default", "generated", "identity", "not"];
        let tokens = Tokenizer::new(&Portable, printed)
            .tokenize()
            .map_err(|_| SqlError::unavailable("a printed statement cannot be read"))?;
        let kept = words(tokens.iter());
        let known = |word: &str| NOISE.contains(&word) || (kept.contains("autoincrement") && IDENTITY.contains(&word));
        match self.words.difference(&kept).find(|word| !known(word)) {
            None => Ok(()),
            Some(lost) => Err(SqlError::denied(lost.to_uppercase(), "it means nothing in this place")),
        }
    }
}

/// Refuses by its first word what no plugin may do, so that it reads "denied" rather than "syntax".
fn known_verb(first: &Token, purpose: Purpose) -> Result<(), SqlError> {
    let verb = first.to_string().to_ascii_uppercase();
    let why = match (verb.as_str(), purpose) {
        ("SELECT" | "WITH" | "VALUES" | "INSERT" | "UPDATE" | "DELETE" | "(", _) => return Ok(()),
        ("CREATE" | "ALTER" | "DROP", Purpose::Migration) => return Ok(()),
        ("CREATE" | "ALTER" | "DROP", Purpose::Plugin) => "the schema changes only in migrations",
        ("BEGIN" | "START" | "COMMIT" | "END" | "ROLLBACK" | "SAVEPOINT" | "RELEASE", _) => {
            "use the transaction resource"
        }
        _ => "the statements are SELECT, INSERT, UPDATE and DELETE",
    };
    match first {
        Token::Word(_) => Err(SqlError::denied(verb, why)),
        other => Err(syntax(&format!("a statement cannot begin with {other}"))),
    }
}

fn from_parser(error: ParserError) -> SqlError {
    match error {
        ParserError::RecursionLimitExceeded => {
            SqlError::denied("nesting", "expressions or queries are nested too deep; flatten them")
        }
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => {
            let Some((text, place)) = message.rsplit_once(" at Line: ") else {
                return syntax(&message);
            };
            let (line, column) = place.split_once(", Column: ").unwrap_or((place, ""));
            at(text, line.parse().unwrap_or(0), column.parse().unwrap_or(0))
        }
    }
}

fn syntax(message: &str) -> SqlError {
    at(message, 0, 0)
}

fn at(message: &str, line: u64, column: u64) -> SqlError {
    // A message quotes the offending token, which can be as long as the statement.
    let mut message = message.to_owned();
    if message.len() > 200 {
        message.truncate(message.floor_char_boundary(200));
        message.push('…');
    }
    SqlError::Syntax { message, line: line.try_into().unwrap_or(0), column: column.try_into().unwrap_or(0) }
}
