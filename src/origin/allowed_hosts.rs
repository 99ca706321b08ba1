//! [`AllowedHosts`]: which hosts may serve a provider's pictures.

use super::base_url::BaseUrl;
use super::hosts::HostList;
use crate::model::Address;

/// The hosts that may serve a picture.
#[derive(Debug, Clone, Copy)]
pub enum AllowedHosts<'a> {
    /// These hosts. An address on them is foreign: it must be https and public.
    Listed(&'a HostList),
    /// The address that the operator wrote, with exactly its scheme, host and port.
    TrustedBase(&'a BaseUrl),
    /// These hosts. The address that the operator wrote is trusted too, with exactly its scheme, host and port, if the list
    /// has its host.
    ListedWithTrustedBase(&'a HostList, &'a BaseUrl),
}

impl AllowedHosts<'_> {
    /// Whether the operator vouches for an address, the first one or one that a redirect leads to.
    ///
    /// SECURITY: such an address may be plain HTTP and private. So scheme, host and port decide, on every hop again.
    pub(super) fn trusts(self, address: &Address) -> bool {
        match self {
            Self::Listed(_) => false,
            Self::TrustedBase(base) => base.is_origin_of(address.url()),
            Self::ListedWithTrustedBase(hosts, base) => {
                base.is_origin_of(address.url()) && hosts.allows(address.host())
            }
        }
    }

    /// Whether the list has a foreign address's host.
    pub(super) fn lists(self, address: &Address) -> bool {
        match self {
            Self::Listed(hosts) | Self::ListedWithTrustedBase(hosts, _) => hosts.allows(address.host()),
            Self::TrustedBase(_) => false,
        }
    }
}
