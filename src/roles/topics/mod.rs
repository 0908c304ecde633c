//! `tilemill topics`: creates, shows, scales and deletes the topics in Kafka.

use std::collections::BTreeMap;
use std::io::{self, BufRead, IsTerminal, Write};
use std::time::Duration;

use anyhow::{Context, bail};

use super::{DONE, FAILED, cluster};
use crate::cli::{DeleteArgs, ScaleArgs, TopicsCommand};
use crate::config::Config;
use crate::queue::admin::{TopicAdmin, TopicState};
use crate::service::topics::{self, REASSIGN, WantedTopic};

/// The time between two looks whether a broker knows of a change yet.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Runs one command on the topics.
pub async fn topics(command: &TopicsCommand, config: &Config) -> anyhow::Result<u8> {
    let (kafka, admin) = cluster::configured(config)?;
    let wanted = topics::wanted(config);
    let done = match command {
        TopicsCommand::Create => create(&*admin, &wanted).await,
        TopicsCommand::List => list(&*admin, &wanted).await,
        TopicsCommand::Describe => describe(&*admin, &wanted).await,
        TopicsCommand::Scale(args) => scale(&*admin, &wanted, args).await,
        TopicsCommand::Delete(args) => delete(&*admin, &wanted, args).await,
    };
    done.map_err(|error| cluster::located(error, kafka))
}

async fn create(admin: &dyn TopicAdmin, wanted: &[WantedTopic]) -> anyhow::Result<u8> {
    for topic in wanted {
        let text = match admin.look(&topic.plan).await? {
            None => {
                admin.create(&topic.plan).await?;
                let state = until(admin, topic, Option::is_some).await?;
                let known = state.map(|state| format!(", {}", summary(&state)));
                format!("created{}", known.as_deref().unwrap_or(not_shown(false)))
            }
            Some(state) => adjust(admin, topic, &state).await?,
        };
        say(&topic.plan.name, &text)?;
    }
    Ok(DONE)
}

/// Gives a topic the configured settings, and returns what changed, as text.
async fn adjust(
    admin: &dyn TopicAdmin,
    topic: &WantedTopic,
    state: &TopicState,
) -> anyhow::Result<String> {
    let changes = topic.unlike(state);
    let mut text = format!("exists, {}", summary(state));
    if !changes.is_empty() {
        admin.set(&topic.plan.name, &changes).await?;
        let set = |state: &Option<TopicState>| {
            state.as_ref().is_some_and(|state| topic.unlike(state).is_empty())
        };
        let known = until(admin, topic, set).await?;
        text.push_str("; changed ");
        text.push_str(&differences(&changes, state));
        text.push_str(not_shown(set(&known)));
    }
    text += &shape_differences(topic, state);
    Ok(text)
}

async fn list(admin: &dyn TopicAdmin, wanted: &[WantedTopic]) -> anyhow::Result<u8> {
    for topic in wanted {
        let state = admin.look(&topic.plan).await?;
        let text = state.as_ref().map_or_else(|| MISSING.to_owned(), summary);
        say(&topic.plan.name, &text)?;
    }
    Ok(DONE)
}

async fn describe(admin: &dyn TopicAdmin, wanted: &[WantedTopic]) -> anyhow::Result<u8> {
    for topic in wanted {
        let Some(state) = admin.look(&topic.plan).await? else {
            say(&topic.plan.name, MISSING)?;
            continue;
        };
        say(&topic.plan.name, &(summary(&state) + &shape_differences(topic, &state)))?;
        for (key, value) in &state.settings {
            let wanted = topic.plan.settings.get(key).filter(|wanted| *wanted != value);
            let note = wanted.map(|wanted| {
                format!("  the configuration wants {wanted}: tilemill topics create")
            });
            say("", &format!("{key} = {value}{}", note.unwrap_or_default()))?;
        }
    }
    Ok(DONE)
}

const MISSING: &str = "missing: tilemill topics create";

async fn scale(
    admin: &dyn TopicAdmin,
    wanted: &[WantedTopic],
    args: &ScaleArgs,
) -> anyhow::Result<u8> {
    let topic = wanted.iter().find(|topic| topic.purpose == args.topic.purpose());
    let topic = topic.expect("each role has a topic");
    let (name, partitions) = (&topic.plan.name, args.partitions);
    let Some(state) = admin.look(&topic.plan).await? else {
        bail!("the topic {name} is missing: tilemill topics create");
    };
    if partitions < state.partitions {
        bail!(
            "the topic {name} has {} partitions, and Kafka cannot take any away: messages would be \
             lost. For fewer, delete the topics when no job is in work and create them again",
            state.partitions
        );
    }
    if partitions == state.partitions {
        say(name, &format!("has {partitions} partitions already"))?;
        return Ok(DONE);
    }
    admin.grow(name, partitions).await?;
    let grown = |state: &Option<TopicState>| {
        state.as_ref().is_some_and(|state| state.partitions >= partitions)
    };
    let is_shown = grown(&until(admin, topic, grown).await?);
    let hint = topic.partitions_key().filter(|_| partitions != topic.plan.partitions);
    let hint = hint.map(|key| format!("; set `{key}` to it, too, for the next `topics create`"));
    let text =
        format!("{} partitions became {partitions}{}", state.partitions, not_shown(is_shown));
    say(name, &(text + &hint.unwrap_or_default()))?;
    Ok(DONE)
}

async fn delete(
    admin: &dyn TopicAdmin,
    wanted: &[WantedTopic],
    args: &DeleteArgs,
) -> anyhow::Result<u8> {
    let mut there = Vec::new();
    for topic in wanted {
        match admin.look(&topic.plan).await? {
            Some(_) => there.push(topic),
            None => say(&topic.plan.name, "is not there")?,
        }
    }
    let names: Vec<_> = there.iter().map(|topic| topic.plan.name.as_str()).collect();
    if !there.is_empty() && !args.yes && !confirmed(&names.join(", "))? {
        return Ok(FAILED);
    }
    for topic in there {
        admin.delete(&topic.plan.name).await?;
        let is_shown = until(admin, topic, Option::is_none).await?.is_none();
        say(&topic.plan.name, &format!("deleted{}", not_shown(is_shown)))?;
    }
    Ok(DONE)
}

/// Asks the user at the terminal.
fn confirmed(names: &str) -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() {
        bail!("deleting {names} with all messages needs a confirmation: add --yes");
    }
    eprint!("delete {names} with all messages? [y/N] ");
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).context("read the answer")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// A note for a change that another broker has accepted and the one that was asked does not show yet.
fn not_shown(is_shown: bool) -> &'static str {
    if is_shown { "" } else { ", which the broker does not show yet: tilemill topics describe" }
}

/// Looks for up to five seconds until the broker shows the `wanted` state, and returns what it showed last.
async fn until(
    admin: &dyn TopicAdmin,
    topic: &WantedTopic,
    wanted: impl Fn(&Option<TopicState>) -> bool,
) -> anyhow::Result<Option<TopicState>> {
    let mut state = admin.look(&topic.plan).await?;
    for _ in 0..100 {
        if wanted(&state) {
            break;
        }
        tokio::time::sleep(LOOK_EVERY).await;
        state = admin.look(&topic.plan).await?;
    }
    Ok(state)
}

/// The number of partitions of a topic, and of brokers for each, as text.
pub(in crate::roles) fn summary(state: &TopicState) -> String {
    let TopicState { partitions, replication, .. } = state;
    let [s, times] = [partitions == &1, replication == &1].map(|one| if one { "" } else { "s" });
    format!("{partitions} partition{s}, on {replication} broker{times} each")
}

/// Differences from the configuration that `topics create` leaves alone.
fn shape_differences(topic: &WantedTopic, state: &TopicState) -> String {
    let wanted = topic.plan.partitions;
    let partitions =
        topic.scale_command(state).map(|command| format!("; {wanted} are configured: {command}"));
    let brokers = topic
        .replication_unlike(state)
        .map(|wanted| format!("; on {wanted} each are configured: {REASSIGN}"));
    partitions.into_iter().chain(brokers).collect()
}

/// Changes as text, such as `retention.ms from 604800000 to 86400000`.
fn differences(changes: &BTreeMap<String, String>, state: &TopicState) -> String {
    let texts = changes.iter().map(|(key, value)| match state.settings.get(key) {
        Some(old) => format!("{key} from {old} to {value}"),
        None => format!("{key} to {value}"),
    });
    texts.collect::<Vec<_>>().join(", ")
}

fn say(topic: &str, text: &str) -> anyhow::Result<()> {
    writeln!(io::stdout(), "{topic:12}  {text}").context("write to standard output")
}
