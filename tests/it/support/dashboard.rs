//! A dashboard's database: its three tables as Prisma makes them, tokens sealed as the dashboard seals them.

use avatar_proxy::model::Secret;
use avatar_proxy::model::token::{Keyring, TokensConfig, TokensWritten};

use super::accounts::Connected;
use crate::directory::database::{Db, Kind};

/// What the tokens are sealed with.
pub(crate) const KEY: &str = "sha256:the-passphrase-of-the-dashboard-8e15";

/// Its database.
pub(crate) struct Dashboard {
    pub(crate) db: Db,
}

impl Dashboard {
    /// Without a row; an address may have that many characters.
    pub(crate) async fn new(kind: Kind, longest: usize) -> Self {
        let db = Db::new(kind).await;
        let tables = [
            (r#""InstagramConnection""#, r#""username" varchar(99), "accessTokenEnc" varchar(999)"#),
            (
                r#""PageConnection""#,
                r#""pageId" varchar(99), "pageName" varchar(99), "pageAccessTokenEnc" varchar(999)"#,
            ),
            (
                r#""TelegramConnection""#,
                r#""chatId" varchar(99), "username" varchar(99), "botTokenEnc" varchar(999)"#,
            ),
        ];
        for (table, columns) in tables {
            db.sql(&format!(
                r#"CREATE TABLE {table} ("id" varchar(64) PRIMARY KEY, {columns}, "profilePictureUrl" varchar({longest}))"#
            ))
            .await;
        }
        Self { db }
    }

    /// The settings with which a proxy finds its rows.
    pub(crate) fn config(&self) -> String {
        self.config_for(&self.db.url())
    }

    /// The same for another URL of this database.
    pub(crate) fn config_for(&self, url: &str) -> String {
        format!("tokens.keys = [\"{KEY}\"]\ndirectory.url = \"{url}\"\n")
    }

    /// Connects an account under its own id, with the address that was stored then.
    pub(crate) async fn connect(&self, connected: &Connected, picture_url: Option<&str>) {
        self.connect_as(connected.id, connected, picture_url).await;
    }

    /// The same under another id.
    pub(crate) async fn connect_as(&self, id: &str, connected: &Connected, picture_url: Option<&str>) {
        let sealed = seal(connected.token);
        let url = picture_url.map_or("NULL".to_owned(), |url| format!("'{url}'"));
        let account = connected.account;
        let row = match connected.provider {
            "instagram" => format!("'{id}', 'Ada Lovelace', '{sealed}', {url}"),
            "facebook" => format!("'{id}', '{account}', 'Ada Lovelace', '{sealed}', {url}"),
            "telegram" => format!("'{id}', '{account}', 'Ada Lovelace', '{sealed}', {url}"),
            other => panic!("{other}"),
        };
        self.db.sql(&format!("INSERT INTO {} VALUES ({row})", table(connected))).await;
    }

    /// What stands in the row for the picture's address.
    pub(crate) async fn picture_url(&self, connected: &Connected) -> Option<String> {
        let (table, id) = (table(connected), connected.id);
        self.db.text(&format!(r#"SELECT "profilePictureUrl" FROM {table} WHERE "id" = '{id}'"#)).await
    }

    /// The owner has disconnected the account.
    pub(crate) async fn disconnect(&self, id: &str, connected: &Connected) {
        self.db.sql(&format!(r#"DELETE FROM {} WHERE "id" = '{id}'"#, table(connected))).await;
    }

    /// Every value of every column of every table, as text.
    pub(crate) async fn everything(&self) -> Vec<String> {
        let names = match self.db.kind {
            Kind::Postgres | Kind::PgBouncer => {
                "SELECT string_agg(table_name || '.' || column_name, ' ') FROM information_schema.columns \
                 WHERE table_schema = 'public'"
            }
            Kind::MariaDb => {
                "SELECT group_concat(concat(table_name, '.', column_name) SEPARATOR ' ') \
                 FROM information_schema.columns WHERE table_schema = database()"
            }
            Kind::Sqlite => {
                "SELECT group_concat(m.name || '.' || c.name, ' ') FROM sqlite_schema m, pragma_table_info(m.name) c \
                 WHERE m.type = 'table'"
            }
        };
        let names = self.db.text(names).await.unwrap();
        let mut all = Vec::new();
        for (table, column) in names.split(' ').map(|name| name.split_once('.').unwrap()) {
            let values = match self.db.kind {
                Kind::Postgres | Kind::PgBouncer => {
                    format!(r#"SELECT string_agg("{column}"::text, ' ') FROM "{table}""#)
                }
                Kind::MariaDb => {
                    format!(r#"SELECT group_concat(CAST("{column}" AS CHAR) SEPARATOR ' ') FROM "{table}""#)
                }
                Kind::Sqlite => {
                    format!(r#"SELECT group_concat(CAST("{column}" AS TEXT), ' ') FROM "{table}""#)
                }
            };
            all.push(self.db.text(&values).await.unwrap_or_default());
        }
        all
    }
}

fn table(connected: &Connected) -> &'static str {
    match connected.provider {
        "instagram" => r#""InstagramConnection""#,
        "facebook" => r#""PageConnection""#,
        _ => r#""TelegramConnection""#,
    }
}

/// As the dashboard seals it.
pub(crate) fn seal(token: &str) -> String {
    let written: TokensWritten = toml::from_str(&format!("keys = [\"{KEY}\"]\nformat = \"auto\"")).unwrap();
    let keyring: Keyring = TokensConfig::try_from(written).unwrap().keyring;
    keyring.seal(&Secret::new(token)).unwrap()
}
