use crate::support::cluster::{Cluster, slots_of};

#[test]
fn a_cluster_keeps_every_key_while_slots_move_and_a_primary_is_lost() {
    let cluster = Cluster::start();
    assert_eq!(cluster.primaries(), [0, 1, 2]);
    let hosts = cluster.url().replace("redis+cluster://", "");
    let hosts: Vec<String> = hosts.split(',').map(|host| format!("redis://{host}")).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = redis::cluster::ClusterClient::new(hosts).unwrap();
    let mut names: Vec<String> = (0..300).map(|number| format!("key-{number}")).collect();
    let mut connection = runtime.block_on(async {
        let mut connection = client.get_async_connection().await.unwrap();
        for name in &names {
            redis::cmd("SET").arg(name).arg(name).exec_async(&mut connection).await.unwrap();
        }
        connection
    });
    names.sort();
    assert_eq!(cluster.keys(), names);

    let before = slots_of(&cluster.nodes[0]).len();
    std::thread::scope(|threads| {
        let moving = threads.spawn(|| cluster.reshard(200));
        runtime.block_on(async {
            while !moving.is_finished() {
                let value: String =
                    redis::cmd("GET").arg("key-7").query_async(&mut connection).await.unwrap();
                assert_eq!(value, "key-7");
            }
        });
    });
    assert_eq!(slots_of(&cluster.nodes[0]).len(), before - 200);
    assert!(slots_of(&cluster.nodes[1]).contains(&0));
    assert_eq!(cluster.keys(), names);

    cluster.kill(0);
    cluster.wait_until_well();
    assert_eq!(cluster.primaries(), [1, 2, 3]);
    assert_eq!(cluster.keys(), names);
}
