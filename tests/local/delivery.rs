//! The promises about tiles: the services run, and the test is the worker, a good one or a bad one.

use std::collections::VecDeque;
use std::iter;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use tilemill::config::{Config, Seconds};
use tilemill::health::Health;
use tilemill::model::job::{JobId, Outcome, Plan};
use tilemill::model::tile::{Retry, TileFailure, TileResult, TileTask};
use tilemill::model::worker::WorkerId;
use tilemill::queue::embedded::EmbeddedTopic;
use tilemill::queue::{Consumer, Progress, QueueError, Topic};
use tilemill::raster;
use tilemill::service;
use tilemill::service::pool::Pool;
use tilemill::storage::{ResultStorage, Storage};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::stage::{Mill, PATIENCE};

/// Long enough for what is about to come to come.
const A_MOMENT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_failing_tile_is_tried_three_times_and_then_named() {
    let mill = Mill::start().await;
    let job = mill.submit(10).await;
    let mut worker = mill.worker("bad").await;
    for attempt in 1..=3 {
        let delivery = worker.next().await;
        assert_eq!(delivery.message().attempt, attempt);
        worker.fail(delivery.message(), Retry::Useful).await;
        delivery.ack();
    }
    let failure = mill.failure(job).await;
    assert_eq!(failure.to_string(), "tile 0 on bad, attempt 3: the disk is on fire");
}

#[tokio::test]
async fn a_tile_that_fails_once_is_made_by_the_next_attempt() {
    let mill = Mill::start().await;
    let job = mill.submit(35).await;
    let mut worker = mill.worker("moody").await;
    let delivery = worker.next().await;
    worker.fail(delivery.message(), Retry::Useful).await;
    delivery.ack();
    tokio::spawn(worker.work());
    mill.completes(job).await;
    let Outcome::Complete { attempts, .. } = mill.outcome(job).await else { unreachable!() };
    assert_eq!(attempts, 2);
}

#[tokio::test]
async fn an_error_that_no_other_worker_can_mend_fails_the_job_at_once() {
    let mill = Mill::start().await;
    let job = mill.submit(10).await;
    let mut worker = mill.worker("honest").await;
    let delivery = worker.next().await;
    worker.fail(delivery.message(), Retry::Futile).await;
    assert_eq!(mill.failure(job).await.attempts, Some(1));
}

#[tokio::test]
async fn a_tile_that_a_worker_cannot_take_on_is_sent_again_and_is_no_attempt() {
    let mill = Mill::start().await;
    let job = mill.submit(10).await;
    let mut worker = mill.worker("old").await;
    let delivery = worker.next().await;
    worker.fail(delivery.message(), Retry::Elsewhere).await;
    delivery.ack();
    let again = worker.next().await;
    assert_eq!((again.message().tile, again.message().attempt), (0, 1));
    let board = mill.app.state.board(job).await.unwrap().unwrap();
    assert_eq!(board.obstacle(), Some("the disk is on fire"));
    worker.succeed(again.message()).await;
    again.ack();
    mill.completes(job).await;
}

#[tokio::test]
async fn a_worker_of_another_revision_says_so_and_leaves_the_tile_to_others() {
    let mill = Mill::start().await;
    mill.submit(10).await;
    let mut worker = mill.worker("borrowed").await;
    let delivery = worker.next().await;
    let task = TileTask { revision: raster::REVISION + 1, ..TileTask::clone(delivery.message()) };
    let result = mill.filtered(task, Seconds::new(60)).await;
    let failure = result.pixels.unwrap_err();
    assert_eq!(failure.retry, Retry::Elsewhere);
    assert!(failure.cause.starts_with("worker real, revision"), "{failure}");
    assert!(failure.cause.contains("is too old for a job of revision"), "{failure}");
}

#[tokio::test]
async fn a_tile_that_takes_too_long_is_a_failed_attempt_that_names_the_setting() {
    let mill = Mill::start().await;
    let job = mill.submit_tiles(1500, 1500).await;
    let mut worker = mill.worker("borrowed").await;
    let delivery = worker.next().await;
    let filters = Arc::new("blur:100,blur:100,blur:100".parse().unwrap());
    let task = TileTask { filters, ..TileTask::clone(delivery.message()) };
    let result = mill.filtered(task, "1 ms".parse().unwrap()).await;
    let failure = result.pixels.unwrap_err();
    assert_eq!((result.job, failure.retry), (job, Retry::Useful));
    assert_eq!(failure.cause, "not filtered within 1 ms (`tile.timeout`)");
}

#[tokio::test]
async fn a_job_of_another_revision_fails_and_says_to_retry_it() {
    let mill = Mill::start().await;
    let older = |plan: &mut Plan| plan.revision = raster::REVISION - 1;
    let job = mill.submit_plan(10, 10, older).await;
    let failure = mill.failure(job).await;
    assert!(failure.cause.ends_with("retry it to have it done by this one"), "{failure}");
    assert_eq!(mill.sent().await, 0);
}

#[tokio::test]
async fn a_tile_is_in_the_mosaic_when_it_is_on_the_board_and_names_its_maker() {
    let mill = Mill::start().await;
    let job = mill.submit(25).await;
    let mut worker = mill.worker("painter").await;
    let mut looks = mill.app.state.looks();
    let delivery = worker.next().await;
    worker.succeed(delivery.message()).await;
    let painted = async {
        loop {
            let mosaic = mill.app.state.mosaic(job).await.unwrap();
            if let Some(mosaic) = mosaic.filter(|mosaic| mosaic.has(0)) {
                return mosaic;
            }
            looks.recv().await.unwrap();
        }
    };
    let mosaic = tokio::time::timeout(PATIENCE, painted).await.expect("the tile is painted");
    assert_eq!(mosaic.maker(0).unwrap().worker, worker.id);
    assert!(!mosaic.has(1));
    delivery.ack();
    tokio::spawn(worker.work());
    mill.completes(job).await;
    let thumbnail = mill.storage.thumbnail(job).await.unwrap().expect("one is kept");
    let thumbnail = image::load_from_memory(&thumbnail).unwrap();
    assert_eq!((thumbnail.width(), thumbnail.height()), (25, 25));
}

#[tokio::test]
async fn a_tile_whose_result_is_lost_is_sent_again_as_the_same_attempt() {
    let mill = Mill::start().await;
    let job = mill.submit(10).await;
    let mut worker = mill.worker("forgetful").await;
    worker.next().await.ack();
    let again = worker.next().await;
    assert_eq!((again.message().tile, again.message().attempt), (0, 1));
    worker.succeed(again.message()).await;
    again.ack();
    mill.completes(job).await;
}

#[tokio::test]
async fn the_tiles_of_a_dead_worker_go_to_another() {
    let mill = Mill::start().await;
    let job = mill.submit(45).await;
    let mut dying = mill.worker("dying").await;
    let (first, _second) = (dying.next().await, dying.next().await);
    // Its result is safe, its task is not acked: the tile is made twice.
    dying.succeed(first.message()).await;
    drop(dying);
    tokio::spawn(mill.worker("next").await.work());
    mill.completes(job).await;
}

#[tokio::test]
async fn a_tile_that_comes_twice_counts_once() {
    let mill = Mill::start().await;
    let job = mill.submit(25).await;
    let mut worker = mill.worker("eager").await;
    for _ in 0..9 {
        let delivery = worker.next().await;
        worker.succeed(delivery.message()).await;
        worker.succeed(delivery.message()).await;
        delivery.ack();
    }
    mill.completes(job).await;
    assert_eq!(mill.sent().await, 9);
}

#[tokio::test]
async fn no_more_tiles_are_sent_than_the_window_allows() {
    let mill = Mill::start().await;
    mill.submit(300).await;
    let mut worker = mill.worker("slow").await;
    let mut in_hand = Vec::new();
    for _ in 0..8 {
        in_hand.push(worker.next().await);
    }
    // When the tile of another job is sent, nothing more of the first one was.
    let other = mill.submit(10).await;
    in_hand.push(worker.next().await);
    assert_eq!(in_hand[8].message().job, other);
    assert_eq!(mill.sent().await, 9);
    let first = in_hand.remove(0);
    worker.succeed(first.message()).await;
    first.ack();
    in_hand.push(worker.next().await);
    assert_eq!(mill.sent().await, 10);
}

#[tokio::test]
async fn a_later_job_gets_its_turn_while_an_earlier_one_has_tiles_left() {
    let mut config = Config::default();
    config.dispatch.max_tiles_in_flight = 16;
    let mill = Mill::start_with(config).await;
    let earlier = mill.submit(1000).await;
    let mut worker = mill.worker("fair").await;
    let mut of_earlier = VecDeque::new();
    for _ in 0..8 {
        of_earlier.push_back(worker.next().await);
    }
    let later = mill.submit(100).await;
    // One of the earlier job is answered for each of the later one. Each answer makes room for one tile, and would make
    // it for ever more of the earlier job if the jobs did not take turns.
    for _ in 0..100 {
        let of_later = loop {
            let delivery = worker.next().await;
            if delivery.message().job == later {
                break delivery;
            }
            of_earlier.push_back(delivery);
        };
        for delivery in iter::once(of_later).chain(of_earlier.pop_front()) {
            worker.succeed(delivery.message()).await;
            delivery.ack();
        }
    }
    mill.completes(later).await;
    assert!(mill.storage.outcome(earlier).await.unwrap().is_none());
    assert!(mill.sent().await <= 100 + 100 + 16);
}

#[tokio::test]
async fn a_job_of_quick_tiles_does_not_wait_for_one_of_slow_tiles() {
    let mill = Mill::start().await;
    mill.submit(1000).await;
    let mut worker = mill.worker("slow").await;
    let mut in_hand = Vec::new();
    for _ in 0..8 {
        in_hand.push(worker.next().await);
    }
    let quick = mill.submit(20).await;
    mill.is_begun(quick).await;
    // All its tiles come although none of the other job's is back.
    for _ in 0..4 {
        in_hand.push(worker.next().await);
        assert_eq!(in_hand.last().unwrap().message().job, quick);
    }
}

#[tokio::test]
async fn a_large_tile_does_not_wait_behind_the_small_ones_of_another_job() {
    let mut config = Config::default();
    config.dispatch.max_bytes_in_flight = "250".parse().unwrap();
    let mill = Mill::start_with(config).await;
    let small = mill.submit_tiles(1000, 10).await;
    let mut worker = mill.worker("fair").await;
    // Two small tiles fit into the window at a time; the large one fits only alone.
    let mut in_hand = vec![worker.next().await, worker.next().await];
    let large = mill.submit_tiles(15, 15).await;
    mill.is_begun(large).await;
    // Its image may still be on its way.
    for _ in 0..9000 {
        let delivery = in_hand.remove(0);
        worker.succeed(delivery.message()).await;
        let done = delivery.message().job;
        delivery.ack();
        if done == large {
            return;
        }
        // One stays in hand as long as another small tile comes to take its place.
        match tokio::time::timeout(A_MOMENT, worker.next()).await {
            Ok(next) => in_hand.push(next),
            Err(_) if in_hand.is_empty() => in_hand.push(worker.next().await),
            Err(_) => {}
        }
    }
    panic!("all small tiles of {small} came before the large one");
}

#[tokio::test]
async fn a_result_of_a_job_that_is_not_there_is_dropped_and_acked() {
    let mill = Mill::start().await;
    let worker = mill.worker("late").await;
    let failure = TileFailure { cause: "c".into(), retry: Retry::Futile };
    let result = TileResult {
        job: JobId::generate(),
        tile: 0,
        attempt: 1,
        worker: worker.id.clone(),
        elapsed: Duration::ZERO,
        taken_over: false,
        pixels: Err(failure),
    };
    mill.app.topics.results.send(2, result).await.unwrap();
    let acked = async {
        while mill.app.topics.results.progress().await.unwrap()[2].committed == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, acked).await.expect("the result is acked");
}

#[tokio::test]
async fn a_tile_that_the_queue_refuses_waits_and_is_sent_when_it_is_taken() {
    let tasks = Arc::new(Refusing::new(EmbeddedTopic::new(1)));
    let mill = Mill::start_over(Arc::clone(&tasks) as Arc<_>, Config::default()).await;
    let job = mill.submit(25).await;
    tasks.refuses(3).await;
    // In the time of three refusals a queue that is merely away would be tried more often.
    assert!(mill.storage.outcome(job).await.unwrap().is_none());
    tasks.mend();
    tokio::spawn(mill.worker("steady").await.work());
    mill.completes(job).await;
}

#[tokio::test]
async fn a_worker_whose_results_are_refused_leaves_and_comes_back_when_one_is_taken() {
    let tasks = Arc::new(EmbeddedTopic::new(1));
    let results = Arc::new(Refusing::new(EmbeddedTopic::new(1)));
    let pool = Arc::new(Pool::new("filter", NonZeroUsize::MIN).unwrap());
    let (id, health) = (WorkerId::new("real"), Health::default());
    let answers = Arc::clone(&results) as Arc<dyn Topic<TileResult>>;
    let timeout = Seconds::new(60);
    let worker = service::mill::Mill::new(id, "h".into(), pool, answers, timeout, health);
    let stop = CancellationToken::new();
    let work = Arc::new(worker).run(Arc::clone(&tasks) as Arc<_>, PATIENCE, stop.clone());
    let work = tokio::spawn(work);
    let mill = Mill::start().await;
    let job = mill.submit(25).await;
    let mut scout = mill.worker("scout").await;
    let task = scout.next().await;
    assert_eq!(task.message().job, job);
    tasks
        .send(0, TileTask { results_partition: 0, ..TileTask::clone(task.message()) })
        .await
        .unwrap();
    let members = async |count| {
        let change = async {
            while tasks.members().await.unwrap() != count {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, change).await.expect("the worker leaves, and comes back");
    };
    results.refuses(1).await;
    members(0).await;
    // What it holds goes on being tried, and nothing is filtered meanwhile.
    results.refuses(2).await;
    assert_eq!(tasks.progress().await.unwrap()[0].committed, 0);
    results.mend();
    members(1).await;
    let acked = async {
        while tasks.progress().await.unwrap()[0].committed == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, acked).await.expect("the tile is filtered");
    stop.cancel();
    work.await.unwrap().unwrap();
}

/// A topic that takes nothing until it is mended.
struct Refusing<M> {
    mended: EmbeddedTopic<M>,
    is_mended: AtomicBool,
    refused: watch::Sender<usize>,
}

impl<M: Send + Sync + 'static> Refusing<M> {
    fn new(mended: EmbeddedTopic<M>) -> Self {
        Self { mended, is_mended: AtomicBool::new(false), refused: watch::Sender::new(0) }
    }

    fn mend(&self) {
        self.is_mended.store(true, SeqCst);
    }

    /// Waits until it has refused so many more.
    async fn refuses(&self, more: usize) {
        let mut refused = self.refused.subscribe();
        let wanted = *refused.borrow() + more;
        let refuses = refused.wait_for(|count| *count >= wanted);
        tokio::time::timeout(PATIENCE, refuses)
            .await
            .expect("it is tried")
            .expect("the sender is here");
    }
}

#[async_trait::async_trait]
impl<M: Send + Sync + 'static> Topic<M> for Refusing<M> {
    async fn partitions(&self) -> Result<u32, QueueError> {
        self.mended.partitions().await
    }

    async fn send(&self, partition: u32, message: M) -> Result<u64, QueueError> {
        if self.is_mended.load(SeqCst) {
            return self.mended.send(partition, message).await;
        }
        self.refused.send_modify(|count| *count += 1);
        Err(QueueError::Refused("messages are too large for the topic".into()))
    }

    async fn join(&self, member: &str) -> Result<Box<dyn Consumer<M>>, QueueError> {
        self.mended.join(member).await
    }

    async fn progress(&self) -> Result<Vec<Progress>, QueueError> {
        self.mended.progress().await
    }

    async fn members(&self) -> Result<usize, QueueError> {
        self.mended.members().await
    }
}

#[tokio::test]
async fn a_partition_without_a_leader_keeps_no_tile_from_its_worker() {
    let topic = Arc::new(Leaderless { others: EmbeddedTopic::new(4), asked: Notify::new() });
    let mill = Mill::start_over(Arc::clone(&topic) as Arc<_>, Config::default()).await;
    let job = mill.submit(95).await;
    let asked = tokio::time::timeout(PATIENCE, topic.asked.notified()).await;
    asked.expect("it is asked where the group stands");
    tokio::spawn(mill.worker("steady").await.work());
    mill.completes(job).await;
}

/// A topic whose first partition takes nothing, so that nobody can say where the group stands in all of them.
struct Leaderless {
    others: EmbeddedTopic<TileTask>,
    asked: Notify,
}

#[async_trait::async_trait]
impl Topic<TileTask> for Leaderless {
    async fn partitions(&self) -> Result<u32, QueueError> {
        self.others.partitions().await
    }

    async fn send(&self, partition: u32, message: TileTask) -> Result<u64, QueueError> {
        match partition {
            0 => Err(QueueError::Unavailable("there is no leader".into())),
            other => self.others.send(other, message).await,
        }
    }

    async fn join(&self, member: &str) -> Result<Box<dyn Consumer<TileTask>>, QueueError> {
        self.others.join(member).await
    }

    async fn progress(&self) -> Result<Vec<Progress>, QueueError> {
        self.asked.notify_one();
        std::future::pending().await
    }

    async fn members(&self) -> Result<usize, QueueError> {
        self.others.members().await
    }
}

#[tokio::test]
async fn a_state_that_forgets_a_job_in_work_does_not_lose_it() {
    let mill = Mill::start().await;
    let job = mill.submit(95).await;
    let mut worker = mill.worker("steady").await;
    for _ in 0..8 {
        let delivery = worker.next().await;
        worker.succeed(delivery.message()).await;
        delivery.ack();
    }
    mill.app.state.forget(job).await.unwrap();
    tokio::spawn(worker.work());
    mill.completes(job).await;
}
