//! The schema: migrations in two folders, run under the database's own lock, and the check of which servers can serve
//! it.
//!
//! Expand first, contract one release later: a schema names the oldest server that can serve it, so that replicas of
//! the previous release keep working during a rollout.

use std::borrow::Cow;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{FromRow as _, SqlSafeStr as _};

use crate::error::OpenError;
use crate::pool::Store;
use crate::sql::{Dialect, statements};

/// Schema version that this server was built for.
pub const SCHEMA_VERSION: i64 = 5;

statements! {
    SELECT_SCHEMA = "SELECT version, min_server FROM schema_info WHERE id = 1";
}

struct Step {
    version: i64,
    name: &'static str,
    postgres: &'static str,
    sqlite: &'static str,
}

const STEPS: [Step; 5] = [
    Step {
        version: 1,
        name: "store",
        postgres: include_str!("../migrations/postgres/0001_store.sql"),
        sqlite: include_str!("../migrations/sqlite/0001_store.sql"),
    },
    Step {
        version: 2,
        name: "objects",
        postgres: include_str!("../migrations/postgres/0002_objects.sql"),
        sqlite: include_str!("../migrations/sqlite/0002_objects.sql"),
    },
    Step {
        version: 3,
        name: "upkeep",
        postgres: include_str!("../migrations/postgres/0003_upkeep.sql"),
        sqlite: include_str!("../migrations/sqlite/0003_upkeep.sql"),
    },
    Step {
        version: 4,
        name: "access",
        postgres: include_str!("../migrations/postgres/0004_access.sql"),
        sqlite: include_str!("../migrations/sqlite/0004_access.sql"),
    },
    Step {
        version: 5,
        name: "manifests",
        postgres: include_str!("../migrations/postgres/0005_manifests.sql"),
        sqlite: include_str!("../migrations/sqlite/0005_manifests.sql"),
    },
];

impl Store {
    /// Migrates the schema. Replicas that start together wait for one of them.
    ///
    /// # Errors
    /// [`OpenError::Migrate`], and as [`Store::check_schema`].
    pub async fn migrate(&self) -> Result<(), OpenError> {
        let steps = STEPS.iter().map(|step| {
            let text = match self.dialect {
                Dialect::Postgres => step.postgres,
                Dialect::Sqlite => step.sqlite,
            };
            Migration::new(step.version, Cow::Borrowed(step.name), MigrationType::Simple, text.into_sql_str(), false)
        });
        let mut migrator = Migrator::with_migrations(steps.collect());
        // min_server decides about a newer schema below, so it is not refused here
        migrator.set_ignore_missing(true);
        migrator.run(&self.pool).await?;
        self.check_schema().await
    }

    /// Checks that this server can serve the schema.
    ///
    /// # Errors
    /// [`OpenError::TooNew`], [`OpenError::TooOld`], [`OpenError::Database`].
    pub async fn check_schema(&self) -> Result<(), OpenError> {
        let row = SELECT_SCHEMA.on(self.dialect).fetch_one(&self.pool).await?;
        let (schema, min_server) = <(i64, i64)>::from_row(&row)?;
        if min_server > SCHEMA_VERSION {
            return Err(OpenError::TooNew { schema, min_server, ours: SCHEMA_VERSION });
        }
        if schema < SCHEMA_VERSION {
            return Err(OpenError::TooOld { schema, ours: SCHEMA_VERSION });
        }
        Ok(())
    }
}
