//! Where the consumer groups stand, as the answer to one question.

use std::time::Instant;

use crate::model::tile::{TileResult, TileTask};
use crate::queue::{Progress, QueueError, Topic};

/// The progress of the consumer groups of the task topic and of the result topic.
#[derive(Debug)]
pub struct Standing {
    /// When it was asked for.
    pub asked_at: Instant,
    /// The progress of the tasks, by partition.
    pub tasks: Vec<Progress>,
    /// The progress of the results, by partition, read after that of the tasks.
    pub results: Vec<Progress>,
}

impl Standing {
    /// Asks for both. Everything that was sent until `asked_at` must be in the topic. A loss is certain only if the
    /// tasks are read before the results, and the boards after both.
    pub async fn ask(
        tasks: &dyn Topic<TileTask>,
        results: &dyn Topic<TileResult>,
        asked_at: Instant,
    ) -> Result<Self, QueueError> {
        let tasks = tasks.progress().await?;
        let results = results.progress().await?;
        Ok(Self { asked_at, tasks, results })
    }
}
