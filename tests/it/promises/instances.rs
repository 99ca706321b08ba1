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
            "Redis is away, slow, full or read-only",
            "everything",
            "each instance refreshes alone; `/readyz` says `degraded`",
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
            "a shard of the Redis cluster is lost, without a replica",
            "everything",
            "each instance alone, what lies in those slots",
            &[clustered::a_lost_shard_takes_nothing_from_the_others_and_a_cluster_that_refuses_all_is_away],
        ),
        Row::new(
            "an instance is killed while it refreshes",
            format!("what is held, or after at most `redis.lease` ({lease}) the picture"),
            "another instance",
            &[processes::kill_minus_9_in_the_middle_of_a_download_delays_the_others_by_no_more_than_the_lease],
        ),
        Row::new(
            "the disk is full or fails",
            "everything, from memory",
            "`/readyz` says `degraded`",
            &[process::a_disk_that_cannot_be_written_degrades_readiness_and_nothing_else, full_disk::events_that_happen_while_the_disk_is_full_are_sent_in_order_when_there_is_room],
        ),
        Row::new(
            "the disk file is corrupt",
            "everything, fetched anew",
            "the file is set aside as `*.corrupt-0`, never deleted",
            &[process::a_corrupt_disk_file_is_set_aside_and_never_deleted],
        ),
        Row::new(
            "the process is killed",
            "after the restart, all that was shown until a second before",
            "nobody: pauses are kept, too",
            &[
                process::killed_a_second_after_its_first_answers_it_shows_them_again_with_all_providers_down,
                restart::every_last_good_picture_is_served_after_a_restart_with_all_providers_down,
                restart::a_failure_is_remembered_over_a_restart_so_that_no_provider_is_called_again,
                restart::the_pause_of_a_whole_app_is_kept_over_a_restart,
            ],
        ),
    ]
}
