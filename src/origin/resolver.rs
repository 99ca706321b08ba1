//! [`Resolver`]: resolves names and checks their addresses before they are dialled.
//!
//! SECURITY: a name that is resolved once for the check and again for dialling can resolve differently the second time (DNS
//! rebinding). Here the checked addresses are the ones that are dialled.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::guard::Guard;

/// A name with an address that is not public. One such address is enough: an attacker can add a public one beside it.
#[derive(Debug, thiserror::Error)]
#[error("{0} leads to an address that is not public")]
pub(super) struct RefusedHost(pub(super) String);

/// The system found no address, or not in time.
#[derive(Debug, thiserror::Error)]
#[error("the name could not be resolved")]
pub(super) struct Unresolved;

/// The system's resolver behind the guard.
pub(super) struct Resolver {
    pub(super) guard: Arc<Guard>,
    /// Hosts that the operator wrote: they may be private.
    pub(super) trusted_hosts: Arc<HashSet<String>>,
    pub(super) timeout: Duration,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        let (guard, timeout) = (self.guard.clone(), self.timeout);
        let trusted = self.trusted_hosts.contains(&host);
        Box::pin(async move {
            let lookup = tokio::net::lookup_host((host.clone(), 0));
            let addresses: Vec<SocketAddr> = match tokio::time::timeout(timeout, lookup).await {
                Ok(Ok(addresses)) => addresses.collect(),
                Ok(Err(_)) | Err(_) => return Err(Unresolved.into()),
            };
            if !trusted && !addresses.iter().all(|address| guard.allows(address.ip())) {
                return Err(RefusedHost(host).into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
