//! The Bot API of Telegram.

use serde_json::json;

use super::client::get;
use super::{World, picture};
use crate::{Account, Kind};

const CHAT: &str = "-1001234567890";

async fn with_chat() -> (World, String) {
    let world = World::start().await;
    world.sim.add(Account::new(Kind::Telegram, CHAT, "123:AAtoken", picture(1)));
    let url = world.sim.telegram_url();
    (world, url)
}

impl World {
    /// getChat, getFile, and the file's address.
    async fn file_address(&self) -> String {
        let url = self.sim.telegram_url();
        let chat = get(&format!("{url}/bot123:AAtoken/getChat?chat_id={CHAT}")).await.json();
        let handle = chat["result"]["photo"]["big_file_id"].as_str().unwrap().to_owned();
        let file = get(&format!("{url}/bot123:AAtoken/getFile?file_id={handle}")).await.json();
        let path = file["result"]["file_path"].as_str().unwrap();
        assert_eq!(file["result"]["file_size"], picture(1).bytes.len());
        format!("{url}/file/bot123:AAtoken/{path}")
    }
}

#[tokio::test]
async fn a_chats_photo_is_found_in_three_steps() {
    let (world, url) = with_chat().await;
    let chat = get(&format!("{url}/bot123:AAtoken/getChat?chat_id={CHAT}")).await.json();
    assert_eq!((&chat["ok"], &chat["result"]["id"]), (&json!(true), &json!(-1_001_234_567_890_i64)));
    let unique = chat["result"]["photo"]["big_file_unique_id"].clone();
    assert_eq!(get(&world.file_address().await).await.body, picture(1).bytes);
    world.sim.set_picture(CHAT, Some(picture(2)));
    let chat = get(&format!("{url}/bot123:AAtoken/getChat?chat_id={CHAT}")).await.json();
    assert_ne!(chat["result"]["photo"]["big_file_unique_id"], unique);
    world.sim.set_picture(CHAT, None);
    let chat = get(&format!("{url}/bot123:AAtoken/getChat?chat_id={CHAT}")).await.json();
    assert!(chat["result"].get("photo").is_none());
}

#[tokio::test]
async fn a_file_is_there_for_an_hour() {
    let (world, _) = with_chat().await;
    let address = world.file_address().await;
    world.advance(3599);
    assert_eq!(get(&address).await.status, 200);
    world.advance(1);
    assert_eq!(get(&address).await.status, 404);
    assert_eq!(get(&world.file_address().await).await.status, 200);
    assert_eq!(world.sim.downloads(CHAT), 3);
}

#[tokio::test]
async fn the_handle_of_a_replaced_photo_no_longer_works() {
    let (world, url) = with_chat().await;
    let chat = get(&format!("{url}/bot123:AAtoken/getChat?chat_id={CHAT}")).await.json();
    let handle = chat["result"]["photo"]["big_file_id"].as_str().unwrap();
    world.sim.set_picture(CHAT, Some(picture(2)));
    let answer = get(&format!("{url}/bot123:AAtoken/getFile?file_id={handle}")).await;
    assert_eq!(answer.status, 400);
    let description = "Bad Request: wrong file_id or the file is temporarily unavailable";
    assert_eq!(answer.json(), json!({ "ok": false, "error_code": 400, "description": description }));
}

#[tokio::test]
async fn a_bots_own_photos_are_listed_in_several_sizes() {
    let world = World::with(Kind::TelegramBot).await;
    let address = format!("{}/bot1:token/getUserProfilePhotos?user_id=1&limit=1", world.sim.telegram_url());
    let photos = get(&address).await.json()["result"].clone();
    assert_eq!(photos["total_count"], 1);
    let widths: Vec<_> = photos["photos"][0].as_array().unwrap().iter().map(|size| &size["width"]).collect();
    assert_eq!(widths, [160, 320, 640]);
    world.sim.set_picture("1045", None);
    assert_eq!(get(&address).await.json()["result"], json!({ "total_count": 0, "photos": [] }));
}

#[tokio::test]
async fn errors_have_the_status_of_their_code() {
    let (world, url) = with_chat().await;
    let table = [
        (format!("/bot123:other/getChat?chat_id={CHAT}"), 401, "Unauthorized"),
        (format!("/botnonsense/getChat?chat_id={CHAT}"), 401, "Unauthorized: invalid token specified"),
        ("/bot123:AAtoken/getChat?chat_id=7".to_owned(), 400, "Bad Request: chat not found"),
        (format!("/bot123:AAtoken/getNothing?chat_id={CHAT}"), 404, "Not Found"),
        ("/file/bot123:AAtoken/photos/file_0.jpg".to_owned(), 404, "Not Found"),
        ("/nothing".to_owned(), 404, "Not Found"),
    ];
    for (target, code, description) in table {
        let answer = get(&format!("{url}{target}")).await;
        assert_eq!(answer.status, code, "{target}");
        let expected = json!({ "ok": false, "error_code": code, "description": description });
        assert_eq!(answer.json(), expected, "{target}");
    }
    world.sim.revoke_token(CHAT);
    assert_eq!(get(&format!("{url}/bot123:AAtoken/getChat?chat_id={CHAT}")).await.status, 401);
}

#[tokio::test]
async fn a_server_with_local_files_names_absolute_paths() {
    let (world, _) = with_chat().await;
    world.sim.set_local_files(true);
    assert!(world.file_address().await.contains("//var/lib/telegram-bot-api/photos/"));
}
