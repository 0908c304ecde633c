//! Combines the fetch requests of one consumer's readers: all readers of one broker ask together, over a few
//! connections. A broker answers a connection's requests one after the other. So busy readers, whose partitions have
//! brought records recently, use connections whose requests return soon, and idle readers use one whose requests wait
//! for records.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::{FetchRequest, FetchResponse};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::buffers::Buffers;
use super::connection::Connection;
use super::error::{KafkaError, accepted};
use super::messages::{signed, topic_name};
use super::peer::Peer;
use super::peers::Peers;
use crate::locked::Locked;

/// How long a broker may wait for records before it answers that there are none.
const WAIT: Duration = Duration::from_millis(500);
/// The wait of idle readers while some readers are busy or about to ask, since those can ask here only after this
/// request: the first one, and the longest if that goes on.
const SHORT_WAIT: Duration = Duration::from_millis(20);
const LONGEST_SHORT_WAIT: Duration = Duration::from_millis(100);
/// The wait of busy readers: when all of them ask, since then none has to wait for this request; and, shorter, when some
/// are still reading their last answer, since those will ask over this connection.
const BUSY_WAIT: Duration = Duration::from_millis(50);
const SHORT_BUSY_WAIT: Duration = Duration::from_millis(5);
/// How long a request is held back for readers that were answered just now and ask again.
const GRACE: Duration = Duration::from_millis(2);
/// The most bytes that one request asks for, so that the memory of the answer is allocated at once.
const REQUEST_BYTES: i32 = 7 << 20;

/// Whether a partition has brought records recently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Pace {
    Idle,
    Busy,
}

/// One of the connections to a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Way {
    Idle,
    /// One of [`BUSY_WAYS`], opened on use: a broker sends over several at a time, and one answer arrives while another
    /// is being read.
    Busy(u32),
}

const BUSY_WAYS: u32 = 4;

impl Way {
    fn of(partition: u32, pace: Pace) -> Self {
        match pace {
            Pace::Idle => Self::Idle,
            Pace::Busy => Self::Busy(partition % BUSY_WAYS),
        }
    }
}

/// The readers of one consumer.
pub(super) struct Fetches {
    peers: Peers,
    topic: String,
    lanes: Mutex<HashMap<(String, Way), mpsc::UnboundedSender<Ask>>>,
    /// How many readers are busy.
    busy: Arc<AtomicUsize>,
    buffers: Arc<Buffers>,
}

/// A broker's answer for one partition.
pub(super) type Fetched = Result<PartitionData, Arc<KafkaError>>;

enum Ask {
    For(Awaited),
    /// The partition is no longer read over this connection.
    Gone(u32),
}

/// What a reader asks for: up to `bytes` of records from `offset` on, or a larger record alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    pub(super) partition: u32,
    pub(super) offset: u64,
    pub(super) bytes: i32,
}

struct Awaited {
    range: Range,
    fetched: oneshot::Sender<Fetched>,
}

impl Fetches {
    pub(super) fn new(peers: &Peers, topic: &str) -> Self {
        let (peers, topic) = (peers.clone(), topic.to_owned());
        let (lanes, busy, buffers) = Default::default();
        Self { peers, topic, lanes, busy, buffers }
    }

    fn lane(&self, peer: &Peer, way: Way) -> mpsc::UnboundedSender<Ask> {
        let mut lanes = self.lanes.locked();
        let key = (peer.address().to_owned(), way);
        if let Some(lane) = lanes.get(&key).filter(|lane| !lane.is_closed()) {
            return lane.clone();
        }
        let (lane, asks) = mpsc::unbounded_channel();
        tokio::spawn(Lane::new(self, peer, way).run(asks));
        lanes.insert(key, lane.clone());
        lane
    }

    /// Asks a broker for records. The answer is empty if none arrive for a while.
    pub(super) async fn fetch(&self, peer: &Peer, pace: Pace, range: Range) -> Fetched {
        let (fetched, answer) = oneshot::channel();
        let ended = || {
            let source = std::io::ErrorKind::NotConnected.into();
            Arc::new(KafkaError::Broken { address: peer.address().to_owned(), source })
        };
        let way = Way::of(range.partition, pace);
        let wanted = Awaited { range, fetched };
        self.lane(peer, way).send(Ask::For(wanted)).map_err(|_| ended())?;
        answer.await.unwrap_or_else(|_| Err(ended()))
    }

    /// Notes that a reader's pace has changed: requests of its former connection no longer wait for it.
    pub(super) fn change(&self, peer: &Peer, partition: u32, to: Pace) {
        let before = match to {
            Pace::Idle => {
                self.busy.fetch_sub(1, Relaxed);
                Pace::Busy
            }
            Pace::Busy => {
                self.busy.fetch_add(1, Relaxed);
                Pace::Idle
            }
        };
        self.leave(peer, partition, before);
    }

    /// Notes that a partition is no longer read from this broker at this pace: requests no longer wait for its reader.
    pub(super) fn leave(&self, peer: &Peer, partition: u32, pace: Pace) {
        let lanes = self.lanes.locked();
        if let Some(lane) = lanes.get(&(peer.address().to_owned(), Way::of(partition, pace))) {
            let _ = lane.send(Ask::Gone(partition));
        }
    }
}

/// The requests to one broker over one connection.
struct Lane {
    peers: Peers,
    topic: String,
    address: String,
    way: Way,
    busy: Arc<AtomicUsize>,
    buffers: Arc<Buffers>,
    connection: Option<Connection>,
    /// The partitions that are read here, whether or not their readers are waiting.
    readers: BTreeSet<u32>,
    /// Whether readers were added since the last request: more may follow them.
    has_grown: bool,
    /// How long the next request waits while some readers are busy.
    short_wait: Duration,
    waiting: BTreeMap<u32, Awaited>,
    /// Partitions in the order in which they are asked for: a broker fills its answer from the front, so those that
    /// brought records go to the back.
    turns: Vec<u32>,
}

impl Lane {
    fn new(fetches: &Fetches, peer: &Peer, way: Way) -> Self {
        Self {
            peers: fetches.peers.clone(),
            topic: fetches.topic.clone(),
            address: peer.address().to_owned(),
            way,
            busy: Arc::clone(&fetches.busy),
            buffers: Arc::clone(&fetches.buffers),
            connection: None,
            readers: BTreeSet::new(),
            has_grown: false,
            short_wait: SHORT_WAIT,
            waiting: BTreeMap::new(),
            turns: Vec::new(),
        }
    }

    /// Serves readers until the consumer ends.
    async fn run(mut self, mut asks: mpsc::UnboundedReceiver<Ask>) {
        loop {
            while self.waiting.is_empty() {
                let Some(ask) = asks.recv().await else { return };
                self.note(ask);
            }
            while let Ok(ask) = asks.try_recv() {
                self.note(ask);
            }
            // Readers that were answered together with the first are about to ask, too.
            tokio::task::yield_now().await;
            while let Ok(ask) = asks.try_recv() {
                self.note(ask);
            }
            // Idle readers that were answered ask again at once.
            let deadline = Instant::now() + GRACE;
            while self.way == Way::Idle && !self.all_wait() {
                match timeout_at(deadline, asks.recv()).await {
                    Ok(Some(ask)) => self.note(ask),
                    Ok(None) => return,
                    Err(_) => break,
                }
            }
            let wait = self.wait();
            let mut wanted = std::mem::take(&mut self.waiting);
            wanted.retain(|_, wanted| !wanted.fetched.is_closed());
            if !wanted.is_empty() {
                self.fetch(wanted, wait).await;
            }
        }
    }

    fn note(&mut self, ask: Ask) {
        match ask {
            Ask::For(wanted) => {
                let partition = wanted.range.partition;
                if self.readers.insert(partition) {
                    self.turns.push(partition);
                    self.has_grown = true;
                }
                // Replaces a request of a reader that was dropped.
                self.waiting.insert(partition, wanted);
            }
            Ask::Gone(partition) => {
                self.readers.remove(&partition);
                self.turns.retain(|turn| *turn != partition);
            }
        }
    }

    /// How long the next request may wait.
    fn wait(&mut self) -> Duration {
        let has_grown = std::mem::take(&mut self.has_grown);
        if self.way != Way::Idle {
            return if self.all_wait() { BUSY_WAIT } else { SHORT_BUSY_WAIT };
        }
        if has_grown {
            return SHORT_WAIT;
        }
        if self.busy.load(Relaxed) == 0 && self.all_wait() {
            self.buffers.clear();
            self.short_wait = SHORT_WAIT;
            return WAIT;
        }
        let longer = (self.short_wait * 2).min(LONGEST_SHORT_WAIT);
        std::mem::replace(&mut self.short_wait, longer)
    }

    fn all_wait(&self) -> bool {
        self.readers.iter().all(|partition| self.waiting.contains_key(partition))
    }

    async fn fetch(&mut self, mut wanted: BTreeMap<u32, Awaited>, wait: Duration) {
        let request = self.request(&wanted, wait);
        let partitions = match self.ask(request, wait + self.peers.timeout()).await {
            Ok(answer) => answer.responses.into_iter().flat_map(|topic| topic.partitions),
            Err(error) => {
                let error = Arc::new(error);
                for wanted in wanted.into_values() {
                    let _ = wanted.fetched.send(Err(Arc::clone(&error)));
                }
                return;
            }
        };
        let mut partitions: Vec<PartitionData> = partitions.collect();
        let has_records =
            |data: &&mut PartitionData| data.records.as_ref().is_some_and(|r| !r.is_empty());
        let full: Vec<&mut PartitionData> = partitions.iter_mut().filter(has_records).collect();
        let bytes = |data: &PartitionData| data.records.as_ref().map_or(0, Bytes::len);
        let all: usize = full.iter().map(|data| bytes(data)).sum();
        for data in full {
            let number = u32::try_from(data.partition_index).unwrap_or(u32::MAX);
            self.turns.retain(|turn| *turn != number);
            if self.readers.contains(&number) {
                self.turns.push(number);
            }
            // A few records of a slow partition must not keep the whole answer in memory.
            if bytes(data) < all / 16 {
                data.records = data.records.take().map(|records| Bytes::copy_from_slice(&records));
            }
        }
        for data in partitions {
            let number = u32::try_from(data.partition_index).unwrap_or(u32::MAX);
            if let Some(wanted) = wanted.remove(&number) {
                let _ = wanted.fetched.send(Ok(data));
            }
        }
        for wanted in wanted.into_values() {
            let text = "it lacks a partition";
            let error = KafkaError::garbled::<FetchRequest>(&self.address, text);
            let _ = wanted.fetched.send(Err(Arc::new(error)));
        }
    }

    async fn ask(
        &mut self,
        request: FetchRequest,
        deadline: Duration,
    ) -> Result<FetchResponse, KafkaError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.peers.connect(&self.address).await?.with_buffers(&self.buffers),
        };
        let answer = connection.call(request, deadline).await?;
        self.connection = Some(connection);
        accepted(answer.error_code, None, || format!("the topic {} cannot be read", self.topic))?;
        Ok(answer)
    }

    fn request(&self, wanted: &BTreeMap<u32, Awaited>, wait: Duration) -> FetchRequest {
        let in_turn = self.turns.iter().filter_map(|partition| wanted.get(partition));
        // Partitions whose reader has just left have no turn any more.
        let late = wanted.values().filter(|wanted| !self.turns.contains(&wanted.range.partition));
        let partition = |Awaited { range, .. }: &Awaited| {
            FetchPartition::default()
                .with_partition(signed(range.partition))
                .with_fetch_offset(i64::try_from(range.offset).unwrap_or(i64::MAX))
                .with_partition_max_bytes(range.bytes)
        };
        let topic = FetchTopic::default()
            .with_topic(topic_name(&self.topic))
            .with_partitions(in_turn.chain(late).map(partition).collect());
        FetchRequest::default()
            .with_max_wait_ms(i32::try_from(wait.as_millis()).unwrap_or(i32::MAX))
            .with_min_bytes(1)
            .with_max_bytes(REQUEST_BYTES)
            .with_topics(vec![topic])
    }
}
