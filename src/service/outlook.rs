//! Checks a cluster continuously, so that a service that answers but cannot be used is named before a job waits
//! for it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::topics::{Purpose, WantedTopic};
use crate::causes;
use crate::locked::Locked;
use crate::model::board::Board;
use crate::model::job::JobId;
use crate::model::tile::TileTask;
use crate::queue::Topic;
use crate::queue::admin::{TopicAdmin, TopicState};
use crate::state::State;

/// The time between two tries of the state.
const TRY_STATE_EVERY: Duration = Duration::from_secs(2);
/// The time between two looks at the topics.
const LOOK_AT_TOPICS_EVERY: Duration = Duration::from_secs(4);
/// The most boards that are kept: as a rule, more than jobs are in work at a time.
const BOARDS: usize = 64;

/// What was seen last. Clones share it.
#[derive(Clone, Default)]
pub struct Outlook(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    /// Why the state cannot be used.
    state: Option<String>,
    topics: Vec<(Purpose, String)>,
    /// The number of members of the workers' group, if it is known.
    members: Option<usize>,
    /// The last boards of jobs in work.
    boards: BTreeMap<JobId, Arc<Board>>,
}

impl Outlook {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.locked()
    }

    /// Why the state cannot be used, as text; `None` if it can.
    #[must_use]
    pub fn state(&self) -> Option<String> {
        self.seen().state.clone()
    }

    /// Keeps a job's board as it is now.
    pub fn note_board(&self, job: JobId, board: Arc<Board>) {
        let boards = &mut self.seen().boards;
        boards.insert(job, board);
        // The jobs of the oldest boards have most likely ended.
        while boards.len() > BOARDS {
            boards.pop_first();
        }
    }

    /// A job's board as it was seen last, for use while the state cannot be read.
    #[must_use]
    pub fn last_board(&self, job: JobId) -> Option<Arc<Board>> {
        self.seen().boards.get(&job).cloned()
    }

    /// What is wrong with the topics, as texts with remedies.
    #[must_use]
    pub fn topics(&self) -> Vec<String> {
        self.seen().topics.iter().map(|(_, fault)| fault.clone()).collect()
    }

    /// Whether something is wrong with the topic for this purpose.
    #[must_use]
    pub fn is_faulty(&self, purpose: Purpose) -> bool {
        self.seen().topics.iter().any(|(faulty, _)| *faulty == purpose)
    }

    /// The number of members of the workers' group, if it is known.
    #[must_use]
    pub fn members(&self) -> Option<usize> {
        self.seen().members
    }
}

/// Checks the state and the topics.
#[expect(missing_docs, reason = "each is what its type says")]
pub struct Watch {
    pub admin: Box<dyn TopicAdmin>,
    pub wanted: [WantedTopic; 3],
    pub tasks: Arc<dyn Topic<TileTask>>,
    pub state: Arc<dyn State>,
}

impl Watch {
    /// Checks until `shutdown`.
    pub async fn run(self, outlook: Outlook, shutdown: CancellationToken) {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = self.try_state(&outlook) => {}
            () = self.look_at_topics(&outlook) => {}
        }
    }

    async fn try_state(&self, outlook: &Outlook) {
        let mut clock = interval(TRY_STATE_EVERY);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            clock.tick().await;
            let trouble = self.state.probe().await.err().map(|error| causes::all(&error));
            let before = std::mem::replace(&mut outlook.seen().state, trouble.clone());
            match (before, trouble) {
                (None, Some(error)) => warn!(error, "the state cannot be used"),
                (Some(_), None) => info!("the state can be used again"),
                _ => {}
            }
        }
    }

    async fn look_at_topics(&self, outlook: &Outlook) {
        let mut clock = interval(LOOK_AT_TOPICS_EVERY);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            clock.tick().await;
            let mut found = Vec::new();
            for wanted in &self.wanted {
                // If Kafka cannot be asked, the service that needs the topic reports that.
                if let Ok(state) = self.admin.look(&wanted.plan).await {
                    let fault = fault(&wanted.plan.name, state.as_ref());
                    let said =
                        |Fault { text, remedy }| (wanted.purpose, format!("{text}: {remedy}"));
                    found.extend(fault.map(said));
                }
            }
            let members = self.tasks.members().await.ok();
            let mut seen = outlook.seen();
            for (_, fault) in found.iter().filter(|fault| !seen.topics.contains(fault)) {
                warn!(fault, "a topic cannot be used");
            }
            (seen.topics, seen.members) = (found, members);
        }
    }
}

/// What is wrong with a topic.
pub struct Fault {
    /// What is wrong, as text.
    pub text: String,
    /// What fixes it.
    pub remedy: String,
}

/// Why a topic cannot be used as it is.
#[must_use]
pub fn fault(name: &str, state: Option<&TopicState>) -> Option<Fault> {
    let create = || "tilemill topics create".to_owned();
    let Some(state) = state else {
        return Some(Fault { text: format!("the topic {name} is missing"), remedy: create() });
    };
    let setting = |key: &str| state.settings.get(key).map_or("", String::as_str);
    let policy = setting("cleanup.policy");
    if policy.contains("compact") {
        let text = format!(
            "the topic {name} has `cleanup.policy={policy}`, with which Kafka refuses records without a \
             key, as all of tilemill's are"
        );
        return Some(Fault { text, remedy: create() });
    }
    // Kafka demands no more copies in sync than the topic has.
    let demanded = setting("min.insync.replicas").parse().unwrap_or(1).min(state.replication);
    (state.in_sync < demanded).then(|| {
        let text = format!(
            "the topic {name} takes no records: a partition has {} of the {demanded} copies that its \
             `min.insync.replicas` demands",
            state.in_sync
        );
        let remedy = format!(
            "start the brokers that are away, or lower it: kafka-configs.sh --alter --entity-type topics \
             --entity-name {name} --add-config min.insync.replicas={}",
            state.in_sync.max(1)
        );
        Fault { text, remedy }
    })
}
