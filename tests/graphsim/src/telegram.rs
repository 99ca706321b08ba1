//! api.telegram.org.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use crate::World;
use crate::account::{Kind, State};
use crate::head::Head;
use crate::server::Answer;

/// For how many seconds a file can be fetched: the least that Telegram promises.
const FILE_LIFE: i64 = 3600;

/// Answers a call or a file; tells for which account it was, and whether it was a file.
pub(crate) fn answer(world: &World, head: &Head) -> (Option<String>, bool, Answer) {
    let path = head.path();
    if let Some(rest) = path.strip_prefix("/file/bot") {
        let (token, file) = rest.split_once('/').unwrap_or((rest, ""));
        let (id, answer) = send_file(world, token, file);
        return (id, true, answer);
    }
    let Some((token, method)) = path.strip_prefix("/bot").and_then(|rest| rest.split_once('/')) else {
        return (None, false, failed(404, "Not Found"));
    };
    let mut accounts = world.accounts.lock().unwrap();
    let asked = ["chat_id", "user_id", "file_id"].iter().find_map(|name| head.parameter(name));
    let is_known = accounts.iter().any(|state| is_telegram(state) && state.account.token == token);
    let wanted = |state: &&mut State| match state.account.kind {
        Kind::Telegram => {
            let is_asked = asked.as_deref().map(owner) == Some(&state.account.id) || method == "getMe";
            state.account.token == token && is_asked
        }
        Kind::TelegramBot => state.account.token == token,
        Kind::Instagram | Kind::InstagramViaFacebook | Kind::Facebook => false,
    };
    let Some(state) = accounts.iter_mut().find(wanted) else {
        return (None, false, nobody(token, is_known));
    };
    state.api_calls += 1;
    let id = Some(state.account.id.clone());
    if state.revoked {
        return (id, false, failed(401, "Unauthorized"));
    }
    let answer = match method {
        "getChat" => result(&chat(state)),
        "getUserProfilePhotos" => result(&photos(state)),
        "getFile" => get_file(world, state, asked.as_deref()),
        "getMe" => result(&json!({ "id": 1, "is_bot": true, "first_name": state.account.name })),
        _ => failed(404, "Not Found"),
    };
    (id, false, answer)
}

/// The reply where no account answers to token and chat.
fn nobody(token: &str, is_known: bool) -> Answer {
    match token.split_once(':') {
        Some(_) if is_known => failed(400, "Bad Request: chat not found"),
        Some((id, _)) if !id.starts_with('0') && token.len() <= 80 => failed(401, "Unauthorized"),
        Some(_) | None => failed(401, "Unauthorized: invalid token specified"),
    }
}

/// A handle works while its photo is the current one; a path is given away for an hour.
fn get_file(world: &World, state: &State, asked: Option<&str>) -> Answer {
    let Some(picture) = state.account.picture.as_ref().filter(|_| asked == Some(&handle(state))) else {
        return failed(400, "Bad Request: wrong file_id or the file is temporarily unavailable");
    };
    let name = format!("{}{:x}_{}.jpg", stem(state), world.now_secs(), world.epoch.load(Ordering::SeqCst));
    let local = *world.local_files.lock().unwrap();
    let path = if local { format!("/var/lib/telegram-bot-api/{name}") } else { name };
    result(&json!({
        "file_id": handle(state), "file_unique_id": unique(state), "file_size": picture.bytes.len(), "file_path": path,
    }))
}

/// What all paths of the current photo begin with; when and in which epoch they were given away follows.
fn stem(state: &State) -> String {
    format!("photos/file_{}_{}_", state.version, state.account.id)
}

fn is_over(world: &World, state: &State, file: &str) -> bool {
    let issued = file.strip_prefix(&stem(state)).and_then(|rest| {
        let (secs, epoch) = rest.strip_suffix(".jpg")?.split_once('_')?;
        Some((i64::from_str_radix(secs, 16).ok()?, epoch.parse::<u64>().ok()?))
    });
    issued.is_none_or(|(secs, epoch)| {
        epoch != world.epoch.load(Ordering::SeqCst) || world.now_secs() >= secs + FILE_LIFE
    })
}

fn send_file(world: &World, token: &str, file: &str) -> (Option<String>, Answer) {
    let mut accounts = world.accounts.lock().unwrap();
    let wanted = |state: &&mut State| state.account.token == token && file.starts_with(&stem(state));
    let Some(state) = accounts.iter_mut().find(wanted) else {
        return (None, failed(404, "Not Found"));
    };
    state.downloads += 1;
    let answer = match &state.account.picture {
        Some(picture) if !state.revoked && !is_over(world, state, file) => Answer::picture(picture, false),
        Some(_) | None => failed(404, "Not Found"),
    };
    (Some(state.account.id.clone()), answer)
}

fn is_telegram(state: &State) -> bool {
    matches!(state.account.kind, Kind::Telegram | Kind::TelegramBot)
}

fn chat(state: &State) -> Value {
    let mut chat = json!({ "id": number(&state.account.id), "type": "channel", "title": state.account.name });
    if state.account.picture.is_some() {
        chat["photo"] = json!({
            "small_file_id": handle(state), "small_file_unique_id": format!("s{}", unique(state)),
            "big_file_id": handle(state), "big_file_unique_id": unique(state),
        });
    }
    chat
}

fn photos(state: &State) -> Value {
    if state.account.picture.is_none() {
        return json!({ "total_count": 0, "photos": [] });
    }
    let size = |side: u32| json!({ "file_id": handle(state), "file_unique_id": format!("{}{side}", unique(state)), "width": side, "height": side });
    json!({ "total_count": 1, "photos": [[size(160), size(320), size(640)]] })
}

/// Telegram's ids are numbers.
fn number(id: &str) -> Value {
    id.parse::<i64>().map_or_else(|_| json!(id), |id| json!(id))
}

fn handle(state: &State) -> String {
    format!("AQADAgAT.{}.{}", state.version, state.account.id)
}

fn owner(handle: &str) -> &str {
    handle.rsplit('.').next().unwrap_or("")
}

fn unique(state: &State) -> String {
    format!("AQAD{}x{}", state.version, state.account.id.trim_start_matches('-'))
}

fn result(result: &Value) -> Answer {
    Answer::json(200, &json!({ "ok": true, "result": result }))
}

/// Telegram's error body; the HTTP status equals its code.
pub(crate) fn failed(code: u16, description: &str) -> Answer {
    Answer::json(code, &json!({ "ok": false, "error_code": code, "description": description }))
}

/// Its 429.
pub(crate) fn too_many(retry_after: u64) -> Answer {
    let mut answer = Answer::json(
        429,
        &json!({
            "ok": false, "error_code": 429, "description": format!("Too Many Requests: retry after {retry_after}"),
            "parameters": { "retry_after": retry_after },
        }),
    );
    answer.headers.push(("Retry-After", retry_after.to_string()));
    answer
}
