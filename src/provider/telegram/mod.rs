//! [`Telegram`]: the Bot API (docs/providers.md, "Telegram"): first which photo, then where its file is.

mod config;
mod error;

use std::time::Duration;

use serde_json::Value;
use zeroize::Zeroizing;

use super::api_app::ApiApp;
use super::error::ProviderError;
use super::path_segment::encode;
use super::resolution::{Resolution, Resolved};
use crate::model::{Address, Connection, Identity, Link, LinkConfig, Secret, Timestamp, TroubleClass};
use crate::origin::{AllowedHosts, ApiCall, ApiReply, BaseUrl, Origin};
pub use config::{TelegramConfig, TelegramWritten};
use error::classify;

/// How long a `file_path` stays valid.
const FILE_TTL: Duration = Duration::from_secs(3600);
/// The longest token that the Bot API itself accepts, in bytes.
const LONGEST_TOKEN: usize = 80;

/// A Bot API server, Telegram's own or the operator's.
pub(super) struct Telegram {
    /// Of calls and of files.
    base: BaseUrl,
    app: ApiApp,
}

/// A photo.
#[derive(Debug, PartialEq, Eq)]
struct Photo {
    /// Names the file to this bot alone.
    file_id: String,
    /// Names the photo to every bot.
    unique_id: String,
}

impl Telegram {
    pub(super) fn new(config: TelegramConfig) -> Self {
        Self { app: ApiApp::new(config.limits), base: config.base_url }
    }

    /// Asks for the photo of a chat; without an account, for that of the bot.
    pub(super) async fn ask(
        &self,
        origin: &Origin,
        connection: &Connection,
        token: &Secret,
        now: Timestamp,
        links: &LinkConfig,
    ) -> Result<Resolved, ProviderError> {
        let bot = bot_id(token)?;
        let chat = connection.account.as_deref().filter(|account| !account.is_empty());
        let result = self.call(origin, token, &photo_method(chat, bot), now).await?;
        let photo = match chat {
            Some(_) => chat_photo(&result)?,
            None => bot_photo(&result)?,
        };
        let resolution = match photo {
            Some(photo) => Resolution::Picture(self.link(origin, token, photo, now, links).await?),
            None => Resolution::NoPicture,
        };
        Ok(Resolved { resolution, name: None, rest: None, token_expires_at: None })
    }

    /// The API serves its pictures itself.
    pub(super) fn allowed_hosts(&self) -> AllowedHosts<'_> {
        AllowedHosts::TrustedBase(&self.base)
    }

    pub(super) fn needs_token(&self) -> bool {
        true
    }

    pub(super) fn app(&self) -> &ApiApp {
        &self.app
    }

    async fn link(
        &self,
        origin: &Origin,
        token: &Secret,
        photo: Photo,
        now: Timestamp,
        links: &LinkConfig,
    ) -> Result<Link, ProviderError> {
        let method = format!("getFile?file_id={}", encode(&photo.file_id));
        let file = self.call(origin, token, &method, now).await?;
        Ok(Link {
            address: file_address(&self.base, token, &file)?,
            resolved_at: now,
            expires_at: now + links.default_ttl.min(FILE_TTL),
            identity: Identity::named(photo.unique_id),
            is_secret: true,
        })
    }

    /// Calls a method and returns its `result`.
    async fn call(
        &self,
        origin: &Origin,
        token: &Secret,
        method: &str,
        now: Timestamp,
    ) -> Result<Value, ProviderError> {
        let path_and_query = Zeroizing::new(format!("/bot{}/{method}", token.expose()));
        let _permit = self.app.permit(now).await?;
        let call = ApiCall { base: &self.base, path_and_query: &path_and_query, bearer: None, headers: &[] };
        result_of(&origin.call(call).await?)
    }
}

/// The bot's own id: the digits before the colon.
///
/// SECURITY: the token becomes a segment of the path. A row must not be able to write another path through it.
fn bot_id(token: &Secret) -> Result<&str, ProviderError> {
    let text = token.expose();
    let part = |part: &str, allowed: fn(u8) -> bool| !part.is_empty() && part.bytes().all(allowed);
    text.split_once(':')
        .filter(|(id, secret)| {
            part(id, |byte| byte.is_ascii_digit())
                && !id.starts_with('0')
                && part(secret, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
        })
        .filter(|_| text.len() <= LONGEST_TOKEN)
        .map(|(id, _)| id)
        .ok_or_else(|| ProviderError::new(TroubleClass::Misconfigured, "the token is not a bot token"))
}

/// `getChat` does not know the bot itself.
fn photo_method(chat: Option<&str>, bot: &str) -> String {
    match chat {
        Some(chat) => format!("getChat?chat_id={}", encode(chat)),
        None => format!("getUserProfilePhotos?user_id={bot}&limit=1"),
    }
}

/// The `result` of a reply whose `ok` is true.
fn result_of(reply: &ApiReply) -> Result<Value, ProviderError> {
    let mut body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    if body.get("ok") == Some(&Value::Bool(true))
        && let Some(result) = body.get_mut("result")
    {
        return Ok(result.take());
    }
    Err(classify(reply.status, &body))
}

fn photo(value: &Value, file_id: &str, unique_id: &str) -> Result<Photo, ProviderError> {
    let text = |name: &str| {
        let text = value.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        text.map(str::to_owned).ok_or_else(ProviderError::unexpected)
    };
    Ok(Photo { file_id: text(file_id)?, unique_id: text(unique_id)? })
}

/// The big size, which is 640x640.
fn chat_photo(chat: &Value) -> Result<Option<Photo>, ProviderError> {
    if !chat.is_object() {
        return Err(ProviderError::unexpected());
    }
    let sizes = chat.get("photo").filter(|sizes| !sizes.is_null());
    sizes.map(|sizes| photo(sizes, "big_file_id", "big_file_unique_id")).transpose()
}

/// The largest size of the first photo, which is the current one.
fn bot_photo(photos: &Value) -> Result<Option<Photo>, ProviderError> {
    if photos.get("total_count").and_then(Value::as_u64) == Some(0) {
        return Ok(None);
    }
    let edge = |size: &Value, name: &str| size.get(name).and_then(Value::as_u64).unwrap_or(0);
    let pixels = |size: &&Value| edge(size, "width").saturating_mul(edge(size, "height"));
    let sizes = photos.pointer("/photos/0").and_then(Value::as_array);
    let largest =
        sizes.and_then(|sizes| sizes.iter().max_by_key(pixels)).ok_or_else(ProviderError::unexpected)?;
    photo(largest, "file_id", "file_unique_id").map(Some)
}

/// Where `getFile` says the bytes are. The address contains the token.
fn file_address(base: &BaseUrl, token: &Secret, file: &Value) -> Result<Address, ProviderError> {
    let path = file.get("file_path").and_then(Value::as_str).ok_or_else(ProviderError::unexpected)?;
    if is_absolute(path) {
        let reason = "the Bot API server runs with --local";
        return Err(ProviderError::new(TroubleClass::Misconfigured, reason));
    }
    let segments: Vec<&str> = path.split('/').collect();
    // SECURITY: `..` would leave the bot's files and reach everything else that the server answers under the token.
    if segments.iter().any(|segment| matches!(*segment, "" | "." | "..")) {
        return Err(ProviderError::unexpected());
    }
    let path = segments.into_iter().map(encode).collect::<Vec<_>>().join("/");
    let text = Zeroizing::new(format!("{}/file/bot{}/{path}", base.as_str(), token.expose()));
    Address::parse(&text).map_err(|error| ProviderError::new(TroubleClass::Misconfigured, error.to_string()))
}

/// Whether a path belongs to the server's own file system: `/var/lib/...`, or `C:\...` on Windows.
fn is_absolute(path: &str) -> bool {
    path.starts_with(['/', '\\']) || path.as_bytes().get(1) == Some(&b':')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::provider::error::error;

    const TOKEN: &str = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw_-";

    fn base() -> BaseUrl {
        BaseUrl::parse("http://127.0.0.1:8081").unwrap()
    }

    fn address(path: &str) -> Result<Address, ProviderError> {
        file_address(&base(), &Secret::new(TOKEN), &json!({"file_id": "f", "file_path": path}))
    }

    #[test]
    fn only_a_bot_token_becomes_part_of_a_path() {
        assert_eq!(bot_id(&Secret::new(TOKEN)).unwrap(), "110201543");
        let longest = format!("1:{}", "a".repeat(78));
        assert!(bot_id(&Secret::new(longest.clone())).is_ok());
        let too_long = format!("{longest}a");
        for text in [
            "", ":", "1", "1:", ":a", "x:a", "1:a/b", "1:a/../2", "1:a b", "1:a?b", "01:a", "1:a:b", "１:a",
            &too_long,
        ] {
            let expected = error(TroubleClass::Misconfigured, None, "the token is not a bot token");
            assert_eq!(bot_id(&Secret::new(text)).unwrap_err(), expected, "{text}");
        }
    }

    #[test]
    fn a_chat_is_asked_by_its_account_and_the_bot_by_its_own_id() {
        for (account, expected) in [
            (Some("-1001234"), "getChat?chat_id=-1001234"),
            (Some("@channel_1"), "getChat?chat_id=%40channel_1"),
            (Some("a&b=c#d"), "getChat?chat_id=a%26b%3Dc%23d"),
            (None, "getUserProfilePhotos?user_id=11&limit=1"),
        ] {
            assert_eq!(photo_method(account, "11"), expected);
        }
    }

    #[test]
    fn a_chat_has_a_big_photo_or_none() {
        let sizes = json!({
            "small_file_id": "s", "small_file_unique_id": "su", "big_file_id": "b", "big_file_unique_id": "bu",
        });
        let found = chat_photo(&json!({"id": 1, "type": "channel", "photo": sizes})).unwrap().unwrap();
        assert_eq!((found.file_id.as_str(), found.unique_id.as_str()), ("b", "bu"));
        assert_eq!(chat_photo(&json!({"id": 1, "type": "channel"})).unwrap(), None);
        for chat in [json!(true), json!({"photo": {}}), json!({"photo": {"big_file_id": "b"}})] {
            assert_eq!(chat_photo(&chat).unwrap_err(), ProviderError::unexpected(), "{chat}");
        }
    }

    #[test]
    fn a_bot_has_the_largest_size_of_its_first_photo_or_none() {
        let size = |id: &str, edge: u32| json!({"file_id": id, "file_unique_id": format!("{id}u"), "width": edge, "height": edge});
        let photos = json!({
            "total_count": 2,
            "photos": [[size("a", 160), size("c", 640), size("b", 320)], [size("old", 1280)]],
        });
        let found = bot_photo(&photos).unwrap().unwrap();
        assert_eq!((found.file_id.as_str(), found.unique_id.as_str()), ("c", "cu"));
        assert_eq!(bot_photo(&json!({"total_count": 0, "photos": []})).unwrap(), None);
        for photos in
            [json!({}), json!({"total_count": 1, "photos": []}), json!({"total_count": 1, "photos": [[]]})]
        {
            assert_eq!(bot_photo(&photos).unwrap_err(), ProviderError::unexpected(), "{photos}");
        }
    }

    #[test]
    fn a_file_lies_below_the_bot() {
        for (path, encoded) in [
            ("photos/file_0.jpg", "photos/file_0.jpg"),
            ("photos/a b?#%.jpg", "photos/a%20b%3F%23%25.jpg"),
            ("ä.jpg", "%C3%A4.jpg"),
        ] {
            let expected = format!("http://127.0.0.1:8081/file/bot{TOKEN}/{encoded}");
            assert_eq!(address(path).unwrap().expose(), expected);
        }
    }

    #[test]
    fn a_path_of_the_servers_own_file_system_is_a_fault_of_the_configuration() {
        let expected = error(TroubleClass::Misconfigured, None, "the Bot API server runs with --local");
        for path in
            ["/var/lib/telegram-bot-api/1:A/photos/file_0.jpg", "C:\\bot\\file_0.jpg", "\\\\host\\file"]
        {
            assert_eq!(address(path).unwrap_err(), expected, "{path}");
        }
    }

    #[test]
    fn a_path_that_climbs_or_is_missing_is_unexpected() {
        for path in ["", "..", "photos/../../getMe", "photos//file", "./file", "photos/"] {
            assert_eq!(address(path).unwrap_err(), ProviderError::unexpected(), "{path}");
        }
        let absent = file_address(&base(), &Secret::new(TOKEN), &json!({"file_id": "f"}));
        assert_eq!(absent.unwrap_err(), ProviderError::unexpected());
    }

    #[test]
    fn only_a_reply_that_is_ok_has_a_result() {
        let reply = |status, body: &'static str| ApiReply {
            status,
            headers: hyper::HeaderMap::new(),
            body: body.into(),
        };
        assert_eq!(result_of(&reply(200, r#"{"ok":true,"result":{"id":1}}"#)).unwrap(), json!({"id": 1}));
        for body in [r#"{"ok":true}"#, r#"{"ok":false,"result":{}}"#, "<html>", ""] {
            let expected = error(TroubleClass::Transient, None, "HTTP 502 without an error code");
            assert_eq!(result_of(&reply(502, body)).unwrap_err(), expected, "{body}");
        }
    }
}
