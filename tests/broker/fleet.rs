//! Messages that are sent all the time, members that come and go, and what must hold meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tilemill::model::worker::Heartbeat;
use tilemill::queue::admin::{TopicAdmin, TopicPlan};
use tilemill::queue::kafka::admin::KafkaAdmin;
use tilemill::queue::kafka::cluster::Cluster;
use tilemill::queue::kafka::topic::{KafkaTopic, TopicOptions};
use tilemill::queue::kafka::wire::Compression;
use tilemill::queue::kafka::{Beginning, Danger};
use tilemill::queue::{Event, Topic};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::broker::runtime;
use crate::conformance::queue::message;
use crate::support::PATIENCE;

/// The cluster at an address, with a deadline that suits a broker nearby.
pub fn cluster(address: &str) -> Cluster {
    Cluster::new(vec![address.to_owned()], "test", Duration::from_secs(5))
}

/// A new topic of this name, and a group of the same name.
pub async fn new_topic(address: &str, name: &str, partitions: u32) -> Arc<KafkaTopic> {
    let admin = KafkaAdmin::new(cluster(address));
    let settings = BTreeMap::new();
    let plan = TopicPlan { name: name.into(), partitions, replication: None, settings };
    admin.create(&plan).await.unwrap();
    while admin.look(&plan).await.unwrap().is_none() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Arc::new(KafkaTopic::new(cluster(address), name, options(name)))
}

pub fn options(group: &str) -> TopicOptions {
    TopicOptions {
        group: group.to_owned(),
        beginning: Beginning::Earliest,
        compression: Compression::Lz4,
        danger: Danger::Deadly,
        answers: None,
    }
}

/// A name that no other test, and no other run, uses.
pub fn own_name(test: &str) -> String {
    format!("{test}-{}", std::process::id())
}

/// All that was seen, by the numbers of messages and by partitions and offsets.
#[derive(Default)]
pub struct Seen {
    pub sent: BTreeMap<u64, (u32, u64)>,
    pub delivered: BTreeMap<u64, Vec<(Instant, String)>>,
    acked: BTreeSet<(u32, u64)>,
}

/// Messages in flight over one topic.
pub struct Fleet {
    pub topic: Arc<KafkaTopic>,
    pub seen: Arc<Mutex<Seen>>,
    stop_sending: CancellationToken,
    sender: Option<AbortOnDropHandle<()>>,
    _watch: AbortOnDropHandle<()>,
}

impl Fleet {
    /// Sends a message every few milliseconds, to the partitions in turn, and watches the commits.
    pub fn start(topic: Arc<KafkaTopic>) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let stop_sending = CancellationToken::new();
        let sending = send(Arc::clone(&topic), Arc::clone(&seen), stop_sending.clone());
        let watching = watch(Arc::clone(&topic), Arc::clone(&seen));
        Self {
            topic,
            seen,
            stop_sending,
            sender: Some(AbortOnDropHandle::new(tokio::spawn(sending))),
            _watch: AbortOnDropHandle::new(tokio::spawn(watching)),
        }
    }

    /// A member that acks what it gets, some of it a little later. Dropping the handle ends it.
    pub fn member(&self, name: &str) -> AbortOnDropHandle<()> {
        let member = member(Arc::clone(&self.topic), Arc::clone(&self.seen), name.to_owned());
        AbortOnDropHandle::new(tokio::spawn(member))
    }

    /// The same on threads of its own; [`Runtime::shutdown_background`] ends it as a crash would.
    pub fn mortal(&self, name: &str) -> Runtime {
        let runtime = runtime();
        runtime.spawn(member(Arc::clone(&self.topic), Arc::clone(&self.seen), name.to_owned()));
        runtime
    }

    /// Waits until a message that is sent from now on has been delivered from each partition.
    pub async fn until_all_flow(&self, partitions: u32) -> Duration {
        let began = Instant::now();
        let fresh = || {
            let seen = self.seen.lock().unwrap();
            let of = |number| seen.sent.get(number).map(|(partition, _)| *partition);
            let since = |times: &[(Instant, String)]| times.iter().any(|(at, _)| *at > began);
            let fresh = seen.delivered.iter().filter(|(_, times)| since(times));
            fresh.filter_map(|(number, _)| of(number)).collect::<BTreeSet<u32>>().len()
        };
        until("messages flow from each partition", async || fresh() >= partitions as usize).await;
        began.elapsed()
    }

    /// Stops sending; all that was sent must be delivered and committed.
    pub async fn end(mut self) {
        self.stop_sending.cancel();
        self.sender.take().unwrap().await.unwrap();
        let sent: BTreeSet<u64> = self.seen.lock().unwrap().sent.keys().copied().collect();
        assert!(!sent.is_empty());
        until("all is delivered", async || {
            let seen = self.seen.lock().unwrap();
            sent.iter().all(|number| seen.delivered.contains_key(number))
        })
        .await;
        until("all is committed", async || match progress(&self.topic).await {
            Some(progress) => progress.iter().all(|of| of.committed == of.end),
            None => false,
        })
        .await;
    }
}

async fn progress(topic: &Arc<KafkaTopic>) -> Option<Vec<tilemill::queue::Progress>> {
    <KafkaTopic as Topic<Heartbeat>>::progress(topic).await.ok()
}

/// Asks again until it is so.
pub async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn send(topic: Arc<KafkaTopic>, seen: Arc<Mutex<Seen>>, stop: CancellationToken) {
    for number in 0.. {
        if stop.is_cancelled() {
            return;
        }
        let count = <KafkaTopic as Topic<Heartbeat>>::partitions(&topic).await.unwrap_or(1);
        let partition = u32::try_from(number % u64::from(count)).unwrap();
        // Not sent for sure while the broker is away: then it is sent again.
        let offset = loop {
            match topic.send(partition, message(number)).await {
                Ok(offset) => break offset,
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        };
        seen.lock().unwrap().sent.insert(number, (partition, offset));
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

async fn member(topic: Arc<KafkaTopic>, seen: Arc<Mutex<Seen>>, name: String) {
    let mut consumer = loop {
        match <KafkaTopic as Topic<Heartbeat>>::join(&topic, &name).await {
            Ok(consumer) => break consumer,
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    };
    loop {
        let Event::Delivery(delivery) = consumer.next().await.unwrap() else { continue };
        let number = delivery.message().done;
        let times = (Instant::now(), name.clone());
        seen.lock().unwrap().delivered.entry(number).or_default().push(times);
        let seen = Arc::clone(&seen);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(number % 7 * 5)).await;
            // One in some is given back instead.
            if number % 13 != 5 || seen.lock().unwrap().delivered[&number].len() > 1 {
                let place = (delivery.partition(), delivery.offset());
                seen.lock().unwrap().acked.insert(place);
                delivery.ack();
            }
        });
    }
}

/// Nothing that was not acked is below a committed offset, at any time.
async fn watch(topic: Arc<KafkaTopic>, seen: Arc<Mutex<Seen>>) {
    loop {
        if let Some(progress) = progress(&topic).await {
            let seen = seen.lock().unwrap();
            for (partition, offset) in seen.sent.values() {
                let committed = progress.get(*partition as usize).map_or(0, |of| of.committed);
                let acked = seen.acked.contains(&(*partition, *offset));
                if *offset < committed && !acked {
                    eprintln!("{offset} of {partition} is not acked, {committed} is committed");
                    std::process::abort();
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
