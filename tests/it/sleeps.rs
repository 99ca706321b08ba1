//! No assertion hangs on a fixed sleep. What a sleep proves depends on how busy the machine is: a positive one fails on a
//! busy machine, and a negative one proves nothing there. A test waits by `support::wait` for a condition. For what must not
//! happen it waits for something that comes later: the end of all background work, or the next thing in the
//! same queue.

use std::path::Path;

use crate::floors::rust_files;

/// Files in which a pause is part of what is tested, or of the waiting itself: how many there may be, and why.
const ALLOWED: [(&str, usize, &str); 18] = [
    ("support/wait.rs", 2, "this is the waiting"),
    ("support/proxy.rs", 3, "looks again: the last answer, or the depth of the queue, stands in the message"),
    (
        "support/webhooks.rs",
        2,
        "looks again, and looks a moment longer for a message too many, which fails no right test",
    ),
    ("support/redis.rs", 1, "looks again, every 5 ms: nearly every test of Redis starts a server"),
    ("support/sentinel.rs", 1, "looks again whether a failover that was asked for is carried out"),
    ("support/chaos.rs", 1, "a network that is slow"),
    ("support/own/chaos.rs", 1, "the pace of a client"),
    ("avatar/browser.rs", 1, "looks again at the page: the images stand in the message"),
    ("cli/process.rs", 1, "README promises a second of the wall clock"),
    ("http/requests.rs", 1, "the pace of a client"),
    ("http/timeouts.rs", 9, "the server's time limits are real time"),
    ("http/util.rs", 2, "a handler that is slow"),
    ("store/redis/clustered.rs", 1, "the pace of a client"),
    ("store/redis/load.rs", 2, "the pace of the viewers"),
    ("store/redis/outages.rs", 4, "the load continues this long before, during and after an outage"),
    ("store/redis/property/clients.rs", 1, "the pace of the viewers"),
    ("store/redis/property/world.rs", 2, "an act that is a pause, and looks again"),
    (
        "webhook/full_disk.rs",
        1,
        "the sender asks a broken disk store again after a pause that nothing outside shows",
    ),
];

/// A pause in `file`, below `tests/it`, that is not allowed.
fn violations(file: &str, text: &str) -> Vec<String> {
    let sleeps: Vec<usize> = text
        .lines()
        .enumerate()
        .filter(|(_, line)| pauses(line.split("//").next().unwrap_or_default()))
        .map(|(at, _)| at + 1)
        .collect();
    let (allowed, why) =
        ALLOWED.iter().find(|(place, ..)| *place == file).map_or((0, "none"), |(_, most, why)| (*most, why));
    if sleeps.len() <= allowed {
        return Vec::new();
    }
    let lines = sleeps.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
    vec![format!(
        "tests/it/{file}: sleeps in lines {lines}; allowed: {allowed} ({why}); wait by support::wait"
    )]
}

/// Whether the code calls a function that waits for a time.
fn pauses(code: &str) -> bool {
    ["sleep", "sleep_until"].iter().any(|name| {
        code.match_indices(&format!("{name}("))
            .any(|(at, _)| !code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_'))
    })
}

#[test]
fn no_assertion_hangs_on_a_fixed_sleep() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let mut files = Vec::new();
    rust_files(&folder, &mut files);
    files.sort();
    let name = |file: &Path| file.strip_prefix(&folder).unwrap().to_str().unwrap().to_owned();
    let wrong: Vec<String> = files
        .iter()
        .filter(|file| name(file) != "sleeps.rs")
        .flat_map(|file| violations(&name(file), &std::fs::read_to_string(file).unwrap()))
        .collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
    for (place, ..) in ALLOWED {
        let text = std::fs::read_to_string(folder.join(place)).unwrap_or_default();
        assert!(text.lines().any(pauses), "{place} sleeps no more: it need not be allowed");
    }
}

#[test]
fn a_planted_sleep_is_found() {
    for planted in [
        "tokio::time::sleep(SOON).await;",
        "    std::thread::sleep(Duration::from_millis(5)); // a moment",
        "    sleep(SOON).await;",
        "time::sleep_until(later).await;",
    ] {
        let found = violations("avatar/cold.rs", &format!("\n{planted}\n"));
        assert!(found[0].starts_with("tests/it/avatar/cold.rs: sleeps in lines 2;"), "{planted}: {found:?}");
    }
    let two = violations("http/requests.rs", "sleep(A);\nsleep(B);");
    assert!(two[0].contains("lines 1, 2; allowed: 1"), "{two:?}");
    for right in ["// sleep(SOON)", "let asleep = has_sleep(1);", "sleep_is_no_call"] {
        assert_eq!(violations("avatar/cold.rs", right), Vec::<String>::new(), "{right}");
    }
}
