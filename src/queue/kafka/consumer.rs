//! A member of a group that gets messages.

use std::collections::BTreeMap;
use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, error, warn};

use super::cluster::Cluster;
use super::fetch::fetch;
use super::fetches::Fetches;
use super::group::Membership;
use super::inbox::{Inbox, Taken};
use super::ownership::{Owned, Ownership, Place};
use super::records::Records;
use super::wire::{Message, Prefix, Stranger, WireError};
use crate::blocking;
use crate::model::tile::TileResult;
use crate::queue::{Consumer, Delivery, Event, QueueError, Receipt, Topic};

/// The first and the longest pause before an answer is sent again.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Where a group begins in a partition for which nothing was ever committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// At the first message that is still there.
    Earliest,
    /// At the next message.
    Latest,
}

/// What a consumer and its fetchers need.
pub(super) struct Source {
    pub(super) cluster: Cluster,
    pub(super) topic: String,
    /// The name of this member.
    pub(super) member: String,
    pub(super) records: Records,
    pub(super) beginning: Beginning,
    /// The topic for answers to tiles of another version, and to tiles that kill their workers.
    pub(super) answers: Option<Arc<dyn Topic<TileResult>>>,
    pub(super) fetches: Arc<Fetches>,
}

/// A consumer over Kafka.
pub(super) struct KafkaConsumer<M: Message> {
    ownership: Arc<Ownership>,
    source: Arc<Source>,
    inbox: Arc<Inbox<M>>,
    /// One for each partition, with its term.
    fetchers: BTreeMap<u32, (u64, AbortOnDropHandle<()>)>,
    /// The partition to look at first, so that none is starved.
    turn: u32,
    /// A record in hand that is being decoded. It stays here when the call that waits for it is dropped.
    opening: Option<(Place, Opening<M>)>,
    /// Answers to messages that are not handed out.
    answering: JoinSet<()>,
    membership: Membership,
}

type Opening<M> = Pin<Box<dyn Future<Output = Result<M, WireError>> + Send>>;

impl<M: Message> KafkaConsumer<M> {
    pub(super) fn new(
        ownership: Arc<Ownership>,
        source: Arc<Source>,
        membership: Membership,
    ) -> Self {
        let inbox = Arc::new(Inbox::new(Arc::clone(&ownership.news)));
        Self {
            ownership,
            source,
            inbox,
            fetchers: BTreeMap::new(),
            turn: 0,
            opening: None,
            answering: JoinSet::new(),
            membership,
        }
    }

    /// Fetches the partitions that are held now, and stops fetching others. Returns the partitions.
    fn follow(&mut self, owned: Vec<Owned>) -> Vec<u32> {
        let mut before = std::mem::take(&mut self.fetchers);
        self.inbox.keep(&owned);
        let mut partitions = Vec::new();
        for owned in owned {
            partitions.push(owned.partition);
            let kept = before.remove(&owned.partition).filter(|(term, _)| *term == owned.term);
            let fetcher = kept.unwrap_or_else(|| {
                let (source, inbox) = (Arc::clone(&self.source), Arc::clone(&self.inbox));
                let ownership = Arc::clone(&self.ownership);
                let fetching = tokio::spawn(fetch(source, ownership, inbox, owned.clone()));
                (owned.term, AbortOnDropHandle::new(fetching))
            });
            self.fetchers.insert(owned.partition, fetcher);
        }
        partitions
    }

    /// The next message whose partition is still held. Cancel-safe.
    async fn take(&mut self) -> Option<Delivery<M>> {
        while self.answering.try_join_next().is_some() {}
        loop {
            let delivery = if let Some((place, opening)) = self.opening.as_mut() {
                let (place, opened) = (*place, opening.as_mut().await);
                self.opening = None;
                self.opened(place, opened)
            } else {
                let (place, taken) = self.inbox.take(self.turn, &self.ownership)?;
                self.turn = place.partition + 1;
                self.begin(place, taken)
            };
            if delivery.is_some() {
                return delivery;
            }
        }
    }

    /// Notes that a record is in hand, and begins to decode it. A message that was in hand before is decoded already.
    fn begin(&mut self, place: Place, taken: Taken<M>) -> Option<Delivery<M>> {
        if !self.ownership.deliver(place) {
            return None;
        }
        match taken {
            Taken::Again(message) => return Some(self.delivery(place, message)),
            Taken::Deadly(record, tries) => self.condemn(place, &record, tries),
            Taken::Record(record) => {
                let opening = blocking::run(move || M::decode(&record));
                self.opening = Some((place, Box::pin(opening)));
            }
        }
        None
    }

    fn opened(&mut self, place: Place, opened: Result<M, WireError>) -> Option<Delivery<M>> {
        let message = match opened {
            Ok(message) => message,
            Err(WireError::OtherVersion(prefix)) => self.meet_stranger(place, &prefix)?,
            Err(error) => return self.put_aside(place, &error),
        };
        self.ownership.holds(place).then(|| self.delivery(place, Arc::new(message)))
    }

    fn delivery(&self, place: Place, message: Arc<M>) -> Delivery<M> {
        let (ownership, inbox) = (Arc::clone(&self.ownership), Arc::clone(&self.inbox));
        let copy = Arc::clone(&message);
        let receipt = KafkaReceipt { ownership, inbox, place, copy };
        Delivery::new(message, place.partition, place.offset, Box::new(receipt))
            .taken_over(self.ownership.is_inherited(place))
    }

    /// Puts aside a record that cannot be read. It stays in the topic.
    fn put_aside<T>(&self, place: Place, error: &WireError) -> Option<T> {
        // Not within `warn!`, which evaluates nothing if the log level is off.
        let put_aside = self.source.cluster.health().put_aside(&self.source.topic, "record");
        warn!(
            topic = self.source.topic,
            partition = place.partition,
            offset = place.offset,
            error = error as &dyn Error,
            put_aside,
            "a record was put aside"
        );
        self.ownership.ack(place);
        None
    }

    /// Deals with a message of another version. It is not lost: its sender gets an answer.
    fn meet_stranger(&mut self, place: Place, prefix: &Prefix) -> Option<M> {
        debug!(
            topic = self.source.topic,
            partition = place.partition,
            offset = place.offset,
            version = prefix.version,
            "a message of another version"
        );
        match M::stranger(prefix) {
            Stranger::Deliver(message) => return Some(message),
            Stranger::Answer(answer) => self.answer(place, prefix, answer),
            Stranger::Ignore => self.ownership.ack(place),
        }
        None
    }

    /// Answers a message in place of the processes that died of it.
    fn condemn(&mut self, place: Place, record: &[u8], tries: u32) {
        error!(
            topic = self.source.topic,
            partition = place.partition,
            offset = place.offset,
            tries,
            "gave up on a message that killed one process after another"
        );
        let prefix = Prefix::read(record).map(|(prefix, _)| prefix);
        match prefix.map(|prefix| (prefix, M::deadly(&prefix, tries, &self.source.member))) {
            Some((prefix, Some(answer))) => self.answer(place, &prefix, answer),
            _ => self.ownership.ack(place),
        }
    }

    /// Sends an answer, and acks the message only then: no other process will answer it.
    fn answer(&mut self, place: Place, prefix: &Prefix, answer: TileResult) {
        let (source, ownership) = (Arc::clone(&self.source), Arc::clone(&self.ownership));
        let partition = prefix.results_partition;
        self.answering.spawn(async move {
            send_answer(&source, partition, answer).await;
            ownership.ack(place);
        });
    }
}

/// Sends an answer until it is stored, or cannot be expected any more. A refusal is retried, too: it may be
/// lifted, and a tile that is not answered must stay in its topic.
async fn send_answer(source: &Source, partition: u32, answer: TileResult) {
    let Some(answers) = &source.answers else { return };
    let mut pause = FIRST_PAUSE;
    while let Err(error) = answers.send(partition, answer.clone()).await {
        warn!(
            topic = source.topic,
            job = %answer.job,
            tile = answer.tile,
            error = &error as &dyn Error,
            "could not answer a tile"
        );
        // The tile's sender knew another topic.
        if matches!(error, QueueError::NoSuchPartition { .. }) {
            return;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[async_trait]
impl<M: Message> Consumer<M> for KafkaConsumer<M> {
    async fn next(&mut self) -> Result<Event<M>, QueueError> {
        let changed = Arc::clone(&self.ownership.news);
        loop {
            let mut changed = std::pin::pin!(changed.notified());
            // Listening begins before the look, so that no change in between is missed.
            changed.as_mut().enable();
            if let Some(owned) = self.ownership.take_news()? {
                return Ok(Event::Assigned(self.follow(owned)));
            }
            if let Some(delivery) = self.take().await {
                return Ok(Event::Delivery(delivery));
            }
            changed.await;
        }
    }

    async fn leave(self: Box<Self>) {
        // Records that were fetched and not handed out are dropped; acked messages are committed.
        let Self { membership, .. } = *self;
        membership.leave().await;
    }
}

struct KafkaReceipt<M> {
    ownership: Arc<Ownership>,
    inbox: Arc<Inbox<M>>,
    place: Place,
    copy: Arc<M>,
}

impl<M: Send + Sync> Receipt for KafkaReceipt<M> {
    fn ack(self: Box<Self>) {
        self.ownership.ack(self.place);
    }

    fn give_back(self: Box<Self>) {
        if self.ownership.holds(self.place) {
            self.inbox.put_back(self.place, self.copy);
        }
    }
}
