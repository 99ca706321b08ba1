//! The layers, and every error line word for word.

use std::ffi::OsString;
use std::path::PathBuf;

use serde::Deserialize;

use super::schema::{self, Kind};
use super::*;
use crate::model::{Invalid, units};

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
    providers.facebook.size providers.facebook.hosts providers.telegram.base_url origin.ca origin.connect_timeout
    origin.timeout origin.max_bytes origin.max_redirects origin.stream_above origin.allow_http origin.allow_private
    images.sizes images.quality images.formats images.negotiate images.max_pixels images.workers images.queue
    fallback.default fallback.status access.signing_keys access.rate access.burst access.trusted_proxies events.url
    events.secret log.level log.format providers.json.name directory.table connection";

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

/// What is wrong with a file, as the operator reads it, the file called `my.toml`.
fn complaint(file: &str) -> String {
    let files = Files::new();
    let path = files.write("my.toml", file);
    let error = Layers::load(Some(&path), &environment([]))
        .and_then(|layers| {
            Config::from_layers(&layers)?;
            typed(&layers)
        })
        .expect_err("this file is wrong");
    one_line(&error).replace(&path.display().to_string(), "my.toml")
}

fn complaint_of_variable(name: &str, value: &str) -> String {
    let error = Layers::load(None, &environment([(name, value)]))
        .and_then(|layers| {
            Config::from_layers(&layers)?;
            typed(&layers)
        })
        .expect_err("this variable is wrong");
    one_line(&error)
}

#[track_caller]
fn one_line(error: &ConfigError) -> String {
    let text = error.to_string();
    assert!(!text.contains('\n'), "{text}");
    text
}

/// A section as another folder would write it.
fn typed(layers: &Layers) -> Result<(), ConfigError> {
    section::<AvatarWritten, Avatar>(layers, "avatar")?;
    Ok(())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its deserialisation is under test")]
struct AvatarWritten {
    fresh_for: units::Span,
    refresh_ahead: f64,
    max_refreshes: usize,
    queue: usize,
    stale_while_revalidate: units::Span,
    stale_if_error: units::Span,
    forget_after: units::Span,
    wait: units::Span,
    no_picture_for: units::Span,
    unknown_for: units::Span,
    retry_min: units::Span,
    retry_max: units::Span,
}

#[derive(Debug)]
struct Avatar;

impl TryFrom<AvatarWritten> for Avatar {
    type Error = Invalid;
    fn try_from(written: AvatarWritten) -> Result<Self, Invalid> {
        if written.forget_after.get() < written.stale_if_error.get() {
            return Err(Invalid::new("forget_after", "its own words", "at least stale_if_error"));
        }
        Ok(Self)
    }
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
fn each_feature_that_is_not_built_is_refused_by_name() {
    for (file, key) in [
        ("server.public_url = \"https://a.example\"", "server.public_url"),
        ("[server.tls]\ncert = \"a.pem\"", "server.tls"),
        ("[redis]\nurl = \"redis://localhost\"", "redis"),
        ("[[providers.json]]\nname = \"threads\"", "providers.json"),
        ("[images]\nsizes = [32]", "images.sizes"),
        ("[images]\nquality = 82", "images.quality"),
        ("[images]\nformats = [\"jpeg\"]", "images.formats"),
        ("[images]\nnegotiate = true", "images.negotiate"),
        ("[images]\nworkers = 1", "images.workers"),
        ("[images]\nqueue = 1", "images.queue"),
        ("[access]\nsigning_keys = [\"k\"]", "access"),
        ("[events]\nurl = \"https://a.example\"", "events"),
    ] {
        assert_eq!(complaint(file), format!("my.toml: `{key}` is not supported yet; leave it out"));
    }
    for (name, key) in [
        ("AVATAR_PROXY__ACCESS__SIGNING_KEYS", "access.signing_keys"),
        ("AVATAR_PROXY__REDIS__TLS__CA", "redis.tls.ca"),
    ] {
        let expected = format!("{name}: `{key}` is not supported yet; leave it out");
        assert_eq!(complaint_of_variable(name, "x"), expected);
    }
    assert_eq!(
        complaint_of_variable("AVATAR_PROXY__EVENTS__SECRET_FILE", "/run/secrets/x"),
        "AVATAR_PROXY__EVENTS__SECRET_FILE: `events.secret` is not supported yet; leave it out"
    );
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
fn database_url_is_taken_only_where_directory_url_is_empty() {
    let env = environment([("DATABASE_URL", "postgres://u:p@h/d")]);
    let layers = Layers::load(None, &env).unwrap();
    assert_eq!(text(&layers, "directory.url"), "postgres://u:p@h/d");
    assert_eq!(layers.source("directory.url"), Source::Env("DATABASE_URL".into()));

    let files = Files::new();
    let file = files.write("my.toml", "directory.url = \"mysql://h/d\"");
    let layers = Layers::load(Some(&file), &env).unwrap();
    assert_eq!(text(&layers, "directory.url"), "mysql://h/d");

    let env = environment([("DATABASE_URL", "postgres://h/d"), ("AVATAR_PROXY__DIRECTORY__URL", "")]);
    assert_eq!(text(&Layers::load(Some(&file), &env).unwrap(), "directory.url"), "postgres://h/d");
}

#[test]
fn an_unknown_key_names_the_one_that_was_meant() {
    for (file, expected) in [
        (
            "[avatar]\nfresh_four = \"6h\"",
            "there is no `avatar.fresh_four`; did you mean `avatar.fresh_for`?",
        ),
        ("[avater]\nfresh_for = \"6h\"", "there is no `avater`; did you mean `avatar`?"),
        (
            "[avatar]\nmax_age = \"6h\"",
            "there is no `avatar.max_age`; did you mean `avatar.headers.max_age`?",
        ),
        ("[[connections]]\nid = \"a\"", "there is no `connections`; did you mean `connection`?"),
        ("[disk]\nzzzzz = 1", "there is no `disk.zzzzz`; [disk] has path, max_bytes"),
        ("\"a.b\" = 1", "there is no `\"a.b\"`; see config.toml for every key there is"),
        ("[tokens]\nkey = \"0123456789abcdef\"", "there is no `tokens.key`; did you mean `tokens.keys`?"),
    ] {
        assert_eq!(complaint(file), format!("my.toml: {expected}"));
    }
    for (name, expected) in [
        (
            "AVATAR_PROXY__AVATAR__FRESH_FOUR",
            "there is no `avatar.fresh_four`; did you mean `AVATAR_PROXY__AVATAR__FRESH_FOR`?",
        ),
        (
            "AVATAR_PROXY__TOKENS__KEY_FILE",
            "there is no `tokens.key`; did you mean `AVATAR_PROXY__TOKENS__KEYS_FILE`?",
        ),
    ] {
        assert_eq!(complaint_of_variable(name, "x").replace(" (x)", ""), format!("{name}: {expected}"));
    }
}

#[test]
fn a_wrong_type_or_unit_names_key_value_and_what_would_be_right() {
    for (file, expected) in [
        ("link.margin = 6", "link.margin = 6: expected a text in quotes, such as \"12h\""),
        (
            "link.margin = \"6\"",
            "link.margin = \"6\": expected a duration with its unit (ms, s, m, h, d), such as \"90s\" or \"6h\"",
        ),
        ("avatar.queue = \"10\"", "avatar.queue = \"10\": expected a whole number, such as 10000"),
        ("avatar.queue = -1", "avatar.queue = -1: expected a whole number of 0 or more"),
        ("avatar.refresh_ahead = \"x\"", "avatar.refresh_ahead = \"x\": expected a number, such as 0.8"),
        ("directory.write_back = 1", "directory.write_back = 1: expected true or false"),
        (
            "providers.facebook.hosts = \"fbcdn.net\"",
            "providers.facebook.hosts = \"fbcdn.net\": expected a list of texts, such as \
             [\"fbcdn.net\", \"fbsbx.com\", \"cdninstagram.com\"]",
        ),
        (
            "origin.allow_private = [1]",
            "origin.allow_private = [1]: expected a list of texts, such as [\"...\", \"...\"]",
        ),
        ("avatar = 5", "avatar = 5: expected a section, [avatar]"),
        (
            "log.level = \"inf\"",
            "log.level = \"inf\": expected one of \"error\", \"warn\", \"info\", \"debug\", \
                                 \"trace\"; did you mean \"info\"?",
        ),
        (
            "disk.path = [\"a\\nb\"]",
            "disk.path = [\"a\\nb\"]: expected a text in quotes, such as \
                                     \"data/avatar-proxy.db\"",
        ),
    ] {
        assert_eq!(complaint(file), format!("my.toml: {expected}"));
    }
    for (name, value, expected) in [
        (
            "AVATAR_PROXY__AVATAR__QUEUE",
            "ten",
            "avatar.queue = \"ten\": expected a whole number, such as 10000",
        ),
        (
            "AVATAR_PROXY__PROVIDERS__FACEBOOK__HOSTS",
            "fbcdn.net",
            "providers.facebook.hosts = \"fbcdn.net\": expected a list of texts as TOML writes it, such as \
             [\"...\", \"...\"]",
        ),
        (
            "AVATAR_PROXY__LINK__MARGIN",
            "6 hours",
            "link.margin = \"6 hours\": expected a duration with its unit (ms, s, m, h, d), such as \"90s\" or \"6h\"",
        ),
    ] {
        assert_eq!(complaint_of_variable(name, value), format!("{name}: {expected}"));
    }
}

#[test]
fn a_variable_that_can_hold_no_key_is_refused() {
    for (name, value, expected) in [
        ("AVATAR_PROXY__AVATAR", "x", "expected one key of [avatar], such as AVATAR_PROXY__AVATAR__..."),
        (
            "AVATAR_PROXY__CONNECTION",
            "[]",
            "expected [[connection]] blocks in a file; no variable can hold them",
        ),
        ("AVATAR_PROXY__Log__level", "info", "expected upper case, AVATAR_PROXY__LOG__LEVEL"),
    ] {
        assert_eq!(complaint_of_variable(name, value), format!("{name}: {expected}"));
    }
}

#[test]
fn a_broken_rule_names_the_key_that_breaks_it_and_where_it_was_written() {
    assert_eq!(
        complaint("link.default_ttl = \"0s\""),
        "my.toml: link.default_ttl = \"0s\": expected at least 1s"
    );
    assert_eq!(
        complaint("avatar.stale_if_error = \"366d\""),
        "default: avatar.forget_after = \"365d\": expected at least stale_if_error"
    );
}

#[test]
fn a_block_is_named_by_its_number_counted_from_one() {
    let good = "[[connection]]\nid = \"a\"\nprovider = \"facebook\"\ntoken = \"plain:hunter2\"\n";
    for (second, expected) in [
        ("id = \"a\"", "connection[2].id = \"a\": expected an id that no other block has"),
        (
            "id = \"b\"\nprovider = \"facebok\"",
            "connection[2].provider = \"facebok\": expected instagram, facebook or telegram (did you mean \
             \"facebook\"?)",
        ),
        ("id = \"b\"\nnme = \"x\"", "there is no `connection[2].nme`; did you mean `name`?"),
        (
            "id = \"b\"\nzzzzzzz = \"x\"",
            "there is no `connection[2].zzzzzzz`; there are id, provider, account, token, name, picture_url",
        ),
        ("provider = \"facebook\"", "connection[2]: expected the key `id` in it"),
        ("id = 5", "connection[2].id = 5: expected a text in quotes"),
        ("id = \"b\"\ntoken = 777", "connection[2].token = \"<hidden>\": expected a text in quotes"),
    ] {
        let mut second = format!("[[connection]]\n{second}\n");
        for (key, line) in
            [("provider", "provider = \"facebook\"\n"), ("token", "token = \"plain:hunter2\"\n")]
        {
            if !second.contains(&format!("{key} = ")) {
                second.push_str(line);
            }
        }
        assert_eq!(complaint(&format!("{good}{second}")), format!("my.toml: {expected}"));
    }
    assert_eq!(
        complaint("connection = 5"),
        "my.toml: connection = \"<hidden>\": expected blocks, each under a line [[connection]]"
    );
}

#[test]
fn a_secret_is_in_no_error_line() {
    for file in [
        "tokens.keys = \"hunter2\"",
        "tokens.keys = [\"hunter2\"]",
        "tokens.keys = [777777]",
        "tokens.key = \"hunter2\"",
        "admin.token = [\"hunter2\"]",
        "admin.token = 777777",
        "directory.url = [\"hunter2\"]",
        "connection = \"hunter2\"",
        "[[connection]]\nid = \"a\"\nprovider = \"facebook\"\ntoken = [\"hunter2\"]",
        "[[connection]]\nid = \"a\"\nprovider = \"facebook\"\ntokn = \"hunter2\"",
        "admin.token = \"hunter2",
        "admin.token = hunter2",
        "[providers.facebook.app_secret]\nhunter = \"hunter2\"",
    ] {
        let complaint = complaint(file);
        assert!(!complaint.contains("hunter2") && !complaint.contains("777777"), "{complaint}");
    }
    let complaint = complaint_of_variable("AVATAR_PROXY__TOKENS__KEYS", "hunter2");
    assert_eq!(
        complaint,
        "AVATAR_PROXY__TOKENS__KEYS: tokens.keys = \"<hidden>\": expected a list of texts as TOML writes it, such as \
         [\"...\", \"...\"]"
    );
}

#[test]
fn a_file_that_is_not_toml_is_refused_by_line_and_column() {
    assert_eq!(complaint("[avatar]\n  fresh_for = = 6"), "my.toml:2:15: extra `=`, expected nothing");
    assert_eq!(complaint("[avatar]\nwait = \"1s\"\nwait = \"2s\""), "my.toml:3:1: duplicate key");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let missing = Layers::load(Some(Path::new("/no/such.toml")), &environment([])).err().unwrap();
    assert_eq!(one_line(&missing), "/no/such.toml: cannot be read: No such file or directory (os error 2)");
    assert_eq!(
        complaint_of_variable("AVATAR_PROXY__ADMIN__TOKEN_FILE", "/no/such"),
        "AVATAR_PROXY__ADMIN__TOKEN_FILE (/no/such): cannot be read: No such file or directory (os error 2)"
    );
    let files = Files::new();
    let long = files.write("long.toml", &"#".repeat((1 << 20) + 1));
    let error = Layers::load(Some(&long), &environment([])).err().unwrap();
    assert!(one_line(&error).ends_with("cannot be read: it is longer than 1 MiB"), "{error}");
}

#[test]
fn show_config_is_toml_says_where_values_come_from_and_shows_no_secret() {
    let files = Files::new();
    let file = files.write(
        "my.toml",
        "directory.url = \"postgres://u:hunter2@h/d\"\ntokens.keys = [\"hunter2\", \"hunter2\"]\n\
         admin.token = \"hunter2\"\n[providers.instagram]\napp_secret = \"hunter2\"\n[providers.facebook]\n\
         app_secret = \"hunter2\"\n[disk]\npath = \"a\\nb\"\n[[connection]]\nid = \"acme\"\nprovider = \"facebook\"\n\
         token = \"plain:hunter2\"\npicture_url = \"https://h/?sig=hunter2\"\n[[directory.table]]\n\
         provider = \"instagram\"\ntoken = \"accessTokenEnc\"\n",
    );
    let layers = Layers::load(Some(&file), &environment([("AVATAR_PROXY__LOG__LEVEL", "warn")])).unwrap();
    let shown = show(&layers);
    assert!(!shown.contains("hunter2"), "{shown}");
    let parsed: toml::Table = shown.parse().unwrap();
    let value = |key| schema::find(&parsed, key).unwrap_or_else(|| panic!("{key} in {shown}")).to_string();
    assert_eq!(value("tokens.keys"), "[\"<hidden>\", \"<hidden>\"]");
    assert_eq!(value("directory.url"), "\"<hidden>\"");
    assert_eq!(parsed["connection"][0]["id"].as_str(), Some("acme"));
    assert_eq!(parsed["connection"][0]["token"].as_str(), Some("<hidden>"));
    assert_eq!(parsed["directory"]["table"][0]["token"].as_str(), Some("accessTokenEnc"), "a column's name");
    assert_eq!(schema::keys(&parsed), schema::keys(layers.values()), "every key is shown, in its order");
    let line = |key: &str| shown.lines().find(|line| line.starts_with(key)).unwrap().to_owned();
    assert!(line("level").ends_with("# AVATAR_PROXY__LOG__LEVEL"));
    assert!(line("format").ends_with("# default"));
    assert!(line("app_secret").ends_with(&format!("# {}", file.display())));
}

#[test]
fn what_is_called_like_a_secret_is_hidden() {
    for key in CONTRACT.split_whitespace() {
        let name = key.rsplit('.').next().unwrap();
        let sounds_secret = ["token", "keys", "app_secret", "password", "secret"].contains(&name);
        let is_built = schema::NOT_YET.iter().all(|path| !schema::is_within(key, path));
        assert!(!sounds_secret || !is_built || schema::is_secret(key), "{key}");
    }
    assert!(schema::is_secret("connection[12].token") && !schema::is_secret("directory.table[1].token"));
}

#[test]
fn a_section_without_its_enclave_is_what_its_owner_sees() {
    let layers = load("[avatar.headers]\nmax_age = \"1m\"").unwrap();
    assert!(layers.section("avatar").get("headers").is_none());
    assert_eq!(layers.section("avatar.headers")["max_age"].as_str(), Some("1m"));
    assert_eq!(layers.section("directory")["table"].as_array().map(Vec::len), Some(0));
}

#[test]
fn an_unknown_section_lists_those_there_are() {
    assert_eq!(
        complaint("[zzzzz]\nx = 1"),
        "my.toml: there is no `zzzzz`; there are server, admin, avatar, link, memory, disk, directory, tokens, \
         providers, origin, images, fallback, log, connection"
    );
}
