//! Creates, describes, changes and deletes topics in Kafka.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use kafka_protocol::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, DescribeConfigsRequest,
    IncrementalAlterConfigsRequest,
};
use kafka_protocol::protocol::StrBytes;
use tokio::time::{Instant, sleep};

use super::call::Call;
use super::cluster::Cluster;
use super::error::{KafkaError, accepted};
use super::group::{Group, Observer, Settings};
use super::limits::{limits_request, read_limits};
use super::messages::{Metadata, metadata_request, topic_name};
use super::peers::Peers;
use super::remedy;
use crate::queue::QueueError;
use crate::queue::admin::{
    BrokerLimits, BrokerState, GroupTrouble, LOOKED_AT, TopicAdmin, TopicPlan, TopicState,
};

/// The protocol's type of a topic as a resource that has settings.
const TOPIC: i8 = 2;
/// How often a topic that exists but is not visible yet is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The protocol's numbers of two operations in access rules.
const READ: i32 = 3;
const WRITE: i32 = 4;
/// The protocol's number for setting a value.
const SET: i8 = 0;
/// The replication factor that stands for the broker's default.
const BROKERS_DEFAULT: i16 = -1;

/// Sets up the topics of one cluster.
pub struct KafkaAdmin {
    peers: Peers,
    session: Duration,
}

impl KafkaAdmin {
    /// An admin of `cluster`.
    #[must_use]
    pub fn new(cluster: Cluster) -> Self {
        Self { peers: cluster.into_peers(), session: Duration::from_secs(6) }
    }

    /// Sets the session that [`TopicAdmin::try_group`] asks for.
    #[must_use]
    pub fn with_session(self, session: Duration) -> Self {
        Self { session, ..self }
    }

    async fn ask_controller<C: Call + Clone>(&self, request: C) -> Result<C::Response, KafkaError> {
        self.peers.ask_controller(request).await
    }

    async fn try_brokers(&self) -> Result<Vec<BrokerState>, KafkaError> {
        let metadata = self.peers.metadata(&[]).await?;
        let mut brokers = Vec::new();
        for advertised in metadata.brokers.into_values() {
            let peer = self.peers.at(&advertised);
            let asked = self.peers.ask(&peer, metadata_request(&[])).await;
            let trouble = asked.err().map(QueueError::from);
            brokers.push(BrokerState { advertised, trouble });
        }
        Ok(brokers)
    }

    async fn try_limits(&self) -> Result<BrokerLimits, KafkaError> {
        let metadata = self.peers.metadata(&[]).await?;
        let Some((number, address)) = metadata.brokers.into_iter().next() else {
            return Ok(BrokerLimits::default());
        };
        let peer = self.peers.at(&address);
        read_limits(self.peers.ask(&peer, limits_request(number)).await?)
    }

    async fn try_look(&self, plan: &TopicPlan) -> Result<Option<TopicState>, KafkaError> {
        let request =
            metadata_request(&[&plan.name]).with_include_topic_authorized_operations(true);
        let metadata = Metadata::from(self.peers.ask_any(request).await?.1);
        let Some(topic) = metadata.topics.first().map(|topic| existing(topic, &plan.name)) else {
            return Ok(None);
        };
        let Some(topic) = topic? else { return Ok(None) };
        let settings = match self.settings(plan).await {
            // The topic was deleted a moment ago: the broker's answers need not agree yet.
            Err(error) if error.code() == Some(ResponseError::UnknownTopicOrPartition) => {
                return Ok(None);
            }
            settings => settings?,
        };
        let replicas = topic.partitions.iter().map(|partition| partition.replica_nodes.len());
        let replication = replicas.min().unwrap_or(0);
        let in_sync = topic.partitions.iter().map(|partition| partition.isr_nodes.len());
        let in_sync = in_sync.min().unwrap_or(0);
        Ok(Some(TopicState {
            partitions: u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX),
            replication: u16::try_from(replication).unwrap_or(u16::MAX),
            in_sync: u16::try_from(in_sync).unwrap_or(u16::MAX),
            settings,
            forbidden: forbidden(topic.topic_authorized_operations),
        }))
    }

    async fn settings(&self, plan: &TopicPlan) -> Result<BTreeMap<String, String>, KafkaError> {
        let keys = plan.settings.keys().map(String::as_str).chain(LOOKED_AT);
        let keys = keys.map(string).collect();
        let resource = DescribeConfigsResource::default()
            .with_resource_type(TOPIC)
            .with_resource_name(string(&plan.name))
            .with_configuration_keys(Some(keys));
        let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
        let (_, answer) = self.peers.ask_any(request).await?;
        let mut settings = BTreeMap::new();
        for result in answer.results {
            accepted(result.error_code, result.error_message.as_deref(), || {
                format!("the settings of topic {} cannot be read", plan.name)
            })?;
            let configs = result.configs.into_iter();
            settings.extend(
                configs.filter_map(|config| {
                    Some((config.name.to_string(), config.value?.to_string()))
                }),
            );
        }
        Ok(settings)
    }

    async fn try_create(&self, plan: &TopicPlan) -> Result<(), KafkaError> {
        let began = Instant::now();
        let mut had_brokers = false;
        loop {
            let request = CreateTopicsRequest::default()
                .with_topics(vec![creatable(plan)])
                .with_timeout_ms(self.peers.brokers_timeout());
            let answer = self.ask_controller(request).await?;
            let refused = answer.topics.iter().try_for_each(|topic| {
                accepted(topic.error_code, topic.error_message.as_deref(), || {
                    format!("topic {} cannot be created", plan.name)
                })
            });
            match refused {
                Err(error) if error.code() == Some(ResponseError::TopicAlreadyExists) => {
                    // Another process was faster, or the answer to an earlier try was lost. With ZooKeeper, a topic
                    // that is being deleted still exists for requests that create it, and for no others.
                    if self.try_look(plan).await?.is_some() {
                        return Ok(());
                    }
                    if began.elapsed() >= self.peers.timeout() {
                        return Err(error);
                    }
                    sleep(LOOK_EVERY).await;
                }
                // A broker that has just started answers before it knows any broker, itself included.
                Err(error)
                    if error.code() == Some(ResponseError::InvalidReplicationFactor)
                        && !had_brokers
                        && began.elapsed() < self.peers.timeout() =>
                {
                    had_brokers = !self.peers.metadata(&[]).await?.brokers.is_empty();
                    sleep(LOOK_EVERY).await;
                }
                created => return created,
            }
        }
    }

    async fn try_set(
        &self,
        name: &str,
        settings: &BTreeMap<String, String>,
    ) -> Result<(), KafkaError> {
        let configs = settings.iter().map(|(key, value)| {
            AlterableConfig::default()
                .with_name(string(key))
                .with_config_operation(SET)
                .with_value(Some(string(value)))
        });
        let resource = AlterConfigsResource::default()
            .with_resource_type(TOPIC)
            .with_resource_name(string(name))
            .with_configs(configs.collect());
        let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
        let answer = self.ask_controller(request).await?;
        answer.responses.iter().try_for_each(|response| {
            accepted(response.error_code, response.error_message.as_deref(), || {
                format!("the settings of topic {name} cannot be changed")
            })
        })
    }

    async fn try_grow(&self, name: &str, partitions: u32) -> Result<(), KafkaError> {
        let topic = CreatePartitionsTopic::default()
            .with_name(topic_name(name))
            .with_count(i32::try_from(partitions).unwrap_or(i32::MAX))
            .with_assignments(None);
        let request = CreatePartitionsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(self.peers.brokers_timeout());
        let answer = self.ask_controller(request).await?;
        answer.results.iter().try_for_each(|result| {
            accepted(result.error_code, result.error_message.as_deref(), || {
                format!("topic {name} cannot get {partitions} partitions")
            })
        })
    }

    async fn try_delete(&self, name: &str) -> Result<(), KafkaError> {
        let request = DeleteTopicsRequest::default()
            .with_topic_names(vec![topic_name(name)])
            .with_timeout_ms(self.peers.brokers_timeout());
        let answer = self.ask_controller(request).await?;
        answer.responses.iter().try_for_each(|response| {
            accepted(response.error_code, None, || format!("topic {name} cannot be deleted"))
        })
    }
}

/// The needed operations that are not among the `operations` that a broker allows on a topic.
fn forbidden(operations: i32) -> Vec<&'static str> {
    // The value if the broker was not asked, or is too old.
    const UNKNOWN: i32 = i32::MIN;
    let needed = [(READ, "READ"), (WRITE, "WRITE")].into_iter();
    let lacks = |(bit, _): &(i32, &str)| operations != UNKNOWN && operations & (1 << bit) == 0;
    needed.filter(lacks).map(|(_, name)| name).collect()
}

fn string(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// The topic; `None` if the broker says that there is none.
fn existing<'a>(
    topic: &'a MetadataResponseTopic,
    name: &str,
) -> Result<Option<&'a MetadataResponseTopic>, KafkaError> {
    let known = accepted(topic.error_code, None, || format!("topic {name} cannot be looked at"));
    match known {
        Ok(()) => Ok(Some(topic)),
        Err(error) if error.code() == Some(ResponseError::UnknownTopicOrPartition) => Ok(None),
        Err(error) => Err(error),
    }
}

fn creatable(plan: &TopicPlan) -> CreatableTopic {
    let configs = plan.settings.iter().map(|(key, value)| {
        CreatableTopicConfig::default().with_name(string(key)).with_value(Some(string(value)))
    });
    let replication = plan.replication.and_then(|count| i16::try_from(count).ok());
    CreatableTopic::default()
        .with_name(topic_name(&plan.name))
        .with_num_partitions(i32::try_from(plan.partitions).unwrap_or(i32::MAX))
        .with_replication_factor(replication.unwrap_or(BROKERS_DEFAULT))
        .with_configs(configs.collect())
}

#[async_trait]
impl TopicAdmin for KafkaAdmin {
    async fn brokers(&self) -> Result<Vec<BrokerState>, QueueError> {
        Ok(self.try_brokers().await?)
    }

    async fn limits(&self) -> Result<BrokerLimits, QueueError> {
        Ok(self.try_limits().await?)
    }

    async fn try_group(&self, name: &str, key: &'static str, topic: &str) -> Option<GroupTrouble> {
        let group = Group { name: name.to_owned(), key, session: self.session };
        let observer = Observer::new(self.peers.clone(), Settings::new(&group, topic));
        let error = observer.try_join().await.err()?;
        // A member then asks for another session.
        if error.code() == Some(ResponseError::InvalidSessionTimeout) {
            return None;
        }
        let remedy = remedy::group_remedy(&group, topic, &error);
        let remedy = remedy.unwrap_or_else(|| "the logs of the brokers tell more".to_owned());
        Some(GroupTrouble { cause: error.into(), remedy })
    }

    async fn look(&self, plan: &TopicPlan) -> Result<Option<TopicState>, QueueError> {
        Ok(self.try_look(plan).await?)
    }

    async fn create(&self, plan: &TopicPlan) -> Result<(), QueueError> {
        Ok(self.try_create(plan).await?)
    }

    async fn set(&self, name: &str, settings: &BTreeMap<String, String>) -> Result<(), QueueError> {
        Ok(self.try_set(name, settings).await?)
    }

    async fn grow(&self, name: &str, partitions: u32) -> Result<(), QueueError> {
        Ok(self.try_grow(name, partitions).await?)
    }

    async fn delete(&self, name: &str) -> Result<(), QueueError> {
        Ok(self.try_delete(name).await?)
    }
}
