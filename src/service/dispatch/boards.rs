//! Reads the boards that collectors publish: they show which tiles are back.

use std::sync::Arc;
use std::time::Instant;

use super::active::Active;
use super::window::Bounds;
use crate::meters::{Meters, Resent};
use crate::state::{State, StateError};

/// The boards of the jobs in work.
pub(super) struct Boards {
    state: Arc<dyn State>,
    meters: Meters,
}

impl Boards {
    pub(super) fn new(state: Arc<dyn State>, meters: Meters) -> Self {
        Self { state, meters }
    }

    /// Shows each job its board as it is published now.
    pub(super) async fn look(
        &self,
        jobs: &mut [Active],
        bounds: &Bounds,
    ) -> Result<(), StateError> {
        for active in jobs {
            let board = self.state.board(active.id()).await?;
            let Some(seen) = active.look_at(board, Instant::now()) else { continue };
            self.meters.resent(Resent::Failed, seen.failed);
            self.meters.resent(Resent::PutOff, seen.put_off);
            active.landed(seen.landed, bounds);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::board::Board;
    use crate::service::dispatch::active::Choice;
    use crate::service::dispatch::window::InFlight;
    use crate::state::embedded::EmbeddedState;

    #[tokio::test]
    async fn a_job_goes_on_only_as_long_as_its_board_is_published() {
        let state = Arc::new(EmbeddedState::default());
        let boards = Boards::new(Arc::clone(&state) as Arc<dyn State>, Meters::default());
        let (bounds, mut jobs) = (Bounds::new(8, 1000), [Active::example()]);
        boards.look(&mut jobs, &bounds).await.unwrap();
        let none = InFlight::default();
        assert!(matches!(jobs[0].choose(0, &bounds, none), Choice::Nothing));
        let mut board = Board::new(jobs[0].plan().tiles());
        board.set(0);
        state.publish_board(jobs[0].id(), board).await.unwrap();
        boards.look(&mut jobs, &bounds).await.unwrap();
        let next = jobs[0].choose(0, &bounds, none);
        assert!(matches!(next, Choice::Tile(next) if next.tile == 1));
    }
}
