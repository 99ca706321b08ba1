//! Redis, the disk or an instance fails.

use super::row::Row;
use super::rules::{default, written};
use crate::avatar::restart;
use crate::cli::process;
use crate::store::redis::{clustered, outages, processes};
use crate::webhook::full_disk;

pub(super) fn rows() -> Vec<Row> {
    let lease = written(default("redis.lease"));
    vec![
        Row::new(
            "Redis is down, slow, full or read-only",
            "every picture",
            "each instance refreshes on its own; `/readyz` says `degraded`",
            &[
                outages::redis_is_down_at_the_start,
                outages::redis_is_killed_under_load,
                outages::redis_is_stopped_in_its_tracks,
                outages::the_way_to_redis_swallows_every_byte,
                outages::redis_is_out_of_memory,
                outages::redis_has_become_a_replica_and_refuses_writes,
            ],
        ),
        Row::new(
            "a Redis cluster loses a shard without a replica",
            "every picture",
            "each instance refreshes the avatars in those slots on its own",
            &[clustered::a_lost_shard_takes_nothing_from_the_others_and_a_cluster_that_refuses_all_is_away],
        ),
        Row::new(
            "an instance is killed during a refresh",
            format!("the stored picture, or the picture after at most `redis.lease` ({lease})"),
            "another instance refreshes",
            &[processes::kill_minus_9_in_the_middle_of_a_download_delays_the_others_by_no_more_than_the_lease],
        ),
        Row::new(
            "the disk is full or fails",
            "every picture, from memory",
            "as usual; `/readyz` says `degraded`",
            &[process::a_disk_that_cannot_be_written_degrades_readiness_and_nothing_else, full_disk::events_that_happen_while_the_disk_is_full_are_sent_in_order_when_there_is_room],
        ),
        Row::new(
            "the disk file is corrupt",
            "every picture, fetched again",
            "as on first views; the file is renamed to `*.corrupt-0`, never deleted",
            &[process::a_corrupt_disk_file_is_set_aside_and_never_deleted],
        ),
        Row::new(
            "the process is killed",
            "after the restart, every picture shown up to 1 s before",
            "none: cooldowns are stored too",
            &[
                process::killed_a_second_after_its_first_answers_it_shows_them_again_with_all_providers_down,
                restart::every_last_good_picture_is_served_after_a_restart_with_all_providers_down,
                restart::a_failure_is_remembered_over_a_restart_so_that_no_provider_is_called_again,
                restart::the_pause_of_a_whole_app_is_kept_over_a_restart,
            ],
        ),
    ]
}
