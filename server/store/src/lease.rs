//! Leases, passes and holds: which replica does background work, where it continues, and what pauses it. A lease only
//! saves work; no rule depends on it.

use async_trait::async_trait;
use zot_domain::Result;
use zot_domain::disk_reserve::Demand;
use zot_domain::ports::upkeep::Hold;

use crate::error::TxError;
use crate::pool::Store;
use crate::row::rows;
use crate::sql::statements;
use crate::tx::{Tx, Write};

statements! {
    /// An expiry more than an hour ahead comes from a wrong clock.
    TAKE_LEASE = "INSERT INTO lease (name, holder, until_at, fence) VALUES ($3, $1, now_us() + $2 * 1000000, 1)
        ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until_at = excluded.until_at, fence = lease.fence + 1
        WHERE lease.until_at < now_us() OR lease.until_at > now_us() + 3600000000 OR lease.holder = excluded.holder RETURNING fence";
    /// Only as it was taken: a lease that was taken again meanwhile stays.
    RELEASE_LEASE = "UPDATE lease SET until_at = 0 WHERE name = $1 AND holder = $2 AND fence = $3";
    SELECT_PLACE = "SELECT place FROM pass WHERE name = $1";
    SET_PLACE = "INSERT INTO pass (name, place) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET place = excluded.place";
    SELECT_HOLDS = "SELECT id, until_at AS until FROM gc_hold WHERE until_at > now_us() ORDER BY until_at DESC, id";
    SET_HOLD = "INSERT INTO gc_hold (id, until_at) VALUES ($1, now_us() + $2 * 1000000)
        ON CONFLICT (id) DO UPDATE SET until_at = excluded.until_at";
    END_HOLD = "UPDATE gc_hold SET until_at = 0 WHERE id = $1 AND until_at > now_us()";
}

impl Store {
    pub(crate) async fn take_lease(&self, name: &'static str, holder: &str, lease_secs: i64) -> Result<Option<i64>> {
        self.write(TakeLease { name, holder: holder.to_owned(), lease_secs }).await
    }

    pub(crate) async fn release_lease(&self, name: &'static str, holder: &str, fence: i64) -> Result<()> {
        self.write(ReleaseLease { name, holder: holder.to_owned(), fence }).await
    }

    pub(crate) async fn read_place(&self, pass: &'static str) -> Result<i64> {
        let place: Option<(i64,)> = self.optional(SELECT_PLACE.on(self.dialect).bind(pass)).await?;
        Ok(place.map_or(0, |(place,)| place))
    }

    pub(crate) async fn write_place(&self, pass: &'static str, place: i64) -> Result<()> {
        self.write(SetPlace { pass, place }).await
    }

    pub(crate) async fn read_holds(&self) -> Result<Vec<Hold>> {
        self.all(SELECT_HOLDS.on(self.dialect)).await
    }

    /// Whether a row changed; for an ended hold, whether it existed.
    pub(crate) async fn write_hold(&self, id: &str, secs: i64) -> Result<bool> {
        self.write(SetHold { id: id.to_owned(), secs }).await
    }
}

rows! { Hold { id, until } }

/// Takes or renews a lease.
struct TakeLease {
    name: &'static str,
    holder: String,
    lease_secs: i64,
}

struct ReleaseLease {
    name: &'static str,
    holder: String,
    fence: i64,
}

/// Stores the position of a pass.
struct SetPlace {
    pass: &'static str,
    place: i64,
}

/// Pauses deletion; 0 seconds ends the hold.
struct SetHold {
    id: String,
    secs: i64,
}

#[async_trait]
impl Write for TakeLease {
    type Output = Option<i64>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<i64>, TxError> {
        tx.number(tx.query(&TAKE_LEASE).bind(self.holder.clone()).bind(self.lease_secs).bind(self.name)).await
    }

    async fn committed(&self, _: &mut Tx<'_>) -> Result<Option<Option<i64>>, TxError> {
        // taking it again has no effect; the same goes for the writes below
        Ok(None)
    }

    fn demand(&self) -> Demand {
        Demand::Frees
    }
}

#[async_trait]
impl Write for ReleaseLease {
    type Output = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<(), TxError> {
        let release = tx.query(&RELEASE_LEASE).bind(self.name).bind(self.holder.clone());
        tx.execute(release.bind(self.fence)).await.map(drop)
    }

    async fn committed(&self, _: &mut Tx<'_>) -> Result<Option<()>, TxError> {
        Ok(None)
    }

    fn demand(&self) -> Demand {
        Demand::Frees
    }
}

#[async_trait]
impl Write for SetPlace {
    type Output = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<(), TxError> {
        tx.execute(tx.query(&SET_PLACE).bind(self.pass).bind(self.place)).await.map(drop)
    }

    async fn committed(&self, _: &mut Tx<'_>) -> Result<Option<()>, TxError> {
        Ok(None)
    }

    fn demand(&self) -> Demand {
        Demand::Frees
    }
}

#[async_trait]
impl Write for SetHold {
    type Output = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool, TxError> {
        let change = match self.secs {
            0 => tx.query(&END_HOLD).bind(self.id.clone()),
            secs => tx.query(&SET_HOLD).bind(self.id.clone()).bind(secs),
        };
        Ok(tx.execute(change).await? > 0)
    }

    async fn committed(&self, _: &mut Tx<'_>) -> Result<Option<bool>, TxError> {
        Ok(None)
    }

    fn demand(&self) -> Demand {
        Demand::Frees
    }
}
