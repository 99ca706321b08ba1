//! The smallest ACL that is enough, which docs/redis.md quotes.

/// A user as `ACL SETUSER` and `redis.conf` take it: keys and channels below `redis.prefix`, and the commands that are
/// used; those of the last line by scripts alone. `ping` and `role` may be missing, but
/// then a replica cannot be distinguished from a primary, and `ACL LOG` fills.
pub(super) const SMALLEST: [&str; 23] = [
    "avatar",
    "on",
    ">hunter2",
    "~avatar-proxy:*",
    "&avatar-proxy:*",
    "+ping",
    "+role",
    "+get",
    "+getrange",
    "+set",
    "+del",
    "+pexpire",
    "+pttl",
    "+zrange",
    "+zrem",
    "+scan",
    "+time",
    "+publish",
    "+subscribe",
    "+evalsha",
    "+script|load",
    "+zadd",
    "+zremrangebyscore",
];

/// For a database other than 0.
pub(super) const DATABASE: &str = "+select";

/// For a cluster, on each of its nodes: to find the slots, and to follow one that moves.
pub(super) const CLUSTER: [&str; 2] = ["+cluster|slots", "+asking"];

#[test]
fn the_manual_quotes_the_smallest_acl() {
    let manual = include_str!("../../../../docs/redis.md");
    assert!(manual.contains(&format!("\nuser {}\n", SMALLEST.join(" "))));
    for more in [&[DATABASE][..], &CLUSTER[..]].concat() {
        assert!(manual.contains(&format!("`{more}`")), "{more}");
    }
}
