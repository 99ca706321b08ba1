//! api.telegram.org (PROVIDERS 6).

use serde_json::{Value, json};

use crate::World;
use crate::account::{Kind, State};
use crate::head::Head;
use crate::server::Answer;

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
    let local = *world.local_files.lock().unwrap();
    let mut accounts = world.accounts.lock().unwrap();
    let asked = head
        .parameter("chat_id")
        .or_else(|| head.parameter("file_id").map(|file| owner(&file).to_owned().into()));
    let wanted = |state: &&mut State| match state.account.kind {
        Kind::Telegram => state.account.token == token && asked.as_deref() == Some(&state.account.id),
        Kind::TelegramBot => state.account.token == token,
        Kind::Instagram | Kind::InstagramViaFacebook | Kind::Facebook => false,
    };
    let Some(state) = accounts.iter_mut().find(wanted) else {
        return (None, false, failed(401, "Unauthorized"));
    };
    state.api_calls += 1;
    let id = Some(state.account.id.clone());
    if state.revoked {
        return (id, false, failed(401, "Unauthorized"));
    }
    let answer = match method {
        "getChat" => result(&chat(state)),
        "getUserProfilePhotos" => result(&photos(state)),
        "getMe" => result(&json!({ "id": 1, "is_bot": true, "first_name": state.account.name })),
        "getFile" => {
            let name = format!("photos/file_{}_{}.jpg", state.version, state.account.id);
            let path = if local { format!("/var/lib/telegram-bot-api/{name}") } else { name };
            result(&json!({ "file_id": handle(state), "file_unique_id": unique(state), "file_path": path }))
        }
        _ => failed(404, "Not Found"),
    };
    (id, false, answer)
}

fn send_file(world: &World, token: &str, file: &str) -> (Option<String>, Answer) {
    let mut accounts = world.accounts.lock().unwrap();
    let name = |state: &State| format!("photos/file_{}_{}.jpg", state.version, state.account.id);
    let Some(state) = accounts.iter_mut().find(|state| state.account.token == token && name(state) == file)
    else {
        return (None, failed(404, "Not Found"));
    };
    state.downloads += 1;
    let answer = match &state.account.picture {
        Some(picture) if !state.revoked => Answer::picture(picture, false),
        _ => failed(404, "Not Found"),
    };
    (Some(state.account.id.clone()), answer)
}

fn chat(state: &State) -> Value {
    let mut chat = json!({ "id": state.account.id, "type": "channel", "title": state.account.name });
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
