//! The disk file's file system is full: pictures are shown, no event is lost, and none is sent twice.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use avatar_proxy::clock::Clock;
use serde_json::Value;
use tempfile::TempDir;

use super::util::{World, until, world_at};
use crate::support::accounts::{FACEBOOK, small};
use crate::support::client::{hash, request};
use crate::support::process::Process;
use crate::support::webhooks::{OK, Reply};

/// An instance whose disk can be filled.
struct Filled {
    world: World,
    process: Process,
    filler: PathBuf,
    folder: TempDir,
}

impl Filled {
    /// The first picture is held.
    async fn start() -> Self {
        let (world, folder) = (world_at(Clock::system()).await, TempDir::new().unwrap());
        let process =
            Process::start_with_small_disk(&world.sim, folder.path(), &world.settings(), 1 << 20).await;
        let filler = process.path(&folder.path().join("small/filler"));
        let filled = Self { world, process, filler, folder };
        filled.shows(1).await;
        filled
    }

    /// Not one page is left.
    fn fill(&self) {
        let mut file = File::create(&self.filler).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
        let size = file.metadata().unwrap().len();
        assert!((4096..1 << 20).contains(&size), "{size} in {}", self.folder.path().display());
    }

    fn make_room(&self) {
        std::fs::remove_file(&self.filler).unwrap();
    }

    async fn shows(&self, seed: u32) {
        let answer = self.process.get(&FACEBOOK.path()).await;
        assert_eq!((answer.state(), answer.hash()), ("fresh", hash(&small(seed).bytes)), "{}", answer.head);
    }

    /// The owner puts up another picture, and it is seen here.
    async fn change(&self, seed: u32) {
        self.world.sim.set_picture(FACEBOOK.account, Some(small(seed)));
        let target = format!("/api/avatars/{}/refresh", FACEBOOK.id);
        let answer = request(self.process.admin, "POST", &target, "").await;
        assert_eq!(answer.status, 200, "{}", answer.head);
        self.shows(seed).await;
    }

    async fn says(&self, target: &str) -> Value {
        serde_json::from_slice(&request(self.process.admin, "GET", target, "").await.body).unwrap()
    }

    async fn until_events(&self, name: &str, count: u64) {
        until(name, async || self.says("/api/events").await[name] == count).await;
    }

    fn said(&self, text: &str) -> usize {
        self.process.log().matches(text).count()
    }
}

#[tokio::test]
pub(crate) async fn events_that_happen_while_the_disk_is_full_are_sent_in_order_when_there_is_room() {
    let filled = Filled::start().await;
    filled.change(2).await;
    filled.world.receiver.expect(1).await;
    filled.fill();
    for seed in 3..6 {
        filled.change(seed).await;
    }
    filled.until_events("unwritten", 3).await;
    filled.shows(5).await;
    let ready = filled.says("/readyz").await;
    assert_eq!(ready["status"], "degraded");
    assert!(ready["disk"].as_str().unwrap().contains("full"), "{ready}");
    assert_eq!(filled.world.receiver.attempts().len(), 1);
    filled.make_room();
    let told = filled.world.receiver.expect(4).await;
    assert!(told.windows(2).all(|two| two[0].sequence() < two[1].sequence()));
    filled.until_events("waiting", 0).await;
    let events = filled.says("/api/events").await;
    assert_eq!([&events["unwritten"], &events["lost"]], [0, 0]);
    assert_eq!(filled.says("/readyz").await["status"], "ready");
    assert_eq!([filled.said("disk store fails"), filled.said("disk store works again")], [1, 1]);
}

#[tokio::test]
async fn a_delivered_event_that_a_full_disk_cannot_delete_is_not_sent_again() {
    let filled = Filled::start().await;
    filled.world.receiver.set(Reply::Status(500, ""));
    filled.change(2).await;
    filled.world.receiver.tried(1).await;
    filled.fill();
    filled.world.receiver.set(OK);
    filled.until_events("delivered", 1).await;
    // Longer than the pause before the sender asks the disk store again, which nothing outside of the process shows.
    tokio::time::sleep(Duration::from_millis(5500)).await;
    assert_eq!(filled.says("/api/events").await["waiting"], 1);
    filled.make_room();
    filled.until_events("waiting", 0).await;
    filled.world.receiver.expect(1).await;
}
