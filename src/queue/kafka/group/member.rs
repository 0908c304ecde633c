//! The life of a member: it joins, sends heartbeats, commits, joins again, and leaves.
//!
//! One task does one thing after the other over one connection, so that an answer always belongs to
//! the generation of its request. No computation runs here: a busy machine must not look like a dead
//! member.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::JoinGroupResponse;
use kafka_protocol::protocol::StrBytes;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::assignor::{Assignor, Counts, Members, Share};
use super::coordinator::{Coordinator, Identity};
use super::protocol::{read_assignment, read_subscription, write_assignment};
use super::reaction::{Reaction, reaction};
use super::settings::Settings;
use crate::causes;
use crate::queue::kafka::error::{KafkaError, accepted};
use crate::queue::kafka::ownership::{Continuity, Ownership, Position};
use crate::queue::kafka::remedy;

/// How long acks are collected before a commit, so that commits are few.
const COMMIT_PAUSE: Duration = Duration::from_millis(20);
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait after a refusal that an operator has to mend.
const LONGEST_WAIT_REFUSED: Duration = Duration::from_secs(4);
/// Shorter trouble is not reported as an obstacle.
const WORTH_TELLING: Duration = Duration::from_secs(5);
/// How long an obstacle stands after it was last reported: the time of a few attempts.
const STANDS: Duration = Duration::from_secs(15);
/// The sessions that are tried, one after the other, with a broker that does not tell which ones it allows.
const SESSIONS: [Duration; 5] = [
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_mins(1),
    Duration::from_mins(5),
    Duration::from_mins(30),
];
/// How long an existing topic may be invisible at a broker that has just learnt of it.
const UNSEEN: Duration = Duration::from_secs(2);
/// The protocol's number for "in no generation".
const NO_GENERATION: i32 = -1;

/// A member of a group.
pub(super) struct Member {
    coordinator: Coordinator,
    settings: Settings,
    ownership: Arc<Ownership>,
    identity: Identity,
    /// The generation whose assignment is in force here.
    settled: Option<i32>,
    /// Whether that is the group's current one, as far as known.
    joined: bool,
    /// What this member has assigned, if it leads the group.
    led: Option<Led>,
    next_heartbeat: Instant,
    next_refresh: Instant,
}

/// What a leader has assigned.
struct Led {
    /// All topics that the members want, visible or not.
    topics: Vec<String>,
    /// The numbers of partitions of the visible ones.
    counts: Counts,
}

impl Member {
    pub(super) fn new(
        coordinator: Coordinator,
        settings: Settings,
        ownership: Arc<Ownership>,
    ) -> Self {
        Self {
            coordinator,
            settings,
            ownership,
            identity: Identity { id: StrBytes::new(), generation: NO_GENERATION },
            settled: None,
            joined: false,
            led: None,
            next_heartbeat: Instant::now(),
            next_refresh: Instant::now(),
        }
    }

    /// Belongs to the group until `leave`, or until a fatal error.
    pub(super) async fn run(mut self, leave: CancellationToken) {
        let failed = tokio::select! {
            biased;
            () = leave.cancelled() => None,
            error = self.belong() => Some(error),
        };
        let group = self.settings.group.clone();
        match failed {
            Some(error) => self.ownership.fail(error),
            None => match timeout(self.settings.session, self.leave()).await {
                Ok(Ok(())) => debug!(group = group.as_str(), "left"),
                // The coordinator will notice after the session.
                Ok(Err(error)) => {
                    debug!(
                        group = group.as_str(),
                        error = causes::field(&error),
                        "could not leave"
                    );
                }
                Err(_) => debug!(group = group.as_str(), "could not leave in time"),
            },
        }
    }

    async fn belong(&mut self) -> KafkaError {
        let mut wait = FIRST_WAIT;
        let mut since = None;
        loop {
            let done = if self.joined { self.stay().await } else { self.join().await };
            let Err(error) = done else {
                (wait, since) = (FIRST_WAIT, None);
                continue;
            };
            let since = *since.get_or_insert_with(Instant::now);
            let reaction = self.react(&error);
            let is_old = since.elapsed() >= WORTH_TELLING;
            if reaction == Reaction::Refused || (is_old && reaction != Reaction::Rejoin) {
                self.hinder(&error);
            }
            let longest = match reaction {
                Reaction::Fatal => return error,
                Reaction::Rejoin => continue,
                Reaction::Session if self.adapt_session(&error).await => continue,
                Reaction::Refused | Reaction::Session => LONGEST_WAIT_REFUSED,
                _ => LONGEST_WAIT,
            };
            sleep(wait).await;
            wait = (wait * 2).min(longest);
        }
    }

    fn obstacle(&self) -> String {
        format!("group {}", self.settings.group.as_str())
    }

    fn hinder(&self, error: &KafkaError) {
        let Settings { configured, topic, .. } = &self.settings;
        let health = self.coordinator.health();
        if error.is_final() {
            health.refused();
        }
        let text = remedy::of_group(configured, topic, error);
        health.hinder_for(self.obstacle(), text, STANDS);
    }

    /// Changes to a session that the broker allows. Returns whether it differs from the one before.
    async fn adapt_session(&mut self, error: &KafkaError) -> bool {
        let before = self.settings.session;
        let session = match self.coordinator.session_limits().await {
            Ok(Some([least, most])) => before.clamp(least, most.max(least)),
            _ => SESSIONS.into_iter().find(|session| *session > before).unwrap_or(before),
        };
        if session == before {
            self.hinder(error);
            return false;
        }
        let (wanted, seconds) = (before.as_secs_f32(), session.as_secs_f32());
        warn!(
            group = self.settings.group.as_str(),
            wanted,
            seconds,
            "the broker allows other sessions than `kafka.session_timeout` asks for (its \
             group.min.session.timeout.ms and group.max.session.timeout.ms): messages of a dead member are \
             taken over after so many seconds"
        );
        self.settings.session = session;
        self.coordinator.set_session(session);
        true
    }

    fn react(&mut self, error: &KafkaError) -> Reaction {
        let reaction = reaction(error);
        let group = self.settings.group.as_str();
        if reaction == Reaction::Rejoin {
            debug!(group, "rebalancing");
        } else {
            info!(group, error = causes::field(error), ?reaction, "trouble in the group");
        }
        match reaction {
            Reaction::Wait | Reaction::Fatal | Reaction::Refused | Reaction::Session => {}
            Reaction::Coordinator => self.coordinator.forget(),
            Reaction::Rejoin => self.joined = false,
            Reaction::Lost => self.lose(),
            Reaction::Forgotten => {
                self.lose();
                self.identity.id = StrBytes::new();
            }
        }
        reaction
    }

    fn lose(&mut self) {
        self.identity.generation = NO_GENERATION;
        self.settled = None;
        self.joined = false;
        self.ownership.lose();
    }

    /// Joins, and gets the assignment and the offsets to begin at.
    async fn join(&mut self) -> Result<(), KafkaError> {
        // The next owner begins at the committed offsets. Acks that are not committed now are lost: those messages are
        // delivered again.
        if self.settled == Some(self.identity.generation) {
            self.settle().await;
            self.ownership.hand_over();
            let _ = self.commit().await;
        }
        let answer = self.coordinator.join(&self.identity.id).await?;
        if ResponseError::try_from_code(answer.error_code) == Some(ResponseError::MemberIdRequired)
        {
            self.identity.id = answer.member_id;
            return Ok(());
        }
        accepted(answer.error_code, None, || format!("joining {}", self.settings.group.as_str()))?;
        let generation = answer.generation_id;
        self.identity = Identity { id: answer.member_id.clone(), generation };
        let assignments = self.lead(answer).await?;
        let assignment = self.coordinator.sync(&self.identity, assignments).await?;
        let positions = self.positions(assignment).await?;
        let continuity = match self.settled.replace(generation) {
            Some(before) if before.checked_add(1) == Some(generation) => Continuity::Unbroken,
            _ => Continuity::Broken,
        };
        let partitions: Vec<_> = positions.iter().map(|position| position.partition).collect();
        info!(group = self.settings.group.as_str(), generation, ?partitions, "assigned");
        // Before the assignment is known: an owner of partitions finds no obstacle that is over.
        self.coordinator.health().clear(&self.obstacle());
        self.ownership.assign(&positions, continuity);
        self.joined = true;
        self.next_heartbeat = Instant::now() + self.settings.heartbeat;
        self.plan_refresh();
        Ok(())
    }

    /// Waits for the messages in hand, and sends heartbeats meanwhile.
    async fn settle(&mut self) {
        let ownership = Arc::clone(&self.ownership);
        let mut settled = pin!(ownership.settle());
        while timeout(self.settings.heartbeat, settled.as_mut()).await.is_err() {
            // The expected answer is that the group rebalances. Joining gets any other error, too.
            let _ = self.coordinator.heartbeat(&self.identity).await;
        }
    }

    /// The assignments of all members, if this one leads the group; else none.
    async fn lead(
        &mut self,
        answer: JoinGroupResponse,
    ) -> Result<Vec<(StrBytes, Bytes)>, KafkaError> {
        self.led = None;
        if answer.leader != self.identity.id {
            return Ok(Vec::new());
        }
        let members: Members = answer
            .members
            .into_iter()
            .map(|member| (member.member_id.to_string(), wanted(member.metadata)))
            .collect();
        let mut topics: Vec<_> = members.values().flatten().cloned().collect();
        topics.sort_unstable();
        topics.dedup();
        let counts = self.look_for(&topics).await?;
        let assignor = answer.protocol_name.and_then(|name| Assignor::named(&name));
        let shares = assignor.unwrap_or(Assignor::Range).assign(&members, &counts);
        self.led = Some(Led { topics, counts });
        let assignments = shares
            .into_iter()
            .map(|(id, share)| (StrBytes::from_string(id), write_assignment(&share)));
        Ok(assignments.collect())
    }

    /// The numbers of partitions of these topics. Waits a moment until the own topic is visible: without it,
    /// all members would lose their partitions.
    async fn look_for(&mut self, topics: &[String]) -> Result<Counts, KafkaError> {
        let topics: Vec<_> = topics.iter().map(String::as_str).collect();
        let deadline = Instant::now() + UNSEEN;
        loop {
            let counts = self.coordinator.counts(&topics).await?;
            if counts.contains_key(&self.settings.topic) || Instant::now() >= deadline {
                return Ok(counts);
            }
            sleep(FIRST_WAIT).await;
        }
    }

    /// The committed position of each assigned partition.
    async fn positions(&mut self, assignment: Bytes) -> Result<Vec<Position>, KafkaError> {
        let share = read_assignment(assignment).unwrap_or_else(|error| {
            warn!(
                error = causes::field(&error),
                "the leader sent an assignment that cannot be read"
            );
            Share::new()
        });
        let partitions = share.get(&self.settings.topic).map_or(&[][..], Vec::as_slice);
        let mut positions = self.coordinator.committed(partitions).await?;
        positions.retain(|position| partitions.contains(&position.partition));
        Ok(positions)
    }

    /// Waits for the next heartbeat or for acks, and does what is due.
    async fn stay(&mut self) -> Result<(), KafkaError> {
        let acked = async {
            self.ownership.acked().await;
            sleep(COMMIT_PAUSE).await;
        };
        tokio::select! {
            biased;
            () = sleep_until(self.next_heartbeat) => {
                self.coordinator.heartbeat(&self.identity).await?;
                self.next_heartbeat = Instant::now() + self.settings.heartbeat;
            }
            () = acked => {}
        }
        // Before the commit, which would fail for a topic that is gone.
        self.look_for_change().await?;
        self.commit().await
    }

    async fn commit(&mut self) -> Result<(), KafkaError> {
        let due = self.ownership.due();
        if due.is_empty() {
            return Ok(());
        }
        let stored = self.coordinator.commit(&self.identity, &due).await;
        match &stored {
            Ok(()) => {
                self.ownership.stored(&due);
                self.coordinator.health().clear(&self.obstacle());
            }
            Err(_) => self.ownership.doubt(),
        }
        stored
    }

    /// Makes a leader join again if its topics have grown, vanished or appeared. Then all other members do, too.
    async fn look_for_change(&mut self) -> Result<(), KafkaError> {
        if Instant::now() < self.next_refresh {
            return Ok(());
        }
        self.plan_refresh();
        let Some(Led { topics, counts: before }) = &self.led else { return Ok(()) };
        let topics: Vec<_> = topics.iter().map(String::as_str).collect();
        let counts = self.coordinator.counts(&topics).await?;
        if counts != *before {
            info!(group = self.settings.group.as_str(), ?counts, "the topics have changed");
            self.joined = false;
        }
        Ok(())
    }

    /// Plans the next look at the topics: soon if one is missing, since no member works on it meanwhile.
    fn plan_refresh(&mut self) {
        let Settings { heartbeat, refresh, .. } = self.settings;
        let is_whole = |led: &Led| led.topics.len() == led.counts.len();
        let pause = if self.led.as_ref().is_none_or(is_whole) { refresh } else { heartbeat };
        self.next_refresh = Instant::now() + pause;
    }

    async fn leave(&mut self) -> Result<(), KafkaError> {
        // The coordinator takes commits even while a rebalance is being prepared.
        let current = self.settled == Some(self.identity.generation);
        // A commit may just have been in flight.
        self.ownership.doubt();
        self.ownership.give_up();
        let stored = if current { self.commit().await } else { Ok(()) };
        // Later acks are void.
        self.ownership.lose();
        if !self.identity.id.is_empty() {
            self.coordinator.leave(&self.identity).await?;
        }
        stored
    }
}

/// The topics that another member wants; none if its subscription cannot be read.
fn wanted(subscription: Bytes) -> Vec<String> {
    read_subscription(subscription).unwrap_or_else(|error| {
        warn!(
            error = causes::field(&error),
            "a member's subscription cannot be read: it gets nothing"
        );
        Vec::new()
    })
}
