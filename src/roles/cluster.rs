//! A role of a cluster waits for Kafka, and looks whether its topics are as they should be.

use std::time::{Duration, Instant};

use anyhow::bail;
use tracing::{info, warn};

use super::Unreachable;
use super::topics::plan::{self, Wanted};
use crate::app;
use crate::config::{Config, Kafka};
use crate::queue::QueueError;
use crate::queue::admin::{TopicAdmin, TopicState};

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

/// Waits for the cluster, for `startup_timeout` at most. A topic that is missing is an error, one that
/// is not as configured a warning, and both say what to do. Returns how the cluster is reached.
pub(super) async fn ready(config: &Config) -> anyhow::Result<&Kafka> {
    let (kafka, admin) = configured(config)?;
    let wanted = plan::wanted(config);
    let began = Instant::now();
    let mut said = None;
    let states = loop {
        match look(&*admin, &wanted).await {
            Ok(states) => break states,
            Err(error @ QueueError::Unavailable(_))
                if began.elapsed() < config.startup_timeout.duration() =>
            {
                if said.is_none_or(|at: Instant| at.elapsed() >= SAY_EVERY) {
                    said = Some(Instant::now());
                    let error = &error as &dyn std::error::Error;
                    info!(brokers = %kafka.brokers, error, "waiting for Kafka");
                }
                tokio::time::sleep(TRY_EVERY).await;
            }
            Err(error) => return Err(located(error.into(), kafka)),
        }
    };
    compare(&wanted, &states)?;
    Ok(kafka)
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
