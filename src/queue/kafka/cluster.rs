//! The brokers of a cluster: how to reach them, and the metadata that they report.
//!
//! A process holds few connections to each broker, whatever the number of partitions: one for requests that are
//! answered at once, two for records that it sends (`producer`), and for each group one as its member (`group`) and up
//! to five for what it reads there (`fetches`).

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use kafka_protocol::messages::{
    MetadataRequest, MetadataResponse, SaslHandshakeRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::call::Call;
use super::connection::Connection;
use super::error::KafkaError;
use super::leaders::Leaders;
use super::peer::Peer;
use super::producer::Producer;
use crate::health::Health;

/// If no broker answers, a connection to each known address has been started after this time.
const ALL_TRIED: Duration = Duration::from_secs(2);

/// How to reach a cluster. The one place that opens connections.
#[derive(Clone)]
pub struct Cluster {
    brokers: Vec<String>,
    client: StrBytes,
    timeout: Duration,
    /// Shared by all clones.
    shared: Arc<Shared>,
}

/// Like [`Cluster`], but does not keep its connections open.
#[derive(Clone)]
pub(super) struct WeakCluster {
    brokers: Vec<String>,
    client: StrBytes,
    timeout: Duration,
    shared: Weak<Shared>,
}

#[derive(Default)]
struct Shared {
    /// The index of the broker that answered last: a silent one costs time only once.
    answered: AtomicUsize,
    peers: Mutex<HashMap<String, Arc<Peer>>>,
    leaders: Leaders,
    health: Health,
}

/// What the brokers report about their cluster and some topics.
pub(super) struct Metadata {
    /// The addresses that brokers advertise, by their numbers.
    pub(super) brokers: BTreeMap<i32, String>,
    pub(super) controller: i32,
    pub(super) topics: Vec<MetadataResponseTopic>,
}

impl Cluster {
    /// A cluster that has brokers at these addresses. `client` is the client id of this process;
    /// `timeout` is the deadline of requests that should be answered at once.
    #[must_use]
    pub fn new(brokers: Vec<String>, client: &str, timeout: Duration) -> Self {
        let client = StrBytes::from_string(client.to_owned());
        Self { brokers, client, timeout, shared: Arc::default() }
    }

    /// Sets where obstacles are reported and connections counted.
    #[must_use]
    pub fn telling(self, health: Health) -> Self {
        Self { shared: Arc::new(Shared { health, ..Shared::default() }), ..self }
    }

    /// The same cluster with another client id; connections are shared.
    pub(super) fn called(&self, client: &str) -> Self {
        Self { client: StrBytes::from_string(client.to_owned()), ..self.clone() }
    }

    pub(super) fn downgrade(&self) -> WeakCluster {
        let Self { brokers, client, timeout, shared } = self.clone();
        WeakCluster { brokers, client, timeout, shared: Arc::downgrade(&shared) }
    }

    /// Where obstacles are reported.
    pub(super) fn health(&self) -> &Health {
        &self.shared.health
    }

    /// The configured addresses.
    pub(super) fn brokers(&self) -> &[String] {
        &self.brokers
    }

    /// The client id of this process.
    pub(super) fn client(&self) -> &str {
        &self.client
    }

    /// The deadline of requests that should be answered at once.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// How many milliseconds a broker may take for a request: a little less than the deadline of its answer.
    pub(super) fn brokers_timeout(&self) -> i32 {
        i32::try_from(self.timeout.mul_f32(0.8).as_millis()).unwrap_or(i32::MAX)
    }

    /// The broker at an address.
    pub(super) fn peer(&self, address: &str) -> Arc<Peer> {
        // No code that can panic runs under the locks of this type.
        let mut peers = self.shared.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(peer) = peers.get(address) {
            return Arc::clone(peer);
        }
        let peer = Arc::new(Peer::new(address));
        peers.insert(address.to_owned(), Arc::clone(&peer));
        peer
    }

    /// Opens a connection to the broker at an address. If the last attempt failed a moment ago, none is made: the
    /// error is that of the last attempt.
    pub(super) async fn connect(&self, address: &str) -> Result<Connection, KafkaError> {
        let peer = self.peer(address);
        peer.is_worth_trying()?;
        match self.open(address).await {
            Ok(connection) => {
                let connected = self.health().connected();
                Ok(connection.watched(&peer, connected))
            }
            Err(error) => Err(peer.failed(error)),
        }
    }

    async fn open(&self, address: &str) -> Result<Connection, KafkaError> {
        let connected = timeout(self.timeout, TcpStream::connect(address)).await;
        let connected = connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let stream = connected
            .and_then(|stream| stream.set_nodelay(true).map(|()| stream))
            .map_err(|source| KafkaError::Connect { address: address.to_owned(), source })?;
        Connection::open(stream, address.to_owned(), self.client.clone(), self.timeout).await
    }

    /// Sends a broker a request that it answers at once, over the connection for such requests.
    pub(super) async fn ask<C: Call + Clone>(
        &self,
        peer: &Peer,
        request: C,
    ) -> Result<C::Response, KafkaError> {
        let mut place = peer.prompt.lock().await;
        // A broker closes a connection that was idle for long: then another one is opened.
        if let Some(mut connection) = place.take() {
            match connection.call(request.clone(), self.timeout).await {
                Err(KafkaError::Broken { .. }) => {}
                Err(error) if error.ends_connection() => return Err(error),
                answer => {
                    *place = Some(connection);
                    return answer;
                }
            }
        }
        let mut connection = self.connect(peer.address()).await?;
        let answer = connection.call(request, self.timeout).await;
        match answer {
            Err(error) if error.is_broken() => Err(self.explain(peer, error).await),
            Err(error) if error.ends_connection() => Err(error),
            answer => {
                *place = Some(connection);
                answer
            }
        }
    }

    /// Why a broker answers the greeting and then closes the connection: it may require SASL, which it says when that
    /// is tried.
    async fn explain(&self, peer: &Peer, error: KafkaError) -> KafkaError {
        let Ok(mut connection) = self.open(peer.address()).await else { return error };
        let request = SaslHandshakeRequest::default();
        let Ok(answer) = connection.call(request, self.timeout).await else { return error };
        let unknown = ResponseError::UnsupportedSaslMechanism.code();
        if answer.error_code != unknown {
            return error;
        }
        let mechanisms: Vec<_> = answer.mechanisms.iter().map(StrBytes::as_str).collect();
        let (address, mechanisms) = (peer.address().to_owned(), mechanisms.join(", "));
        peer.failed(KafkaError::Sasl { address, mechanisms })
    }

    /// Asks the known broker that answered last. If it is silent, the others are asked as well, each a little later
    /// than the one before; the first answer counts.
    pub(super) async fn ask_any<C: Call + Clone>(
        &self,
        request: C,
    ) -> Result<(Arc<Peer>, C::Response), KafkaError> {
        let (count, first) = (self.brokers.len(), self.shared.answered.load(Relaxed));
        let mut waiting = (0..count).map(|turn| (first + turn) % count);
        let mut asked = FuturesUnordered::new();
        let mut failure = None;
        loop {
            asked.extend(waiting.next().map(|index| self.ask_known(index, request.clone())));
            let answer = if waiting.len() == 0 {
                asked.next().await
            } else {
                match timeout(self.head_start(), asked.next()).await {
                    Ok(answer) => answer,
                    Err(_) => continue,
                }
            };
            match answer {
                Some(Ok(answer)) => return Ok(answer),
                // A passing error is preferred to a permanent one: the broker that has it may come back.
                Some(Err(error)) if failure.as_ref().is_none_or(KafkaError::is_final) => {
                    failure = Some(error);
                }
                Some(Err(_)) => {}
                None => return Err(failure.expect("the configuration names a broker at least")),
            }
        }
    }

    async fn ask_known<C: Call + Clone>(
        &self,
        index: usize,
        request: C,
    ) -> Result<(Arc<Peer>, C::Response), KafkaError> {
        let peer = self.peer(&self.brokers[index]);
        let answer = self.ask(&peer, request).await?;
        self.shared.answered.store(index, Relaxed);
        Ok((peer, answer))
    }

    /// How long an address may be silent before the next is tried as well.
    fn head_start(&self) -> Duration {
        let count = u32::try_from(self.brokers.len()).unwrap_or(u32::MAX).max(1);
        ALL_TRIED.min(self.timeout / 2) / count
    }

    /// Asks the controller, which creates and changes topics.
    pub(super) async fn ask_controller<C: Call + Clone>(
        &self,
        request: C,
    ) -> Result<C::Response, KafkaError> {
        let (any, metadata) = self.ask_any(metadata_request(&[])).await?;
        let metadata = Metadata::from(metadata);
        let controller = metadata.brokers.get(&metadata.controller);
        let controller = controller.map_or(any, |address| self.peer(address));
        self.ask(&controller, request).await
    }

    /// The current metadata of the cluster and these topics, from any broker.
    pub(super) async fn metadata(&self, topics: &[&str]) -> Result<Metadata, KafkaError> {
        let (_, answer) = self.ask_any(metadata_request(topics)).await?;
        Ok(answer.into())
    }

    pub(super) fn leaders(&self) -> &Leaders {
        &self.shared.leaders
    }

    /// The producer that sends the records of a partition to `peer`, as well as those of other partitions.
    pub(super) fn producer<'a>(&self, peer: &'a Peer, partition: u32) -> &'a Producer {
        let producer = &peer.producers[partition as usize % peer.producers.len()];
        producer.get_or_init(|| Producer::start(self.downgrade(), peer.address()))
    }
}

impl WeakCluster {
    /// The cluster, if a strong clone still exists.
    pub(super) fn upgrade(&self) -> Option<Cluster> {
        let Self { brokers, client, timeout, shared } = self.clone();
        Some(Cluster { brokers, client, timeout, shared: shared.upgrade()? })
    }
}

/// A partition's number in the type of the protocol's messages.
pub(super) fn signed(partition: u32) -> i32 {
    i32::try_from(partition).unwrap_or(i32::MAX)
}

/// The request for the metadata of the cluster and these topics.
pub(super) fn metadata_request(topics: &[&str]) -> MetadataRequest {
    let topics =
        topics.iter().map(|name| MetadataRequestTopic::default().with_name(Some(topic_name(name))));
    MetadataRequest::default()
        .with_topics(Some(topics.collect()))
        .with_allow_auto_topic_creation(false)
}

impl From<MetadataResponse> for Metadata {
    fn from(answer: MetadataResponse) -> Self {
        let brokers = answer
            .brokers
            .iter()
            .map(|broker| (broker.node_id.0, format!("{}:{}", broker.host.as_str(), broker.port)));
        Self {
            brokers: brokers.collect(),
            controller: answer.controller_id.0,
            topics: answer.topics,
        }
    }
}

impl Metadata {
    /// The number of partitions of each visible topic.
    pub(super) fn counts(self) -> BTreeMap<String, u32> {
        let seen = self.topics.into_iter().filter(|topic| topic.error_code == 0);
        let count = |partitions: usize| u32::try_from(partitions).unwrap_or(u32::MAX);
        seen.filter_map(|topic| Some((topic.name?.0.to_string(), count(topic.partitions.len()))))
            .collect()
    }
}

/// A topic's name in the type of the protocol's messages.
pub(super) fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use tokio::net::TcpListener;
    use tokio::time::timeout;

    use super::{Cluster, metadata_request};
    use crate::queue::kafka::pretend::Pretender;

    /// The longest wait of a test, and a wait that is longer than any test.
    const PATIENCE: Duration = Duration::from_mins(1);
    const LONGER: Duration = Duration::from_hours(1);
    const SHORT: Duration = Duration::from_millis(500);

    #[tokio::test]
    async fn an_address_that_is_silent_costs_a_moment_and_that_once() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let broker = Pretender::silent().await;
        let known = broker.address.clone();
        let addresses = vec![silent.local_addr().unwrap().to_string(), known.clone()];
        let cluster = Cluster::new(addresses.clone(), "test", LONGER);
        let asked = timeout(PATIENCE, cluster.ask_any(metadata_request(&[]))).await;
        let (answered, _) = asked.expect("the silent one is waited for").unwrap();
        assert_eq!(answered.address(), known);
        let _first = silent.accept().await.unwrap();
        // Clones of the cluster know it, too.
        let (answered, _) = cluster.called("another").ask_any(metadata_request(&[])).await.unwrap();
        assert_eq!(answered.address(), known);
        let second = silent.accept();
        assert!(futures_util::FutureExt::now_or_never(second).is_none(), "it is asked no more");
        broker.stop().await;
        let hasty = Cluster::new(addresses, "test", SHORT);
        let began = Instant::now();
        let error = hasty.ask_any(metadata_request(&[])).await.err().unwrap();
        assert!(error.to_string().contains(&known), "{error}");
        assert!(began.elapsed() >= SHORT, "the last address has all its time");
    }

    #[tokio::test]
    async fn one_that_is_too_old_is_no_reason_where_another_may_come_back() {
        let (old, gone) = (Pretender::old().await, Pretender::silent().await);
        let addresses = [old.address.clone(), gone.address.clone()];
        gone.stop().await;
        let connect = async |addresses: &[String]| {
            let cluster = Cluster::new(addresses.to_vec(), "test", PATIENCE);
            cluster.ask_any(metadata_request(&[])).await.err().unwrap()
        };
        for order in [addresses.clone(), [addresses[1].clone(), addresses[0].clone()]] {
            let error = connect(&order).await;
            assert!(error.to_string().contains("cannot connect to"), "{error}");
        }
        let error = connect(&addresses[..1]).await;
        assert!(error.to_string().contains("does not know version"), "{error}");
    }
}
