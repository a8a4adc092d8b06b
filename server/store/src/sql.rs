//! Statements: one text each, for Postgres and SQLite alike.
//!
//! Migrations create three functions in Postgres; for SQLite this file replaces them: `now_us()`, microseconds since
//! 1970 by the database's clock; `json_list(text)`, the elements of a JSON array as a column `value`; and
//! `json_text(text, '$.name')`, a field of a JSON object.

use std::sync::OnceLock;

use sqlx::Any;
use sqlx::any::AnyArguments;
use sqlx::query::Query;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Postgres 14 or newer.
    Postgres,
    Sqlite,
}

#[derive(Debug)]
pub struct Statement {
    pub name: &'static str,
    text: &'static str,
    sqlite: OnceLock<String>,
}

impl Statement {
    /// For [`statements!`](crate::sql::statements) only.
    pub const fn new(name: &'static str, text: &'static str) -> Self {
        Self { name, text, sqlite: OnceLock::new() }
    }

    /// The text for one database.
    pub fn text(&'static self, dialect: Dialect) -> &'static str {
        match dialect {
            Dialect::Postgres => self.text,
            Dialect::Sqlite => self.sqlite.get_or_init(|| {
                self.text
                    .replace("now_us()", "CAST(unixepoch('subsec') * 1000000 AS INTEGER)")
                    .replace("json_list(", "json_each(")
                    .replace("json_text(", "json_extract(")
            }),
        }
    }

    /// The statement, to bind its values to.
    pub(crate) fn on(&'static self, dialect: Dialect) -> Query<'static, Any, AnyArguments> {
        sqlx::query(self.text(dialect))
    }
}

/// Declares statements and lists them as `ALL`. The crate's root gathers the lists, so that a test can prepare every
/// statement on both databases.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $text:expr;)*) => {
        $($(#[$doc])* pub(crate) static $name: $crate::sql::Statement =
            $crate::sql::Statement::new(stringify!($name), $text);)*
        pub(crate) static ALL: &[&$crate::sql::Statement] = &[$(&$name),*];
    };
}
pub(crate) use statements;

/// A JSON array for `json_list`.
pub(crate) fn json_list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<_> = items.into_iter().map(|item| serde_json::Value::String(item.to_string())).collect();
    serde_json::Value::Array(items).to_string()
}
