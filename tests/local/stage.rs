//! A server and a collector that run in the test, and the workers that the test plays.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tilemill::app::App;
use tilemill::config::{Config, Seconds};
use tilemill::health::Health;
use tilemill::model::event::Look;
use tilemill::model::job::{Failure, JobId, Outcome, Plan};
use tilemill::model::tile::{Retry, TileFailure, TileResult, TileTask};
use tilemill::model::worker::WorkerId;
use tilemill::queue::embedded::EmbeddedTopic;
use tilemill::queue::{Consumer, Delivery, Event, Topic};
use tilemill::raster::pixels::Pixels;
use tilemill::service;
use tilemill::service::admit::{Admission, Candidate, Wishes};
use tilemill::service::canvas::Scratch;
use tilemill::service::dispatch::{Dispatcher, Ports};
use tilemill::service::pool::Pool;
use tilemill::service::stitch::{Collector, Preview, Rules};
use tilemill::storage::local::{LocalStorage, Paths};
use tilemill::storage::{Overwrite, ResultStorage, Storage};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How long anything may take; nothing waits this long if all is well.
pub const PATIENCE: Duration = Duration::from_mins(1);

const RULES: Rules = Rules { max_attempts: 3, preview: Preview::Painted };

/// A server and a collector without a worker.
pub struct Mill {
    pub app: App,
    pub storage: Arc<LocalStorage>,
    directory: TempDir,
    shutdown: CancellationToken,
}

impl Mill {
    pub async fn start() -> Self {
        Self::start_with(Config::default()).await
    }

    pub async fn start_with(config: Config) -> Self {
        let tasks = EmbeddedTopic::new(config.topics.tasks_partitions);
        Self::start_over(Arc::new(tasks), config).await
    }

    /// A mill whose tiles travel over this topic.
    pub async fn start_over(tasks: Arc<dyn Topic<TileTask>>, config: Config) -> Self {
        let directory = TempDir::new().unwrap();
        let storage = Arc::new(LocalStorage::new(Overwrite::Refused));
        let config = Arc::new(config);
        let mut app =
            App::embedded(config, Arc::clone(&storage) as Arc<dyn Storage>).await.unwrap();
        app.topics.tasks = tasks;
        let pool = Arc::new(Pool::new("codec", NonZeroUsize::MIN).unwrap());
        let shutdown = CancellationToken::new();
        let ports = Ports {
            tasks: Arc::clone(&app.topics.tasks),
            results: Arc::clone(&app.topics.results),
            state: Arc::clone(&app.state),
            storage: Arc::clone(&app.storage),
        };
        let (server, config, ledger) = (app.server.clone(), &*app.config, Arc::clone(&app.ledger));
        let (scratch, meters) = (directory.path().to_owned(), app.meters.clone());
        let cutters = Arc::clone(&pool);
        let dispatcher = Dispatcher::new(server, config, ports, ledger, cutters, scratch, meters);
        tokio::spawn(dispatcher.run(shutdown.clone()));
        let (state, files) = (Arc::clone(&app.state), Arc::clone(&app.storage));
        let scratch = Scratch::Unnamed(directory.path().to_owned());
        let collector =
            Collector::new(state, files, scratch, pool, RULES, watch::channel(Vec::new()).0);
        let (results, stop) = (Arc::clone(&app.topics.results), shutdown.clone());
        tokio::spawn(async move { collector.run("collector", results, stop).await.unwrap() });
        Self { app, storage, directory, shutdown }
    }

    /// Submits an image of `side` × `side` pixels to be inverted in tiles of 10 × 10.
    pub async fn submit(&self, side: u32) -> JobId {
        self.submit_tiles(side, 10).await
    }

    pub async fn submit_tiles(&self, side: u32, tile_size: u32) -> JobId {
        self.submit_plan(side, tile_size, |_| {}).await
    }

    /// The same, with a plan that was changed.
    pub async fn submit_plan(
        &self,
        side: u32,
        tile_size: u32,
        change: impl FnOnce(&mut Plan),
    ) -> JobId {
        let id = JobId::generate();
        let input = self.directory.path().join(format!("{id}.png"));
        let output = self.directory.path().join(format!("{id}-out.png"));
        image::GrayImage::from_fn(side, side, |x, y| {
            image::Luma([u8::try_from((x * 7 + y) % 256).unwrap()])
        })
        .save(&input)
        .unwrap();
        self.storage.assign(id, Paths { input: input.clone(), output });
        let image = std::io::BufReader::new(std::fs::File::open(&input).unwrap());
        let candidate = Candidate::read("image.png", 1, image, None, &self.app.config).unwrap();
        let partitions = self.app.topics.results.partitions().await.unwrap();
        let admission =
            Admission::new(Arc::clone(&self.app.config), self.storage.id().clone(), partitions);
        let filters = Some("invert".into());
        let wishes = Wishes { filters, tile_size: Some(tile_size), ..Wishes::default() };
        let mut plan = admission.plan(id, candidate, &wishes).unwrap();
        change(&mut plan);
        self.storage.admit(plan.clone()).unwrap();
        self.app.ledger.add(Arc::new(plan));
        self.app.state.signal(Look::Job(id)).await.unwrap();
        id
    }

    /// What a real worker, which has `timeout` for a tile, answers to one task.
    pub async fn filtered(&self, task: TileTask, timeout: Seconds) -> TileResult {
        let (tasks, results) = (EmbeddedTopic::new(1), Arc::new(EmbeddedTopic::new(1)));
        let pool = Arc::new(Pool::new("filter", NonZeroUsize::MIN).unwrap());
        let answers = Arc::clone(&results) as Arc<dyn Topic<TileResult>>;
        let (id, health) = (WorkerId::new("real"), Health::default());
        let worker = service::mill::Mill::new(id, "h".into(), pool, answers, timeout, health);
        tasks.send(0, TileTask { results_partition: 0, ..task }).await.unwrap();
        tokio::spawn(Arc::new(worker).run(Arc::new(tasks), PATIENCE, self.shutdown.clone()));
        let mut consumer = results.join("test").await.unwrap();
        loop {
            let event = tokio::time::timeout(PATIENCE, consumer.next()).await;
            if let Event::Delivery(delivery) = event.expect("a result comes").unwrap() {
                return TileResult::clone(delivery.message());
            }
        }
    }

    pub async fn worker(&self, name: &str) -> Worker {
        let consumer = self.app.topics.tasks.join(name).await.unwrap();
        Worker { id: WorkerId::new(name), consumer, app: self.app.clone() }
    }

    /// Waits until the dispatcher has begun a job.
    pub async fn is_begun(&self, job: JobId) {
        let begun = async {
            while self.app.state.board(job).await.unwrap().is_none() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, begun).await.expect("the job is begun");
    }

    pub async fn outcome(&self, job: JobId) -> Outcome {
        let mut looks = self.app.state.looks();
        let ended = async {
            loop {
                if let Some(outcome) = self.storage.outcome(job).await.unwrap() {
                    return outcome;
                }
                let _ = tokio::time::timeout(Duration::from_millis(50), looks.recv()).await;
            }
        };
        tokio::time::timeout(PATIENCE, ended).await.expect("the job ends")
    }

    pub async fn completes(&self, job: JobId) {
        let outcome = self.outcome(job).await;
        assert!(matches!(outcome, Outcome::Complete { .. }), "{outcome:?}");
        let path = |suffix: &str| self.directory.path().join(format!("{job}{suffix}.png"));
        let mut expected = image::open(path("")).unwrap();
        expected.invert();
        assert!(image::open(path("-out")).unwrap() == expected);
    }

    pub async fn failure(&self, job: JobId) -> Failure {
        match self.outcome(job).await {
            Outcome::Failed { error, .. } => error,
            other => panic!("the job ended with {other:?}"),
        }
    }

    /// Tasks that were sent so far.
    pub async fn sent(&self) -> u64 {
        self.app.topics.tasks.progress().await.unwrap().iter().map(|partition| partition.end).sum()
    }
}

impl Drop for Mill {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// A member of the group that takes tasks, played by the test.
pub struct Worker {
    pub id: WorkerId,
    consumer: Box<dyn Consumer<TileTask>>,
    app: App,
}

impl Worker {
    pub async fn next(&mut self) -> Delivery<TileTask> {
        loop {
            let event = tokio::time::timeout(PATIENCE, self.consumer.next()).await;
            if let Event::Delivery(delivery) = event.expect("a task comes").unwrap() {
                return delivery;
            }
        }
    }

    pub async fn send(&mut self, task: &TileTask, pixels: Result<Pixels, TileFailure>) {
        let (job, tile, attempt) = (task.job, task.tile, task.attempt);
        let (worker, elapsed) = (self.id.clone(), Duration::ZERO);
        let result = TileResult { job, tile, attempt, worker, elapsed, taken_over: false, pixels };
        self.app.topics.results.send(task.results_partition, result).await.unwrap();
    }

    pub async fn succeed(&mut self, task: &TileTask) {
        let filtered = task.filters.apply(&task.pixels, task.window, task.keep, task.image);
        self.send(task, Ok(filtered)).await;
    }

    pub async fn fail(&mut self, task: &TileTask, retry: Retry) {
        self.send(task, Err(TileFailure { cause: "the disk is on fire".into(), retry })).await;
    }

    /// Does everything well, until dropped.
    pub async fn work(mut self) {
        loop {
            let delivery = self.next().await;
            self.succeed(delivery.message()).await;
            delivery.ack();
        }
    }
}
