use super::*;

fn tcp(host: &str, port: u16) -> Place {
    Place::Tcp(host.to_owned(), port)
}

fn parsed(text: &str) -> RedisUrl {
    RedisUrl::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn every_documented_form_is_parsed() {
    let node = |place| Topology::Node(place);
    let sentinel = |sentinels: &[Place], master: &str| Topology::Sentinel {
        sentinels: sentinels.to_vec(),
        master: master.to_owned(),
    };
    let cluster = |seeds: &[Place]| Topology::Cluster { seeds: seeds.to_vec() };
    for (text, topology, tls, database) in [
        ("redis://a", node(tcp("a", 6379)), false, 0),
        ("redis://a:1/", node(tcp("a", 1)), false, 0),
        ("redis://a:", node(tcp("a", 6379)), false, 0),
        ("REDIS://a/0", node(tcp("a", 6379)), false, 0),
        ("valkey://a/15", node(tcp("a", 6379)), false, 15),
        ("rediss://a.b-c_d:65535/2", node(tcp("a.b-c_d", 65535)), true, 2),
        ("valkeys://10.0.0.1", node(tcp("10.0.0.1", 6379)), true, 0),
        ("redis://[::1]:7/1", node(tcp("::1", 7)), false, 1),
        ("redis://[2001:db8::1]", node(tcp("2001:db8::1", 6379)), false, 0),
        ("redis://a,a:6379", node(tcp("a", 6379)), false, 0),
        ("unix:///run/a%20b.sock", node(Place::Unix("/run/a b.sock".into())), false, 0),
        ("redis+unix:///r.sock?db=3&user=u&pass=p", node(Place::Unix("/r.sock".into())), false, 3),
        ("redis+sentinel://a,b:1/m", sentinel(&[tcp("a", 26379), tcp("b", 1)], "m"), false, 0),
        ("rediss+sentinel://[::1]/m%2Fx/4", sentinel(&[tcp("::1", 26379)], "m/x"), true, 4),
        ("redis+cluster://a,b:7,a", cluster(&[tcp("a", 6379), tcp("b", 7)]), false, 0),
        ("rediss+cluster://u:p@a/0", cluster(&[tcp("a", 6379)]), true, 0),
        ("valkeys+cluster://a", cluster(&[tcp("a", 6379)]), true, 0),
    ] {
        let url = parsed(text);
        assert_eq!((url.topology, url.tls, url.database), (topology, tls, database), "{text}");
    }
}

#[test]
fn user_and_password_are_decoded() {
    for (text, user, password) in [
        ("redis://a", None, None),
        ("redis://:@a", None, None),
        ("redis://:p@a", None, Some("p")),
        ("redis://u:p:q@a", Some("u"), Some("p:q")),
        ("redis://u%40h:%2F%3F%23%40%25%C3%A4@a", Some("u@h"), Some("/?#@%ä")),
        ("redis://u:a+b@a", Some("u"), Some("a+b")),
        ("redis+sentinel://u:p@a,b/m", Some("u"), Some("p")),
        ("unix:///s?user=u%26&pass=p%3D", Some("u&"), Some("p=")),
        ("unix:///s?pass=p", None, Some("p")),
    ] {
        let login = parsed(text).login;
        assert_eq!(login.user.as_deref(), user, "{text}");
        assert_eq!(login.password.as_ref().map(Secret::expose), password, "{text}");
    }
}

#[test]
fn an_error_says_what_is_wrong_and_shows_no_part_of_the_url() {
    for (text, said) in [
        ("", "one of redis://host:port/database"),
        ("hunter2", "one of redis://"),
        ("http://hunter2", "a scheme that is known: redis://"),
        ("rediss+unix:///hunter2", "a scheme that is known"),
        ("redis+hunter2://a", "a scheme that is known"),
        ("redis://", "a host"),
        ("redis://:hunter2@", "a host"),
        ("redis://a,,b", "a host"),
        ("redis://:hunter2@:6379", "a host"),
        ("redis://a:hunter2", "a port from 1 to 65535"),
        ("redis://a:0", "a port"),
        ("redis://a:65536", "a port"),
        ("redis://[::1]x", "a port"),
        ("redis://[hunter2]", "an IPv6 address between the brackets"),
        ("redis://::1:6379", "a host"),
        ("redis://fe80::1", "in brackets"),
        ("redis://hunter2 x", "a host of letters"),
        ("redis://a,b", "one host; several are written with redis+sentinel"),
        ("redis://a/hunter2", "the database as a number"),
        ("redis://a/-1", "the database as a number"),
        ("redis://hunter2@a", "a password beside the user"),
        ("unix:///s?user=hunter2", "a password beside the user"),
        ("redis://:hunter2/x@a", "%2F %3F %23 %40"),
        ("redis://:hunter2@x@a", "%40"),
        ("redis://u:hunter2@a,u:hunter2@b", "both written once"),
        ("redis://:6379?hunter2@a", "%3F"),
        ("redis://a/#hunter2", "nothing after a #"),
        ("redis://a?protocol=resp3", "(protocol)"),
        ("redis://a?Hunter2=x", "(its name is odd)"),
        ("unix:///s?pass=x&database=1", "(database)"),
        ("unix://hunter2/s", "an absolute path"),
        ("unix://", "an absolute path"),
        ("redis+sentinel://a", "the master's name"),
        ("redis+sentinel://a//1", "the master's name"),
        ("redis+sentinel://a/m/hunter2", "the database as a number"),
        ("redis+cluster://a/1", "a cluster has only database 0"),
        ("redis://:%ff@a", "UTF-8"),
    ] {
        let error = RedisUrl::parse(text).err().unwrap_or_else(|| panic!("{text} was taken"));
        assert_eq!(error.key, "url");
        assert!(error.expected.contains(said), "{text}: {}", error.expected);
        assert!(!error.to_string().to_lowercase().contains("hunter2"), "{text}: {error}");
    }
}
