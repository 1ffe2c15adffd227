//! The suites every port obeys: one list of promises, run on every implementation.
//!
//! A backend's test writes a function that makes a fresh, empty [`Subject`] and calls the macro:
//! `apium_core::conformance_tests!(subject);` Each promise is then one test.

pub mod broadcast;
pub mod broker;
pub mod chords;
pub mod clock;
pub mod dead;
pub mod fleet;
pub mod histories;
pub mod inspection;
pub mod limits;
pub mod results;
pub mod schedules;
pub mod shares;
pub mod spending;
pub mod together;
pub mod unique;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::SignedDuration;

use crate::broker::{Broker, Outgoing};
use crate::results::ResultStore;

/// A backend under examination: fresh, empty, with its time in the suite's hands.
pub struct Subject {
    /// The broker and fleet.
    pub broker: Arc<dyn Broker>,
    /// The result store of the same home.
    pub results: Arc<dyn ResultStore>,
    /// A second broker on the same store, as another process would open it.
    pub other: Arc<dyn Broker>,
    /// Opens a further broker on the same store, now.
    pub start: Box<dyn Fn() -> BoxFuture<'static, Arc<dyn Broker>> + Send + Sync>,
    /// Lets time pass for the backend.
    pub advance: Box<dyn Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync>,
    /// Sets the backend's clock, as somebody sets that of a machine: no time passes.
    pub set: Box<dyn Fn(SignedDuration) -> BoxFuture<'static, ()> + Send + Sync>,
    /// Kept alive as long as the subject (a server, a temporary folder).
    pub keep: Box<dyn std::any::Any + Send + Sync>,
}

/// Makes one test of each promise, on subjects that `$make` (an async function in this module) builds. `@elsewhere`
/// leaves out the suite `together`: for one over several stores whose queues are in another than what is spent.
#[macro_export]
macro_rules! conformance_tests {
    ($make:ident) => {
        $crate::conformance_tests!(@elsewhere $make);
        $crate::conformance_tests!(@suite together $make:
            what_is_spent_and_what_is_admitted_count_together, who_spends_overtakes_nobody_who_was_called,
            who_is_called_and_does_not_come_is_not_waited_for, who_waits_for_what_was_spent_is_called);
    };
    (@elsewhere $make:ident) => {
        $crate::conformance_tests!(@suite broker $make:
            publishes_in_order, serves_low_priorities_first, claims_from_several_queues, claims_no_more_than_asked,
            keeps_bytes, hands_a_message_to_one_worker_only, settles_once, restores_an_expired_lease,
            keeps_a_renewed_lease, tells_a_lost_lease, refuses_a_late_settlement, settles_with_all_consequences,
            writes_nothing_when_lost, writes_of_a_batch_what_is_held, requeues_to_the_front, requeues_to_the_end, delays_what_is_not_due,
            defers_a_delivery, wakes_on_publish, wakes_on_publish_elsewhere, wakes_when_due, wakes_when_a_later_message_is_due, wait_ends_in_time, purges_only_what_waits, counts_depths,
            keeps_dead_letters, replays_the_original_bytes, settles_without_a_receipt, claims_many_at_once);
        $crate::conformance_tests!(@suite clock $make:
            set_forward_the_living_keep_what_they_hold, set_forward_a_longer_lease_is_heeded_too,
            set_forward_before_a_worker_starts_the_living_keep_what_they_hold, set_back_the_dead_keep_nothing, set_back_before_a_worker_starts_the_dead_keep_nothing,
            set_back_no_lease_is_cut_below_what_its_holder_asks_for, set_to_and_fro_nothing_comes_twice,
            set_back_many_are_brought_down, what_waits_for_its_time_goes_by_the_clock, set_forward_no_more_run_at_once,
            set_back_a_rate_goes_on, set_back_no_more_start_than_may);
        $crate::conformance_tests!(@suite histories $make: answers_as_promised_in_any_order);
        $crate::conformance_tests!(@suite dead $make:
            letters_are_found_by_what_is_known, dropped_letters_are_gone, replays_other_bytes_if_told,
            tells_whose_lease_ran_out, a_renewed_lease_is_no_death, a_dead_letter_takes_its_deaths_along,
            who_gives_it_back_may_count_a_death, only_the_latest_deaths_are_kept);
        $crate::conformance_tests!(@suite results $make:
            unknown_until_stored, stores_and_reads_back, success_is_final, failure_gives_way, revoke_does_not_touch_what_began,
            waits_for_a_ready_state, wait_times_out, expires, remembers_and_forgets, keeps_a_record_whole, many_are_waited_for);
        $crate::conformance_tests!(@suite chords $make:
            the_last_part_completes, parts_may_end_before_the_size_is_told, a_part_counts_once,
            parts_of_one_place_all_count, a_part_may_add_further_parts, one_claims_the_body, a_group_may_be_used_again,
            the_body_is_sent_with_the_settlement, a_claim_that_was_lost_sends_nothing, keeps_groups, a_saved_group_is_found_again, counts_many);
        $crate::conformance_tests!(@suite unique $make:
            one_of_a_key_is_published, of_a_hundred_at_once_one_is_published, keys_do_not_disturb_each_other,
            a_settlement_gives_it_back, a_lost_settlement_gives_nothing_back, only_its_holder_gives_it_back,
            it_ends_when_nothing_is_heard_of_its_holder, what_comes_back_keeps_it, it_may_be_free_from_the_start,
            the_newer_takes_the_place_of_one_that_waits, one_that_has_ended_elsewhere_gives_way,
            a_period_goes_on_while_it_runs);
        $crate::conformance_tests!(@suite limits $make:
            what_is_not_limited_is_admitted, no_more_run_at_once, asked_twice_it_has_one_place,
            a_free_place_calls_the_first_in_line, who_is_called_is_not_overtaken,
            who_is_called_and_gone_is_not_waited_for, purged_ones_hold_up_nobody,
            who_will_not_come_keeps_nobody_waiting, a_place_ends_with_its_lease,
            a_place_may_be_kept_without_the_claim, a_lost_claim_is_not_admitted, no_window_sees_more_starts,
            who_waits_for_the_rate_is_due_at_its_time, a_long_line_costs_few_looks, of_several_limits_all_or_none,
            each_value_has_a_limit_of_its_own, a_change_counts_at_once, changes_are_told,
            what_an_operator_has_set_stays, a_breaker_opens_and_closes,
            a_probe_that_tells_nothing_is_followed_by_another, failures_far_apart_open_no_breaker,
            late_failures_change_nothing);
        $crate::conformance_tests!(@suite spending $make:
            what_has_no_rate_limits_nothing, starts_are_had_up_to_the_pace, a_window_slides, a_look_counts_nothing,
            more_than_the_pace_is_never_had, from_several_limits_all_are_had_or_none,
            a_name_that_is_told_twice_counts_once, each_value_is_counted_for_itself,
            a_change_of_the_pace_counts_at_once, a_longer_window_counts_what_is_known, a_month_is_counted_to_its_end,
            of_many_at_once_as_many_as_may_are_had, who_comes_later_knows_what_is_spent,
            no_window_sees_more_than_the_pace, set_back_no_more_are_had_and_nobody_waits_longer);
        $crate::conformance_tests!(@suite schedules $make:
            entries_are_kept_and_dropped, changes_are_told_from_any_edition, a_wait_ends_with_a_change,
            many_entries_come_in_pages, what_is_put_over_another_version_is_refused,
            what_is_decided_is_written_and_sent_in_one_step, a_decision_counts_once,
            what_was_decided_on_another_version_counts_nothing, who_leads_no_more_decides_nothing,
            one_leads_though_all_would, who_renews_is_not_replaced, who_resigns_is_replaced_at_once,
            of_a_hundred_candidates_one_takes_over, what_was_decided_is_told_newest_first);
        $crate::conformance_tests!(@suite shares $make:
            a_newcomer_waits_for_one, turns_go_by_weight, of_one_share_the_first_comes_first,
            a_share_that_was_idle_has_saved_nothing, what_is_sorted_is_served_once, what_comes_back_is_next,
            who_is_called_is_next, a_lost_claim_gets_no_turn, sorted_ones_are_ready, purged_ones_have_no_turn,
            wakes_when_sorted, unsorted_ones_are_claimed_as_before);
        $crate::conformance_tests!(@suite broadcast $make:
            all_who_listen_hear_it, only_the_topics_asked_for_are_heard, a_star_covers_what_begins_so,
            nothing_is_heard_from_before, a_wait_ends_in_time, a_wait_is_ended_by_what_is_said,
            a_wait_that_is_given_up_takes_nothing, an_answer_reaches_the_inbox_it_names, a_closed_inbox_swallows,
            who_leaves_takes_nothing_from_others, many_are_heard_in_each_speakers_order,
            what_is_not_kept_is_told_as_an_error, large_ones_are_carried);
        $crate::conformance_tests!(@suite fleet $make:
            shows_the_living, a_silent_worker_is_gone, a_leaver_is_gone, tells_namesakes_apart, tells_revocations_once, does_not_wait_when_given_no_time, wakes_on_revoke, remembers_revocations, keeps_other_revocations);
    };
    (@suite $suite:ident $make:ident: $($promise:ident),+ $(,)?) => {
        mod $suite {
            $(#[tokio::test]
            async fn $promise() {
                let subject = super::$make().await;
                $crate::conformance::$suite::$promise(&subject).await;
            })+
        }
    };
}

/// The same of what a store tells of itself, for those that outlive a process.
#[macro_export]
macro_rules! inspection_tests {
    ($make:ident) => {
        $crate::conformance_tests!(@suite inspection $make:
            an_empty_store_tells_what_it_is, tells_what_waits_and_who_holds_what, tells_dead_letters_and_who_lives,
            what_is_large_is_measured_and_not_read, tells_results_that_are_kept_for_ever, a_look_costs_no_more_for_more,
            looking_changes_nothing);
    };
}

/// A message whose envelope is these bytes.
fn message(queue: &str, bytes: &str) -> Outgoing {
    Outgoing { queue: queue.to_owned(), priority: 0, bytes: bytes.as_bytes().to_vec(), not_before: None }
}
