//! Direct access to a store's rows and files: tests read, change and damage them, and let time pass.

use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Executor as _, Row as _};

use crate::backend::Storage;

/// The times that garbage collection compares with the current time.
const TIMES: [(&str, &str); 6] = [
    ("blob", "touched_at"),
    ("repo_blob", "touched_at"),
    ("gc_candidate", "due_at"),
    ("segment", "dead_at"),
    ("segment", "gone_at"),
    ("upload", "expires_at"),
];

impl Storage {
    /// Moves the times in the database's rows back by hours.
    pub async fn pass_hours(&self, hours: u64) {
        for (table, column) in TIMES {
            let micros = hours * 3_600_000_000;
            self.execute(&format!("UPDATE {table} SET {column} = {column} - {micros}")).await;
        }
    }

    /// Moves times back for rows that are seconds old. So garbage collection has work while requests run. Uploads do not
    /// expire by it.
    pub async fn pass_hours_for_what_is_old(&self, hours: u64) {
        let now = match self.database() {
            Some(_) => "now_us()",
            None => "CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
        };
        for (table, column) in TIMES.iter().filter(|(table, _)| *table != "upload") {
            let micros = hours * 3_600_000_000;
            let old = format!("{column} < {now} - 3000000");
            self.execute(&format!("UPDATE {table} SET {column} = {column} - {micros} WHERE {old}")).await;
        }
    }

    /// Runs a statement.
    pub async fn execute(&self, sql: &str) {
        let mut connection = self.connect().await;
        connection.execute(AssertSqlSafe(sql.to_owned())).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        connection.close().await.expect("closing the connection");
    }

    /// The first column of all rows, as text.
    pub async fn column(&self, sql: &str) -> Vec<String> {
        let mut connection = self.connect().await;
        let rows = sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_all(&mut connection).await;
        let rows = rows.unwrap_or_else(|error| panic!("{sql}: {error}"));
        connection.close().await.expect("closing the connection");
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// A number.
    pub async fn number(&self, sql: &str) -> i64 {
        let mut connection = self.connect().await;
        let row = sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_one(&mut connection).await;
        let row = row.unwrap_or_else(|error| panic!("{sql}: {error}"));
        connection.close().await.expect("closing the connection");
        row.get(0)
    }

    async fn connect(&self) -> AnyConnection {
        sqlx::any::install_default_drivers();
        let sqlite = || format!("sqlite:{}", self.root().join("metadata.db").display());
        let url = self.database().map_or_else(sqlite, ToOwned::to_owned);
        let mut connection = AnyConnection::connect(&url).await.expect("the store's database");
        if self.database().is_none() {
            connection.execute("PRAGMA busy_timeout = 30000").await.expect("a pragma");
        }
        connection
    }

    /// Paths of all files that the store has in blob storage, without its marker.
    pub async fn files(&self) -> Vec<String> {
        let mut files = match self.bucket() {
            Some(bucket) => bucket.keys().await,
            None => files_below(&self.root().join("blobs")),
        };
        files.retain(|path| !path.ends_with("/marker"));
        files.sort();
        files
    }

    /// The path of a segment in blob storage.
    pub async fn file_of(&self, key: &str) -> String {
        let id = self.column("SELECT store_id FROM store_info").await.remove(0);
        format!("{id}/{}/{key}", &key[key.len() - 2..])
    }

    /// Writes a file into blob storage, or replaces its bytes.
    pub async fn put_file(&self, path: &str, bytes: &[u8]) {
        match self.bucket() {
            Some(bucket) => bucket.put(path, bytes).await,
            None => {
                let file = self.root().join("blobs").join(path);
                std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
                std::fs::write(file, bytes).expect("writing into blob storage");
            }
        }
    }

    /// Deletes a file from blob storage.
    pub async fn delete_file(&self, path: &str) {
        match self.bucket() {
            Some(bucket) => bucket.delete(path).await,
            None => std::fs::remove_file(self.root().join("blobs").join(path)).expect("deleting from blob storage"),
        }
    }
}

fn files_below(root: &std::path::Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let path = path.strip_prefix(root).expect("below the root");
                found.push(path.to_string_lossy().into_owned());
            }
        }
    }
    found
}
