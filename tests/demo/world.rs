//! Six accounts: in the stand-in, in the dashboard's database, and on the page.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context;
use graphsim::dashboard::Shown;
use graphsim::{Account, Graphsim, Kind, PictureFile, pictures};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

use avatar_proxy::config::{Config, Environment, Layers};
use avatar_proxy::model::Secret;
use avatar_proxy::model::token::Keyring;

/// What the demo's dashboard seals its tokens with.
const KEY: &str = "sha256:the demo's own pass phrase";

/// The three tables as Prisma makes them.
const SCHEMA: &str = r#"
CREATE TABLE "InstagramConnection" ("id" TEXT PRIMARY KEY, "username" TEXT, "accessTokenEnc" TEXT NOT NULL,
    "profilePictureUrl" TEXT);
CREATE TABLE "PageConnection" ("id" TEXT PRIMARY KEY, "pageId" TEXT NOT NULL, "pageName" TEXT,
    "pageAccessTokenEnc" TEXT NOT NULL, "profilePictureUrl" TEXT);
CREATE TABLE "TelegramConnection" ("id" TEXT PRIMARY KEY, "chatId" TEXT, "username" TEXT, "botTokenEnc" TEXT NOT NULL,
    "profilePictureUrl" TEXT);
"#;

/// One connected account.
pub(crate) struct Demo {
    id: &'static str,
    kind: Kind,
    account: &'static str,
    token: &'static str,
    name: &'static str,
    picture: PictureFile,
    corp_same_origin: bool,
}

/// Two of each provider; formats and sizes differ.
pub(crate) fn accounts() -> Vec<Demo> {
    let demo = |id, kind, account, token, name, picture| Demo {
        id,
        kind,
        account,
        token,
        name,
        picture,
        corp_same_origin: false,
    };
    let (ada, café) = ("17841400000000001", "17841400000000002");
    let (bakery, club) = ("104500000000001", "104500000000002");
    vec![
        demo("clx3ada", Kind::Instagram, ada, "IGAAdemo1", "Ada Lovelace", pictures::jpeg(3, 320)),
        Demo {
            corp_same_origin: true,
            ..demo("clx3cafe", Kind::Instagram, café, "IGAAdemo2", "Café Müller", pictures::webp(21, 160))
        },
        demo("clx3bakery", Kind::Facebook, bakery, "EAAdemo1", "Old Bakery", pictures::png(8, 200)),
        demo("clx3club", Kind::Facebook, club, "EAAdemo2", "Rowing Club", pictures::jpeg(34, 640)),
        demo(
            "clx3news",
            Kind::Telegram,
            "-1001000000001",
            "100001:AAdemo1",
            "Harbour News",
            pictures::jpeg(13, 640),
        ),
        demo(
            "clx3chess",
            Kind::Telegram,
            "-1001000000002",
            "100002:AAdemo2",
            "Шахматы",
            pictures::jpeg(55, 160),
        ),
    ]
}

impl Demo {
    /// As the provider knows it.
    pub(crate) fn in_the_stand_in(&self) -> Account {
        Account {
            name: self.name.to_owned(),
            corp_same_origin: self.corp_same_origin,
            ..Account::new(self.kind, self.account, self.token, self.picture.clone())
        }
    }

    /// As the page shows it.
    pub(crate) fn shown(&self) -> Shown {
        let provider = match self.kind {
            Kind::Instagram | Kind::InstagramViaFacebook => "Instagram",
            Kind::Facebook => "Facebook page",
            Kind::Telegram | Kind::TelegramBot => "Telegram channel",
        };
        Shown {
            id: self.id.to_owned(),
            account: self.account.to_owned(),
            name: self.name.to_owned(),
            provider: provider.to_owned(),
        }
    }

    fn statement(&self) -> &'static str {
        match self.kind {
            Kind::Instagram | Kind::InstagramViaFacebook => {
                r#"INSERT INTO "InstagramConnection" ("id", "username", "accessTokenEnc", "profilePictureUrl")
                   VALUES (?1, ?3, ?4, ?5)"#
            }
            Kind::Facebook => {
                r#"INSERT INTO "PageConnection" ("id", "pageId", "pageName", "pageAccessTokenEnc", "profilePictureUrl")
                   VALUES (?1, ?2, ?3, ?4, ?5)"#
            }
            Kind::Telegram | Kind::TelegramBot => {
                r#"INSERT INTO "TelegramConnection" ("id", "chatId", "username", "botTokenEnc", "profilePictureUrl")
                   VALUES (?1, ?2, ?3, ?4, ?5)"#
            }
        }
    }
}

/// The dashboard's database.
pub(crate) struct Database {
    pool: SqlitePool,
    keyring: Keyring,
    runtime: tokio::runtime::Handle,
}

/// Makes it, with each account's token sealed and its picture's address as it was at that moment.
pub(crate) async fn create(path: &Path, sim: &Graphsim, accounts: &[Demo]) -> anyhow::Result<Database> {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let pool = SqlitePool::connect_with(options).await.context("the dashboard's database")?;
    sqlx::raw_sql(SCHEMA).execute(&pool).await.context("its tables")?;
    let keyring = keyring()?;
    for account in accounts {
        let query =
            sqlx::query(account.statement()).bind(account.id).bind(account.account).bind(account.name);
        let sealed = keyring.seal(&Secret::new(account.token))?;
        query.bind(sealed).bind(sim.direct_address(account.account)).execute(&pool).await.context("a row")?;
    }
    Ok(Database { pool, keyring, runtime: tokio::runtime::Handle::current() })
}

fn keyring() -> anyhow::Result<Keyring> {
    let keys = ("AVATAR_PROXY__TOKENS__KEYS".into(), format!(r#"["{KEY}"]"#).into());
    let layers = Layers::load(None, &Environment::new([keys])?)?;
    Ok(Config::tokens(&layers)?.keyring)
}

impl Database {
    /// The owner has logged in again: the dashboard seals the new token.
    pub(crate) fn renew(&self, id: &str, token: &str) {
        let Ok(sealed) = self.keyring.seal(&Secret::new(token)) else { return };
        let (pool, id) = (self.pool.clone(), id.to_owned());
        self.runtime.spawn(async move {
            for statement in [
                r#"UPDATE "InstagramConnection" SET "accessTokenEnc" = ? WHERE "id" = ?"#,
                r#"UPDATE "PageConnection" SET "pageAccessTokenEnc" = ? WHERE "id" = ?"#,
                r#"UPDATE "TelegramConnection" SET "botTokenEnc" = ? WHERE "id" = ?"#,
            ] {
                if let Err(error) = sqlx::query(statement).bind(&sealed).bind(&id).execute(&pool).await {
                    eprintln!("cargo demo: the new token of {id} could not be stored: {error}");
                }
            }
        });
    }
}

/// Where an instance lives.
pub(crate) struct Place<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) number: usize,
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// What it shares with the others.
    pub(crate) redis: Option<String>,
}

/// The proxy's settings: everything is days in life and seconds here.
pub(crate) fn config(sim: &Graphsim, place: &Place<'_>) -> String {
    let Place { folder, number, address, admin, redis } = place;
    let (folder, redis) = (folder.display(), redis.as_deref().unwrap_or(""));
    format!(
        r#"
[server]
listen = "{address}"
drain_timeout = "1s"
[admin]
listen = "{admin}"
[avatar]
fresh_for = "6s"
retry_min = "1s"
retry_max = "4s"
[avatar.headers]
max_age = "0s"
cdn_max_age = "0s"
stale_while_revalidate = "0s"
fallback_max_age = "0s"
[disk]
path = "{folder}/avatar-proxy-{number}.db"
[redis]
url = "{redis}"
[directory]
url = "file:{folder}/dashboard.db"
cache_for = "2s"
[tokens]
keys = ["{KEY}"]
[providers.instagram]
base_url = "{instagram}"
hosts = ["127.0.0.1"]
[providers.facebook]
base_url = "{facebook}"
hosts = ["127.0.0.1"]
[providers.telegram]
base_url = "{telegram}"
[origin]
allow_http = true
allow_private = ["127.0.0.1"]
[log]
level = "error"
"#,
        instagram = sim.instagram_url(),
        facebook = sim.facebook_url(),
        telegram = sim.telegram_url(),
    )
}
