//! Listing: index ranges, and one recursive query that skips each rolled-up prefix. The cost of a page depends on its
//! entries only. A range has one lower bound: of two, SQLite would use only the first and scan everything before the
//! second.

use sqlx::any::AnyRow;
use zot_core::object_key::{LAST, NEXT};
use zot_domain::bucket::list::rolled_up;
use zot_domain::ports::objects::{Entry, ListQuery, ObjectVersion, VersionsQuery};
use zot_domain::{Error, Result};

use super::read::{version_blob, version_columns};
use crate::error::TxError;
use crate::pool::Store;
use crate::row::{Row, column};
use crate::sql::statements;

statements! {
    LIST_FLAT = concat!("SELECT ", version_columns!(), " FROM object_head h
        JOIN object_version v ON v.ns = h.ns AND v.key = h.key AND v.seq = h.seq ", version_blob!(), "
        WHERE h.ns = (SELECT id FROM namespace WHERE name = $1) AND h.live = 1
            AND h.key >= $2 AND h.key < $3
        ORDER BY h.key LIMIT $4");
    /// `entry` is a key, or a prefix if the delimiter is found after the listing's prefix (at character $5). In the
    /// first row it is where the page begins.
    LIST_ROLLED_UP = concat!("WITH RECURSIVE walk(entry, n) AS (
            SELECT CAST(CAST($4 AS TEXT) AS c_text), CAST(0 AS BIGINT)
            UNION ALL
            SELECT CAST((SELECT CASE WHEN instr(SUBSTR(k.key, $5), $6) > 0
                    THEN SUBSTR(k.key, 1, $5 - 1 + CAST(instr(SUBSTR(k.key, $5), $6) AS INTEGER) + LENGTH($6) - 1)
                    ELSE k.key END
                FROM object_head k
                WHERE k.ns = (SELECT id FROM namespace WHERE name = $1) AND k.live = 1 AND k.key < $3
                    AND k.key >= CASE WHEN walk.n = 0 THEN walk.entry
                        WHEN instr(SUBSTR(walk.entry, $5), $6) > 0 THEN CAST(walk.entry || $7 AS c_text)
                        ELSE CAST(walk.entry || $2 AS c_text) END
                ORDER BY k.key LIMIT 1) AS c_text), walk.n + 1
            FROM walk WHERE walk.entry IS NOT NULL AND walk.n < $8)
        SELECT ", version_columns!(), ", CAST(walk.entry AS TEXT) AS entry FROM walk
        LEFT JOIN object_head h ON h.ns = (SELECT id FROM namespace WHERE name = $1) AND h.key = walk.entry
            AND instr(SUBSTR(walk.entry, $5), $6) = 0
        LEFT JOIN object_version v ON v.ns = h.ns AND v.key = h.key AND v.seq = h.seq ", version_blob!(), "
        WHERE walk.n > 0 AND walk.entry IS NOT NULL ORDER BY walk.n");
    LIST_VERSIONS = concat!("SELECT ", version_columns!(), " FROM object_version v
        JOIN object_head h ON h.ns = v.ns AND h.key = v.key ", version_blob!(), "
        WHERE v.ns = (SELECT id FROM namespace WHERE name = $1) AND v.key >= $2 AND v.key < $3
            AND (v.key > $4 OR v.seq < $5)
        ORDER BY v.key, v.seq DESC LIMIT $6");
}

/// The least key that a page can have.
fn first(prefix: &str, after: &str) -> String {
    format!("{after}{NEXT}").max(prefix.to_owned())
}

impl Store {
    pub(super) async fn read_list(&self, query: ListQuery<'_>) -> Result<Vec<Entry>> {
        match query.delimiter.filter(|delimiter| !delimiter.is_empty()) {
            None => self.list_flat(query).await,
            Some(delimiter) => self.list_rolled_up(query.clone(), delimiter).await,
        }
    }

    async fn list_flat(&self, query: ListQuery<'_>) -> Result<Vec<Entry>> {
        let list = LIST_FLAT.on(self.dialect).bind(query.bucket.to_owned()).bind(first(query.prefix, query.after));
        let list = list.bind(format!("{}{LAST}", query.prefix));
        let versions = self.all(list.bind(i64::from(query.limit))).await?;
        Ok(versions.into_iter().map(|version| Entry::Object(Box::new(version))).collect())
    }

    async fn list_rolled_up(&self, query: ListQuery<'_>, delimiter: &str) -> Result<Vec<Entry>> {
        let behind_prefix = i32::try_from(query.prefix.chars().count() + 1).unwrap_or(i32::MAX);
        let list = LIST_ROLLED_UP.on(self.dialect).bind(query.bucket.to_owned()).bind(NEXT.to_string());
        let begin = first(query.prefix, query.after);
        let list = list.bind(format!("{}{LAST}", query.prefix)).bind(begin).bind(behind_prefix);
        let list = list.bind(delimiter.to_owned()).bind(LAST.to_string()).bind(i64::from(query.limit));
        let rows: Vec<Walked> = self.all(list).await?;
        let malformed = || Error::Internal("an object is listed without its version".to_owned());
        let entry = |Walked { entry, version }| match (rolled_up(query.prefix, Some(delimiter), &entry), version) {
            (Some(prefix), _) => Ok(Entry::Prefix(prefix)),
            (None, Some(version)) => Ok(Entry::Object(Box::new(version))),
            (None, None) => Err(malformed()),
        };
        rows.into_iter().map(entry).collect()
    }

    pub(super) async fn read_versions(&self, query: VersionsQuery<'_>) -> Result<Vec<ObjectVersion>> {
        let begin = query.prefix.max(query.after_key).to_owned();
        let list = LIST_VERSIONS.on(self.dialect).bind(query.bucket.to_owned()).bind(begin);
        let list = list.bind(format!("{}{LAST}", query.prefix)).bind(query.after_key.to_owned());
        // no version: all versions of that key are skipped
        let list = list.bind(query.after_seq.unwrap_or(0)).bind(i64::from(query.limit));
        self.all(list).await
    }
}

/// A key, or a rolled-up prefix, which has no version.
struct Walked {
    entry: String,
    version: Option<ObjectVersion>,
}

impl Row for Walked {
    fn read(row: &AnyRow) -> Result<Self, TxError> {
        let version = column::<Option<String>>(row, "key")?.map(|_| ObjectVersion::read(row)).transpose()?;
        Ok(Self { entry: column(row, "entry")?, version })
    }
}
