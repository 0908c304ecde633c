//! One job in work, as its server sees it.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::flights::{Flight, Flights, Observed};
use super::image::Image;
use super::source::Arrival;
use super::split::Split;
use super::standing::Standing;
use super::window::{Bounds, InFlight, Window};
use crate::model::board::Board;
use crate::model::job::{Failure, JobId, Plan};
use crate::model::tile::TileTask;
use crate::raster::filter::Chain;
use crate::raster::source::Source;
use crate::state::ActiveJob;

/// A job in work.
pub(super) struct Active {
    plan: Arc<Plan>,
    /// The chain of the plan; informed by the survey once the image was surveyed.
    filters: Arc<Chain>,
    /// The partition of the result topic that its results go through for now.
    results_partition: u32,
    image: Image,
    /// Why the job has to fail, until that is recorded.
    failure: Option<Failure>,
    /// Its board. Nothing is sent before a collector has published one.
    board: Option<Board>,
    flights: Flights,
    window: Window,
    split: Split,
}

/// A tile of a job that may be sent now.
#[derive(Debug, Clone, Copy)]
pub(super) struct NextTile {
    pub(super) tile: u32,
    pub(super) attempt: u32,
    pub(super) put_off: u32,
    pub(super) bytes: u64,
}

/// What a job has to send when it is its turn.
pub(super) enum Choice {
    Tile(NextTile),
    /// It has nothing to send now.
    Nothing,
    /// It has a tile, but the server's bounds have no room for it.
    NoRoom,
}

impl Active {
    pub(super) fn new(plan: Arc<Plan>, split: Split) -> Self {
        Self {
            filters: Arc::new(plan.filters.clone()),
            results_partition: plan.results_partition,
            image: Image::Released,
            failure: None,
            board: None,
            flights: Flights::new(plan.tiles()),
            window: Window::default(),
            split,
            plan,
        }
    }

    pub(super) fn id(&self) -> JobId {
        self.plan.id
    }

    pub(super) fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// Notes that the job has to fail.
    pub(super) fn fail(&mut self, failure: Failure) {
        self.failure = Some(failure);
    }

    /// Notes that the job has to fail if it is `overdue`, unless it has to for another reason.
    pub(super) fn fail_if_overdue(&mut self, overdue: impl FnOnce(&Plan) -> Option<Failure>) {
        self.failure = self.failure.take().or_else(|| overdue(&self.plan));
    }

    /// Why the job has to fail, if it has to and that is not recorded.
    pub(super) fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// Notes that its failure was recorded.
    pub(super) fn failure_recorded(&mut self) {
        self.failure = None;
    }

    /// The partition of the result topic that its results go through for now.
    pub(super) fn results_partition(&self) -> u32 {
        self.results_partition
    }

    /// Sends the results of further tiles through `partition`.
    pub(super) fn go_through(&mut self, partition: u32) {
        self.results_partition = partition;
    }

    /// What is published about the job.
    pub(super) fn published(&self) -> ActiveJob {
        ActiveJob {
            id: self.plan.id,
            results_partition: self.results_partition,
            storage: self.plan.storage.clone(),
        }
    }
}

/// The image of the job.
impl Active {
    /// Notes that `image` is being decoded for it.
    pub(super) fn expect(&mut self, image: Image) {
        self.image = image;
    }

    /// Whether its image is being decoded.
    pub(super) fn is_decoding(&self) -> bool {
        matches!(self.image, Image::Coming(..))
    }

    /// Whether its image was released, and its board has lost tiles since.
    pub(super) fn lacks_image(&self) -> bool {
        let lost_tiles = self.board.as_ref().is_some_and(|board| !board.is_complete());
        matches!(self.image, Image::Released) && lost_tiles
    }

    /// Takes in the progress of decoding its image, and publishes how much of it is decoded.
    pub(super) fn take_in(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Opened(source) => self.image.open(source),
            Arrival::Rows => {}
            Arrival::Surveyed(filters) => self.filters = Arc::new(filters),
            Arrival::Ended(Ok(())) => self.image.complete(),
            Arrival::Ended(Err(failure)) => self.failure = Some(failure),
        }
        self.tell_split();
    }

    /// Publishes how much of the image is decoded, from its first rows on.
    fn tell_split(&self) {
        let fraction = self.image.source().map(Source::fraction);
        self.split.tell(fraction.filter(|fraction| *fraction > 0.0));
    }

    /// Whether the pixels of a tile are decoded, and the survey that its filters need is done.
    fn can_cut(&self, tile: u32) -> bool {
        let there = |source: &Source| source.has(self.plan.window(tile));
        !self.filters.surveys() && self.image.source().is_some_and(there)
    }

    /// Returns a function that cuts a tile and makes its task; `None` without an image.
    pub(super) fn cut(
        &self,
        tile: u32,
        attempt: u32,
    ) -> Option<impl FnOnce() -> io::Result<TileTask> + Send + use<>> {
        let source = self.image.source()?.clone();
        let (plan, filters) = (Arc::clone(&self.plan), Arc::clone(&self.filters));
        let results_partition = self.results_partition;
        Some(move || {
            let window = plan.window(tile);
            Ok(TileTask {
                job: plan.id,
                tile,
                attempt,
                results_partition,
                revision: plan.revision,
                filters,
                image: plan.size,
                window,
                keep: plan.grid().region(tile),
                pixels: source.window(window)?,
            })
        })
    }
}

/// The tiles of the job.
impl Active {
    /// The tiles in flight.
    pub(super) fn in_flight(&self) -> InFlight {
        self.flights.in_flight()
    }

    /// The number of tiles in flight through `partition` of the task topic.
    pub(super) fn count_in(&self, partition: u32) -> u32 {
        self.flights.count_in(partition)
    }

    /// Takes in the board as it is published now, and releases the image once all tiles are on it. Returns what the
    /// board shows; `None` without one.
    pub(super) fn look_at(&mut self, board: Option<Board>, now: Instant) -> Option<Observed> {
        self.board = board;
        let board = self.board.as_ref()?;
        if board.is_complete() {
            self.image = Image::Released;
        }
        Some(self.flights.observe(board, now))
    }

    /// Notes how long tiles took from sending to board.
    pub(super) fn landed(&mut self, latencies: Vec<Duration>, bounds: &Bounds) {
        for latency in latencies {
            self.window.landed(latency, bounds);
        }
    }

    /// Notes which tasks are committed.
    pub(super) fn settle(&mut self, standing: &Standing) {
        self.flights.settle(standing);
    }

    /// Takes in a board that was read after the answer. Returns the number of tiles that are lost.
    pub(super) fn find_lost(&mut self, board: &Board, standing: &Standing) -> usize {
        self.flights.find_lost(board, standing)
    }

    /// Chooses the next tile to send, besides `picked` others of this job that are about to be, and all those that are
    /// in flight.
    pub(super) fn choose(&mut self, picked: u32, bounds: &Bounds, in_flight: InFlight) -> Choice {
        let on_way = self.in_flight().tiles + picked;
        let Some(board) = &self.board else { return Choice::Nothing };
        if !self.window.has_room(on_way, bounds) {
            return Choice::Nothing;
        }
        let Some(tile) = self.flights.take_next(board) else { return Choice::Nothing };
        let (attempt, put_off) = (board.next_attempt(tile), board.times_put_off(tile));
        if !self.can_cut(tile) {
            self.flights.put_back(tile);
            return Choice::Nothing;
        }
        let bytes = self.bytes_of(tile);
        if !bounds.have_room(in_flight, bytes) {
            self.flights.put_back(tile);
            return Choice::NoRoom;
        }
        Choice::Tile(NextTile { tile, attempt, put_off, bytes })
    }

    /// Bytes of a tile with its halo.
    fn bytes_of(&self, tile: u32) -> u64 {
        let size = self.plan.window(tile).size();
        size.pixels() * self.plan.format.bytes_per_pixel() as u64
    }

    /// Notes that a tile was sent.
    pub(super) fn sent(&mut self, tile: u32, flight: Flight) {
        self.flights.sent(tile, flight);
    }

    /// Puts back a tile that was chosen and could not be sent.
    pub(super) fn put_back(&mut self, tile: u32) {
        self.flights.put_back(tile);
    }
}

#[cfg(test)]
impl Active {
    /// A job of 35 tiles with a decoded image and an empty board, for tests.
    pub(super) fn example() -> Self {
        use crate::model::job::StorageId;
        use crate::raster::orientation::Orientation;
        use crate::raster::pixels::Pixels;
        use crate::raster::source::MemoryRaster;
        use crate::service::example;

        let mut plan = example::plan(StorageId("here".into()));
        plan.tile_size = 10;
        let raster = MemoryRaster::new(plan.size, plan.format);
        raster.push(Pixels::zeroed(plan.size, plan.format));
        let split = Split::new(plan.id, super::Splits::default());
        let mut active = Self::new(Arc::new(plan), split);
        active.image = Image::Ready(Source::new(Arc::new(raster), Orientation::default()));
        active.board = Some(Board::new(active.plan.tiles()));
        active
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { min_tiles: 2, max_tiles: 8, max_bytes: 1000 };

    fn chosen(active: &mut Active, picked: u32, in_flight: InFlight) -> Option<u32> {
        match active.choose(picked, &BOUNDS, in_flight) {
            Choice::Tile(next) => Some(next.tile),
            Choice::Nothing | Choice::NoRoom => None,
        }
    }

    #[test]
    fn a_job_has_nothing_to_send_before_its_board_is_published_and_beyond_its_window() {
        let mut active = Active::example();
        let board = active.board.take();
        assert_eq!(chosen(&mut active, 0, InFlight::default()), None);
        assert!(active.look_at(board, Instant::now()).is_some());
        assert_eq!(chosen(&mut active, 7, InFlight::default()), Some(0));
        assert_eq!(chosen(&mut active, 8, InFlight::default()), None);
    }

    #[test]
    fn a_tile_that_has_no_room_is_the_next_one_again() {
        let mut active = Active::example();
        let full = InFlight { tiles: 1, bytes: 950 };
        assert!(matches!(active.choose(0, &BOUNDS, full), Choice::NoRoom));
        assert_eq!(chosen(&mut active, 0, InFlight::default()), Some(0));
        assert_eq!(chosen(&mut active, 1, InFlight::default()), Some(1));
    }

    #[test]
    fn an_image_is_released_once_all_tiles_are_back_and_lacking_when_the_board_loses_some() {
        let mut active = Active::example();
        let mut full = Board::new(active.plan.tiles());
        (0..full.tiles()).for_each(|tile| assert!(full.set(tile)));
        assert!(!active.lacks_image());
        active.look_at(Some(full), Instant::now());
        assert!(!active.lacks_image() && active.image.source().is_none());
        active.look_at(None, Instant::now());
        assert!(!active.lacks_image(), "it is not known what a lost board had");
        active.look_at(Some(Board::new(active.plan.tiles())), Instant::now());
        assert!(active.lacks_image());
    }

    #[test]
    fn a_job_that_fails_for_another_reason_does_not_fail_for_its_age() {
        let mut active = Active::example();
        let overdue = |_: &Plan| Some(Failure::of_job("too old"));
        active.fail(Failure::of_job("unreadable"));
        active.fail_if_overdue(overdue);
        assert_eq!(active.failure(), Some(&Failure::of_job("unreadable")));
        active.failure_recorded();
        active.fail_if_overdue(overdue);
        assert_eq!(active.failure(), Some(&Failure::of_job("too old")));
    }
}
