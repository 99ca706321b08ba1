//! Whatever happens: clients, instances, a provider and a Redis that fail at random, and instances that are killed.
//!
//! While Redis is well there are never two requests for one avatar at a time at the provider, whichever instance is killed. Always,
//! each answer is a picture that its account had, whole, or a marked placeholder, and comes within its deadline; what an
//! instance has deleted it never shows again; and when all is well again every instance shows the newest picture.

mod acts;
mod clients;
mod facts;
mod world;

use proptest::prelude::*;

use acts::{Act, cruel_act, kind_act};
use clients::Clients;
use world::World;

use crate::support::accounts::ALL;

const INSTANCES: usize = 3;
const CLIENTS: usize = 12;

/// Redis is well and no instance gives it up: a busy machine can be slow for longer than a user would want to wait.
const PATIENT: &str = r#"
[origin]
timeout = "2500ms"
[redis]
lease = "3s"
timeout = "2s"
"#;
/// Redis is given up soon, so that much happens without it.
const IMPATIENT: &str = r#"
[redis]
lease = "1s"
timeout = "250ms"
"#;

/// What is left when all has been acted out and is well again.
struct End {
    world: World,
    answers: usize,
    /// What each instance says of its Redis.
    redis: Vec<String>,
}

fn play(settings: &str, redis_is_well: bool, acts: &[Act]) -> End {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let end = runtime.block_on(async {
        let mut world = World::start(settings, redis_is_well).await;
        let clients = Clients::start(&world.facts);
        for act in acts {
            world.act(act).await;
        }
        world.heal().await;
        let answers = clients.end().await;
        world.converged().await;
        End { redis: world.redis_calls().await, world, answers }
    });
    runtime.shutdown_background();
    end
}

fn few() -> ProptestConfig {
    // Each case starts three processes and a Redis; a failure prints its acts, which need no shrinking to be read.
    let default = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { default.cases } else { 2 };
    ProptestConfig { cases, max_shrink_iters: 0, failure_persistence: None, ..default }
}

proptest! {
    #![proptest_config(few())]

    #[test]
    fn while_redis_is_well_one_avatar_is_asked_for_once_at_a_time(acts in proptest::collection::vec(kind_act(), 20..30)) {
        let End { world, answers, redis } = play(PATIENT, true, &acts);
        prop_assert!(answers > CLIENTS, "{answers} answers");
        for connected in &ALL {
            let met = world.sim.met(connected.account);
            prop_assert_eq!(world.sim.most_at_once(connected.account), 1, "{}: {:#?}; {:#?}", connected.id, met, redis);
        }
    }

    #[test]
    fn whatever_happens_every_answer_is_right_and_in_time(acts in proptest::collection::vec(cruel_act(), 25..35)) {
        let End { answers, .. } = play(IMPATIENT, false, &acts);
        prop_assert!(answers > CLIENTS, "{answers} answers");
    }
}
