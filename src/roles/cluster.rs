//! A role of a cluster waits for Kafka and Redis, and looks whether its topics are as they should be.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::bail;
use tracing::{info, warn};

use super::Unreachable;
use super::topics::plan::{self, Wanted};
use crate::app::{self, Backends};
use crate::config::{Config, Kafka};
use crate::model::process::Role;
use crate::queue::QueueError;
use crate::queue::admin::{TopicAdmin, TopicState};
use crate::state::StateError;
use crate::storage::{ResultStorage, StorageError};

/// How often a service that is away is tried, and how often that is said.
const TRY_EVERY: Duration = Duration::from_millis(500);
const SAY_EVERY: Duration = Duration::from_secs(5);

/// The cluster that is configured, and what sets up its topics.
pub(super) fn configured(config: &Config) -> anyhow::Result<(&Kafka, Box<dyn TopicAdmin>)> {
    match (&config.kafka, app::topic_admin(config)) {
        (Some(kafka), Some(admin)) => Ok((kafka, admin)),
        _ => bail!(
            "no Kafka is configured: set `kafka.brokers`, or TILEMILL_KAFKA__BROKERS, to addresses \
             such as \"kafka1:9092\""
        ),
    }
}

/// Waits for Kafka, for `startup_timeout` at most. A topic that is missing is an error, one that is not
/// as configured a warning, and both say what to do. Returns how Kafka is reached.
pub(super) async fn ready(config: &Config) -> anyhow::Result<&Kafka> {
    let (kafka, admin) = configured(config)?;
    let wanted = plan::wanted(config);
    let is_away = |error: &QueueError| matches!(error, QueueError::Unavailable(_));
    let mut patience = Patience::new(config, "Kafka", kafka.brokers.to_string());
    let states = loop {
        match look(&*admin, &wanted).await {
            Ok(states) => break states,
            Err(error) if is_away(&error) && patience.is_left(&error) => patience.pause().await,
            Err(error) => return Err(located(error.into(), kafka)),
        }
    };
    compare(&wanted, &states)?;
    Ok(kafka)
}

/// Waits for Kafka and Redis, for `startup_timeout` each at most, and connects as `client`.
pub(super) async fn join(config: &Config, role: Role, client: &str) -> anyhow::Result<Backends> {
    let Some(redis) = &config.redis else {
        let command = role.command();
        bail!(
            "no Redis is configured, which `{command}` needs in a cluster: set `redis.address`, or \
             TILEMILL_REDIS__ADDRESS, to an address such as \"redis1:6379\""
        );
    };
    let kafka = ready(config).await?;
    let mut patience = Patience::new(config, "Redis", redis.address.to_string());
    loop {
        match Backends::cluster(config, kafka, redis, client).await {
            Ok(backends) => return Ok(backends),
            Err(error) if patience.is_left(&error) => patience.pause().await,
            Err(StateError::Unavailable(cause)) => {
                let (what, address) = ("Redis", redis.address.to_string());
                let remedy = "start it, or correct `redis.address` and the other keys beside it";
                return Err(Unreachable { what, address, remedy, cause }.into());
            }
        }
    }
}

/// The files of jobs for a collector. A server that has them is waited for, for `startup_timeout` at most.
pub(super) async fn result_storage(config: &Config) -> anyhow::Result<Arc<dyn ResultStorage>> {
    let url = config.storage.as_ref().and_then(|storage| storage.url.as_ref());
    let address = url.map(ToString::to_string).unwrap_or_default();
    let mut patience = Patience::new(config, "the server", address.clone());
    loop {
        match app::result_storage(config).await {
            Ok(storage) => return Ok(storage),
            Err(error) if error.is_unavailable() && patience.is_left(&error) => {
                patience.pause().await;
            }
            Err(StorageError::Unavailable(cause)) => {
                let what = "the server that has the files";
                let remedy = "start it, or correct `storage.url`";
                return Err(Unreachable { what, address, remedy, cause }.into());
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// How long a service is waited for, and what is said meanwhile.
struct Patience {
    what: &'static str,
    address: String,
    began: Instant,
    limit: Duration,
    said: Option<Instant>,
}

impl Patience {
    fn new(config: &Config, what: &'static str, address: String) -> Self {
        let limit = config.startup_timeout.duration();
        Self { what, address, began: Instant::now(), limit, said: None }
    }

    /// Whether to try again, which is said now and then.
    fn is_left(&mut self, error: &dyn Error) -> bool {
        let Self { what, address, .. } = self;
        let is_left = self.began.elapsed() < self.limit;
        if is_left && self.said.is_none_or(|at| at.elapsed() >= SAY_EVERY) {
            self.said = Some(Instant::now());
            info!(address, error = causes(error), "waiting for {what}");
        }
        is_left
    }

    async fn pause(&self) {
        tokio::time::sleep(TRY_EVERY).await;
    }
}

/// What happened, and why.
fn causes(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |error: &&dyn Error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

async fn look(
    admin: &dyn TopicAdmin,
    wanted: &[Wanted],
) -> Result<Vec<Option<TopicState>>, QueueError> {
    let mut states = Vec::new();
    for topic in wanted {
        states.push(admin.look(&topic.plan).await?);
    }
    Ok(states)
}

fn compare(wanted: &[Wanted], states: &[Option<TopicState>]) -> anyhow::Result<()> {
    let mut missing = Vec::new();
    for (topic, state) in wanted.iter().zip(states) {
        let name = topic.plan.name.as_str();
        let Some(state) = state else {
            missing.push(name);
            continue;
        };
        if let Some(remedy) = topic.scale_command(state) {
            let (partitions, configured) = (state.partitions, topic.plan.partitions);
            warn!(topic = name, partitions, configured, remedy, "fewer partitions than configured");
        }
        if let Some(configured) = topic.replication_unlike(state) {
            let (brokers, remedy) = (state.replication, plan::REASSIGN);
            warn!(
                topic = name,
                brokers, configured, remedy, "not on as many brokers as configured"
            );
        }
        let unlike = topic.unlike(state);
        if !unlike.is_empty() {
            let settings = unlike.into_keys().collect::<Vec<_>>().join(", ");
            let remedy = "tilemill topics create";
            warn!(topic = name, settings, remedy, "settings are not as configured");
        }
    }
    if !missing.is_empty() {
        bail!(
            "topics are missing in Kafka: {}; make them with: tilemill topics create",
            missing.join(", ")
        );
    }
    Ok(())
}

/// Says where Kafka was looked for, if that is what failed.
pub(super) fn located(error: anyhow::Error, kafka: &Kafka) -> anyhow::Error {
    match error.downcast::<QueueError>() {
        Ok(QueueError::Unavailable(cause)) => Unreachable {
            what: "Kafka",
            address: kafka.brokers.to_string(),
            remedy: "start it, or correct `kafka.brokers`; `tilemill check` looks at each broker",
            cause,
        }
        .into(),
        Ok(QueueError::Refused(cause)) => anyhow::anyhow!("{cause}"),
        Ok(other) => other.into(),
        Err(error) => error,
    }
}
