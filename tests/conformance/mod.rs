//! One suite for each port. Every adapter passes the suite of its port.

/// Hands the names of the queue's checks to a macro.
macro_rules! each_queue_check {
    ($with:ident) => {
        $with! {
            messages_of_a_partition_arrive_in_the_order_of_their_offsets,
            a_partition_that_is_not_there_is_refused,
            the_first_event_is_the_assignment_of_all_partitions,
            the_committed_offset_never_passes_an_unacked_message,
            a_delivery_that_is_dropped_is_delivered_again,
            what_a_member_held_when_it_left_goes_to_the_next_and_its_late_ack_is_void,
            members_share_the_partitions_and_every_message_is_delivered,
            waiting_for_the_next_event_can_be_given_up_without_loss,
        }
    };
}

pub(crate) use each_queue_check;

pub mod queue;
pub mod state;
pub mod storage;
