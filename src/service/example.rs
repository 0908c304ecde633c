//! A job for tests.

use std::io::{Cursor, Write};
use std::sync::Arc;

use super::admit::{Admission, Candidate, Wishes};
use crate::config::Config;
use crate::model::job::{JobId, Plan, StorageId};
use crate::storage::files::FileStorage;
use crate::storage::{ResultStorage, Storage};

const IMAGE: &[u8] = include_bytes!("../../tests/data/grey-8.png");

/// A plan of a job in `storage`, without its files.
pub(super) fn plan(storage: StorageId) -> Plan {
    let config = Arc::new(Config::default());
    let candidate = Candidate::read("a.png", 3, Cursor::new(IMAGE), None, &config).unwrap();
    let admission = Admission::new(config, storage, 1);
    admission.plan(JobId::generate(), candidate, &Wishes::default()).unwrap()
}

/// The plan of a job that `storage` has accepted, with its original.
pub(super) async fn accepted(storage: &FileStorage) -> Plan {
    let plan = plan(storage.id().clone());
    let original = storage.stage_original(plan.id).await.unwrap();
    original.file().write_all(IMAGE).unwrap();
    storage.create(&plan, original).await.unwrap();
    plan
}
