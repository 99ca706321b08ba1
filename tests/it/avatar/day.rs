//! A day of 24 hours on the hand-moved clock, against quotas that fill up and empty again: how often each account is asked for.

use std::ops::Range;
use std::time::Duration;

use avatar_proxy::clock::Clock;
use graphsim::{Account, ApiCall, Graphsim, Kind, Quota};

use super::rows::{KEY, TABLES, seal};
use crate::directory::database::{Db, Kind as Engine};
use crate::support::accounts::small;
use crate::support::client::hash;
use crate::support::proxy::{Proxy, START, stand_in};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const STEP: i64 = 2 * MINUTE;

/// The pages ask for about 145 calls in an hour while they are viewed: a picture is fresh for ten minutes.
const PAGES: usize = 24;
const APP: Quota = Quota { calls: 100, window: Duration::from_secs(3600) };
/// These have next to no quota of their own.
const SMALL: [(usize, usize); 2] = [(2, 8), (3, 20)];
/// The tokens of these are revoked.
const REVOKED: Range<usize> = 0..2;
const DEAD: Range<i64> = 6 * HOUR..12 * HOUR;
/// Another program of the same app makes 25 calls every half hour.
const SHARED: Range<i64> = 8 * HOUR..10 * HOUR;
/// It uses up all that is left.
const USED_UP: i64 = 15 * HOUR;
/// Nothing is viewed.
const NIGHT: Range<i64> = 20 * HOUR..22 * HOUR;
const DAY: i64 = 24 * HOUR;

struct Day {
    sim: Graphsim,
    proxy: Proxy,
    clock: Clock,
    db: Db,
}

fn page(n: usize) -> String {
    format!("page{n}")
}

fn account(n: usize) -> String {
    format!("1045000000001{n:02}")
}

fn token(n: usize) -> String {
    format!("EAAtoken-of-page-{n}")
}

impl Day {
    async fn begin() -> Self {
        let clock = Clock::manual(START);
        let sim = stand_in(&clock).await;
        let mut rows = TABLES.to_owned();
        for n in 0..PAGES {
            sim.add(Account::new(Kind::Facebook, &account(n), &token(n), small(n as u32)));
            let (id, account, sealed) = (page(n), account(n), seal(&token(n)));
            rows += &format!(
                r#"INSERT INTO "PageConnection" VALUES ('{id}', '{account}', 'Acme', '{sealed}', NULL);"#
            );
        }
        let db = Db::new(Engine::Sqlite).await;
        db.sql(&rows).await;
        sim.set_app_quota(Kind::Facebook, APP);
        for (n, calls) in SMALL {
            sim.set_account_quota(&account(n), Quota { calls, window: Duration::from_secs(24 * 3600) });
        }
        let settings = format!(
            "[avatar]\nfresh_for = \"10m\"\n[providers.facebook]\nmax_calls = 4\n[directory]\nurl = '{}'\n\
             [tokens]\nkeys = [\"{KEY}\"]\n",
            db.url()
        );
        let proxy = Proxy::start(&sim, &clock, &settings).await;
        Self { sim, proxy, clock, db }
    }

    /// In milliseconds since the day began.
    fn now(&self) -> i64 {
        self.clock.now().as_millis() - START.as_millis()
    }

    /// What happens elsewhere at this time.
    async fn elsewhere(&self) {
        let now = self.now();
        if SHARED.contains(&now) && now % (HOUR / 2) == 0 {
            self.sim.spend_app_quota(Kind::Facebook, 25);
        }
        if now == USED_UP {
            self.sim.spend_app_quota(Kind::Facebook, APP.calls);
        }
        for n in REVOKED {
            if now == DEAD.start {
                self.sim.revoke_token(&account(n));
            } else if now == DEAD.end {
                let new = format!("EAAnew-token-of-page-{n}");
                self.sim.renew_token(&account(n), &new);
                let (sealed, id) = (seal(&new), page(n));
                self.db
                    .sql(&format!(
                        r#"UPDATE "PageConnection" SET "pageAccessTokenEnc" = '{sealed}' WHERE "id" = '{id}'"#
                    ))
                    .await;
            }
        }
    }

    /// A third of the pages is viewed, another third in the next step. Each view shows the picture.
    async fn view(&self) {
        let turn = (self.now() / STEP) as usize % 3;
        for n in (0..PAGES).filter(|n| n % 3 == turn) {
            let shown = self.proxy.get(&format!("/avatar/{}", page(n))).await;
            assert_eq!(
                shown.hash(),
                hash(&small(n as u32).bytes),
                "page {n} after {} min: {}",
                self.now() / MINUTE,
                shown.head
            );
        }
    }

    async fn pass(&self) {
        while self.now() < DAY {
            self.elsewhere().await;
            if !NIGHT.contains(&self.now()) {
                self.view().await;
            }
            self.proxy.quiet().await;
            self.clock.advance(Duration::from_millis(STEP as u64));
        }
    }
}

/// The calls of the day.
struct Calls(Vec<ApiCall>);

impl Calls {
    fn in_time(&self, time: Range<i64>) -> impl Iterator<Item = &ApiCall> {
        let time = START.as_millis() + time.start..START.as_millis() + time.end;
        self.0.iter().filter(move |call| time.contains(&call.at))
    }

    fn of_page(&self, n: usize, time: Range<i64>) -> Vec<&ApiCall> {
        self.in_time(time).filter(|call| call.account == account(n)).collect()
    }

    /// When calls were answered with this status, in milliseconds since the day began.
    fn with_status(&self, status: u16) -> Vec<i64> {
        let those = self.in_time(0..DAY).filter(|call| call.status == status);
        those.map(|call| call.at - START.as_millis()).collect()
    }
}

#[tokio::test]
async fn in_a_day_no_quota_is_overdrawn_and_every_viewer_sees_a_picture() {
    let day = Day::begin().await;
    day.pass().await;
    let calls = Calls(day.sim.calls());
    the_app_is_asked_nearly_as_often_as_it_allows(&calls);
    an_app_that_others_have_used_up_is_left_alone_for_an_hour(&calls);
    small_accounts_are_never_refused(&calls);
    no_call_is_made_with_a_dead_token(&calls);
    no_page_is_forgotten(&calls);
}

fn the_app_is_asked_nearly_as_often_as_it_allows(calls: &Calls) {
    for hour in (0..8).chain(10..15).chain(17..20).chain(22..24) {
        let asked = calls.in_time(hour * HOUR..(hour + 1) * HOUR).count();
        assert!((APP.calls * 3 / 4..=APP.calls).contains(&asked), "{asked} calls in hour {hour}");
    }
    assert_eq!(calls.in_time(NIGHT.start + HOUR / 2..NIGHT.end).count(), 0, "there are no views");
    let morning = calls.in_time(NIGHT.end..NIGHT.end + 10 * MINUTE).count();
    assert!(morning >= PAGES - SMALL.len(), "the pace of the day before is over: {morning} calls");
}

/// What they take at once cannot be foreseen, so one call each time is refused, and the next one comes an hour later.
fn an_app_that_others_have_used_up_is_left_alone_for_an_hour(calls: &Calls) {
    let refused = calls.with_status(403);
    assert_eq!(refused.len(), 2, "{refused:?}");
    assert!(SHARED.contains(&refused[0]) && (USED_UP..USED_UP + HOUR).contains(&refused[1]), "{refused:?}");
    for at in refused {
        assert_eq!(calls.in_time(at + 1..at + HOUR).count(), 0, "after {} min", at / MINUTE);
    }
}

fn small_accounts_are_never_refused(calls: &Calls) {
    for (n, quota) in SMALL {
        let own = calls.of_page(n, 0..DAY);
        assert_eq!(own.len(), quota, "page {n}");
        assert!(own.iter().all(|call| call.status == 200), "page {n}");
    }
}

fn no_call_is_made_with_a_dead_token(calls: &Calls) {
    for n in REVOKED {
        let own = calls.of_page(n, DEAD);
        assert_eq!(own.iter().map(|call| call.status).collect::<Vec<_>>(), [400], "page {n}");
        let after = calls.of_page(n, DEAD.end..DEAD.end + HOUR);
        assert!(after.first().is_some_and(|call| call.status == 200), "page {n}");
    }
}

fn no_page_is_forgotten(calls: &Calls) {
    for n in REVOKED.end + SMALL.len()..PAGES {
        let own = calls.of_page(n, 0..8 * HOUR);
        let longest = own.windows(2).map(|pair| pair[1].at - pair[0].at).max().unwrap_or(DAY);
        assert!(longest <= HOUR, "page {n} was left alone for {} min", longest / MINUTE);
    }
}
