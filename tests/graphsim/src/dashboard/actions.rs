//! What the buttons do.

use std::sync::atomic::Ordering;

use super::Site;
use crate::fault::Fault;
use crate::pictures;

/// One button, one state of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Expire,
    ProviderDown,
    ProviderUp,
    Revoke,
    Renew,
    Pictures,
}

impl Action {
    /// The last segment of `/do/<action>`.
    pub(super) fn parse(name: &str) -> Option<Self> {
        match name {
            "expire" => Some(Self::Expire),
            "provider-down" => Some(Self::ProviderDown),
            "provider-up" => Some(Self::ProviderUp),
            "revoke" => Some(Self::Revoke),
            "renew" => Some(Self::Renew),
            "pictures" => Some(Self::Pictures),
            _ => None,
        }
    }

    pub(super) fn run(self, site: &Site) {
        match self {
            Self::Expire => site.sim.expire_all_addresses(),
            Self::ProviderDown => set_down(site, true),
            Self::ProviderUp => set_down(site, false),
            Self::Revoke => revoke(site),
            Self::Renew => renew(site),
            Self::Pictures => change_pictures(site),
        }
    }
}

/// The APIs and the CDN go together, as in the outages people remember.
fn set_down(site: &Site, down: bool) {
    let fault = down.then_some(Fault::Close);
    site.sim.api_fault(None, fault.clone());
    site.sim.cdn_fault(None, fault);
    site.provider_down.store(down, Ordering::SeqCst);
}

fn revoke(site: &Site) {
    for row in &site.rows {
        site.sim.revoke_token(&row.shown.account);
        row.token.lock().unwrap().revoked = true;
    }
}

fn renew(site: &Site) {
    let generation = site.generation.fetch_add(1, Ordering::SeqCst) + 1;
    for row in &site.rows {
        let mut token = row.token.lock().unwrap();
        let new = match &site.renewed {
            Some(_) => format!("{}n{generation}", token.first),
            None => token.first.clone(),
        };
        site.sim.renew_token(&row.shown.account, &new);
        token.revoked = false;
        if let Some(renewed) = &site.renewed {
            renewed(&row.shown.id, &new);
        }
    }
}

fn change_pictures(site: &Site) {
    let generation = site.generation.fetch_add(1, Ordering::SeqCst) + 1;
    for (number, row) in (1..).zip(&site.rows) {
        let picture = pictures::jpeg(generation * 101 + number * 7, 320);
        site.sim.set_picture(&row.shown.account, Some(picture));
    }
}
