use crate::support::certificates::Certificates;
use crate::support::redis::USER;
use crate::support::sentinel::{SentinelOptions, Sentinels};
use crate::support::wait::until_blocking;

#[test]
fn a_lost_primary_and_one_that_is_set_aside_are_both_followed_by_a_new_one() {
    let all = Sentinels::start(SentinelOptions::default());
    assert!(all.url().starts_with("redis+sentinel://127.0.0.1:") && all.url().ends_with("/mymaster"));
    let old = all.kill_primary();
    all.wait_for_failover(old);
    assert_eq!(all.primary().cli(&["SET", "a", "1"]), "OK");
    all.nodes[0].start_again();
    let copied = || all.nodes[0].try_cli(&["GET", "a"]).is_ok_and(|value| value == "1");
    until_blocking("the old primary is a replica", copied);
    assert_eq!(all.nodes[0].try_cli(&["SET", "a", "2"]).unwrap_err().code(), Some("READONLY"));
    let old = all.failover();
    all.wait_for_failover(old);
    assert_eq!((all.primary_port(), old), (all.nodes[0].port, all.nodes[1].port));
}

#[test]
fn a_failover_works_with_tls_and_logins_for_nodes_and_sentinels() {
    let all = Sentinels::start(SentinelOptions {
        tls: Some(Certificates::create(USER)),
        nodes: Some(("proxy", "secret")),
        sentinels: Some(("watcher", "other")),
    });
    assert!(all.url().starts_with("rediss+sentinel://proxy:secret@127.0.0.1:"), "{}", all.url());
    for (server, user, password) in
        [(&all.nodes[0], "proxy", "secret"), (&all.sentinels[0], "watcher", "other")]
    {
        let anonymous = format!("{}?protocol=resp2", server.socket_url());
        let ping = |url: &str| -> redis::RedisResult<String> {
            redis::cmd("PING").query(&mut redis::Client::open(url)?.get_connection()?)
        };
        assert!(ping(&anonymous).is_err());
        assert_eq!(ping(&format!("{}?user={user}&pass={password}", server.socket_url())).unwrap(), "PONG");
    }
    let old = all.kill_primary();
    all.wait_for_failover(old);
    assert_eq!(all.primary_port(), all.nodes[1].port);
}
