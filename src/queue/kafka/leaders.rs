//! Finds the brokers that lead partitions, and the offsets where partitions begin and end.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::ListOffsetsRequest;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_response::{
    MetadataResponsePartition, MetadataResponseTopic,
};
use tokio::time::Instant;

use super::error::{KafkaError, accepted};
use super::messages::{Metadata, signed, topic_name, unsigned};
use super::peer::Peer;
use super::peers::Peers;
use crate::locked::Locked;

/// How long to look for a partition that a broker does not know: it may have been added just now, and brokers
/// learn of that one after the other.
pub(super) const NEWNESS: Duration = Duration::from_secs(2);

/// The metadata of each topic. Only one request per topic is in flight at a time.
#[derive(Default)]
pub(super) struct Leaders(Mutex<HashMap<String, Asked>>);

type Asked = Arc<tokio::sync::Mutex<Option<Known>>>;

/// The metadata of a topic.
struct Known {
    /// When the brokers were asked for it.
    at: Instant,
    metadata: Arc<Metadata>,
}

/// A place in a partition, by the protocol's number.
#[derive(Debug, Clone, Copy)]
pub(super) enum At {
    /// The first record that is still there.
    Earliest = -2,
    /// The next record.
    Latest = -1,
}

impl Leaders {
    fn of(&self, topic: &str) -> Asked {
        let mut topics = self.0.locked();
        Arc::clone(topics.entry(topic.to_owned()).or_default())
    }

    /// The broker that leads a partition, by metadata newer than `doubted`: the time when the known leader turned out
    /// to be wrong or could not be reached. All partitions of a topic are asked for at once.
    pub(super) async fn find(
        &self,
        peers: &Peers,
        topic: &str,
        partition: u32,
        doubted: Option<Instant>,
    ) -> Result<Arc<Peer>, KafkaError> {
        let refused = || format!("partition {partition} of {topic} cannot be found");
        let unknown = ResponseError::UnknownTopicOrPartition.code();
        let metadata = self.topic(peers, topic, partition, doubted).await?;
        let topic = metadata.topics.first();
        accepted(topic.map_or(unknown, |topic| topic.error_code), None, refused)?;
        let partition = topic.and_then(|topic| find(topic, partition));
        accepted(partition.map_or(unknown, |partition| partition.error_code), None, refused)?;
        let leader = partition.and_then(|partition| metadata.brokers.get(&partition.leader_id.0));
        let address = leader
            .ok_or_else(|| KafkaError::refused(refused(), ResponseError::LeaderNotAvailable))?;
        Ok(peers.at(address))
    }

    /// The metadata of a topic, asked for again if the known one is too old or lacks the partition.
    async fn topic(
        &self,
        peers: &Peers,
        topic: &str,
        partition: u32,
        doubted: Option<Instant>,
    ) -> Result<Arc<Metadata>, KafkaError> {
        let known = self.of(topic);
        let came = Instant::now();
        let mut known = known.lock().await;
        if let Some(known) = &*known {
            // A request that began while this call waited serves both.
            let is_new = doubted.is_none_or(|doubted| known.at > doubted) || known.at > came;
            let topic = known.metadata.topics.first();
            let partition = topic.and_then(|topic| find(topic, partition));
            let is_usable = partition.is_some_and(|partition| partition.error_code == 0);
            if is_new && (is_usable || known.at > came) {
                return Ok(Arc::clone(&known.metadata));
            }
        }
        let at = Instant::now();
        let metadata = Arc::new(peers.metadata(&[topic]).await?);
        *known = Some(Known { at, metadata: Arc::clone(&metadata) });
        Ok(metadata)
    }

    /// The offsets where partitions of a topic begin or end, in the order of `partitions`.
    pub(super) async fn offsets(
        &self,
        peers: &Peers,
        topic: &str,
        partitions: &[u32],
        at: At,
    ) -> Result<Vec<u64>, KafkaError> {
        match self.try_offsets(peers, topic, partitions, at, None).await {
            // The known leaders may have been outdated: once more with new metadata.
            Err(error) if !error.is_final() => {
                self.try_offsets(peers, topic, partitions, at, Some(Instant::now())).await
            }
            offsets => offsets,
        }
    }

    async fn try_offsets(
        &self,
        peers: &Peers,
        topic: &str,
        partitions: &[u32],
        at: At,
        doubted: Option<Instant>,
    ) -> Result<Vec<u64>, KafkaError> {
        let mut leaders: Vec<(Arc<Peer>, Vec<u32>)> = Vec::new();
        for partition in partitions {
            let leader = self.find(peers, topic, *partition, doubted).await?;
            match leaders.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &leader)) {
                Some((_, led)) => led.push(*partition),
                None => leaders.push((leader, vec![*partition])),
            }
        }
        let mut offsets = BTreeMap::new();
        for (leader, led) in leaders {
            let answer = peers.ask(&leader, list_request(topic, &led, at)).await?;
            for partition in answer.topics.into_iter().flat_map(|topic| topic.partitions) {
                accepted(partition.error_code, None, || {
                    format!(
                        "partition {} of {topic} cannot be looked at",
                        partition.partition_index
                    )
                })?;
                offsets.insert(partition.partition_index, unsigned(partition.offset));
            }
        }
        let offset = |partition: &u32| {
            let offset = offsets.get(&signed(*partition)).copied();
            offset.ok_or_else(|| {
                let what = format!("partition {partition} of {topic} cannot be looked at");
                KafkaError::refused(what, ResponseError::UnknownServerError)
            })
        };
        partitions.iter().map(offset).collect()
    }
}

fn find(topic: &MetadataResponseTopic, partition: u32) -> Option<&MetadataResponsePartition> {
    topic.partitions.iter().find(|known| known.partition_index == signed(partition))
}

fn list_request(topic: &str, partitions: &[u32], at: At) -> ListOffsetsRequest {
    // The client is not a replica.
    const NO_REPLICA: i32 = -1;
    let partition = |number: &u32| {
        ListOffsetsPartition::default()
            .with_partition_index(signed(*number))
            .with_current_leader_epoch(-1)
            .with_timestamp(at as i64)
    };
    let topic = ListOffsetsTopic::default()
        .with_name(topic_name(topic))
        .with_partitions(partitions.iter().map(partition).collect());
    ListOffsetsRequest::default().with_replica_id(NO_REPLICA.into()).with_topics(vec![topic])
}
