//! The layers and the keys; what is wrong in `complaints`, which values are taken in `bounds`, what is shown in `shown`.

mod bounds;
mod complaints;
mod shown;

use std::ffi::OsString;
use std::path::PathBuf;

use super::schema::{self, Kind};
use super::*;

/// Every key of the contract (`config.toml` of the design), in its order.
const CONTRACT: &str = "
    server.listen server.public_url server.header_timeout server.idle_timeout server.request_timeout
    server.max_connections server.drain_timeout server.tls.cert server.tls.key admin.listen admin.token
    avatar.fresh_for avatar.refresh_ahead avatar.max_refreshes avatar.queue avatar.stale_while_revalidate
    avatar.stale_if_error avatar.forget_after avatar.wait avatar.no_picture_for avatar.unknown_for avatar.retry_min
    avatar.retry_max avatar.headers.max_age avatar.headers.cdn_max_age avatar.headers.stale_while_revalidate
    avatar.headers.stale_if_error avatar.headers.fallback_max_age avatar.headers.cross_origin_resource_policy
    avatar.headers.allow_origin avatar.headers.cache_tags link.margin link.default_ttl memory.max_bytes disk.path
    disk.max_bytes redis.url redis.prefix redis.timeout redis.lease redis.keys redis.keep_bytes_for redis.max_value
    redis.tls.ca redis.tls.cert redis.tls.key redis.sentinel.username redis.sentinel.password directory.url
    directory.max_connections directory.cache_for directory.timeout directory.sweep directory.write_back tokens.keys
    tokens.format providers.instagram.base_url providers.instagram.version providers.instagram.app_secret
    providers.instagram.hosts providers.facebook.base_url providers.facebook.version providers.facebook.app_secret
    providers.facebook.size providers.facebook.hosts providers.telegram.base_url
    providers.instagram.max_calls providers.instagram.calls_per_second providers.facebook.max_calls
    providers.facebook.calls_per_second providers.telegram.max_calls providers.telegram.calls_per_second origin.ca origin.connect_timeout
    origin.timeout origin.max_bytes origin.max_redirects origin.stream_above origin.allow_http origin.allow_private
    images.sizes images.quality images.formats images.negotiate images.max_pixels images.workers images.queue
    fallback.default fallback.status access.signing_keys access.rate access.burst access.trusted_proxies events.url
    events.secret log.level log.format providers.json directory.table connection";

fn environment<const N: usize>(variables: [(&str, &str); N]) -> Environment {
    Environment::new(variables.map(|(name, value)| (OsString::from(name), OsString::from(value)))).unwrap()
}

/// A folder for one test's files, and their paths.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

fn load(file: &str) -> Result<Layers, ConfigError> {
    let files = Files::new();
    Layers::load(Some(&files.write("my.toml", file)), &environment([]))
}

fn text<'a>(layers: &'a Layers, key: &str) -> &'a str {
    schema::find(layers.values(), key).unwrap().as_str().unwrap()
}

#[test]
fn the_defaults_alone_are_a_valid_configuration() {
    let config = Config::load(None, &environment([])).unwrap();
    assert_eq!(config.link.margin, std::time::Duration::from_secs(12 * 3600));
    assert_eq!(config.log.level, telemetry::Level::Info);
}

#[test]
fn every_key_of_the_contract_is_obeyed_or_refused_and_there_is_no_other() {
    let layers = Layers::load(None, &environment([])).unwrap();
    let mut obeyed = Vec::new();
    for key in CONTRACT.split_whitespace() {
        match schema::kind(layers.values(), key) {
            Kind::Key(_) => obeyed.push(key.to_owned()),
            Kind::Blocks | Kind::NotYet => {}
            other => panic!("{key} is neither an option nor refused: {other:?}"),
        }
    }
    let ours = schema::keys(layers.values());
    let extra: Vec<_> =
        ours.iter().filter(|key| !obeyed.contains(key) && !schema::BLOCKS.contains(&key.as_str())).collect();
    assert!(extra.is_empty(), "not in the contract: {extra:?}");
}

#[test]
fn what_comes_later_wins_and_each_value_remembers_where_it_was_written() {
    let files = Files::new();
    let file =
        files.write("my.toml", "[link]\nmargin = \"1h\"\ndefault_ttl = \"2h\"\n[log]\nlevel = \"warn\"\n");
    let secret = files.write("level", "error\n");
    let env = environment([
        ("AVATAR_PROXY__LINK__DEFAULT_TTL", "3h"),
        ("AVATAR_PROXY__LOG__LEVEL", "debug"),
        ("AVATAR_PROXY__LOG__LEVEL_FILE", secret.to_str().unwrap()),
        ("AVATAR_PROXY_PORT", "tcp://10.0.0.1:8080"),
        ("HOME", "/root"),
    ]);
    let layers = Layers::load(Some(&file), &env).unwrap();
    for (key, value, source) in [
        ("log.format", "text", Source::Default),
        ("link.margin", "1h", Source::File(file.clone())),
        ("link.default_ttl", "3h", Source::Env("AVATAR_PROXY__LINK__DEFAULT_TTL".into())),
        ("log.level", "error", Source::EnvFile("AVATAR_PROXY__LOG__LEVEL_FILE".into(), secret)),
    ] {
        assert_eq!((text(&layers, key), layers.source(key)), (value, source), "{key}");
    }
    let config = Config::from_layers(&layers).unwrap();
    assert_eq!(config.log.level, telemetry::Level::Error);
}

#[test]
fn a_variable_is_read_by_the_type_of_its_default() {
    let layers = Layers::load(
        None,
        &environment([
            ("AVATAR_PROXY__ADMIN__TOKEN", "1234"),
            ("AVATAR_PROXY__AVATAR__QUEUE", "12"),
            ("AVATAR_PROXY__AVATAR__REFRESH_AHEAD", "1"),
            ("AVATAR_PROXY__AVATAR__HEADERS__CACHE_TAGS", "[\"cache-tag\"]"),
            ("AVATAR_PROXY__DIRECTORY__WRITE_BACK", " false "),
            ("AVATAR_PROXY__DISK__PATH", ""),
            ("AVATAR_PROXY__TOKENS__KEYS", "[\"a\", \"b\"]"),
        ]),
    )
    .unwrap();
    let value = |key| schema::find(layers.values(), key).unwrap().to_string();
    assert_eq!(text(&layers, "admin.token"), "1234");
    assert_eq!(value("avatar.queue"), "12");
    assert_eq!(value("avatar.refresh_ahead"), "1.0");
    assert_eq!(value("avatar.headers.cache_tags"), "[\"cache-tag\"]");
    assert_eq!(value("directory.write_back"), "false");
    assert_eq!(text(&layers, "disk.path"), "");
    assert_eq!(value("tokens.keys"), "[\"a\", \"b\"]");
}

#[test]
fn a_file_named_by_a_variable_loses_one_line_end_and_a_list_has_one_value_a_line() {
    let files = Files::new();
    for (content, value) in
        [("tok", "tok"), ("tok\n", "tok"), ("tok\r\n", "tok"), ("tok\n\n", "tok\n"), (" tok ", " tok ")]
    {
        let path = files.write("token", content);
        let env = environment([("AVATAR_PROXY__ADMIN__TOKEN_FILE", path.to_str().unwrap())]);
        assert_eq!(text(&Layers::load(None, &env).unwrap(), "admin.token"), value, "{content:?}");
    }
    let keys = files.write("keys", "sha256:new key\r\n\nsha256:old key\n");
    let number = files.write("queue", "77\n");
    let layers = Layers::load(
        None,
        &environment([
            ("AVATAR_PROXY__TOKENS__KEYS_FILE", keys.to_str().unwrap()),
            ("AVATAR_PROXY__AVATAR__QUEUE_FILE", number.to_str().unwrap()),
        ]),
    )
    .unwrap();
    let value = |key| schema::find(layers.values(), key).unwrap().to_string();
    assert_eq!(value("tokens.keys"), "[\"sha256:new key\", \"sha256:old key\"]");
    assert_eq!(value("avatar.queue"), "77");
}

#[test]
fn the_dashboards_own_variables_are_taken_only_where_their_keys_are_empty() {
    let env = environment([("DATABASE_URL", "postgres://u:p@h/d")]);
    let layers = Layers::load(None, &env).unwrap();
    assert_eq!(text(&layers, "directory.url"), "postgres://u:p@h/d");
    assert_eq!(layers.source("directory.url"), Source::Env("DATABASE_URL".into()));

    let files = Files::new();
    let file = files.write("my.toml", "directory.url = \"mysql://h/d\"");
    let layers = Layers::load(Some(&file), &env).unwrap();
    assert_eq!(text(&layers, "directory.url"), "mysql://h/d");

    let redis = environment([("REDIS_URL", "redis://:p@h")]);
    assert_eq!(text(&Layers::load(None, &redis).unwrap(), "redis.url"), "redis://:p@h");

    let env = environment([("DATABASE_URL", "postgres://h/d"), ("AVATAR_PROXY__DIRECTORY__URL", "")]);
    assert_eq!(text(&Layers::load(Some(&file), &env).unwrap(), "directory.url"), "postgres://h/d");
}

#[test]
fn a_section_without_its_enclave_is_what_its_owner_sees() {
    let layers = load("[avatar.headers]\nmax_age = \"1m\"").unwrap();
    assert!(layers.section("avatar").get("headers").is_none());
    assert_eq!(layers.section("avatar.headers")["max_age"].as_str(), Some("1m"));
    assert_eq!(layers.section("directory")["table"].as_array().map(Vec::len), Some(0));
}
