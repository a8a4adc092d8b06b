//! The audit row of a write, and the usage that it booked. Only this file inserts those rows, in the write's
//! transaction.

use std::net::IpAddr;

use serde_json::Value;
use zot_domain::ports::metadata::Audit;

use super::Tx;
use crate::error::TxError;
use crate::sql::statements;

statements! {
    INSERT_CHANGE = "INSERT INTO change (request_id, at, actor, action, resource, outcome, request, address, method, user_agent,
            details)
        VALUES ($1, now_us(), $2, $3, $4, 'allowed', $5, $6, $7, $8, $9)";
    /// Waits for a transaction that is about to commit the same row: if no row is inserted, it exists.
    CLAIM_CHANGE = "INSERT INTO change (request_id, at, actor, action, resource, outcome)
        VALUES ($1, now_us(), $2, $3, $4, 'allowed') ON CONFLICT (request_id) DO NOTHING";
    INSERT_USAGE = "INSERT INTO usage_delta (ns, bytes) VALUES ($1, $2)";
}

/// The audit row and details of a write.
pub(crate) struct Recorded<'a> {
    /// Its row's key ensures that a write happens once.
    pub audit: &'a Audit,
    /// More about the write, as a JSON object.
    pub details: Option<Value>,
}

impl<'a> From<&'a Audit> for Recorded<'a> {
    fn from(audit: &'a Audit) -> Self {
        Self { audit, details: None }
    }
}

impl Tx<'_> {
    /// Adds to the bytes that a namespace uses. [`Tx::record`] inserts the row, or the end of the write.
    pub(crate) fn book(&mut self, ns: i64, bytes: i64) {
        *self.booked.entry(ns).or_default() += bytes;
    }

    /// Records the write. Called as late as possible, because it locks rows.
    pub(crate) async fn record<'a>(&mut self, write: impl Into<Recorded<'a>>) -> Result<(), TxError> {
        let Recorded { audit, details } = write.into();
        let query = self.query(&INSERT_CHANGE).bind(audit.request_id.to_string()).bind(audit.actor.clone());
        let query = query.bind(audit.action.as_str()).bind(audit.resource.clone()).bind(audit.request.to_string());
        let query = query.bind(address(audit.origin.address)).bind(audit.agent.method);
        let query = query.bind(audit.agent.user_agent().to_owned());
        self.execute(query.bind(details.map(|details| details.to_string()).unwrap_or_default())).await?;
        self.settle().await
    }

    /// Inserts the booked usage that is not inserted yet, in the order of namespaces.
    pub(super) async fn settle(&mut self) -> Result<(), TxError> {
        for (ns, bytes) in std::mem::take(&mut self.booked) {
            if bytes != 0 {
                self.execute(self.query(&INSERT_USAGE).bind(ns).bind(bytes)).await?;
            }
        }
        Ok(())
    }

    /// Whether the write with this audit row was committed. Waits for a running commit.
    pub(crate) async fn recorded(&mut self, audit: &Audit) -> Result<bool, TxError> {
        let query = self.query(&CLAIM_CHANGE).bind(audit.request_id.to_string()).bind(audit.actor.clone());
        Ok(self.execute(query.bind(audit.action.as_str()).bind(audit.resource.clone())).await? == 0)
    }
}

/// An address as rows spell it: an IPv4 address that came over IPv6 is written as IPv4.
pub(crate) fn address(address: Option<IpAddr>) -> String {
    address.map(|address| address.to_canonical().to_string()).unwrap_or_default()
}
