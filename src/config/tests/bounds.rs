//! The values that each key takes.

use super::complaints::complaint;
use super::*;

#[track_caller]
fn accepted(file: &str) -> Config {
    Config::from_layers(&load(file).unwrap()).unwrap_or_else(|error| panic!("{file}: {error}"))
}

#[test]
fn a_value_out_of_bounds_is_refused_with_its_key() {
    for (key, value) in [
        ("server.listen", "\"8080\""),
        ("server.listen", "\"localhost:8080\""),
        ("server.listen", "\"unix:relative.sock\""),
        ("server.header_timeout", "\"9ms\""),
        ("server.idle_timeout", "\"0s\""),
        ("server.request_timeout", "\"0s\""),
        ("server.drain_timeout", "\"0s\""),
        ("server.max_connections", "0"),
        ("server.max_connections", "1000001"),
        ("admin.listen", "\"nowhere\""),
        ("directory.max_connections", "0"),
        ("directory.max_connections", "1001"),
        ("directory.timeout", "\"9ms\""),
        ("origin.connect_timeout", "\"0s\""),
        ("origin.timeout", "\"2s\""),
        ("origin.max_bytes", "\"1023B\""),
        ("origin.max_redirects", "11"),
        ("origin.allow_private", "[\"10.0.0.0/33\"]"),
        ("origin.allow_private", "[\"localhost\"]"),
        ("providers.instagram.base_url", "\"graph.instagram.com\""),
        ("providers.facebook.base_url", "\"\""),
        ("providers.telegram.base_url", "\"ftp://a.example\""),
        ("providers.instagram.version", "\"25.0\""),
        ("providers.instagram.version", "\"v25\""),
        ("providers.instagram.version", "\"v25.0/../me\""),
        ("providers.facebook.version", "\"v.0\""),
        ("providers.facebook.version", "\"v24.\""),
        ("providers.instagram.max_calls", "0"),
        ("providers.facebook.max_calls", "10001"),
        ("providers.telegram.calls_per_second", "0"),
        ("providers.facebook.size", "15"),
        ("providers.facebook.size", "2049"),
        ("providers.facebook.size", "65552"),
        ("providers.facebook.hosts", "[\"fbcdn.net\", \"a/b\"]"),
    ] {
        let complaint = complaint(&format!("{key} = {value}"));
        // Of a list, the error shows the one value that is wrong, without quotes.
        let value = value.trim_matches(['[', ']']).trim_start_matches("\"fbcdn.net\", ").replace('"', "");
        let expected = format!("my.toml: {key} = {value}: expected ");
        assert!(complaint.replace('"', "").starts_with(&expected), "{complaint}");
    }
}

#[test]
fn a_value_at_its_bound_is_accepted() {
    for file in [
        "server.listen = \"unix:/run/a.sock\"",
        "origin.connect_timeout = \"1ms\"",
        "origin.timeout = \"3s\"",
        "origin.max_bytes = \"1KiB\"\norigin.stream_above = \"0B\"",
        "origin.max_redirects = 0",
        "origin.max_redirects = 10",
        "providers.facebook.size = 16",
        "providers.facebook.size = 2048",
    ] {
        accepted(file);
    }
    let config = accepted("origin.allow_private = [\"127.0.0.1\", \"10.0.0.0/8\", \"::1\", \"fd00::/8\"]");
    let networks: Vec<_> = config.origin.allow_private.iter().map(ToString::to_string).collect();
    assert_eq!(networks, ["127.0.0.1/32", "10.0.0.0/8", "::1/128", "fd00::/8"]);
    assert_eq!(accepted("directory.sweep = \"0s\"").directory.sweep, None);
}

#[test]
fn a_table_names_a_provider_and_columns() {
    let table = |provider: &str, token: &str| {
        complaint(&format!(
            "[[directory.table]]\nprovider = \"{provider}\"\ntable = \"t\"\nid = \"i\"\ntoken = \"{token}\"\n"
        ))
    };
    assert!(table("Facebook", "k").contains("directory.table[1].provider = \"Facebook\": expected "));
    assert!(table("facebook", "a\\u0000b").ends_with("expected a name without a NUL"));
    assert!(table("facebook", "k\"\nx = \"1").contains("there is no `directory.table[1].x`"));
}

#[test]
fn the_admin_token_may_be_empty_only_where_no_other_machine_can_connect() {
    for local in ["127.0.0.1:9180", "[::1]:9180", "[::ffff:127.0.0.1]:9180", "unix:/run/admin.sock", ""] {
        assert_eq!(accepted(&format!("admin.listen = \"{local}\"")).admin.token, None, "{local}");
    }
    for open in ["0.0.0.0:9180", "[::]:9180", "10.0.0.1:9180"] {
        let listen = format!("admin.listen = \"{open}\"\n");
        assert!(complaint(&listen).contains("admin.token = "), "{open}");
        assert!(accepted(&(listen + "admin.token = \"secret\"")).admin.token.is_some(), "{open}");
    }
}
