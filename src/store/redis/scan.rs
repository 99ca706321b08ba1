//! [`Walk`]: through all that lies in Redis.

use std::sync::Arc;

use super::connect::url::Place;
use super::supervisor::Access;
use super::{Open, Redis, Unavailable};
use crate::model::AvatarId;

/// Walks over the entries in Redis, node by node; each is seen at least once if it stays all the while.
pub struct Walk {
    open: Option<Arc<Open>>,
    /// The nodes that are left, the one it is at last; `None` = not begun.
    nodes: Option<Vec<Option<Place>>>,
    cursor: u64,
}

impl Walk {
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
    /// A walk over all entries.
    pub fn scan(&self) -> Walk {
        Walk { open: self.open.clone(), nodes: None, cursor: 0 }
    }
}
