//! [`Server`]: avatar-proxy as a process of its own, which tells beside its work how full it is.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use avatar_proxy::app::App;
use avatar_proxy::clock::{Clock, Timestamp};
use avatar_proxy::config::{Config, Environment};
use avatar_proxy::task_pool::{self, TaskPool};
use avatar_proxy::telemetry;
use rustix::process::{Signal, kill_process};
use tokio_util::sync::CancellationToken;

use crate::process::{SERVERS, pid, pin, resident, worked};

/// Set for the second process: the path of its configuration.
pub(crate) const CONFIG: &str = "AVATAR_PROXY_STORM";
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The server's side: as `avatar-proxy serve`, until stdin ends.
pub(crate) fn serve(config: &Path) -> ExitCode {
    pin(SERVERS);
    let environment = Environment::new([]).expect("empty");
    let config = Config::load(Some(config), &environment).unwrap_or_else(|error| panic!("{error}"));
    let since_epoch = || Clock::system().now().since(Timestamp::EPOCH);
    telemetry::init(config.log, since_epoch).expect("a log");
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        stop.cancel();
    });
    let background = task_pool::runtime().expect("a runtime");
    let answers = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let background = TaskPool::on(background.handle().clone());
    answers.block_on(async {
        let app = App::build(config, Clock::system(), background).await.expect("the app is built");
        println!("{}", app.public_address());
        let service = app.service();
        let telling = async {
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                let ((flights, running, waiting), (entries, weight)) =
                    (service.snapshot().depth(), service.snapshot().weight());
                println!("{flights} {running} {waiting} {entries} {weight}");
            }
        };
        tokio::select! {
            _ = app.run(shutdown) => {}
            () = telling => {}
        }
    });
    ExitCode::SUCCESS
}

/// How full it is at one time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) at: Timestamp,
    pub(crate) flights: usize,
    pub(crate) running: usize,
    pub(crate) waiting: usize,
    pub(crate) entries: u64,
    /// Of the entries in memory, as they are weighed.
    pub(crate) weight: u64,
    /// Resident memory, in bytes.
    pub(crate) resident: u64,
    /// What its threads have worked so far.
    pub(crate) worked: Duration,
}

/// A running server; it is killed when this is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    samples: Arc<Mutex<Vec<Sample>>>,
}

impl Server {
    /// Starts it and waits until it listens.
    pub(crate) fn start(config: &Path, log: &Path) -> Self {
        let log = File::options().create(true).append(true).open(log).expect("a log");
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .env(CONFIG, config)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("it starts");
        let mut told = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut address = String::new();
        told.read_line(&mut address).expect("a line");
        let address = address.trim().parse().expect("where it listens");
        let samples = Arc::new(Mutex::new(Vec::new()));
        let (noted, process) = (samples.clone(), child.id());
        std::thread::spawn(move || note(told, process, &noted));
        Self { child, address, samples }
    }

    /// What it was like so far.
    pub(crate) fn samples(&self) -> Vec<Sample> {
        self.samples.lock().unwrap().clone()
    }

    /// Its number.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// It stands still, whatever comes, until [`Server::thaw`].
    pub(crate) fn freeze(&self) {
        kill_process(pid(self.process()), Signal::STOP).expect("it runs");
    }

    /// It continues.
    pub(crate) fn thaw(&self) {
        kill_process(pid(self.process()), Signal::CONT).expect("it is frozen");
    }

    /// Stops in good order.
    pub(crate) fn stop(mut self) {
        drop(self.child.stdin.take());
        let ended = self.child.wait().expect("it ends");
        assert!(ended.success(), "{ended}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn note(told: BufReader<ChildStdout>, process: u32, samples: &Mutex<Vec<Sample>>) {
    for line in told.lines().map_while(Result::ok) {
        let numbers: Vec<u64> = line.split(' ').map(|number| number.parse().expect("a number")).collect();
        let [flights, running, waiting, entries, weight] = numbers[..] else { panic!("{line}") };
        let (Some(resident), Some((user, system))) = (resident(process), worked(&process.to_string())) else {
            return;
        };
        let count = |number: u64| usize::try_from(number).expect("few");
        samples.lock().unwrap().push(Sample {
            at: Clock::system().now(),
            flights: count(flights),
            running: count(running),
            waiting: count(waiting),
            entries,
            weight,
            resident,
            worked: user + system,
        });
    }
}
