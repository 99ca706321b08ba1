//! What the page shows beside the pictures.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::{Row, Site};
use crate::head::Head;

/// Longer than the proxy lets a viewer wait when it has a picture to show.
const PATIENCE: Duration = Duration::from_secs(5);

/// `GET /state`.
pub(super) async fn read(site: &Arc<Site>) -> Value {
    let mut asking = JoinSet::new();
    for (index, row) in site.rows.iter().enumerate() {
        let (proxy, id) = (site.proxy_url.clone(), row.shown.id.clone());
        asking.spawn(async move {
            (index, tokio::time::timeout(PATIENCE, ask(&proxy, &id)).await.ok().flatten())
        });
    }
    let mut told: Vec<Option<Told>> = site.rows.iter().map(|_| None).collect();
    for (index, answer) in asking.join_all().await {
        told[index] = answer;
    }
    let accounts: Vec<Value> =
        site.rows.iter().zip(told).map(|(row, told)| account(site, row, told)).collect();
    json!({
        "accounts": accounts,
        "provider_down": site.provider_down.load(Ordering::SeqCst),
        "api_calls": site.sim.total_api_calls(),
        "downloads": site.sim.total_downloads(),
    })
}

fn account(site: &Site, row: &Row, told: Option<Told>) -> Value {
    let told = told.unwrap_or_default();
    json!({
        "id": row.shown.id,
        "seconds_left": site.sim.seconds_left(&row.direct),
        "token_revoked": row.token.lock().unwrap().revoked,
        "avatar_state": told.avatar_state,
        "cache_status": told.cache_status,
    })
}

/// What the proxy says about an avatar; `None` where it said nothing.
#[derive(Default)]
struct Told {
    avatar_state: Option<String>,
    cache_status: Option<String>,
}

/// Asks the proxy for the head alone.
async fn ask(proxy_url: &str, id: &str) -> Option<Told> {
    let host = proxy_url.strip_prefix("http://")?;
    let mut stream = TcpStream::connect(host).await.ok()?;
    let request = format!("HEAD /avatar/{id} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let head = Head::read(&mut stream).await?;
    let header = |name: &str| head.header(name).map(str::to_owned);
    Some(Told { avatar_state: header("avatar-state"), cache_status: header("cache-status") })
}
