//! Every error line, word for word.

use super::*;

/// What is wrong with a file, as the operator reads it, the file called `my.toml`.
pub(super) fn complaint(file: &str) -> String {
    let files = Files::new();
    let path = files.write("my.toml", file);
    let error = Layers::load(Some(&path), &environment([]))
        .and_then(|layers| Config::from_layers(&layers))
        .err()
        .expect("this file is wrong");
    one_line(&error).replace(&path.display().to_string(), "my.toml")
}

fn complaint_of_variable(name: &str, value: &str) -> String {
    let error = Layers::load(None, &environment([(name, value)]))
        .and_then(|layers| Config::from_layers(&layers))
        .err()
        .expect("this variable is wrong");
    one_line(&error)
}

#[track_caller]
fn one_line(error: &ConfigError) -> String {
    let text = error.to_string();
    assert!(!text.contains('\n'), "{text}");
    text
}

#[test]
fn each_feature_that_is_not_built_is_refused_by_name() {
    for (file, key) in [
        ("server.public_url = \"https://a.example\"", "server.public_url"),
        ("[server.tls]\ncert = \"a.pem\"", "server.tls"),
        ("[images]\nsizes = [32]", "images.sizes"),
        ("[images]\nquality = 82", "images.quality"),
        ("[images]\nformats = [\"jpeg\"]", "images.formats"),
        ("[images]\nnegotiate = true", "images.negotiate"),
        ("[images]\nworkers = 1", "images.workers"),
        ("[images]\nqueue = 1", "images.queue"),
        ("[access]\nsigning_keys = [\"k\"]", "access"),
    ] {
        assert_eq!(complaint(file), format!("my.toml: `{key}` is not supported yet; leave it out"));
    }
    for (name, key) in [
        ("AVATAR_PROXY__ACCESS__SIGNING_KEYS", "access.signing_keys"),
        ("AVATAR_PROXY__SERVER__TLS__CERT", "server.tls.cert"),
    ] {
        let expected = format!("{name}: `{key}` is not supported yet; leave it out");
        assert_eq!(complaint_of_variable(name, "x"), expected);
    }
    assert_eq!(
        complaint_of_variable("AVATAR_PROXY__ACCESS__SIGNING_KEYS_FILE", "/run/secrets/x"),
        "AVATAR_PROXY__ACCESS__SIGNING_KEYS_FILE: `access.signing_keys` is not supported yet; leave it out"
    );
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
        "default: avatar.forget_after = \"365d\": expected at least fresh_for + stale_while_revalidate + stale_if_error = 8958h"
    );
}

#[test]
fn events_need_an_address_a_disk_and_a_secret_of_the_specifications_form() {
    let secret = |text: &str| format!("events.url = \"https://a.example/hook\"\nevents.secret = \"{text}\"");
    let signs = "expected \"whsec_\" and 24 to 64 bytes in base64: it signs what is posted to events.url";
    for (file, expected) in [
        (
            "events.url = \"ftp://a.example\"".to_owned(),
            "my.toml: events.url = \"<hidden>\": expected an address without credentials, such as \
             \"https://dashboard.example/webhooks/avatars\""
                .to_owned(),
        ),
        (
            "disk.path = \"\"\n".to_owned() + &secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
            "my.toml: events.url = \"<hidden>\": expected \"\", or a disk.path: events wait there until they are delivered"
                .to_owned(),
        ),
        ("events.url = \"https://a.example\"".to_owned(), format!("default: events.secret = \"\": {signs}")),
        (secret("hunter2"), format!("my.toml: events.secret = \"<hidden>\": {signs}")),
        (secret("whsec_hunter2!"), format!("my.toml: events.secret = \"<hidden>\": {signs}")),
        // 16 bytes.
        (secret("whsec_AAAAAAAAAAAAAAAAAAAAAA=="), format!("my.toml: events.secret = \"<hidden>\": {signs}")),
    ] {
        assert_eq!(complaint(&file), expected);
    }
}

#[test]
fn a_client_may_not_wait_for_longer_than_any_answer_may_take() {
    assert_eq!(
        complaint("avatar.wait = \"20s\""),
        "my.toml: avatar.wait = \"20s\": expected less than server.request_timeout = 20s"
    );
    assert_eq!(
        complaint("server.request_timeout = \"2s\""),
        "my.toml: server.request_timeout = \"2s\": expected more than avatar.wait = 3s"
    );
    assert_eq!(
        complaint("avatar.wait = \"5s\"\nserver.request_timeout = \"4s\""),
        "my.toml: avatar.wait = \"5s\": expected less than server.request_timeout = 4s"
    );
}

#[test]
fn a_block_is_named_by_its_number_counted_from_one() {
    let good = "[[connection]]\nid = \"a\"\nprovider = \"facebook\"\ntoken = \"plain:hunter2\"\n";
    for (second, expected) in [
        ("id = \"a\"", "connection[2].id = \"a\": expected an id that no other block has"),
        ("id = \"a b\"", "connection[2].id = \"a b\": expected 1 to 64 of A-Z, a-z, 0-9, _ and -"),
        (
            "id = \"b\"\nprovider = \"facebok\"",
            "connection[2].provider = \"facebok\": expected one of instagram, facebook, telegram, or the name of a \
             [[providers.json]] block; did you mean \"facebook\"?",
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
        "directory.url = \"prisma://x/?api_key=hunter2\"",
        "connection = \"hunter2\"",
        "[[connection]]\nid = \"a\"\nprovider = \"facebook\"\ntoken = [\"hunter2\"]",
        "[[connection]]\nid = \"a\"\nprovider = \"facebook\"\ntokn = \"hunter2\"",
        "events.url = \"ftp://a/hunter2\"",
        "events.url = \"https://a/777777\"\nevents.secret = \"whsec_hunter2\"",
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
    assert_eq!(
        complaint("[avatar]\nwait = \"1s\"\nwait = \"2s\""),
        "my.toml:3:1: `avatar.wait` is given twice"
    );
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
fn an_unknown_section_lists_those_there_are() {
    assert_eq!(
        complaint("[zzzzz]\nx = 1"),
        "my.toml: there is no `zzzzz`; there are server, admin, avatar, link, memory, disk, redis, directory, tokens, \
         providers, origin, images, fallback, events, log, connection"
    );
}

#[test]
fn a_json_provider_is_named_by_its_block_and_rows_name_only_providers_that_are_there() {
    let threads = "[[providers.json]]\nname = \"threads\"\nurl = \"https://graph.threads.net/v1.0/me\"\nauth = \"bearer\"\n\
                   pointer = \"/picture\"\nhosts = [\"fbcdn.net\"]\n";
    for (second, expected) in [
        (threads.to_owned(), "providers.json[2].name = \"threads\": expected a name that no other block has"),
        (
            threads.replace("threads\"\nurl", "telegram\"\nurl"),
            "providers.json[2].name = \"telegram\": expected another name: this one is built in",
        ),
        (
            threads.replace("threads\"\nurl", "x\"\nurl").replace("\"/picture\"", "\"/a~\""),
            "providers.json[2].pointer = \"/a~\": expected a JSON Pointer (RFC 6901), such as \"/data/0/url\", in which ~ \
             is written ~0 and a / within a name ~1",
        ),
        (threads.replace("auth = \"bearer\"\n", ""), "providers.json[2]: expected the key `auth` in it"),
        (
            threads.replace("auth", "autz = \"\"\nauth"),
            "there is no `providers.json[2].autz`; did you mean `auth`?",
        ),
        (
            threads.replace("threads\"\nurl", "x\"\nerror_codes = { a = \"dead\" }\nurl"),
            "providers.json[2].error_codes.a = \"dead\": expected one of \"transient\", \"throttled\", \"needs_reauth\", \
             \"denied\", \"no_consent\", \"misconfigured\"",
        ),
        (
            "[[connection]]\nid = \"a\"\nprovider = \"thread\"\ntoken = \"plain:x\"\n".to_owned(),
            "connection[1].provider = \"thread\": expected one of instagram, facebook, telegram, threads, or the name of a \
             [[providers.json]] block; did you mean \"threads\"?",
        ),
        (
            "[[connection]]\nid = \"a\"\nprovider = \"threads\"\n".to_owned(),
            "connection[1]: expected the key `token` in it",
        ),
        (
            "[[directory.table]]\nprovider = \"mastodon\"\ntable = \"t\"\nid = \"i\"\ntoken = \"k\"\n"
                .to_owned(),
            "directory.table[1].provider = \"mastodon\": expected one of instagram, facebook, telegram, threads, or the \
             name of a [[providers.json]] block",
        ),
    ] {
        assert_eq!(complaint(&format!("{threads}{second}")), format!("my.toml: {expected}"));
    }
    let rows = "[[connection]]\nid = \"a\"\nprovider = \"threads\"\ntoken = \"plain:x\"\n[[directory.table]]\n\
                provider = \"threads\"\ntable = \"t\"\nid = \"i\"\ntoken = \"k\"\n";
    let config = Config::from_layers(&load(&format!("{threads}{rows}")).unwrap()).unwrap();
    assert_eq!(config.providers.names().len(), 4);
    let open = threads.replace("bearer", "none") + "[[connection]]\nid = \"a\"\nprovider = \"threads\"\n";
    assert!(Config::from_layers(&load(&open).unwrap()).is_ok(), "it needs no token");
}

#[test]
fn a_key_that_is_given_twice_is_named() {
    for (file, expected) in [
        ("link.margin = \"1h\"\nlink.margin = \"2h\"", "2:6: `link.margin`"),
        (
            "[avatar]\nwait = \"1s\"\nheaders.max_age = \"1h\"\nheaders.max_age = \"2h\"",
            "4:9: `avatar.headers.max_age`",
        ),
        ("[disk]\npath = \"a\"\n[log]\n[disk]\n", "4:2: `disk`"),
        ("disk.path = \"a\"\n[disk]\n", "2:2: `disk`"),
        ("[avatar.headers]\n[avatar]\nheaders = 1\n", "3:1: `avatar.headers`"),
        ("[avatar.headers]\n[disk]\n[ avatar . headers ]\n", "3:12: `avatar.headers`"),
        ("disk = { path = \"a\", path = \"b\" }", "1:22: `disk.path`"),
        ("disk = { path = \"a\" }\ndisk.max_bytes = 1", "2:1: `disk`"),
        ("avatar = { headers = { max_age = 1, max_age = 2 } }", "1:37: `avatar.headers.max_age`"),
        ("disk = { path = \"a\" }\n[disk]", "2:2: `disk`"),
        ("disk.path = \"a\"\ndisk.path.b = 1", "2:6: `disk.path`"),
        ("[[connection]]\nid = \"a\"\n[[connection]]\nid = \"a\"\nid = \"b\"", "5:1: `connection[2].id`"),
        ("[[connection]]\n[connection]", "2:2: `connection`"),
        ("[connection]\n[[connection]]", "2:3: `connection`"),
        ("connection = [{ id = \"a\" }, { id = \"b\", id = \"c\" }]", "1:41: `connection[2].id`"),
        ("[[providers.json]]\n[providers.json.app]\nid = 1\nid = 2", "4:1: `providers.json[1].app.id`"),
        ("\"a b\" = 1\n'a b' = 2", "2:1: `\"a b\"`"),
        ("[log]\n# [disk]\nlevel = \"\"\"\n[disk]\n\"\"\"\nlevel = 1", "6:1: `log.level`"),
    ] {
        assert_eq!(complaint(file), format!("my.toml:{expected} is given twice"), "{file}");
    }
}
