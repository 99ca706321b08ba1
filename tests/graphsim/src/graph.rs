//! graph.instagram.com and graph.facebook.com.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::account::{Kind, Missing, State};
use crate::head::Head;
use crate::server::Answer;
use crate::{Host, World, cdn};

/// The file name of Instagram's anonymous picture.
pub(crate) const ANONYMOUS: &str = "44884218_345707102882519_2446069589734326272_n.jpg";
/// Versions below are answered by the oldest living one, until 21 Jan 2027.
const OLDEST: u32 = 21;

/// Answers a call; tells for which account it was.
pub(crate) fn answer(world: &World, host: Host, head: &Head) -> (Option<String>, Answer) {
    let mut segments: Vec<&str> = head.path().trim_start_matches('/').split('/').collect();
    let version =
        segments.first().and_then(|first| first.strip_prefix('v')?.split('.').next()?.parse::<u32>().ok());
    if version.is_some() {
        segments.remove(0);
    }
    let [node] = segments[..] else { return (None, unknown_path()) };
    let token = head.token().map(|token| token.into_owned()).unwrap_or_default();
    let mut accounts = world.accounts.lock().unwrap();
    let wanted = |state: &&mut State| match (host, state.account.kind, node) {
        (Host::Instagram, Kind::Instagram, "me") => state.account.token == token,
        (Host::Facebook, Kind::Facebook, "me") => state.account.token == token,
        (Host::Instagram, Kind::Instagram, node) => state.account.id == node,
        (Host::Facebook, Kind::Facebook | Kind::InstagramViaFacebook, node) => state.account.id == node,
        _ => false,
    };
    let Some(state) = accounts.iter_mut().find(wanted) else {
        return (None, dead_token());
    };
    state.api_calls += 1;
    let id = state.account.id.clone();
    let now = world.now_millis();
    let mut answer = match world.quotas.take(host, &id, now) {
        Some(refusal) => refusal,
        None if state.revoked || state.account.token != token => dead_token(),
        None => refuse_proof(world, host, head, &token).unwrap_or_else(|| tell(world, state, head, version)),
    };
    answer.headers.extend(world.quotas.headers(host, &id, now));
    (Some(id), answer)
}

/// Which of the two hosts knows accounts of a kind.
pub(crate) fn host_of(kind: Kind) -> Host {
    match kind {
        Kind::Instagram => Host::Instagram,
        Kind::InstagramViaFacebook | Kind::Facebook => Host::Facebook,
        Kind::Telegram | Kind::TelegramBot => panic!("{kind:?} is not Meta's"),
    }
}

fn tell(world: &World, state: &State, head: &Head, version: Option<u32>) -> Answer {
    let fields = head.parameter("fields").unwrap_or_default().into_owned();
    let reply = match state.account.kind {
        Kind::Facebook => page(world, state, &fields),
        _ => instagram(world, state, &fields),
    };
    let mut answer = Answer::json(200, &reply);
    if let Some(version) = version.filter(|version| *version < OLDEST) {
        let warning =
            format!("The call has been auto-upgraded to v{OLDEST}.0 as v{version}.0 has been deprecated.");
        answer.headers.push(("X-Ad-Api-Version-Warning", warning));
    }
    answer
}

fn instagram(world: &World, state: &State, fields: &str) -> Value {
    let mut reply = json!({ "id": state.account.id });
    for field in fields.split(',') {
        match field {
            "user_id" => reply["user_id"] = json!(state.account.id),
            "username" => reply["username"] = json!(state.account.name),
            "name" => reply["name"] = json!(state.account.name),
            "account_type" => reply["account_type"] = json!("Business"),
            "profile_picture_url" => match (&state.account.picture, state.missing) {
                (Some(_), _) => {
                    reply["profile_picture_url"] =
                        json!(cdn::sign(world, &state.file_name(), state.account.kind));
                }
                (None, Missing::FieldNull) => reply["profile_picture_url"] = Value::Null,
                (None, Missing::FieldAbsent) => {}
                (None, Missing::AnonymousFile) => {
                    reply["profile_picture_url"] = json!(cdn::sign(world, ANONYMOUS, state.account.kind));
                }
            },
            _ => {}
        }
    }
    if state.account.wrapped { json!({ "data": [reply] }) } else { reply }
}

/// `picture.width(N).height(N){url,is_silhouette,width,height}`: named sub-fields alone come back.
fn page(world: &World, state: &State, fields: &str) -> Value {
    let mut reply = json!({ "id": state.account.id });
    if !fields.starts_with("picture") {
        return reply;
    }
    let inside = fields
        .split_once('{')
        .map_or("url,is_silhouette,width,height", |(_, inside)| inside.trim_end_matches('}'));
    let side = fields
        .split_once("width(")
        .and_then(|(_, rest)| rest.split(')').next()?.parse::<u32>().ok())
        .unwrap_or(50);
    let mut data = json!({});
    for field in inside.split(',') {
        match field {
            "url" => data["url"] = json!(cdn::sign(world, &state.file_name(), state.account.kind)),
            "is_silhouette" => data["is_silhouette"] = json!(state.account.picture.is_none()),
            "width" => data["width"] = json!(side),
            "height" => data["height"] = json!(side),
            _ => {}
        }
    }
    reply["picture"] = json!({ "data": data });
    reply
}

fn refuse_proof(world: &World, host: Host, head: &Head, token: &str) -> Option<Answer> {
    let secret = world.app_secret.lock().unwrap().clone().filter(|_| host == Host::Facebook)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(token.as_bytes());
    let right = hex::encode(mac.finalize().into_bytes());
    match head.parameter("appsecret_proof") {
        None => Some(bad_proof("API calls from the server require an appsecret_proof argument")),
        Some(given) if given != right => {
            Some(bad_proof("Invalid appsecret_proof provided in the API argument"))
        }
        Some(_) => None,
    }
}

/// One of the few errors with a type of its own.
fn bad_proof(message: &str) -> Answer {
    let error =
        json!({ "message": message, "type": "GraphMethodException", "code": 100, "fbtrace_id": "AbCdEf" });
    Answer::json(400, &json!({ "error": error }))
}

/// Meta's error body. `type` is OAuthException even for throttles.
pub(crate) fn error(status: u16, code: i64, subcode: Option<i64>, message: &str) -> Answer {
    let mut error =
        json!({ "message": message, "type": "OAuthException", "code": code, "fbtrace_id": "AbCdEf" });
    if let Some(subcode) = subcode {
        error["error_subcode"] = json!(subcode);
    }
    Answer::json(status, &json!({ "error": error }))
}

/// A throttle, with the minutes until the account is answered again.
pub(crate) fn throttled(code: i64, minutes: u64) -> Answer {
    let mut answer = error(400, code, None, &format!("(#{code}) Application request limit reached"));
    let usage = json!({ "1045": [{
        "type": "pages", "call_count": 100, "total_cputime": 12, "total_time": 15,
        "estimated_time_to_regain_access": minutes,
    }]});
    answer.headers.push(("X-Business-Use-Case-Usage", usage.to_string()));
    answer
}

fn dead_token() -> Answer {
    error(400, 190, Some(460), "Error validating access token: The session has been invalidated.")
}

fn unknown_path() -> Answer {
    error(404, 2500, None, "Unknown path components")
}
