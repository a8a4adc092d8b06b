//! Three gets to each put, of objects of several sizes.

use std::sync::Arc;

use async_trait::async_trait;

use super::objects::{Get, Put};
use crate::content::mix;
use crate::error::Result;
use crate::http::Connection;
use crate::target::Target;
use crate::work::Work;

/// 75 % GET, 25 % PUT; of ten objects six have 4 KiB, three 128 KiB, one 1 MiB.
pub(crate) struct Mixed {
    /// The objects that are read and replaced.
    pub sizes: [Get; 3],
}

#[async_trait]
impl Work for Mixed {
    async fn prepare(&self, target: &Arc<Target>) -> Result<()> {
        for get in &self.sizes {
            get.prepare(target).await?;
        }
        Ok(())
    }

    async fn run(&self, target: &Target, connection: &mut Connection, turn: u64) -> Result<u64> {
        let dice = mix(turn ^ 0x6d69_7865);
        let get = match dice % 10 {
            0..6 => &self.sizes[0],
            6..9 => &self.sizes[1],
            _ => &self.sizes[2],
        };
        if (dice >> 32).is_multiple_of(4) {
            // after those that are read
            Put::run(&get.of, target, connection, get.count + turn).await
        } else {
            get.run(target, connection, turn).await
        }
    }
}
