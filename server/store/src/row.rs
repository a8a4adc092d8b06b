//! Rows as values. A column is read by its name, as the type that its value becomes. Short rows are tuples.
//!
//! This is not `sqlx::FromRow`: its derive would need copies of the domain's types, and the `Any` driver knows no
//! booleans, unsigned numbers or digests.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use sqlx::any::AnyRow;
use sqlx::{ColumnIndex, Row as _, ValueRef as _};
use zot_core::digest::Digest;
use zot_domain::Error;
use zot_domain::ports::blobs::SegmentKey;
use zot_domain::ports::metadata::Segment;

use crate::error::TxError;

pub(crate) trait Row: Sized {
    fn read(row: &AnyRow) -> Result<Self, TxError>;
}

pub(crate) trait Column: Sized {
    fn read(row: &AnyRow, column: impl ColumnIndex<AnyRow> + Copy) -> Result<Self, TxError>;
}

/// The column of that name.
pub(crate) fn column<T: Column>(row: &AnyRow, name: &str) -> Result<T, TxError> {
    T::read(row, name)
}

/// The JSON in the column of that name.
pub(crate) fn json<T: DeserializeOwned>(row: &AnyRow, name: &str) -> Result<T, TxError> {
    let text: String = row.try_get(name)?;
    let malformed = |error| Error::Internal(format!("column {name} of a row holds malformed JSON: {error}"));
    Ok(serde_json::from_str(&text).map_err(malformed)?)
}

/// Structs whose fields are columns of the same names.
macro_rules! rows {
    ($($name:ident { $($field:ident),* $(,)? })*) => {
        $(impl $crate::row::Row for $name {
            fn read(row: &sqlx::any::AnyRow) -> Result<Self, $crate::error::TxError> {
                Ok(Self { $($field: $crate::row::column(row, stringify!($field))?),* })
            }
        })*
    };
}
pub(crate) use rows;

/// The columns of a [`Segment`] `s`, renamed because its blob or object has a key and a size too.
macro_rules! segment_columns {
    () => {
        "s.key AS segment_key, s.start AS segment_start, s.size AS segment_size, s.sha256 AS segment_sha256"
    };
}
pub(crate) use segment_columns;

impl Row for Segment {
    fn read(row: &AnyRow) -> Result<Self, TxError> {
        Ok(Self {
            key: column(row, "segment_key")?,
            start: column(row, "segment_start")?,
            size: column(row, "segment_size")?,
            sha256: column(row, "segment_sha256")?,
        })
    }
}

/// A row of which only the existence or the number of affected rows counts.
impl Row for () {
    fn read(_: &AnyRow) -> Result<Self, TxError> {
        Ok(())
    }
}

macro_rules! tuples {
    ($(($($name:ident $index:literal),*))*) => {
        $(impl<$($name: Column),*> Row for ($($name,)*) {
            fn read(row: &AnyRow) -> Result<Self, TxError> {
                Ok(($($name::read(row, $index)?,)*))
            }
        })*
    };
}
tuples! { (A 0) (A 0, B 1) (A 0, B 1, C 2) (A 0, B 1, C 2, D 3) }

macro_rules! stored {
    ($($type:ty),*) => {
        $(impl Column for $type {
            fn read(row: &AnyRow, column: impl ColumnIndex<AnyRow> + Copy) -> Result<Self, TxError> {
                Ok(row.try_get(column)?)
            }
        })*
    };
}
stored!(i64, String, Vec<u8>);

macro_rules! parsed {
    ($($type:ty),*) => {
        $(impl Column for $type {
            fn read(row: &AnyRow, column: impl ColumnIndex<AnyRow> + Copy) -> Result<Self, TxError> {
                Ok(row.try_get::<String, _>(column)?.parse::<Self>()?)
            }
        })*
    };
}
parsed!(Digest, SegmentKey);

/// 0 or 1.
impl Column for bool {
    fn read(row: &AnyRow, column: impl ColumnIndex<AnyRow> + Copy) -> Result<Self, TxError> {
        Ok(row.try_get::<i64, _>(column)? != 0)
    }
}

/// A size, offset or count.
impl Column for u64 {
    fn read(row: &AnyRow, column: impl ColumnIndex<AnyRow> + Copy) -> Result<Self, TxError> {
        let value: i64 = row.try_get(column)?;
        Ok(Self::try_from(value).map_err(|_| Error::Internal(format!("a row holds the negative size {value}")))?)
    }
}

impl Column for Bytes {
    fn read(row: &AnyRow, column: impl ColumnIndex<AnyRow> + Copy) -> Result<Self, TxError> {
        Ok(row.try_get::<Vec<u8>, _>(column)?.into())
    }
}

impl<T: Column> Column for Option<T> {
    fn read(row: &AnyRow, column: impl ColumnIndex<AnyRow> + Copy) -> Result<Self, TxError> {
        if row.try_get_raw(column)?.is_null() { Ok(None) } else { T::read(row, column).map(Some) }
    }
}
