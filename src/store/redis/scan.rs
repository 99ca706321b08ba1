//! [`RedisScan`]: over all entries in Redis.

use std::sync::Arc;

use super::connect::url::Place;
use super::supervisor::Access;
use super::{Open, Redis, Unavailable};
use crate::model::AvatarId;

/// Goes over the entries in Redis, node by node. An entry that stays all the while comes at least once.
pub struct RedisScan {
    open: Option<Arc<Open>>,
    /// The nodes that are left, the current one last; `None` = not begun.
    nodes: Option<Vec<Option<Place>>>,
    cursor: u64,
}

impl RedisScan {
    pub(super) fn new(open: Option<Arc<Open>>) -> Self {
        Self { open, nodes: None, cursor: 0 }
    }

    /// The next page of ids, which may be empty; `None` at the end.
    ///
    /// # Errors
    /// As [`Redis::remove`].
    pub async fn page(&mut self) -> Result<Option<Vec<AvatarId>>, Unavailable> {
        let Some(open) = &self.open else { return Ok(None) };
        let connection = open.supervisor.connection()?;
        let nodes = match &mut self.nodes {
            Some(nodes) => nodes,
            None => {
                let nodes =
                    open.supervisor.ask(&mut open.unhurried(), Access::Any, connection.primaries()).await?;
                self.nodes.insert(nodes)
            }
        };
        let Some(node) = nodes.last() else { return Ok(None) };
        let pattern = open.keys.entries();
        let scan = connection.scan(node.as_ref(), self.cursor, &pattern);
        let (next, keys) = open.supervisor.ask(&mut open.unhurried(), Access::Any, scan).await?;
        self.cursor = next;
        if next == 0 {
            nodes.pop();
        }
        Ok(Some(keys.iter().filter_map(|key| open.keys.avatar(key)).collect()))
    }
}

impl Redis {
    /// A scan over all entries.
    pub fn scan(&self) -> RedisScan {
        RedisScan::new(self.open.clone())
    }
}
