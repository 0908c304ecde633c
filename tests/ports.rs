//! Every adapter passes the suite of its port.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::time::Duration;

use tilemill::queue::embedded::EmbeddedTopic;
use tilemill::state::embedded::EmbeddedState;
use tilemill::storage::Overwrite;
use tilemill::storage::files::FileStorage;
use tilemill::storage::local::{LocalStorage, Paths};

mod conformance;

macro_rules! embedded_queue {
    ($($check:ident),* $(,)?) => {
        mod embedded_queue {
            $(#[tokio::test]
            async fn $check() {
                crate::conformance::queue::$check(&super::EmbeddedTopic::new(4)).await;
            })*
        }
    };
}

conformance::each_queue_check!(embedded_queue);

macro_rules! embedded_state {
    ($($check:ident),* $(,)?) => {
        mod embedded_state {
            $(#[tokio::test(start_paused = true)]
            async fn $check() {
                let state = super::EmbeddedState::default();
                crate::conformance::state::$check(&state, super::pass).await;
            })*
        }
    };
}

/// Tokio's clock is paused: it jumps when all tasks wait for it.
async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

conformance::each_state_check!(embedded_state);

macro_rules! storages {
    ($($check:ident),* $(,)?) => {
        mod file_storage {
            $(#[tokio::test]
            async fn $check() {
                let directory = tempfile::tempdir().unwrap();
                let storage = super::FileStorage::open(directory.path()).unwrap();
                crate::conformance::storage::$check(&storage, |_| {}).await;
            })*
        }

        mod local_storage {
            $(#[tokio::test]
            async fn $check() {
                let directory = tempfile::tempdir().unwrap();
                let storage = super::LocalStorage::new(super::Overwrite::Refused);
                crate::conformance::storage::$check(&storage, |job| {
                    let input = directory.path().join(format!("{job}.in"));
                    let output = directory.path().join(format!("{job}.out"));
                    storage.assign(job, super::Paths { input, output });
                })
                .await;
            })*
        }
    };
}

storages![
    a_created_job_has_its_plan_and_its_original,
    what_is_not_there_is_not_found,
    a_plan_is_written_once,
    jobs_are_listed_oldest_first,
    the_first_outcome_stands,
    of_outcomes_at_the_same_time_one_stands_for_all,
    a_final_image_is_seen_only_when_published,
    what_is_kept_of_a_job_is_told,
    starts_are_counted_by_step_until_they_are_cleared,
    another_jobs_original_outlives_that_job,
    a_removed_job_is_gone_and_may_be_removed_again,
];

#[test]
fn a_storage_keeps_its_name() {
    use tilemill::storage::Storage;

    let directory = tempfile::tempdir().unwrap();
    let first = FileStorage::open(directory.path()).unwrap();
    let second = FileStorage::open(directory.path()).unwrap();
    assert_eq!(first.id(), second.id());
}

#[tokio::test]
async fn a_job_outlives_its_original_and_its_result() {
    use tilemill::storage::{Kept, Storage};

    let directory = tempfile::tempdir().unwrap();
    let storage = FileStorage::open(directory.path()).unwrap();
    let plan = conformance::storage::created(&storage, &|_| {}).await;
    let staged = storage.stage_final(&plan).await.unwrap();
    storage.publish_final(&plan, staged).await.unwrap();
    for _ in 0..2 {
        storage.remove_original(plan.id).await.unwrap();
        storage.remove_final(&plan).await.unwrap();
    }
    assert_eq!(storage.kept(&plan).await.unwrap(), Kept::default());
    assert_eq!(storage.jobs().await.unwrap(), [plan.id]);
}

#[tokio::test]
async fn a_run_does_not_replace_an_output_that_appeared_in_the_meantime() {
    use tilemill::storage::Storage;

    let directory = tempfile::tempdir().unwrap();
    let storage = LocalStorage::new(Overwrite::Refused);
    let job = tilemill::model::job::JobId::generate();
    let output = directory.path().join("out");
    storage.assign(job, Paths { input: directory.path().join("in"), output: output.clone() });
    let plan = conformance::storage::plan(job, &storage);
    let staged = storage.stage_final(&plan).await.unwrap();
    std::fs::write(&output, "somebody else's").unwrap();
    assert!(storage.publish_final(&plan, staged).await.is_err());
    assert_eq!(std::fs::read_to_string(&output).unwrap(), "somebody else's");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}
