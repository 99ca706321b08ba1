//! The signing CDN: an HMAC over the raw address, and the exact words with which it refuses.

use std::sync::atomic::Ordering;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::account::Kind;
use crate::head::Head;
use crate::server::Answer;
use crate::{Host, World, graph, pictures};

/// What every signature is made with.
const KEY: &[u8] = b"the CDN's own key";

/// A freshly signed address of a file.
pub(crate) fn sign(world: &World, file: &str, kind: Kind) -> String {
    let class = match kind {
        Kind::Instagram | Kind::InstagramViaFacebook => "t51.2885-19",
        Kind::Facebook | Kind::Telegram | Kind::TelegramBot => "t39.30808-1",
    };
    let end = world.now_secs() + i64::try_from(world.options.address_life.as_secs()).unwrap();
    let (nonce, epoch) = (world.nonce.fetch_add(1, Ordering::SeqCst), world.epoch.load(Ordering::SeqCst));
    let host = world.addresses[Host::Cdn as usize].to_string().replace(':', "%3A");
    // Mixed case, encoded characters and an empty value, so that every change on the way breaks the signature.
    let before = format!(
        "/v/{class}/{file}?stp=dst-jpg_s320x320_tt6&_nc_cat=1&ccb=1-7&_nc_sid=7d201b&_nc_ohc=aZ%2bQ%2F{nonce:x}&efg=eyJ2%3D&\
         _nc_eui2=&_nc_ht={host}&_nc_gid={epoch}"
    );
    let after = format!("oe={end:X}");
    let address =
        format!("{}{before}&oh={}&{after}", world.base(Host::Cdn), mac(&format!("{before}&{after}")));
    world.remember_address(&address);
    address
}

fn mac(text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY).unwrap();
    mac.update(text.as_bytes());
    format!("00_{}", hex::encode(&mac.finalize().into_bytes()[..20]))
}

/// Answers for a file.
pub(crate) fn answer(world: &World, head: &Head) -> (Option<String>, Answer) {
    if let Some(picture) = world.files.lock().unwrap().get(head.target()) {
        return (None, Answer::picture(picture, false));
    }
    let name = head.path().rsplit('/').next().unwrap_or("").to_owned();
    if name == graph::ANONYMOUS {
        return (None, anonymous(world, head));
    }
    let found = {
        let mut accounts = world.accounts.lock().unwrap();
        accounts.iter_mut().find(|state| state.owns(&name)).map(|state| {
            state.downloads += 1;
            let current = state.file_name() == name;
            (state.account.id.clone(), state.file().filter(|_| current), state.account.corp_same_origin)
        })
    };
    let id = found.as_ref().map(|(id, ..)| id.clone());
    if head.method() != "GET" {
        return (id, Answer::text(400, ""));
    }
    if let Err(refusal) = verify(world, head) {
        return (id, Answer::text(403, refusal));
    }
    match found {
        Some((_, Some(picture), same_origin)) => {
            let mut answer = Answer::picture(&picture, same_origin);
            if world.no_store.load(Ordering::SeqCst) {
                answer.replace("Cache-Control", "no-store");
            }
            (id, answer)
        }
        _ => (id, Answer::text(404, "")),
    }
}

/// How long the signature of a target still holds.
pub(crate) fn seconds_left(world: &World, target: &str) -> i64 {
    let host = world.addresses[Host::Cdn as usize];
    let head = Head { raw: format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n") };
    verify(world, &head).map_or(0, |end| end - world.now_secs())
}

/// Instagram's anonymous picture is a real file that belongs to no account.
fn anonymous(world: &World, head: &Head) -> Answer {
    world.anonymous_downloads.fetch_add(1, Ordering::SeqCst);
    match verify(world, head) {
        Ok(_) => Answer::picture(&pictures::jpeg(0, 150), false),
        Err(refusal) => Answer::text(403, refusal),
    }
}

/// The end of the signature in Unix seconds, or the words of the refusal.
fn verify(world: &World, head: &Head) -> Result<i64, &'static str> {
    let end =
        head.parameter("oe").and_then(|oe| i64::from_str_radix(&oe, 16).ok()).ok_or("Bad URL timestamp")?;
    head.parameter("oh").ok_or("Bad URL hash")?;
    if !is_ours(world, head) {
        return Err("URL signature mismatch");
    }
    let epoch = head.parameter("_nc_gid").and_then(|epoch| epoch.parse::<u64>().ok());
    if end <= world.now_secs() || epoch != Some(world.epoch.load(Ordering::SeqCst)) {
        return Err("URL signature expired");
    }
    Ok(end)
}

/// Byte for byte as it was handed out, and asked of the host that `_nc_ht` names: `oh` in its place, `oe` alone after it.
fn is_ours(world: &World, head: &Head) -> bool {
    let Some((before, rest)) = head.target().split_once("&oh=") else { return false };
    let Some((given, after)) = rest.split_once('&') else { return false };
    let host = world.addresses[Host::Cdn as usize].to_string();
    let is_signed = !after.contains('&') && mac(&format!("{before}&{after}")) == given;
    is_signed && head.header("host") == Some(&host)
}
