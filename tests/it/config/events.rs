//! `[events]`.

use super::util::{HOUR, facebook, one, set};
use crate::support::accounts::{FACEBOOK, small};
use crate::support::standardwebhooks::refused;
use crate::support::webhooks::{SECRET, Webhooks};

const OTHER: &str = "whsec_YW5vdGhlciBzZWNyZXQgb2YgdGhlIHRlc3RzLi4u";

#[tokio::test]
async fn events_are_posted_to_the_url_that_is_configured_or_nowhere() {
    let (sim, clock) = one(&FACEBOOK).await;
    let receivers = [Webhooks::start(&clock), Webhooks::start(&clock)];
    for (seed, url, told) in
        [(2, receivers[0].url(), [1, 0]), (3, receivers[1].url(), [1, 1]), (4, String::new(), [1, 1])]
    {
        let extra =
            set("events.url", &format!("\"{url}\"")) + &set("events.secret", &format!("\"{SECRET}\""));
        let proxy = facebook(&sim, &clock, &extra).await;
        proxy.get(&FACEBOOK.path()).await;
        sim.set_picture(FACEBOOK.account, Some(small(seed)));
        clock.advance(7 * HOUR);
        proxy.get(&FACEBOOK.path()).await;
        for (receiver, count) in receivers.iter().zip(told) {
            receiver.expect(count).await;
        }
    }
}

#[tokio::test]
async fn events_are_signed_with_the_secret_that_is_configured() {
    let (sim, clock) = one(&FACEBOOK).await;
    for (secret, other) in [(SECRET, OTHER), (OTHER, SECRET)] {
        let receiver = Webhooks::start(&clock);
        let extra = set("events.url", &format!("\"{}\"", receiver.url()))
            + &set("events.secret", &format!("\"{secret}\""));
        sim.set_picture(FACEBOOK.account, Some(small(1)));
        let proxy = facebook(&sim, &clock, &extra).await;
        proxy.get(&FACEBOOK.path()).await;
        sim.set_picture(FACEBOOK.account, Some(small(2)));
        clock.advance(7 * HOUR);
        proxy.get(&FACEBOOK.path()).await;
        let told = receiver.tried(1).await;
        assert_eq!(refused(secret, &told), Vec::<String>::new());
        let said = refused(other, &told);
        assert_eq!(said, ["WebhookVerificationError: No matching signature found"]);
    }
}
