//! One suite for each port. Every adapter passes the suite of its port.

/// Hands the names of the queue's checks to a macro.
#[allow(unused_macros, reason = "each test program has its own port")]
macro_rules! each_queue_check {
    ($with:ident) => {
        $with! {
            messages_of_a_partition_arrive_in_the_order_of_their_offsets,
            messages_sent_at_once_are_each_where_their_offset_says,
            a_partition_that_is_not_there_is_refused,
            the_first_event_is_the_assignment_of_all_partitions,
            the_committed_offset_never_passes_an_unacked_message,
            a_delivery_that_is_dropped_is_delivered_again,
            what_a_member_held_when_it_left_goes_to_the_next_and_its_late_ack_is_void,
            members_share_the_partitions_and_every_message_is_delivered,
            members_are_counted_from_outside,
            waiting_for_the_next_event_can_be_given_up_without_loss,
        }
    };
}

/// Hands the names of the state's checks to a macro.
#[allow(unused_macros, reason = "each test program has its own port")]
macro_rules! each_state_check {
    ($with:ident) => {
        $with! {
            processes_are_known_as_long_as_they_say_so,
            a_job_belongs_to_one_living_server,
            active_jobs_are_known_until_forgotten_or_expired,
            the_latest_board_is_read_until_it_expires,
            tiles_are_painted_over_the_mosaic_until_it_expires,
            a_silent_worker_is_late_then_dead_then_gone,
            no_worker_is_dead_because_the_monitor_is_away,
            a_worker_that_leaves_is_shown_as_leaving_and_then_not_at_all,
            signals_reach_every_listener,
        }
    };
}

/// Hands the names of the checks of a whole storage to a macro.
#[allow(unused_macros, reason = "each test program has its own port")]
macro_rules! each_storage_check {
    ($with:ident) => {
        $with! {
            a_created_job_has_its_plan_and_its_original,
            a_plan_is_written_once,
            jobs_are_listed_oldest_first,
            what_is_kept_of_a_job_is_told,
            another_jobs_original_outlives_that_job,
            a_removed_job_is_gone_and_may_be_removed_again,
        }
    };
}

/// Hands the names of the checks of what a collector needs of a storage to a macro.
#[allow(unused_macros, reason = "each test program has its own port")]
macro_rules! each_result_check {
    ($with:ident) => {
        $with! {
            a_collector_reads_the_plan_that_was_written,
            a_collector_reads_what_the_original_says_beside_its_pixels,
            what_is_not_there_is_not_found,
            the_first_outcome_stands,
            of_outcomes_at_the_same_time_one_stands_for_all,
            a_final_image_is_seen_only_when_published,
            a_final_image_of_a_job_that_is_gone_is_not_kept,
            starts_are_counted_by_step_until_they_are_cleared,
        }
    };
}

#[allow(unused_imports, reason = "each test program has its own port")]
pub(crate) use {each_queue_check, each_result_check, each_state_check, each_storage_check};

pub mod queue;
pub mod state;
pub mod storage;
