//! A Redis Cluster: three primaries, with a replica each or none.

use super::certificates::Certificates;
use super::redis::{RedisServer, plain, tls, with_options};
use super::server::quiet_port;
use super::wait::until_blocking;

/// All slots of a cluster.
const SLOTS: u16 = 16_384;

/// The nodes; they end with this.
pub(crate) struct Cluster {
    /// The first three begin as primaries, each of a third of the slots.
    pub(crate) nodes: Vec<RedisServer>,
    scheme: &'static str,
}

impl Cluster {
    /// Six nodes, every primary with a replica.
    pub(crate) fn start() -> Self {
        Self::of(6, None)
    }

    /// Three primaries that speak TLS alone, and no replicas.
    pub(crate) fn start_bare_with_tls(certificates: &Certificates) -> Self {
        Self::of(3, Some(certificates))
    }

    /// Starts them and waits until every node finds the cluster well.
    fn of(count: usize, certificates: Option<&Certificates>) -> Self {
        let (buses, nodes): (Vec<u16>, Vec<RedisServer>) = (0..count).map(|_| node(certificates)).unzip();
        for (index, first) in [0, 5461, 10_923].into_iter().enumerate() {
            let last = [5460, 10_922, SLOTS - 1][index];
            nodes[index].cli(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]);
            nodes[index].cli(&["CLUSTER", "SET-CONFIG-EPOCH", &(index + 1).to_string()]);
        }
        for (node, bus) in nodes.iter().zip(&buses).skip(1) {
            nodes[0].cli(&["CLUSTER", "MEET", "127.0.0.1", &node.port.to_string(), &bus.to_string()]);
        }
        let scheme = if certificates.is_some() { "rediss" } else { "redis" };
        let cluster = Self { nodes, scheme };
        let known = format!("cluster_known_nodes:{count}");
        until_blocking("all nodes know one another", || cluster.all_say(&known));
        for index in 3..count {
            let primary = cluster.nodes[index - 3].cli(&["CLUSTER", "MYID"]);
            let replicate = ["CLUSTER", "REPLICATE", &primary];
            until_blocking("a replica is taken on", || cluster.nodes[index].try_cli(&replicate).is_ok());
        }
        until_blocking("the cluster is well", || cluster.is_well() && cluster.primaries().len() == 3);
        until_blocking("the replicas are in step", || {
            let mut replicas = cluster.nodes[3..].iter();
            replicas.all(|node| node.cli(&["INFO", "replication"]).contains("master_link_status:up"))
        });
        cluster
    }

    /// The first three nodes; a client finds the others by them.
    pub(crate) fn url(&self) -> String {
        let hosts: Vec<String> = self.nodes[..3].iter().map(|n| format!("127.0.0.1:{}", n.port)).collect();
        format!("{}+cluster://{}", self.scheme, hosts.join(","))
    }

    /// Ends one node; `nodes[index].start_again()` brings it back.
    pub(crate) fn kill(&self, index: usize) {
        self.nodes[index].stop();
    }

    /// Which of the nodes that run are primaries.
    pub(crate) fn primaries(&self) -> Vec<usize> {
        let is_primary = |index: &usize| {
            self.nodes[*index].try_cli(&["ROLE"]).is_ok_and(|role| role.starts_with("master"))
        };
        (0..self.nodes.len()).filter(is_primary).collect()
    }

    /// Whether every node that runs finds all slots served.
    pub(crate) fn is_well(&self) -> bool {
        self.all_say("cluster_state:ok") && self.all_say("cluster_slots_ok:16384")
    }

    /// Whether `CLUSTER INFO` of every node that runs has this in it.
    pub(crate) fn all_say(&self, text: &str) -> bool {
        let mut running = self.nodes.iter().filter(|node| node.is_running());
        running.all(|node| node.cli(&["CLUSTER", "INFO"]).contains(text))
    }

    /// Waits until the cluster is well after a change, with three primaries that run.
    pub(crate) fn wait_until_well(&self) {
        until_blocking("the cluster is well again", || self.primaries().len() == 3 && self.is_well());
    }

    /// Moves that many slots, with their keys, from the first primary to the second, one after another.
    pub(crate) fn reshard(&self, slots: usize) {
        let primaries = self.primaries();
        let (from, to) = (&self.nodes[primaries[0]], &self.nodes[primaries[1]]);
        for slot in slots_of(from).into_iter().take(slots) {
            self.move_slot(slot, from, to);
        }
    }

    /// The steps of the Cluster specification, "Moving hash slots"; meanwhile clients get ASK, then MOVED.
    fn move_slot(&self, slot: u16, from: &RedisServer, to: &RedisServer) {
        let [source, target] = [from, to].map(|node| node.cli(&["CLUSTER", "MYID"]));
        let slot = slot.to_string();
        to.cli(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &source]);
        from.cli(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &target]);
        loop {
            let keys = from.cli(&["CLUSTER", "GETKEYSINSLOT", &slot, "100"]);
            if keys.is_empty() {
                break;
            }
            let port = to.port.to_string();
            let mut migrate = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
            migrate.extend(keys.lines());
            from.cli(&migrate);
        }
        // The new owner first: it must not learn by gossip that the slot is another's.
        let primaries = self.primaries().into_iter().map(|index| &self.nodes[index]);
        for node in [to, from].into_iter().chain(primaries) {
            node.cli(&["CLUSTER", "SETSLOT", &slot, "NODE", &target]);
        }
    }

    /// The names of all keys on all primaries, in order.
    pub(crate) fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> =
            self.primaries().iter().flat_map(|index| self.nodes[*index].keys()).collect();
        keys.sort();
        keys
    }
}

/// A node by itself, with the port of its bus.
fn node(certificates: Option<&Certificates>) -> (u16, RedisServer) {
    let bus = std::cell::Cell::new(0);
    let scheme = if certificates.is_some() { "rediss" } else { "redis" };
    let server = RedisServer::launch(None, scheme, |port, _| {
        bus.set(quiet_port());
        let bus = bus.get().to_string();
        let options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-port", &bus];
        match certificates {
            Some(certificates) => {
                let encrypted = tls(port, certificates, false);
                with_options(with_options(encrypted, &options), &["--tls-cluster", "yes"])
            }
            None => with_options(plain(port), &options),
        }
    });
    (bus.get(), server)
}

/// The slots that a primary serves by its own word.
pub(crate) fn slots_of(node: &RedisServer) -> Vec<u16> {
    let nodes = node.cli(&["CLUSTER", "NODES"]);
    let own = nodes.lines().find(|line| line.contains("myself")).expect("itself");
    let ranges = own.split(' ').skip(8).filter(|range| !range.starts_with('['));
    let bounds = ranges.map(|range| range.split_once('-').unwrap_or((range, range)));
    bounds.flat_map(|(first, last)| first.parse().unwrap()..=last.parse().unwrap()).collect()
}
