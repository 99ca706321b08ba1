//! The folder itself.

use std::path::Path;

#[test]
fn every_ready_entry_has_a_test_and_stands_in_the_folders_readme() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("providers");
    let readme = std::fs::read_to_string(folder.join("README.md")).unwrap();
    let tests = [
        include_str!("google.rs"),
        include_str!("meta.rs"),
        include_str!("others.rs"),
        include_str!("tiktok.rs"),
    ]
    .concat();
    let mut files = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".toml") {
            files += 1;
            assert!(readme.contains(&format!("[{name}]({name})")), "{name} is not in the table");
            assert!(tests.contains(&format!("providers/{name}\")")), "{name} has no test");
        }
    }
    assert_eq!(files, 14);
}
