//! A cluster, as this process uses it: its brokers, which of them lead its partitions, and what is on its way there.
//!
//! A process holds few connections to each broker, whatever the number of partitions: one for requests that are
//! answered at once (`peer`), two for records that it sends (`producer`), and for each group one as its member
//! (`group`) and up to five for what it reads there (`fetches`).

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::dial::Dialer;
use super::error::KafkaError;
use super::leaders::{At, Leaders};
use super::peer::Peer;
use super::peers::Peers;
use super::producer::{Producer, Producers};
use crate::health::Health;

/// The brokers of a cluster, the leaders of its partitions, and the producers that send to them.
#[derive(Clone)]
pub struct Cluster {
    peers: Peers,
    /// Shared by all clones.
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    leaders: Leaders,
    producers: Producers,
}

impl Cluster {
    /// A cluster that has brokers at these addresses. `client` is the client id of this process;
    /// `timeout` is the deadline of requests that should be answered at once.
    #[must_use]
    pub fn new(brokers: Vec<String>, client: &str, timeout: Duration) -> Self {
        let peers = Peers::new(brokers, Dialer::new(client, timeout), Health::default());
        Self { peers, shared: Arc::default() }
    }

    /// Sets where obstacles are reported and connections counted.
    #[must_use]
    pub fn telling(self, health: Health) -> Self {
        Self { peers: self.peers.telling(health), shared: Arc::default() }
    }

    /// The same cluster with another client id; connections are shared.
    pub(super) fn called(&self, client: &str) -> Self {
        Self { peers: self.peers.called(client), ..self.clone() }
    }

    /// Its brokers.
    pub(super) fn peers(&self) -> &Peers {
        &self.peers
    }

    /// Its brokers, for what needs no more.
    pub(super) fn into_peers(self) -> Peers {
        self.peers
    }

    /// Where obstacles are reported.
    pub(super) fn health(&self) -> &Health {
        self.peers.health()
    }

    /// The deadline of requests that should be answered at once.
    pub(super) fn timeout(&self) -> Duration {
        self.peers.timeout()
    }

    /// The broker that leads a partition, by metadata newer than `doubted`: the time when the known leader turned out
    /// to be wrong or could not be reached.
    pub(super) async fn leader(
        &self,
        topic: &str,
        partition: u32,
        doubted: Option<Instant>,
    ) -> Result<Arc<Peer>, KafkaError> {
        self.shared.leaders.find(&self.peers, topic, partition, doubted).await
    }

    /// The offsets where partitions of a topic begin or end, in the order of `partitions`.
    pub(super) async fn offsets(
        &self,
        topic: &str,
        partitions: &[u32],
        at: At,
    ) -> Result<Vec<u64>, KafkaError> {
        self.shared.leaders.offsets(&self.peers, topic, partitions, at).await
    }

    /// The producer that sends the records of a partition to `peer`, as well as those of other partitions.
    pub(super) fn producer(&self, peer: &Peer, partition: u32) -> Producer {
        self.shared.producers.to(&self.peers, peer.address(), partition)
    }
}
