//! `show-config`.

use super::*;

#[test]
fn show_config_is_toml_says_where_values_come_from_and_shows_no_secret() {
    let files = Files::new();
    let file = files.write(
        "my.toml",
        "directory.url = \"postgres://u:hunter2@h/d\"\ntokens.keys = [\"hunter2\", \"hunter2\"]\n\
         admin.token = \"hunter2\"\n[providers.instagram]\napp_secret = \"hunter2\"\n[providers.facebook]\n\
         app_secret = \"hunter2\"\n[disk]\npath = \"a\\nb\"\n[[connection]]\nid = \"acme\"\nprovider = \"facebook\"\n\
         token = \"plain:hunter2\"\npicture_url = \"https://h/?sig=hunter2\"\n[[directory.table]]\n\
         provider = \"instagram\"\ntoken = \"accessTokenEnc\"\n[[providers.json]]\nname = \"x\"\n\
         headers = { X-Key = \"hunter2\" }\n",
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
