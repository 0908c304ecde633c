//! Metrics of the mill for Prometheus. They are those of the page. A server tells of the whole fleet, so workers,
//! collectors and monitors need not be scraped.
//!
//! * `disk`: room on the disks.
//! * `process`: the resources of this process.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use actix_web::{HttpResponse, web};
use prometheus_client::encoding::prometheus_text::{self, CONTENT_TYPE};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family as Labelled;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use tokio::time::timeout;

use self::disk::Disks;
use self::process::ProcessUsage;
use super::Api;
use super::queue::{self, Fleet, Lag, QueueView};
use crate::app::App;
use crate::blocking;
use crate::model::process::Role;
use crate::model::report::PutAside;
use crate::model::worker::{Liveness, WorkerView};
use crate::raster;
use crate::service::PortError;
use crate::state::Counters;

mod disk;
mod process;

type Number = Gauge<u64, AtomicU64>;
type Labels = Vec<(&'static str, String)>;

/// How long the state and the queue may take: less than the 10 s of Prometheus's default timeout.
const PATIENCE: Duration = Duration::from_secs(6);
const ROLES: [Role; 3] = [Role::Serve, Role::Collect, Role::Monitor];
const STATES: [(Liveness, &str); 4] = [
    (Liveness::Live, "live"),
    (Liveness::Late, "late"),
    (Liveness::Leaving, "leaving"),
    (Liveness::Dead, "dead"),
];

/// The mill in numbers.
///
/// In the text format of Prometheus 0.0.4. `tilemill_ready` is 0 while a service of the cluster is away; unknown numbers
/// are left out.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "get_metrics",
    tag = "health",
    responses((status = 200, description = "The numbers.", body = String, content_type = "text/plain")),
)]
pub(super) async fn show(api: web::Data<Api>) -> HttpResponse {
    let mut all = Registry::default();
    let registry = all.sub_registry_with_prefix("tilemill");
    add_server(registry, &api);
    add_state(registry, &api.app);
    let (seen, disks, usage) = tokio::join!(
        timeout(PATIENCE, Seen::now(&api.app)),
        timeout(PATIENCE, Disks::now(&api)),
        timeout(PATIENCE, blocking::run(ProcessUsage::now)),
    );
    let seen = seen.ok().and_then(Result::ok);
    let ready = seen.as_ref().is_some_and(|seen| seen.lag.is_some());
    add(registry, "ready", "Whether the state and the queue answer", ready.into());
    if let Some(seen) = seen {
        seen.add_to(registry, &api.app);
    }
    if let Ok(Some(disks)) = disks {
        disks.register(registry);
    }
    usage.unwrap_or_default().register(&mut all);
    let mut text = String::new();
    prometheus_text::encode(&mut text, &all).expect("a string takes all text");
    HttpResponse::Ok().content_type(CONTENT_TYPE).body(text)
}

/// Adds the numbers that this server has itself.
fn add_server(registry: &mut Registry, api: &Api) {
    let (version, revision) = (env!("CARGO_PKG_VERSION"), raster::REVISION.to_string());
    let build = Info::new([("version", version.to_owned()), ("raster_revision", revision)]);
    registry.register("build", "The program, and the revision of its rules for pixels", build);
    api.app.meters.register(registry);
    api.traffic.register(registry);
    let help = "Event streams that are open";
    add(registry, "event_streams", help, api.hub.listeners() as u64);
}

/// Adds the commands that the state refused, and the keys that it evicted.
fn add_state(registry: &mut Registry, app: &App) {
    let Counters { refused, evicted } = app.state.counters();
    let add = |registry: &mut Registry, name: &str, help: &str, count| {
        let counter = Counter::<u64>::default();
        counter.inc_by(count);
        registry.register(name, help, counter);
    };
    add(registry, "state_refusals", "Commands that Redis refused this server", refused);
    if let Some(evicted) = evicted {
        add(
            registry,
            "state_evicted_keys",
            "Keys that Redis has evicted since it started",
            evicted,
        );
    }
}

/// The mill at one moment.
struct Seen {
    queue: QueueView,
    lag: Option<Lag>,
    fleet: Fleet,
}

impl Seen {
    async fn now(app: &App) -> Result<Self, PortError> {
        let fleet = queue::fleet(app).await?;
        let (queue, lag) = queue::queue_and_lag(app, &fleet).await?;
        Ok(Self { queue, lag, fleet })
    }

    fn add_to(&self, registry: &mut Registry, app: &App) {
        self.add_queue(registry);
        self.add_lag(registry, app);
        self.add_fleet(registry);
        self.add_workers(registry);
        self.add_reports(registry);
    }

    /// Adds what each process reports.
    fn add_reports(&self, registry: &mut Registry) {
        let hindered = family(registry, "hindered", "Whether a process reports an obstacle");
        let connections = family(registry, "broker_connections", "Connections to Kafka's brokers");
        let [refusals, put_aside] = [(); 2].map(|()| Labelled::<Labels, Counter>::default());
        let help = "Requests that Kafka refused in a way that a retry does not change";
        registry.register("broker_refusals", help, refusals.clone());
        let help = "Records that could not be read and were left in their topics";
        registry.register("records_put_aside", help, put_aside.clone());
        let processes = self.fleet.processes.iter().map(|process| {
            let who = [("role", process.role.command()), ("process", &process.id)];
            (who.map(|(key, value)| (key, value.to_owned())), &process.host, &process.report)
        });
        let workers = self.fleet.workers.iter().map(|WorkerView { heartbeat, .. }| {
            let who = [("role", "work"), ("process", heartbeat.id.as_str())];
            (who.map(|(key, value)| (key, value.to_owned())), &heartbeat.host, &heartbeat.report)
        });
        for (who, host, report) in processes.chain(workers) {
            let who = [&who[..], &[("host", host.clone())]].concat();
            hindered.get_or_create(&who).set(report.obstacle.is_some().into());
            connections.get_or_create(&who).set(report.connections);
            refusals.get_or_create(&who).inc_by(report.refusals);
            for PutAside { topic, reason, records } in &report.put_aside {
                let what = [("topic", topic.clone()), ("reason", reason.clone())];
                put_aside.get_or_create(&[&who[..], &what].concat()).inc_by(*records);
            }
        }
    }

    fn add_queue(&self, registry: &mut Registry) {
        let queue = &self.queue;
        let help = "Tiles of these jobs that are not in their canvas";
        add(registry, "tiles_waiting", help, queue.tiles_waiting);
        if let Some(tiles) = queue.tiles_in_flight {
            let help = "Tiles sent to workers whose results are not acknowledged yet";
            add(registry, "tiles_in_flight", help, tiles);
        }
        add(
            registry,
            "jobs_queued",
            "Jobs of this server that wait for a place",
            queue.jobs_queued as u64,
        );
        add(
            registry,
            "jobs_active",
            "Jobs of this server that are in work",
            queue.jobs_active as u64,
        );
        add(
            registry,
            "missing",
            "Obstacles, roles without a process, and parts of the queue that are away",
            queue.missing.len() as u64,
        );
    }

    fn add_lag(&self, registry: &mut Registry, app: &App) {
        let Some(Lag { tasks, results }) = self.lag else { return };
        let help = "Messages of a topic that its consumers have not acknowledged";
        let lag = family(registry, "topic_lag", help);
        let names = &app.config.topics;
        for (topic, messages) in [(&names.tasks, tasks), (&names.results, results)] {
            lag.get_or_create(&vec![("topic", topic.clone())]).set(messages);
        }
    }

    fn add_fleet(&self, registry: &mut Registry) {
        let processes = family(registry, "processes", "Running processes other than workers");
        for role in ROLES {
            let count = self.fleet.processes.iter().filter(|process| process.role == role).count();
            processes.get_or_create(&vec![("role", role.command().to_owned())]).set(count as u64);
        }
        let workers = family(registry, "workers", "Workers by state");
        for (state, name) in STATES {
            let count = self.fleet.workers.iter().filter(|worker| worker.state == state).count();
            workers.get_or_create(&vec![("state", name.to_owned())]).set(count as u64);
        }
    }

    fn add_workers(&self, registry: &mut Registry) {
        let threads = family(registry, "worker_threads", "Filter threads");
        let in_flight = family(registry, "worker_tiles_in_flight", "Tiles a worker holds");
        let silent = family(registry, "worker_silent_seconds", "Since the last heartbeat");
        let answered = Labelled::<Labels, Counter>::default();
        let help = "Tiles a worker has answered, with pixels or with a failure";
        registry.register("worker_tiles", help, answered.clone());
        for WorkerView { heartbeat, last_seen, .. } in &self.fleet.workers {
            let who = vec![("worker", heartbeat.id.to_string()), ("host", heartbeat.host.clone())];
            threads.get_or_create(&who).set(heartbeat.threads.into());
            in_flight.get_or_create(&who).set(heartbeat.in_flight.into());
            silent.get_or_create(&who).set(*last_seen);
            for (outcome, count) in [("done", heartbeat.done), ("failed", heartbeat.failed)] {
                let labels = [who.clone(), vec![("outcome", outcome.to_owned())]].concat();
                answered.get_or_create(&labels).inc_by(count);
            }
        }
    }
}

fn add(registry: &mut Registry, name: &str, help: &str, value: u64) {
    let number = Number::default();
    number.set(value);
    registry.register(name, help, number);
}

fn family(registry: &mut Registry, name: &str, help: &str) -> Labelled<Labels, Number> {
    let family = Labelled::<Labels, Number>::default();
    registry.register(name, help, family.clone());
    family
}
