//! What every state adapter does. `pass` lets time pass, in whatever way suits the adapter.

use std::time::Duration;

use tilemill::model::board::Board;
use tilemill::model::event::Look;
use tilemill::model::job::{JobId, StorageId};
use tilemill::model::mosaic::{Maker, Mosaic, Slot};
use tilemill::model::process::{Process, Role};
use tilemill::model::report::Report;
use tilemill::model::worker::{Heartbeat, Liveness, Phase, WorkerId};
use tilemill::raster::grid::Size;
use tilemill::state::{
    ACTIVE_TTL, ActiveJob, BOARD_TTL, DEAD_WORKER_TTL, LAST_LOOK, SERVER_TTL, ServerId, State,
};
use tokio::sync::broadcast;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_mins(1);
const A_MOMENT: Duration = Duration::from_millis(100);
const LATE_AFTER: Duration = Duration::from_secs(10);
const DEAD_AFTER: Duration = Duration::from_secs(15);

fn process(role: Role, id: &str) -> Process {
    let text = |text: &str| text.to_owned();
    let storage = Some(StorageId("s".into()));
    Process {
        role,
        id: text(id),
        host: text("h"),
        version: text("1"),
        storage,
        collects: vec![1],
        report: Report::default(),
    }
}

/// Lets time pass while a monitor listens.
async fn pass_watched(state: &dyn State, mut time: Duration, pass: &impl AsyncFn(Duration)) {
    let step = SERVER_TTL / 2;
    while !time.is_zero() {
        state.keep_alive(&process(Role::Monitor, "m")).await.unwrap();
        pass(time.min(step)).await;
        time = time.saturating_sub(step);
    }
    state.keep_alive(&process(Role::Monitor, "m")).await.unwrap();
}

fn active(id: JobId) -> ActiveJob {
    ActiveJob { id, results_partition: 3, storage: StorageId("s".into()) }
}

fn heartbeat(id: &str, phase: Phase) -> Heartbeat {
    Heartbeat {
        id: WorkerId::new(id),
        host: "h".into(),
        threads: 2,
        in_flight: 1,
        done: 10,
        failed: 0,
        rate: 2.5,
        version: "1".into(),
        phase,
        report: Report::default(),
    }
}

pub async fn a_job_belongs_to_one_living_server(state: &dyn State, pass: impl AsyncFn(Duration)) {
    let job = JobId::generate();
    let id = |name: &str| ServerId(name.into());
    let (first, second) = (id("first"), id("second"));
    let keep_alive = async |ServerId(id): &ServerId| {
        state.keep_alive(&process(Role::Serve, id)).await.unwrap();
    };
    keep_alive(&first).await;
    keep_alive(&second).await;
    assert!(state.claim(job, &first).await.unwrap());
    assert!(state.claim(job, &first).await.unwrap());
    assert!(!state.claim(job, &second).await.unwrap());
    pass(SERVER_TTL + A_MOMENT).await;
    keep_alive(&second).await;
    assert!(state.claim(job, &second).await.unwrap());
    keep_alive(&first).await;
    assert!(!state.claim(job, &first).await.unwrap());
    state.end(&process(Role::Serve, "second")).await.unwrap();
    assert!(state.claim(job, &first).await.unwrap());
}

pub async fn processes_are_known_as_long_as_they_say_so(
    state: &dyn State,
    pass: impl AsyncFn(Duration),
) {
    let [stays, ends, dies] = [(Role::Serve, "a"), (Role::Collect, "b"), (Role::Collect, "c")]
        .map(|(role, id)| process(role, id));
    for each in [&dies, &ends, &stays] {
        state.keep_alive(each).await.unwrap();
    }
    assert_eq!(state.processes().await.unwrap(), [stays.clone(), ends.clone(), dies]);
    pass(SERVER_TTL.saturating_sub(A_MOMENT * 2)).await;
    state.keep_alive(&stays).await.unwrap();
    state.end(&ends).await.unwrap();
    pass(A_MOMENT * 4).await;
    assert_eq!(state.processes().await.unwrap(), [stays]);
}

pub async fn active_jobs_are_known_until_forgotten_or_expired(
    state: &dyn State,
    pass: impl AsyncFn(Duration),
) {
    let (stays, goes) = (JobId::generate(), JobId::generate());
    state.activate(active(stays)).await.unwrap();
    state.activate(active(goes)).await.unwrap();
    assert_eq!(state.active().await.unwrap().len(), 2);
    state.forget(goes).await.unwrap();
    assert_eq!(state.active().await.unwrap(), [active(stays)]);
    pass(ACTIVE_TTL + A_MOMENT).await;
    assert_eq!(state.active().await.unwrap(), []);
}

pub async fn the_latest_board_is_read_until_it_expires(
    state: &dyn State,
    pass: impl AsyncFn(Duration),
) {
    let job = JobId::generate();
    assert_eq!(state.board(job).await.unwrap(), None);
    let mut board = Board::new(10);
    state.publish_board(job, board.clone()).await.unwrap();
    board.set(9);
    state.publish_board(job, board.clone()).await.unwrap();
    assert_eq!(state.board(job).await.unwrap(), Some(board));
    pass(BOARD_TTL + A_MOMENT).await;
    assert_eq!(state.board(job).await.unwrap(), None);
}

pub async fn tiles_are_painted_over_the_mosaic_until_it_expires(
    state: &dyn State,
    pass: impl AsyncFn(Duration),
) {
    let job = JobId::generate();
    let mut mosaic = Mosaic::new(Size::new(1024, 512), 512);
    let pixels = vec![[1, 2, 3, 255]; (mosaic.slot_side() * mosaic.slot_side()) as usize];
    let maker = Maker { worker: WorkerId::new("w"), attempt: 2, millis: 30, taken_over: true };
    let slot = Slot { tile: 1, pixels, maker: Some(maker) };
    assert!(!state.paint(job, vec![slot.clone()]).await.unwrap());
    assert_eq!(state.mosaic(job).await.unwrap(), None);
    state.publish_mosaic(job, mosaic.clone()).await.unwrap();
    pass(BOARD_TTL / 2).await;
    assert!(state.paint(job, vec![slot.clone()]).await.unwrap());
    mosaic.paint(slot);
    pass(BOARD_TTL / 2 + A_MOMENT).await;
    assert_eq!(state.mosaic(job).await.unwrap(), Some(mosaic.clone()));
    pass(BOARD_TTL).await;
    assert_eq!(state.mosaic(job).await.unwrap(), None);
    state.publish_mosaic(job, mosaic.clone()).await.unwrap();
    state.forget(job).await.unwrap();
    assert_eq!(state.mosaic(job).await.unwrap(), Some(mosaic), "its last tiles can still be seen");
    pass(LAST_LOOK + A_MOMENT).await;
    assert_eq!(state.mosaic(job).await.unwrap(), None);
}

pub async fn a_silent_worker_is_late_then_dead_then_gone(
    state: &dyn State,
    pass: impl AsyncFn(Duration),
) {
    let liveness = async || {
        let workers = state.workers(LATE_AFTER).await.unwrap();
        workers.first().map(|worker| worker.state)
    };
    pass_watched(state, A_MOMENT, &pass).await;
    state.beat(heartbeat("w", Phase::Working), DEAD_AFTER).await.unwrap();
    assert_eq!(liveness().await, Some(Liveness::Live));
    pass_watched(state, LATE_AFTER + A_MOMENT, &pass).await;
    assert_eq!(liveness().await, Some(Liveness::Late));
    pass_watched(state, DEAD_AFTER.saturating_sub(LATE_AFTER), &pass).await;
    assert_eq!(liveness().await, Some(Liveness::Dead));
    pass_watched(state, DEAD_WORKER_TTL, &pass).await;
    assert_eq!(liveness().await, None);
}

pub async fn no_worker_is_dead_because_the_monitor_is_away(
    state: &dyn State,
    pass: impl AsyncFn(Duration),
) {
    let liveness = async || state.workers(LATE_AFTER).await.unwrap()[0].state;
    pass_watched(state, A_MOMENT, &pass).await;
    state.beat(heartbeat("w", Phase::Working), DEAD_AFTER).await.unwrap();
    pass(2 * DEAD_AFTER).await;
    assert_eq!(liveness().await, Liveness::Live);
    // Another one listens, and may not have heard of anybody yet.
    pass_watched(state, A_MOMENT, &pass).await;
    assert_eq!(liveness().await, Liveness::Live);
    pass_watched(state, DEAD_AFTER, &pass).await;
    assert_eq!(liveness().await, Liveness::Dead);
}

pub async fn a_worker_that_leaves_is_shown_as_leaving_and_then_not_at_all(
    state: &dyn State,
    _pass: impl AsyncFn(Duration),
) {
    state.beat(heartbeat("stays", Phase::Working), DEAD_AFTER).await.unwrap();
    state.beat(heartbeat("goes", Phase::Leaving), DEAD_AFTER).await.unwrap();
    let workers = state.workers(LATE_AFTER).await.unwrap();
    let states: Vec<_> = workers.iter().map(|w| (w.heartbeat.id.as_str(), w.state)).collect();
    assert_eq!(states, [("goes", Liveness::Leaving), ("stays", Liveness::Live)]);
    state.beat(heartbeat("goes", Phase::Gone), DEAD_AFTER).await.unwrap();
    assert_eq!(state.workers(LATE_AFTER).await.unwrap().len(), 1);
}

pub async fn signals_reach_every_listener(state: &dyn State, _pass: impl AsyncFn(Duration)) {
    let (mut first, mut second) = (state.looks(), state.looks());
    let look = Look::Board(JobId::generate());
    state.signal(look.clone()).await.unwrap();
    assert_eq!(heard(&mut first).await, look);
    assert_eq!(heard(&mut second).await, look);
}

/// The next signal, which must come.
pub async fn heard(looks: &mut broadcast::Receiver<Look>) -> Look {
    timeout(PATIENCE, looks.recv()).await.expect("a signal is heard").unwrap()
}
