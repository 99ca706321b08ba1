//! What the kernel tells of processes, and where it lets them run.

use std::process::Command;
use std::time::Duration;

use rustix::process::Pid;
use rustix::thread::{CpuSet, gettid, sched_setaffinity};

/// The processor of the servers. They have one, so that nothing but their own work keeps a hit waiting.
pub(crate) const SERVERS: usize = 0;
/// The processor of the viewers and of the provider.
pub(crate) const OTHERS: usize = 1;

/// Keeps this thread, and those that it starts, on one processor.
pub(crate) fn pin(processor: usize) {
    let mut set = CpuSet::new();
    set.set(processor);
    sched_setaffinity(None, &set).expect("two processors: one for the server, one for all others");
}

/// This thread runs where no other one of its processor wants to (sched(7), `SCHED_IDLE`; a low priority alone lets a
/// thread that was woken wait for milliseconds).
pub(crate) fn yield_to_others() {
    let thread = gettid().as_raw_nonzero().to_string();
    let set = Command::new("chrt").args(["--idle", "--pid", "0", &thread]).status();
    assert!(set.is_ok_and(|set| set.success()), "chrt(1) of util-linux");
}

/// By the number that the standard library knows it under.
pub(crate) fn pid(process: u32) -> Pid {
    i32::try_from(process).ok().and_then(Pid::from_raw).expect("a process")
}

/// Resident memory in bytes (proc_pid_status(5)).
pub(crate) fn resident(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

/// User and system time (proc_pid_stat(5): in hundredths of a second).
pub(crate) fn worked(process: &str) -> Option<(Duration, Duration)> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let time = |field: usize| Some(Duration::from_millis(fields.get(field)?.parse::<u64>().ok()? * 10));
    Some((time(11)?, time(12)?))
}

/// What other machines took away from all processors, and what programs of a low priority did (proc_stat(5)).
pub(crate) fn stolen() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    let fields: Vec<u64> = stat.lines().next()?.split_ascii_whitespace().flat_map(str::parse).collect();
    let [_user, nice, _system, _idle, _io, _irq, _soft, stolen, ..] = fields[..] else { return None };
    Some(Duration::from_millis((nice + stolen) * 10))
}
