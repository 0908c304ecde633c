//! Messages that are sent all the time, members that come and go, and what must hold meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tilemill::model::worker::Heartbeat;
use tilemill::queue::Event;
use tilemill::queue::kafka::Danger;
use tilemill::queue::kafka::topic::KafkaTopic;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::broker::topic::{self, until};
use crate::conformance::queue::message;

/// A new topic of this name, and a group of the same name.
pub async fn new_topic(addresses: &str, name: &str, partitions: u32) -> Arc<KafkaTopic> {
    topic::create(addresses, name, name, partitions, Danger::Deadly).await
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
        topic::until_committed::<Heartbeat>(&self.topic).await;
    }
}

async fn send(topic: Arc<KafkaTopic>, seen: Arc<Mutex<Seen>>, stop: CancellationToken) {
    for number in 0.. {
        if stop.is_cancelled() {
            return;
        }
        let (partition, offset, _) = topic::send(&topic, number, || message(number)).await;
        seen.lock().unwrap().sent.insert(number, (partition, offset));
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

async fn member(topic: Arc<KafkaTopic>, seen: Arc<Mutex<Seen>>, name: String) {
    let mut consumer = topic::join::<Heartbeat>(&topic, &name).await;
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
        if let Some(progress) = topic::progress::<Heartbeat>(&topic).await {
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
