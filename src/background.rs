//! GROUND: [`Background`]: where all work runs that is not an answer itself.

use std::io;

use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

/// A runtime for the [`Background`] whose threads, and those that they start, step back for every other thread of the
/// server (`SCHED_IDLE` of sched(7)).
///
/// At the same priority the kernel lets a thread run on for its slice, some milliseconds, before one that was woken has its
/// turn: in a storm of refreshes a hit would wait for that. Other programs lose nothing and take nothing: where the server
/// has a control group of its own, as under systemd and in a container, priorities count within it alone.
///
/// # Errors
/// No thread can be started.
pub fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread().enable_all().thread_name("background").on_thread_start(step_back).build()
}

/// Where the kernel does not allow it, hits wait a little longer in a storm.
fn step_back() {
    let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    if let Err(error) = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, policy) {
        tracing::debug!(%error, "background work has the priority of answers");
    }
}

/// Refreshes, stores and errands run on a runtime beside that of the answers, and a stop waits for them.
///
/// A runtime polls what is ready in turn: on a common one a hit would stand behind every refresh whose provider answered
/// in the same moment. Threads of their own let the kernel take the hit first.
#[derive(Debug, Clone)]
pub struct Background {
    tracker: TaskTracker,
    runtime: Handle,
}

impl Background {
    /// On that runtime.
    pub fn on(runtime: Handle) -> Self {
        Self { tracker: TaskTracker::new(), runtime }
    }

    /// On the caller's own runtime, which then serves both.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn here() -> Self {
        Self::on(Handle::current())
    }

    /// Another pool on the same runtime, whose tasks are waited for by themselves.
    pub fn beside(&self) -> Self {
        Self::on(self.runtime.clone())
    }

    /// Begins a task.
    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.tracker.spawn_on(task, &self.runtime)
    }

    /// Returns when the last task has ended.
    pub async fn ended(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// How many tasks have not ended.
    pub fn tasks(&self) -> usize {
        self.tracker.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_threads_have_the_priority_of_what_is_idle() {
        let runtime = runtime().unwrap();
        let policy = || {
            let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
            // The forty-first field; the second one, a name in brackets, may hold anything (proc_pid_stat(5)).
            stat.rsplit_once(')').unwrap().1.split_ascii_whitespace().nth(38).map(str::to_owned)
        };
        let own = policy();
        let background = Background::on(runtime.handle().clone()).spawn(async move { policy() });
        let background = runtime.block_on(background).unwrap();
        const SCHED_IDLE: &str = "5";
        assert_eq!((background.as_deref(), policy()), (Some(SCHED_IDLE), own), "and no other thread has");
    }

    #[test]
    fn a_task_runs_on_the_other_runtime_and_is_waited_for() {
        let [answers, background] = ["answers", "background"].map(|name| {
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name(name).build().unwrap()
        });
        let background = Background::on(background.handle().clone());
        answers.block_on(async {
            let task = background.spawn(async { std::thread::current().name().map(str::to_owned) });
            background.ended().await;
            assert_eq!(background.tasks(), 0);
            assert_eq!(task.await.unwrap().as_deref(), Some("background"));
        });
    }
}
