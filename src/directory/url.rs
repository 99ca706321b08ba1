//! [`DatabaseSource`]: a database URL with the parameters that Prisma gives it, parsed here.
//!
//! sqlx's own parser is not used: it writes unknown parameters with their values (`sslpassword`) to the log, and it
//! knows neither `schema` nor `pgbouncer`.

use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use sqlx::ConnectOptions;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::sqlite::SqliteConnectOptions;
use url::Url;

use crate::model::Secret;

/// Which database, and how to reach it. `Debug` shows neither user nor password.
#[derive(Debug, Clone)]
pub enum DatabaseSource {
    /// PostgreSQL, perhaps behind pgbouncer.
    Postgres(PostgresSource),
    /// MySQL or MariaDB.
    MySql(MySqlSource),
    /// A SQLite file.
    Sqlite(SqliteSource),
}

/// A parsed PostgreSQL URL.
#[derive(Debug, Clone)]
pub struct PostgresSource {
    server: Server,
    /// Tables are looked for in this schema alone.
    pub(super) schema: String,
    /// Transaction pooling: nothing may outlive a transaction.
    pub(super) bouncer: bool,
    pub(super) statement_cache_size: usize,
    ssl_mode: PgSslMode,
    application_name: Option<String>,
    settings: Vec<(String, String)>,
}

/// A parsed MySQL URL.
#[derive(Debug, Clone)]
pub struct MySqlSource {
    server: Server,
    ssl_mode: MySqlSslMode,
}

/// A parsed SQLite URL.
#[derive(Debug, Clone)]
pub struct SqliteSource {
    path: PathBuf,
    read_only: bool,
}

/// What the URLs of both servers have in common.
#[derive(Debug, Clone)]
struct Server {
    host: String,
    port: u16,
    user: Option<Secret>,
    password: Option<Secret>,
    database: Option<String>,
    /// A folder (PostgreSQL) or a file (MySQL).
    socket: Option<PathBuf>,
    root_certificate: Option<PathBuf>,
}

/// Parses a URL. The error says what would be right and repeats nothing of the URL.
pub(super) fn parse(text: &str) -> Result<DatabaseSource, String> {
    let (scheme, rest) = text.split_once(':').ok_or(EXPECTED)?;
    match scheme {
        "file" | "sqlite" => sqlite(rest),
        "postgres" | "postgresql" => postgres(&read(text)?),
        "mysql" | "mariadb" => mysql(&read(text)?),
        "prisma" | "prisma+postgres" => {
            Err("the database's own URL (DIRECT_URL in a Prisma project): prisma:// leads \
             to Prisma's proxy, which speaks no SQL"
                .to_owned())
        }
        _ => Err(EXPECTED.to_owned()),
    }
}

const EXPECTED: &str = "a URL that begins with postgres://, mysql://, sqlite: or file:";

fn read(text: &str) -> Result<Url, String> {
    let url = Url::parse(text)
        .map_err(|error| format!("a database URL with user and password percent-encoded ({error})"))?;
    if url.cannot_be_a_base() { Err(EXPECTED.to_owned()) } else { Ok(url) }
}

fn postgres(url: &Url) -> Result<DatabaseSource, String> {
    let parameter = Parameters(url);
    let mut server = Server::of(url, 5432)?;
    if let Some(host) = parameter.get("host") {
        if host.starts_with('/') { server.socket = Some(host.into()) } else { server.host = host }
    }
    server.root_certificate =
        parameter.get("sslrootcert").or_else(|| parameter.get("sslcert")).map(Into::into);
    let strict = parameter.get("sslaccept").as_deref() == Some("strict");
    let ssl_mode = match parameter.get("sslmode").as_deref() {
        Some("disable") => PgSslMode::Disable,
        Some("verify-ca") => PgSslMode::VerifyCa,
        Some("verify-full") => PgSslMode::VerifyFull,
        // SECURITY: an operator who asks for a verified certificate must not get an unencrypted connection instead.
        _ if strict => PgSslMode::VerifyFull,
        None | Some("prefer") => PgSslMode::Prefer,
        Some("allow") => PgSslMode::Allow,
        Some("require" | "no-verify") => PgSslMode::Require,
        Some(_) => return Err("sslmode to be disable, prefer, require, verify-ca or verify-full".to_owned()),
    };
    Ok(DatabaseSource::Postgres(PostgresSource {
        server,
        schema: parameter.get("schema").unwrap_or_else(|| "public".to_owned()),
        bouncer: parameter.get("pgbouncer").as_deref() == Some("true"),
        statement_cache_size: parameter
            .get("statement_cache_size")
            .and_then(|n| n.parse().ok())
            .unwrap_or(100),
        ssl_mode,
        application_name: parameter.get("application_name"),
        settings: parameter.get("options").map(|options| settings(&options)).unwrap_or_default(),
    }))
}

fn mysql(url: &Url) -> Result<DatabaseSource, String> {
    let parameter = Parameters(url);
    let mut server = Server::of(url, 3306)?;
    server.socket = parameter.get("socket").map(Into::into);
    server.root_certificate = parameter.get("sslcert").map(Into::into);
    let ssl_mode = match (parameter.get("sslaccept").as_deref(), parameter.get("sslmode").as_deref()) {
        (_, Some("disable" | "disabled")) => MySqlSslMode::Disabled,
        (Some("strict"), _) => MySqlSslMode::VerifyIdentity,
        (_, Some("require" | "required")) => MySqlSslMode::Required,
        (Some("accept_invalid_certs"), _) => MySqlSslMode::Required,
        _ => MySqlSslMode::Preferred,
    };
    if server.database.is_none() {
        return Err("the database's name as the URL's path: mysql://user:password@host/database".to_owned());
    }
    Ok(DatabaseSource::MySql(MySqlSource { server, ssl_mode }))
}

/// `file:./dev.db`, `sqlite:dev.db`, `sqlite://dev.db`; a relative path starts in the working directory.
fn sqlite(rest: &str) -> Result<DatabaseSource, String> {
    let (path, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() || path == ":memory:" {
        return Err("the path of a SQLite file: file:./dev.db".to_owned());
    }
    let read_only = parameters.split('&').any(|pair| pair == "mode=ro");
    Ok(DatabaseSource::Sqlite(SqliteSource { path: path.into(), read_only }))
}

struct Parameters<'a>(&'a Url);

impl Parameters<'_> {
    /// The last value that is not empty.
    fn get(&self, name: &str) -> Option<String> {
        let values = self.0.query_pairs().filter(|(key, value)| key == name && !value.is_empty());
        values.last().map(|(_, value)| value.into_owned())
    }
}

/// `-c name=value -cname=value --name=value`, the settings within libpq's `options`.
fn settings(options: &str) -> Vec<(String, String)> {
    let mut words = options.split_whitespace();
    let mut settings = Vec::new();
    while let Some(word) = words.next() {
        let setting = match word {
            "-c" => words.next(),
            _ => word.strip_prefix("--").or_else(|| word.strip_prefix("-c")),
        };
        if let Some((name, value)) = setting.and_then(|setting| setting.split_once('=')) {
            settings.push((name.to_owned(), value.to_owned()));
        }
    }
    settings
}

impl Server {
    fn of(url: &Url, port: u16) -> Result<Self, String> {
        let decode = |text: &str| {
            percent_decode_str(text)
                .decode_utf8()
                .map(std::borrow::Cow::into_owned)
                .map_err(|_| "a database URL whose percent-encoded parts are UTF-8".to_owned())
        };
        let host = decode(url.host_str().unwrap_or("localhost"))?;
        let database = decode(url.path().trim_start_matches('/'))?;
        let user = decode(url.username())?;
        Ok(Self {
            socket: host.starts_with('/').then(|| host.clone().into()),
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: url.port().unwrap_or(port),
            user: (!user.is_empty()).then(|| Secret::new(user)),
            password: url.password().map(decode).transpose()?.map(Secret::new),
            database: (!database.is_empty()).then_some(database),
            root_certificate: None,
        })
    }
}

impl PostgresSource {
    pub(super) fn options(&self) -> PgConnectOptions {
        let mut options = PgConnectOptions::new_without_pgpass()
            .host(&self.server.host)
            .port(self.server.port)
            .ssl_mode(self.ssl_mode)
            .statement_cache_capacity(if self.bouncer { 0 } else { self.statement_cache_size });
        if let Some(socket) = &self.server.socket {
            options = options.socket(socket);
        }
        if let Some(user) = &self.server.user {
            options = options.username(user.expose());
        }
        if let Some(password) = &self.server.password {
            options = options.password(password.expose());
        }
        if let Some(database) = &self.server.database {
            options = options.database(database);
        }
        if let Some(certificate) = &self.server.root_certificate {
            options = options.ssl_root_cert(certificate);
        }
        if let Some(name) = &self.application_name {
            options = options.application_name(name);
        }
        if !self.settings.is_empty() {
            options = options.options(self.settings.iter().map(|(name, value)| (name, value)));
        }
        if self.bouncer {
            // pgbouncer refuses startup parameters that it does not track.
            options = options.extra_float_digits(None);
        }
        options.disable_statement_logging()
    }
}

impl MySqlSource {
    pub(super) fn options(&self) -> MySqlConnectOptions {
        let mut options =
            MySqlConnectOptions::new().host(&self.server.host).port(self.server.port).ssl_mode(self.ssl_mode);
        if let Some(socket) = &self.server.socket {
            options = options.socket(socket);
        }
        if let Some(user) = &self.server.user {
            options = options.username(user.expose());
        }
        if let Some(password) = &self.server.password {
            options = options.password(password.expose());
        }
        if let Some(database) = &self.server.database {
            options = options.database(database);
        }
        if let Some(certificate) = &self.server.root_certificate {
            options = options.ssl_ca(certificate);
        }
        options.disable_statement_logging()
    }
}

impl SqliteSource {
    pub(super) fn options(&self, timeout: Duration) -> SqliteConnectOptions {
        SqliteConnectOptions::new()
            .filename(&self.path)
            .read_only(self.read_only)
            .create_if_missing(false)
            .busy_timeout(timeout)
            .disable_statement_logging()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pg(text: &str) -> PostgresSource {
        match parse(text) {
            Ok(DatabaseSource::Postgres(source)) => source,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn prismas_parameters_are_read_and_unknown_ones_ignored() {
        let source = pg("postgresql://us%40er:p%23w@db.example:6543/shop?schema=tenant&pgbouncer=true\
             &connection_limit=1&sslmode=require&connect_timeout=5&pool_timeout=10&socket_timeout=3\
             &sslpassword=hunter2&channel_binding=require&future=1&application_name=dash");
        assert_eq!((source.server.host.as_str(), source.server.port), ("db.example", 6543));
        assert_eq!(source.server.user.as_ref().unwrap().expose(), "us@er");
        assert_eq!(source.server.password.as_ref().unwrap().expose(), "p#w");
        assert_eq!(source.server.database.as_deref(), Some("shop"));
        assert_eq!(source.schema, "tenant");
        assert!(source.bouncer);
        assert!(matches!(source.ssl_mode, PgSslMode::Require));
        assert_eq!(source.options().get_application_name(), Some("dash"));
    }

    #[test]
    fn a_missing_parameter_has_prismas_default() {
        let source = pg("postgres://u@localhost/d");
        assert_eq!((source.schema.as_str(), source.bouncer, source.server.port), ("public", false, 5432));
        assert!(matches!(source.ssl_mode, PgSslMode::Prefer));
    }

    #[test]
    fn a_strict_certificate_is_never_weakened() {
        for (text, full) in [
            ("postgres://u@h/d?sslaccept=strict", true),
            ("postgres://u@h/d?sslmode=prefer&sslaccept=strict", true),
            ("postgres://u@h/d?sslmode=verify-full", true),
            ("postgres://u@h/d?sslmode=require&sslaccept=accept_invalid_certs", false),
        ] {
            assert_eq!(matches!(pg(text).ssl_mode, PgSslMode::VerifyFull), full, "{text}");
        }
    }

    #[test]
    fn a_host_that_is_a_path_is_the_folder_of_the_socket() {
        let source = pg("postgres://u@localhost/d?host=/var/run/postgresql");
        assert_eq!(source.server.socket.as_deref(), Some(std::path::Path::new("/var/run/postgresql")));
    }

    #[test]
    fn options_contain_settings_in_three_spellings() {
        assert_eq!(
            settings("-c statement_timeout=5s --geqo=off -cwork_mem=1MB"),
            [("statement_timeout", "5s"), ("geqo", "off"), ("work_mem", "1MB")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
    }

    #[test]
    fn a_sqlite_file_can_be_named_in_three_ways() {
        for (text, path) in [
            ("file:./dev.db", "./dev.db"),
            ("sqlite:dev.db", "dev.db"),
            ("sqlite://dev.db", "dev.db"),
            ("sqlite:///var/dev.db?connection_limit=1", "/var/dev.db"),
        ] {
            match parse(text).unwrap() {
                DatabaseSource::Sqlite(source) => assert_eq!(source.path, PathBuf::from(path)),
                other => panic!("{other:?}"),
            }
        }
        assert!(parse("file:").is_err());
    }

    #[test]
    fn prismas_proxy_is_refused_by_naming_direct_url() {
        for text in
            ["prisma://accelerate.example/?api_key=k", "prisma+postgres://accelerate.example/?api_key=k"]
        {
            let error = parse(text).unwrap_err();
            assert!(error.contains("DIRECT_URL"), "{error}");
            assert!(!error.contains("api_key"), "{error}");
        }
    }

    #[test]
    fn an_error_repeats_nothing_of_the_url_and_debug_shows_no_secret() {
        for text in
            ["sqlserver://u:hunter2@h", "postgres://u:hunter2@h:port/d", "hunter2", "mysql://u:hunter2@h"]
        {
            let error = parse(text).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
        let shown = format!("{:?}", parse("postgres://hunter1:hunter2@h/d?sslpassword=hunter3").unwrap());
        assert!(!shown.contains("hunter"), "{shown}");
    }
}
