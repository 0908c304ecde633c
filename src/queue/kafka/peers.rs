//! The brokers of a cluster, and requests to any of them, to one, or to the controller.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use rskafka::client::Client;
use rskafka::client::error::Error;
use tokio::time::timeout;

use super::call::Call;
use super::connection::Connection;
use super::dial::Dialer;
use super::error::KafkaError;
use super::messages::{Metadata, metadata_request};
use super::peer::Peer;
use crate::health::Health;
use crate::locked::Locked;

/// If no broker answers, a connection to each known address has been started after this time.
const ALL_TRIED: Duration = Duration::from_secs(2);

/// The brokers of a cluster, and how this process reaches them.
#[derive(Clone)]
pub(super) struct Peers {
    /// The configured addresses.
    addresses: Vec<String>,
    dialer: Dialer,
    health: Health,
    /// Shared by all clones.
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// The index of the broker that answered last: a silent one costs time only once.
    answered: AtomicUsize,
    by_address: Mutex<HashMap<String, Arc<Peer>>>,
}

impl Peers {
    /// The brokers of the cluster that has some at these addresses. `health` is where obstacles are reported and
    /// connections counted.
    pub(super) fn new(addresses: Vec<String>, dialer: Dialer, health: Health) -> Self {
        Self { addresses, dialer, health, shared: Arc::default() }
    }

    /// The same brokers for another client id; connections are shared.
    pub(super) fn called(&self, client: &str) -> Self {
        Self { dialer: self.dialer.called(client), ..self.clone() }
    }

    /// Like a new one that reports to `health`.
    pub(super) fn telling(self, health: Health) -> Self {
        Self { health, shared: Arc::default(), ..self }
    }

    /// Where obstacles are reported.
    pub(super) fn health(&self) -> &Health {
        &self.health
    }

    /// The configured addresses.
    pub(super) fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// The deadline of requests that should be answered at once.
    pub(super) fn timeout(&self) -> Duration {
        self.dialer.timeout()
    }

    /// How many milliseconds a broker may take for a request: a little less than the deadline of its answer.
    pub(super) fn brokers_timeout(&self) -> i32 {
        i32::try_from(self.timeout().mul_f32(0.8).as_millis()).unwrap_or(i32::MAX)
    }

    /// The broker at an address.
    pub(super) fn at(&self, address: &str) -> Arc<Peer> {
        let mut peers = self.shared.by_address.locked();
        if let Some(peer) = peers.get(address) {
            return Arc::clone(peer);
        }
        let peer = Arc::new(Peer::new(address, self.health.clone()));
        peers.insert(address.to_owned(), Arc::clone(&peer));
        peer
    }

    /// Opens a connection to the broker at an address. If the last attempt failed a moment ago, none is made: the
    /// error is that of the last attempt.
    pub(super) async fn connect(&self, address: &str) -> Result<Connection, KafkaError> {
        self.at(address).connect(&self.dialer).await
    }

    /// Sends a broker a request that it answers at once, over the connection for such requests.
    pub(super) async fn ask<C: Call + Clone>(
        &self,
        peer: &Peer,
        request: C,
    ) -> Result<C::Response, KafkaError> {
        peer.ask(&self.dialer, request).await
    }

    /// Asks the known broker that answered last. If it is silent, the others are asked as well, each a little later
    /// than the one before; the first answer counts.
    pub(super) async fn ask_any<C: Call + Clone>(
        &self,
        request: C,
    ) -> Result<(Arc<Peer>, C::Response), KafkaError> {
        let (count, first) = (self.addresses.len(), self.shared.answered.load(Relaxed));
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
        let peer = self.at(&self.addresses[index]);
        let answer = self.ask(&peer, request).await?;
        self.shared.answered.store(index, Relaxed);
        Ok((peer, answer))
    }

    /// How long an address may be silent before the next is tried as well.
    fn head_start(&self) -> Duration {
        let count = u32::try_from(self.addresses.len()).unwrap_or(u32::MAX).max(1);
        ALL_TRIED.min(self.timeout() / 2) / count
    }

    /// Asks the controller, which creates and changes topics.
    pub(super) async fn ask_controller<C: Call + Clone>(
        &self,
        request: C,
    ) -> Result<C::Response, KafkaError> {
        let (any, metadata) = self.ask_any(metadata_request(&[])).await?;
        let metadata = Metadata::from(metadata);
        let controller = metadata.brokers.get(&metadata.controller);
        let controller = controller.map_or(any, |address| self.at(address));
        self.ask(&controller, request).await
    }

    /// The current metadata of the cluster and these topics, from any broker.
    pub(super) async fn metadata(&self, topics: &[&str]) -> Result<Metadata, KafkaError> {
        let (_, answer) = self.ask_any(metadata_request(topics)).await?;
        Ok(answer.into())
    }

    /// A client of `rskafka` for the cluster.
    pub(super) async fn rskafka(&self) -> Result<Client, Error> {
        // It has no deadline for each address, so it gets one that answers.
        let addresses = match self.ask_any(metadata_request(&[])).await {
            Ok((peer, _)) => vec![peer.address().to_owned()],
            Err(_) => self.addresses.clone(),
        };
        self.dialer.rskafka(addresses).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use tokio::net::TcpListener;
    use tokio::time::timeout;

    use super::{Peers, metadata_request};
    use crate::health::Health;
    use crate::queue::kafka::dial::Dialer;
    use crate::queue::kafka::pretend::Pretender;

    /// The longest wait of a test, and a wait that is longer than any test.
    const PATIENCE: Duration = Duration::from_mins(1);
    const LONGER: Duration = Duration::from_hours(1);
    const SHORT: Duration = Duration::from_millis(500);

    fn peers(addresses: &[String], timeout: Duration) -> Peers {
        Peers::new(addresses.to_vec(), Dialer::new("test", timeout), Health::default())
    }

    #[tokio::test]
    async fn an_address_that_is_silent_costs_a_moment_and_that_once() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let broker = Pretender::silent().await;
        let known = broker.address.clone();
        let addresses = vec![silent.local_addr().unwrap().to_string(), known.clone()];
        let known_peers = peers(&addresses, LONGER);
        let asked = timeout(PATIENCE, known_peers.ask_any(metadata_request(&[]))).await;
        let (answered, _) = asked.expect("the silent one is waited for").unwrap();
        assert_eq!(answered.address(), known);
        let _first = silent.accept().await.unwrap();
        // Clones know it, too.
        let another = known_peers.called("another");
        let (answered, _) = another.ask_any(metadata_request(&[])).await.unwrap();
        assert_eq!(answered.address(), known);
        let second = silent.accept();
        assert!(futures_util::FutureExt::now_or_never(second).is_none(), "it is asked no more");
        broker.stop().await;
        let hasty = peers(&addresses, SHORT);
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
            peers(addresses, PATIENCE).ask_any(metadata_request(&[])).await.err().unwrap()
        };
        for order in [addresses.clone(), [addresses[1].clone(), addresses[0].clone()]] {
            let error = connect(&order).await;
            assert!(error.to_string().contains("cannot connect to"), "{error}");
        }
        let error = connect(&addresses[..1]).await;
        assert!(error.to_string().contains("does not know version"), "{error}");
    }
}
