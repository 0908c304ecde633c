//! A member of a group that gets messages.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use super::fetch::{Feed, fetch};
use super::group::Membership;
use super::inbox::{Inbox, Taken};
use super::ownership::{Owned, Ownership, Place};
use crate::blocking;
use crate::queue::policy::{Fate, Judge, Judged, StandIn};
use crate::queue::wire::WireError;
use crate::queue::{Consumer, Delivery, Event, QueueError, Receipt};

/// A consumer over Kafka.
pub(super) struct KafkaConsumer<M: Judged> {
    ownership: Arc<Ownership>,
    feed: Arc<Feed>,
    judge: Arc<Judge>,
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

impl<M: Judged> KafkaConsumer<M> {
    pub(super) fn new(
        ownership: Arc<Ownership>,
        feed: Arc<Feed>,
        judge: Judge,
        membership: Membership,
    ) -> Self {
        let inbox = Arc::new(Inbox::new(Arc::clone(&ownership.news)));
        Self {
            ownership,
            feed,
            judge: Arc::new(judge),
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
                let (feed, inbox) = (Arc::clone(&self.feed), Arc::clone(&self.inbox));
                let ownership = Arc::clone(&self.ownership);
                let fetching = tokio::spawn(fetch(feed, ownership, inbox, owned.clone()));
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
            Taken::Deadly(record, tries) => {
                let fate = self.judge.deadly(place.partition, place.offset, &record, tries);
                return self.settle(place, fate);
            }
            Taken::Record(record) => {
                let opening = blocking::run(move || M::decode(&record));
                self.opening = Some((place, Box::pin(opening)));
            }
        }
        None
    }

    fn opened(&mut self, place: Place, opened: Result<M, WireError>) -> Option<Delivery<M>> {
        let fate = self.judge.read(place.partition, place.offset, opened);
        self.settle(place, fate)
    }

    /// Does what the judge says.
    fn settle(&mut self, place: Place, fate: Fate<M>) -> Option<Delivery<M>> {
        match fate {
            Fate::Deliver(message) => {
                self.ownership.holds(place).then(|| self.delivery(place, Arc::new(message)))
            }
            Fate::Answer(answer) => {
                self.answer(place, answer);
                None
            }
            Fate::Ack => {
                self.ownership.ack(place);
                None
            }
        }
    }

    fn delivery(&self, place: Place, message: Arc<M>) -> Delivery<M> {
        let (ownership, inbox) = (Arc::clone(&self.ownership), Arc::clone(&self.inbox));
        let copy = Arc::clone(&message);
        let receipt = KafkaReceipt { ownership, inbox, place, copy };
        Delivery::new(message, place.partition, place.offset, Box::new(receipt))
            .taken_over(self.ownership.is_inherited(place))
    }

    /// Sends an answer, and acks the message only then.
    fn answer(&mut self, place: Place, answer: StandIn) {
        let (judge, ownership) = (Arc::clone(&self.judge), Arc::clone(&self.ownership));
        self.answering.spawn(async move {
            judge.send(answer).await;
            ownership.ack(place);
        });
    }
}

#[async_trait]
impl<M: Judged> Consumer<M> for KafkaConsumer<M> {
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
