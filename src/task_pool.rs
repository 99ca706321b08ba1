//! GROUND: [`TaskPool`]: runs all work that is not an answer itself.

use std::io;

use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

/// A runtime for the [`TaskPool`]. Its threads, and the threads that they start, run only when no other thread of the server
/// wants the processor (`SCHED_IDLE` of sched(7)).
///
/// At equal priority the kernel lets a running thread finish its slice of some milliseconds before a thread that has just
/// been woken: in a storm of refreshes each hit would wait that long. Other programs are not affected: where the server has a
/// control group of its own, as under systemd and in a container, priorities count within that group alone.
///
/// # Errors
/// The system starts no thread.
pub fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread().enable_all().thread_name("background").on_thread_start(lower_priority).build()
}

/// Where the kernel does not allow it, hits wait a little longer in a storm of refreshes.
fn lower_priority() {
    let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    if let Err(error) = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, policy) {
        tracing::debug!(%error, "cannot lower the priority of background threads");
    }
}

/// Spawns tasks on one runtime; a shutdown waits for them.
///
/// Refreshes, stores and jobs have a runtime beside that of the answers. A runtime polls ready tasks in turn, so on a shared one
/// a hit would wait behind every refresh whose provider has just answered. With separate threads the kernel runs the hit first.
#[derive(Debug, Clone)]
pub struct TaskPool {
    tracker: TaskTracker,
    runtime: Handle,
}

impl TaskPool {
    /// A pool on `runtime`.
    pub fn on(runtime: Handle) -> Self {
        Self { tracker: TaskTracker::new(), runtime }
    }

    /// A pool on the caller's own runtime.
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

    /// Starts a task in the span of its caller.
    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.tracker.spawn_on(task.in_current_span(), &self.runtime)
    }

    /// Returns once every task has ended.
    pub async fn ended(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// The number of tasks that have not ended.
    pub fn tasks(&self) -> usize {
        self.tracker.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn background_threads_have_idle_priority_and_no_others_do() {
        let runtime = runtime().unwrap();
        let policy = || {
            let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
            // The forty-first field; the second one, a name in brackets, may hold anything (proc_pid_stat(5)).
            stat.rsplit_once(')').unwrap().1.split_ascii_whitespace().nth(38).map(str::to_owned)
        };
        let own = policy();
        let background = TaskPool::on(runtime.handle().clone()).spawn(async move { policy() });
        let background = runtime.block_on(background).unwrap();
        const SCHED_IDLE: &str = "5";
        assert_eq!((background.as_deref(), policy()), (Some(SCHED_IDLE), own), "and no other thread has");
    }

    #[test]
    fn a_task_runs_on_the_given_runtime_and_is_waited_for() {
        let [answers, background] = ["answers", "background"].map(|name| {
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name(name).build().unwrap()
        });
        let background = TaskPool::on(background.handle().clone());
        answers.block_on(async {
            let task = background.spawn(async { std::thread::current().name().map(str::to_owned) });
            background.ended().await;
            assert_eq!(background.tasks(), 0);
            assert_eq!(task.await.unwrap().as_deref(), Some("background"));
        });
    }
}
