//! Publishes what is in a canvas.

use std::sync::Arc;

use super::mosaic::Painter;
use crate::model::board::Board;
use crate::model::event::Look;
use crate::model::job::JobId;
use crate::state::{State, StateError};

/// Publishes boards and mosaics in the state.
pub(super) struct Publisher {
    state: Arc<dyn State>,
}

impl Publisher {
    pub(super) fn new(state: Arc<dyn State>) -> Self {
        Self { state }
    }

    /// Publishes the board of a job, and its mosaic if it has a painter.
    pub(super) async fn publish(
        &self,
        job: JobId,
        board: Board,
        painter: Option<Arc<Painter>>,
    ) -> Result<(), StateError> {
        self.state.publish_board(job, board).await?;
        if let Some(painter) = painter {
            painter.publish(job, &*self.state).await?;
        }
        self.state.signal(Look::Board(job)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::job::StorageId;
    use crate::service::canvas::{Canvas, Scratch};
    use crate::service::example;
    use crate::state::embedded::EmbeddedState;

    #[tokio::test]
    async fn a_board_is_published_with_the_mosaic_if_there_is_one() {
        let directory = tempfile::tempdir().unwrap();
        let plan = example::plan(StorageId("here".into()));
        let scratch = Scratch::Unnamed(directory.path().to_owned());
        let canvas = Arc::new(Canvas::open(&scratch, &plan).unwrap());
        let state = Arc::new(EmbeddedState::default());
        let publisher = Publisher::new(Arc::clone(&state) as Arc<_>);
        publisher.publish(plan.id, canvas.board(), None).await.unwrap();
        assert!(state.board(plan.id).await.unwrap().is_some());
        assert!(state.mosaic(plan.id).await.unwrap().is_none());
        let painter = Painter::start(Arc::clone(&canvas));
        publisher.publish(plan.id, canvas.board(), Some(painter)).await.unwrap();
        assert!(state.mosaic(plan.id).await.unwrap().is_some());
    }
}
