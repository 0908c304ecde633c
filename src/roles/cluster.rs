//! The start of a role in a cluster: it waits for Kafka, Redis and the files, and checks the topics.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::bail;
use tracing::{info, warn};

use super::{MissingTopics, Unreachable};
use crate::app::{self, Backends};
use crate::causes;
use crate::config::{Config, Kafka};
use crate::model::process::Role;
use crate::queue::QueueError;
use crate::queue::admin::{TopicAdmin, TopicState};
use crate::service::topics::{self, REASSIGN, WantedTopic};
use crate::state::StateError;
use crate::storage::{ResultStorage, StorageError};

/// The time between two tries of a service that is away.
const TRY_EVERY: Duration = Duration::from_millis(500);
/// The time between two log messages about that.
const SAY_EVERY: Duration = Duration::from_secs(5);

/// The configured cluster, with the admin that sets up its topics.
pub(super) fn configured(config: &Config) -> anyhow::Result<(&Kafka, Box<dyn TopicAdmin>)> {
    match (&config.kafka, app::topic_admin(config)) {
        (Some(kafka), Some(admin)) => Ok((kafka, admin)),
        _ => bail!(
            "no Kafka is configured: set `kafka.brokers`, or TILEMILL_KAFKA__BROKERS, to addresses \
             such as \"kafka1:9092\""
        ),
    }
}

/// The start of a process: `startup_timeout` limits everything that it waits for, all together.
pub(super) struct Startup<'a> {
    config: &'a Config,
    began: Instant,
}

impl<'a> Startup<'a> {
    /// The timeout starts now.
    pub(super) fn begin(config: &'a Config) -> Self {
        Self { config, began: Instant::now() }
    }

    /// Waits for Kafka and the topics, and returns the settings of Kafka. A topic that differs from the
    /// configuration is logged as a warning with its remedy.
    pub(super) async fn ready(&self) -> anyhow::Result<&'a Kafka> {
        let (kafka, admin) = configured(self.config)?;
        let wanted = topics::wanted(self.config);
        let mut patience = self.patience("Kafka", kafka.brokers.to_string());
        loop {
            let states = match look(&*admin, &wanted).await {
                Ok(states) => states,
                Err(error) if is_away(&error) && patience.is_left(&error) => {
                    patience.pause().await;
                    continue;
                }
                Err(error) => return Err(located(error.into(), kafka)),
            };
            // A broker that has just started may not know its topics yet.
            match missing(&wanted, &states) {
                Some(missing) if patience.is_left(&missing) => patience.pause().await,
                Some(missing) => return Err(missing.into()),
                None => {
                    compare(&wanted, &states);
                    return Ok(kafka);
                }
            }
        }
    }

    /// Waits for Kafka and Redis, and connects as `client`. A Redis that refuses is retried like one
    /// that is away: it may still be starting, or being fixed.
    pub(super) async fn join(&self, role: Role, client: &str) -> anyhow::Result<Backends> {
        let Some(redis) = &self.config.redis else {
            let command = role.command();
            bail!(
                "no Redis is configured, which `{command}` needs in a cluster: set `redis.address`, or \
                 TILEMILL_REDIS__ADDRESS, to an address such as \"redis1:6379\""
            );
        };
        let kafka = self.ready().await?;
        let mut patience = self.patience("Redis", redis.address.to_string());
        loop {
            match Backends::cluster(self.config, kafka, redis, client).await {
                Ok(backends) => return Ok(backends),
                Err(error) if patience.is_left(&error) => patience.pause().await,
                Err(StateError::Unavailable(cause)) => {
                    let (what, address) = ("Redis", redis.address.to_string());
                    let remedy =
                        "start it, or correct `redis.address` and the other keys beside it";
                    return Err(Unreachable { what, address, remedy, cause }.into());
                }
                Err(refused @ StateError::Refused { .. }) => return Err(refused.into()),
            }
        }
    }

    /// The number of partitions of the results, waiting for Kafka if it is away.
    pub(super) async fn result_partitions(&self, backends: &Backends) -> Result<u32, QueueError> {
        let mut patience = self.patience("Kafka", String::new());
        loop {
            match backends.topics.results.partitions().await {
                Err(error) if is_away(&error) && patience.is_left(&error) => patience.pause().await,
                partitions => return partitions,
            }
        }
    }

    /// The files of jobs for a collector, waiting for the server that has them.
    pub(super) async fn result_storage(&self) -> anyhow::Result<Arc<dyn ResultStorage>> {
        let url = self.config.storage.as_ref().and_then(|storage| storage.url.as_ref());
        let address = url.map(ToString::to_string).unwrap_or_default();
        let mut patience = self.patience("the server", address.clone());
        loop {
            match app::result_storage(self.config).await {
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

    fn patience(&self, what: &'static str, address: String) -> Patience {
        let limit = self.config.startup_timeout.duration();
        Patience { what, address, began: self.began, limit, said: None }
    }
}

fn is_away(error: &QueueError) -> bool {
    matches!(error, QueueError::Unavailable(_))
}

/// The wait for one service: until when, and what is logged meanwhile.
struct Patience {
    what: &'static str,
    address: String,
    began: Instant,
    limit: Duration,
    said: Option<Instant>,
}

impl Patience {
    /// Whether to try again. Logs that, every [`SAY_EVERY`].
    fn is_left(&mut self, error: &dyn Error) -> bool {
        let Self { what, address, .. } = self;
        let is_left = self.began.elapsed() < self.limit;
        if is_left && self.said.is_none_or(|at| at.elapsed() >= SAY_EVERY) {
            self.said = Some(Instant::now());
            info!(address, error = causes::all(error), "waiting for {what}");
        }
        is_left
    }

    async fn pause(&self) {
        tokio::time::sleep(TRY_EVERY).await;
    }
}

async fn look(
    admin: &dyn TopicAdmin,
    wanted: &[WantedTopic],
) -> Result<Vec<Option<TopicState>>, QueueError> {
    let mut states = Vec::new();
    for topic in wanted {
        states.push(admin.look(&topic.plan).await?);
    }
    Ok(states)
}

fn missing(wanted: &[WantedTopic], states: &[Option<TopicState>]) -> Option<MissingTopics> {
    let missing = wanted.iter().zip(states).filter(|(_, state)| state.is_none());
    let names: Vec<_> = missing.map(|(topic, _)| topic.plan.name.as_str()).collect();
    (!names.is_empty()).then(|| MissingTopics(names.join(", ")))
}

/// Warns of topics that differ from the configuration.
fn compare(wanted: &[WantedTopic], states: &[Option<TopicState>]) {
    for (topic, state) in wanted.iter().zip(states) {
        let (name, Some(state)) = (topic.plan.name.as_str(), state) else { continue };
        if let Some(remedy) = topic.scale_command(state) {
            let (partitions, configured) = (state.partitions, topic.plan.partitions);
            warn!(topic = name, partitions, configured, remedy, "fewer partitions than configured");
        }
        if let Some(configured) = topic.replication_unlike(state) {
            let (brokers, remedy) = (state.replication, REASSIGN);
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
}

/// Adds the address of Kafka and a remedy to an error, if Kafka could not be reached.
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
