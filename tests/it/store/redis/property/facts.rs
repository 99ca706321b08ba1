//! [`Facts`]: what is known for certain, by which every answer is judged.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use graphsim::{Graphsim, PictureFile, pictures};

use super::INSTANCES;
use crate::support::accounts::ALL;
use crate::support::client::{Answer, hash};

/// Which pictures each account has had, which instance must no longer show which of them, and where the instances are.
#[derive(Default)]
pub(super) struct Facts {
    /// The hashes of each account's pictures up to now, in their order. No two are the same.
    had: [Mutex<Vec<String>>; ALL.len()],
    /// How many of the first of them an instance has deleted for good.
    deleted: [[AtomicUsize; ALL.len()]; INSTANCES],
    /// Where to ask; not while an instance is killed.
    addresses: [Mutex<Option<SocketAddr>>; INSTANCES],
    /// The names that the instances have had among the others.
    names: Mutex<Vec<(String, usize)>>,
}

impl Facts {
    /// The account's first picture.
    pub(super) fn first(&self, whose: usize) -> PictureFile {
        self.next_picture(whose)
    }

    /// The account has another picture from now on.
    pub(super) fn change(&self, sim: &Graphsim, whose: usize) {
        let picture = self.next_picture(whose);
        sim.set_picture(ALL[whose].account, Some(picture));
    }

    /// Noted before any viewer can see it.
    fn next_picture(&self, whose: usize) -> PictureFile {
        let mut had = self.had[whose].lock().unwrap();
        let picture = pictures::png((1 + had.len() + 100 * whose) as u32, 64);
        let hash = hash(&picture.bytes);
        assert!(!had.contains(&hash), "every picture is another one");
        had.push(hash);
        picture
    }

    /// How many pictures the account had before its present one.
    pub(super) fn replaced(&self, whose: usize) -> usize {
        self.had[whose].lock().unwrap().len() - 1
    }

    /// The instance of that name has deleted that many of the account's first pictures.
    pub(super) fn delete(&self, name: &str, whose: usize, count: usize) {
        let names = self.names.lock().unwrap();
        // An instance with a new name since then was killed, and found nothing on its disk.
        for (_, at) in names.iter().filter(|(known, _)| known == name) {
            self.deleted[*at][whose].fetch_max(count, Ordering::SeqCst);
        }
    }

    /// How many of the account's first pictures the instance must not show from now on.
    pub(super) fn deleted(&self, at: usize, whose: usize) -> usize {
        self.deleted[at][whose].load(Ordering::SeqCst)
    }

    pub(super) fn address(&self, at: usize) -> Option<SocketAddr> {
        *self.addresses[at].lock().unwrap()
    }

    pub(super) fn is_at(&self, at: usize, address: SocketAddr, name: String) {
        self.names.lock().unwrap().push((name, at));
        *self.addresses[at].lock().unwrap() = Some(address);
    }

    pub(super) fn is_gone(&self, at: usize) {
        *self.addresses[at].lock().unwrap() = None;
    }

    /// Which of the account's pictures an answer shows; `None` for a placeholder. Fails if it is none of those that the
    /// account has had up to now.
    pub(super) fn shown(&self, whose: usize, answer: &Answer) -> Option<usize> {
        assert_eq!(answer.status, 200, "{}", answer.head);
        if answer.state() == "placeholder" {
            return None;
        }
        let hash = answer.hash();
        let place = self.had[whose].lock().unwrap().iter().position(|had| *had == hash);
        Some(place.unwrap_or_else(|| panic!("none of the pictures of {}: {}", ALL[whose].id, answer.head)))
    }
}
